"""What events do to many states at once: counts and parameters in, counts and parameters out.

Trajectories, projections and the mean field share this one meaning of an event (see `events`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

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

    def triggers(self, counts: Array, theta: Array, time: float) -> Truth:
        """Which conditions hold: counts [N, S], theta [N, P] -> [N, E]."""
        with np.errstate(all="ignore"):
            values = self._trigger_functions(*counts.T, *theta.T, time)
        result = np.zeros((len(counts), len(self.model.network.events)), dtype=np.bool_)
        for e, value in enumerate(values):
            result[:, e] = value
        return result

    def at_start(self, counts: Array, theta: Array, time: float = 0.0) -> Truth:
        """What counts as having held before time 0: [N, E]."""
        may_fire = np.array([event.at_start for event in self.model.network.events], dtype=np.bool_)
        return self.triggers(counts, theta, time) & ~may_fire

    def settle(self, counts: Array, theta: Array, before: Truth, time: float) -> tuple[Array, Array]:
        """Run every event whose trigger is true now and was not `before`, and those that they cause.

        counts [N, S], theta [N, P], before [N, E] -> counts, theta. Raises RunError, naming event and
        state, where a count would be broken or negative, or where events cause one another for ever.
        """
        x, p = np.array(counts, dtype=np.float64), np.array(theta, dtype=np.float64)
        held = self.triggers(x, p, time)
        pending = held & ~before
        if not pending.any():
            return x, p
        kept = [np.zeros((len(x), len(event.assignments))) for event in self.model.network.events]
        self._keep(kept, pending, x, p, time)
        for _ in range(MOST_ROUNDS):
            rows = np.nonzero(pending.any(axis=1))[0]
            if not len(rows):
                return x, p
            first = np.argmax(pending[rows], axis=1)
            for e in np.unique(first).tolist():
                now = rows[first == e]
                pending[now, e] = False
                self._run(e, now, kept[e], x, p, time)
            held = self._follow(rows, held, pending, kept, x, p, time)
        names = sorted({self.model.network.events[e].name for e in np.nonzero(pending.any(axis=0))[0]})
        place = self._state(x, rows[0], time)
        raise RunError(f"the events {', '.join(names)} trigger one another for ever", place=place)

    def _follow(
        self, rows: NDArray[np.int64], held: Truth, pending: Truth, kept: list[Array], x: Array, p: Array, time: float
    ) -> Truth:
        """After events ran at `rows`: what turned true waits too, what turned false and need not persist is dropped."""
        now = held.copy()
        now[rows] = self.triggers(x[rows], p[rows], time)
        rising = now & ~held
        self._keep(kept, rising, x, p, time)
        persistent = np.array([event.persistent for event in self.model.network.events])
        pending &= now | persistent
        pending |= rising
        return now

    def _keep(self, kept: list[Array], which: Truth, x: Array, p: Array, time: float) -> None:
        """Store the values that events take from the moment of their trigger."""
        for e, event in enumerate(self.model.network.events):
            rows = np.nonzero(which[:, e])[0]
            if event.from_trigger and len(rows):
                kept[e][rows] = self._values(e, x[rows], p[rows], time)

    def _run(self, e: int, rows: NDArray[np.int64], kept: Array, x: Array, p: Array, time: float) -> None:
        event, network = self.model.network.events[e], self.model.network
        values = kept[rows] if event.from_trigger else self._values(e, x[rows], p[rows], time)
        for name, value in zip(event.assignments, values.T, strict=True):
            if name not in network.species_names:
                p[rows, network.theta_names.index(name)] = value
                self._refuse(~np.isfinite(value), e, rows, x, time, f"{name!r} to a value that is no number")
                continue
            if self.whole:
                near = np.round(value)
                broken = ~(np.abs(value - near) <= _WHOLE * np.maximum(1.0, np.abs(value))) | (near < 0)
                self._refuse(broken, e, rows, x, time, f"{name!r} to what is no count")
                value = near  # noqa: PLW2901
            x[rows, network.species_names.index(name)] = value

    def _refuse(self, wrong: Truth, e: int, rows: NDArray[np.int64], x: Array, time: float, what: str) -> None:
        if wrong.any():
            name = self.model.network.events[e].name
            place = self._state(x, rows[int(np.argmax(wrong))], time)
            raise RunError(f"event {name!r} sets {what}", place=place, mend="mend the assigned formula")

    def _state(self, x: Array, row: int, time: float) -> str:
        names = self.model.network.species_names
        return f"time {time:.6g} in state ({', '.join(f'{n} = {v:g}' for n, v in zip(names, x[row], strict=True))})"

    def _values(self, e: int, x: Array, p: Array, time: float) -> Array:
        """The values that event e assigns: [n, assignments]."""
        with np.errstate(all="ignore"):
            values = self._value_functions[e](*x.T, *p.T, time)
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
