"""A conjugate oracle: births alone, X at time t Poisson of mean k t, k gamma; a 300-run calibration in a second.

Samplers here draw the posterior in closed form, right or with one planted error.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

import kinetix as kx
from kinetix.distribution import Tabulated
from kinetix.expressions import symbol
from kinetix.solution import Solution
from kinetix.space import StateSpace

TIME, CELLS, SHAPE, SCALE = 2.0, 20, 4.0, 0.75
PRIOR = {"k": kx.prior.gamma(SHAPE, SCALE)}


def network():
    return kx.ReactionNetwork(
        [kx.Species("X", 0)], [kx.Parameter("k", 3.0)], [kx.Reaction("birth", {}, {"X": 1}, symbol("k"))]
    )


@dataclass(frozen=True)
class Poisson:
    """The exact law; `told` is the bound it states."""

    told: float | None = 0.0
    top: int = 200

    def solve(self, problem, *, rng):
        del rng
        counts = np.arange(self.top + 1)
        laws = [
            Tabulated(StateSpace.box([self.top]), stats.poisson.pmf(counts, problem.theta[0] * t))
            for t in problem.times
        ]
        return Solution.of(problem, laws, error=self.told)

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        del axes, rng
        return [
            stats.poisson.logpmf(c[:, 0], np.asarray(thetas)[:, :1] * t)
            for t, c in zip(problem.times, counts, strict=True)
        ]


@dataclass(frozen=True)
class Sloped(Poisson):
    """The exact law with its derivatives."""

    def log_prob_gradient_batch(self, problem, thetas, counts, axes, parameters, *, rng=None):
        k = np.asarray(thetas)[:, :1]
        slopes = [(c[:, 0] / k - t)[:, :, None] for t, c in zip(problem.times, counts, strict=True)]
        return self.log_prob_batch(problem, thetas, counts, axes, rng=rng), slopes


@dataclass(frozen=True)
class Closed:
    """Draws of the gamma posterior, moved by `shift` of its sds, `width` times as wide, or (`blind`) of the prior."""

    shift: float = 0.0
    width: float = 1.0
    blind: bool = False
    meta: dict = field(default_factory=dict)

    def __call__(self, design, data, *, draws, rng):
        if self.blind:
            return rng.gamma(SHAPE, SCALE, (draws, 1))
        total = sum(int((c[:, 0] * n).sum()) for c, n in data.rows)
        time = float((data.times * data.cells_at).sum())
        law = stats.gamma(SHAPE + total, scale=1 / (1 / SCALE + time))
        k = law.rvs((draws, 1), random_state=rng)
        return law.mean() + self.width * (k - law.mean()) + self.shift * law.std()


@dataclass(frozen=True)
class Voting:
    """The acceptance rule of the released MET script: every cell votes on a move by its own likelihood ratio.

    One chain a draw from the prior, as many moves as settle a random walk. The step is that of the true posterior.
    """

    moves: int = 60

    def __call__(self, design, data, *, draws, rng):
        counts = np.concatenate([data.counts(k)[:, 0] for k in range(len(data.times))])
        time = np.repeat(data.times, data.cells_at)
        k = rng.gamma(SHAPE, SCALE, draws)
        for _ in range(self.moves):
            new = np.abs(k + rng.normal(size=draws))
            k = np.where(votes(k, new, counts, time, rng), new, k)
        return k[:, None]


def votes(k, new, counts, time, rng):
    """Whether more than half of the cells accept the move, each by its own ratio and its own uniform number."""
    ratio = counts * np.log(new / k)[:, None] - np.outer(new - k, time)
    return np.mean(np.log(rng.random(ratio.shape)) < ratio, axis=1) > 0.5
