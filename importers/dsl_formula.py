"""Sympy expressions as formulas of the reaction language, so that reading gives the same tree.

Sums and products are written flat, since sympy would multiply 2*(x + y) out where it stands alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Any

import sympy

from kinetix.errors import UnsupportedFeature
from kinetix.expressions import TIME, symbol

_FUNCTIONS = {
    sympy.exp: "exp",
    sympy.log: "ln",
    sympy.Abs: "abs",
    sympy.floor: "floor",
    sympy.ceiling: "ceil",
    sympy.factorial: "factorial",
    sympy.Min: "min",
    sympy.Max: "max",
    sympy.Mod: "mod",
    sympy.Xor: "xor",
}
_FUNCTIONS |= {
    getattr(sympy, f"{arc}{name}{ending}"): f"{arc}{name}{ending}"
    for arc in ("", "a")
    for name in ("sin", "cos", "tan", "csc", "sec", "cot")
    for ending in ("", "h")
}
_COMPARISONS = {
    sympy.StrictLessThan: "<",
    sympy.LessThan: "<=",
    sympy.StrictGreaterThan: ">",
    sympy.GreaterThan: ">=",
    sympy.Eq: "==",
    sympy.Ne: "!=",
}
_CONSTANTS = (
    (sympy.true, "true", "1 == 1"),
    (sympy.false, "false", "1 == 0"),
    (sympy.pi, "pi", "acos(-1)"),
    (sympy.E, "exponentiale", "exp(1)"),
)
"""Constants, their names, and what is written where the model gives that name to something else."""


class _Binding(IntEnum):
    """How tightly an operator binds; what binds less than its place asks for goes into parentheses."""

    OR = 0
    AND = 1
    COMPARISON = 2
    SUM = 3
    PRODUCT = 4
    SIGN = 5
    POWER = 6
    ATOM = 7


class FormulaWriter:
    """Writes expressions whose symbols are called as `names` says; in products, `rates` come first."""

    def __init__(self, names: Mapping[str, str], rates: Collection[str] = ()) -> None:
        self._names = names
        self._taken = set(names.values())
        self._rates = {symbol(name) for name in rates}

    def text(self, expression: Any) -> str:
        """The formula of an expression."""
        return self._within(expression, _Binding.OR)

    def _within(self, expression: Any, least: _Binding) -> str:
        text, binding = self._bare(expression)
        return text if binding >= least else f"({text})"

    def _bare(self, e: Any) -> tuple[str, _Binding]:
        """The text of an expression and how tightly its outermost operator binds."""
        for constant, name, other in _CONSTANTS:
            if e == constant:
                return (name, _Binding.ATOM) if name not in self._taken else (other, _Binding.COMPARISON)
        if isinstance(e, sympy.Symbol):
            return ("time" if e == TIME else self._names[e.name]), _Binding.ATOM
        if isinstance(e, sympy.Number):
            return _number(e)
        if isinstance(e, sympy.Add):
            return self._sum(e), _Binding.SUM
        if isinstance(e, sympy.Mul):
            return self._product(e), _Binding.PRODUCT
        if isinstance(e, sympy.Pow):
            return self._power(e)
        if isinstance(e, sympy.Piecewise):
            return self._piecewise(e), _Binding.ATOM
        return self._logic(e)

    def _sum(self, e: sympy.Add) -> str:
        """Terms with a plus first, numbers after names: M - 1, 1 - G."""
        terms = sorted(e.args, key=lambda t: (_is_negative(t), bool(t.is_Number)))
        parts: list[str] = []
        for term in terms:
            negative = _is_negative(term) and bool(parts)
            text = self._within(-term if negative else term, _Binding.PRODUCT)
            parts.append((" - " if negative else " + " if parts else "") + text)
        return "".join(parts)

    def _product(self, e: sympy.Mul) -> str:
        """One flat row of factors: the sign and the numerator's number first, divisors last."""
        coefficient, rest = e.as_coeff_Mul()
        above, below = [], []
        for factor in sympy.Mul.make_args(rest):
            exponent = factor.exp if isinstance(factor, sympy.Pow) else sympy.S.One
            if exponent.is_Integer and exponent < 0:
                below.append(self._within(sympy.Pow(factor.base, -exponent), _Binding.POWER))
            else:
                above.append(factor)
        sign, size = ("-", -coefficient) if coefficient < 0 else ("", coefficient)
        if size.is_Rational and size.q != 1:
            below.append(_number(sympy.Integer(size.q))[0])
            size = sympy.Integer(size.p)
        above.sort(key=lambda f: (isinstance(f, sympy.Add), f not in self._rates))
        factors = [self._within(factor, _Binding.POWER) for factor in above]
        if size != 1 or not factors or (sign and isinstance(above[0], sympy.Add)):
            factors.insert(0, _number(size)[0])
        return sign + "*".join(factors) + "".join(f"/{divisor}" for divisor in below)

    def _power(self, e: sympy.Pow) -> tuple[str, _Binding]:
        base, exponent = e.base, e.exp
        if exponent == sympy.S.Half:
            return f"sqrt({self.text(base)})", _Binding.ATOM
        if exponent.is_Integer and exponent < 0:
            return f"1/{self._within(sympy.Pow(base, -exponent), _Binding.POWER)}", _Binding.PRODUCT
        power = f"{self._within(base, _Binding.ATOM)}^{self._within(exponent, _Binding.POWER)}"
        return power, _Binding.POWER

    def _piecewise(self, e: sympy.Piecewise) -> str:
        pieces = []
        for value, condition in e.args:
            pieces.append(self.text(value))
            if condition != sympy.true:
                pieces.append(self.text(condition))
        return f"piecewise({', '.join(pieces)})"

    def _logic(self, e: Any) -> tuple[str, _Binding]:
        """Conditions, and functions by their names."""
        kind = type(e)
        if kind in _COMPARISONS:
            sign = f" {_COMPARISONS[kind]} "
            return sign.join(self._within(side, _Binding.SUM) for side in e.args), _Binding.COMPARISON
        if kind is sympy.And:
            return " && ".join(self._within(a, _Binding.COMPARISON) for a in e.args), _Binding.AND
        if kind is sympy.Or:
            return " || ".join(self._within(a, _Binding.COMPARISON) for a in e.args), _Binding.OR
        if kind is sympy.Not:
            return f"!({self.text(e.args[0])})", _Binding.SIGN
        arguments = [self.text(argument) for argument in e.args]
        if kind is sympy.ITE:
            condition, first, second = arguments
            return f"piecewise({first}, {condition}, {second})", _Binding.ATOM
        if kind not in _FUNCTIONS:
            raise UnsupportedFeature(f"the operation {kind.__name__!r} has no word in the reaction language")
        return f"{_FUNCTIONS[kind]}({', '.join(arguments)})", _Binding.ATOM


def _is_negative(term: Any) -> bool:
    return bool(term.as_coeff_Mul()[0] < 0)


def _number(value: Any) -> tuple[str, _Binding]:
    """A number so that reading gives it back bit by bit."""
    if isinstance(value, sympy.Float):
        text = repr(float(value))
        return text, _Binding.SIGN if text.startswith("-") else _Binding.ATOM
    if value.q == 1:
        return str(int(value)), _Binding.SIGN if value < 0 else _Binding.ATOM
    return f"{int(value.p)}/{int(value.q)}", _Binding.PRODUCT
