"""Exact trajectories through cuts in time and events (see `drive`).

A phase without events on counts runs on the model's fastest engine; where firings may set events off,
trajectories run side by side in numpy and every firing is followed by its events. The process has no
memory, so that each phase draws from streams of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.jumps import Jumps
from kinetix.solvers.drive import Drive

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Run = Callable[..., Counts]
"""(model, times [T], thetas [n, P], starts [n, S], jumps or None, time of the start) -> counts [n, T, S]."""


def simulate(model: CompiledModel, times: Array, thetas: Array, starts: Counts, run: Run) -> tuple[Counts, Array]:
    """Trajectories [n, T, S] and the parameters at each time [T, P], NaN where they differ among trajectories."""
    drive = _PathDrive(model, times, starts.astype(np.float64), np.array(thetas, dtype=np.float64), run)
    drive.go()
    return np.stack(drive.counts, axis=1), np.array(drive.thetas)


class _PathDrive(Drive):
    """Trajectories on their way: counts `x` [n, S] and parameters `theta` [n, P] of each."""

    def __init__(self, model: CompiledModel, times: Array, x: Array, theta: Array, run: Run) -> None:
        super().__init__(model, times, x, theta)
        self.run = run
        self.counts: list[Counts] = []
        self.thetas: list[Array] = []

    def keep(self) -> None:
        """The present counts of all trajectories."""
        self._note(self.x.astype(np.int64))

    def phase(self, theta: Array, relative: Array, inside: int) -> None:
        """Every trajectory to the end of the phase."""
        jumps: Jumps | None = self.jumps if self.listens else None
        theta = np.ascontiguousarray(theta)
        model, begun, done = self.model if jumps else self.quiet, 0.0, 0
        # where firings may change parameters they are known at the end of a run alone: one run to each output time
        for piece in relative[:, None] if jumps and self._sets_parameters else [relative]:
            found = self.run(model, piece - begun, theta, self.x.astype(np.int64), jumps, self.now + begun)
            self.theta = theta[:, : self.theta.shape[1]]
            for k in range(min(len(piece), inside - done)):
                self._note(found[:, k])
            self.x, begun, done = found[:, -1].astype(np.float64), float(piece[-1]), done + len(piece)

    @cached_property
    def _sets_parameters(self) -> bool:
        """Whether an event changes more than counts."""
        counted = set(self.model.network.species_names)
        return any(set(event.assignments) - counted for event in self.model.network.events)

    def _note(self, counts: Counts) -> None:
        self.counts.append(counts)
        same = (self.theta == self.theta[0]).all(axis=0)
        self.thetas.append(np.where(same, self.theta[0], np.nan))
