"""Posterior predictive checks: whether the fitted model would have made cells like these.

For draws of the posterior, new data sets of as many cells at the same times are drawn from the laws of
any solver, and statistics of the observed cells are placed among theirs.
A. Gelman, X.-L. Meng, H. Stern, Statistica Sinica 6 (1996) 733.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import SettingError
from kinetix.inference.likelihoods.contract import CellLikelihood
from kinetix.inference.question import Question
from kinetix.inference.readings.reading import Drawn
from kinetix.solver import Solver

from .draws import PosteriorDraws
from .misfits import PredictiveCheck

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

SAMPLES = 4_000_000
"""Most cells that are drawn in all."""

REPEATS = 40
"""Most new data sets a posterior draw."""

BAND = (0.05, 0.95)

CENTRAL = (0.4, 0.6)
"""Of the values that the draws of the posterior expect of a statistic: those it is allowed to have at no cost."""


def predictive_check(
    posterior: PosteriorDraws, solver: Solver, *, rng: np.random.Generator, draws: int = 100
) -> PredictiveCheck:
    """Compare the cells with new ones that `solver` makes at `draws` draws of `posterior`."""
    data = posterior.data
    if draws < 2:
        raise SettingError(f"{draws} draws are too few", place="draws", mend="take about 100")
    if not np.isfinite(data.times).all() and not getattr(solver, "stationary", False):
        name = type(solver).__name__
        reason = f"cells of the stationary law cannot be drawn anew: {name} does not know it"
        raise SettingError(reason, place="time", mend="use fsp, or give a late time")
    repeats = max(1, min(REPEATS, SAMPLES // (draws * max(1, data.cells))))
    asked = _asked(posterior, solver)
    laws = [asked.laws(values, rng=rng) for values in posterior.resample(draws, rng=rng)]
    cells = [asked.as_read(data.counts(k)) for k in range(len(data.times))]
    tables = [
        _compared(cells[k], int(data.largest.max()), [law[k] for law in laws], repeats, rng) for k in range(len(cells))
    ]
    *parts, replicated = zip(*tables, strict=True)
    observed, low, high, z, p, shares_observed, shares = map(np.stack, parts)
    return PredictiveCheck(
        data.times, data.species, data.cells_at, observed, low, high, z, p, shares_observed,
        np.moveaxis(shares, 1, 0), np.concatenate(replicated, axis=1), repeats * draws, draws,
    )  # fmt: skip


def statistics(counts: Counts) -> Array:
    """The STATISTICS of cells [..., n, D], species by species: [..., D, K]; variances are sample variances."""
    mean = counts.mean(axis=-2)
    variance = counts.var(axis=-2, ddof=1) if counts.shape[-2] > 1 else np.full_like(mean, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        fano = np.where(mean > 0, variance / mean, np.nan)
    zero = (counts == 0).mean(axis=-2)
    return np.stack([mean, variance, zero, counts.max(axis=-2), fano], axis=-1)


def _asked(posterior: PosteriorDraws, solver: Solver) -> CellLikelihood:
    """The likelihood that the posterior answered, under `solver`."""
    told = posterior.meta.get("question", {})
    return Question.again(posterior.network, posterior.data, posterior.prior, told).likelihood(solver)


def _compared(
    cells: Counts, largest: int, laws: list[Drawn], repeats: int, rng: np.random.Generator
) -> tuple[NDArray[Any], ...]:
    """The comparison of `cells` [n, D]: arrays [D, K], shares [D, M] and [3, D, M], one new data set a law."""
    n, width = len(cells), int(1.3 * largest) + 6
    made, shares, first = [], [], []
    for law in laws:
        new = law.sample(repeats * n, rng=rng).reshape(repeats, n, -1)
        first.append(new[0])
        made.append(statistics(new))
        shares.append(_shares(new, width))
    observed, new_ones = statistics(cells), np.stack(made)
    shown = np.concatenate(shares)
    bands = np.stack([shown.mean(axis=0), *np.quantile(shown, BAND, axis=0)])
    return observed, *_placed(observed, new_ones), _shares(cells[None], width)[0], bands, np.stack(first)


def _placed(observed: Array, made: Array) -> tuple[Array, Array, Array, Array]:
    """Where `observed` [D, K] lies among `made`, R new data sets a draw, [draws, R, D, K].

    5 % and 95 % points, z, and the two-sided p-value of `PredictiveCheck`; NaN if undefined.
    """
    result = np.full((4, *observed.shape), np.nan)
    for place in np.ndindex(*observed.shape):
        each, value = made[(slice(None), slice(None), *place)], float(observed[place])
        x = each[np.isfinite(each)]
        if np.isfinite(value) and len(x):
            gap, spread = value - x.mean(), x.std()
            z = gap / spread if spread > 0 else np.sign(gap) * np.inf if gap else 0.0
            result[(slice(None), *place)] = (*np.quantile(x, BAND), z, _p_value(each, value))
    low, high, z_scores, p_values = result
    return low, high, z_scores, p_values


def _p_value(made: Array, value: float) -> float:
    """How rare a statistic is among those of new data sets, [draws, R], about what their draws expect."""
    some = made[np.isfinite(made).all(axis=1)]
    if len(some) == 0 or some.shape[1] < 2:  # one data set a draw has no centre of its own
        x = made[np.isfinite(made)]
        rarer = min((x <= value).sum(), (x >= value).sum())
        return float(min(1.0, 2 * (rarer + 1) / (len(x) + 1)))
    centres, repeats = some.mean(axis=1), some.shape[1]
    noise = (some - centres[:, None]).ravel() * np.sqrt(repeats / (repeats - 1))
    spread = centres.var()
    own = max(0.0, spread - noise.var() / repeats)  # without what so few data sets a draw add
    centred = (centres - centres.mean()) * np.sqrt(own / spread) if spread > 0 else np.zeros_like(centres)
    gap = value - np.clip(value, *(centres.mean() + np.quantile(centred, CENTRAL)))
    rarer = min((noise <= gap).sum(), (noise >= gap).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(noise) + 1)))


def _shares(counts: Counts, width: int) -> Array:
    """The share of cells with each count below `width`: [R, n, D] -> [R, D, width]."""
    sets, n, species = counts.shape
    group = np.arange(sets)[:, None, None] * species + np.arange(species)
    bins = np.where(counts < width, group * width + counts, sets * species * width)
    found = np.bincount(bins.ravel(), minlength=sets * species * width + 1)[:-1]
    return np.asarray(found.reshape(sets, species, width) / n)
