"""The time cut into phases, in each of which no comparison with the time changes.

`time >= 25` in a law or in a trigger is false before a cut and true after it. Written as a switch, an
extra constant that is 0 or 1, it leaves a network that does not know the time; solvers run it phase by
phase and work what happens at the cuts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.core.relational import Relational

from .conditions import is_time_condition, time_conditions
from .errors import UnsupportedFeature
from .expressions import TIME, symbol
from .network import Parameter, Reaction, ReactionNetwork
from .propensity import array_function

Array = NDArray[np.float64]

_AT_EQUALITY = (sympy.GreaterThan, sympy.LessThan, sympy.Eq)
"""The comparisons that hold where both sides are equal."""


@dataclass(frozen=True)
class Phases:
    """A network whose comparisons with the time have become switches.

    `network` has one more constant for each of the `conditions`; its laws and triggers contain the
    time no more, but in assigned values.
    """

    source: ReactionNetwork
    network: ReactionNetwork
    conditions: tuple[Relational, ...]

    def next_cut(self, theta: Array, after: float) -> float:
        """The first time beyond `after` at which a condition changes, or infinity: theta [P]."""
        roots = self._roots(theta)
        later = roots[roots > after]
        return float(later.min()) if len(later) else math.inf

    def at(self, theta: Array, time: float) -> Array:
        """The switches at exactly this time: [K]."""
        return self._truth(theta, np.sign(time - self._roots(theta)))

    def after(self, theta: Array, time: float) -> Array:
        """The switches in the open phase that begins at this time: [K]."""
        return self._truth(theta, np.where(self._roots(theta) <= time, 1.0, -1.0))

    def _truth(self, theta: Array, side: Array) -> Array:
        """Whether each condition holds, `side` (-1, 0, 1) of its root: [K] -> [K] of 0 and 1."""
        slopes, offsets = self._lines(theta)
        differences = np.where(slopes == 0, offsets, slopes * np.where(np.isnan(side), 0, side)).tolist()
        held = [_holds(condition, value) for condition, value in zip(self.conditions, differences, strict=True)]
        return np.array(held, dtype=np.float64)

    def _lines(self, theta: Array) -> tuple[Array, Array]:
        """Each condition's left side minus right side as slope*time + offset: [K], [K]."""
        k = len(self.conditions)
        values = self._line_functions(*theta, 0.0) if k else []
        flat = np.array([float(v) for v in values], dtype=np.float64)
        return flat[:k], flat[k:]

    def _roots(self, theta: Array) -> Array:
        slopes, offsets = self._lines(theta)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(slopes == 0, np.nan, -offsets / slopes + 0.0)

    @cached_property
    def _line_functions(self) -> Any:
        sides = [c.lhs - c.rhs for c in self.conditions]
        slopes = [sympy.diff(side, TIME) for side in sides]
        offsets = [side.xreplace({TIME: sympy.Integer(0)}) for side in sides]
        return array_function([*slopes, *offsets], (), self.source.theta_names)


def phases_of(network: ReactionNetwork) -> Phases:
    """The network with its comparisons with the time as switches.

    Raises UnsupportedFeature where a comparison is not linear in the time or reads counts beside it,
    naming the reaction or event.
    """
    moving = set(network.species_names) | set(network.rate_rules)
    found: dict[Relational, str] = {}
    parts: list[tuple[str, sympy.Basic]] = [(f"reaction {r.name!r}", r.propensity) for r in network.reactions]
    parts += [(f"event {e.name!r}", expression) for e in network.events for expression in e.expressions]
    for place, expression in parts:
        for condition in time_conditions(expression):
            if not is_time_condition(condition, moving):
                reason = f"the condition {condition} is not linear in the time alone"
                raise UnsupportedFeature(reason, place=place, mend="use mean-field")
            found.setdefault(condition, f"condition {len(found) + 1} on the time")
    if not found:
        return Phases(network, network, ())
    on = {condition: sympy.Eq(symbol(name), 1) for condition, name in found.items()}
    reactions = [
        Reaction(r.name, r.reactants, r.products, r.propensity.xreplace(on), r.law.xreplace(on))
        for r in network.reactions
    ]
    events = [event.rewritten(on) for event in network.events]
    switches = [Parameter(name, 0.0, "parameter") for name in found.values()]
    constants = [*network.constants, *switches]
    made = network.with_parts(constants=constants, reactions=reactions, events=events, report=())
    return Phases(network, made, tuple(found))


def _holds(condition: Relational, difference: float) -> bool:
    if difference == 0:
        return isinstance(condition, _AT_EQUALITY)
    if isinstance(condition, sympy.Eq):
        return False
    if isinstance(condition, sympy.Ne):
        return True
    return (difference > 0) == isinstance(condition, sympy.GreaterThan | sympy.StrictGreaterThan)
