"""Modes and Laplace laws against conjugate ones; gradients against differences of the whole log-posterior."""

import numpy as np
import pytest

import kinetix as kx
from kinetix.errors import DataError, KinetixError, SettingError
from kinetix.inference import sampling
from kinetix.inference.log_posterior import LogPosterior
from kinetix.inference.question import Question
from kinetix.inference.samplers.mode import find_mode
from kinetix.inference.samplers.slopes import with_gradient
from tests.inference.gamma_poisson import PRIOR, SCALE, SHAPE, TIME, Poisson, Sloped, network

CELLS = np.random.default_rng(0).poisson(3.0 * TIME, 50)
MODEL = "model bd\nspecies X = 0\nbirth: -> X; b\ndeath: X -> ; d*X\nb = 6; d = 0.8\nend\n"
BOTH = {"b": kx.prior.log_normal(1.5, 1.0), "d": kx.prior.uniform(0.05, 5.0)}


def data():
    return kx.Observations.from_counts(["X"], TIME, CELLS)


def two_times():
    rng, times = np.random.default_rng(1), np.repeat([0.5, 4.0], 200)
    return kx.Observations.from_counts(["X"], times, rng.poisson(6 / 0.8 * (1 - np.exp(-0.8 * times))))


def test_the_mode_of_a_gamma_law_and_its_width():
    """u = log k: mode at shape / rate, variance 1 / shape. Mutants seen to fail: no Jacobian; no slope of the prior."""
    found = find_mode(network(), data(), prior=PRIOR, likelihood=kx.FSP(), rng=np.random.default_rng(1))
    shape, rate = SHAPE + CELLS.sum(), 1 / SCALE + len(CELLS) * TIME
    assert found.theta[0] == pytest.approx(shape / rate, rel=1e-5)
    assert found.covariance[0, 0] == pytest.approx(1 / shape, rel=1e-3)
    assert found.agreeing == found.starts == 4
    draws = found.draws(4000, rng=np.random.default_rng(2))[:, 0]
    assert np.log(draws).std() == pytest.approx(1 / np.sqrt(shape), rel=0.06)
    assert "4 of 4 searches agree" in str(found)


def test_gradients_are_those_of_the_log_posterior():
    """Every prior kind by differences of the whole. Mutant seen to fail: the stretch of the scale left out."""
    asked = Question.of(kx.parse(MODEL), two_times(), BOTH)
    target = LogPosterior(asked.likelihood(kx.FSP(leak=1e-11)), asked.free)
    u = target.draw_prior(4, rng=np.random.default_rng(3))
    value, slope = with_gradient(target, u)
    assert np.allclose(value, target(u), rtol=1e-9)
    for i in range(2):
        step = 1e-4 * np.eye(2)[i]
        assert np.allclose(slope[:, i], (target(u + step) - target(u - step)) / 2e-4, rtol=1e-4, atol=1e-3)


def test_two_rates_are_found_and_the_normal_law_is_near_the_posterior():
    found = find_mode(kx.parse(MODEL), two_times(), prior=BOTH, likelihood=kx.FSP(), rng=np.random.default_rng(1))
    low, high = found.interval(0.999).T
    assert np.all((low < [6, 0.8]) & (high > [6, 0.8]))
    level = found.target(found.u[None])[0]
    assert level >= found.target(found.u + 0.02 * np.random.default_rng(0).normal(size=(20, 2))).max()
    assert set(found.as_dict()["parameters"]) == {"b", "d"}


def test_what_has_no_mode_is_refused():
    given = {"prior": PRIOR, "rng": np.random.default_rng(0)}
    with pytest.raises(KinetixError, match="Poisson"):
        find_mode(network(), data(), likelihood=Poisson(), **given)
    with pytest.raises(SettingError, match="starts"):
        find_mode(network(), data(), likelihood=kx.FSP(), starts=0, **given)
    with pytest.raises(SettingError, match="no parameter is free"):
        find_mode(network(), data(), likelihood=kx.FSP(), prior={"k": 2.0}, rng=np.random.default_rng(0))

    class Impossible(Poisson):
        def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
            return [np.full((len(thetas), len(c)), -np.inf) for c in counts]

    with pytest.raises(DataError, match="impossible under all"):
        find_mode(network(), data(), likelihood=Impossible(), **given)


# laws that switch at a time ----------------------------------------------------------------------------

PULSE = "model pulse\nspecies X = 0\nbirth: -> X; b*piecewise(1, time < s, 0)\nb = 4; s = 3\nend\n"
EARLY, LATE = 400, 500


def pulsed():
    """Births at rate b until s: Poisson of mean b at t = 1, of b s at t = 5."""
    rng = np.random.default_rng(4)
    counts = np.concatenate([rng.poisson(4.0, EARLY), rng.poisson(4.0 * 3.0, LATE)])
    return kx.Observations.from_counts(["X"], np.repeat([1.0, 5.0], [EARLY, LATE]), counts), counts


SWITCHED = {"b": kx.prior.log_uniform(1, 20), "s": kx.prior.log_uniform(1.2, 4.8)}


def test_the_time_of_a_switch_is_found_by_differences():
    """b is the early mean, s the ratio of means, by flat priors of logarithms (at most one in the last digits asked).

    Var log b = 1 / (n b), cov(log b, log s) = -that, var log s = that + 1 / (m b s).
    Mutant seen to fail: a step of 0.3.
    """
    data, counts = pulsed()
    found = kx.find_mode(kx.parse(PULSE), data, prior=SWITCHED, seed=1, starts=2)
    early, late = counts[:EARLY].mean(), counts[EARLY:].mean()
    asked = Question.of(kx.parse(PULSE), data, SWITCHED)
    target = LogPosterior(asked.likelihood(kx.FSP()), asked.free)
    u = target.unconstrained(np.array([[early, late / early]]))
    assert found.log_density >= target(u)[0] - 1e-6
    assert np.allclose(found.theta, [early, late / early], rtol=0.01)
    stretch = np.exp([target.prior[n].log_jacobian(found.u[[i]])[0] for i, n in enumerate(found.names)]) / found.theta
    scaled = found.covariance * np.outer(stretch, stretch)  # of the logarithms
    first, second = 1 / counts[:EARLY].sum(), 1 / counts[EARLY:].sum()
    assert np.allclose(scaled, [[first, -first], [-first, first + second]], rtol=0.05)


def test_chains_that_begin_at_a_mode_end_in_the_posterior():
    """The conjugate one, in Monte Carlo errors. Starts are wider than it, else agreement of chains would mean nothing.

    Mutants seen to fail: starts as wide as the normal law; a start that is left aside.
    """
    given = {"prior": PRIOR, "likelihood": Sloped()}
    mode = find_mode(network(), data(), rng=np.random.default_rng(1), starts=1, **given)
    settings = {**given, "walkers": 8, "steps": 400}
    near = sampling.infer(network(), data(), start=mode, rng=np.random.default_rng(2), **settings)
    shape, rate = SHAPE + CELLS.sum(), 1 / SCALE + len(CELLS) * TIME
    assert abs(near.mean()[0] - shape / rate) < 5 * near.diagnostics["k"]["mcse"]
    assert near.sd()[0] == pytest.approx(np.sqrt(shape) / rate, rel=0.15)
    begun = mode.walkers(4000, rng=np.random.default_rng(3))
    assert begun.std() == pytest.approx(2 / np.sqrt(shape), rel=0.06)
    assert near.meta["start"] == mode.as_dict()
    plain = sampling.infer(network(), data(), rng=np.random.default_rng(2), **settings)
    assert "start" not in plain.meta
    assert not np.array_equal(plain.draws, near.draws)


def test_a_mode_of_another_question_is_no_start():
    mode = find_mode(kx.parse(MODEL), two_times(), prior=BOTH, likelihood=kx.FSP(), rng=np.random.default_rng(1))
    with pytest.raises(SettingError, match="the mode is of b, d, the prior of b"):
        kx.infer(kx.parse(MODEL), two_times(), prior={"b": BOTH["b"]}, start=mode, seed=1)
