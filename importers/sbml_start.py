"""What every symbol of an SBML model is worth at time zero.

Assignment rules come before initial assignments, and those before attributes; each is computed after
what it depends on, and a circle is refused by name.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from kinetix.errors import ModelError
from kinetix.expressions import TIME, number

from .sbml_formula import Formula, real_numbers, value_of
from .sbml_math import MathReader
from .sbml_rules import Rules, in_order, local_parameters, references
from .sbml_walk import elements


@dataclass(frozen=True)
class Start:
    """Values at time zero: `symbols` by id as formulas see them, `amounts` of species, sizes of compartments."""

    symbols: Mapping[str, float]
    amounts: Mapping[str, float]
    sizes: Mapping[str, float | None]


def start_of(model: Any, rules: Rules, reader: MathReader) -> Start:
    """Compute the values at time zero; an id without a value is a ModelError that names it."""
    formulas = {**rules.initial, **rules.assignments}
    species = {s.getId(): s for s in elements(model.getListOfSpecies())}
    symbols, sizes = _attributes(model, formulas)
    uses = rules.uses(formulas)
    for name, item in species.items():
        uses[name] = uses.get(name, set()) | {item.getCompartment()}
    amounts: dict[str, float] = {}
    known = _Constants(symbols)
    for name in in_order(uses, "initial values"):
        try:
            given = formulas.get(name)
            if name in species:
                home = species[name].getCompartment()
                size = None if is_amount(model, species[name]) else symbols.get(home)
                if given is None:
                    amounts[name] = _amount(species[name], symbols.get(home))
                elif size is None and name in rules.initial and not is_amount(model, species[name]):
                    raise _no_size(species[name])
                else:
                    amounts[name] = _evaluate(reader, given, known, name) * (size or 1.0)
                symbols[name] = amounts[name] / size if size else amounts[name]
            elif given is not None:
                symbols[name] = _evaluate(reader, given, known, name)
                if name in sizes:
                    sizes[name] = symbols[name]
            elif name in rules.laws:
                law = model.getReaction(name).getKineticLaw()
                here = layered(_Constants(local_values(law)), known)
                symbols[name] = _evaluate(reader, rules.laws[name], here, name)
        except ModelError:  # a ratio of nothings, perhaps: that matters only to what needs its value now
            if name not in rules.assignments and name not in rules.laws:
                raise
    return Start(symbols, amounts, sizes)


def layered(above: Mapping[str, Formula], below: Mapping[str, Formula]) -> Mapping[str, Formula]:
    """Names looked up above, then below, without a copy."""
    return ChainMap(cast("Any", above), cast("Any", below))


def is_amount(model: Any, species: Any) -> bool:
    """Whether the species' symbol means its amount, not its concentration."""
    home = model.getCompartment(species.getCompartment())
    return bool(species.getHasOnlySubstanceUnits()) or home is None or _is_point(home)


def local_values(law: Any) -> dict[str, float]:
    """The values of the local parameters of a kinetic law; one without a value is a ModelError."""
    place = f"reaction {law.getParentSBMLObject().getId()!r}, local parameter"
    return {p.getId(): _set(p, p.getValue(), f"{place} {p.getId()!r}") for p in local_parameters(law)}


@dataclass(frozen=True)
class _Constants(Mapping[str, Formula]):
    """Numbers by name, as the formulas that they are."""

    values_by_name: Mapping[str, float]

    def __getitem__(self, name: str) -> Formula:
        return Formula(number(self.values_by_name[name]), constant=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


def _is_point(compartment: Any) -> bool:
    """Without dimensions: nothing can be divided by its size."""
    known = compartment.getLevel() == 2 or compartment.isSetSpatialDimensions()
    return bool(known and compartment.getSpatialDimensionsAsDouble() == 0)


def _attributes(model: Any, formulas: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float | None]]:
    symbols: dict[str, float] = {}
    sizes: dict[str, float | None] = {}
    for compartment in elements(model.getListOfCompartments()):
        name = compartment.getId()
        sizes[name] = None
        if name not in formulas and compartment.isSetSize():
            sizes[name] = symbols[name] = _set(compartment, compartment.getSize(), f"compartment {name!r}")
    for parameter in elements(model.getListOfParameters()):
        if parameter.getId() not in formulas:
            symbols[parameter.getId()] = _set(parameter, parameter.getValue(), f"parameter {parameter.getId()!r}")
    for key, reaction, reference, _ in references(model):
        if key not in formulas:
            symbols[key] = _stoichiometry(reaction, reference)
    return symbols, sizes


def _stoichiometry(reaction: Any, reference: Any) -> float:
    """The number in the file; Level 2 means 1 where it says nothing."""
    place, value = f"reaction {reaction.getId()!r}", float(reference.getStoichiometry())
    if reference.getLevel() > 2 and (not reference.isSetStoichiometry() or math.isnan(value)):
        reason = f"the stoichiometry of {reference.getSpecies()!r} is not set"
        raise ModelError(reason, place=place, mend="set it in the file")
    if not math.isfinite(value):
        raise ModelError(f"takes or makes {value} of {reference.getSpecies()!r}", place=place, mend="use a number")
    return value


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
            raise _no_size(species)
        value = species.getInitialConcentration() * size
    else:
        raise ModelError("has no initial amount", place=place, mend="set it in the file")
    if not math.isfinite(value):
        raise ModelError(f"starts at {value}", place=place, mend="give a finite amount")
    return float(value)


def _no_size(species: Any) -> ModelError:
    reason = f"starts at a concentration, but its compartment {species.getCompartment()!r} has no size"
    return ModelError(reason, place=f"species {species.getId()!r}", mend="set the size, or an initial amount")


def _evaluate(reader: MathReader, node: Any, known: Mapping[str, Formula], name: str) -> float:
    place = f"value of {name!r}"
    formula = reader.read(node, known, place)
    try:
        with real_numbers():
            return value_of(formula.number.xreplace({TIME: number(0.0)}))
    except ModelError as problem:
        raise ModelError(problem.reason, place=place) from problem
