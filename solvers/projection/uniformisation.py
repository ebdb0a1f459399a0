"""Uniformisation: exp(Q t) p as a Poisson mixture of powers of the substochastic matrix I + Q / rate.

Every term is non-negative, so nothing cancels: p stays >= 0 and the truncation of the Poisson
series has a bound that is known before the run. One sweep over the powers serves all output times.
W. K. Grassmann, Comput. Oper. Res. 4 (1977) 47; weights after B. L. Fox, P. W. Glynn, Commun. ACM
31 (1988) 440, doi:10.1145/42404.42409.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

LEFT_TAIL = 1e-16
RIGHT_TAIL = 1e-20
"""Poisson mass left out on either side; the right one is smaller so that rare counts keep their digits."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Poisson weights of `mean` for first, first + 1, ..., and a bound on what was left out."""

    first: int
    values: Array
    error: float

    @property
    def last(self) -> int:
        """The largest number with a weight."""
        return self.first + len(self.values) - 1


def poisson_weights(mean: float, left: float = LEFT_TAIL, right: float = RIGHT_TAIL) -> Weights:
    """Weights from the mode outwards by their ratios, cut where geometric bounds of the tails allow."""
    if mean == 0:
        return Weights(0, np.ones(1), 0.0)
    values, first, error = _loops().poisson(mean, left, right)
    return Weights(int(first), values, float(error))


@dataclass(frozen=True, eq=False)
class Schedule:
    """What one sweep adds to which output: the weights of all times, for one uniformisation rate."""

    rate: float
    weights: tuple[Weights, ...]

    @classmethod
    def of(cls, rate: float, times: Array) -> Schedule:
        """The weights at `times` [T] for a `rate` at least the largest outflow."""
        return cls(rate, tuple(poisson_weights(rate * float(t)) for t in times))

    @property
    def products(self) -> int:
        """The number of matrix-vector products of the sweep."""
        return max(w.last for w in self.weights)

    @property
    def error(self) -> float:
        """What the truncation of the series can leave out, at worst over the times."""
        return max(w.error for w in self.weights)


def rounding(products: int, terms: int) -> float:
    """A bound on the rounding of a sweep in total variation.

    Every product rounds once a term in its sum, and a dozen times in rates, factors and scales.
    """
    return (products + 4) * (terms + 12) * 1.2e-16


@dataclass(frozen=True, eq=False)
class Sweep:
    """The laws at all times from one sweep, and where probability spent its time."""

    laws: Array
    occupancy: Array
    products: int
    stopped: bool
    drift: float


def sweep(
    terms: Terms,
    start: Array,
    schedule: Schedule,
    *,
    lost_at_most: float = 2.0,
    still: float = 1e-12,
    control: Counts | None = None,
    room: Array | None = None,
) -> Sweep:
    """The laws exp(Q t) `start` at the times of the schedule: [N] -> [T, N]; `terms` at its rate.

    Stops early (`stopped`) once more than `lost_at_most` must have left the window by the last
    time. A law that can change by no more than `still` is taken as constant; `drift` bounds what
    that leaves out. `occupancy` [N] is the (sampled) time that probability spent in each state. Both are
    made in `room` [T + 1, N], all 0, where it is given.
    """
    weights = schedule.weights
    values = np.concatenate([w.values for w in weights])
    firsts = np.array([w.first for w in weights], dtype=np.int64)
    lengths = np.array([len(w.values) for w in weights], dtype=np.int64)
    sums, end = np.zeros((len(weights) + 1, len(start))) if room is None else room, np.zeros(3)
    stop = np.zeros(1, dtype=np.int64) if control is None else control
    scale = 1.0 / schedule.rate if schedule.rate > 0 else 0.0
    _loops().run(start, terms, values, firsts, lengths, sums, lost_at_most, still, stop, end)
    sums[-1] *= scale
    return Sweep(sums[:-1], sums[-1], int(end[0]), bool(end[1]), float(end[2]))


@cache
def _loops() -> ModuleType:
    """The module of the inner loops: `sweeps` where numba is there, else `sweeps_numpy`."""
    try:
        from . import sweeps
    except ImportError:
        from . import sweeps_numpy

        return sweeps_numpy
    return sweeps
