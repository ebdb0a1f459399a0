"""Whether the chains have converged, and how much their draws are worth.

Chains come as independent ensembles of walkers: values [C, n, W] of C ensembles, n steps, W walkers.
Walkers of one ensemble move by each other's positions, so their draws are never pooled as if they
were independent: an ensemble is one superchain, and its effective sample size is the smaller of two
estimates, walkers as chains and the autocorrelation of the ensemble's mean.

Rank-normalised split R-hat, bulk and tail ESS: A. Vehtari et al., Bayesian Analysis 16 (2021) 667,
doi:10.1214/20-BA1221. Nested R-hat: C. C. Margossian et al., Bayesian Analysis (2024),
doi:10.1214/24-BA1453. Ensemble mean: J. Goodman, J. Weare, CAMCoS 5 (2010) 65. Pareto k: A. Vehtari et
al., JMLR 25 (2024) 72.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

RHAT, ESS = 1.01, 400
"""What is asked of every parameter: R-hat below, effective draws from."""

TAIL = (0.05, 0.95)
"""The quantiles whose estimates the tail ESS is about."""


@dataclass(frozen=True)
class Diagnostics:
    """What the chains say about themselves, one number a parameter [P].

    `rhat` is rank-normalised split R-hat over the ensembles (each one superchain), `rhat_nested` the
    nested form over walkers; `ess_bulk` and `ess_tail` effective sample sizes; `mcse` the Monte Carlo
    error of the mean; `tau` the autocorrelation time in steps; `steps` n after burn-in.
    """

    names: tuple[str, ...]
    rhat: Array
    rhat_nested: Array
    ess_bulk: Array
    ess_tail: Array
    mcse: Array
    tau: Array
    steps: int

    @classmethod
    def of(cls, chains: ArrayLike, names: Sequence[str], *, stride: int = 1) -> Diagnostics:
        """The diagnostics of chains [C, n, W, P], burn-in already dropped, of which every `stride`-th step was kept."""
        values = np.moveaxis(np.asarray(chains, dtype=np.float64), -1, 0)
        columns = [
            (rhat(v), rhat_nested(v), ess_bulk(v), ess_tail(v), mcse_mean(v), autocorrelation_time(v)) for v in values
        ]
        r, nested, bulk, tail, mcse, tau = np.array(columns, dtype=np.float64).reshape(len(values), 6).T
        return cls(tuple(names), r, nested, bulk, tail, mcse, stride * tau, int(values.shape[2]))

    @property
    def worst_rhat(self) -> float:
        """The larger of both R-hats, worst over parameters; inf where one cannot be told."""
        return float(np.nan_to_num(np.max([self.rhat, self.rhat_nested]), nan=np.inf))

    @property
    def least_ess(self) -> float:
        """The smaller of bulk and tail ESS, worst over parameters; 0 where one cannot be told."""
        return float(np.nan_to_num(np.min([self.ess_bulk, self.ess_tail]), nan=0.0))

    def passes(self, *, rhat: float = 1.01, ess: float = 400) -> bool:
        """Whether every R-hat is below `rhat` and every ESS reaches `ess`."""
        return self.worst_rhat < rhat and self.least_ess >= ess

    def rows(self) -> dict[str, dict[str, float]]:
        """Name -> statistic -> number, for tables and JSON."""
        fields = ("rhat", "rhat_nested", "ess_bulk", "ess_tail", "mcse", "tau")
        return {n: {f: float(getattr(self, f)[i]) for f in fields} for i, n in enumerate(self.names)}


# R-hat ---------------------------------------------------------------------------------------------


def superchains(values: ArrayLike) -> Array:
    """One chain an ensemble, walkers side by side at every step: [C, n, W] -> [C, n*W]."""
    v = np.asarray(values, dtype=np.float64)
    return v.reshape(len(v), -1)


def rhat(values: ArrayLike) -> float:
    """Rank-normalised split R-hat of superchains [C, n, W]: 1 where the ensembles, and their halves, agree.

    NaN for a parameter that never moved or fewer than two ensembles.
    """
    return _stats("rhat", superchains(values), method="rank")


def rhat_nested(values: ArrayLike) -> float:
    """Nested R-hat of walkers [C, n, W] within ensembles: the ensembles' means against all other spread."""
    v = np.asarray(values, dtype=np.float64)
    return _stats("rhat_nested", _walkers(v), superchain_ids=np.repeat(np.arange(len(v)), v.shape[2]), method="rank")


# effective sample size -----------------------------------------------------------------------------


def ess_bulk(values: ArrayLike) -> float:
    """Effective sample size for the centre of the law of values [C, n, W] (rank-normalised)."""
    v = np.asarray(values, dtype=np.float64)
    return min(_stats("ess", _walkers(v), method="bulk"), _ess_of_means(_normal_scores(v)))


def ess_tail(values: ArrayLike) -> float:
    """Effective sample size for the 5 % and 95 % quantiles of values [C, n, W], the smaller."""
    v = np.asarray(values, dtype=np.float64)
    below = [(v <= q).astype(np.float64) for q in np.quantile(v, TAIL)]
    return min(_stats("ess", _walkers(v), method="tail", prob=TAIL), *map(_ess_of_means, below))


def mcse_mean(values: ArrayLike) -> float:
    """The Monte Carlo standard error of the mean of values [C, n, W]."""
    v = np.asarray(values, dtype=np.float64)
    ess = min(_stats("ess", _walkers(v), method="mean"), _ess_of_means(v))
    return float(v.std() / np.sqrt(ess)) if ess > 0 else np.nan


def autocorrelation_time(values: ArrayLike) -> float:
    """The integrated autocorrelation time, in steps, of the walkers' chains [C, n, W]; NaN if nothing moved."""
    from emcee.autocorr import integrated_time

    walkers = _walkers(np.asarray(values, dtype=np.float64))
    moving = walkers[np.ptp(walkers, axis=1) > 0]
    if len(moving) == 0:
        return float("nan")
    return float(integrated_time(moving.T, tol=0, quiet=True)[0])


def _ess_of_means(values: Array) -> float:
    """ESS from the process of the ensembles' means [C, n]: what pooling the walkers is really worth."""
    means = values.mean(axis=2)
    steps = _stats("ess", means, method="mean")  # independent steps among C*n
    spread = means.var()
    return float(values.var() / spread * steps) if spread > 0 else float("nan")


def _normal_scores(values: Array) -> Array:
    from scipy.stats import norm, rankdata

    ranks = rankdata(values, method="average").reshape(values.shape)
    return np.asarray(norm.ppf((ranks - 0.375) / (values.size + 0.25)))


def _walkers(values: Array) -> Array:
    """Every walker a chain: [C, n, W] -> [C*W, n]."""
    return np.moveaxis(values, 2, 1).reshape(-1, values.shape[1])


def _stats(name: str, chains: Array, **options: object) -> float:
    """A statistic of arviz of chains [., n]; NaN where they are constant, too short or not finite."""
    from arviz_stats.base import array_stats

    if chains.shape[1] < 8 or not np.isfinite(chains).all() or np.ptp(chains) == 0:
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(getattr(array_stats, name)(chains, **options))


# importance weights --------------------------------------------------------------------------------


def pareto_smoothed(log_ratios: ArrayLike) -> tuple[Array, float]:
    """Pareto-smoothed weights of draws (sum 1) and the shape k of their tail: [n] -> [n], k.

    k below 0.7 means the weights can be trusted. Ratios that are all the same have no tail: k is
    -inf; at least 25 draws are needed to fit one, not most of them equal: k is NaN otherwise.
    """
    from arviz_stats.base import array_stats

    ratios = np.asarray(log_ratios, dtype=np.float64)
    if np.isnan(ratios).any() or (ratios == np.inf).any() or not np.isfinite(ratios).any():
        raise ValueError("log ratios must be numbers, not all -inf")
    weights = _normalised(ratios)
    if np.ptp(ratios) < 1e-12:
        return weights, -np.inf
    if len(ratios) < 25:
        return weights, np.nan
    floored = np.maximum(ratios, ratios.max() - 700.0)  # exp of less is 0 anyhow
    tail = np.sort(floored)[-len(floored) // 5 :]
    if np.ptp(tail) < 1e-12:
        return weights, -np.inf
    with np.errstate(divide="ignore", invalid="ignore"):  # a tail in which most are equal
        log_weights, k = array_stats.psislw(-floored)
    smoothed = np.asarray(log_weights, dtype=np.float64)
    if not (np.isfinite(k) and np.isfinite(smoothed).any() and not np.isnan(smoothed).any()):
        return weights, np.nan
    return _normalised(smoothed), float(k)


def efficiency(weights: ArrayLike) -> float:
    """The effective number of weighted draws over their number: [n] -> 0 .. 1."""
    w = np.asarray(weights, dtype=np.float64)
    return float(w.sum() ** 2 / (len(w) * (w**2).sum()))


def _normalised(log_weights: Array) -> Array:
    w = np.exp(log_weights - log_weights.max())
    return np.asarray(w / w.sum())


# edges ---------------------------------------------------------------------------------------------


def mass_at_edges(draws: ArrayLike, names: Sequence[str], edges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """The share of draws [n, P] within 2 % of the range of an edge, for every name with finite edges.

    More than 1 % says that the edge, not the data, ends the posterior there.
    """
    x, found = np.asarray(draws, dtype=np.float64), {}
    for i, name in enumerate(names):
        low, high = edges.get(name, (-np.inf, np.inf))
        if np.isfinite([low, high]).all():
            near = 0.02 * (high - low)
            found[name] = float(np.mean((x[:, i] < low + near) | (x[:, i] > high - near)))
    return found
