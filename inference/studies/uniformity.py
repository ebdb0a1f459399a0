"""Whether ranks are uniform: the tests behind simulation-based calibration.

Four questions to R ranks among L draws (0 .. L, all equally likely if the posterior is right): a
chi-squared of bins; the distribution function against its simultaneous band (T. Säilynoja,
P.-C. Bürkner, A. Vehtari, Stat. Comput. 32 (2022) 32); and, of the ranks' normal scores, the mean, which
sees a shifted posterior first, and the spread, which sees one too narrow or too wide first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]
Ranks = NDArray[np.int64]

BINS = 20
EXPECTED = 5
"""Most bins of the chi-squared, and the least ranks expected in one."""

REPEATS = 10_000
"""Sets of uniform ranks that the band is taken from: its p-values are no smaller than one of so many."""

BAND = 0.95
"""The probability that a true distribution function stays inside the band that is drawn, everywhere."""


@dataclass(frozen=True)
class Uniformity:
    """P-values of the four tests of one quantity's ranks, and `bias` and `width` as the ranks show them.

    `bias` is the mean of the normal scores: the truth's distance above the posterior in its standard
    deviations. `width` is the root of their mean square: the true spread over the posterior's.
    """

    chi_squared: float
    ecdf: float
    location: float
    spread: float
    bias: float
    width: float

    @property
    def p_value(self) -> float:
        """One p-value of all four (Bonferroni)."""
        return min(1.0, 4 * min(self.chi_squared, self.ecdf, self.location, self.spread))


def uniformity(ranks: Ranks, draws: int) -> Uniformity:
    """The tests of ranks [R] in 0 .. `draws`."""
    scores, null = normal_scores(ranks, draws), normal_scores(np.arange(draws + 1), draws)
    n, variance = len(ranks), float(np.mean(null**2))
    location = 2 * float(stats.norm.sf(abs(scores.sum()) / np.sqrt(n * variance)))
    freedom = 2 * variance**2 / float(np.var(null**2))  # of one square, so that mean and variance are right
    cdf = float(stats.chi2.cdf(float(np.sum(scores**2)) * freedom / variance, freedom * n))
    return Uniformity(
        chi_squared(ranks, draws),
        ecdf_p_value(ranks, draws),
        location,
        2 * min(cdf, 1 - cdf),
        float(scores.mean()),
        float(np.sqrt(np.mean(scores**2) / variance)),
    )


def normal_scores(ranks: Ranks, draws: int) -> Array:
    """The normal deviates that belong to ranks: [...] -> [...]."""
    return np.asarray(special.ndtri((ranks + 0.5) / (draws + 1)))


def bins_of(ranks: int, draws: int) -> int:
    """The number of equal bins for so many ranks: at most 20, each of as many values, with 5 ranks or more expected."""
    fitting = [b for b in range(2, BINS + 1) if (draws + 1) % b == 0 and ranks >= EXPECTED * b]
    return max(fitting, default=1)


def chi_squared(ranks: Ranks, draws: int) -> float:
    """The p-value of equal bins of ranks; 1 where the ranks are too few for two of them."""
    bins = bins_of(len(ranks), draws)
    if bins < 2:
        return 1.0
    found = np.bincount(ranks * bins // (draws + 1), minlength=bins)
    return float(stats.chisquare(found).pvalue)


# the distribution function and its band ------------------------------------------------------------


def ecdf(ranks: Ranks, draws: int) -> NDArray[np.int64]:
    """How many ranks are at most 0, 1, .. `draws` - 1: [..., R] -> [..., L]."""
    flat = ranks.reshape(-1, ranks.shape[-1])
    offset = (draws + 1) * np.arange(len(flat))[:, None]
    counts = np.bincount((flat + offset).ravel(), minlength=len(flat) * (draws + 1)).reshape(len(flat), -1)
    return np.asarray(np.cumsum(counts, axis=1)[:, :-1].reshape(*ranks.shape[:-1], draws))


def ecdf_p_value(ranks: Ranks, draws: int) -> float:
    """The share of uniform sets of ranks whose distribution function strays, at its worst place, as far."""
    known = _extremes(len(ranks), draws)
    worst = _worst(ecdf(ranks, draws), len(ranks), draws)
    return float((1 + np.searchsorted(known, worst * (1 + 1e-12), side="right")) / (len(known) + 1))


def band(ranks: int, draws: int, *, inside: float = BAND) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The counts between which `ecdf` stays everywhere with probability `inside`: low [L], high [L]."""
    level = float(np.quantile(_extremes(ranks, draws), 1 - inside)) / 2
    share = np.arange(1, draws + 1) / (draws + 1)
    low = stats.binom.ppf(level, ranks, share).astype(np.int64)
    return low, stats.binom.isf(level, ranks, share).astype(np.int64)


@lru_cache(maxsize=8)
def _extremes(ranks: int, draws: int) -> Array:
    """The smallest two-sided binomial p-value along the distribution functions of uniform ranks, sorted: [REPEATS]."""
    rng = np.random.default_rng(20220322)
    pieces = [_worst(ecdf(rng.integers(0, draws + 1, (REPEATS // 20, ranks)), draws), ranks, draws) for _ in range(20)]
    return np.sort(np.concatenate(pieces))


def _worst(counts: NDArray[np.int64], ranks: int, draws: int) -> Array:
    """The smallest two-sided binomial p-value along distribution functions: [..., L] -> [...]."""
    table = _two_sided(ranks, draws)
    return np.asarray(table[np.arange(draws), counts].min(axis=-1))


@lru_cache(maxsize=8)
def _two_sided(ranks: int, draws: int) -> Array:
    """Twice the smaller tail of every count at every place: [L, R + 1]."""
    k, share = np.arange(ranks + 1), np.arange(1, draws + 1)[:, None] / (draws + 1)
    tails = np.minimum(stats.binom.cdf(k, ranks, share), stats.binom.sf(k - 1, ranks, share))
    return np.asarray(np.minimum(1.0, 2 * tails))
