"""What events do to many states at once: counts and parameters in, counts and parameters out.

Trajectories, projections and the mean field share this one meaning of an event (see `events`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from .compiler import CompiledModel
from .errors import RunError, UnsupportedFeature
from .propensity import ArrayFunction, array_function

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]

MOST_ROUNDS = 1000
"""Events that may run at one moment in one state before they are said to trigger one another for ever."""

WHOLE = 1e-9
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
        self,
        counts: Array,
        theta: Array,
        before: Truth,
        time: ArrayLike,
        *,
        ran: list[int] | None = None,
        agenda: Agenda | None = None,
    ) -> tuple[Array, Array]:
        """Run every event whose trigger is true now and was not `before`, and those that they cause.

        counts [N, S], theta [N, P], before [N, E], time [N] or one for all -> counts, theta. The events
        that ran in some state are appended to `ran`, in their order. Delayed events need an `agenda`,
        and one state (N = 1). Raises RunError, naming event and state, where a count would be broken or
        negative, or where events cause one another for ever.
        """
        t = np.broadcast_to(np.asarray(time, dtype=np.float64), len(counts))
        moment = _Moment(self, np.array(counts, np.float64), np.array(theta, np.float64), t, agenda)
        moment.run(before, [] if ran is None else ran)
        return moment.x, moment.p

    def delay(self, e: int, x: Array, p: Array, t: float) -> float:
        """How long event e waits from now, in one state: counts [S], theta [P]."""
        (value,) = self._delay_functions[e](*x, *p, t)
        return float(value)

    def priorities(self, x: Array, p: Array, t: Array) -> Array:
        """The priority of each event, lowest where it has none: counts [n, S], theta [n, P], time [n] -> [n, E]."""
        result = np.full((len(x), len(self.model.network.events)), np.finfo(np.float64).min)
        for e, function in self._priority_functions.items():
            (result[:, e],) = function(*x.T, *p.T, t)
        return result

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

    @cached_property
    def _delay_functions(self) -> dict[int, ArrayFunction]:
        return self._functions([event.delay for event in self.model.network.events])

    @cached_property
    def _priority_functions(self) -> dict[int, ArrayFunction]:
        return self._functions([event.priority for event in self.model.network.events])

    def _functions(self, expressions: list[sympy.Expr | None]) -> dict[int, ArrayFunction]:
        names = self.model.network.species_names, self.model.network.theta_names
        return {e: array_function([law], *names) for e, law in enumerate(expressions) if law is not None}


@dataclass
class Agenda:
    """Delayed events of one state that will run: when, which, and the values they keep (None: those of their time)."""

    entries: list[tuple[float, int, Array | None]] = field(default_factory=list)

    @property
    def next(self) -> float:
        """The time of the first entry, or infinity."""
        return min((due for due, _, _ in self.entries), default=math.inf)

    def take(self, time: float) -> list[tuple[int, Array | None]]:
        """Remove and return what is due by now, in the order of its time."""
        due = sorted((entry for entry in self.entries if entry[0] <= time), key=lambda entry: entry[0])
        self.entries = [entry for entry in self.entries if entry[0] > time]
        return [(e, values) for _, e, values in due]

    def cancel(self, e: int) -> None:
        """Forget every entry of an event."""
        self.entries = [entry for entry in self.entries if entry[1] != e]


class _Moment:
    """One moment in many states: counts `x`, theta `p` and time `t`, and the events that wait for their turn."""

    def __init__(self, jumps: Jumps, x: Array, p: Array, t: Array, agenda: Agenda | None) -> None:
        self.jumps, self.x, self.p, self.t, self.agenda = jumps, x, p, t, agenda
        self.events = jumps.model.network.events
        self.held = jumps.triggers(x, p, t)
        self.pending = np.zeros_like(self.held)
        self.kept = [np.zeros((len(x), len(event.assignments))) for event in self.events]
        self.delayed = [e for e, event in enumerate(self.events) if event.delay is not None and event.delay != 0]
        self.persistent = np.array([event.persistent for event in self.events], dtype=np.bool_)

    def run(self, before: Truth, ran: list[int]) -> None:
        """Events in turn, until none waits; `ran` gains each."""
        self._drop(before & ~self.held)
        due = self.agenda.take(float(self.t[0])) if self.agenda else []
        self._wait(self.held & ~before)
        for _ in range(MOST_ROUNDS):
            if due:
                self._take(due)
            rows = np.nonzero(self.pending.any(axis=1))[0]
            if not len(rows):
                return
            first = self._first(rows)
            for e in np.unique(first).tolist():
                self.pending[rows[first == e], e] = False
                self._assign(e, rows[first == e])
                ran.append(e)
            self._follow(rows)
        names = sorted({self.events[e].name for e in np.nonzero(self.pending.any(axis=0))[0]})
        raise RunError(f"the events {', '.join(names)} trigger one another for ever", place=self._place(rows[0]))

    def _first(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of the events that wait, the one whose turn it is: by priority, then as declared."""
        if all(event.priority is None for event in self.events):
            return np.asarray(np.argmax(self.pending[rows], axis=1))
        order = self.jumps.priorities(self.x[rows], self.p[rows], self.t[rows])
        return np.asarray(np.argmax(np.where(self.pending[rows], order, -np.inf), axis=1))

    def _take(self, due: list[tuple[int, Array | None]]) -> None:
        """Delayed events whose time has come wait for their turn; of several of one event, one after another."""
        for entry in list(due):
            e, values = entry
            if not self.pending[0, e]:
                due.remove(entry)
                self.pending[0, e] = True
                self.kept[e][0] = self.jumps.values(e, self.x, self.p, self.t)[0] if values is None else values

    def _wait(self, rising: Truth) -> None:
        """Events whose trigger turned true wait, with the values that they take from that moment."""
        for e, event in enumerate(self.events):
            rows = np.nonzero(rising[:, e])[0]
            if not len(rows):
                continue
            values = self.jumps.values(e, self.x[rows], self.p[rows], self.t[rows]) if event.from_trigger else None
            if e in self.delayed and (later := self._later(e)) > self.t[0]:
                assert self.agenda is not None
                self.agenda.entries.append((later, e, None if values is None else values[0]))
                continue
            self.pending[rows, e] = True
            if values is not None:
                self.kept[e][rows] = values

    def _later(self, e: int) -> float:
        """When a delayed event that fires now will run."""
        if self.agenda is None or len(self.x) != 1:
            raise UnsupportedFeature(f"event {self.events[e].name!r} has a delay", mend="use mean-field")
        delay = self.jumps.delay(e, self.x[0], self.p[0], float(self.t[0]))
        if not 0 <= delay < math.inf:
            raise RunError(f"the delay of event {self.events[e].name!r} is {delay:g}", place=self._place(0))
        return float(self.t[0]) + delay

    def _follow(self, rows: NDArray[np.int64]) -> None:
        """After events ran at `rows`: what turned false and need not persist is dropped, what turned true waits."""
        now = self.held.copy()
        now[rows] = self.jumps.triggers(self.x[rows], self.p[rows], self.t[rows])
        rising, falling, self.held = now & ~self.held, self.held & ~now, now
        self._drop(falling)
        self._wait(rising)

    def _drop(self, falling: Truth) -> None:
        """What turned false and need not persist is dropped, here and on the agenda."""
        self.pending &= ~falling | self.persistent
        if self.agenda is not None:
            for e in np.nonzero(falling.any(axis=0) & ~self.persistent)[0].tolist():
                self.agenda.cancel(e)

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
                        wrong |= ~(np.abs(value - count) <= WHOLE * np.maximum(1.0, np.abs(value))) | (count < 0)
                self.x[rows, network.species_names.index(name)] = count
            if wrong.any():
                k = int(np.argmax(wrong))
                reason = f"event {event.name!r} sets {name!r} to {value[k]:g}"
                raise RunError(reason, place=self._place(rows[k]), mend="mend the assigned formula")

    def _place(self, row: int) -> str:
        state = zip(self.jumps.model.network.species_names, self.x[row], strict=True)
        return f"time {self.t[row]:.6g} in state ({', '.join(f'{name} = {value:g}' for name, value in state)})"
