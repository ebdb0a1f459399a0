"""Elimination of the states of a chain in numpy, where numba is missing: the same numbers, more slowly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HUGE = 1e200


def solve(band: Array, r: int, p: Array, h: Array) -> bool:
    """As `elimination_loops.solve`."""
    N, w = band.shape[0], band.shape[1] // 2
    p[:], h[:] = 0.0, 1.0
    order = [(n, n + 1, min(n + w, N - 1) + 1) for n in range(r)]
    order += [(n, max(n - w, r), n) for n in range(N - 1, r, -1)]
    for n, low, high in order:
        others = np.arange(low, high)
        row = band[n, w + others - n]
        if not (total := float(row.sum())) > 0:
            return False
        share = band[others, w + n - others] / total
        band[others, w + n - others] = share
        band[others[:, None], w + others[None, :] - others[:, None]] += share[:, None] * row
        h[others] += share * h[n]
        band[n, w] = total
    p[r], h[r] = 1.0, 0.0
    for n, low, high in reversed(order):
        others = np.arange(low, high)
        p[n] = p[others] @ band[others, w + n - others]
        h[n] = (h[n] + band[n, w + others - n] @ h[others]) / band[n, w]
        if p[n] > HUGE:
            p /= HUGE
    return True
