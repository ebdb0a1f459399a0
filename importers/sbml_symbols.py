"""What the names in an SBML model's formulas mean in molecule counts.

A species' symbol is its count over `scale` (molecules in a unit of substance) and, where the file
means a concentration, over the size of its compartment. Rules are written out in laws and kept as
variables of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from kinetix.errors import ModelError
from kinetix.expressions import number, symbol

from .sbml_audit import elements, sides
from .sbml_formula import Formula
from .sbml_math import MathReader, names_used
from .sbml_start import Start, definitions, in_order, is_amount, local_values, names_used_by, reactions_used

Names = dict[str, Formula]

_SCALE = sympy.Dummy("scale", positive=True)
"""Stands for the molecules in a unit until a formula is whole, so that they cancel without rounding."""


@dataclass(frozen=True)
class Symbols:
    """The parameters of the network, its rule variables, and the reading of kinetic laws."""

    parameters: Mapping[str, float]
    variables: Mapping[str, sympy.Expr]
    reader: MathReader
    names: Mapping[str, Formula]
    locals: Mapping[str, Mapping[str, Formula]]
    scale: float | None

    def law(self, reaction: Any) -> sympy.Expr:
        """The kinetic law of a libsbml reaction, in molecules per time, rules written out."""
        name = reaction.getId()
        names = {**self.names, **self.locals[name]}
        law = self.reader.read(reaction.getKineticLaw().getMath(), names, f"reaction {name!r}").number
        return law if self.scale is None else _with_scale(_SCALE * law, self.scale)


def symbols_of(model: Any, reader: MathReader, start: Start, scale: float | None) -> Symbols:
    """Read the rules of a model and give every name in its laws a meaning."""
    formulas = definitions(model)
    volumes = _volumes(model, start, formulas)
    free = [p.getId() for p in elements(model.getListOfParameters()) if p.getId() not in formulas]
    parameters = {name: start.symbols[name] for name in free}
    in_reactions = _local_parameters(model, parameters)
    names = _plain_names(model, start, parameters)
    for item in elements(model.getListOfSpecies()):
        if item.getId() not in formulas:
            names[item.getId()] = _seen(item.getId(), volumes, scale)
    short = dict(names)  # as `names`, but rules are called by their names
    variables: dict[str, sympy.Expr] = {}
    laws = reactions_used(model, formulas)
    uses = {name: names_used(formula) for name, formula in formulas.items()}
    uses |= {name: names_used_by(model.getReaction(name)) for name in laws}
    for name in in_order(uses, "rules"):
        if name in formulas:
            place = f"rule of {name!r}"
            names[name] = reader.read(formulas[name], names, place)
            value = reader.read(formulas[name], short, place).number
            if name in volumes:
                value = value * (volumes[name] or 1) * (1 if scale is None else _SCALE)
            variables[name] = value if scale is None else _with_scale(value, scale)
            short[name] = _seen(name, volumes, scale) if name in volumes else Formula(symbol(name))
        elif name in laws:
            for known in (names, short):
                known[name] = reader.read(laws[name], {**known, **in_reactions[name]}, f"reaction {name!r}")
    return Symbols(parameters, variables, reader, names, in_reactions, scale)


def _with_scale(formula: sympy.Expr, scale: float) -> sympy.Expr:
    return formula.xreplace({_SCALE: number(scale)})


def _volumes(model: Any, start: Start, formulas: Mapping[str, Any]) -> dict[str, Any]:
    """For each species the volume that its symbol is divided by, or None where it is an amount.

    A size of 1 divides like any other, so that one may vary it. In c*k*A with A a concentration in c
    the sizes cancel by themselves.
    """
    mentioned = {name for formula in formulas.values() for name in names_used(formula)}
    mentioned |= {name for r in elements(model.getListOfReactions()) for name in names_used_by(r)}
    volumes: dict[str, Any] = {}
    for item in elements(model.getListOfSpecies()):
        home = item.getCompartment()
        volumes[item.getId()] = None if is_amount(model, item) else symbol(home)
        if volumes[item.getId()] is not None and start.sizes.get(home) is None:
            if item.getId() in mentioned:
                reason = f"has no size, but formulas contain the concentration of {item.getId()!r} in it"
                raise ModelError(reason, place=f"compartment {home!r}", mend="set it in the file")
            volumes[item.getId()] = None
    return volumes


def _seen(name: str, volumes: Mapping[str, Any], scale: float | None) -> Formula:
    """The symbol of a species as formulas see it: count / scale / volume."""
    divisors = [d for d in (None if scale is None else _SCALE, volumes[name]) if d is not None]
    expression = sympy.Mul(symbol(name), *(1 / divisor for divisor in divisors))
    return Formula(expression, 1 + 2 * len(divisors), 1 + bool(divisors))


def _plain_names(model: Any, start: Start, parameters: Mapping[str, float]) -> Names:
    names = {name: Formula(symbol(name)) for name in parameters}
    names |= {name: Formula(symbol(name)) for name, size in start.sizes.items() if size is not None}
    for reaction in elements(model.getListOfReactions()):
        for reference in sides(reaction):
            if reference.getId() in start.symbols:
                names[reference.getId()] = Formula(number(start.symbols[reference.getId()]), constant=True)
    return names


def _local_parameters(model: Any, parameters: dict[str, float]) -> dict[str, Names]:
    """Local parameters as parameters `<reaction>_<name>`, added to `parameters`; the names by reaction."""
    listed = (model.getListOfSpecies(), model.getListOfParameters(), model.getListOfCompartments())
    taken = {item.getId() for items in listed for item in elements(items)}
    result: dict[str, Names] = {}
    for reaction in elements(model.getListOfReactions()):
        names: Names = {}
        for local, value in local_values(reaction.getKineticLaw()).items():
            name = f"{reaction.getId()}_{local}"
            while name in taken:
                name += "_"
            taken.add(name)
            parameters[name] = value
            names[local] = Formula(symbol(name))
        result[reaction.getId()] = names
    return result
