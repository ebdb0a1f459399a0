"""Derivatives of log-probabilities by rates, against differences of high order and closed forms."""

import numpy as np
import pytest

from kinetix.expressions import symbol
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection import sensitivity, sensitivity_loops, sensitivity_numpy
from tests import exact

WEIGHTS = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
"""Central differences of order eight."""


def differences(solver, problem, theta, counts, axes, j):
    h = 2e-3 * abs(theta[j])
    steps = [m for k in WEIGHTS for m in (k, -k)]
    thetas = np.tile(theta, (len(steps), 1))
    thetas[:, j] += h * np.array(steps)
    found = solver.log_prob_batch(problem, thetas, counts, axes)
    weights = np.array([np.sign(m) * WEIGHTS[abs(m)] for m in steps]) / h
    return [weights @ column for column in found]


def hill():
    x, y = symbol("X"), symbol("Y")
    laws = [
        ("make", {}, {"X": 1}, symbol("a") / (1 + (y / symbol("K")) ** 2)),
        ("turn", {"X": 1}, {"Y": 1}, symbol("c") * x),
        ("die", {"Y": 1}, {}, symbol("d") * y),
    ]
    return exact.network({"X": 1, "Y": 0}, {"a": 4.0, "K": 2.5, "c": 1.0, "d": 0.7}, laws)


CASES = [
    (exact.autoregulation(), [0.7, 4.0], [np.array([[0, 3], [1, 8]]), np.array([[1, 12], [1, 0], [0, 30]])], (0, 1)),
    (exact.autoregulation(), [3.0], [np.array([[2], [15]])], (1,)),
    (hill(), [0.5, 6.0], [np.array([[1, 1]]), np.array([[2, 1], [0, 4]])], (0, 1)),
    (exact.dimerisation(start=6), [1.3], [np.array([[2, 2], [6, 0]])], (0, 1)),
]


@pytest.mark.parametrize("loops", [sensitivity_loops, sensitivity_numpy])
@pytest.mark.parametrize(("network", "times", "counts", "axes"), CASES)
def test_against_differences_of_order_eight(monkeypatch, loops, network, times, counts, axes):
    monkeypatch.setattr(sensitivity, "_loops", lambda: loops)
    problem = Problem.of(network, times)
    solver, theta = FSP(leak=1e-12), problem.theta
    which = list(range(len(network.parameters)))
    logs, slopes = solver.log_prob_gradient_batch(problem, theta[None], counts, axes, which)
    plain = solver.log_prob_batch(problem, theta[None], counts, axes)
    for k, rows in enumerate(counts):
        assert slopes[k].shape == (1, len(rows), len(which))
        assert np.allclose(logs[k], plain[k], atol=1e-8)
    for j in which:
        expected = differences(solver, problem, theta, counts, axes, j)
        for k in range(len(times)):
            assert np.allclose(slopes[k][0, :, j], expected[k], rtol=1e-5, atol=1e-6), network.parameters[j]


def test_birth_and_death_in_closed_form():
    """Poisson with mean m = b / d (1 - exp(-d t)): the slope of log p(x) by b is (x / m - 1) dm/db."""
    problem, x = Problem.of(exact.birth_death(5.0, 0.5), [1.5]), np.array([[0], [3], [11]])
    thetas = np.array([[5.0, 0.5], [2.0, 0.9]])
    _, (slopes,) = FSP(leak=1e-12, threads=2).log_prob_gradient_batch(problem, thetas, [x], (0,), [0])
    for (b, d), slope in zip(thetas, slopes, strict=True):
        share = (1 - np.exp(-d * 1.5)) / d
        assert np.allclose(slope[:, 0], (x[:, 0] / (b * share) - 1) * share, rtol=1e-8)


def test_large_windows_too():
    """A window of many rows, where the terms are factored."""
    problem = Problem.of(exact.toggle_switch(), [0.4])
    rows = [np.array([[1, 1, 12, 15], [0, 1, 10, 20]])]
    solver = FSP(leak=1e-10)
    _, (slopes,) = solver.log_prob_gradient_batch(problem, problem.theta[None], rows, (0, 1, 2, 3), [0, 2])
    for place, j in enumerate((0, 2)):
        (expected,) = differences(solver, problem, problem.theta, rows, (0, 1, 2, 3), j)
        assert np.allclose(slopes[0, :, place], expected, rtol=1e-5)
