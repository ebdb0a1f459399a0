"""Unconstrained coordinates carry the right density; supports end in -inf; failures stop the run."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats

from kinetix.errors import RunError, SettingError, TruncationError
from kinetix.inference import priors
from kinetix.inference.likelihood import Likelihood
from kinetix.inference.log_posterior import LogPosterior
from kinetix.inference.observations import Observations
from kinetix.problem import Problem
from tests.exact import birth_death


@dataclass(frozen=True)
class Poisson:
    """Counts with the mean birth/death, whatever the time; may fail, and remembers what it was asked."""

    fails: bool = False
    asked: tuple = ()

    def solve(self, problem, *, rng):
        raise AssertionError

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        if self.fails:
            raise TruncationError("the window is full")
        assert np.isfinite(thetas).all()
        mean = thetas[:, 0] / thetas[:, 1]
        return [scipy.stats.poisson.logpmf(c[:, 0], mean[:, None]) for c in counts]


def posterior(prior, solver=None):
    data = Observations.from_counts("X", 1.0, [3, 4, 4, 6])
    return LogPosterior(Likelihood(solver or Poisson(), Problem.of(birth_death(), 1.0), data, tuple(prior)), prior)


PAIRS = [
    {"birth": priors.uniform(0, 20), "death": priors.log_uniform(0.1, 10)},
    {"birth": priors.log_normal(1, 0.5), "death": priors.gamma(2, 2)},
    {"death": priors.exponential(1.0), "birth": priors.normal(5, 2, low=0)},
]


@pytest.mark.parametrize("prior", PAIRS, ids=["bounded", "half lines", "other order"])
def test_the_density_of_u_integrates_to_the_evidence(prior):
    """In u and in theta the same integral. Mutant: the Jacobian left out."""
    f = posterior(prior)
    u = np.linspace(-12, 12, 241)
    grid = np.stack(np.meshgrid(u, u, indexing="ij"), axis=-1).reshape(-1, 2)
    step = u[1] - u[0]
    evidence = np.exp(f(grid)).sum() * step**2
    q = (np.arange(400) + 0.5) / 400  # midpoints in the prior's own quantiles
    a, b = np.meshgrid(*(p.quantile(q) for p in prior.values()), indexing="ij")
    direct = np.exp(f.likelihood(np.column_stack([a.ravel(), b.ravel()]))).mean()
    assert evidence == pytest.approx(direct, rel=2e-3)


@pytest.mark.parametrize("prior", PAIRS, ids=["bounded", "half lines", "other order"])
def test_coordinates_go_there_and_back(prior):
    f = posterior(prior)
    u = f.draw_prior(50, rng=np.random.default_rng(0))
    thetas = f.constrained(u)
    assert np.isfinite(f.log_prior(thetas)).all()
    assert f.unconstrained(thetas) == pytest.approx(u, rel=1e-6, abs=1e-6)
    base, fit = f.parts(u)
    assert f(u) == pytest.approx(base + fit)


def test_far_out_is_minus_infinity_not_an_error_and_not_clamped():
    """u whose parameter underflows to the edge or overflows has no density, and no solver is asked there."""
    f = posterior(PAIRS[1])
    values = f([[800.0, 0.0], [0.0, 800.0], [0.0, 0.0]])
    assert np.isneginf(values).tolist() == [True, True, False]
    assert np.isneginf(posterior(PAIRS[0])([[0.0, 0.0], [-2000.0, 2000.0]])).tolist() == [False, True]


def test_a_failing_solver_stops_the_run_with_its_own_error():
    with pytest.raises(TruncationError, match="the window is full"):
        posterior(PAIRS[0], Poisson(fails=True))([[0.0, 0.0]])


def test_a_prior_that_is_not_a_number_stops_the_run():
    class Broken(priors.Uniform):
        def log_jacobian(self, u):
            return np.full_like(u, np.nan)

    with pytest.raises(RunError, match=r"not a number at birth = 10, death"):
        posterior({"birth": Broken(0, 20), "death": priors.uniform(0.1, 1)})([[0.0, 0.0]])


def test_every_parameter_needs_a_prior():
    f = posterior(PAIRS[0])
    with pytest.raises(SettingError, match="'death' has no prior"):
        LogPosterior(f.likelihood, {"birth": priors.uniform(0, 1)})
