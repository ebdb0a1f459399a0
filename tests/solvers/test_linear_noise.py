"""The linear noise approximation: exact for first-order networks, right in the limit of large volumes."""

import numpy as np
import pytest
import scipy.linalg
import sympy

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.distribution import Moments, Sampled
from kinetix.errors import RunError, UnsupportedFeature
from kinetix.events import Event
from kinetix.expressions import TIME, symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species
from kinetix.problem import Problem
from tests import exact

from .moving_models import NEVER, K, X, growth, model

TIMES = [0.0, 0.3, 2.0, 9.0]


def solved(network, times=TIMES, **question):
    return kx.solve(network, times, solver="linear-noise", seed=1, **question)


def second_moments(network, time):
    """Covariances [S, S] at `time` of a network of first order, by the matrix exponential of all moments at once.

    The state is (1, means, E[x x']); laws are `base + slopes x`. Shares no code with the solver.
    """
    compiled = compile_network(network)
    size = len(network.species)
    base = compiled.propensities(np.zeros(size), compiled.theta)
    slopes = (compiled.propensities(np.eye(size), compiled.theta) - base).T  # [R, S]
    total = 1 + size + size * size
    generator = np.zeros((total, total))
    pair = lambda i, j: 1 + size + i * size + j  # noqa: E731
    for change, b, a in zip(compiled.change, base, slopes, strict=True):
        for i in range(size):
            generator[1 + i, 0] += change[i] * b
            generator[1 + i, 1 : 1 + size] += change[i] * a
            for j in range(size):
                row = generator[pair(i, j)]
                row[0] += change[i] * change[j] * b
                row[1 : 1 + size] += change[i] * change[j] * a
                row[1 + i] += change[j] * b
                row[1 + j] += change[i] * b
                for k in range(size):
                    row[pair(i, k)] += change[j] * a[k]
                    row[pair(k, j)] += change[i] * a[k]
    start = compiled.initial.astype(float)
    begin = np.concatenate([[1.0], start, np.outer(start, start).ravel()])
    end = scipy.linalg.expm(generator * time) @ begin
    means = end[1 : 1 + size]
    return end[1 + size :].reshape(size, size) - np.outer(means, means)


@pytest.mark.parametrize(
    "network",
    [
        exact.birth_death(2.0, 0.5, 3),
        exact.telegraph(0.5, 1.0, 5.0),
        exact.gene_expression(),
        exact.cascade(5),
        exact.network({"A": 7, "B": 0}, {"k": 1.0}, [("f", {"A": 1}, {"B": 2}, "k"), ("b", {"B": 1}, {}, "k")]),
    ],
    ids=lambda n: n.name,
)
def test_first_order_networks_are_exact(network):
    """Mutants seen to fail: the noise without its square of changes; J C without its transpose; rates halved."""
    solution = solved(network)
    compiled = compile_network(network)
    means = np.array([exact.first_order_means(compiled, t) for t in TIMES])
    np.testing.assert_allclose(solution.mean(), means, rtol=1e-6, atol=1e-9)
    spread = np.array([second_moments(network, t) for t in TIMES])
    np.testing.assert_allclose(solution.covariance(), spread, rtol=1e-6, atol=1e-7)


def test_a_birth_that_follows_the_time_stays_poisson():
    """X' = 1 + sin t from 0: variance = mean = t + 1 - cos t. Mutant: noise at the rate of time 0."""
    times = np.array([0.0, 1.0, 7.0])
    solution = solved(growth(K * (1 + sympy.sin(TIME))), times)
    expected = times + 1 - np.cos(times)
    np.testing.assert_allclose(solution.mean("X"), expected, rtol=1e-7)
    np.testing.assert_allclose(solution.covariance("X"), expected, rtol=1e-7)


def test_a_birth_for_a_moment_stays_poisson():
    """Made at k from 3 to 4 only. Mutant: the pulse stepped over."""
    law = sympy.Piecewise((K, sympy.And(TIME >= 3, TIME < 4)), NEVER)
    solution = solved(growth(law, 7.0), [2.0, 3.5, 50.0])
    np.testing.assert_allclose(solution.covariance("X"), [0, 3.5, 7.0], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("volume", "allowed"), [(25, 0.04), (100, 0.01)])
def test_large_volumes_approach_the_exact_law(volume, allowed):
    """Pairs 2 X -> 0 at k X(X-1)/V and births at k V: errors fall like 1/V. Mutant: changes of 1 instead of 2."""
    v = sympy.Integer(volume)
    network = model({"X": volume}, {"k": 1.0}, [({}, {"X": 1}, 2 * K * v), ({"X": 2}, {}, K * X * (X - 1) / v)])
    times = [0.3, 1.5]
    near, law = solved(network, times), kx.solve(network, times, solver="fsp")
    np.testing.assert_allclose(near.mean(), law.mean(), rtol=allowed)
    np.testing.assert_allclose(near.covariance(), law.covariance(), rtol=allowed)


def test_the_covariance_of_the_start_is_carried():
    """X decays from a law of variance V: p^2 V + p (1 - p) m. Mutant: a start without spread."""
    network = exact.network({"X": 5}, {"k": 1.0}, [("d", {"X": 1}, {}, "k")])
    p = np.exp(-0.7)
    drawn = Sampled(np.array([[2], [4], [9]]))
    for start in (drawn, Moments(np.array([5.0]), np.array([[26 / 3]]))):
        solution = solved(network, [0.0, 0.7], initial=start)
        np.testing.assert_allclose(solution.covariance("X"), [26 / 3, p * p * 26 / 3 + p * (1 - p) * 5], rtol=1e-7)


def test_named_quantities_carry_their_covariance():
    """Linear ones exactly, others to first order. Mutants: a volume not squared; values in place of slopes."""
    network = ReactionNetwork(
        [Species("X", 9, "c"), Species("Y", 0, "c")],
        [Parameter("k", 1.0)],
        [Reaction("t", {"X": 1}, {"Y": 1}, K * X)],
        constants=[Parameter("c", 4.0, "compartment")],
        variables={"both": X + 3 * symbol("Y"), "square": X**2},
    )
    solution = solved(network, [0.5])
    law = kx.solve(network, [0.5], solver="fsp")
    for first, second in (("X", "Y"), ("[X]", "[X]"), ("[X]", "Y"), ("both", "X"), ("both", "both"), ("k", "X")):
        np.testing.assert_allclose(solution.covariance(first, second), law.covariance(first, second), atol=1e-7)
    (mean,), (variance,) = solution.mean("X"), solution.covariance("X")
    np.testing.assert_allclose(solution.covariance("square"), [4 * mean**2 * variance], rtol=1e-9)


def test_what_it_cannot_say_is_refused_by_name():
    event = Event("e", TIME >= 1, {"X": sympy.Integer(0)})
    for network, text in (
        (growth(events=[event]), "linear-noise cannot run this model: e: an event sets X"),
        (growth(sympy.Piecewise((K, X < 5), NEVER)), r"'r0': its law switches on counts \(X < 5\)"),
        (growth(sympy.floor(X) + 1), r"'r0': its law switches on counts \(floor\(X\)\)"),
        (model({f"X{i}": 1 for i in range(81)}, {}), "81 species have too many covariances"),
    ):
        with pytest.raises(UnsupportedFeature, match=text):
            solved(network)
    with pytest.raises(RunError, match=r"the rate of reaction 'r0' is -.*counts are too small for linear-noise"):
        solved(model({"X": 5}, {"k": 1.0}, [({"X": 2}, {}, K * X * (X - 1)), ({"X": 1}, {}, K * X)]), [9.0])
    with pytest.raises(UnsupportedFeature, match="means and covariances only, no probabilities"):
        solved(growth()).marginal("X", 2.0)


def test_the_answer_survives_the_disk(tmp_path):
    """Mutant: the spread not stored."""
    solution = solved(exact.telegraph())
    solution.save(tmp_path / "a.nc")
    back = kx.open(tmp_path / "a.nc")
    assert np.array_equal(back.covariance(), solution.covariance())
    assert np.array_equal(back.mean(), solution.mean())
    assert back.thetas is None


def test_stiff_networks_and_many_species_take_seconds():
    """Mutant: no Jacobian of the covariances in stiff steps."""
    network = exact.network(
        {"A": 50, "B": 0, "C": 0},
        {"fast": 1e4, "slow": 0.1},
        [("f", {"A": 1}, {"B": 1}, "fast"), ("b", {"B": 1}, {"A": 1}, "fast"), ("s", {"B": 1}, {"C": 1}, "slow")],
    )
    solution = kx.solve(network, [20.0], solver="linear-noise")
    p = solution.mean()[0] / 50
    np.testing.assert_allclose(solution.covariance()[0], 50 * (np.diag(p) - np.outer(p, p)), rtol=1e-6)
    assert solution.meta["steps"] < 3000
    problem = Problem.of(exact.cascade(25), [1.0])
    assert kx.LinearNoise().solve(problem, rng=np.random.default_rng(1)).meta["cpu_seconds"] < 20


def test_a_power_with_a_gap_in_its_derivative():
    """X**n at X = 0, whose derivative is written n*X**n/X. Mutant seen to fail: the gap's NaN taken for the slope."""
    n = symbol("n")
    network = model({"X": 0, "Y": 0}, {"k": 1.0, "n": 2.0}, [({}, {"X": 1}, K), ({}, {"Y": 1}, X**n)])
    solution = solved(network, [3.0])
    np.testing.assert_allclose(solution.mean()[0], [3, 9], rtol=1e-6)
    np.testing.assert_allclose(solution.covariance("X", "Y"), [18.0], rtol=1e-6)  # its slope is 2 X var(X) = 2 t^2
