"""How many of each species a firing of an SBML reaction takes and makes.

A stoichiometry is a number, a formula that is worth one number for ever, or one that varies (for the
mean field). Conversion factors turn the extent of a reaction into amounts of its species: where all
of them share a factor it belongs to the law, so that a firing stays one molecule.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import sympy

from kinetix.expressions import TIME, names_in, number, symbol
from kinetix.findings import Finding
from kinetix.network import Amount

from .sbml_rules import Rules, references_of
from .sbml_start import Start
from .sbml_symbols import Symbols

_WHOLE = 1e-12
"""Relative distance from a whole number that is the arithmetic's own rounding: 0.1 * 30 is 3."""


@dataclass(frozen=True)
class Sides:
    """What a reaction takes and makes; its law is multiplied by `factor`."""

    reactants: dict[str, Amount]
    products: dict[str, Amount]
    factor: sympy.Expr
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Amounts:
    """The reading of the species references of one model; `counted` are the species that reactions change."""

    model: Any
    rules: Rules
    start: Start
    symbols: Symbols
    counted: AbstractSet[str]

    def sides(self, reaction: Any) -> Sides:
        """Both sides of a reaction, species that are not counted left out."""
        found: list[Finding] = []
        changes: list[tuple[str, int, Amount]] = []
        for key, _, reference, sign in references_of(reaction):
            name = reference.getSpecies()
            amount, finding = self._amount(key, reaction.getId(), name)
            if name in self.counted and amount != 0:
                changes.append((name, sign, amount))
                found += [finding] if finding is not None else []
        factors = {name: self._conversion(name) for name, *_ in changes}
        shared = factors[changes[0][0]] if changes and len(set(factors.values())) == 1 else None
        if shared is None:
            changes = [(name, sign, _times(amount, self._value(factors[name]))) for name, sign, amount in changes]
        reactants: dict[str, Amount] = {}
        products: dict[str, Amount] = {}
        for name, sign, amount in changes:
            turned = not isinstance(amount, sympy.Expr) and amount < 0
            side = products if (sign > 0) != turned else reactants
            side[name] = _tidy(side.get(name, 0) + (-amount if turned else amount))
        found += _told(reaction.getId(), factors, shared)
        factor = symbol(shared) if shared is not None else sympy.Integer(1)
        return Sides(_some(reactants), _some(products), factor, tuple(found))

    def _amount(self, key: str, reaction: str, species: str) -> tuple[Amount, Finding | None]:
        if key in self.rules.moving:
            return symbol(key), None
        if key not in self.rules.assignments:
            return _tidy(self.start.symbols[key]), None
        formula = self.symbols.value(key)
        if TIME in formula.free_symbols or names_in(formula) & (self.rules.moving | self.counted):
            return formula, None
        value = _tidy(self.start.symbols[key])
        if not names_in(formula):
            return value, None
        reason = f"the stoichiometry of {species!r} is {formula}, and taken to be {value:g}, its value in the file"
        return value, Finding("KX105", "note", reaction, reason, "change the file to have another")

    def _conversion(self, species: str) -> str | None:
        """The parameter that turns extents into amounts of a species."""
        return self.model.getSpecies(species).getConversionFactor() or self.model.getConversionFactor() or None

    def _value(self, factor: str | None) -> float:
        return 1.0 if factor is None else self.start.symbols[factor]


def _told(reaction: str, factors: dict[str, str | None], shared: str | None) -> Iterator[Finding]:
    """KX107 notes: what conversion factors did."""
    if shared is not None:
        reason = f"the conversion factor {shared!r} of all its species multiplies the law"
        yield Finding("KX107", "note", reaction, reason, "a firing is one step of the reaction as the amounts count it")
    elif any(factors.values()):
        listed = ", ".join(f"{name} by {factor or 1}" for name, factor in factors.items())
        yield Finding("KX107", "note", reaction, f"conversion factors multiply what it takes and makes: {listed}")


def _times(amount: Amount, factor: float) -> Amount:
    if factor == 1:
        return amount
    return amount * number(factor) if isinstance(amount, sympy.Expr) else amount * factor


def _tidy(amount: Amount) -> Amount:
    """A number that is whole but for rounding as the whole number."""
    if isinstance(amount, sympy.Expr):
        return amount
    return round(amount) if abs(amount - round(amount)) <= _WHOLE * abs(amount) else amount


def _some(side: dict[str, Amount]) -> dict[str, Amount]:
    return {name: amount for name, amount in side.items() if amount != 0}
