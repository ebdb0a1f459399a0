"""How much the data taught: the share of each prior's variance that they took away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .draws import PosteriorDraws

if TYPE_CHECKING:
    from kinetix.inference.unknowns.prior_base import Prior

Array = NDArray[np.float64]

GRID = (np.arange(2000) + 0.5) / 2000
"""Probabilities whose quantiles stand for a prior."""


def contraction(posterior: PosteriorDraws) -> Array:
    """1 - posterior over prior variance on the prior's own scale (the logarithm where it spreads so): [P]."""
    w = posterior.flat_weights
    found = []
    for name, x in zip(posterior.names, posterior.flat.T, strict=True):
        prior = posterior.prior[name]
        found.append(
            1 - _variance(x, w, prior) / _variance(prior.quantile(GRID), np.full(len(GRID), 1 / len(GRID)), prior)
        )
    return np.array(found)


def _variance(x: Array, w: Array, prior: Prior) -> float:
    v = np.log(np.maximum(x, 1e-300)) if prior.log_scale else x
    return float(w @ (v - w @ v) ** 2)
