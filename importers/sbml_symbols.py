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

from .sbml_formula import Formula
from .sbml_math import MathReader
from .sbml_rules import Rules, in_order, references
from .sbml_start import Start, is_amount, layered, local_values
from .sbml_walk import elements

Names = dict[str, Formula]

_SCALE = sympy.Dummy("scale", positive=True)
"""Stands for the molecules in a unit until a formula is whole, so that they cancel without rounding."""


@dataclass(frozen=True)
class Symbols:
    """The meaning of every name: `parameters` of the network with their values, `variables` (rules), readers of laws.

    `homes` maps each species whose symbol is a concentration to its compartment; `references` are the
    species references that change, with their starts.
    """

    parameters: Mapping[str, float]
    references: Mapping[str, float]
    variables: Mapping[str, sympy.Expr]
    homes: Mapping[str, str]
    reader: MathReader
    names: Mapping[str, Formula]
    locals: Mapping[str, Mapping[str, Formula]]
    scale: float | None

    def law(self, reaction: Any) -> sympy.Expr:
        """The kinetic law of a libsbml reaction, in molecules per time, rules written out."""
        name = reaction.getId()
        law = self.reader.read(reaction.getKineticLaw().getMath(), self._names(name), f"reaction {name!r}").number
        return self._whole(law if self.scale is None else _SCALE * law)

    def formula(self, node: Any, place: str) -> Formula:
        """Any formula of the model, rules written out, in the units of the file."""
        read = self.reader.read(node, self.names, place)
        return Formula(self._whole(read.expression), read.size, read.depth, read.constant)

    def value(self, name: str) -> sympy.Expr:
        """What a name is worth, rules written out."""
        return self._whole(self.names[name].number)

    def in_molecules(self, value: sympy.Expr, volume: sympy.Expr | None) -> sympy.Expr:
        """What formulas say about a species (an amount, or a concentration in a volume) as a count."""
        return value * (1 if volume is None else volume) * (1 if self.scale is None else number(self.scale))

    def volume(self, species: str) -> sympy.Expr | None:
        """The size that the symbol of a species is divided by, rules written out; None for an amount."""
        return self.value(self.homes[species]) if species in self.homes else None

    def _names(self, reaction: str) -> Mapping[str, Formula]:
        return layered(self.locals[reaction], self.names) if self.locals[reaction] else self.names

    def _whole(self, formula: Any) -> Any:
        return formula if self.scale is None else formula.xreplace({_SCALE: number(self.scale)})


def symbols_of(model: Any, rules: Rules, reader: MathReader, start: Start, scale: float | None) -> Symbols:
    """Read the rules of a model and give every name in its laws a meaning."""
    free = [p.getId() for p in elements(model.getListOfParameters()) if p.getId() not in rules.assignments]
    parameters = {name: start.symbols[name] for name in free}
    in_reactions = _local_parameters(model, parameters)
    moved = {key: start.symbols[key] for key, *_ in references(model) if key in rules.moving}
    made = _Meanings(model, rules, reader, start, scale, in_reactions, _homes(model, rules, start))
    names, variables = made.read({**parameters, **moved})
    return Symbols(parameters, moved, variables, made.homes, reader, names, in_reactions, scale)


@dataclass(frozen=True)
class _Meanings:
    """The reading of all rules, each after what it needs."""

    model: Any
    rules: Rules
    reader: MathReader
    start: Start
    scale: float | None
    in_reactions: Mapping[str, Names]
    homes: Mapping[str, str]

    def read(self, free: Mapping[str, float]) -> tuple[Names, dict[str, sympy.Expr]]:
        """The names with rules written out, and the rules themselves, calling others by name."""
        formulas = self.rules.assignments
        names = {name: Formula(symbol(name)) for name in free}
        names |= {c: Formula(symbol(c)) for c, v in self.start.sizes.items() if v is not None and c not in formulas}
        variables = self._fixed_references(names)
        short = dict(names)
        species = [s.getId() for s in elements(self.model.getListOfSpecies())]
        uses = self.rules.uses(formulas)
        for name in species:
            uses[name] = uses.get(name, set()) | ({self.homes[name]} if name in self.homes else set())
        molecules = frozenset(species)
        for name in in_order(uses, "rules"):
            if name in formulas:
                place = f"rule of {name!r}" if " " not in name else f"stoichiometry in {name!r}"
                names[name] = self.reader.read(formulas[name], names, place)
                value = self.reader.read(formulas[name], short, place).number
                if name in molecules:
                    value = self._count(name, value, short)
                variables[name] = self._whole(value)
                short[name] = self._seen(name, short) if name in molecules else Formula(symbol(name))
            elif name in molecules:
                names[name], short[name] = self._seen(name, names), self._seen(name, short)
            elif name in self.rules.laws:
                for known in (names, short):
                    here = layered(self.in_reactions[name], known)
                    known[name] = self.reader.read(self.rules.laws[name], here, f"reaction {name!r}")
        return names, {name: rule for name, rule in variables.items() if " " not in name}

    def _fixed_references(self, names: Names) -> dict[str, sympy.Expr]:
        """Species references that keep their number: known by their ids."""
        found: dict[str, sympy.Expr] = {}
        for key, *_ in references(self.model):
            if key not in self.rules.assignments and key not in self.rules.moving and " " not in key:
                found[key] = number(self.start.symbols[key])
                names[key] = Formula(found[key], constant=True)
        return found

    def _count(self, name: str, value: sympy.Expr, known: Names) -> sympy.Expr:
        volume = known[self.homes[name]].number if name in self.homes else 1
        return value * volume * (1 if self.scale is None else _SCALE)

    def _seen(self, name: str, known: Names) -> Formula:
        """The symbol of a species as formulas see it: count / scale / volume."""
        divisors = [] if self.scale is None else [Formula(_SCALE)]
        divisors += [known[self.homes[name]]] if name in self.homes else []
        expression = sympy.Mul(symbol(name), *(1 / d.number for d in divisors))
        size, depth = sum(1 + d.size for d in divisors), max((d.depth for d in divisors), default=0)
        return Formula(expression, 1 + size, 1 + depth)

    def _whole(self, formula: sympy.Expr) -> sympy.Expr:
        return formula if self.scale is None else formula.xreplace({_SCALE: number(self.scale)})


def _homes(model: Any, rules: Rules, start: Start) -> dict[str, str]:
    """The compartment of each species whose symbol is a concentration.

    A size of 1 divides like any other, so that one may vary it. In c*k*A with A a concentration in c
    the sizes cancel by themselves.
    """
    homes: dict[str, str] = {}
    for item in elements(model.getListOfSpecies()):
        name, home = item.getId(), item.getCompartment()
        if is_amount(model, item):
            continue
        if start.sizes.get(home) is not None:
            homes[name] = home
        elif name in rules.mentioned:
            reason = f"has no size, but formulas contain the concentration of {name!r} in it"
            raise ModelError(reason, place=f"compartment {home!r}", mend="set it in the file")
    return homes


def _local_parameters(model: Any, parameters: dict[str, float]) -> dict[str, Names]:
    """Local parameters as parameters `<reaction>_<name>`, added to `parameters`; the names by reaction."""
    listed = (model.getListOfSpecies(), model.getListOfParameters(), model.getListOfCompartments())
    taken = {item.getId() for items in listed for item in elements(items)}
    taken |= {key for key, *_ in references(model)}
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
