"""What a posterior predictive check found: observed statistics among those of new data sets, and those that are far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

STATISTICS = ("mean", "variance", "P(0)", "max", "Fano factor")
"""What is compared, for every time and observed species: K of them."""

FALSE_ALARMS = 0.05
"""Chance that a true model shows a misfit, all statistics together."""

FAR = 4.0
"""Standard deviations from the predicted mean that count as far, where too few data sets were drawn to rank it."""


@dataclass(frozen=True)
class Misfit:
    """A statistic of the cells that the posterior does not explain."""

    time: float
    species: str
    statistic: str
    observed: float
    low: float
    high: float
    z: float
    p_value: float


@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """Observed statistics among those of `replicates` new data sets.

    `observed`, `low`, `high` (90 % of the new data sets), `z` (distance from their mean in their
    standard deviations) and `p_value` (two-sided) are [T, D, K]; NaN where a statistic is not defined. The
    p-value asks how rare the observed statistic is among new data sets of one draw of the posterior, centred
    on the nearest value that the central 20 % of the draws expect. Ranks among the new data sets of all draws
    would count the posterior's width as noise of the data, which the fitted cells do not have, and miss what
    no draw explains.
    `shares_observed` [T, D, M] is the share of cells with each count from 0, `shares` [3, T, D, M]
    the mean, 5 % and 95 % points of the new data sets. `replicated` [draws, cells, D] is one new data
    set a draw, the cells in the order of the times.
    """

    times: Array
    species: tuple[str, ...]
    cells: Counts
    observed: Array
    low: Array
    high: Array
    z: Array
    p_value: Array
    shares_observed: Array
    shares: Array
    replicated: Counts
    replicates: int
    draws: int

    def misfits(self) -> tuple[Misfit, ...]:
        """The statistics that are not explained, farthest first."""
        smallest = 2 / (self.replicates + 1)
        allowed = FALSE_ALARMS / max(1, int(np.isfinite(self.p_value).sum()))
        with np.errstate(invalid="ignore"):
            wrong = self.p_value <= max(allowed, smallest)
            if smallest > allowed:
                wrong &= np.abs(self.z) > FAR
        found = [self._misfit(*map(int, place)) for place in np.argwhere(wrong)]
        return tuple(sorted(found, key=lambda m: -abs(m.z)))

    def _misfit(self, k: int, d: int, s: int) -> Misfit:
        numbers = (float(a[k, d, s]) for a in (self.observed, self.low, self.high, self.z, self.p_value))
        return Misfit(float(self.times[k]), self.species[d], STATISTICS[s], *numbers)

    def __str__(self) -> str:
        found = self.misfits()
        head = f"{self.replicates} new data sets from {self.draws} posterior draws: "
        if not found:
            return head + "they look like the observed cells"
        lines = [
            f"  {m.statistic} of {m.species} at t = {m.time:g}: {m.observed:.4g}, predicted {m.low:.4g} to {m.high:.4g}"
            for m in found
        ]
        return "\n".join([f"{head}{len(found)} statistics are not explained", *lines])
