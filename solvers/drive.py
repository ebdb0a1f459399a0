"""A problem driven through cuts in time and events: the skeleton that trajectories and projection share.

Between cuts every law is constant in time (see `kinetix.phases`), and the solver's own method runs; at
a cut, and at the start, every state goes where the events send it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel, compile_network
from kinetix.errors import RunError, UnsupportedFeature
from kinetix.expressions import names_in
from kinetix.jumps import MOST_ROUNDS, Jumps
from kinetix.phases import Phases, phases_of

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]
Moment = Callable[[Array, float], Array]


def is_driven(model: CompiledModel) -> bool:
    """Whether the model has events or laws that contain the time."""
    return bool(model.network.events) or model.network.depends_on_time


class _Cut(NamedTuple):
    """A model cut into phases: the network with its switches, compiled, and compiled without its events."""

    phases: Phases
    model: CompiledModel
    quiet: CompiledModel


def _cut(model: CompiledModel) -> _Cut:
    """The phases of a model, worked out once and kept with it: a likelihood asks thousands of times."""
    kept = vars(model)
    if "_cut" not in kept:
        phases = phases_of(model.network)
        whole = compile_network(phases.network)
        quiet = compile_network(whole.network.with_parts(events=())) if whole.network.events else whole
        kept["_cut"] = _Cut(phases, whole, quiet)
    found: _Cut = kept["_cut"]
    return found


class Drive(ABC):
    """Counts `x` [N, S] and parameters `theta` [N, P] (without switches) on their way through `times` [T].

    A subclass runs one phase (`phase`) and notes what it has at an output time (`keep`). `model` has the switches
    as constants more, `quiet` no events either.
    """

    def __init__(self, model: CompiledModel, times: Array, x: Array, theta: Array) -> None:
        self.phases, self.model, self.quiet = _cut(model)
        self.jumps = Jumps(self.model)
        self.times, self.x, self.theta = times, x, theta
        self.now = 0.0
        self.cuts: list[float] = []

    @abstractmethod
    def phase(self, theta: Array, relative: Array, inside: int) -> None:
        """Run to `relative[-1]` from now, keeping the first `inside` of the relative times: theta [N, P + K]."""

    @abstractmethod
    def keep(self) -> None:
        """Note the present state as the answer at an output time."""

    def go(self) -> None:
        """From time 0 through all output times."""
        held = self.jumps.at_start(self.x, self._with(self._switches(self.phases.at)))
        self._cross(held)
        last = float(self.times[-1])
        while self.now < last:
            cut = self.next_cut
            end = min(cut, last)
            inside = self.times[(self.times > self.now) & (self.times < cut)]
            relative = np.unique(np.append(inside, end)) - self.now
            switches = self._switches(self.phases.after)
            self.phase(self._with(switches), relative, len(inside))
            self.now = end
            if cut <= last:
                self.cuts.append(cut)
                self._cross(self.jumps.triggers(self.x, self._with(switches), self.now))

    @property
    def next_cut(self) -> float:
        """The time of the next cut, or infinity."""
        self._switches(self.phases.at)  # refuses states that differ in their cuts
        return self.phases.next_cut(self.theta[0], self.now)

    @cached_property
    def listens(self) -> bool:
        """Whether a trigger reads counts, so that a firing may set it off."""
        counted = set(self.model.network.species_names)
        return any(names_in(event.trigger) & counted for event in self.model.network.events)

    def _cross(self, held: Truth) -> None:
        """What happens at this time, the output there, and what happens just after it."""
        self._settle(self.phases.at, held)
        if (self.times == self.now).any():
            self.keep()
        held = self.jumps.triggers(self.x, self._with(self._switches(self.phases.at)), self.now)
        self._settle(self.phases.after, held)

    def _settle(self, moment: Moment, held: Truth) -> None:
        """Run the events; where they move the cuts themselves, again with the switches that follow."""
        if not self.model.network.events:
            return
        switches = self._switches(moment)
        for _ in range(MOST_ROUNDS):
            self.x, full = self.jumps.settle(self.x, self._with(switches), held, self.now)
            self.theta = full[:, : self.theta.shape[1]]
            following = self._switches(moment)
            if (following == switches).all():
                return
            held, switches = self.jumps.triggers(self.x, full, self.now), following
        raise RunError("events change their own times for ever", place=f"time {self.now:g}")

    def _switches(self, moment: Moment) -> Array:
        """The switches, which must be the same in every state: [K]."""
        read = self._read_by_conditions
        if (self.theta[:, read] != self.theta[0, read]).any():
            reason = "events set the times of events to values that differ from state to state"
            raise UnsupportedFeature(reason, mend="use mean-field")
        return moment(self.theta[0], self.now)

    def _with(self, switches: Array) -> Array:
        return np.hstack([self.theta, np.broadcast_to(switches, (len(self.theta), len(switches)))])

    @cached_property
    def _read_by_conditions(self) -> list[int]:
        names = set().union(*(names_in(condition) for condition in self.phases.conditions))
        return [k for k, name in enumerate(self.phases.source.theta_names) if name in names]


def count_cuts(drive: Drive) -> int:
    """How many cuts lie before the last output time if no event moves them."""
    cuts, t = 0, 0.0
    while (t := drive.phases.next_cut(drive.theta[0], t)) <= drive.times[-1] and not math.isinf(t):
        cuts += 1
    return cuts
