"""The sweep of a law and its derivative by one parameter in numpy, where numba is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .sweeps_numpy import product_of
from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def tangent(
    start: Array, t: Terms, d: Terms, values: Array, firsts: Counts, lengths: Counts, laws: Array, slopes: Array
) -> None:
    """Fill `laws` and `slopes` [T, N]."""
    product, slope, v, s = product_of(t), product_of(d), start, np.zeros_like(start)
    offsets = np.concatenate(([0], np.cumsum(lengths)))[:-1]
    for j in range(int((firsts + lengths).max())):
        for k in np.nonzero((firsts <= j) & (j < firsts + lengths))[0]:
            weight = values[offsets[k] + j - firsts[k]]
            laws[k] += weight * v
            slopes[k] += weight * s
        v, s = product(v), product(s) + slope(v)
