"""Statistics of posteriors against numpy, and findings: each shown where it is deserved and only there."""

from dataclasses import replace

import numpy as np
import pytest

import kinetix as kx
from kinetix.errors import SettingError
from kinetix.inference.posterior import Posterior
from kinetix.inference.posteriors.misfits import STATISTICS, PredictiveCheck
from kinetix.inference.posteriors.summary import HEAD
from tests.exact import birth_death

GOOD = {"rhat": 1.001, "rhat_nested": 1.002, "ess_bulk": 1000.0, "ess_tail": 900.0, "mcse": 0.01}
C, N = 4, 2000
TIMES = np.repeat([1.0, 3.0], 10)


def made(draws=None, names=("birth", "death"), **fields):
    """A posterior in which nothing is wrong: birth near 5, death near 1, independent."""
    rng = np.random.default_rng(0)
    if draws is None:
        draws = np.stack([rng.normal(5, 0.2, (C, N)), rng.normal(1, 0.05, (C, N))], axis=-1)
    given = {
        "prior": {"birth": kx.prior.uniform(0, 20), "death": kx.prior.log_uniform(0.01, 100)},
        "data": kx.Observations.from_counts("X", TIMES, rng.poisson(4, 20)),
        "network": birth_death(5.0, 1.0),
        "likelihood": {"solver": "FSP"},
        "diagnostics": dict.fromkeys(names, GOOD),
        "converged": True,
    }
    return Posterior(names, draws, np.zeros(np.shape(draws)[:2]), **{**given, **fields})


def codes(posterior):
    return {finding.code for finding in posterior.check()}


# statistics -------------------------------------------------------------------------------------------


def test_statistics_without_weights_are_those_of_numpy():
    """Mutants: sd with n in place of n - 1; the smallest draw taken for the quantile 0."""
    found = made(np.random.default_rng(1).gamma(2.0, size=(C, 25, 2)))
    np.testing.assert_allclose(found.mean(), found.flat.mean(axis=0))
    np.testing.assert_allclose(found.sd(), found.flat.std(axis=0, ddof=1))
    q = [0.0, 0.05, 0.31, 0.5, 0.95, 1.0]
    np.testing.assert_allclose(found.quantile(q), np.quantile(found.flat, q, axis=0, method="hazen"))
    np.testing.assert_allclose(found.quantile(0.31), np.quantile(found.flat, 0.31, axis=0, method="hazen"))
    assert found.quantile([0.5]).shape == (1, 2)


def test_whole_weights_count_as_repeated_draws():
    """Weights 0 to 3 against numpy on draws so often repeated. Mutants: weights left out of mean, sd or quantile."""
    rng = np.random.default_rng(2)
    draws, repeats = rng.gamma(2.0, size=(C, 500, 2)), rng.integers(0, 4, (C, 500))
    found = made(draws, weights=repeats)
    plain = np.repeat(found.flat, repeats.ravel(), axis=0)
    w = found.flat_weights
    np.testing.assert_allclose(w.sum(), 1)
    np.testing.assert_allclose(found.mean(), plain.mean(axis=0))
    np.testing.assert_allclose(found.sd(), plain.std(axis=0) / np.sqrt(1 - w @ w))
    q = [0.05, 0.5, 0.95]
    gap = np.abs(found.quantile(q) - np.quantile(plain, q, axis=0, method="hazen"))
    assert gap.max() < 0.02
    inside = (plain <= found.quantile(0.3)).mean(axis=0)
    np.testing.assert_allclose(inside, 0.3, atol=2 / len(plain) * 3)


def test_draws_without_weight_do_not_exist():
    """A far draw of weight 0 moves nothing. Mutant: quantiles interpolated over weightless draws."""
    base = np.random.default_rng(3).normal(5, 1, (C, 50, 2))
    far = base.copy()
    far[:, ::2] = 1e6
    weights = np.tile([0.0, 1.0], (C, 25))
    a, b = made(far, weights=weights), made(base[:, 1::2])
    q = [0.0, 0.01, 0.5, 0.99, 1.0]
    np.testing.assert_allclose(a.quantile(q), b.quantile(q))
    np.testing.assert_allclose(a.mean(), b.mean())
    np.testing.assert_allclose(a.sd(), b.sd())
    assert a.uncorrected().mean()[0] > 1e5
    assert a.resample(1000, rng=np.random.default_rng(0)).max() < 100


def test_resampled_draws_come_as_often_as_their_weights_say():
    """Mutant: `p=` left out of the choice."""
    draws = np.arange(12.0).reshape(C, 3, 1)
    weights = np.arange(12.0).reshape(C, 3)
    found = made(draws, ("birth",), weights=weights)
    n = 20_000
    often = np.bincount(found.resample(n, rng=np.random.default_rng(5))[:, 0].astype(int), minlength=12)
    p = np.arange(12) / 66
    assert often[0] == 0
    assert np.all(np.abs(often - n * p)[1:] < 5 * np.sqrt(n * p * (1 - p))[1:])


def test_the_log_likelihood_is_the_density_without_the_priors():
    """Mutant: the prior added in place of taken away."""
    found = replace(made(), log_density=np.random.default_rng(0).normal(size=(C, N)))
    prior = sum(found.prior[n].log_density(found.draws[:, :, i]) for i, n in enumerate(found.names))
    np.testing.assert_allclose(found.log_likelihood + prior, found.log_density)


# findings ---------------------------------------------------------------------------------------------


def test_nothing_is_found_where_nothing_is_wrong():
    """The other side of all tests below. Mutants: any threshold at 0."""
    assert codes(made()) == set()
    assert made().trusted
    assert made().summary().warnings == ()


def wide(name, low, high):
    """Draws over all of [low, high] for one parameter."""
    found = made()
    draws = found.draws.copy()
    draws[:, :, found.names.index(name)] = np.random.default_rng(4).uniform(low, high, (C, N))
    return replace(found, draws=draws)


def edge(**fields):
    """Birth near 5 under a prior that ends at 4.7."""
    return made(prior={**made().prior, "birth": kx.prior.uniform(4.7, 30)}, **fields)


def tied(sign, times=TIMES):
    rng = np.random.default_rng(6)
    z, e = rng.normal(size=(2, C, N))
    draws = np.exp(0.1 * np.stack([z, sign * (z + 0.2 * e)], axis=-1)) * [5, 1]
    return made(draws, data=kx.Observations.from_counts("X", times, np.arange(20)))


def checked(z):
    """A predictive check in which the mean at the first time lies `z` sd away."""
    shape = (2, 1, len(STATISTICS))
    far, p = np.zeros(shape), np.full(shape, 0.5)
    far[0, 0, 0], p[0, 0, 0] = z, (1e-4 if z else 0.5)
    ends = {"observed": far + 4, "low": np.full(shape, 3.0), "high": np.full(shape, 5.0), "z": far, "p_value": p}
    shares = np.zeros((2, 1, 3))
    made_of = {"times": np.array([1.0, 3.0]), "species": ("X",), "cells": np.array([10, 10])}
    rest = {"replicated": np.zeros((2, 20, 1), dtype=np.int64), "replicates": 4000, "draws": 100}
    return PredictiveCheck(**made_of, **ends, shares_observed=shares, shares=np.zeros((3, 2, 1, 3)), **rest)


@pytest.mark.parametrize(
    ("code", "deserves", "element", "words"),
    [
        ("KX201", lambda: made(converged=False, diagnostics={}), "chains", "no diagnostics"),
        ("KX201", lambda: made(complete=False), "chains", "stopped"),
        ("KX202", edge, "birth", "end 4.7"),
        ("KX202", lambda: made(prior={**made().prior, "death": kx.prior.log_uniform(0.01, 1.1)}), "death", "end 1.1"),
        ("KX202", lambda: made(likelihood={"solver": "MET", "box": {"birth": [1, 5.4]}}), "birth", "training box"),
        (
            "KX202",
            lambda: edge(likelihood={"solver": "MET", "box": {"birth": [4.7, 30]}}),
            "birth",
            "end 4.7 of its prior",
        ),
        ("KX203", lambda: tied(+1), "birth, death", "birth / death (5"),
        ("KX203", lambda: tied(-1), "birth, death", "birth * death (5"),
        ("KX204", lambda: made(predictive=checked(7.0)), "mean of X at t = 1", "observed 11"),
        ("KX205", lambda: made(gate={"certified": False, "efficiency": 0.1}), "likelihood", "efficiency 10 %"),
        ("KX206", lambda: wide("birth", 1.0, 19.0), "birth", "% as wide as its prior"),
    ],
)
def test_each_finding_is_made_where_it_is_deserved_and_alone(code, deserves, element, words):
    """Mutants: each generator of `check_posterior` taken out; the log scale of `death` forgotten at its end."""
    found = deserves()
    assert codes(found) == {code}
    (finding,) = found.check()
    assert finding.element == element
    assert words in f"{finding.reason} {finding.mend}"


@pytest.mark.parametrize(
    ("code", "just_not"),
    [
        ("KX202", lambda: made(prior={**made().prior, "birth": kx.prior.uniform(4.0, 30)})),
        ("KX202", lambda: made(prior={**made().prior, "birth": kx.prior.gamma(2.0, 3.0)})),  # a half line has no edge
        ("KX202", lambda: made(likelihood={"solver": "MET", "box": {"birth": [0, 20]}})),
        ("KX203", lambda: tied(0)),
        ("KX204", lambda: made(predictive=checked(0.0))),
        ("KX205", lambda: made(gate={"certified": True})),
        ("KX205", lambda: made(gate={"certified": False, "corrected": True}, weights=np.ones((C, N)))),
        ("KX206", lambda: wide("birth", 5.0, 14.0)),
    ],
)
def test_no_finding_is_made_where_it_is_nearly_deserved(code, just_not):
    assert code not in codes(just_not())


def test_zero_bounds_every_rate_and_is_no_edge_unless_the_posterior_lies_on_it():
    """A uniform prior from 0: draws near 0.5 of 20 lie within 2 % of it; only those piled up on 0 count."""
    near = wide("birth", 0.3, 0.5)
    assert "KX202" not in codes(near)
    piled = replace(
        near, draws=np.abs(near.draws * [0, 1] + np.random.default_rng(0).normal(0, 0.1, (C, N, 2)) * [1, 0])
    )
    assert "KX202" in codes(piled)


def test_weights_decide_what_lies_at_an_edge():
    """Mutant: findings of the draws before their weights."""
    found = edge()
    away = np.where(found.draws[:, :, 0] > 5.3, 1.0, 0.0)
    assert "KX202" not in codes(replace(found, weights=away))


def test_one_time_in_a_steady_state_is_named_as_the_reason():
    (several,), (single,) = tied(1).check(), tied(1, np.full(20, 9.0)).check()
    assert "add times" in single.mend
    assert "steady state" in single.mend
    assert "other species or times" in several.mend


def test_errors_stand_before_warnings_and_many_misfits_are_counted():
    found = replace(tied(1), converged=False, predictive=checked(7.0)).check()
    severities = [f.severity for f in found]
    assert severities == sorted(severities, key=("error", "warning").index)
    check = checked(7.0)
    many = replace(check, p_value=np.full(check.p_value.shape, 1e-4), z=np.full(check.z.shape, 9.0))
    listed = made(predictive=many).check()
    assert listed[-1].reason == "2 more statistics are not explained"


# the summary ------------------------------------------------------------------------------------------


def test_the_summary_has_the_posteriors_own_numbers():
    """Mutants: the smaller R-hat shown; 5 % and 95 % exchanged."""
    found = made()
    rows = {row.name: row for row in found.summary().rows}
    row = rows["death"]
    assert (row.mean, row.sd) == (found.mean()[1], found.sd()[1])
    assert (row.q05, row.q50, row.q95) == tuple(found.quantile([0.05, 0.5, 0.95])[:, 1])
    assert (row.rhat, row.ess_bulk, row.ess_tail, row.mcse) == (1.002, 1000, 900, 0.01)
    head, *lines = str(found.summary()).split("\n")
    assert head.split() == " ".join(HEAD).split()
    assert lines[0].startswith("birth")
    assert lines[-1].startswith("8,000 draws of 4 chains; 20 cells at 2 times")


def test_weights_cost_effective_draws():
    """800 draws of equal weight from chains worth 1,000: both errors add up. Mutants: 1,000 shown, 800 shown."""
    kept = np.tile(np.arange(N) % 10 == 0, (C, 1))
    row = made(weights=kept * 1.0).summary().rows[0]
    assert row.ess_bulk == pytest.approx(1 / (1 / 800 + 1 / 1000))
    assert row.mcse == pytest.approx(0.01 * np.sqrt(1000 / row.ess_bulk))
    uneven = made(weights=np.where(kept, np.where(np.arange(N) % 20 == 0, 3.0, 1.0), 0.0)).summary().rows[0]
    assert uneven.ess_bulk == pytest.approx(1 / (1 / (800 * 0.8) + 1 / 1000))  # (3 + 1)^2 / (2 (9 + 1))


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"complete": False}, ["NOT COMPLETE"]),
        ({"converged": False}, ["NOT CONVERGED"]),
        ({"gate": {"certified": False, "reason": "the window is too large"}}, ["NOT CERTIFIED"]),
        ({"complete": False, "converged": False}, ["NOT COMPLETE", "NOT CONVERGED"]),
        ({"gate": {"certified": False, "corrected": True}, "weights": np.ones((C, N))}, []),
    ],
)
def test_verdicts_stand_above_the_numbers(change, lines):
    """Mutant: warnings below the table."""
    found = made(**change)
    text = str(found.summary()).split("\n")
    assert [line.split(":")[0] for line in text[: len(lines)]] == lines
    assert text[len(lines)].startswith("parameter")
    assert found.trusted == (not lines)
    if change.get("gate", {}).get("reason"):
        assert "the window is too large" in text[0]


def test_the_worst_parameter_is_named():
    """Mutant: the first parameter's numbers in place of the worst."""
    bad = {**GOOD, "rhat_nested": 1.3, "ess_tail": 12.0}
    (line,) = made(converged=False, diagnostics={"birth": GOOD, "death": bad}).summary().warnings
    assert "R-hat 1.300 of 'death'" in line
    assert "12 effective draws of 'death'" in line


# refusals and changes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"draws": np.zeros((C, N))}, "draws are"),
        ({"draws": np.zeros((C, N, 3))}, "draws are"),
        ({"draws": np.zeros((C, 0, 2))}, "draws are"),
        ({"log_density": np.zeros((C, 3))}, "log densities are"),
        ({"prior": {"birth": kx.prior.uniform(0, 1)}}, "no prior for 'death'"),
        ({"weights": np.ones((C, 3))}, "weights are"),
        ({"weights": -np.ones((C, N))}, "weights are"),
        ({"weights": np.zeros((C, N))}, "weights are"),
        ({"weights": np.full((C, N), np.nan)}, "weights are"),
    ],
)
def test_what_is_no_posterior_is_refused(fields, reason):
    with pytest.raises(SettingError, match=reason):
        replace(made(), **fields)


def test_weights_are_normalised_once():
    """A stored posterior keeps every bit. Mutant: divided by their sum again, which is 1 but for rounding."""
    for seed in range(20):
        once = made(weights=np.random.default_rng(seed).random((C, N)))
        assert once.weights.sum() == pytest.approx(1)
        assert np.array_equal(once.weights, replace(once, converged=False).weights)


def test_a_posterior_is_changed_by_a_new_one():
    found = made(gate={"certified": True, "corrected": True}, weights=np.ones((C, N)))
    assert found.corrected
    plain = found.uncorrected()
    assert plain.weights is None
    assert not plain.corrected
    assert plain.certified
    assert found.with_meta(seed=3).meta["seed"] == 3
    assert "seed" not in found.meta


def three(width):
    """a * b^2 / c is known to `width` in the logarithm, each of them within a factor of e or so."""
    rng = np.random.default_rng(5)
    logs = rng.normal(size=(C, N, 2))
    last = logs[..., 0] + 2 * logs[..., 1] - width * rng.normal(size=(C, N))
    names, prior = ("a", "b", "c"), dict.fromkeys("abc", kx.prior.log_uniform(1e-6, 1e6))
    return made(np.exp(np.concatenate([logs, last[..., None]], axis=-1)), names=names, prior=prior)


def test_ridges_of_three_parameters_are_named_by_what_is_fixed():
    """No two correlate beyond 0.95. Mutants seen to fail: pairs alone; exponents not divided by their spread."""
    found = [f for f in three(0.1).check() if f.code == "KX203"]
    assert [f.element for f in found] == ["a, b, c"]
    assert "a^0.5 * b * c^-0.5" in found[0].reason
    assert not [f for f in three(3.0).check() if f.code == "KX203"]


def test_the_summary_tells_how_much_was_learnt():
    """Uniform on 20 units: variance 400 / 12, of which a posterior sd of 0.2 leaves 0.1 %. Mutant: one scale."""
    first, second = made().summary().rows
    assert first.contraction == pytest.approx(1 - 0.2**2 / (400 / 12), abs=1e-4)
    log_prior = (4 * np.log(10)) ** 2 / 12
    assert second.contraction == pytest.approx(1 - 0.05**2 / log_prior, abs=1e-4)
    assert "contraction" in str(made().summary())
