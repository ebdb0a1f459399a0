"""Saturating factors in the moments and the prompts: against the gamma law that they stand for, and exact laws."""

import numpy as np
import pytest
import scipy.stats
import torch

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.problem import Problem
from kinetix.solvers.general import moment_kernel
from kinetix.solvers.general.family import SPECIES
from kinetix.solvers.general.laws import Laws
from kinetix.solvers.general.moments import linear_noise, moments
from kinetix.solvers.general.structure import Structure
from kinetix.solvers.general.terms import saturation, terms_of

NUMBERS = [
    (6.0, 4.0, 5.0, 1.0),
    (6.0, 9.0, 4.0, 2.0),
    (20.0, 30.0, 25.0, -2.0),
    (9.0, 12.0, 8.0, -1.0),
    (3.0, 2.0, 4.0, 1.6),
]
"""Mean and variance of a count, half and power."""


@pytest.mark.parametrize(("mean", "variance", "half", "power"), NUMBERS)
def test_means_and_slopes_are_those_of_the_gamma_law(mean, variance, half, power):
    """By quadrature, the slope as cov(n, factor) / variance; two points leave errors of some hundredths.

    Mutants seen to fail: the factor at the mean; equal weights; the slope at the mean.
    """
    law = scipy.stats.gamma(mean**2 / variance, scale=variance / mean)
    x = np.linspace(*law.ppf([1e-9, 1 - 1e-9]), 200_001)
    p = law.pdf(x) / law.pdf(x).sum()
    factor = saturation(x, half, power)
    value, slope = moment_kernel._saturated.py_func(mean, variance, half, power)
    expected = p @ factor
    at_mean = float(saturation(mean, half, power))
    assert abs(value - expected) < max(0.3 * abs(at_mean - expected), 0.004)
    assert slope == pytest.approx((p @ (factor * x) - mean * expected) / variance, rel=0.2)


def test_small_variances_give_the_derivative():
    """To the second order in the spread, and where there is none. Mutant seen to fail: a slope without the power."""
    for power in (2.0, -3.0):
        step = 1e-4
        up, down = saturation([7 + step, 7 - step], 5.0, power)
        for variance in (0.0, 0.02):
            value, slope = moment_kernel._saturated.py_func(7.0, variance, 5.0, power)
            assert slope == pytest.approx((up - down) / (2 * step), rel=3e-3)
            assert value == pytest.approx(float(saturation(7.0, 5.0, power)), abs=2e-3)


def test_next_to_nothing_a_rising_factor_goes_straight_to_nothing():
    """Means that an integration puts a little below 0 are not pushed further. Mutant seen to fail: a floor there."""
    below, slope = moment_kernel._saturated.py_func(-1e-3, 0.0, 5.0, 1.0)
    assert below < 0 < slope
    assert moment_kernel._saturated.py_func(-1e-3, 0.0, 5.0, -1.0) == pytest.approx((1.0, 0.0), abs=1e-3)


def batch_of(text, time, **values):
    network = kx.parse(text).replace(parameters=values)
    model = compile_network(network)
    return network, Structure.of(model).at(model.theta, model.initial, [time])


LOOP = """
species X = 2, Y = 0
-> X; k*K^h/(K^h + Y^h)
X -> ; d*X
X -> X + Y; b*X*M/(M + Y)
Y -> ; V*Y/(L + Y)
k = 20; K = 9; h = 2; d = 1; b = 3; M = 12; V = 20; L = 6
"""


@pytest.mark.parametrize("time", [0.3, 3.0])
def test_the_closure_of_a_repressed_gene_and_an_enzyme_is_near_the_exact_moments(time):
    """Nearer than linear noise, whose means are those of the rate equations. Mutants seen to fail: linear noise for
    the closure; covariances that the regulator's slope does not enter.
    """
    network, batch = batch_of(LOOP, time)
    exact = kx.FSP(leak=1e-9).solve(Problem.of(network, [time]))
    found, plain = moments(batch), linear_noise(batch)
    assert found.closed[0]
    deviations = np.sqrt(exact.covariance()[0].diagonal())
    error, other = (np.abs(m.means[0, :2].numpy() - exact.mean()[0]) / deviations for m in (found, plain))
    assert error.max() < 0.03
    assert error.max() < 0.7 * other.max()
    np.testing.assert_allclose(
        found.covariances[0, :2, :2], exact.covariance()[0], rtol=0.15, atol=0.15 * deviations.min() ** 2
    )


def test_what_an_enzyme_uses_up_is_gone():
    """Michaelis and Menten's decay to nothing: closed, to nothing. Mutant seen to fail: a floor under the count."""
    _, batch = batch_of("species X = 30\nX -> ; V*X/(K + X)\nV = 300\nK = 4", 1.0)
    for found in (moments(batch), linear_noise(batch)):
        assert float(found.means[0, 0]) < 1e-2
        assert float(found.covariances[0, 0, 0]) < 1e-2
    assert moments(batch).closed[0]


def test_the_prompt_expects_what_the_moments_do():
    """The laws at means and covariances, in torch, against the drift of the compiled equations. Mutants seen to fail:
    the factor at the mean; the covariance of factor and reactant left out; activation for repression.
    """
    _, batch = batch_of(LOOP, 1.0)
    rng = np.random.default_rng(3)
    root = rng.normal(size=(2, 2))
    m, c = np.array([6.0, 8.0]), root @ root.T + np.eye(2)
    means, spread = np.zeros((1, SPECIES)), np.zeros((1, SPECIES, SPECIES))
    means[0, :2], spread[0, :2, :2] = m, c
    expected = Laws.of(batch)(torch.from_numpy(means), torch.from_numpy(spread))[0, :4].numpy()
    drift = batch.change[0, :4, :2].T @ expected
    dm, dc, slopes = np.zeros(2), np.zeros((2, 2)), np.zeros((2, 2))
    tables = (np.minimum(batch.reactants[0, :4], 2), batch.rates[0], batch.change[0, :4, :2])
    saturating = batch.regulators[0], batch.halves[0], batch.powers[0]
    moment_kernel._slope(*(np.ascontiguousarray(t[:4]) for t in (*tables, *saturating)), m, c, True, dm, dc, slopes)
    np.testing.assert_allclose(drift, dm, rtol=1e-12)


@pytest.mark.parametrize(
    ("law", "number"),
    [
        ("V*A/(K + A)", 1),
        ("V*A^h/(K^h + A^h)", 1),
        ("V/(1 + (A/K)^h)", 1),
        ("V*(A/K)^2/(1 + (A/K)^2)", 1),
        ("k + V*A^2/(K^2 + A^2)", 2),
        ("k*A*B/(K + B)", 1),
        ("k*A*(0.1 + 0.9/(1 + B/K))", 2),
        ("V*(1 - A/(K + A))", 1),
        ("A*(A - 1)*k/(K + A)", 1),
        ("k*(A + B)", 2),
        ("k*(3 - A)*V/(K + B)", 1),
        ("V*A/(K*(1 + A/K))", 1),
        ("2*(3 - A)*k", 1),
        ("k*(A + 1)", 2),
        ("k*(1 + h*A)", 2),
        ("V*A^(h - k + 4)/(K^(h - k + 4) + A^(h - k + 4))", 1),
    ],
)
def test_a_law_is_the_sum_of_its_terms(law, number):
    """At counts and rates drawn at random, against the law itself. Mutants seen to fail: a numerator left in place
    beside the rising factor; a falling factor without its constant; (K^h)^(1/h) taken for K^h.
    """
    network = kx.parse(f"species A = 1, B = 2\n -> A; {law}\nB -> ; k*K*V*h*B\nk = 1\nK = 3\nV = 2\nh = 2")
    model, rng = compile_network(network), np.random.default_rng(5)
    symbols = {s.name: s for s in network.propensities[0].free_symbols | network.propensities[1].free_symbols}
    found = terms_of(network.propensities[0], {symbols[name]: s for s, name in enumerate("AB") if name in symbols})
    assert len(found) == number
    for _ in range(20):
        counts, theta = rng.integers(0, 4, 2), rng.uniform(0.5, 3, len(model.theta))
        values = {symbols[name]: v for name, v in zip(network.theta_names, theta, strict=True)}
        total = 0.0
        for term in found:
            part = float(term.coefficient.subs(values))
            for factor in term.factors:
                part *= factor.offset + factor.slope * counts[factor.species]
            if term.regulator is not None:
                half, power = float(term.half.subs(values)), float(term.power.subs(values))
                sign = 1 if term.rises else -1
                part *= float(saturation(float(counts[term.regulator]), half, sign * power))
            total += part
        assert total == pytest.approx(model.propensities(counts[None], theta[None])[0, 0], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "law",
    [
        "k*A/(4 - A^h)", "k/(9 - A^3)", "k/(A^3 - 9)", "k/(1 + (K/A)^h)", "k*A/(K + A)*B/(K + B)",
        "k/(K + A + B)", "k*K^(-A)",
        "*".join(f"(A + B + {n})" for n in range(9)), "k*A/(K + A)^2",
    ],
)  # fmt: skip
def test_other_laws_are_no_sums_of_terms(law):
    """One with thousands of addends is given up at once. Mutant seen to fail: signs of levels not looked at."""
    network = kx.parse(f"species A = 1, B = 2\n -> A; {law}\nB -> ; k*K*h*B\nk = 1\nK = 3\nh = 2")
    symbols = {s.name: s for reaction in network.propensities for s in reaction.free_symbols}
    assert terms_of(network.propensities[0], {symbols["A"]: 0, symbols["B"]: 1}) is None
