"""The events of a run through cuts in time and events on counts: one trajectory, phase by phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.errors import KinetixError, UnsupportedFeature
from kinetix.jumps import Jumps

from . import driven_paths, event_tables, kernels, native, pilot, tabled
from .pilot import Estimate

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

PHASES, EVENTS = 30, 20_000
"""How far the pilot goes: phases, and events of one in compiled code."""


class Found(NamedTuple):
    """Events of a path; whether numpy draws them; whether firings set off events; phases; the model between cuts."""

    events: Estimate
    plain: bool
    listens: bool
    phases: float
    model: CompiledModel


class _Enough(Exception):  # noqa: N818 - no error
    """The pilot has seen enough, at this time."""

    def __init__(self, time: float) -> None:
        super().__init__()
        self.time = time


def estimate(model: CompiledModel, times: Array, theta: Array, start: Counts, *, compiled: bool) -> Found:
    """The events of a path, by one trajectory of some milliseconds; what it cannot run ends it, as the run itself."""
    seen, end = _Pilot(model, compiled=compiled), float(times[-1])
    known, share = True, 1.0
    try:
        driven_paths.simulate(model, times[-1:], theta[None], start[None], seen.run)
    except _Enough as stopped:
        known, share = False, end / max(stopped.time, 1e-300)
    except KinetixError:
        share = 1.0  # the run itself will say so
    events = Estimate(seen.events * share, known, seen=1.0 / share)
    return Found(events, seen.plain, seen.listens, seen.phases * share, seen.model)


class _Pilot:
    """What one trajectory has taken so far."""

    def __init__(self, model: CompiledModel, *, compiled: bool) -> None:
        self.model, self.compiled = model, compiled and native.available()
        self.events, self.phases, self.plain, self.listens = 0.0, 0, False, False

    def run(
        self, model: CompiledModel, times: Array, theta: Array, start: Counts, jumps: Jumps | None, since: float
    ) -> Counts:
        """One phase: counts [1, T, S]; `theta` [1, P] is changed by the events."""
        if self.phases == PHASES:
            raise _Enough(since)
        self.phases, self.model, self.listens = self.phases + 1, model, self.listens or jumps is not None
        kernel = self._kernel(model, jumps, since)
        self.plain = self.plain or kernel is None
        if kernel is None:
            found = pilot.drawn_in_numpy(model, times, theta, start, jumps, since)
        else:
            found = pilot.drawn(kernel, times, theta, start, EVENTS)
        self.events += found.events
        if found.code != kernels.FINISHED:
            raise _Enough(since + found.time)
        return found.counts

    def _kernel(self, model: CompiledModel, jumps: Jumps | None, since: float) -> Callable[..., None] | None:
        if not self.compiled or model.network.depends_on_time or not len(model.change):
            return None
        try:
            return event_tables.event_kernel(jumps, since) if jumps else tabled.tabled_kernel(model)
        except UnsupportedFeature:
            return None
