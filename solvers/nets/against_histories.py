"""A net's laws judged where no exact law fits in memory, but most species are downstream of others.

Given a history of the species upstream the counts downstream are independent Poisson variables (`downstream`). Means
over histories then state marginals that are smooth, far nearer to the truth than a histogram of as many trajectories,
and the probability of whole states: so the joint law is judged too, by KL(exact || net).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from .distance import FLOOR_PATHS, hellinger, summary
from .downstream import Downstream
from .evenly import Evenly
from .held_out import Context
from .histories import draw_histories
from .layout import Layout
from .net_law import NetLaw

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

HISTORIES, STATES, DRAWS = 10_000, 500, 4096
"""Histories that a law is the mean over, states at which the joint law is weighed, draws of the net (a power of 2)
whose conditionals are averaged."""

BLOCK = 100
"""States that are weighed at once."""

SCATTER = 0.2
"""Mean relative variance of the probabilities of states up to which the joint law is judged."""

TINY, LEAST = 1e-300, -1e300
"""A mean of 0 has the first for its logarithm's sake; logarithms are above the second, where a state has none."""


def against_histories(
    split: Downstream, contexts: Sequence[Context], law: Callable[[Context], NetLaw], layout: Layout
) -> dict[str, Any]:
    """Figures of the laws that a net states in contexts: distances of marginals, and KL(exact || net) a sample.

    "noise" is what the marginals of the histories would score themselves, by two halves of them. "kl_error" is the
    standard error of the mean KL over all contexts; there is no KL where few histories lead to a state (`SCATTER`).
    """
    names, rng = split.model.network.species_names, np.random.default_rng(0)
    shape = len(layout.species), len(contexts)
    own, floor, noise = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    kl, errors, known = np.zeros(len(contexts)), np.zeros(len(contexts)), True
    for k, c in enumerate(contexts):
        counts, means = draw_histories(split, c.theta[None], c.start[None], np.array([c.time]), HISTORIES + STATES, rng)
        stated = law(c)
        evenly = Evenly.of(stated.net, stated.context[None], DRAWS, int(rng.integers(2**62)))
        for position, (s, marginal) in enumerate(zip(layout.species, evenly.marginals, strict=True)):
            p = marginal[0].cpu().numpy()
            some = np.arange(len(p)) + layout.lower[position]
            first, second = (_marginal(split, s, counts[0, half], means[0, half], some) for half in _halves())
            exact = (first + second) / 2
            own[position, k], noise[position, k] = hellinger(exact, p), hellinger(first, second) / 2
            rest = np.append(exact, max(0.0, 1.0 - exact.sum()))
            floor[position, k] = hellinger(rest, rng.multinomial(FLOOR_PATHS, rest / rest.sum()) / FLOOR_PATHS)
        states = counts[0, HISTORIES:].copy()
        states[:, list(split.species)] = rng.poisson(means[0, HISTORIES:])
        states = states[layout.window.contains(states)]
        log_p, scatter = log_law(split, states, counts[0, :HISTORIES], means[0, :HISTORIES])
        known &= bool(np.isfinite(log_p).all() and scatter.mean() < SCATTER)
        gap = log_p - np.maximum(stated.log_prob(states), -700.0)
        kl[k], errors[k] = gap.mean(), gap.std() / np.sqrt(len(gap))
    joint = {
        "kl_per_sample": {"mean": float(kl.mean()), "max": float(kl.max())},
        "kl_error": float(np.sqrt((errors**2).sum()) / len(contexts)),
    }
    return (joint if known else {}) | {
        "against": f"means over {HISTORIES} histories (no exact law fits in memory)",
        "species": {
            names[s]: {
                **summary(own[i]), "floor": float(floor[i].mean()), "noise": float(noise[i].mean()),
                "below_floor": float((own[i] < floor[i]).mean()),
            }
            for i, s in enumerate(layout.species)
        },
    }  # fmt: skip


def _halves() -> tuple[slice, slice]:
    return slice(0, HISTORIES // 2), slice(HISTORIES // 2, HISTORIES)


def _marginal(split: Downstream, species: int, counts: Counts, means: Array, some: Counts) -> Array:
    """The law of one species at `some` of its counts, from histories [n, S], [n, D]."""
    if species not in split.species:
        return np.asarray((counts[:, species] == some[:, None]).mean(axis=1))
    mean = means[:, split.species.index(species)]
    logs = np.log(np.maximum(mean, TINY)) * some[:, None] - gammaln(some + 1)[:, None] - mean
    return np.asarray(np.exp(logs).mean(axis=1))


def log_law(split: Downstream, states: Counts, counts: Counts, means: Array) -> tuple[Array, Array]:
    """Log-probabilities of states [n, S] under the mean over histories [K, S], [K, D], and its relative variance [n].

    The logarithm of a mean is too small by half its relative variance: that much is added.
    """
    upstream = [s for s in range(states.shape[1]) if s not in split.species]
    result, scatter, log_means = np.zeros(len(states)), np.zeros(len(states)), np.log(np.maximum(means, TINY))
    for some in (slice(a, a + BLOCK) for a in range(0, len(states), BLOCK)):
        n = states[some][:, list(split.species)]
        logs = n @ log_means.T - means.sum(axis=1) - gammaln(n + 1).sum(axis=1)[:, None]
        for s in upstream:
            logs[states[some][:, [s]] != counts[:, s]] = -np.inf
        most = np.maximum(logs.max(axis=1, keepdims=True), LEAST)
        parts = np.exp(logs - most)
        total = parts.sum(axis=1)
        with np.errstate(divide="ignore"):
            result[some] = most[:, 0] + np.log(total / len(counts))
        share = (parts**2).sum(axis=1) / np.maximum(total, TINY) ** 2
        scatter[some] = np.maximum(share - 1 / len(counts), 0.0)
    return result + scatter / 2, scatter
