"""Networks of the family as arrays: laws against the compiled model's own, orders, refusals."""

import numpy as np
import pytest

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.solvers.general.structure import Structure
from tests import exact


def laws(batch):
    """The propensities [N, R] that a batch states at its starts."""
    return batch.propensities(batch.starts[:, None])[:, 0]


SATURATING = kx.parse(
    """
    species A = 4, B = 2, G = 1
    -> A; k0 + V*B^n/(K^n + B^n)
    A -> B; G*V*A/(L + A)
    B -> ; k0*B*(0.1 + 0.9/(1 + (A/K)^2))
    2 B -> ; k0*B*(B - 1)/(1 + A)
    G -> ; k0*G
    -> G; k0*(1 - G)
    k0 = 0.7; V = 5; K = 3; L = 2; n = 1.7
""",
    name="saturating",
)
SUMS = [0, 0, 1, 2, 2, 3, 4, 5]
"""The reactions that the terms of its laws belong to."""
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


def test_laws_that_saturate_and_sums_are_the_models_own():
    """Hill laws up and down, enzymes, basal rates. Mutants seen to fail: repression for activation; a Hill coefficient
    of 1; a sum's first term alone; the time left out.
    """
    model, thetas, counts = some(SATURATING, np.random.default_rng(4), 40)
    times = np.linspace(0.5, 3, 40)
    batch = Structure.of(model).at(thetas, counts, times)
    found = np.zeros((40, 6))
    np.add.at(found, (slice(None), SUMS), laws(batch)[:, : len(SUMS)])
    np.testing.assert_allclose(found, model.propensities(counts, thetas) * times[:, None], rtol=1e-12)
    np.testing.assert_array_equal(batch.change[0, : len(SUMS), :3], model.change[SUMS])


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
    model, thetas, counts = some(SATURATING, np.random.default_rng(3))
    batch = Structure.of(model).at(thetas, counts, np.ones(7))
    order, backward = np.tile([1, 3, 0, 2, 4, 5], (7, 1)), np.tile(np.arange(10)[::-1], (7, 1))
    turned = batch.reordered(order)
    np.testing.assert_array_equal(laws(batch), laws(turned))
    np.testing.assert_array_equal(turned.starts, batch.starts[:, order[0]])
    np.testing.assert_array_equal(laws(batch.reordered(order, backward))[:, ::-1], laws(turned))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("species A = 1\nA -> ; k*A/(1 + A + A^2)\nk = 1", "one Hill or enzymatic factor"),
        ("species A = 1\nA -> ; k*A/(1 + A)/(2 + A)\nk = 1", "one Hill or enzymatic factor"),
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


@pytest.mark.parametrize(
    ("theta", "reason"),
    [
        ({"k": -1.0}, "no finite rate >= 0"),
        ({"k": np.inf}, "no finite rate >= 0"),
        ({"K": 0.0}, "half-saturation count"),
        ({"h": -2.0}, "Hill coefficient > 0"),
    ],
)
def test_numbers_that_make_no_law_are_refused(theta, reason):
    """Mutants seen to fail: a look at the rates alone; any sign of a Hill coefficient; infinite rates."""
    model = compile_network(kx.parse("species A = 1\nA -> ; k*A^h/(K^h + A^h)\nk = 1\nK = 2\nh = 2"))
    values = [theta.get(name, 2.0) for name in model.network.theta_names]
    with pytest.raises(kx.SettingError, match=reason):
        Structure.of(model).at(values, model.initial, 1.0)


@pytest.mark.parametrize("law", ["Y*k/(c + a*X^h)", "Y*k/(c - X^3)"])
def test_a_negative_level_is_refused(law):
    """c / a and -c are no (counts at a half)^h. Mutant seen to fail: their roots taken for such counts."""
    model = compile_network(kx.parse(f"species X = 6, Y = 0\nX -> Y; X\nY -> X; {law}\nk = 3\nc = 4\na = -1\nh = 0.5"))
    with pytest.raises(kx.KinetixError, match=r"half-saturation|one Hill"):
        Structure.of(model).at(model.theta, model.initial, 1.0)


def test_an_even_power_does_not_know_the_sign_of_its_half():
    model = compile_network(kx.parse("species X = 6\nX -> ; k*X^2/(K^2 + X^2)\nk = 3\nK = -3"))
    assert Structure.of(model).at(model.theta, model.initial, 1.0).halves[0, 0] == 3.0


TAKING = {
    "A -> ; k*A/(1 + B)\nB -> ; k*A": "takes more of 'B' than its law needs",
    "2 A -> ; k*A/(1 + A)\nB -> ; k*B": "takes more of 'A' than its law needs",
    "A -> ; k\nB -> ; k*B": "takes more of 'A' than its law needs",
}


@pytest.mark.parametrize("text", TAKING)
def test_what_takes_more_than_is_there_is_refused_where_it_happens(text):
    """Not at rate 0. Mutants seen to fail: no look at all; activators that guard any number of copies."""
    model = compile_network(kx.parse(f"species A = 9, B = 2\n{text}\nk = 1"))
    with pytest.raises(kx.UnsupportedFeature, match=TAKING[text]):
        Structure.of(model).at(model.theta, model.initial, 1.0)
    assert not Structure.of(model).at([0.0], model.initial, 1.0).rates.any()


def test_a_complement_may_guard_what_is_taken():
    """A and B share one copy: what B leaves is A. Mutant seen to fail: A's own factor asked for."""
    model = compile_network(kx.parse("species A = 1, B = 0\nA -> B; 2*k*(1 - B)\nB -> A; u*B\nk = 1.5\nu = 2"))
    batch = Structure.of(model).at(model.theta, model.initial, 1.0)
    np.testing.assert_allclose(laws(batch)[0, :2], [3.0, 0.0])
