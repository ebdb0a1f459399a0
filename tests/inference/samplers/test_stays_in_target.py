"""Every path to a posterior, started in the exact posterior, stays there; the voting rule of the MET script does not.

Births alone and a gamma prior: exact draws to start from, and the law they must still have. Each path is a row of
PATHS, a function from starts [n] (draws of k) to ends [n], so that a new one is tested with one line.
"""

import numpy as np
import pytest
from scipy import stats

import kinetix as kx
from kinetix.inference.log_posterior import LogPosterior
from kinetix.inference.question import Question
from kinetix.inference.samplers import ensembles, hamiltonian
from kinetix.inference.samplers.correction import Correction
from kinetix.inference.samplers.reweighting import weigh
from kinetix.inference.samplers.slopes import with_gradient
from kinetix.inference.samplers.sub_chains import Approximation, Walkers
from tests.inference.gamma_poisson import PRIOR, SCALE, SHAPE, TIME, Poisson, Sloped, network, votes

CELLS = np.random.default_rng(0).poisson(3.0 * TIME, 20)
LAW = stats.gamma(SHAPE + CELLS.sum(), scale=1 / (1 / SCALE + len(CELLS) * TIME))
N, SLIP = 1200, 1.03


class Net(Poisson):
    """A likelihood whose mean is 3 % too large: its posterior lies half a standard deviation away."""

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        return super().log_prob_batch(problem, SLIP * np.asarray(thetas), counts, axes, rng=rng)


def target(solver):
    data = kx.Observations.from_counts(["X"], TIME, CELLS)
    asked = Question.of(network(), data, PRIOR)
    return LogPosterior(asked.likelihood(solver), asked.free)


def by_walk(k, rng):
    """Ensembles of eight, 20 moves; one walker of each is looked at: those of one ensemble are not independent."""
    density, ends = target(Poisson()), []
    for start in np.log(k).reshape(-1, 8, 1):
        walk = ensembles.steps(density, start, rng=rng)
        for _ in range(20):
            u = next(walk).u
        ends.append(np.exp(u[rng.integers(8), 0]))
    return np.array(ends)


def by_sub_chains(k, rng):
    """Three rounds under the net, four steps each: acceptance must do the work, not length."""
    near, exact = target(Net()), target(Poisson())

    def ratio(u):
        return exact.likelihood(np.exp(u)) - near.likelihood(np.exp(u))

    draws = np.log(LAW.rvs((4000, 1), random_state=rng) / SLIP)
    u = np.log(k)[:, None]
    now, correction = Walkers(u, ratio(u)), Correction.of(u[:40], np.zeros(40))
    for _ in range(3):
        now, _, _ = now.moved(Approximation(near, draws), correction, ratio, 4, rng)
    return np.exp(now.u[:, 0])


def by_weights(k, rng):
    """Draws of the net (the starts, carried to its gamma law), weighed exactly and drawn again by weight."""
    time = len(CELLS) * TIME
    draws = k[:, None] * (1 / SCALE + time) / (1 / SCALE + SLIP * time)
    fit = target(Net()).likelihood(draws)
    found = weigh(target(Poisson()).likelihood, draws, fit, name="exact", correct=len(draws), rng=rng)
    taken = found.weights > 0
    return rng.choice(draws[taken, 0], len(draws) // 6, p=found.weights[taken])


def by_nuts(k, rng):
    """Chains of 20 independent copies of the law, five moves each: the starts of all copies are exact."""
    pytest.importorskip("pyro")
    density, ends = target(Sloped()), []

    def together(u, least):
        value, slope = with_gradient(density, u.reshape(-1, 1))
        return value.sum(keepdims=True), slope.reshape(1, -1)

    for start in np.log(k).reshape(-1, 20):
        options = {"warmup": 0, "diverged": [], "rng": rng, "length": 0.9}
        walk = hamiltonian.steps(together, start, 0.1 * np.eye(20), **options)
        for _ in range(5):
            u = next(walk).u
        ends.append(np.exp(u[0]))
    return np.concatenate(ends)


def by_votes(k, rng):
    """Mutant: a move is accepted when more than half of the cells accept it, each by its own ratio."""
    time = np.full(len(CELLS), TIME)
    for _ in range(20):
        new = np.abs(k + LAW.std() * rng.normal(size=len(k)))
        k = np.where(votes(k, new, CELLS, time, rng), new, k)
    return k


def by_half_the_cells(k, rng):
    """Mutant: the likelihood of every other cell."""
    for _ in range(20):
        new = np.abs(k + LAW.std() * rng.normal(size=len(k)))
        gain = (SHAPE - 1 + CELLS[::2].sum()) * np.log(new / k) - (1 / SCALE + len(CELLS[::2]) * TIME) * (new - k)
        k = np.where(np.log(rng.random(len(k))) < gain, new, k)
    return k


PATHS = {"walk": by_walk, "nuts": by_nuts, "sub-chains": by_sub_chains, "weights": by_weights}
MUTANTS = {"votes": by_votes, "half": by_half_the_cells}


def left(path, n=N):
    """The p-value (chi-squared, ten bins) of ends, from exact starts."""
    rng = np.random.default_rng(8)
    ends = path(LAW.rvs(n, random_state=rng), rng)
    return stats.chisquare(np.bincount((LAW.cdf(ends) * 10).astype(int).clip(0, 9), minlength=10)).pvalue


@pytest.mark.parametrize("name", PATHS)
def test_exact_starts_end_in_the_exact_law(name):
    assert left(PATHS[name]) > 1e-3


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_rules_leave_it(name):
    """At 20 cells the vote is several times too wide."""
    assert left(MUTANTS[name]) < 1e-6


def test_the_vote_is_several_times_too_wide_and_the_more_the_more_cells():
    """What the voting rule gives for 20 and for 200 cells, in exact standard deviations: it hardly narrows."""
    rng, widths = np.random.default_rng(9), []
    for n in (20, 200):
        cells = np.random.default_rng(0).poisson(3.0 * TIME, n)
        law = stats.gamma(SHAPE + cells.sum(), scale=1 / (1 / SCALE + n * TIME))
        k = law.rvs(600, random_state=rng)
        for _ in range(150):
            new = np.abs(k + 0.5 * rng.normal(size=len(k)))
            k = np.where(votes(k, new, cells, np.full(n, TIME), rng), new, k)
        widths.append(k.std() / law.std())
    assert widths[0] > 2
    assert widths[1] > 2 * widths[0]
