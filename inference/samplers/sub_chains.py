"""The exact stage by sub-chains: walk far under the net, then accept the end of the walk exactly.

Delayed acceptance in which a whole sub-chain, not a step, is proposed, so that one exact likelihood buys one
nearly independent draw: J. A. Christen, C. Fox, J. Comput. Graph. Stat. 14 (2005) 795; Y. Efendiev, T. Hou,
W. Luo, SIAM J. Sci. Comput. 28 (2006) 776. The net is corrected first by a quadratic in the parameters,
fitted to the exact likelihoods that are known: T. Cui, C. Fox, M. O'Sullivan, Water Resour. Res. 47 (2011)
W10521. Proposals that were refused still count, by their chance of acceptance (waste recycling: D. Frenkel,
PNAS 101 (2004) 17571). Choose it where the net is too far off to reweigh its draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetix.inference.diagnostics import efficiency, pareto_smoothed

from .correction import Correction

Array = NDArray[np.float64]
Density = Callable[[Array], Array]

STEPS = 30
"""Steps of a sub-chain for every parameter; more where their ends remember their starts."""

MOST_STEPS = 160
REMEMBERED = 0.1
"""Correlation of ends with starts from which sub-chains are made twice as long."""

JUMPS = 0.1
"""The share of steps as long as the difference of two draws: from one mode to another."""

PARETO, GUIDES, SURE = 0.7, 0.5, 0.9
"""What the corrected net must show at the ends that count: Pareto k below, efficiency from; or more of that alone."""

FAR = 3.0
"""Standard deviations between the net's posterior and the exact one beyond which sub-chains were seen to go astray."""

FLAT = 1e-6
"""Differences of log weights that are none."""

DRIFTS = 1e-3
"""The p-value of equal means after every round below which the walkers have not arrived."""

ROUNDS = range(6, 13)
"""How many times every walker may walk and be judged."""


@dataclass(frozen=True, eq=False)
class Approximation:
    """The net's posterior on unconstrained parameters: its log-`density` [B, P] -> [B], and N draws of it [N, P]."""

    density: Density
    draws: Array

    def walked(self, u: Array, correction: Correction, steps: int, rng: np.random.Generator) -> Array:
        """The ends of sub-chains of `steps` from u [K, P], under the density times exp(`correction`).

        Metropolis steps along differences of two fixed draws (C. ter Braak, J. Vrugt, Stat. Comput. 18 (2008)
        435): symmetric, so that the sub-chain is reversible, which its exact acceptance rests on.
        """
        x, gamma = u.copy(), 2.38 / np.sqrt(2 * u.shape[1])
        at = self.density(x) + correction(x)
        for _ in range(steps):
            first, second = self.draws[rng.integers(len(self.draws), size=(2, len(x)))]
            stride = np.where(rng.random(len(x)) < JUMPS, 1.0, gamma)
            new = x + stride[:, None] * (first - second)
            level = self.density(new) + correction(new)
            accepted = np.log(rng.random(len(x))) < level - at
            x[accepted], at[accepted] = new[accepted], level[accepted]
        return x

    def distance(self, u: Array) -> float:
        """How far u [P] lies from the mean of the draws, in their standard deviations along the way there."""
        gap = u - self.draws.mean(axis=0)
        covariance = np.atleast_2d(np.cov(self.draws.T))
        return float(np.sqrt(max(gap @ np.linalg.pinv(covariance) @ gap, 0.0)))


@dataclass(frozen=True, eq=False)
class Walkers:
    """K walkers: where they stand `u` [K, P], and there the log of the exact over the net's likelihood [K]."""

    u: Array
    ratio: Array

    def moved(
        self, net: Approximation, correction: Correction, ratio: Density, steps: int, rng: np.random.Generator
    ) -> tuple[Walkers, Walkers, Array]:
        """One round: the walkers after it, what was proposed to them, and the chance [K] that each was accepted."""
        ends = net.walked(self.u, correction, steps, rng)
        proposed = Walkers(ends, ratio(ends))
        gain = (proposed.ratio - correction(ends)) - (self.ratio - correction(self.u))
        chance = np.exp(np.minimum(gain, 0.0))
        accepted = rng.random(len(chance)) < chance
        after = np.where(accepted[:, None], ends, self.u), np.where(accepted, proposed.ratio, self.ratio)
        return Walkers(*after), proposed, chance


@dataclass(frozen=True, eq=False)
class Stage:
    """What the walkers made of the R rounds that count: starts, then ends.

    `u` [R + 1, K, P] with their `ratio` and `weights` [R + 1, K]; `states` [R, K, P] is where the walkers
    stood after each. `guide` has the Pareto k and the efficiency of the corrected net as these ends show them,
    `memory` the worst correlation of ends with their starts, `acceptance` the mean chance of the ends,
    `steps` the length of the sub-chains, `distance` how far their mean lies from that of the net's posterior, in
    standard deviations of that (Mahalanobis).
    """

    u: Array
    ratio: Array
    weights: Array
    states: Array
    acceptance: float
    guide: tuple[float, float]
    memory: float
    steps: int
    distance: float

    @property
    def effective(self) -> float:
        """Effective draws, at most one an end: what the weights leave, less what ends remember of their starts."""
        memory = max(self.memory, 0.0)
        left = min(float(1 / np.sum(self._per_point() ** 2)), self.weights[1:].size)
        return left * (1 - memory) / (1 + memory)

    def doubt(self) -> str | None:
        """Why the walkers may not have reached the exact law, or None."""
        k, share = self.guide
        if share < GUIDES or (not k < PARETO and share < SURE):
            return f"the corrected net is no guide to it (Pareto k {k:.2f}, efficiency {100 * share:.0f} %)"
        if self.distance > FAR:
            return f"it lies {self.distance:.1f} sds of the net's posterior away: too far to trust the way"
        if (p := self.drift()) < DRIFTS:
            return f"the walkers are still on their way (their means drift, p = {p:.1g})"
        return None

    def drift(self) -> float:
        """The p-value that the walkers' means are the same after every round, of all parameters (Bonferroni)."""
        from scipy.stats import f_oneway

        if len(self.states) < 2:
            return 0.0
        moving = [rounds for rounds in np.moveaxis(self.states, -1, 0) if np.ptp(rounds) > 0]
        return min([1.0, *(len(moving) * float(f_oneway(*rounds).pvalue) for rounds in moving)])

    def _per_point(self) -> Array:
        """The weights of distinct points: two walkers may start from one."""
        _, back = np.unique(self.u.reshape(-1, self.u.shape[-1]), axis=0, return_inverse=True)
        return np.asarray(np.bincount(back.ravel(), weights=self.weights.ravel()), dtype=np.float64)


class _Record:
    """Ends, and how much each counts, since the walkers stood at `now`."""

    def __init__(self, now: Walkers) -> None:
        self.points, self.mass = [now], [np.zeros(len(now.u))]
        self.place = np.arange(len(now.u))  # which of all points each walker stands on
        self.chances: list[Array] = []
        self.residuals: list[Array] = []
        self.starts: list[Array] = []
        self.states: list[Array] = []

    def add(self, before: Walkers, now: Walkers, proposed: Walkers, chance: Array, residual: Array) -> None:
        """One round: an end counts by its chance to be accepted, the place before it by the rest."""
        n = len(chance)
        flat = np.concatenate([*self.mass, chance])
        np.add.at(flat, self.place, 1 - chance)
        self.points.append(proposed)
        self.mass = np.split(flat, len(self.points))
        moved = (now.u != before.u).any(axis=1)
        self.place = np.where(moved, (len(self.points) - 1) * n + np.arange(n), self.place)
        for kept, value in zip(
            (self.chances, self.residuals, self.starts, self.states), (chance, residual, before.u, now.u), strict=True
        ):
            kept.append(value)

    @property
    def memory(self) -> float:
        """The largest correlation, over parameters, of the ranks of ends with those of their starts.

        Less one standard error of so many pairs: about what the largest of some zeros would be.
        """
        from scipy.stats import spearmanr

        before, after = np.concatenate(self.starts), np.concatenate([p.u for p in self.points[1:]])
        pairs = [(a, b) for a, b in zip(before.T, after.T, strict=True) if np.ptp(a) > 0 and np.ptp(b) > 0]
        if not pairs:
            return 1.0
        worst = max(float(spearmanr(a, b).statistic) for a, b in pairs)
        return worst - float(1 / np.sqrt(len(before)))

    def stage(self, steps: int, net: Approximation) -> Stage:
        """What is on record."""
        weights = np.stack(self.mass)
        u, ratio = np.stack([p.u for p in self.points]), np.stack([p.ratio for p in self.points])
        guide, chance = _guide(np.concatenate(self.residuals)), float(np.mean(self.chances))
        weights = weights / weights.sum()
        away = net.distance(np.tensordot(weights, u, axes=2))
        return Stage(u, ratio, weights, np.stack(self.states), chance, guide, self.memory, steps, away)


def shape_of(evaluations: int, ensembles: int) -> tuple[int, int]:
    """Walkers (a multiple of `ensembles`) and rounds that use up so many evaluations as far as can be."""
    found = [(evaluations // (r * ensembles) * ensembles, r) for r in ROUNDS]
    return max(found, key=lambda pair: (pair[0] * pair[1], -pair[1]))


def sub_chains(
    net: Approximation,
    known: Walkers,
    ratio: Density,
    *,
    walkers: int,
    rounds: int,
    rng: np.random.Generator,
    told: Callable[[float], None] | None = None,
) -> Stage:
    """`rounds` rounds of `walkers` walkers, begun at the `known` draws of the net, by weight.

    `ratio` [B, P] -> [B] is asked `walkers` * `rounds` times for the log of the exact over the net's
    likelihood. After the first round the correction is fitted again, and the length of the sub-chains set.
    While it is no guide it is fitted again after the next rounds, of the first half; those and one more do
    not count.
    """
    correction, steps = Correction.of(known.u, known.ratio), STEPS * known.u.shape[1]
    at = _by_weight(known.ratio, walkers, rng)
    now, last = Walkers(known.u[at], known.ratio[at]), known
    record, lost = _Record(now), False
    for r in range(rounds):
        before = now
        now, proposed, chance = before.moved(net, correction, ratio, steps, rng)
        residual = proposed.ratio - correction(proposed.u)
        record.add(before, now, proposed, chance, residual)
        was_lost, lost = lost, _guide(residual)[1] < GUIDES
        if r == 0 or (lost and r < rounds // 2):
            if record.memory > REMEMBERED:
                steps = min(2 * steps, MOST_STEPS * known.u.shape[1])
            every = Walkers(np.concatenate([last.u, proposed.u]), np.concatenate([last.ratio, proposed.ratio]))
            correction, last = Correction.of(every.u, every.ratio), proposed
        if (lost or was_lost) and r < rounds // 2:
            record = _Record(now)
        if told is not None:
            told((r + 1) / rounds)
    return record.stage(steps, net)


def _guide(residuals: Array) -> tuple[float, float]:
    """Pareto k and efficiency of the weights that would carry ends under the corrected net to the exact law."""
    if not np.isfinite(residuals).any():
        return float("inf"), 0.0
    if np.ptp(residuals[np.isfinite(residuals)]) < FLAT:
        return -np.inf, 1.0
    weights, k = pareto_smoothed(residuals)
    return (float("inf") if np.isnan(k) else k), efficiency(weights)


def _by_weight(ratio: Array, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions drawn by the smoothed weights of log `ratio`, as evenly as can be: [N] -> [n]."""
    weights, _ = pareto_smoothed(ratio)
    order = rng.permutation(len(ratio))
    at = (rng.random() + np.arange(n)) / n
    return np.asarray(order[np.minimum(np.searchsorted(np.cumsum(weights[order]), at), len(ratio) - 1)])
