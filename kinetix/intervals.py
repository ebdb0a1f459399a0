"""Bounds of rate laws over stretches of time, by interval arithmetic: proven, not sampled.

Parts without the time are computed as they are; through the others runs the interval of the time. The
bound of a sum of parts that move together may be wide, never too narrow.
R. E. Moore, "Methods and Applications of Interval Analysis" (SIAM 1979), doi:10.1137/1.9781611970906.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from .compiler import CompiledModel
from .errors import UnsupportedFeature
from .expressions import TIME
from .propensity import ArrayFunction, array_function

Array = NDArray[np.float64]
Interval = tuple[Array, Array]
Still = dict[sympy.Expr, Array]

_ROUNDING = 1e-12
"""Relative width added at the end, for the rounding of the bounds themselves."""


@dataclass(frozen=True, eq=False)
class TimeBounds:
    """Bounds of the propensities of a model over an interval of the time, at given counts."""

    model: CompiledModel

    def over(self, counts: Array, theta: Array, start: Array, end: Array) -> Interval:
        """Counts [N, S], theta [N, P], times [N] to [N] -> lower and upper bounds [N, R]."""
        still = self._still_values(counts, theta)
        laws = self.model.network.propensities
        lower, upper = (np.empty((len(counts), len(laws))) for _ in range(2))
        with np.errstate(all="ignore"):
            for r, law in enumerate(laws):
                low, high = _walk(law, still, (start, end))
                lower[:, r], upper[:, r] = low, high
        margin = _ROUNDING * np.maximum(np.abs(lower), np.abs(upper))
        return lower - margin, upper + margin

    def _still_values(self, counts: Array, theta: Array) -> Still:
        with np.errstate(all="ignore"):
            values = self._still_function(*counts.T, *theta.T, 0.0)
        return {
            part: np.broadcast_to(np.asarray(value, dtype=np.float64), len(counts))
            for part, value in zip(self._still, values, strict=True)
        }

    @cached_property
    def _still(self) -> list[sympy.Expr]:
        """The largest parts of the laws without the time."""
        return list(dict.fromkeys(part for law in self.model.network.propensities for part in _without_time(law)))

    @cached_property
    def _still_function(self) -> ArrayFunction:
        network = self.model.network
        return array_function(self._still, network.species_names, network.theta_names)


def _without_time(e: sympy.Basic) -> list[sympy.Expr]:
    if TIME not in e.free_symbols:
        return [e]
    if isinstance(e, sympy.Piecewise):
        return [part for value, _ in e.args for part in _without_time(value)]
    return [part for argument in e.args for part in _without_time(argument)]


def _walk(e: Any, still: Still, time: Interval) -> Interval:
    """The interval of an expression, given the values of its parts without the time."""
    if e == TIME:
        return time
    if TIME not in e.free_symbols:
        return still[e], still[e]
    if isinstance(e, sympy.Piecewise):
        return _hull([_walk(value, still, time) for value, _ in e.args])
    parts = [_walk(argument, still, time) for argument in e.args]
    for kind, rule in _RULES:
        if isinstance(e, kind):
            return rule(parts)
    raise UnsupportedFeature(f"no bound is known for {type(e).__name__} of the time", mend="use mean-field")


def _hull(parts: Sequence[Interval]) -> Interval:
    return np.min([p[0] for p in parts], axis=0), np.max([p[1] for p in parts], axis=0)


def _sum(parts: Sequence[Interval]) -> Interval:
    return np.sum([p[0] for p in parts], axis=0), np.sum([p[1] for p in parts], axis=0)


def _product(parts: Sequence[Interval]) -> Interval:
    low, high = parts[0]
    for other in parts[1:]:
        corners = np.array([_times(a, b) for a in (low, high) for b in other])
        low, high = corners.min(axis=0), corners.max(axis=0)
    return low, high


def _times(a: Array, b: Array) -> Array:
    """The product with 0 * inf = 0: the limit of products within the interval."""
    result = a * b
    return np.where((a == 0) | (b == 0), 0.0, result)


def _power(parts: Sequence[Interval]) -> Interval:
    (low, high), (p, q) = parts
    whole = (p == q) & (p == np.floor(p))
    even = whole & (p % 2 == 0)
    crosses = (low <= 0) & (high >= 0)
    corners = np.array([np.power(a, b) for a in (low, high) for b in (p, q)])
    least, most = corners.min(axis=0), corners.max(axis=0)
    least = np.where(even & crosses & (p > 0), 0.0, least)
    unbounded = crosses & (p < 0)  # through the pole
    least, most = np.where(unbounded, np.where(even, 0.0, -np.inf), least), np.where(unbounded, np.inf, most)
    unreal = (low < 0) & ~whole
    return np.where(unreal, -np.inf, least), np.where(unreal, np.inf, most)


def _rising(f: Callable[[Array], Array]) -> Callable[[Sequence[Interval]], Interval]:
    return lambda parts: (f(parts[0][0]), f(parts[0][1]))


def _cosine(parts: Sequence[Interval]) -> Interval:
    low, high = parts[0]
    ends = np.cos(low), np.cos(high)
    top = np.floor(high / (2 * np.pi)) >= np.ceil(low / (2 * np.pi))
    bottom = np.floor((high - np.pi) / (2 * np.pi)) >= np.ceil((low - np.pi) / (2 * np.pi))
    return np.where(bottom, -1.0, np.minimum(*ends)), np.where(top, 1.0, np.maximum(*ends))


def _sine(parts: Sequence[Interval]) -> Interval:
    low, high = parts[0]
    return _cosine([(low - np.pi / 2, high - np.pi / 2)])


def _absolute(parts: Sequence[Interval]) -> Interval:
    low, high = parts[0]
    ends = np.abs(low), np.abs(high)
    return np.where((low <= 0) & (high >= 0), 0.0, np.minimum(*ends)), np.maximum(*ends)


def _logarithm(parts: Sequence[Interval]) -> Interval:
    low, high = parts[0]
    return np.where(low <= 0, -np.inf, np.log(np.where(low <= 0, 1.0, low))), np.log(high)


def _remainder(parts: Sequence[Interval]) -> Interval:
    low, high = parts[1]
    return np.minimum(low, 0.0), np.maximum(high, 0.0)


def _least(parts: Sequence[Interval]) -> Interval:
    return np.min([p[0] for p in parts], axis=0), np.min([p[1] for p in parts], axis=0)


def _most(parts: Sequence[Interval]) -> Interval:
    return np.max([p[0] for p in parts], axis=0), np.max([p[1] for p in parts], axis=0)


_RULES: tuple[tuple[type, Callable[[Sequence[Interval]], Interval]], ...] = (
    (sympy.Add, _sum),
    (sympy.Mul, _product),
    (sympy.Pow, _power),
    (sympy.exp, _rising(np.exp)),
    (sympy.log, _logarithm),
    (sympy.sin, _sine),
    (sympy.cos, _cosine),
    (sympy.tanh, _rising(np.tanh)),
    (sympy.atan, _rising(np.arctan)),
    (sympy.sinh, _rising(np.sinh)),
    (sympy.floor, _rising(np.floor)),
    (sympy.ceiling, _rising(np.ceil)),
    (sympy.Abs, _absolute),
    (sympy.Min, _least),
    (sympy.Max, _most),
    (sympy.Mod, _remainder),
)
