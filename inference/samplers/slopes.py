"""The gradient of a log-posterior by unconstrained parameters: as the search for a mode needs it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinetix.inference.log_posterior import LogPosterior

Array = NDArray[np.float64]

STEP = 1e-3
"""Step of the differences (of fourth order) of prior densities of one parameter: their error is its fourth power."""


def with_gradient(target: LogPosterior, u: Array, least: float = -np.inf) -> tuple[Array, Array]:
    """Log-densities and their gradients at u [B, P] -> [B], [B, P]; -inf and NaN outside the support.

    The likelihood's part is the solver's own derivative; the prior's, one parameter at a time, is by differences.
    Densities below `least` may come as -inf too: cells are counted, so that their log-likelihood is at most 0, and
    is not asked for where the prior alone lies below.
    """
    thetas = target.constrained(u)
    base, base_slope = _base(target, u)
    value, slope = np.full(len(u), -np.inf), np.full(u.shape, np.nan)
    good = np.flatnonzero(np.isfinite(base) & (base >= least) & np.isfinite(thetas).all(axis=1))
    if len(good):
        fit, rise = target.likelihood.gradient(thetas[good])
        value[good] = base[good] + fit
        slope[good] = base_slope[good] + rise * _stretch(target, u[good])
    slope[~np.isfinite(value)] = np.nan
    return value, slope


def _stretch(target: LogPosterior, u: Array) -> Array:
    """How fast parameters grow with their unconstrained forms: [B, P]."""
    return np.stack([np.exp(target.prior[n].log_jacobian(u[:, i])) for i, n in enumerate(target.names)], axis=1)


def _base(target: LogPosterior, u: Array) -> tuple[Array, Array]:
    """Log-prior density of u, Jacobian included, and its slopes: [B], [B, P]."""
    value, slope = np.zeros(len(u)), np.empty(u.shape)
    for i, name in enumerate(target.names):
        prior = target.prior[name]
        far, near, here, above, beyond = (
            prior.log_density(prior.from_unconstrained(v)) + prior.log_jacobian(v)
            for v in (u[:, i] + k * STEP for k in (-2, -1, 0, 1, 2))
        )
        value += here
        with np.errstate(invalid="ignore"):
            slope[:, i] = (far - 8 * near + 8 * above - beyond) / (12 * STEP)
    return value, slope
