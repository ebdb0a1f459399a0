"""Predictive checks against closed forms: counts that are Poisson by construction, and planted misfits."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from kinetix.distribution import Tabulated
from kinetix.errors import SettingError
from kinetix.inference import priors
from kinetix.inference.observations import Observations
from kinetix.inference.posterior import Posterior
from kinetix.inference.posteriors.misfits import STATISTICS
from kinetix.inference.posteriors.predictive import _p_value, predictive_check, statistics
from kinetix.solution import Solution
from kinetix.space import StateSpace
from tests.exact import birth_death, birth_death_pmf

BIRTH, DEATH, TIMES = 3.0, 1.0, (0.5, 4.0)


@dataclass(frozen=True)
class ClosedForm:
    """Birth and death from zero: Poisson with the mean birth / death * (1 - exp(-death t))."""

    def solve(self, problem, *, rng):
        birth, death = problem.theta
        pmfs = [birth_death_pmf(birth, death, int(problem.model.initial[0]), t, 60) for t in problem.times]
        return Solution.of(problem, [Tabulated(StateSpace.box([len(p) - 1]), p) for p in pmfs])


def posterior(data, spread=0.0, parameters=("birth",)):
    rng = np.random.default_rng(1)
    draws = np.exp(spread * rng.normal(size=(4, 200, len(parameters)))) * [BIRTH, DEATH][: len(parameters)]
    prior = {name: priors.log_uniform(0.01, 100) for name in parameters}
    return Posterior(parameters, draws, np.zeros((4, 200)), prior, data, birth_death(BIRTH, DEATH))


def cells(n=300, seed=0, change=lambda x, rng: x):
    rng = np.random.default_rng(seed)
    means = [BIRTH / DEATH * (1 - np.exp(-DEATH * t)) for t in TIMES]
    drawn = [change(rng.poisson(m, n), rng) for m in means]
    return Observations.from_counts("X", np.repeat(TIMES, n), np.concatenate(drawn))


def check(data, seed=2, **options):
    return predictive_check(posterior(data, **options), ClosedForm(), rng=np.random.default_rng(seed))


def test_statistics_are_those_of_numpy():
    counts = np.random.default_rng(3).poisson([0.5, 4.0], (7, 50, 2))
    found = statistics(counts)
    assert found.shape == (7, 2, len(STATISTICS))
    one = counts[3, :, 1]
    expected = [one.mean(), one.var(ddof=1), np.mean(one == 0), one.max(), one.var(ddof=1) / one.mean()]
    np.testing.assert_allclose(found[3, 1], expected)


def test_z_scores_are_those_of_the_law():
    """At one parameter vector the new data sets have known means and deviations.

    Mutant seen to fail: new data sets of another size than the observed one.
    """
    data = cells()
    found = check(data)
    for k, t in enumerate(TIMES):
        mean = BIRTH / DEATH * (1 - np.exp(-DEATH * t))
        zero = np.exp(-mean)
        deviations = np.sqrt([mean / 300, zero * (1 - zero) / 300])
        expected = (found.observed[k, 0, [0, 2]] - [mean, zero]) / deviations
        assert found.replicates == 4000
        assert np.all(abs(found.z[k, 0, [0, 2]] - expected) < 5 / np.sqrt(4000) * 1.5 * (1 + abs(expected)))
        normal = 2 * stats.norm.sf(np.abs(expected))
        np.testing.assert_allclose(found.p_value[k, 0, [0, 2]], normal, atol=0.12)
        middle = 0.5 * (found.low + found.high)[k, 0, 0]
        assert middle == pytest.approx(mean, abs=0.2 * deviations[0])
        assert (found.high - found.low)[k, 0, 0] == pytest.approx(2 * 1.645 * deviations[0], rel=0.1)


def test_shares_are_the_law_averaged_over_data_sets():
    found = check(cells())
    law = birth_death_pmf(BIRTH, DEATH, 0, TIMES[1], 60)[: found.shares.shape[-1]]
    np.testing.assert_allclose(found.shares[0, 1, 0], law, atol=5 * np.sqrt(0.25 / (4000 * 300)))
    assert found.shares_observed[1, 0].sum() == pytest.approx(1.0)
    assert (found.shares[1] <= found.shares[2]).all()


def test_a_true_model_shows_no_misfit():
    """At 5 % for all statistics together, at most 5 of 20 data sets by a binomial bound (p < 1e-3)."""
    alarms = sum(bool(check(cells(100, seed), spread=0.02).misfits()) for seed in range(20))
    assert alarms <= 5


def test_more_zeros_than_the_model_can_make_are_named():
    def silenced(x, rng):
        return np.where(rng.random(len(x)) < 0.15, 0, x)

    found = check(cells(300, 5, silenced), spread=0.02)
    named = {(m.statistic, m.species, m.time) for m in found.misfits()}
    assert ("P(0)", "X", 4.0) in named
    worst = next(m for m in found.misfits() if m.statistic == "P(0)" and m.time == 4.0)
    assert worst.z > 5
    assert worst.observed > worst.high
    codes = replace(posterior(cells()), predictive=found).check()
    assert any(f.code == "KX204" and f.element == "P(0) of X at t = 4" for f in codes)
    assert "P(0) of X at t = 4" in str(found)


def test_more_spread_than_the_model_can_make_is_named():
    found = check(cells(300, 6, lambda x, rng: rng.poisson(rng.gamma(2, 0.5, len(x)) * x.mean())), spread=0.02)
    named = {(m.statistic, m.time) for m in found.misfits()}
    assert {("variance", 4.0), ("Fano factor", 4.0)} <= named
    assert ("mean", 4.0) not in named


def fitted(data, rng):
    """The exact posterior of the birth rate (flat prior) of Poisson cells, by Gamma draws."""
    share = np.array([(1 - np.exp(-DEATH * t)) / DEATH for t in TIMES])
    total = sum(float(c[:, 0] @ r) for c, r in data.rows)
    drawn = rng.gamma(total + 1, 1 / (data.cells_at @ share), (4, 50, 1))
    return Posterior(
        ("birth",), drawn, np.zeros((4, 50)), {"birth": priors.uniform(0, 100)}, data, birth_death(BIRTH, DEATH)
    )


@pytest.mark.slow
def test_fitted_posteriors_raise_few_false_alarms():
    """Of 200 true data sets at most 5 % are flagged, by a binomial bound (p < 1e-3): 21. Mutant: limits of 5 % each."""
    alarms = 0
    for seed in range(200):
        data, rng = cells(60, seed), np.random.default_rng([seed, 1])
        alarms += bool(predictive_check(fitted(data, rng), ClosedForm(), rng=rng, draws=50).misfits())
    assert alarms <= 21


def test_what_no_draw_explains_is_found_under_a_wide_posterior():
    """Zeros are a fifth more than any draw expects, although draws differ widely in the mean.

    Mutant: ranks among the new data sets of all draws, whose spread hides it.
    """
    rng, n = np.random.default_rng(11), 400
    made = rng.poisson(rng.uniform(2.0, 6.0, (100, 1, 1)), (100, 40, n))
    zeros = (made == 0).mean(axis=-1)
    expected = np.exp(-np.linspace(2.0, 6.0, 1000)).mean()
    assert _p_value(zeros, 0.25) < 1e-3  # e^-2 = 0.135 at most
    assert _p_value(zeros, float(expected)) > 0.5
    pooled = 2 * np.mean(zeros >= 0.15)
    assert _p_value(zeros, 0.15) < pooled / 3


def test_wider_posteriors_predict_wider():
    narrow, wide = check(cells()), check(cells(), spread=0.2)
    assert (wide.high - wide.low)[1, 0, 0] > 2 * (narrow.high - narrow.low)[1, 0, 0]


def test_weights_decide_which_draws_predict():
    data = cells()
    rng = np.random.default_rng(0)
    draws = np.where(np.arange(200)[None, :, None] < 100, BIRTH, 20.0) * np.ones((4, 1, 1))
    weights = np.where(np.arange(200) < 100, 1.0, 0.0) * np.ones((4, 1))
    one = replace(posterior(data), draws=draws, weights=weights)
    assert not predictive_check(one, ClosedForm(), rng=rng).misfits()
    assert predictive_check(one.uncorrected(), ClosedForm(), rng=rng).high[1, 0, 0] > 15


def test_cells_at_time_zero_are_the_start_and_fixed_parameters_hold():
    data = Observations.from_counts("X", [0, 0, 4, 4, 4], [0, 0, 2, 4, 3])
    one = posterior(data)
    prior = {**one.prior, "death": priors.fixed(100.0)}
    found = predictive_check(replace(one, prior=prior), ClosedForm(), rng=np.random.default_rng(0))
    assert found.high[0, 0, 0] == 0
    assert found.high[1, 0, 0] < 1
    assert np.isnan(found.p_value[0, 0, 4])
    assert found.z[0, 0, 0] == 0


def test_the_same_generator_gives_the_same_check():
    a, b = check(cells()), check(cells())
    assert np.array_equal(a.z, b.z, equal_nan=True)
    assert a.replicated.shape == (100, 600, 1)


def test_what_cannot_be_drawn_is_refused():
    data = Observations.from_counts("X", np.inf, [1, 2])
    with pytest.raises(SettingError, match="stationary"):
        check(data)
    with pytest.raises(SettingError, match="too few"):
        predictive_check(posterior(cells()), ClosedForm(), rng=np.random.default_rng(0), draws=1)
