"""The likelihood of single-cell counts under any solver.

The sum over cells of the log-probability of each cell's counts, distinct rows weighed once. Solvers
that weigh many parameter vectors at once (`kinetix.solver.BatchSolver`) are asked in one batch; any
other is asked law by law. Likelihoods from trajectories are histograms: good for comparison only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .likelihoods.gradients import gradient
from .likelihoods.snapshots import Snapshots

Array = NDArray[np.float64]


class Likelihood(Snapshots):
    """Log-likelihoods of snapshots: `data` [T] as a function of the parameters `names` (see `Asked`).

    Data the solver cannot answer for are refused here, before any sampling: SettingError or DataError.
    """

    def gradient(self, thetas: ArrayLike) -> tuple[Array, Array]:
        """Log-likelihoods and their derivatives by `names`: [B, P] -> [B], [B, P]; see `gradients.gradient`."""
        return gradient(self, np.atleast_2d(np.asarray(thetas, dtype=np.float64)))
