"""Maps of moments: closed forms, the law's own sums, standard errors where draws stand in."""

import numpy as np
import pytest
from scipy.stats import poisson

from kinetix.distribution import Tabulated
from kinetix.errors import SettingError
from kinetix.problem import Problem
from kinetix.solvers.met import MET
from kinetix.solvers.nets import maps
from kinetix.space import StateSpace
from tests.exact import autoregulation, network
from tests.solvers.known_nets import exact, known_net

NAMES = ("mean", "std", "skewness", "kurtosis", "bimodality")


def test_a_grid_of_poisson_laws():
    """Kurtosis not in excess form. Mutants: excess; the names of the grid swapped; the sample's n - 1."""
    net = known_net(cap=60)
    births, deaths = np.linspace(1, 4, 5), np.linspace(0.25, 1, 3)
    found = net.moments({"birth": births, "death": deaths}, 4.0, "X", floor=0)
    mean = births[:, None] / deaths * (1 - np.exp(-4 * deaths))
    expected = dict(zip(NAMES, (mean, mean**0.5, mean**-0.5, 3 + 1 / mean, 1 / 3 + 0 * mean), strict=True))
    for name in NAMES:
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-6)
    assert found.errors is None
    swapped = net.moments({"death": deaths, "birth": births}, 4.0, "X", floor=0)
    np.testing.assert_allclose(swapped.mean, found.mean.T, rtol=1e-12)
    thetas = np.array([[2.0, 0.5], [3.0, 0.5]])
    np.testing.assert_allclose(
        net.moments(thetas, 4.0, "X", floor=0).mean, np.array([4, 6]) * (1 - np.exp(-2.0)), rtol=1e-6
    )


def test_maps_start_where_they_are_told_to():
    """From a point and from a random start. Mutant: the mixture's moments averaged instead of its law."""
    net = known_net(cap=60)
    n = np.arange(61)
    law = Tabulated(StateSpace.box([20]), np.bincount([0, 20], [0.4, 0.6], minlength=21))
    for initial, p in (
        ({"X": 20}, exact(n, 20, 2.0, 0.5, 1.0)),
        (law, 0.4 * exact(n, 0, 2.0, 0.5, 1.0) + 0.6 * exact(n, 20, 2.0, 0.5, 1.0)),
    ):
        found = net.moments({"birth": [2.0]}, 1.0, "X", initial=initial, floor=0)
        mean, second = n @ p, (n - n @ p) ** 2 @ p
        assert found.mean[0] == pytest.approx(mean, rel=1e-6)
        assert found.kurtosis[0] == pytest.approx((n - mean) ** 4 @ p / second**2, rel=1e-5)
    assert found.bimodality[0] > 5 / 9  # two peaks


def test_draws_say_their_standard_errors(monkeypatch):
    """Within 5 of them, and of the size that many problems show. Mutants: groups of one draw; sd of the groups."""
    net = known_net(("X", "Y"), cap=30)
    law = Tabulated(StateSpace.box([12, 12]), np.bincount([0, 168], [0.5, 0.5], minlength=169))
    over = {"birth": np.linspace(1.0, 2.0, 6)}
    whole = net.moments(over, 1.0, "Y", initial=law, floor=0)
    monkeypatch.setattr(maps, "PREFIXES", 1)
    part = net.moments(over, 1.0, "Y", initial=law, draws=2000, floor=0)
    assert whole.errors is None
    for name in NAMES:
        gap, error = getattr(part, name) - getattr(whole, name), part.errors[name]
        assert (np.abs(gap) < 5 * error + 1e-9).all(), name
        assert (error > 0).all()
    assert 0.3 < np.sqrt(np.mean(((part.mean - whole.mean) / part.errors["mean"]) ** 2)) < 2.5


def telegraph():
    return network(
        {"G": 1, "Gs": 0, "M": 0},
        {"kon": 0.5, "koff": 0.2, "k": 5.0, "d": 1.0},
        [("off", {"G": 1}, {"Gs": 1}, "koff"), ("on", {"Gs": 1}, {"G": 1}, "kon"),
         ("tx", {"G": 1}, {"G": 1, "M": 1}, "k"), ("deg", {"M": 1}, {}, "d")],
        "telegraph",
    )  # fmt: skip


@pytest.mark.parametrize("prefixes", [2048, 0])
def test_every_species_of_a_net_agrees_with_its_law(prefixes, monkeypatch):
    """Dependent ones too. Mutant: the gene's prefixes weighed alike."""
    net = MET(width=16, layers=1, contexts=16, held_out=0).train(
        telegraph(), times=(0, 5), box={"kon": (0.3, 5.0)}, budget_steps=5, seed=1
    )
    monkeypatch.setattr(maps, "PREFIXES", prefixes)
    for species in net.network.species_names:
        found = net.moments({"kon": [0.4, 2.0]}, 2.0, species, draws=4000, floor=0)
        for k, kon in enumerate((0.4, 2.0)):
            problem = Problem.of(net.network, [2.0], parameters={"kon": kon})
            p = net.solve(problem, rng=np.random.default_rng(0)).marginal(species, 2.0)
            expected = maps.shapes(p, np.arange(len(p)))
            for name, value in zip(NAMES, expected, strict=True):
                slack = 1e-4 * abs(value) if found.errors is None else 5 * found.errors[name][k] + 1e-4
                assert getattr(found, name)[k] == pytest.approx(value, abs=slack), (species, name)


def test_shapes_of_known_laws():
    n = np.arange(200)
    assert maps.shapes(poisson.pmf(n, 30.0), n)[2:] == pytest.approx([30**-0.5, 3 + 1 / 30, 1 / 3], rel=1e-9)
    assert maps.shapes(np.ones(100), np.arange(100))[4] == pytest.approx(5 / 9, rel=1e-3)
    assert maps.shapes([0.5, 0, 0, 0.5], np.arange(4))[4] == pytest.approx(1.0)


def test_what_a_net_says_of_far_tails_is_left_out():
    """A millionth far out rules the kurtosis of a narrow law, not that of a map. Mutant: the floor is absolute."""
    n = np.arange(300)
    clean = poisson.pmf(n, 4.0)
    noisy = clean + 1e-6 * (n > 100)
    expected = maps.shapes(clean, n)
    assert maps.shapes(noisy, n)[3] > 10 * expected[3]
    np.testing.assert_allclose(maps.shapes(noisy, n, 1e-4), expected, rtol=0.01)
    wide = np.exp(-0.5 * ((np.arange(30_000) - 15_000) / 2500) ** 2)
    np.testing.assert_allclose(maps.shapes(wide, np.arange(30_000), 1e-4)[[1, 3, 4]], [2500, 3, 1 / 3], rtol=0.01)
    net = known_net(cap=60)
    first, second = (net.moments({"birth": [2.0]}, 4.0, "X", floor=f) for f in (0, 1e-4))
    assert first.kurtosis != second.kurtosis
    np.testing.assert_allclose(first.bimodality, second.bimodality, rtol=0.01)


def test_impossible_maps_are_refused():
    net = known_net()
    for over, message in (
        ({"brith": [1.0]}, "did you mean 'birth'"), ({"birth": []}, "list of values"), ({}, "list of values"),
        ([1.0, 2.0, 3.0], "do not end in 2"), ({"birth": [9.0]}, "birth = 9"),
    ):  # fmt: skip
        with pytest.raises(SettingError, match=message):
            net.moments(over, 1.0, "X")
    with pytest.raises(SettingError, match="time 6"):
        net.moments({"birth": [4.0]}, 6.0, "X")
    with pytest.raises(SettingError, match="unknown species"):
        net.moments({"birth": [2.0]}, 1.0, "Z")
    with pytest.raises(SettingError, match="floor is 2"):
        net.moments({"birth": [2.0]}, 1.0, "X", floor=2)
    with pytest.raises(SettingError, match="draws is 3"):
        net.moments({"birth": [2.0]}, 1.0, "X", draws=3)


def test_the_map_of_the_paper_has_its_shape():
    """A small corner of the bimodality map, from a net that is hardly trained: the arrays, not the figures."""
    met = MET(width=16, layers=1, contexts=16, held_out=0)
    net = met.train(
        autoregulation(su=1.0, ru=1.0), times=(0, 10), box={"sb": (0.0, 0.1), "rb": (0.0, 40.0)}, budget_steps=3, seed=1
    )
    found = net.moments({"sb": np.linspace(0, 0.1, 4), "rb": np.linspace(0, 40, 7)}, 10.0, "P")
    assert found.bimodality.shape == (4, 7)
    assert np.isfinite(found.bimodality).all()
