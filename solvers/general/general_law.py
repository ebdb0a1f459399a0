"""The law that the general net states of one problem: its draws lie evenly, so that few of them do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kinetix.distribution import covariance
from kinetix.solvers.nets.evenly import Evenly
from kinetix.solvers.nets.net_law import NetLaw

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

POINTS, STATES = 256, 8192
"""States that marginals and moments are averaged over; and those that stand for the law in other expectations."""


@dataclass(frozen=True, eq=False)
class GeneralLaw(NetLaw):
    """As `NetLaw`. Where no table fits, means, marginals and covariances are averages over `POINTS` even draws."""

    def covariances(self) -> Array:
        """The covariances [S, S]: those of the table, or of even draws."""
        if self._is_tabled:
            return covariance(self._sums)
        window = self.net.layout.window
        basis = window.basis[:, list(self.net.layout.order)].astype(np.float64)
        return np.asarray(basis @ self._points.moments[1][0].cpu().numpy() @ basis.T)

    def drawn(self) -> Counts:
        """Even draws that stand for the law where no table does: [n, S]."""
        return self.net.layout.counts(self._evenly(STATES).values[0].cpu().numpy())

    def _evenly(self, number: int) -> Evenly:
        return Evenly.of(self.net, self.prompts[0], number, self.seed % 2**31)

    @cached_property
    def _points(self) -> Evenly:
        return self._evenly(POINTS)

    @cached_property
    def _few(self) -> tuple[Counts, Tensor]:
        return np.zeros(POINTS, dtype=np.int64), self._points.values[0]

    @cached_property
    def _free(self) -> list[Array]:
        return [p[0].cpu().numpy() for p in self._points.marginals]
