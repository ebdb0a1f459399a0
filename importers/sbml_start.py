"""What every symbol of an SBML model is worth at time zero.

Assignment rules come before initial assignments, and those before attributes; each is computed after
what it depends on, and a circle is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from kinetix.errors import ModelError
from kinetix.expressions import TIME, number

from .sbml_audit import elements, sides
from .sbml_formula import Formula, value_of
from .sbml_math import MathReader, names_used


@dataclass(frozen=True)
class Start:
    """Values at time zero: `symbols` by id as formulas see them, `amounts` of species, sizes of compartments."""

    symbols: Mapping[str, float]
    amounts: Mapping[str, float]
    sizes: Mapping[str, float | None]


def in_order(uses: Mapping[str, set[str]], what: str) -> list[str]:
    """The names so that each follows those it uses; a circle is a ModelError that shows it."""
    try:
        return list(TopologicalSorter(uses).static_order())
    except CycleError as problem:
        circle = " -> ".join(reversed(problem.args[1]))
        raise ModelError(f"{what} depend on one another in a circle: {circle}", mend="break the circle") from problem


def definitions(model: Any) -> dict[str, Any]:
    """The formula of every assignment rule, by the name it defines; ModelError for a rule without one."""
    rules = {rule.getVariable(): rule.getMath() for rule in elements(model.getListOfRules())}
    return _require_math(rules, "rule of")


def names_used_by(reaction: Any) -> set[str]:
    """The names of model elements in a kinetic law; a local parameter hides the element of its name."""
    law = reaction.getKineticLaw()
    return names_used(law.getMath()) - {p.getId() for p in local_parameters(law)}


def reactions_used(model: Any, formulas: Mapping[str, Any]) -> dict[str, Any]:
    """The kinetic laws of the reactions whose ids stand, as rates, in a formula of the model."""
    laws = {r.getId(): r.getKineticLaw().getMath() for r in elements(model.getListOfReactions())}
    used = {name for formula in formulas.values() for name in names_used(formula)}
    used |= {name for r in elements(model.getListOfReactions()) for name in names_used_by(r)}
    return {name: law for name, law in laws.items() if name in used}


def start_of(model: Any, reader: MathReader) -> Start:
    """Compute the values at time zero; an id without a value is a ModelError that names it."""
    assigned = {a.getSymbol(): a.getMath() for a in elements(model.getListOfInitialAssignments())}
    rules = definitions(model)
    formulas = _require_math(assigned, "initial assignment of") | rules
    laws = reactions_used(model, formulas)
    species = {s.getId(): s for s in elements(model.getListOfSpecies())}
    symbols, sizes = _attributes(model, formulas)
    uses = {name: names_used(formula) for name, formula in formulas.items()}
    uses |= {name: names_used_by(model.getReaction(name)) for name in laws}
    for name, item in species.items():
        uses[name] = uses.get(name, set()) | {item.getCompartment()}
    amounts: dict[str, float] = {}
    for name in in_order(uses, "initial values"):
        try:
            given = formulas.get(name)
            if name in species:
                home = species[name].getCompartment()
                size = None if is_amount(model, species[name]) else symbols.get(home)
                if given is None:
                    amounts[name] = _amount(species[name], symbols.get(home))
                else:
                    amounts[name] = _evaluate(reader, given, symbols, name) * (size or 1.0)
                symbols[name] = amounts[name] / size if size else amounts[name]
            elif given is not None:
                symbols[name] = _evaluate(reader, given, symbols, name)
                if name in sizes:
                    sizes[name] = symbols[name]
            elif name in laws:
                law = model.getReaction(name).getKineticLaw()
                symbols[name] = _evaluate(reader, laws[name], {**symbols, **local_values(law)}, name)
        except ModelError:  # a ratio of nothings, perhaps: that matters only to what needs its value now
            if name not in rules and name not in laws:
                raise
    return Start(symbols, amounts, sizes)


def is_amount(model: Any, species: Any) -> bool:
    """Whether the species' symbol means its amount, not its concentration."""
    home = model.getCompartment(species.getCompartment())
    return bool(species.getHasOnlySubstanceUnits()) or home is None or _is_point(home)


def local_parameters(law: Any) -> list[Any]:
    """The local parameters of a kinetic law."""
    return list(elements(law.getListOfLocalParameters() if law.getLevel() > 2 else law.getListOfParameters()))


def local_values(law: Any) -> dict[str, float]:
    """The values of the local parameters of a kinetic law; one without a value is a ModelError."""
    place = f"reaction {law.getParentSBMLObject().getId()!r}, local parameter"
    return {p.getId(): _set(p, p.getValue(), f"{place} {p.getId()!r}") for p in local_parameters(law)}


def _is_point(compartment: Any) -> bool:
    """Without dimensions, or without a size: nothing can be divided by it."""
    known = compartment.getLevel() == 2 or compartment.isSetSpatialDimensions()
    return bool(known and compartment.getSpatialDimensionsAsDouble() == 0)


def _attributes(model: Any, formulas: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float | None]]:
    symbols: dict[str, float] = {}
    sizes: dict[str, float | None] = {}
    for compartment in elements(model.getListOfCompartments()):
        name = compartment.getId()
        sizes[name] = None
        if name not in formulas and compartment.isSetSize() and not _is_point(compartment):
            sizes[name] = symbols[name] = _set(compartment, compartment.getSize(), f"compartment {name!r}")
    for parameter in elements(model.getListOfParameters()):
        if parameter.getId() not in formulas:
            symbols[parameter.getId()] = _set(parameter, parameter.getValue(), f"parameter {parameter.getId()!r}")
    for reaction in elements(model.getListOfReactions()):
        for reference in sides(reaction):
            if reference.getId() and reference.isSetStoichiometry():
                symbols[reference.getId()] = float(reference.getStoichiometry())
    return symbols, sizes


def _set(element: Any, value: float, place: str) -> float:
    is_set = element.isSetSize() if element.getElementName() == "compartment" else element.isSetValue()
    if not is_set or math.isnan(value):
        raise ModelError("has no value", place=place, mend="set it in the file")
    if math.isinf(value):
        raise ModelError(f"has the value {value}", place=place, mend="give a finite value")
    return float(value)


def _amount(species: Any, size: float | None) -> float:
    place = f"species {species.getId()!r}"
    if species.isSetInitialAmount() and not math.isnan(species.getInitialAmount()):
        value = species.getInitialAmount()
    elif species.isSetInitialConcentration() and not math.isnan(species.getInitialConcentration()):
        if size is None:
            reason = f"starts at a concentration, but its compartment {species.getCompartment()!r} has no size"
            raise ModelError(reason, place=place, mend="set the size, or an initial amount")
        value = species.getInitialConcentration() * size
    else:
        raise ModelError("has no initial amount", place=place, mend="set it in the file")
    if not math.isfinite(value):
        raise ModelError(f"starts at {value}", place=place, mend="give a finite amount")
    return float(value)


def _evaluate(reader: MathReader, node: Any, symbols: Mapping[str, float], name: str) -> float:
    known = {key: Formula(number(value), constant=True) for key, value in symbols.items()}
    place = f"value of {name!r}"
    formula = reader.read(node, known, place)
    try:
        return value_of(formula.number.xreplace({TIME: number(0.0)}))
    except ModelError as problem:
        raise ModelError(problem.reason, place=place) from problem


def _require_math(formulas: Mapping[str, Any], what: str) -> dict[str, Any]:
    for name, formula in formulas.items():
        if formula is None:
            raise ModelError("has no formula", place=f"{what} {name!r}")
    return dict(formulas)
