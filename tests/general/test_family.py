"""Networks of the family as arrays: laws against the compiled model's own, orders, refusals."""

import numpy as np
import pytest

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.solvers.general.family import SPECIES, Structure
from tests import exact


def laws(batch):
    """The propensities [N, R] that a batch states at its starts, written out."""
    n = np.concatenate([batch.starts, np.ones((len(batch), 1))], axis=1).astype(float)
    first, second = (np.take_along_axis(n, batch.reactants[..., k], axis=1) for k in (0, 1))
    same = (batch.reactants[..., 0] == batch.reactants[..., 1]) & (batch.reactants[..., 0] < SPECIES)
    return batch.rates * first * (second - same)


NETWORKS = [
    exact.birth_death(),
    exact.telegraph(),
    exact.dimerisation(start=20),
    exact.autoregulation(),
]


def some(network, rng, number=7):
    """Rates and counts of `number` problems; genes have no or one copy."""
    model = compile_network(network)
    thetas = model.theta * rng.uniform(0.5, 2, (number, len(model.theta)))
    genes = np.array([name.startswith("G") for name in network.species_names])
    return model, thetas, rng.integers(0, np.where(genes, 2, 9), (number, len(genes)))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_batch_states_the_laws_of_the_model_times_the_time(network):
    """Mutants seen to fail: the time left out; a complement that starts as its species."""
    model, thetas, counts = some(network, np.random.default_rng(1))
    times = np.linspace(0.5, 3, 7)
    batch = Structure.of(model).at(thetas, counts, times)
    found = laws(batch)[:, : len(network.reactions)]
    np.testing.assert_allclose(found, model.propensities(counts, thetas) * times[:, None], rtol=1e-12)
    assert (batch.change[:, : len(network.reactions), : len(network.species)] == model.change).all()
    assert not batch.rates[:, len(network.reactions) :].any()


def test_complements_move_against_their_species():
    """The autoregulated gene: bound where it is not free. Mutant seen to fail: a complement that stands still."""
    model, thetas, counts = some(exact.autoregulation(), np.random.default_rng(2))
    batch = Structure.of(model).at(thetas, counts, np.ones(7))
    assert batch.species[0] == 3
    np.testing.assert_array_equal(batch.starts[:, 2], 1 - counts[:, 0])
    np.testing.assert_array_equal(batch.change[:, :, 2], -batch.change[:, :, 0])


def test_another_order_is_the_same_problem():
    """Mutant seen to fail: reactants that keep their old numbers."""
    model, thetas, counts = some(exact.autoregulation(), np.random.default_rng(3))
    batch = Structure.of(model).at(thetas, counts, np.ones(7))
    order, backward = np.tile([1, 2, 0, 3, 4, 5], (7, 1)), np.tile(np.arange(10)[::-1], (7, 1))
    turned = batch.reordered(order)
    np.testing.assert_array_equal(laws(batch), laws(turned))
    np.testing.assert_array_equal(turned.starts, batch.starts[:, order[0]])
    np.testing.assert_array_equal(laws(batch.reordered(order, backward))[:, ::-1], laws(turned))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("species A = 1\nA -> B; k*A/(1 + A)\nspecies B = 0\nk = 1", "mass action of at most second order"),
        ("species G = 1\nspecies P = 0\n -> G; k*(1 - G)\nG -> ; k*G\nP -> G; k*P\nk = 1", "may raise 'G' above the 1"),
        ("species A = 9\n3 A -> ; k*A*(A - 1)*(A - 2)\nk = 1", "mass action of at most second order"),
        ("species A = 0\n -> 20 A; k\nk = 1", "by more than 10"),
        ("\n".join(f"species A{i} = 0\n -> A{i}; k" for i in range(7)) + "\nk = 1", "7 species"),
    ],
)
def test_what_the_model_has_not_seen_is_refused_by_name(text, reason):
    network = kx.parse(text)
    with pytest.raises(kx.UnsupportedFeature, match=reason):
        Structure.of(compile_network(network))
