"""Finite state projection on the set of states that can be reached, where a firing may lead anywhere.

The set is what can be reached below caps; the probability that leaves it bounds the error, and the
caps grow until that is small. Laws that are constant in time are integrated as on any window, laws
that move with it by collocation (see `moving`).
B. Munsky, M. Khammash, J. Chem. Phys. 124 (2006) 044104, doi:10.1063/1.2145882.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from kinetix.compiler import CompiledModel
from kinetix.errors import TruncationError

from .chart import Chart, Surveyor
from .integration import integrate
from .moving import Moving
from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

GROWTH = 1.4
"""How much wider a cap becomes when probability passes it."""


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
        run = self._moving if self.model.network.depends_on_time else self._constant
        while True:
            chart = surveyor.chart(states, caps)
            start = np.zeros(len(chart.states))
            start[: len(p)] = p
            found, flow = run(chart, start, times)
            if found.lost[-1] <= self.leak:
                return found
            if not flow.any():
                reason = f"{found.lost[-1]:.2g} of the probability is lost to rounding, above leak = {self.leak:g}"
                raise TruncationError(reason, place="fsp", mend="allow a larger leak")
            passed = flow > 0.01 * flow.max()
            caps = np.where(passed, np.ceil(GROWTH * caps + 1), caps).astype(np.int64)

    def _constant(self, chart: Chart, start: Array, times: Array) -> tuple[Reached, Array]:
        """Laws that stay as they are; and for every species the probability that left above its cap: [S]."""
        size, rates, inner = len(chart.states), chart.rates(self.since), chart.inner
        out = np.bincount(chart.source, rates, size).astype(np.float64)
        moves = csr_array((rates[inner], (chart.target[inner], chart.source[inner])), shape=(size, size))
        rate, tolerance = float(out.max(initial=0.0)), 0.05 * self.leak
        terms = Terms.of_sparse(csr_array(moves - diags_array(out)), rate)
        positive, most = chart.is_broken(self.since), self.max_work / max(len(rates), 1)
        flow = integrate(terms, rate, start, times, tolerance=tolerance, positive=positive, most=most)
        if flow.left:
            self._refuse_work(size, times)
        chart.refuse(flow.occupancy + flow.laws.sum(axis=0), self.since)
        outer = chart.target < 0
        above = (rates[outer] * flow.occupancy[chart.source[outer]]) @ chart.over[outer]
        lost = np.maximum(start.sum() - flow.laws.sum(axis=1), 0.0)
        bound, products = float(flow.error.max()), sum(flow.products.values())
        return Reached(chart.states, flow.laws, lost, bound, products), np.asarray(above)

    def _moving(self, chart: Chart, start: Array, times: Array) -> tuple[Reached, Array]:
        """Collocation in time; and the flow above the caps, as `_constant`."""
        moving = Moving(chart, self.since, 0.05 * self.leak / float(times[-1]), self.max_work)
        laws = np.array(moving.through(start, times))
        lost = np.maximum(start.sum() - laws.sum(axis=1), 0.0)
        laws = np.maximum(laws, 0.0)  # what lies below is an error, and the exact laws are nearer now
        return Reached(chart.states, laws, lost, moving.bound, moving.products), moving.flow

    def _refuse_work(self, size: int, times: Array) -> None:
        work = f"takes more than max_work = {self.max_work:.1e} additions"
        reason = f"integrating {size} states to t = {times[-1]:g} {work}"
        raise TruncationError(reason, place="fsp", mend="raise max_work, or use ssa")
