"""The judges of the figures of nets agree with the certificate, and with what is known of a law."""

import numpy as np
import pytest
from scipy.stats import poisson

import kinetix as kx
from kinetix.solvers.nets.certificate import held_out
from tests.benchmarks import net_judges as judges

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
