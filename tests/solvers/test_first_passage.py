"""First passages: closed forms, and the same with bounds."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from kinetix.errors import SettingError
from kinetix.problem import Problem
from kinetix.solvers.first_passage import first_passage
from kinetix.solvers.fsp import FSP
from tests import exact


def test_the_fifth_birth_is_a_gamma_time():
    times = np.array([0.0, 0.5, 1.0, 3.0])
    found = first_passage(Problem.of(exact.birth_death(2.0, 0.0), times), lambda x: x[:, 0] >= 5)
    assert np.allclose(found.passed, scipy.stats.gamma.cdf(times, 5, scale=0.5), atol=1e-9)
    assert np.allclose(found.passed + found.survival, 1.0, atol=1e-9)
    assert (found.error < 2e-9).all()


def test_extinction_against_a_matrix_exponential():
    network = exact.network(
        {"X": 3}, {"b": 0.8, "d": 1.0}, [("birth", {"X": 1}, {"X": 2}, "b"), ("death", {"X": 1}, {}, "d")]
    )
    times, size = np.array([0.3, 1.0, 5.0]), 160
    generator = np.zeros((size, size))
    for n in range(1, size):
        generator[n, n] -= 1.8 * n
        generator[n - 1, n] += 1.0 * n
        if n + 1 < size:
            generator[n + 1, n] += 0.8 * n
    found = first_passage(Problem.of(network, times), lambda x: x[:, 0] == 0)
    for k, t in enumerate(times):
        assert abs(found.passed[k] - scipy.linalg.expm(generator * t)[0, 3]) < found.error[k] + 1e-10


def test_the_condition_may_return_after_it_was_met():
    """Passing 10 and falling back counts: the law at t alone would say less."""
    problem = Problem.of(exact.birth_death(8.0, 1.0), [1.0, 4.0])
    found = first_passage(problem, lambda x: x[:, 0] >= 10)
    law = FSP().solve(problem)
    above = [law.marginal("X", t)[10:].sum() for t in (1.0, 4.0)]
    assert (found.passed > np.array(above) + 0.01).all()


def test_two_species_and_quantiles():
    problem = Problem.of(exact.toggle_switch(), np.linspace(0.0, 1.0, 11))
    found = first_passage(problem, lambda x: x[:, 2] + x[:, 3] >= 20, solver=FSP(leak=1e-7))
    assert (np.diff(found.passed) >= 0).all()
    middle = found.quantile(0.5)
    assert abs(np.interp(middle, found.times, found.passed) - 0.5) < 1e-9
    with pytest.raises(SettingError, match="probability"):
        found.quantile(1.0)


def test_a_condition_of_another_shape_is_refused():
    with pytest.raises(SettingError, match="one truth value"):
        first_passage(Problem.of(exact.birth_death(), [1.0]), lambda x: x >= 3)
