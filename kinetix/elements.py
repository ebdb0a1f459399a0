"""What a network is made of: species, parameters and reactions, as symbols."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import sympy

from .errors import ModelError
from .expressions import symbol, tidy

Amount: TypeAlias = "int | float | sympy.Expr"
"""How many molecules a firing takes or makes: a whole number; fractions and expressions are for the mean field."""

Stoichiometry = Mapping[str, Amount]

MOST = 2**62
"""Counts are whole numbers of 64 bits, with room for what reactions add."""


@dataclass(frozen=True, slots=True)
class Species:
    """A kind of molecule that is counted; `initial` is its count at time 0."""

    name: str
    initial: float = 0
    compartment: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named constant: a rate constant, a compartment's size or the amount of a boundary species."""

    name: str
    value: float
    kind: Literal["parameter", "compartment", "boundary"] = "parameter"


@dataclass(frozen=True)
class Reaction:
    """One channel: what it consumes and makes, and its `propensity` in events per time at counts.

    `law` is the rate as the source wrote it, where that differs (the mean field reads it); it
    defaults to the propensity.
    """

    name: str
    reactants: Stoichiometry
    products: Stoichiometry
    propensity: sympy.Expr
    law: sympy.Expr = None  # filled in below

    def __post_init__(self) -> None:
        object.__setattr__(self, "reactants", MappingProxyType(_amounts(self.reactants)))
        object.__setattr__(self, "products", MappingProxyType(_amounts(self.products)))
        object.__setattr__(self, "propensity", self._expression(self.propensity))
        object.__setattr__(self, "law", self.propensity if self.law is None else self._expression(self.law))

    def _expression(self, given: sympy.Expr | float) -> sympy.Expr:
        try:
            return tidy(sympy.sympify(given, strict=True))
        except (sympy.SympifyError, TypeError, AttributeError) as problem:
            mend = "give a sympy expression, as kinetix.mass_action makes them, or write the network as text"
            reason = f"the law {given!r:.80} of reaction {self.name!r} is no expression"
            raise ModelError(reason, mend=mend) from problem

    @property
    def fractions(self) -> tuple[tuple[str, Amount], ...]:
        """The species that are taken or made in other than fixed whole numbers, and how many (KX105)."""
        sides = (*self.reactants.items(), *self.products.items())
        return tuple((name, amount) for name, amount in sides if not isinstance(amount, int))

    def __str__(self) -> str:
        return f"{self.name}: {_side(self.reactants)} -> {_side(self.products)}; {self.propensity}"


def mass_action(rate: str | sympy.Expr | float, reactants: Stoichiometry) -> sympy.Expr:
    """`rate` times the number of distinct reactant combinations: 2 A gives k*A*(A - 1)/2.

    `rate` is a parameter's name (a name only, never parsed as text) or an expression.
    """
    for name, m in reactants.items():
        if (isinstance(m, sympy.Expr) and not m.is_number) or not float(m).is_integer() or m < 0:
            mend = "write the whole law for fractions"
            raise ModelError(f"mass action of {m} molecules of {name!r}, no whole number >= 0", mend=mend)
    factor = symbol(rate) if isinstance(rate, str) else sympy.sympify(rate, strict=True)
    return factor * sympy.Mul(*(sympy.ff(symbol(s), m) / sympy.factorial(m) for s, m in reactants.items()))


def _amounts(side: Stoichiometry) -> dict[str, Amount]:
    """Whole numbers as int, other numbers as float, expressions as they are."""
    result: dict[str, Amount] = {}
    for name, given in side.items():
        amount: Amount = given
        if isinstance(amount, sympy.Expr) and amount.is_number and amount.is_real:
            amount = float(amount)
        if isinstance(amount, sympy.Expr):
            amount = tidy(amount)
        else:
            amount = int(amount) if math.isfinite(amount) and amount == int(amount) else float(amount)
        result[name] = amount
    return result


def _side(counts: Stoichiometry) -> str:
    shown = {name: f"({m})" if isinstance(m, sympy.Expr) else f"{m}" for name, m in counts.items()}
    return " + ".join(name if m == "1" else f"{m} {name}" for name, m in shown.items())
