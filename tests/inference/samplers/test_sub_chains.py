"""The exact stage: corrections that foretell, sub-chains that leave the exact law alone, and a worth that is true."""

import numpy as np
import pytest
from scipy import stats

from kinetix.inference.samplers.correction import Correction
from kinetix.inference.samplers.exact_stage import takes_sub_chains
from kinetix.inference.samplers.reweighting import Gate
from kinetix.inference.samplers.sub_chains import Approximation, Walkers, shape_of, sub_chains

TRUE = stats.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]])


def net(shift=0.7, width=1.2, skew=0.0):
    """A net's posterior that is shifted, too wide and (with `skew`) of another shape, and log of exact over net."""
    law = stats.multivariate_normal([shift, -shift / 2], width**2 * np.array([[1.0, 0.4], [0.4, 1.0]]))

    def density(u):
        return np.atleast_1d(law.logpdf(u)) + skew * np.sin(2 * np.atleast_2d(u)[:, 0])

    rng = np.random.default_rng(11)
    u = law.rvs(40_000, random_state=rng)
    keep = rng.random(len(u)) < np.exp(skew * np.sin(2 * u[:, 0]) - abs(skew))
    return Approximation(density, u[keep][:8000]), lambda u: np.atleast_1d(TRUE.logpdf(u)) - density(u)


# corrections -----------------------------------------------------------------------------------------


def test_a_quadratic_is_found_and_no_more_than_the_data_tell():
    """Mutants seen to fail: in-sample errors, which choose a quadratic for noise; mixed terms left out."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=(60, 3)) * [1, 10, 0.1] + [0, 5, -2]
    quadratic = 3 + u[:, 0] - 0.2 * u[:, 1] * u[:, 0] + 40 * u[:, 2] ** 2
    found = Correction.of(u, quadratic)
    assert found.order == 2
    assert found.error < 1e-8
    inner = u[:5] * 0.5 + u.mean(axis=0) * 0.5
    assert np.allclose(found(inner), 3 + inner[:, 0] - 0.2 * inner[:, 1] * inner[:, 0] + 40 * inner[:, 2] ** 2)
    assert Correction.of(u, u[:, 1] + 0.01 * rng.normal(size=60)).order == 1
    noise = [Correction.of(u, rng.normal(size=60)).order for _ in range(50)]
    assert noise.count(0.0) >= 45
    assert Correction.of(u[:8], quadratic[:8]).order == 0


def test_a_correction_stays_finite_far_out_and_skips_impossible_places():
    """Mutant seen to fail: no reach, where the corrected posterior has no end."""
    rng = np.random.default_rng(1)
    u = rng.normal(size=(50, 2))
    values = np.where(np.arange(50) % 10 == 0, -np.inf, (u**2).sum(axis=1))
    found = Correction.of(u, values)
    assert found.order >= 1.5
    assert found(np.full((1, 2), 1e6))[0] < 40
    assert Correction.of(u, np.full(50, -np.inf))(u).tolist() == [0.0] * 50


# sub-chains ------------------------------------------------------------------------------------------


def left(ends):
    """The p-value that points come from the exact law: their distances from its centre are chi-squared, in 10 bins."""
    z = np.linalg.solve(np.linalg.cholesky(TRUE.cov), ends.T).T
    inner = stats.chi2(2).cdf((z**2).sum(axis=1))
    angle = np.arctan2(z[:, 1], z[:, 0]) / (2 * np.pi) + 0.5
    bins = (inner * 5).astype(int).clip(0, 4) * 4 + (angle * 4).astype(int).clip(0, 3)
    return stats.chisquare(np.bincount(bins, minlength=20)).pvalue


@pytest.mark.parametrize("steps", [2, 15])
def test_walkers_that_start_in_the_exact_law_stay_there(steps):
    """4,000 exact draws, three rounds under a net that is 0.7 sd off. Short sub-chains too: their ends are no draws.

    Mutants seen to fail: every end accepted; the correction left out of the acceptance; an irreversible
    sub-chain (drift to one side).
    """
    approximate, ratio = net(skew=0.4)
    rng = np.random.default_rng(2)
    u = TRUE.rvs(4000, random_state=rng)
    now, correction = Walkers(u, ratio(u)), Correction.of(u[:60], ratio(u[:60]))
    for _ in range(3):
        now, _, chance = now.moved(approximate, correction, ratio, steps, rng)
    assert 0.3 < chance.mean() < 0.999
    assert left(now.u) > 1e-3
    assert np.allclose(now.ratio, ratio(now.u))


def test_the_test_sees_a_wrong_rule():
    """Votes of two `cells` on every end, each by its half of the gain and its own uniform number: not the law."""
    approximate, ratio = net(skew=0.4)
    rng = np.random.default_rng(3)
    u = TRUE.rvs(4000, random_state=rng)
    nothing = Correction.of(u[:1], np.zeros(1))
    for _ in range(3):
        ends = approximate.walked(u, nothing, 15, rng)
        half = (ratio(ends) - ratio(u)) / 2
        votes = (np.log(rng.random((2, len(u)))) < half).sum(axis=0)
        u = np.where((votes > 0)[:, None], ends, u)
    assert left(u) < 1e-6


def test_estimates_are_as_good_as_they_say():
    """80 stages of 440 exact likelihoods: means and variances right, their errors those of `effective` draws.

    Mutants seen to fail: weights of ends alone; memory left out where sub-chains are two steps long.
    """
    approximate, ratio = net()
    scores, worth = [], []
    for k in range(80):
        rng = np.random.default_rng(100 + k)
        u = approximate.draws[rng.choice(8000, 50, replace=False)]
        stage = sub_chains(approximate, Walkers(u, ratio(u)), ratio, walkers=44, rounds=10, rng=rng)
        w, x = stage.weights.ravel(), stage.u.reshape(-1, 2)
        worth.append(stage.effective)
        scores.append(np.sqrt(stage.effective) * np.append(w @ x, (w @ x**2 - 1) / np.sqrt(2)))
    scores = np.array(scores)
    assert np.abs(scores.mean(axis=0)).max() < 5 / np.sqrt(80)
    assert np.all(scores.std(axis=0) < 1.3)
    assert np.all(scores.std(axis=0) > 0.7)
    assert np.median(worth) > 350


def test_sub_chains_that_remember_are_made_longer_and_count_for_less():
    approximate, ratio = net()
    rng = np.random.default_rng(4)
    u = approximate.draws[:50]
    narrow = Approximation(approximate.density, approximate.draws[:2000] * 0.02)
    stage = sub_chains(narrow, Walkers(u, ratio(u)), ratio, walkers=44, rounds=8, rng=rng)
    assert stage.memory > 0.3
    assert stage.steps > 60
    assert stage.effective < 250


def test_walkers_that_have_not_arrived_say_so():
    """Nets that lie 1 to 12 sd off: where a stage has no doubt its mean is right. Mutants seen to fail: no doubts
    (means 2 to 6 sd off were taken for right), rounds under a lost guide counted."""
    scores = []
    for shift in (1.0, 2.0, 3.0, 5.0, 8.0, 12.0):
        approximate, ratio = net(shift=shift)
        for k in range(4):
            rng = np.random.default_rng(k)
            u = approximate.draws[rng.choice(8000, 50, replace=False)]
            stage = sub_chains(approximate, Walkers(u, ratio(u)), ratio, walkers=44, rounds=10, rng=rng)
            if stage.doubt() is None:
                w, x = stage.weights.ravel(), stage.u.reshape(-1, 2)
                scores.append(np.sqrt(stage.effective) * np.append(w @ x, (w @ x**2 - 1) / np.sqrt(2)))
            else:
                assert shift > 1
    assert 4 <= len(scores) <= 12
    assert np.abs(scores).max() < 4.5


def test_weights_sum_to_one_and_belong_to_points_with_their_ratios():
    approximate, ratio = net()
    rng, asked = np.random.default_rng(5), []

    def counted(u):
        asked.append(len(u))
        return ratio(u)

    stage = sub_chains(
        approximate,
        Walkers(approximate.draws[:50], ratio(approximate.draws[:50])),
        counted,
        walkers=40,
        rounds=7,
        rng=rng,
    )
    assert sum(asked) == 280
    assert stage.weights.sum() == pytest.approx(1)
    assert stage.weights.min() >= 0
    assert np.allclose(stage.ratio.ravel(), ratio(stage.u.reshape(-1, 2)))


# choices ---------------------------------------------------------------------------------------------


def test_exact_likelihoods_are_used_up():
    for budget in (150, 450, 451, 1000):
        for ensembles in (2, 4):
            walkers, rounds = shape_of(budget, ensembles)
            assert walkers % ensembles == 0
            assert 0.9 * budget <= walkers * rounds <= budget


def test_the_way_that_promises_more_is_taken():
    def gate(share, ratios=np.zeros(50)):  # noqa: B008
        return Gate(np.arange(50), ratios, {"efficiency": share})

    assert not takes_sub_chains(gate(0.99), 500, "auto", 10_000)
    assert takes_sub_chains(gate(0.99), 500, "auto", 600)  # draws of chains that are worth few
    assert takes_sub_chains(gate(0.5), 500, "auto", 10_000)
    assert not takes_sub_chains(gate(0.5), 100, "auto", 10_000)
    assert takes_sub_chains(gate(0.99), 100, "sub-chains", 10_000)
    assert not takes_sub_chains(gate(0.1), 500, "reweighting", 10_000)
    assert not takes_sub_chains(gate(0.0, np.full(50, -np.inf)), 500, "sub-chains", 10_000)
