"""Projection on lists of states: against boxes, and on systems that fill none."""

import numpy as np
import pytest

from kinetix.compiler import compile_network
from kinetix.distribution import Distribution, mean
from kinetix.errors import RunError, TruncationError
from kinetix.expressions import symbol
from kinetix.listed import Listed
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection import quiet
from kinetix.solvers.projection.frame import Start
from kinetix.solvers.projection.roaming import Roaming
from tests import exact

FLAG = np.zeros(1, dtype=np.int64)


def roam(network, times, leak=1e-8, most=100_000):
    model = compile_network(network)
    start = Start.of(Problem.of(model, times).initial)
    return Roaming(model, model.theta, leak, most, 1e11).laws(start, np.asarray(times), FLAG)


@pytest.mark.parametrize("network", [exact.autoregulation(), exact.cascade(3), exact.dimerisation(start=7)])
def test_lists_agree_with_boxes(network):
    times = [0.05, 1.0, 6.0]
    found, reference = roam(network, times), FSP(leak=1e-11).solve(Problem.of(network, times))
    for k, t in enumerate(times):
        p = np.exp(reference.log_prob(found.counts[k], t))
        missing = 1.0 - p.sum()
        assert np.abs(p - found.laws[k]).sum() + missing <= 2 * found.error[k] + reference.error + 1e-12
        assert found.lost[k] <= 1.02e-8
        assert found.error[k] <= 1.1e-8


def test_many_species_of_low_counts_are_solved_on_a_list():
    """The MAPK cascade of sixteen species: its box has more than 1e9 states, the law some thousands."""
    network = exact.mapk16()
    times = [2.0, 20.0]
    rough, fine = (FSP(leak=leak).solve(Problem.of(network, times)) for leak in (1e-4, 1e-7))
    assert fine.error < 1.1e-7
    assert fine.meta["states"] < 20_000
    for k, t in enumerate(times):
        law = rough.law(t)
        assert isinstance(law, Listed)
        assert isinstance(law, Distribution)
        p = np.exp(fine.log_prob(law.counts, t))
        assert np.maximum(p - law.p, 0).sum() + (1 - p.sum()) <= rough.error + fine.error
        phosphatase = fine.mean()[k][[1, 10, 11, 12, 13, 14, 15]]
        assert abs(phosphatase.sum() - 1.0) < 1e-6
    # while S2 has not decayed or been made much: S0 is born at 0.001 + 0.005 E[S5], and decays at 0.15 when free
    assert 0 < fine.mean("S0")[1] < 0.01


def test_refusals():
    with pytest.raises(TruncationError, match="a list of at least"):
        roam(exact.cascade(6), [5.0], most=2_000)
    eat = exact.network({"A": 2}, {"k": 1.0}, [("eat", {"A": 1}, {}, symbol("k"))])
    with pytest.raises(RunError, match="'eat' has the propensity 1 there"):
        roam(eat, [1.0])


def test_a_listed_law_has_the_face_of_all_laws():
    law = Listed(np.array([[0, 2], [1, 0], [1, 2]]), np.array([0.2, 0.3, 0.5]))
    assert np.allclose(mean(law), [0.8, 1.4])
    assert np.allclose(np.exp(law.log_prob([[1, 2], [5, 5]])), [0.5, 0.0])
    assert np.allclose(law.marginal([1]).table(), [0.3, 0.0, 0.7])
    assert law.table()[1, 0] == 0.3
    draws = law.sample(20_000, rng=np.random.default_rng(0))
    assert np.abs(draws.mean(axis=0) - [0.8, 1.4]).max() < 0.03
    assert law.dimension == 2


def test_likelihoods_of_many_species_are_those_of_the_laws():
    """The MAPK cascade: an observed subset, the rest summed out, each rate vector on lists of its own.

    Rows off the list are less likely than what may be lost. Mutant: the rows of the last time weighed at all times.
    """
    problem = Problem.of(exact.mapk16(), [1.0, 4.0])
    thetas = problem.theta * np.array([[1.0], [1.5]])
    axes, solver = [10, 0], FSP(leak=1e-6, threads=2)
    rows = [np.array([[1, 0], [0, 0], [1, 50]]), np.array([[0, 0]])]
    found = solver.log_prob_batch(problem, thetas, rows, axes)
    assert np.isneginf(found[0][:, 2]).all()
    for b, theta in enumerate(thetas):
        solution = solver.solve(Problem(problem.model, problem.times, theta, problem.initial))
        for k in range(2):
            assert np.array_equal(found[k][b], solution.laws[k].marginal(axes).log_prob(rows[k]))


def test_likelihoods_on_lists_and_boxes_agree(monkeypatch):
    """Six species whose box is small: by boxes, by lists where it is called large, and with one of each."""
    problem = Problem.of(exact.cascade(6), [0.02])
    thetas, rows = problem.theta * np.array([[1.0], [1.2]]), [np.array([[0, 0], [1, 0]])]
    reference = FSP().log_prob_batch(problem, thetas, rows, [0, 1])
    monkeypatch.setattr(quiet, "LARGE_BOX", 1)
    (lists,) = FSP().log_prob_batch(problem, thetas, rows, [0, 1])
    assert np.abs(np.exp(lists) - np.exp(reference[0])).max() < 3e-9
    assert not np.array_equal(lists, reference[0])
    with pytest.raises(TruncationError, match="a list of at least"):
        FSP(max_states=3).log_prob_batch(problem, thetas, rows, [0, 1])
