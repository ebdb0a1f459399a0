"""R-hat, effective sample size and Pareto k against series whose autocorrelation is known."""

import numpy as np
import pytest
import scipy.stats

from kinetix.inference.diagnostics import (
    Diagnostics,
    autocorrelation_time,
    efficiency,
    ess_bulk,
    ess_tail,
    mass_at_edges,
    mcse_mean,
    pareto_smoothed,
    rhat,
    rhat_nested,
)


def autoregressive(phi, shape, seed, common=0.0):
    """AR(1) walkers [C, n, W] of unit variance; `common`: the share of the noise that an ensemble shares."""
    rng = np.random.default_rng(seed)
    C, n, W = shape
    x = np.empty(shape)
    x[:, 0] = rng.standard_normal((C, W))
    for t in range(1, n):
        noise = np.sqrt(1 - common) * rng.standard_normal((C, W)) + np.sqrt(common) * rng.standard_normal((C, 1))
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * noise
    return x


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_autocorrelation_time_and_ess_of_ar1(phi):
    """tau = (1 + phi)/(1 - phi). Mutant: ESS of the walkers flattened into one chain, which misses tau by W."""
    x = autoregressive(phi, (4, 1000, 10), seed=1)
    tau = (1 + phi) / (1 - phi)
    assert autocorrelation_time(x) == pytest.approx(tau, rel=0.15)
    assert ess_bulk(x) == pytest.approx(x.size / tau, rel=0.35)
    assert ess_bulk(x) < 1.15 * x.size / tau
    assert mcse_mean(x) == pytest.approx(np.sqrt(tau / x.size), rel=0.25)
    assert x.size / tau / 4 < ess_tail(x) < 1.6 * x.size / tau + 0.1 * x.size


def test_walkers_that_move_together_are_not_counted_as_independent():
    """With shared noise W walkers are worth about one; walkers as chains alone would say W times as much."""
    x = autoregressive(0.9, (4, 2000, 16), seed=2, common=1.0)
    assert ess_bulk(x) < 3 * 4 * 2000 / 19


def test_r_hat_of_good_and_bad_ensembles():
    x = autoregressive(0.5, (4, 500, 8), seed=3)
    assert rhat(x) < 1.01
    assert rhat_nested(x) < 1.01
    away = x.copy()
    away[0] += 0.5  # one ensemble elsewhere
    assert rhat(away) > 1.01
    assert rhat_nested(away) > 1.01
    drifting = x + np.linspace(0, 1, 500)[:, None]  # all ensembles drift alike: only the split sees it
    assert rhat(drifting) > 1.01
    wide = x.copy()
    wide[0] *= 3  # same mean, other spread: only the folded ranks see it
    assert rhat(wide) > 1.01


def test_stuck_walkers_lower_the_ess():
    """A walker that stands still in every ensemble agrees with R-hat over ensembles, not with the ESS."""
    x = autoregressive(0.5, (4, 500, 8), seed=4)
    healthy = ess_bulk(x)
    x[:, :, 0] = 1.0
    assert ess_bulk(x) < healthy / 10


def test_nothing_moved_is_not_converged():
    told = Diagnostics.of(np.ones((4, 100, 8, 1)), ["k"])
    assert told.worst_rhat == np.inf
    assert told.least_ess == 0
    assert not told.passes()


def test_diagnostics_of_two_parameters():
    x = np.stack([autoregressive(0.5, (4, 500, 8), s) for s in (5, 6)], axis=-1)
    told = Diagnostics.of(x, ["a", "b"])
    assert told.passes()
    assert not told.passes(ess=1e9)
    assert told.steps == 500
    assert list(told.rows()) == ["a", "b"]
    assert told.rows()["b"]["ess_bulk"] == ess_bulk(x[..., 1])


def test_pareto_k_of_known_tails():
    """Ratios exp(E / k') of exponential E have the tail index 1/k': weights of infinite variance are found out."""
    e = np.random.default_rng(7).exponential(size=4000)
    for k in (0.3, 0.9):
        assert pareto_smoothed(k * e)[1] == pytest.approx(k, abs=0.2)
    assert pareto_smoothed(0.3 * e)[1] < 0.7 < pareto_smoothed(0.9 * e)[1]


def test_pareto_smoothing_estimates_a_shifted_mean():
    x = np.random.default_rng(8).standard_normal(2000)
    shift = scipy.stats.norm.logpdf(x, 0.5, 1) - scipy.stats.norm.logpdf(x)
    weights, k = pareto_smoothed(shift)
    assert k < 0.7
    assert weights.sum() == pytest.approx(1)
    assert weights @ x == pytest.approx(0.5, abs=5 / np.sqrt(2000 * efficiency(weights)))
    assert efficiency(weights) == pytest.approx(np.exp(-(0.5**2)), abs=0.08)


def test_pareto_of_degenerate_weights():
    weights, k = pareto_smoothed(np.full(50, -3.0))
    assert k == -np.inf
    assert efficiency(weights) == pytest.approx(1)
    assert np.isnan(pareto_smoothed(np.arange(5.0))[1])
    weights, k = pareto_smoothed([-np.inf] * 30 + list(np.linspace(0, 1, 30)))
    assert weights[:30].max() < 1e-200
    assert np.isfinite(k)
    with pytest.raises(ValueError, match="not all -inf"):
        pareto_smoothed([-np.inf, -np.inf])


def test_mass_at_edges():
    draws = np.array([[0.001, 5.0], [0.5, 5.0], [0.6, 9.95], [0.7, 5.0]])
    assert mass_at_edges(draws, ["a", "b"], {"a": (0, 1), "b": (0, np.inf)}) == {"a": 0.25}
