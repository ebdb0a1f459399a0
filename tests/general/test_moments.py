"""The moments that the general model starts from, and what no reaction changes."""

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.problem import Problem
from kinetix.solvers.general.family import Batch
from kinetix.solvers.general.moments import moments
from kinetix.solvers.general.structure import Structure
from kinetix.solvers.general.totals import totals
from tests import exact

LINEAR = [
    (exact.birth_death(), 3.0),
    (exact.gene_expression(), 5.0),
    (exact.telegraph(), 0.3),
    (exact.telegraph(), 4.0),
]


def batch_of(network, time, **changes):
    model = compile_network(network)
    return Structure.of(model).at(model.theta, model.initial, [time])


def exact_moments(network, time):
    law = kx.FSP(leak=1e-11).solve(Problem.of(network, [time]))
    return law.mean()[0], law.covariance()[0]


@pytest.mark.parametrize(("network", "time"), LINEAR)
def test_first_order_networks_get_their_exact_moments(network, time):
    """To the error of the steps. Mutants seen to fail: noise of half the size; steps of the first order."""
    found, own = moments(batch_of(network, time)), len(network.species)
    mean, covariance = exact_moments(network, time)
    np.testing.assert_allclose(found.means[0, :own], mean, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.covariances[0, :own, :own], covariance, rtol=1e-3, atol=1e-3)
    assert found.closed[0]


def test_what_has_died_out_is_still_closed():
    """Species that fell from tens to nothing: errors of the integration are no reason to leave the closure."""
    laws = [("a", {"A": 1}, {"B": 1}, "k"), ("b", {"B": 1}, {}, "d"), ("c", {"A": 1}, {}, "d")]
    network = exact.network({"A": 26, "B": 11}, {"k": 30.0, "d": 60.0}, laws)
    found = moments(batch_of(network, 1.0))
    assert found.closed[0]
    assert float(found.means[0].abs().max()) < 1e-2
    assert float(found.covariances[0].abs().max()) < 2e-2


@pytest.mark.parametrize("time", [0.1, 2.0])
def test_the_closure_knows_that_two_of_a_kind_need_two(time):
    """Means of a dimerisation that the rate equations miss: n (n - 1), and the spread, count."""
    network = exact.dimerisation(start=6)
    mean, covariance = exact_moments(network, time)
    found = moments(batch_of(network, time))
    np.testing.assert_allclose(found.means[0, :2], mean, rtol=0.03)
    plain = kx.solve(network, [time], solver="mean-field").mean()[0]
    assert (np.abs(found.means[0, :2].numpy() - mean) < 0.5 * np.abs(plain - mean)).all()
    assert float(found.covariances[0, 0, 0]) == pytest.approx(covariance[0, 0], rel=0.25)


def test_where_the_closure_fails_the_linear_noise_approximation_stands_in():
    """Two genes that shut each other off: the closure's covariances are none at some rates; nothing is NaN."""
    rng = np.random.default_rng(0)
    model = compile_network(exact.autoregulation())
    thetas = model.theta * np.exp(rng.uniform(-3, 3, (400, len(model.theta))))
    batch = Structure.of(model).at(thetas, np.tile(model.initial, (400, 1)), np.exp(rng.uniform(-3, 3, 400)))
    found = moments(batch)
    assert 0 < int((~found.closed).sum()) < 200
    assert torch.isfinite(found.means).all()
    values = torch.linalg.eigvalsh(found.covariances)
    assert (values[:, 0] >= -1e-5 * values[:, -1].clamp(min=1.0)).all()


def test_a_closure_that_runs_away_is_left():
    """X + Y -> 2 X against decay: third cumulants left out, the variances grow without end. Mutant seen to fail:
    whatever is finite taken."""
    laws = [("grow", {"X": 1, "Y": 1}, {"X": 2}, "a"), ("decay", {"X": 1}, {}, "d"), ("feed", {}, {"Y": 1}, "f")]
    network = exact.network(
        {"X": 0, "Y": 12}, {"a": 0.7, "d": 5.0, "f": 0.7, "in": 1.0}, [*laws, ("in", {}, {"X": 1}, "in")]
    )
    _, covariance = exact_moments(network, 1.0)
    found = moments(batch_of(network, 1.0))
    assert (found.covariances[0, :2, :2].diagonal().numpy() < 40 * covariance.diagonal()).all()
    assert (found.covariances.diagonal(dim1=1, dim2=2) <= 256 * found.means + 1e-6).all()


def test_what_grows_beyond_all_counts_stays_finite():
    """Mutant seen to fail: variances as they come."""
    network = exact.network({"X": 1}, {"k": 12.0}, [("double", {"X": 1}, {"X": 2}, "k")])
    found = moments(batch_of(network, 1.0))
    assert not found.closed[0]
    assert float(found.means[0, 0]) <= 1e4
    assert float(found.covariances[0, 0, 0]) <= 256 * float(found.means[0, 0]) + 1e-6


def test_what_one_problem_gets_does_not_depend_on_the_others():
    network = exact.autoregulation()
    model, rng = compile_network(network), np.random.default_rng(1)
    thetas = model.theta * np.exp(rng.uniform(-1, 1, (300, len(model.theta))))
    batch = Structure.of(model).at(thetas, np.tile(model.initial, (300, 1)), np.ones(300))
    whole, one = moments(batch), moments(batch[[299]])
    torch.testing.assert_close(whole.covariances[299:], one.covariances, rtol=1e-9, atol=1e-12)


def test_conserved_sums_are_found():
    """The gene and its complement; monomers and twice the dimers. Mutants seen to fail: weights of 1 alone; the sum
    of another start."""
    gene = batch_of(exact.autoregulation(), 1.0)
    dimer = batch_of(exact.dimerisation(start=20), 1.0)
    found = totals(Batch.joined([gene, dimer]))
    np.testing.assert_array_equal(found.weights[:, 0], [[1, 0, 1, 0, 0, 0], [1, 2, 0, 0, 0, 0]])
    np.testing.assert_array_equal(found.sums[:, 0], [1, 20])
    np.testing.assert_array_equal(found.bounds, [[1, -1, 1, -1, -1, -1], [20, 10, -1, -1, -1, -1]])
    assert not found.weights[:, 1:].any()
