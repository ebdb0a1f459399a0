"""A net rate of a reversible reaction, forward minus backward, taken apart into two rates that are never negative.

Signs are distributed over sums, products, the numerators of quotients and the pieces of piecewise
laws. What counts is the law at whole counts: X*(X - 1) is not a difference; and a factor without
species has the sign that the parameters' values give it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.logic.boolalg import Boolean

from .expressions import TIME, names_in, symbol
from .propensity import array_function

_POSITIVE = (sympy.Symbol, Boolean, sympy.exp, sympy.Abs, sympy.factorial, sympy.cosh)
_KEEPS_SIGN = (sympy.sinh, sympy.tanh, sympy.asinh, sympy.atan, sympy.floor, sympy.ceiling, sympy.Mod, sympy.Min)
"""Not negative where none of their arguments is."""
_LARGEST = 20_000
"""Nodes of the two parts of a law together."""
_RANDOM_STATES = 300
_ROUNDING = 1e-9
ZERO = sympy.Integer(0)


class CannotSplitError(Exception):
    """No rule tells the sign of a part; the message shows it."""


@dataclass(frozen=True)
class _Parts:
    """`forward - backward`, neither ever negative, and the size of the two together."""

    forward: Any
    backward: Any
    size: int = 1

    @property
    def signed(self) -> bool:
        return bool(self.backward != ZERO)


@dataclass(frozen=True)
class Splitter:
    """Splits the laws of one model: `species` are counted, `values` are those of everything else."""

    species: tuple[str, ...]
    values: Mapping[str, float]

    def split(self, law: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
        """The forward and backward rates of a net law; CannotSplitError where signs are unknown."""
        parts = self._parts(law)
        return parts.forward, parts.backward

    def samples(self, *laws: sympy.Expr) -> NDArray[np.float64]:
        """The values of laws at chosen and random states, the parameters as in the file: [laws, states].

        A parameter that is 0 in the file counts as 1, so that a law does not hide behind it.
        """
        rng = np.random.default_rng(20_231)
        read = set().union(*(names_in(law) for law in laws))
        species = [name for name in self.species if name in read]
        values = {name: self.values[name] for name in sorted(read - set(species))}
        n = len(species)
        alone = [np.eye(n, dtype=np.int64) * count for count in (1, 10, 1000)]
        random = np.floor(10 ** rng.uniform(0, 3.5, (_RANDOM_STATES, n))).astype(np.int64)
        random *= rng.random((_RANDOM_STATES, n)) > 0.3
        states = np.concatenate([np.zeros((1, n), dtype=np.int64), *alone, random]).astype(np.float64)
        times = 10 ** rng.uniform(-2, 3, len(states))
        theta = np.array([1.0 if value == 0 else value for value in values.values()])  # Python's own floats raise
        law = array_function(laws, species, tuple(values))
        with np.errstate(all="ignore"):
            found = law(*states.T, *theta, times)
        return np.array([np.broadcast_to(_real(value), len(states)) for value in found])

    def is_plain_difference(self, law: sympy.Expr, forward: sympy.Expr, backward: sympy.Expr) -> bool:
        """Whether two products of what is never negative make up the law, and each can be without the other.

        No sampling is needed then: the parts agree with the law, and the law is negative somewhere.
        """
        if not (self._is_plain(forward) and self._is_plain(backward)):
            return False
        if law != forward - backward and sympy.expand(law - forward + backward) != 0:
            return False
        here, there = forward.free_symbols & self._state, backward.free_symbols & self._state
        return bool(here - there) and bool(there - here)

    def is_never_negative(self, law: sympy.Expr) -> bool:
        """Whether the law is negative at none of the sampled states."""
        (values,) = self.samples(law)
        return bool((values[~np.isnan(values)] >= 0).all())

    def agrees(self, law: sympy.Expr, forward: sympy.Expr, backward: sympy.Expr) -> bool:
        """Whether two parts are never negative and make up the law, at the sampled states."""
        net, ahead, back = self.samples(law, forward, backward)
        known = np.isfinite(net) & np.isfinite(ahead) & np.isfinite(back)
        scale = np.abs(ahead[known]) + np.abs(back[known])
        close = np.abs(ahead[known] - back[known] - net[known]) <= _ROUNDING * scale
        return bool(close.all() and (ahead[known] >= 0).all() and (back[known] >= 0).all())

    def vanishes(self, law: sympy.Expr, name: str) -> bool:
        """Whether the law is zero wherever there is none of the species `name`."""
        try:
            without = law.xreplace({symbol(name): ZERO})
        except (TypeError, ValueError, ArithmeticError):  # no real number then
            return False
        if without.is_zero:
            return True
        if without.has(sympy.zoo, sympy.nan):
            return False
        (values,) = self.samples(without)
        return bool((values[np.isfinite(values)] == 0).all())

    def is_net(self, law: sympy.Expr, reactants: Collection[str], products: Collection[str]) -> bool:
        """Whether a law is forward minus backward, each zero without what it would consume."""
        if not (reactants and products) or self._is_plain(law):
            return False
        try:
            ahead, back = self.split(law)
        except CannotSplitError:
            return False
        if ZERO in (ahead, back) or self.is_never_negative(law):
            return False
        consumed = ((ahead, reactants), (back, products))
        return all(self.vanishes(part, name) for part, names in consumed for name in names)

    # the rules -------------------------------------------------------------------------------

    def _parts(self, e: Any) -> _Parts:
        if isinstance(e, sympy.Add):
            terms = [self._parts(term) for term in e.args]
            size = _bounded(1 + sum(t.size for t in terms))
            return _Parts(sympy.Add(*(t.forward for t in terms)), sympy.Add(*(t.backward for t in terms)), size)
        return self._term(e)

    def _term(self, e: Any) -> _Parts:
        if not e.free_symbols & self._state:
            return _Parts(e, ZERO) if self._value(e) >= 0 else _Parts(ZERO, -e)
        if self._is_plain(e):
            return _Parts(e, ZERO)
        if isinstance(e, sympy.Mul):
            return self._product(e)
        if isinstance(e, sympy.Pow):
            return self._power(e)
        if isinstance(e, sympy.Piecewise):
            return self._piecewise(e)
        safe = (
            isinstance(e, _POSITIVE)
            or (isinstance(e, _KEEPS_SIGN) and not any(self._parts(a).signed for a in e.args))
            or (isinstance(e, sympy.Max) and any(self._surely_positive(a) for a in e.args))
        )
        if safe:
            return _Parts(e, ZERO)
        raise CannotSplitError(str(e))

    def _product(self, e: sympy.Mul) -> _Parts:
        result = _Parts(sympy.Integer(1), ZERO)
        for factor in e.args:
            part = _Parts(factor, ZERO) if _falling(factor, e.args) else self._factor(factor)
            size = _bounded(result.size + part.size + (result.size + part.size) * (result.signed and part.signed))
            result = _Parts(
                result.forward * part.forward + result.backward * part.backward,
                result.forward * part.backward + result.backward * part.forward,
                size,
            )
        return result

    def _factor(self, e: Any) -> _Parts:
        """A factor without species has one sign, also where it is a sum."""
        return self._parts(e) if e.free_symbols & self._state else self._term(e)

    def _power(self, e: sympy.Pow) -> _Parts:
        base, exponent = e.args
        if exponent.is_Integer and exponent % 2 == 0:
            return _Parts(e, ZERO)
        parts = self._factor(base)
        if not parts.signed:
            return _Parts(e, ZERO, parts.size)
        if exponent.is_Integer and (exponent > 0 or parts.forward == ZERO):
            even = base ** (exponent - 1)
            return _Parts(even * parts.forward, even * parts.backward, parts.size + 2)
        raise CannotSplitError(str(e))

    def _piecewise(self, e: sympy.Piecewise) -> _Parts:
        pieces = [(self._parts(value), condition) for value, condition in e.args]
        forward = sympy.Piecewise(*((p.forward, condition) for p, condition in pieces))
        backward = sympy.Piecewise(*((p.backward, condition) for p, condition in pieces))
        return _Parts(forward, backward, _bounded(1 + sum(p.size for p, _ in pieces)))

    def _surely_positive(self, e: Any) -> bool:
        try:
            return not self._parts(e).signed
        except CannotSplitError:
            return False

    def _is_plain(self, e: Any) -> bool:
        """Whether an expression is a product of names and numbers that are not negative, and of their powers."""
        for factor in sympy.Mul.make_args(e):
            base, power = factor.as_base_exp()
            known = (base.is_Number and base >= 0) or (base.is_Symbol and self.values.get(base.name, 0.0) >= 0)
            if not (known and power.is_Integer):
                return False
        return True

    @cached_property
    def _state(self) -> set[sympy.Symbol]:
        return {*map(symbol, self.species), TIME}

    def _value(self, e: Any) -> float:
        """The value of an expression without species; a parameter that is 0 counts as positive."""
        at = {s: sympy.Float(self.values[s.name] or 1.0) for s in e.free_symbols}
        try:
            return float(e.xreplace(at))
        except (TypeError, ValueError, OverflowError) as problem:
            raise CannotSplitError(str(e)) from problem


def _real(value: Any) -> NDArray[np.float64]:
    """Values as numbers, NaN where they are not real."""
    array = np.asarray(value)
    if np.iscomplexobj(array):
        array = np.where(array.imag == 0, array.real, np.nan)
    return array.astype(np.float64)


def _falling(factor: Any, factors: Sequence[Any]) -> bool:
    """Whether a factor X - j stands with X, X - 1, ..., X - j + 1: never negative at whole counts."""
    if not (isinstance(factor, sympy.Add) and len(factor.args) == 2):
        return False
    offset, base = factor.as_coeff_Add()
    if not (offset.is_Integer and offset < 0 and isinstance(base, sympy.Symbol)) or -offset > len(factors):
        return False
    return all(any(f == base - j or (f.is_Pow and f.base == base - j) for f in factors) for j in range(int(-offset)))


def _bounded(size: int) -> int:
    if size > _LARGEST:
        raise CannotSplitError("the law, which is too large")
    return size
