"""Formulas under way from a file to sympy: how large they are, and which constants are safe to compute.

sympy computes 10**(10**9) or factorial(10**8) exactly, that is, never; and a function that calls
another twice, thirty times over, makes a formula of 2**30 nodes. Every step is bounded here, so that
a hostile file is refused in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.logic.boolalg import Boolean

from kinetix.errors import ModelError, UnsupportedFeature

MAX_SIZE = 20_000
"""Nodes of one formula, functions and rules inlined."""
MAX_DEPTH = 120
MAX_EXPONENT = 1000
MAX_CHOICES = 25
"""Arguments of one minimum or maximum: sympy compares each with each."""
MAX_CONDITION = 30
"""Nodes of a condition that compares piecewise values."""
LARGEST = 1e300
_BITS = 2048
_EXPONENTIALS = (sympy.exp, sympy.sinh, sympy.cosh)


BEYOND = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, NotImplementedError, RecursionError)
"""What sympy raises over formulas that are no real numbers, such as log(-1) > 2."""


@contextmanager
def real_numbers(place: str | None = None) -> Iterator[None]:
    """Turn what sympy raises over a formula that is no real number into a ModelError."""
    try:
        yield
    except BEYOND as problem:
        reason = f"a formula is no real number that can be computed ({type(problem).__name__})"
        raise ModelError(reason, place=place) from problem


def require_shallow(*conditions: Any) -> None:
    """Refuse large conditions on piecewise values: sympy tries every combination of their pieces."""
    for condition in conditions:
        if condition.has(sympy.Piecewise) and sum(1 for _ in sympy.preorder_traversal(condition)) > MAX_CONDITION:
            raise UnsupportedFeature(f"a condition on piecewise values has more than {MAX_CONDITION} terms")


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression with the size and depth of its tree, and whether it is free of all symbols."""

    expression: Any
    size: int = 1
    depth: int = 1
    constant: bool = False

    @property
    def number(self) -> sympy.Expr:
        """The expression as a number: true is 1, false is 0."""
        if not _is_condition(self.expression):
            return self.expression
        if self.expression in (sympy.true, sympy.false):
            return sympy.Integer(int(bool(self.expression)))
        require_shallow(self.expression)
        return sympy.Piecewise((sympy.Integer(1), self.expression), (sympy.Integer(0), True))

    @property
    def condition(self) -> Boolean:
        """The expression as a condition: a number is true where it is not zero."""
        return self.expression if _is_condition(self.expression) else sympy.Ne(self.expression, 0)


def combine(operation: Callable[..., Any], parts: Sequence[Formula], *, conditions: bool = False) -> Formula:
    """`operation` on the parts (as numbers, or as conditions), refused where it would grow too large."""
    size = 1 + sum(part.size for part in parts)
    depth = 1 + max((part.depth for part in parts), default=0)
    constant = all(part.constant for part in parts)
    if size > MAX_SIZE:
        raise UnsupportedFeature(f"a formula has more than {MAX_SIZE} terms once its functions are written out")
    if depth > MAX_DEPTH:
        raise UnsupportedFeature(f"a formula is nested more than {MAX_DEPTH} deep once its functions are written out")
    arguments = [part.condition if conditions else part.number for part in parts]
    if operation is sympy.Min or operation is sympy.Max:
        flat = sum(len(a.args) if isinstance(a, operation) else 1 for a in arguments)
        if flat > MAX_CHOICES:
            raise UnsupportedFeature(f"a minimum or maximum has more than {MAX_CHOICES} arguments")
    if not conditions:
        arguments = _bounded(operation, arguments, parts)
    return checked(Formula(operation(*arguments), size, depth, constant))


def checked(formula: Formula) -> Formula:
    """The formula, unless it is a constant that is no finite real number."""
    expression = formula.expression
    if _is_condition(expression) or isinstance(expression, sympy.Integer):
        return formula
    if expression.has(sympy.zoo, sympy.oo, -sympy.oo, sympy.nan, sympy.I):
        raise ModelError("a formula contains a value that is not a finite real number (a division by zero, perhaps)")
    if formula.constant and expression.is_number:
        value_of(expression)
    return formula


def value_of(expression: sympy.Expr) -> float:
    """The value of an expression without symbols; ModelError unless it is finite and real."""
    try:
        value = float(expression)
    except (TypeError, ValueError, OverflowError) as problem:
        raise ModelError(f"the constant {str(expression)[:80]} has no real value") from problem
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ModelError(f"the constant {str(expression)[:80]} is too large")
    return value


def _bounded(operation: Callable[..., Any], arguments: list[Any], parts: Sequence[Formula]) -> list[Any]:
    """The arguments, made floating-point where exact arithmetic would be endless."""
    if operation is sympy.factorial and parts[0].constant:
        n = value_of(arguments[0])
        if n < 0 or n > 170 or n != int(n):
            raise ModelError(f"the factorial of {n:g} is not a whole number that can be computed")
        return [sympy.Integer(int(n))]
    if operation in _EXPONENTIALS and parts[0].constant:
        _require_moderate(value_of(arguments[0]))
    if operation is sympy.Pow and parts[1].constant:
        return _bounded_power(*arguments, constant=parts[0].constant)
    return arguments


def _bounded_power(base: Any, exponent: Any, *, constant: bool) -> list[Any]:
    e = value_of(exponent)
    if not constant:
        if abs(e) > MAX_EXPONENT:
            raise UnsupportedFeature(f"the exponent {e:g} is larger than {MAX_EXPONENT}")
        return [base, exponent]
    b = value_of(base)
    if b == 0:
        return [base, exponent]
    _require_moderate(e * math.log(abs(b)))
    if isinstance(base, sympy.Rational) and abs(e) * max(base.p.bit_length(), base.q.bit_length()) > _BITS:
        return [sympy.Float(b), exponent]
    if (
        not exponent.is_Integer
        and isinstance(base, sympy.Rational)
        and max(abs(base.p), base.q, _root(exponent)) > 1000
    ):
        return [sympy.Float(b), exponent]  # sympy would look for the prime factors of both
    return [base, exponent]


def _root(exponent: Any) -> int:
    return int(exponent.q) if isinstance(exponent, sympy.Rational) else 1


def _require_moderate(exponent: float) -> None:
    if exponent > math.log(LARGEST):
        raise ModelError(f"a constant of e**{exponent:.4g} is too large")


def _is_condition(expression: Any) -> bool:
    return isinstance(expression, Boolean) and not isinstance(expression, sympy.Symbol)
