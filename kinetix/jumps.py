"""What events do to many states at once: counts and parameters in, counts and parameters out.

Trajectories, projections and the mean field share this one meaning of an event (see `events`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .compiler import CompiledModel
from .errors import RunError
from .propensity import ArrayFunction, array_function

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]

MOST_ROUNDS = 1000
"""Events that may run at one moment in one state before they are said to trigger one another for ever."""

_WHOLE = 1e-9
"""Relative distance from a whole count that is the arithmetic's own rounding."""


@dataclass(frozen=True)
class Jumps:
    """The events of a model as functions of arrays; `whole` demands counts that stay whole and >= 0."""

    model: CompiledModel
    whole: bool = True

    def triggers(self, counts: Array, theta: Array, time: ArrayLike) -> Truth:
        """Which conditions hold: counts [N, S], theta [N, P] -> [N, E]."""
        with np.errstate(all="ignore"):
            values = self._trigger_functions(*counts.T, *theta.T, np.asarray(time, dtype=np.float64))
        result = np.zeros((len(counts), len(self.model.network.events)), dtype=np.bool_)
        for e, value in enumerate(values):
            result[:, e] = value
        return result

    def at_start(self, counts: Array, theta: Array, time: ArrayLike = 0.0) -> Truth:
        """What counts as having held before time 0: [N, E]."""
        may_fire = np.array([event.at_start for event in self.model.network.events], dtype=np.bool_)
        return self.triggers(counts, theta, time) & ~may_fire

    def settle(
        self, counts: Array, theta: Array, before: Truth, time: ArrayLike, *, ran: list[int] | None = None
    ) -> tuple[Array, Array]:
        """Run every event whose trigger is true now and was not `before`, and those that they cause.

        counts [N, S], theta [N, P], before [N, E], time [N] or one for all -> counts, theta. The events
        that ran in some state are appended to `ran`, in their order. Raises RunError, naming event and
        state, where a count would be broken or negative, or where events cause one another for ever.
        """
        t = np.broadcast_to(np.asarray(time, dtype=np.float64), len(counts))
        moment = _Moment(self, np.array(counts, np.float64), np.array(theta, np.float64), t)
        moment.run(before, [] if ran is None else ran)
        return moment.x, moment.p

    def values(self, e: int, x: Array, p: Array, t: Array) -> Array:
        """The values that event e would assign: counts [n, S], theta [n, P], time [n] -> [n, assignments]."""
        with np.errstate(all="ignore"):
            values = self._value_functions[e](*x.T, *p.T, t)
        result = np.empty((len(x), len(values)))
        for k, value in enumerate(values):
            result[:, k] = value
        return result

    @cached_property
    def _trigger_functions(self) -> ArrayFunction:
        network = self.model.network
        return array_function([e.trigger for e in network.events], network.species_names, network.theta_names)

    @cached_property
    def _value_functions(self) -> list[ArrayFunction]:
        network = self.model.network
        names = network.species_names, network.theta_names
        return [array_function(list(event.assignments.values()), *names) for event in network.events]


class _Moment:
    """One moment in many states: counts `x`, theta `p` and time `t`, and the events that wait for their turn."""

    def __init__(self, jumps: Jumps, x: Array, p: Array, t: Array) -> None:
        self.jumps, self.x, self.p, self.t = jumps, x, p, t
        self.events = jumps.model.network.events
        self.held = jumps.triggers(x, p, t)
        self.pending = np.zeros_like(self.held)
        self.kept = [np.zeros((len(x), len(event.assignments))) for event in self.events]

    def run(self, before: Truth, ran: list[int]) -> None:
        """Events in turn, until none waits; `ran` gains each."""
        self._wait(self.held & ~before)
        for _ in range(MOST_ROUNDS):
            rows = np.nonzero(self.pending.any(axis=1))[0]
            if not len(rows):
                return
            first = np.argmax(self.pending[rows], axis=1)
            for e in np.unique(first).tolist():
                self.pending[rows[first == e], e] = False
                self._assign(e, rows[first == e])
                ran.append(e)
            self._follow(rows)
        names = sorted({self.events[e].name for e in np.nonzero(self.pending.any(axis=0))[0]})
        raise RunError(f"the events {', '.join(names)} trigger one another for ever", place=self._place(rows[0]))

    def _wait(self, rising: Truth) -> None:
        """Events whose trigger turned true wait, with the values that they take from that moment."""
        self.pending |= rising
        for e, event in enumerate(self.events):
            rows = np.nonzero(rising[:, e])[0]
            if event.from_trigger and len(rows):
                self.kept[e][rows] = self.jumps.values(e, self.x[rows], self.p[rows], self.t[rows])

    def _follow(self, rows: NDArray[np.int64]) -> None:
        """After events ran at `rows`: what turned false and need not persist is dropped, what turned true waits."""
        now = self.held.copy()
        now[rows] = self.jumps.triggers(self.x[rows], self.p[rows], self.t[rows])
        persistent = np.array([event.persistent for event in self.events])
        self.pending &= now | persistent
        rising, self.held = now & ~self.held, now
        self._wait(rising)

    def _assign(self, e: int, rows: NDArray[np.int64]) -> None:
        event, network = self.events[e], self.jumps.model.network
        stored = event.from_trigger
        values = self.kept[e][rows] if stored else self.jumps.values(e, self.x[rows], self.p[rows], self.t[rows])
        for name, value in zip(event.assignments, values.T, strict=True):
            wrong = ~np.isfinite(value)
            if name not in network.species_names:
                self.p[rows, network.theta_names.index(name)] = value
            else:
                count = np.round(value) if self.jumps.whole else value
                if self.jumps.whole:
                    with np.errstate(invalid="ignore"):  # infinities, which are wrong anyway
                        wrong |= ~(np.abs(value - count) <= _WHOLE * np.maximum(1.0, np.abs(value))) | (count < 0)
                self.x[rows, network.species_names.index(name)] = count
            if wrong.any():
                k = int(np.argmax(wrong))
                reason = f"event {event.name!r} sets {name!r} to {value[k]:g}"
                raise RunError(reason, place=self._place(rows[k]), mend="mend the assigned formula")

    def _place(self, row: int) -> str:
        state = zip(self.jumps.model.network.species_names, self.x[row], strict=True)
        return f"time {self.t[row]:.6g} in state ({', '.join(f'{name} = {value:g}' for name, value in state)})"
