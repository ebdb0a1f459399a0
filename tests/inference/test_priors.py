"""Densities, quantiles and Jacobians against numerical integration and scipy.stats, which shares no code with them."""

import math
import tomllib

import numpy as np
import pytest
from scipy import integrate, stats

from kinetix.errors import SettingError
from kinetix.inference import priors
from kinetix.inference.priors import from_table, split_fixed, to_table

LAWS = {
    "uniform": (priors.uniform(0.5, 3), stats.uniform(0.5, 2.5)),
    "uniform from zero": (priors.uniform(0, 3), stats.uniform(0, 3)),
    "log_uniform": (priors.log_uniform(0.01, 10), stats.loguniform(0.01, 10)),
    "normal": (priors.normal(1, 2), stats.norm(1, 2)),
    "normal of rates": (priors.normal(1, 2, low=0), stats.truncnorm(-0.5, np.inf, 1, 2)),
    "normal in its tail": (priors.normal(-20, 2, low=0), stats.truncnorm(10, np.inf, -20, 2)),
    "normal from above": (priors.normal(1, 2, high=0), stats.truncnorm(-np.inf, -0.5, 1, 2)),
    "normal between": (priors.normal(1, 2, low=0, high=3), stats.truncnorm(-0.5, 1, 1, 2)),
    "log_normal": (priors.log_normal(0.3, 0.8), stats.lognorm(0.8, scale=math.exp(0.3))),
    "gamma": (priors.gamma(2.5, 0.7), stats.gamma(2.5, scale=0.7)),
    "gamma with a pole": (priors.gamma(0.6, 2), stats.gamma(0.6, scale=2)),
    "exponential": (priors.exponential(3), stats.expon(scale=3)),
    "half_normal": (priors.half_normal(2), stats.halfnorm(scale=2)),
    "beta": (priors.beta(2, 3), stats.beta(2, 3)),
    "beta with poles": (priors.beta(0.7, 0.6), stats.beta(0.7, 0.6)),
}
every = pytest.mark.parametrize(("prior", "oracle"), LAWS.values(), ids=LAWS.keys())
Q = np.array([1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999])


@every
def test_density_quantile_and_mass_are_those_of_the_law(prior, oracle):
    """Mutants seen to fail: gamma with a rate for its scale; truncation not renormalised."""
    x = oracle.ppf(Q)
    np.testing.assert_allclose(prior.quantile(Q), x, rtol=1e-8)
    np.testing.assert_allclose(prior.log_density(x), oracle.logpdf(x), rtol=1e-7, atol=1e-9)
    assert [prior.mass(-np.inf, v) for v in x] == pytest.approx(Q, rel=1e-7)
    assert prior.mass(x[2], x[4]) == pytest.approx(0.8)
    assert prior.mass(x[4], x[2]) == 0.0
    assert prior.mass(*prior.bounds()) == pytest.approx(1.0)
    assert prior.bounds() == pytest.approx(oracle.support())


@every
def test_density_on_the_unconstrained_scale_integrates_to_one_and_carries_the_same_mass(prior, oracle):
    """Mutants seen to fail: the Jacobian without the factor x of the logarithm, or without log(high - low)."""

    def density(u):
        return float(np.exp(prior.log_density(prior.from_unconstrained(u)) + prior.log_jacobian(u)))

    centre = float(prior.to_unconstrained(prior.quantile(0.5)))
    upper = float(prior.to_unconstrained(prior.quantile(0.8)))
    lower = integrate.quad(density, centre - 80, centre, limit=400, epsabs=1e-10)[0]
    between = integrate.quad(density, centre, upper, limit=400, epsabs=1e-10)[0]
    beyond = integrate.quad(density, upper, centre + 80, limit=400, epsabs=1e-10)[0]
    assert [lower, between, beyond] == pytest.approx([0.5, 0.3, 0.2], abs=1e-7)


@every
def test_unconstrained_scale_goes_there_and_back(prior, oracle):
    x = prior.quantile(Q)
    u = prior.to_unconstrained(x)
    np.testing.assert_allclose(prior.from_unconstrained(u), x, rtol=1e-10)
    step = 1e-3
    slope = (prior.from_unconstrained(u + step) - prior.from_unconstrained(u - step)) / (2 * step)
    np.testing.assert_allclose(prior.log_jacobian(u), np.log(slope), atol=1e-5)


@every
def test_far_ends_of_the_unconstrained_scale_stay_in_the_support_and_never_attract(prior, oracle):
    u = np.array([-800.0, -60.0, 60.0, 800.0])
    x = prior.from_unconstrained(u)
    low, high = prior.bounds()
    assert ((x >= low) & (x <= high)).all()
    with np.errstate(invalid="ignore"):
        value = prior.log_density(x) + prior.log_jacobian(u)
    assert (np.isnan(value) | (value < -5)).all()


@every
def test_samples_follow_the_law(prior, oracle):
    draws = prior.sample(np.random.default_rng(5), 20_000)
    assert draws.shape == (20_000,)
    observed, _ = np.histogram(oracle.cdf(draws), np.linspace(0, 1, 21))
    assert stats.chisquare(observed).pvalue > 1e-4


@every
def test_nothing_outside_the_support(prior, oracle):
    low, high = prior.bounds()
    outside = [v for v in (low - 1e-9, high + 1e-9) if np.isfinite(v)]
    assert (prior.log_density(outside) == -np.inf).all()
    assert prior.log_density(np.full((2, 3), float(oracle.median()))).shape == (2, 3)
    if not math.isfinite(high):
        assert prior.mass(1e300, np.inf) == 0.0


def test_scale_is_known():
    assert priors.log_uniform(1, 2).log_scale
    assert priors.log_normal(0, 1).log_scale
    assert not priors.uniform(1, 2).log_scale
    assert not priors.gamma(1, 2).log_scale


def test_fixed_values_are_told_apart():
    free, values = split_fixed({"a": priors.fixed(2.0), "b": priors.uniform(0, 1)})
    assert (list(free), values) == (["b"], {"a": 2.0})
    assert priors.fixed(2.0).bounds() == (2.0, 2.0)
    assert priors.fixed(2.0).mass(1, 2) == 1.0
    assert priors.fixed(2.0).mass(2.1, 3) == 0.0
    assert str(priors.log_uniform(0.01, 10)) == "log_uniform(0.01, 10)"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: priors.uniform(2, 2), "empty"),
        (lambda: priors.uniform(0, math.inf), "high = inf"),
        (lambda: priors.log_uniform(0, 1), "logarithm ends at 0"),
        (lambda: priors.log_uniform(2, 1), "empty"),
        (lambda: priors.log_uniform(math.nan, 1), "nan"),
        (lambda: priors.normal(0, 0), "sd > 0"),
        (lambda: priors.normal(0, 1, low=100), "without mass"),
        (lambda: priors.normal(0, 1, low=2, high=1), "empty"),
        (lambda: priors.log_normal(0, -1), "sigma > 0"),
        (lambda: priors.gamma(0, 1), "shape > 0"),
        (lambda: priors.exponential(math.nan), "exponential"),
        (lambda: priors.half_normal(-1), "sd > 0"),
        (lambda: priors.beta(1, 0), "both > 0"),
    ],
)
def test_impossible_laws_are_refused(make, words):
    with pytest.raises(SettingError, match=words):
        make()


def test_tables_are_read_and_written_back():
    text = """
[prior]
a = {log_uniform = [0.01, 10]}
b = {log_normal = {mu = 0, sigma = 1.5}}
c = 2
d = {exponential = 3}
e = {normal = [1, 2, 0]}
"""
    read = from_table(tomllib.loads(text)["prior"])
    assert read == {
        "a": priors.log_uniform(0.01, 10),
        "b": priors.log_normal(0, 1.5),
        "c": priors.fixed(2),
        "d": priors.exponential(3),
        "e": priors.normal(1, 2, low=0),
    }
    assert from_table(to_table(read)) == read


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "kon = {log_unifrom = [0.01, 10]}",
            "p.toml: \\[prior\\] kon: unknown prior 'log_unifrom'; did you mean 'log_un",
        ),
        ("kon = {weibull = [1, 2]}", "there are: uniform"),
        (
            "kon = {log_uniform = [0.01]}",
            "kon: log_uniform takes 2 numbers, not 1; write {log_uniform = \\[low, high\\]}",
        ),
        ("kon = {gamma = [1, 2, 3]}", "not 3"),
        ("kon = {uniform = {low = 1, hihg = 2}}", "no 'hihg'"),
        ("kon = {uniform = {low = 1}}", "misses 'high'"),
        ("kon = {log_uniform = [0, 10]}", "p.toml: \\[prior\\] kon: .*logarithm"),
        ("kon = {uniform = ['a', 2]}", "takes numbers, not 'a'"),
        ("kon = {uniform = [true, 2]}", "takes numbers, not True"),
        ("kon = [0.01, 10]", "is not a prior"),
        ("kon = {uniform = [1, 2], gamma = [1, 2]}", "is not a prior"),
        ("kon = nan", "nan"),
    ],
)
def test_wrong_tables_are_refused_by_file_and_key(line, words):
    with pytest.raises(SettingError, match=words):
        from_table(tomllib.loads(line), file="p.toml")
