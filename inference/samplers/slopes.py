"""The gradient of a log-posterior by unconstrained parameters: as the search for a mode needs it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import UnsupportedFeature
from kinetix.inference.log_posterior import LogPosterior

Array = NDArray[np.float64]

STEP = 1e-3
"""Step of the differences (of fourth order) of prior densities of one parameter: their error is its fourth power."""


DIFFERENCE = 3e-4
"""Step of the central differences of a whole log-posterior, where no solver knows its derivatives."""


def knows_derivatives(target: LogPosterior, u: Array) -> bool:
    """Whether `with_gradient` can be asked, tried at u [P]; False for models with events or laws that switch.

    UnsupportedFeature for solvers that draw at random, and for initial counts: differences would say nothing.
    """
    network = target.likelihood.problem.model.network
    try:
        with_gradient(target, u[None])
    except UnsupportedFeature:
        if not (network.events or network.depends_on_time) or not np.isfinite(target(u[None])).all():
            raise
        return False
    return True


def by_differences(target: LogPosterior, u: Array) -> tuple[Array, Array]:
    """As `with_gradient`, by central differences of the log-density: 2 P + 1 of them for each of u [B, P]."""
    count, size = u.shape
    steps = DIFFERENCE * np.concatenate([np.zeros((1, size)), np.eye(size), -np.eye(size)])
    levels = target((u[:, None] + steps).reshape(-1, size)).reshape(count, -1)
    with np.errstate(invalid="ignore"):
        slope = (levels[:, 1 : size + 1] - levels[:, size + 1 :]) / (2 * DIFFERENCE)
    slope[~np.isfinite(levels[:, 0])] = np.nan
    return levels[:, 0], slope


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
