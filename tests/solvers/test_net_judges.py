"""The judges of the figures of nets agree with the certificate, and with what is known of a law."""

import numpy as np
import pytest
from scipy.stats import poisson

import kinetix as kx
from kinetix.solvers.nets.held_out import held_out
from kinetix.space import StateSpace
from tests.benchmarks import net_judges as judges
from tests.benchmarks.net_baseline import at_equal_cpu, smoothed

PAIR = """
model pair
  species X = 0, Y = 0
  -> X; mass_action(b)
  X -> Y; mass_action(c)
  Y -> ; mass_action(d)
  b = 4; c = 1; d = 1
end
"""


@pytest.fixture(scope="module")
def net():
    settings = kx.MET(width=32, layers=1, held_out=6)
    return settings.train(kx.parse(PAIR), times=(0, 4), box={"b": (2, 6)}, budget_steps=300, seed=1)


def test_poisson_laws_are_those_of_the_certificate(net):
    """Mutants: means at another start; marginals that begin at the wrong count."""
    found = []
    for k, context in enumerate(held_out(net.domain, 6)):
        own, laws = judges.stated(net, context, k), judges.poisson_laws(net.network, context)
        found.append([judges.distance(own.marginal(j), laws[s]) for j, s in enumerate(net.net.layout.species)])
    for j, s in enumerate(net.net.layout.species):
        name = net.network.species_names[s]
        assert np.mean(found, axis=0)[j] == pytest.approx(net.certificate["species"][name]["mean"], abs=5e-4)


def test_trajectories_judge_pairs_and_likelihoods(net):
    """X and Y are independent here: the product of marginals is the law. Mutants: axes of a pair swapped; no floor."""
    context = held_out(net.domain, 6)[0]
    paths = judges.trajectories(net.network, context, 50_000, 3)
    found = judges.against_paths(net, context, 0, paths)
    means = judges.moments_by_ode(net.network, context)
    width = [np.nonzero(poisson.pmf(np.arange(60), m) > 1e-5)[0].size for m in means]
    assert found["pair_floors"][0] == pytest.approx(np.sqrt(width[0] * width[1] / (8 * 50_000)), rel=0.5)
    assert max(found["marginals"]) <= found["pairs"][0] < max(found["marginals"]) + 0.06
    assert -0.05 < found["over_product"] < 0.005
    assert found["over_lna"] > found["over_product"]


def test_smoothing_is_by_what_the_left_out_trajectories_say():
    """Wide laws are smoothed, narrow ones left alone. Mutants: the narrowest width; the widest; the left out fitted."""
    rng, space = np.random.default_rng(1), StateSpace.box([160])
    for mean, most in ((60, 0.7), (0.3, 1.01)):
        exact, draws = poisson.pmf(np.arange(161), mean), rng.poisson(mean, (3000, 1))
        histogram = np.bincount(draws[:, 0], minlength=161) / 3000
        own = smoothed(space, draws)
        assert own.sum() == pytest.approx(1.0)
        assert judges.distance(own, exact) < most * judges.distance(histogram, exact)


def test_genes_are_not_smoothed():
    """A gene that is always on stays on. Mutant: every axis is smoothed."""
    rng = np.random.default_rng(2)
    states = np.stack([np.ones(2000, dtype=np.int64), rng.poisson(40, 2000)], axis=1)
    own = smoothed(StateSpace.box([1, 120]), states).reshape(2, -1)
    assert own[0].sum() == 0.0


def test_smoothed_trajectories_come_near_the_exact_law(net):
    """Better than the floor of as many; the box of the pair model. Mutant: contexts and laws out of step."""
    found = at_equal_cpu(net.network, held_out(net.domain, 4), 0.02)
    assert 0 < found["mean"] < 0.05
    assert found["paths"] >= 2000


def test_the_linear_noise_law_is_a_law():
    """Its probabilities sum to 1, and for wide laws it is the normal density. Mutant: densities, not cells."""
    network = kx.parse(PAIR)
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(40), indexing="ij"), axis=-1).reshape(-1, 2)
    for order in ([0, 1], [1, 0]):
        assert np.exp(judges.linear_noise(network, 4.0, order, grid)).sum() == pytest.approx(1.0, abs=1e-6)
    wide = network.replace(parameters={"b": 400.0})
    x = np.array([[392, 395], [400, 380]])
    solution = kx.solve(wide, [4.0], solver="linear-noise")
    gap, covariance = x - np.asarray(solution.mean())[0], np.asarray(solution.covariance())[0]
    expected = -0.5 * (gap @ np.linalg.inv(covariance) * gap).sum(axis=1) - 0.5 * np.log(
        np.linalg.det(2 * np.pi * covariance)
    )
    np.testing.assert_allclose(judges.linear_noise(wide, 4.0, [0, 1], x), expected, atol=0.01)
