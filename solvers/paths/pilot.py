"""How many events a run will have: a few steps of one trajectory, and where it matters a few thousand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel

from . import kernels, tabled

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

STEPS = 100
"""Events of the first pilot, in numpy."""

LONGER = 100_000
"""Events of the second one, by the table-driven kernel."""

ROOT = (0x243F6A8885A308D3, 0x13198A2E03707344)


class Estimate(NamedTuple):
    """Events of a trajectory, and whether pilots ran to the end."""

    events: float
    known: bool = False

    def refined(self, model: CompiledModel, times: Array, thetas: Array, starts: Counts, budget: int) -> Estimate:
        """The same from a longer trajectory, where the first pilot did not come to the end."""
        return self if self.known else _compiled(model, times, thetas, starts, min(budget, LONGER))


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


def _compiled(model: CompiledModel, times: Array, thetas: Array, starts: Counts, budget: int) -> Estimate:
    kernel = tabled.tabled_kernel(model)
    end = np.array(times[-1:], dtype=np.float64)
    theta = np.array(thetas[:1], dtype=np.float64, order="C")
    start = np.array(starts[:1], dtype=np.int64, order="C")
    out, report = np.zeros((1, 1, start.shape[1]), dtype=np.int64), np.zeros(3 + start.shape[1], dtype=np.int64)
    when, fired, control = np.zeros(1), np.full(1, -1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    low, high = (np.uint64(word) for word in ROOT)
    kernel(end, theta, start, 0, low, high, budget, control, out, report, when, fired)
    if report[0] == kernels.BUDGET and when[0] > 0:
        return Estimate(budget * float(end[0]) / float(when[0]))
    return Estimate(float(max(fired[0], 0)), known=True)
