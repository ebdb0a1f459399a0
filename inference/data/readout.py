"""The probability of a reading given the true count, and its derivatives: binomial capture, Poisson background.

A matrix from true counts to intervals of readings. Every entry is a sum of positive terms, so small
probabilities keep their digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .measurement import OPEN, Measurement

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Readout:
    """From true counts `counts` [n] of one observable to `intervals` [C, 2] of what is read."""

    counts: Counts
    intervals: Counts

    def matrix(self, capture: float | None, background: float | None) -> Array:
        """P(reading in the interval | count): [n, C]; None where nothing is lost, or added."""
        if capture is None and background is None:
            return self._exact
        return self._seen(capture) @ self._added(background)

    def by_capture(self, capture: float, background: float | None) -> Array:
        """The derivative of the matrix by the capture: [n, C]."""
        below = self._thinned(self.counts - 1, capture, self.last)  # of one molecule fewer
        before = np.pad(below, ((0, 0), (1, 0)))
        rise = np.concatenate([before[:, :-1] - below, below[:, -1:]], axis=1) if self.last >= 0 else before
        return np.asarray((self.counts[:, None] * rise) @ self._added(background))

    def by_background(self, capture: float | None, background: float) -> Array:
        """The derivative of the matrix by the background: [n, C]."""
        low, high = self._gaps
        rise = _poisson(low - 1, background) - _poisson(high, background)
        return np.asarray(self._seen(capture) @ np.vstack([rise, np.zeros(len(self.intervals))]))

    # inner ---------------------------------------------------------------------------------------

    @cached_property
    def last(self) -> int:
        """The largest number of molecules seen that matters one by one; more belong to open intervals alone."""
        low, high = self.intervals.T
        return int(np.where(high == OPEN, low - 1, high).max(initial=-1))

    @cached_property
    def _exact(self) -> Array:
        low, high = self.intervals.T
        return np.asarray((self.counts[:, None] >= low) & (self.counts[:, None] <= high), dtype=np.float64)

    @cached_property
    def _gaps(self) -> tuple[Counts, Counts]:
        """What must be added to each number seen, 0 to `last`, to reach the ends of each interval: [last + 1, C]."""
        seen = np.arange(self.last + 1, dtype=np.int64)[:, None]
        low, high = self.intervals.T
        return low - seen, np.where(high == OPEN, OPEN, high - seen)

    def _seen(self, capture: float | None) -> Array:
        """P(so many molecules are seen | count), the last column for more than `last`: [n, last + 2]."""
        if capture is None:
            seen = np.minimum(self.counts, self.last + 1)
            return np.asarray(seen[:, None] == np.arange(self.last + 2), dtype=np.float64)
        few, last = self._thinned(self.counts, capture, self.last), self.last
        with np.errstate(invalid="ignore"):
            tail = special.betainc(last + 1.0, np.maximum(self.counts - last, 1e-9), capture) if last >= 0 else 1.0
        more = np.where(self.counts > last, tail, 0.0)
        return np.column_stack([few, more])

    @staticmethod
    def _thinned(counts: Counts, capture: float, last: int) -> Array:
        """Binomial probabilities of 0 .. last of `counts` [n]: [n, last + 1]; zero for negative counts."""
        n, k = counts[:, None].astype(np.float64), np.arange(last + 1, dtype=np.float64)
        left = np.maximum(n - k, 0.0)
        ways = special.gammaln(np.maximum(n, 0.0) + 1) - special.gammaln(k + 1) - special.gammaln(left + 1)
        log_p = ways + special.xlogy(k, capture) + special.xlog1py(left, -capture)
        return np.where((k <= n) & (n >= 0), np.exp(log_p), 0.0)

    def _added(self, background: float | None) -> Array:
        """P(reading in the interval | number seen), the last row for more than `last`: [last + 2, C]."""
        is_open = (self.intervals[:, 1] == OPEN).astype(np.float64)
        low, high = self._gaps
        if background is None:
            return np.vstack([((low <= 0) & (high >= 0)).astype(np.float64), is_open])
        upper = low > background  # differences are taken in the tail where they do not cancel
        below = _cdf(high, background) - _cdf(low - 1, background)
        above = _tail(low, background) - _tail(np.where(high == OPEN, OPEN, high + 1), background)
        found = np.where(low == high, _poisson(low, background), np.where(upper, above, below))
        return np.vstack([np.where(high == OPEN, _tail(low, background), found), is_open])


def numbers_of(measurement: Measurement, name: str, noise: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Capture and background of an observable, None where there is none; `noise` has the parameters among them."""
    given = measurement.capture.get(name), measurement.background.get(name)
    capture, background = (noise[v] if isinstance(v, str) else v for v in given)
    return (None if capture is None else float(capture)), (None if background is None else float(background))


def matrix_of(measurement: Measurement, name: str, readout: Readout, noise: Mapping[str, float]) -> Array:
    """The matrix of an observable: [n, C]."""
    return readout.matrix(*numbers_of(measurement, name, noise))


def slope_of(measurement: Measurement, name: str, readout: Readout, noise: Mapping[str, float], by: str) -> Array:
    """Its derivative by a parameter of the measurement: [n, C]; 0 where it is another observable's."""
    capture, background = numbers_of(measurement, name, noise)
    result = np.zeros((len(readout.counts), len(readout.intervals)))
    if capture is not None and measurement.capture.get(name) == by:
        result += readout.by_capture(capture, background)
    if background is not None and measurement.background.get(name) == by:
        result += readout.by_background(capture, background)
    return result


def _poisson(n: Counts, mean: float) -> Array:
    """The Poisson probability of n, 0 for negative or endless n."""
    inside = (n >= 0) & (n < OPEN)
    m = np.where(inside, n, 0).astype(np.float64)
    return np.where(inside, np.exp(special.xlogy(m, mean) - mean - special.gammaln(m + 1)), 0.0)


def _cdf(n: Counts, mean: float) -> Array:
    """P(N <= n)."""
    return np.where(n < 0, 0.0, special.gammaincc(np.maximum(n, 0) + 1.0, mean))


def _tail(n: Counts, mean: float) -> Array:
    """P(N >= n), 0 for endless n."""
    return np.where(n <= 0, 1.0, np.where(n == OPEN, 0.0, special.gammainc(np.maximum(n, 1).astype(np.float64), mean)))
