"""The law that the general net states of one problem: its draws lie evenly, so that few of them do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kinetix.distribution import Distribution, Tabulated, covariance
from kinetix.solvers.nets.evenly import Evenly
from kinetix.solvers.nets.net_law import NetLaw
from kinetix.solvers.nets.observed import Marginal

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

POINTS, STATES = 128, 8192
"""States that marginals and moments are averaged over; and those that stand for the law in other expectations."""

SMALL = 5_000
"""States of a window over which they are summed instead."""


@dataclass(frozen=True, eq=False)
class GeneralLaw(NetLaw):
    """As `NetLaw`. Beyond `SMALL` windows means, marginals and covariances are averages over `POINTS` even draws."""

    most_rows: ClassVar[int] = POINTS

    def covariances(self) -> Array:
        """The covariances [S, S]: those of the table, or of even draws."""
        if self._is_summed:
            return covariance(self._sums)
        window = self.net.layout.window
        basis = window.basis[:, list(self.net.layout.order)].astype(np.float64)
        return np.asarray(basis @ self._points.moments[1][0].cpu().numpy() @ basis.T)

    def drawn(self) -> Counts:
        """Even draws that stand for the law where no table does: [n, S]."""
        return self.net.layout.counts(self._evenly(STATES).values[0].cpu().numpy())

    def marginal(self, axes: Sequence[int]) -> Distribution:
        """As `NetLaw.marginal`; those of single species come from one pass for all of them."""
        if self._is_summed or len(axes) != 1:
            return super().marginal(axes)
        part = Marginal(self.net.layout, tuple(axes))
        if axes[0] in self.net.layout.species:
            return Tabulated(part.space, self._averaged(part, axes))
        other = self._leading(axes[0])
        if other is None:
            return super().marginal(axes)
        species, slope, offset = other
        table = self.marginal([species]).table()
        values = slope * (part.space.states()[:, 0] - offset)
        inside = (values >= 0) & (values < len(table))
        return Tabulated(part.space, np.where(inside, table[np.where(inside, values, 0)], 0.0))

    def _leading(self, axis: int) -> tuple[int, int, int] | None:
        """The species that the one at `axis` follows from alone, and slope and offset: count = offset +- count."""
        window = self.net.layout.window
        row = window.basis[axis]
        (used,) = np.nonzero(row)
        if len(used) != 1 or abs(row[used[0]]) != 1:
            return None
        return window.free[used[0]], int(row[used[0]]), int(window.offset[axis])

    @property
    def _is_summed(self) -> bool:
        return self._is_tabled and self.net.layout.window.size <= SMALL

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
