"""The general net's law over the species of the user's own network."""

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.solvers.general.answer import answer
from kinetix.solvers.general.family import SPECIES
from kinetix.solvers.general.lessons import net_over
from kinetix.solvers.general.net import Core, Size
from kinetix.solvers.general.prompt import Prompted
from kinetix.solvers.general.structure import Structure
from kinetix.solvers.nets.training import seeded
from tests import exact

ENZYME = exact.network(
    {"S": 12, "E": 3, "C": 0, "P": 0},
    {"a": 0.2, "b": 0.5, "c": 1.0},
    [
        ("bind", {"S": 1, "E": 1}, {"C": 1}, "a"),
        ("leave", {"C": 1}, {"S": 1, "E": 1}, "b"),
        ("make", {"C": 1}, {"E": 1, "P": 1}, "c"),
    ],
    "enzyme",
)
NETWORKS = [exact.birth_death(), exact.autoregulation(), exact.telegraph(), exact.dimerisation(start=9), ENZYME]


@pytest.fixture
def core():
    with seeded(5):
        return Core(Size(width=16, rounds=2, blocks=1)).eval()


def asked(core, network, time=1.3):
    model = compile_network(network)
    structure = Structure.of(model)
    return structure, model, answer(core, structure, model.theta, model.initial, time)


@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_the_law_of_the_padded_net(core, network):
    """State by state: the net over the species of the prompt, complements and dependent species written out.

    Mutants seen to fail: a complement that counts as its species; counts that follow taken in as 0.
    """
    structure, model, law = asked(core, network)
    assert all(type(cap) is int for cap in law.net.caps)
    counts = law.sample(200, rng=np.random.default_rng(1))
    batch = structure.at(model.theta, model.initial, [1.3])
    prompted = Prompted.of(batch)
    full = np.zeros((len(counts), SPECIES), dtype=np.int64)
    full[:, : counts.shape[1]] = counts
    for k, (s, total) in enumerate(structure.totals.items()):
        full[:, counts.shape[1] + k] = total - counts[:, s]
    values = torch.from_numpy(full[:, prompted.order[0]])
    with torch.no_grad():
        expected = net_over(core, 128).log_prob(prompted.context, values[None])[0].numpy()
    # the wide window of the padded net has mass beyond the other's; both are nearly whole
    np.testing.assert_allclose(law.log_prob(counts), expected, atol=0.02)


@pytest.mark.parametrize("network", NETWORKS)
def test_it_keeps_what_the_network_conserves_and_sums_to_one(core, network):
    _, model, law = asked(core, network)
    counts = law.sample(500, rng=np.random.default_rng(2))
    laws = network.conservation_laws()
    assert (counts >= 0).all()
    assert (counts @ laws.T == laws @ model.initial).all()
    assert law.tabulated().p.sum() == pytest.approx(1.0, abs=1e-4)


def test_marginals_and_means_are_those_of_the_table(core):
    _, _, law = asked(core, ENZYME)
    states, p = law.tabulated().space.states(), law.tabulated().p
    for s in range(4):
        table = law.marginal([s]).table()
        expected = np.bincount(states[p > 0, s], p[p > 0], minlength=len(table))
        np.testing.assert_allclose(table, expected, atol=1e-5)
    np.testing.assert_allclose(law.means(), p @ states, atol=1e-4)


def test_the_order_of_a_models_species_does_not_matter(core):
    """Mutant seen to fail: probabilities in the prompt's order."""
    _, _, law = asked(core, ENZYME)
    turned = exact.network(
        {"P": 0, "C": 0, "S": 12, "E": 3},
        {"c": 1.0, "a": 0.2, "b": 0.5},
        [
            ("make", {"C": 1}, {"E": 1, "P": 1}, "c"),
            ("bind", {"S": 1, "E": 1}, {"C": 1}, "a"),
            ("leave", {"C": 1}, {"S": 1, "E": 1}, "b"),
        ],
        "turned",
    )
    _, _, other = asked(core, turned)
    counts = law.sample(100, rng=np.random.default_rng(3))  # S, E, C, P
    np.testing.assert_allclose(law.log_prob(counts), other.log_prob(counts[:, [3, 2, 0, 1]]), atol=1e-4)


def test_an_untaught_net_is_near_the_exact_law_of_birth_and_death(core):
    """The anchor is the Poisson law itself: what is left is what the untaught heads add."""
    with torch.no_grad():
        core.head.weight.zero_()
    _, _, law = asked(core, exact.birth_death())
    found, true = law.marginal([0]).table(), kx.solve(exact.birth_death(), [1.3]).marginal("X", 1.3)
    size = min(len(found), len(true))
    assert np.sqrt(1 - np.sqrt(found[:size] * true[:size]).sum()) < 0.03


def test_windows_that_are_too_large_are_refused(core):
    with pytest.raises(kx.UnsupportedFeature, match="may reach"):
        asked(core, exact.birth_death(birth=900.0, death=0.5), time=20.0)
