"""Moments at which a condition turns: comparisons and whole parts, looked for inside every step.

A step of an integrator may be long, so each is looked at in several places, and where a difference
comes near to zero and turns back, in one place more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.core.relational import Relational

from kinetix.conditions import is_time_condition
from kinetix.expressions import TIME, names_in
from kinetix.network import ReactionNetwork
from kinetix.phases import Phases
from kinetix.propensity import ArrayFunction, array_function

from .rate_equations import Equations

Array = NDArray[np.float64]
Path = Callable[[Array], Array]
"""Times [m] -> states [n, m]."""

LOOKS = 8
"""Places inside a step at which conditions are looked at."""

SECTIONS = 16
"""Parts into which an interval with a crossing is cut, again and again."""


@dataclass(frozen=True)
class Crossings:
    """What can turn inside a step: `modes` are constant between crossings. `smooth` of them are differences."""

    equations: Equations
    modes: tuple[sympy.Basic, ...]

    def at(self, times: Array, states: Array, theta: Array) -> Array:
        """The modes at times [m] and states [n, m]: [m, K]."""
        return self._values(self._modes, len(self.modes), times, states, theta)

    def first(self, path: Path, begin: float, end: float, theta: Array, held: Array) -> float | None:
        """The first moment in (begin, end] at which a mode is not as `held` [K], to the last digits."""
        if not self.modes:
            return None
        times = np.unique(np.append(np.linspace(begin, end, LOOKS + 1)[1:], self._turns(path, begin, end, theta)))
        low, high = self._narrowed(path, times, begin, theta, held)
        if high is None:
            return None
        for _ in range(16):
            if high - low <= 2 * np.spacing(high):
                break
            low, found = self._narrowed(path, np.linspace(low, high, SECTIONS + 1)[1:], low, theta, held)
            high = high if found is None else found
        return float(high)

    def _narrowed(self, path: Path, times: Array, low: float, theta: Array, held: Array) -> tuple[float, float | None]:
        """The last of the times before a mode turned (or `low`), and the first after."""
        turned = np.nonzero((self.at(times, path(times), theta) != held).any(axis=1))[0]
        if not len(turned):
            return float(times[-1]), None
        k = int(turned[0])
        return (low if k == 0 else float(times[k - 1])), float(times[k])

    def _turns(self, path: Path, begin: float, end: float, theta: Array) -> Array:
        """Where the difference of two sides comes near to zero and turns back, by parabolas: [...]."""
        times = np.linspace(begin, end, LOOKS + 1)
        gaps = np.abs(self._values(self._gaps, self._count, times, path(times), theta))
        left, middle, right = gaps[:-2], gaps[1:-1], gaps[2:]
        bend = left - 2 * middle + right
        with np.errstate(all="ignore"):
            offset = 0.5 * (left - right) / bend
        dips = (middle <= left) & (middle <= right) & (bend > 0)
        shifted = times[1:-1, None] + offset * (times[1] - times[0])
        return np.asarray(shifted[dips])

    def _values(self, function: ArrayFunction, count: int, times: Array, states: Array, theta: Array) -> Array:
        result = np.empty((len(times), count))
        values = function(*self.equations.amounts(states.T).T, *self.equations.theta(states.T, theta).T, times)
        for k, value in enumerate(values):
            result[:, k] = value
        return result

    @cached_property
    def _count(self) -> int:
        return sum(isinstance(mode, Relational) for mode in self.modes)

    @cached_property
    def _modes(self) -> ArrayFunction:
        return self._function(list(self.modes))

    @cached_property
    def _gaps(self) -> ArrayFunction:
        return self._function([mode.lhs - mode.rhs for mode in self.modes if isinstance(mode, Relational)])

    def _function(self, expressions: list[sympy.Basic]) -> ArrayFunction:
        network = self.equations.model.network
        return array_function(expressions, network.species_names, network.theta_names)


def modes_of(expressions: list[sympy.Basic], network: ReactionNetwork) -> tuple[sympy.Basic, ...]:
    """The comparisons and whole parts in expressions whose moments cannot be told in advance."""
    moving = moving_names(network)
    found: set[sympy.Basic] = set()
    for expression in expressions:
        found |= {r for r in expression.atoms(Relational) if not is_time_condition(r, moving)}
        found |= expression.atoms(sympy.floor, sympy.ceiling)
        found |= {sympy.floor(m.args[0] / m.args[1]) for m in expression.atoms(sympy.Mod)}
    return tuple(sorted((m for m in found if TIME in m.free_symbols or names_in(m) & moving), key=str))


def cuts_of(expressions: list[sympy.Basic], network: ReactionNetwork) -> Phases:
    """The comparisons that are linear in the time alone, whose moments are known in advance."""
    moving = moving_names(network)
    found = {r for e in expressions for r in e.atoms(Relational) if TIME in r.free_symbols}
    known = sorted((r for r in found if is_time_condition(r, moving)), key=str)
    return Phases(network, network, tuple(known))


def moving_names(network: ReactionNetwork) -> frozenset[str]:
    """The names whose values change continuously."""
    return frozenset((*network.species_names, *network.rate_rules))


def curved_in_time(expressions: list[sympy.Basic], network: ReactionNetwork) -> bool:
    """Whether the time stands anywhere but in comparisons that are linear in it."""
    moving = moving_names(network)
    for expression in expressions:
        plain = {r: sympy.true for r in expression.atoms(Relational) if is_time_condition(r, moving)}
        if TIME in expression.xreplace(plain).free_symbols:
            return True
    return False
