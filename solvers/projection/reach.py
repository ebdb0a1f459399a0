"""Finite state projection on the set of states that can be reached, where a firing may lead anywhere.

The set is what can be reached below caps; the probability that leaves it bounds the error, and the
caps grow until that is small. Laws that are constant in time are integrated by uniformisation, laws
that move with it by collocation (see `moving`).
B. Munsky, M. Khammash, J. Chem. Phys. 124 (2006) 044104, doi:10.1063/1.2145882.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kinetix.compiler import CompiledModel
from kinetix.errors import TruncationError

from .chart import Chart, Surveyor
from .moving import Moving
from .uniformisation import Schedule

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

GROWTH = 1.4
"""How much wider a cap becomes when probability passes it."""

_EPSILON = 1.2e-16


@dataclass(frozen=True, eq=False)
class Reached:
    """The laws [T, N] on the states [N, S], what was lost by each time [T], and the bound of the integration."""

    states: Counts
    laws: Array
    lost: Array
    bound: float
    products: int


@dataclass(frozen=True, eq=False)
class Reach:
    """Projection of one model, with its events on counts, at `theta` [P]; `since` is the time at which it starts."""

    model: CompiledModel
    theta: Array
    leak: float
    max_states: int
    max_work: float
    since: float = 0.0

    def laws(self, states: Counts, p: Array, times: Array) -> Reached:
        """The laws at `times` [T], since the start, from a law on states [M, S] with probabilities [M]."""
        surveyor = Surveyor(self.model, self.theta, self.since, self.since + float(times[-1]), self.max_states)
        caps = np.maximum(2 * states.max(axis=0) + 8, 16)
        integrate = self._moving if self.model.network.depends_on_time else self._constant
        while True:
            chart = surveyor.chart(states, caps)
            start = np.zeros(len(chart.states))
            start[: len(p)] = p
            found, flow = integrate(chart, start, times)
            if found.lost[-1] <= self.leak:
                return found
            if not flow.any():
                reason = f"{found.lost[-1]:.2g} of the probability is lost to rounding, above leak = {self.leak:g}"
                raise TruncationError(reason, place="fsp", mend="allow a larger leak")
            passed = flow > 0.01 * flow.max()
            caps = np.where(passed, np.ceil(GROWTH * caps + 1), caps).astype(np.int64)

    def _constant(self, chart: Chart, start: Array, times: Array) -> tuple[Reached, Array]:
        """Uniformisation; and for every species the probability that left above its cap: [S]."""
        size, rates = len(chart.states), chart.rates(self.since)
        out = np.bincount(chart.source, rates, size)
        rate = float(out.max(initial=0.0))
        self._afford(rate * float(times[-1]) * len(rates), size, times)
        scale, inner = 1.0 / rate if rate > 0 else 0.0, chart.inner
        inward = csr_array((rates[inner] * scale, (chart.target[inner], chart.source[inner])), shape=(size, size))
        stays, schedule = 1.0 - out * scale, Schedule.of(rate, times)
        now, laws, occupancy = start, np.zeros((len(times), size)), np.zeros(size)
        for n in range(schedule.products + 1):
            for k, weights in enumerate(schedule.weights):
                if weights.first <= n <= weights.last:
                    laws[k] += weights.values[n - weights.first] * now
            occupancy += now
            now = stays * now + inward @ now
        chart.refuse(occupancy + laws.sum(axis=0), self.since)
        widest = int(np.diff(inward.indptr).max(initial=0)) + 1
        bound = schedule.error + (schedule.products + 4) * (widest + 12) * _EPSILON
        outer = chart.target < 0
        flow = (rates[outer] * occupancy[chart.source[outer]]) @ chart.over[outer]
        lost = np.maximum(start.sum() - laws.sum(axis=1), 0.0)
        return Reached(chart.states, laws, lost, float(bound), schedule.products), np.asarray(flow)

    def _moving(self, chart: Chart, start: Array, times: Array) -> tuple[Reached, Array]:
        """Collocation in time; and the flow above the caps, as `_constant`."""
        moving = Moving(chart, self.since, 0.05 * self.leak / float(times[-1]), self.max_work)
        laws = np.array(moving.through(start, times))
        lost = np.maximum(start.sum() - laws.sum(axis=1), 0.0)
        return Reached(chart.states, laws, lost, moving.bound, moving.products), moving.flow

    def _afford(self, work: float, size: int, times: Array) -> None:
        if work > self.max_work:
            reason = f"integrating {size} states to t = {times[-1]:g} takes about {work:.1e} additions"
            mend = "raise max_work, or use ssa"
            raise TruncationError(f"{reason}, more than max_work = {self.max_work:.1e}", place="fsp", mend=mend)
