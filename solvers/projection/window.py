"""The window of a finite state projection: a first guess from pilot trajectories, then wider faces.

A window is a box of counts 0 .. cap of every species; species that conservation laws determine are
taken out when the start is one state. The sink judges a window, so a poor guess costs time only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.solvers.paths import lockstep
from kinetix.solvers.paths.kernels import BUDGET, FINISHED
from kinetix.space import StateSpace

from .frame import PATHS, Frame, Start, frame_of
from .grid import Rates

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

STEPS = 4_000
GRID = 24
"""The events allowed to each pilot trajectory, and the times between 0 and the end that they are seen at."""

GENE = 3
"""Counts up to this one are those of genes and the like: their axes are short."""

ROOT = (0x6B696E65746978, 0x77696E646F77)
"""The pilots' root is fixed: the window is a function of the problem alone."""


_WORDS = tuple(np.uint64(word) for word in ROOT)


@dataclass(frozen=True, eq=False)
class WindowMaker:
    """Windows for one model, start and time span; `theta` [P] tells which laws can be zero."""

    model: CompiledModel
    start: Start
    theta: Array
    end: float

    @cached_property
    def frame(self) -> Frame:
        """What does not depend on the rates."""
        return frame_of(self.model, self.start)

    @property
    def laws(self) -> Counts:
        """The conservation laws that can be used: [L, S]."""
        return self.frame.laws

    @property
    def bounds(self) -> Array:
        """The largest count that the conservation laws allow: [S], inf where they say nothing."""
        return self.frame.bounds

    def space(self, caps: Counts) -> StateSpace:
        """The window of counts 0 .. caps [S]."""
        return self.frame.space(caps)

    def guess(self, theta: Array, at_least: Counts, *, steps: int = STEPS) -> Counts:
        """Caps [S] that should hold the law: what pilots reach and a margin, cut at counts never passed.

        `steps` are the events allowed to each pilot; without a compiled kernel they have STEPS.
        """
        seen = np.maximum(self._pilot(theta, steps), at_least)
        spread = 5.5 if (seen > GENE).sum() <= 1 else 4.0  # on one axis room is cheap, a second window is not
        caps = rounded_up(np.ceil(seen + spread * np.sqrt(seen) + 4).astype(np.int64))
        caps = np.minimum(caps, self.bounds).astype(np.int64)
        return np.maximum(self._cut(caps, seen), at_least)

    def _pilot(self, theta: Array, steps: int) -> Counts:
        """The largest counts [S] that a few trajectories show."""
        starts, times, thetas = self.frame.starts, _grid(self.end), np.repeat(theta[None, :], PATHS, axis=0)
        out = starts[:, None, :].repeat(len(times), axis=1)
        if not self._compiled(times, thetas, out, steps):
            out = starts[:, None, :].repeat(len(times), axis=1)
            control, report, when = _ends(self.model)
            lockstep.run(self.model, times, thetas, starts, 0, ROOT, STEPS, control, out, report, when)
        return np.asarray(np.maximum(out.max(axis=(0, 1)), self.frame.least))

    def _compiled(self, times: Array, thetas: Array, out: Counts, steps: int) -> bool:
        """The pilots as `lockstep` has them, by the table-driven kernel: one that is out of events ends alone.

        False where there is no such kernel, or a law breaks down: then all are as far as the lockstep brings them.
        """
        kernel, starts, fired = self.frame.kernel, self.frame.starts, np.zeros(PATHS, dtype=np.int64)
        if kernel is None:
            return False
        control, report, when = _ends(self.model)
        first, upto = 0, PATHS
        while first < PATHS:
            some = slice(first, upto)
            report[0] = FINISHED
            ends = control, out[some], report, when, fired[some]
            kernel(times, thetas[some], starts[some], first, *_WORDS, steps, *ends)
            if report[0] not in (FINISHED, BUDGET):
                return False
            first = upto if report[0] == FINISHED else int(report[1]) + 1
            upto = first + 1  # where one is long the others are: each alone, or lanes beside it are run for nothing
        return True

    def _cut(self, caps: Counts, seen: Counts) -> Counts:
        """Caps lowered to the least count, from `seen` on, that no reaction seems to pass."""
        result = caps.copy()
        for s, barred in self.frame.barriers.items():
            beyond = barred[(barred >= seen[s]) & (barred < caps[s])]
            if len(beyond):
                result[s] = beyond[0]
        return result

    def wider(self, caps: Counts, rates: Rates, occupancy: Array, leak: float) -> Counts:
        """Caps after moving out the faces through which probability left: [S]."""
        space, held = rates.grid.space, occupancy.reshape(rates.grid.space.shape)
        flow = np.zeros(len(space.free))
        for axis, s in enumerate(space.free):
            for change, rate in zip(self.model.change, rates.each, strict=True):
                if change[s] > 0:
                    face = (slice(None),) * axis + (slice(max(space.shape[axis] - change[s], 0), None),)
                    flow[axis] += (np.broadcast_to(rate, space.shape)[face] * held[face]).sum()
        result, target = caps.copy(), leak / (4 * max(len(space.free), 1))
        for axis in np.nonzero(flow > min(target, 0.5 * flow.max(initial=0.0)))[0].tolist():
            s = space.free[axis]
            profile = held.sum(axis=tuple(a for a in range(len(space.free)) if a != axis))
            further = caps[s] + _extension(profile, float(flow[axis]), target)
            result[s] = min(rounded_up(np.array([further]))[0], self.bounds[s])
        return result


@lru_cache(maxsize=64)
def _grid(end: float) -> Array:
    """The times that pilots are seen at."""
    return np.linspace(0.0, end, GRID + 1)


def _ends(model: CompiledModel) -> tuple[Counts, Counts, Array]:
    """What a run of trajectories reads of its caller, and says of its end; see `kernels`."""
    return np.zeros(1, dtype=np.int64), np.zeros(3 + model.change.shape[1], dtype=np.int64), np.zeros(1)


def _extension(profile: Array, flow: float, target: float) -> int:
    """How far to move a face: the profile's decay near it continued until the flow falls to the target."""
    width = len(profile)
    back = max(1, min(width - 1, 3 + width // 10))
    near, far = float(profile[-1]), float(profile[-1 - back]) if width > 1 else 0.0
    most = width + 8
    if not 0 < near < far:
        return most
    decay = np.log(far / near) / back
    return int(np.clip(np.ceil(1.4 * np.log(max(flow / target, 2.0)) / decay), 3 + width // 8, most))


def rounded_up(caps: Counts) -> Counts:
    """Caps on a grid of eight steps an octave, so that near parameters share a window: [S]."""
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(caps + 1, 1))) - 3, 0)
    return np.asarray(np.ceil((caps + 1) / step) * step - 1, dtype=np.int64)
