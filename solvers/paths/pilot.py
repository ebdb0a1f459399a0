"""How many events a run will have: a few steps of one trajectory, and where it matters some thousands of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.jumps import Jumps

from . import kernels, lockstep, tabled, thinning
from .leaps import ROOT, Leaping, Leapt

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

STEPS = 100
"""Events of the first pilot, in numpy."""

LONGER = 100_000
"""Events of the later ones together, by the table-driven kernel."""

PILOTS = 8
"""Trajectories of the later pilots."""

LEAPS = 5_000
"""Leaps and single events of the last pilot."""

COARSE = 0.1
"""The relative change of a propensity that its leaps may bring."""

BUDGETS = 8, 64
"""Events after which a pilot in numpy is begun anew, or ended."""

RUNAWAY = 10.0
"""Events that come so many times as fast in the second half of a pilot as in the first run away."""


class Estimate(NamedTuple):
    """Events of a trajectory; whether pilots ran to the end.

    Where they did not: how many times as fast events came in the second half of them as in the first,
    and the share of the time that they saw.
    """

    events: float
    known: bool = False
    growth: float = 1.0
    seen: float = 0.0

    def refined(self, model: CompiledModel, times: Array, thetas: Array, starts: Counts, budget: int) -> Estimate:
        """The same from longer trajectories, where the first pilot did not come to the end."""
        return self if self.known else longer(model, times, thetas, starts, budget)

    @property
    def runs_away(self) -> bool:
        """Whether events come faster and faster, with no end in sight."""
        return not self.known and self.growth >= RUNAWAY


def estimate(model: CompiledModel, times: Array, thetas: Array, starts: Counts) -> Estimate:
    """The events of the first trajectory to the last time, from its first hundred (see `tabled.tables`)."""
    if not len(starts):
        return Estimate(0.0, known=True)
    laws, rng = tabled.propensities(model, thetas[0]), np.random.default_rng(0)
    x, now, end = starts[0].astype(np.float64), 0.0, float(times[-1])
    for events in range(STEPS):
        sums = np.cumsum(laws(x))
        if not 0 < sums[-1] < np.inf:
            return Estimate(float(events), known=True)
        now += rng.exponential() / sums[-1]
        if now >= end:
            return Estimate(float(events), known=True)
        x += model.change[min(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")), len(sums) - 1)]
    return Estimate(STEPS * end / now)


def longer(model: CompiledModel, times: Array, thetas: Array, starts: Counts, budget: int) -> Estimate:
    """The mean over some trajectories of the table-driven kernel, from the first starts and rates in turn.

    Those that are not at the end are taken to go on as they did last.
    """
    run, most = tabled.tabled_kernel(model), max(min(budget, LONGER // PILOTS), 2)
    found = [_one(run, float(times[-1]), thetas, starts, i, most) for i in range(PILOTS)]
    mean, growth, seen = (float(np.mean([one[k] for one in found])) for k in (0, 2, 3))
    return Estimate(mean, all(one.known for one in found), growth, seen)


def by_leaps(model: CompiledModel, times: Array, theta: Array, start: Counts, found: Estimate) -> Estimate:
    """The same by one trajectory of coarse leaps, where it sees further: counts are high there."""
    leaping, end = Leaping(model, COARSE), float(times[-1])
    whole = leaping.pilot(times, theta, start, LEAPS)
    if whole.code == kernels.FINISHED or (whole.code == kernels.BUDGET and whole.time > found.seen * end):
        return of_leaps(leaping, whole, times, theta, start)
    return found


def of_leaps(leaping: Leaping, whole: Leapt, times: Array, theta: Array, start: Counts) -> Estimate:
    """The events by a pilot of leaps: its own, or what its last half makes likely."""
    if whole.code != kernels.BUDGET or not whole.time > 0:
        return Estimate(float(whole.events), known=True)
    steps, end = whole.leaps + whole.singles, float(times[-1])
    if whole.overflows:
        return Estimate(2.0**62, False, np.inf, whole.time / end)
    early, late = (leaping.pilot(np.array([part * whole.time]), theta, start, steps).events for part in (0.45, 0.9))
    recent, growth = (late - early) / (0.45 * whole.time), (late - early) / max(early, 1)
    return Estimate(late + recent * (end - 0.9 * whole.time), False, growth, whole.time / end)


def plain(model: CompiledModel, times: Array, thetas: Array, starts: Counts) -> Estimate:
    """The events of the first trajectory by numpy, for laws that have no table."""
    whole = drawn_in_numpy(model, times[-1:], thetas[:1].copy(), starts[:1])
    if whole.code != kernels.BUDGET or not whole.time > 0:
        return Estimate(whole.events, known=True)
    share = float(times[-1]) / whole.time
    return Estimate(whole.events * share, seen=1.0 / share)


def _one(kernel: Callable[..., None], end: float, thetas: Array, starts: Counts, number: int, most: int) -> Estimate:
    """Trajectory `number`, of at most so many events."""
    row = number % len(starts)
    theta, start = np.array(thetas[row : row + 1], order="C"), np.array(starts[row : row + 1], order="C")
    whole = drawn(kernel, np.array([end]), theta, start, most, number)
    if whole.code != kernels.BUDGET or not whole.time > 0:
        return Estimate(whole.events, known=True)
    half = drawn(kernel, np.array([end]), theta, start, most // 2, number).time
    first, second = max(half, 1e-300) / (most // 2), max(whole.time - half, 1e-300) / (most - most // 2)
    return Estimate(most + (end - whole.time) / second, False, first / second, whole.time / end)


class Drawn(NamedTuple):
    """One trajectory: its events, how the kernel ended, the time then, and counts [1, T, S]."""

    events: float
    code: int
    time: float
    counts: Counts


def drawn(kernel: Callable[..., None], times: Array, theta: Array, start: Counts, most: int, number: int = 0) -> Drawn:
    """Trajectory `number` under `theta` [1, P] from `start` [1, S], of at most so many events, by a compiled kernel."""
    out, report, when = _places(times, start)
    fired, low, high = np.full(1, -1, dtype=np.int64), np.uint64(ROOT[0]), np.uint64(ROOT[1])
    kernel(times, theta, start, number, low, high, most, np.zeros(1, np.int64), out, report, when, fired)
    code = int(report[0])
    return Drawn(float(most if code == kernels.BUDGET else max(fired[0], 0)), code, float(when[0]), out)


def drawn_in_numpy(
    model: CompiledModel, times: Array, theta: Array, start: Counts, jumps: Jumps | None = None, since: float = 0.0
) -> Drawn:
    """The same in numpy, which counts no events: they are guessed by the budget that was enough."""
    run = thinning.run if model.network.depends_on_time else lockstep.run
    before = theta.copy()
    for budget in BUDGETS:
        theta[:] = before
        out, report, when = _places(times, start)
        control = np.zeros(1, dtype=np.int64)
        run(model, times, theta, start, 0, ROOT, budget, control, out, report, when, jumps=jumps, since=since)
        if report[0] != kernels.BUDGET:
            return Drawn(0.4 * budget, int(report[0]), float(when[0]), out)
    return Drawn(float(BUDGETS[-1]), kernels.BUDGET, float(when[0]), out)


def _places(times: Array, start: Counts) -> tuple[Counts, Counts, Array]:
    """Where a kernel writes the counts of one trajectory, and how and when it ends."""
    S = start.shape[1]
    return np.zeros((1, len(times), S), dtype=np.int64), np.zeros(3 + S, dtype=np.int64), np.zeros(1)
