"""The Chebyshev recurrence in numpy, where numba is missing: the same numbers, more slowly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ive

from .sweeps_numpy import product_of
from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def bessel(tau: float, most: int) -> Array:
    """exp(-tau) I_k(tau) for k = 0 .. most - 1."""
    return np.asarray(ive(np.arange(most), tau))


def run(  # noqa: PLR0913, PLR0917 - as in expansion_loops
    start: Array,
    t: Terms,
    weights: Array,
    integrals: Array,
    offsets: Counts,
    allowed: Array,
    rounding: Array,
    sums: Array,
    bounds: Array,
    control: Counts,
) -> int:
    """Fill `sums` [M, N] and `bounds` [M]; the number of products. See `expansion_loops.run`."""
    product, v, w = product_of(t), start, np.zeros_like(start)
    norm, k, alive = float(np.abs(start).sum()), 0, set(range(len(allowed)))
    heights = np.zeros(len(allowed))
    while alive and not control[0]:
        for m in alive:
            sums[m] += weights[offsets[m] + k] * v
            heights[m] += weights[offsets[m] + k] * norm
        v, w = (1.0 if k == 0 else 2.0) * product(v) - w, v
        v[np.abs(v) < 1e-290] = 0.0
        following = float(np.abs(v).sum())
        for m in tuple(alive):
            at, last = offsets[m] + k, offsets[m + 1] - offsets[m] - 3
            bounds[m] += integrals[at] * (2.0 * rounding[0] * norm + rounding[1] * following)
            if k == last:
                bounds[m] += integrals[at + 1] * norm + integrals[at] * following
                bounds[m] += rounding[1] * (last + 8) * heights[m]
            if not bounds[m] <= allowed[m]:
                bounds[m] = np.inf
            if k == last or bounds[m] == np.inf:
                alive.remove(m)
        norm, k = following, k + 1
    bounds[list(alive)] = np.inf
    return k
