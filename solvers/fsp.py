"""Finite state projection: integrate the master equation on a window, and know the error.

Choose it when the window fits in memory (up to four species or so): it gives the law itself, and
the lost probability bounds its error. Beyond, draw trajectories or train a net.
B. Munsky, M. Khammash, J. Chem. Phys. 124 (2006) 044104, doi:10.1063/1.2145882.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetix.constructs import require
from kinetix.problem import Problem
from kinetix.solution import Solution

from .drive import is_driven
from .projection import driven_law
from .projection.quiet import QuietProjection

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class FSP(QuietProjection):
    """Finite state projection on an adaptive window; of several integrators each run takes the cheapest.

    `leak` is the probability that may be lost by the last time; `max_states` the largest window;
    `caps` the largest count of species by name, which fixes their faces; `max_work` the largest
    number of additions in one integration (about 1e9 a second, so two minutes by default); `threads`
    for batches of parameter vectors. `device` is where windows are integrated: "cpu", by compiled code,
    one parameter vector a thread; or in torch, a batch at once, on "cuda", "cuda:1" ..., or "torch:cpu";
    "auto" is CUDA where there is one, else "cpu". In torch the method is uniformisation alone, so laws
    that run for very many events want "cpu".
    """

    def solve(self, problem: Problem, *, rng: np.random.Generator | None = None) -> Solution:
        """The laws on the window; `error` bounds their total variation, worst over times (by time in `meta`)."""
        if self._driven(problem):
            return driven_law.solve(self, problem)
        return super().solve(problem, rng=rng)

    def log_prob_batch(
        self,
        problem: Problem,
        thetas: Array,
        counts: Sequence[Counts],
        axes: Sequence[int],
        *,
        rng: np.random.Generator | None = None,
    ) -> list[Array]:
        """Log-probabilities of observed counts under many parameter vectors: one [B, U_k] a time.

        Every window holds the observed counts. The answer for a parameter vector does not depend
        on the others of the batch, beyond the stated error. Where laws are kept as lists of states,
        counts that are off the list, and so less likely than what may be lost, have -inf.
        """
        if self._driven(problem):
            return driven_law.log_prob_batch(self, problem, np.asarray(thetas, dtype=np.float64), counts, axes)
        return super().log_prob_batch(problem, thetas, counts, axes, rng=rng)

    def _driven(self, problem: Problem) -> bool:
        """Whether events or the time move the laws; refused where these settings cannot follow them."""
        require(problem.model.network, "fsp")
        if not is_driven(problem.model):
            return False
        problem.require_finite("fsp with events or laws that move")
        self._require_compiled("models with events or laws that move")
        return True
