"""Quantiles of weighted draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def weighted_quantile(values: Array, weights: Array, q: Array) -> Array:
    """The midpoint (Hazen) rule: draw i stands at the middle of its own step of the distribution function."""
    held = weights > 0
    order = np.argsort(values[held], kind="stable")
    x, w = values[held][order], weights[held][order]
    return np.interp(q, np.cumsum(w) - 0.5 * w, x)
