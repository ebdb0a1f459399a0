"""Signs of how far the net's law of a problem may be off, from the net itself and the master equation: no simulation.

Three of them ask whether the law solves the equation that it should. The residual d log P / d log t - (A P) / P, with A
the operator of the master equation, is 0 everywhere for the true law; it is averaged over draws, and set against how
fast errors are forgotten. The law half-way, put through the net once more from its own draws, must give the law at the
end (Chapman-Kolmogorov). And the further the net moves from the moments that it begins with, the harder the problem.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from kinetix.solvers.nets.evenly import Evenly

from .family import REACTIONS, SPECIES, Batch
from .lessons import net_over
from .net import Core
from .prompt import Prompted, read

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

DRAWS, MIDWAY = 64, 32
"""States that averages are taken over; states half-way."""

STEP = 0.05
"""Share of the time over which the derivative is taken."""

MOST = 10.0
"""Log-ratios of probabilities are at most this."""


class Signs(NamedTuple):
    """Of N problems: [N] each.

    `residual` E|residual|; `lasting` the same, divided by one and how often errors are forgotten in the asked time;
    `midway` the distance (Hellinger) between the law and that by way of half the time, with sampling noise; `anchor`
    that between the law and the net without its corrections; `shift` the largest distance of a mean from that of the
    moments, in standard deviations; `change` the spread of d log P / d log t; `entropy`; `species` that there are;
    `closed` 1 where the moments' closure held.
    """

    residual: Array
    lasting: Array
    midway: Array
    anchor: Array
    shift: Array
    change: Array
    entropy: Array
    species: Array
    closed: Array


@torch.no_grad()
def signs(core: Core, batch: Batch, window: int, seed: int = 0) -> Signs:
    """The signs of N problems on a window of as many values for each species."""
    prompted = Prompted.of(batch)
    points = Evenly.of(net_over(core, window), prompted.context, DRAWS, seed).values.numpy()
    x = np.empty_like(points)
    np.put_along_axis(x, np.broadcast_to(prompted.order[:, None], x.shape), points, axis=2)
    logs = _log_probs(core, prompted, x, window)
    residual, change, forgotten = _residual(core, prompted, batch, x, logs, window)
    told = read(prompted.context)
    means = told.means.double().numpy()
    deviations = np.sqrt(np.maximum(np.einsum("nss->ns", told.fano.double().numpy()) * means, 0.0))
    return Signs(
        residual,
        residual / (1 + forgotten),
        _midway(core, batch, x, logs, window, seed),
        _distance(_log_probs(_bare(core), prompted, x, window) - logs),
        (np.abs(points.mean(axis=1) - means) / (deviations + 0.1)).max(axis=1),
        change,
        -logs.mean(axis=1),
        batch.species.astype(np.float64),
        prompted.closed.double().numpy(),
    )


def _bare(core: Core) -> Core:
    """The net that only says what its moments say."""
    bare = copy.deepcopy(core)
    bare.head.weight.zero_()
    bare.head.bias.zero_()
    return bare


def _log_probs(core: Core, prompted: Prompted, x: Integers, window: int) -> Array:
    """Log-probabilities of states in the model's order of species: [N, n, S] -> [N, n]; -inf outside the window."""
    values = np.take_along_axis(x, prompted.order[:, None], axis=2)
    outside = np.asarray(((values < 0) | (values >= window)).any(axis=2))
    inside = torch.from_numpy(np.where(outside[..., None], 0, values))
    found: Array = net_over(core, window).log_prob(prompted.context, inside).double().cpu().numpy()
    return np.where(outside, -np.inf, found)


def _residual(
    core: Core, prompted: Prompted, batch: Batch, x: Integers, logs: Array, window: int
) -> tuple[Array, Array, Array]:
    """E|residual| over states, the spread of the derivative, and how often the slowest species forgets: [N] each."""
    later, sooner = (Prompted.of(batch.faster(np.full(len(batch), by))) for by in (1 + STEP, 1 / (1 + STEP)))
    slope = _log_probs(core, later, x, window) - _log_probs(core, sooner, x, window)
    slope /= 2 * np.log1p(STEP)
    before = x[:, :, None] - batch.change[:, None]  # the states that each reaction comes from: [N, n, R, S]
    rates = batch.propensities(x)
    arriving = np.stack([batch.propensities(before[:, :, r])[..., r] for r in range(REACTIONS)], axis=-1)
    arriving[(before < 0).any(axis=-1)] = 0.0
    others = _log_probs(core, prompted, before.reshape(len(batch), -1, SPECIES), window).reshape(arriving.shape)
    ratio = np.exp(np.minimum(others - logs[..., None], MOST))
    residual = slope - (np.where(arriving > 0, arriving * ratio, 0.0) - rates).sum(axis=-1)
    noise = (rates.mean(axis=1)[..., None] * batch.change**2).sum(axis=1) / 2
    spread = x.var(axis=1)
    forgotten = np.where(spread > 0.05, noise / np.maximum(spread, 0.05), np.inf).min(axis=1)
    forgotten[~np.isfinite(forgotten)] = 0.0
    return np.abs(residual).mean(axis=1), np.sqrt((slope**2).mean(axis=1)), forgotten


def _midway(core: Core, batch: Batch, x: Integers, logs: Array, window: int, seed: int) -> Array:
    """The distance between the law and the one by way of half the time: [N]."""
    half = batch.faster(np.full(len(batch), 0.5))
    prompted = Prompted.of(half)
    points = Evenly.of(net_over(core, window), prompted.context, MIDWAY, seed + 1).values.numpy()
    y = np.empty_like(points)
    np.put_along_axis(y, np.broadcast_to(prompted.order[:, None], y.shape), points, axis=2)
    many = np.repeat(np.arange(len(batch)), MIDWAY)
    on = half[many]
    on = replace(on, starts=y.reshape(-1, SPECIES))
    found = _log_probs(core, Prompted.of(on), x[many], window).reshape(len(batch), MIDWAY, -1)
    return _distance(np.logaddexp.reduce(found, axis=1) - np.log(MIDWAY) - logs)


def _distance(ratios: Array) -> Array:
    """The Hellinger distance of two laws from log-ratios at draws of the second: [N, n] -> [N]."""
    overlap = np.exp(np.minimum(ratios, 2 * MOST) / 2).mean(axis=1)
    return np.asarray(np.sqrt(np.clip(1 - overlap, 0.0, 1.0)))
