"""The general model as a solver: what it answers, refuses and says of itself. The net here is small and untrained."""

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.errors import CheckpointError, SettingError, UnsupportedFeature
from kinetix.solvers.general.answers import DoubtfulAnswerWarning
from kinetix.solvers.general.calibration import calibrated
from kinetix.solvers.general.general_law import GeneralLaw
from kinetix.solvers.general.net import Core, Size
from kinetix.solvers.general.panels import panel
from kinetix.solvers.general.pretrained import GeneralNetwork
from kinetix.solvers.general.score import Case, hellinger
from kinetix.solvers.nets.training import seeded
from tests import exact

CHAIN = exact.network(
    {"A": 0, "B": 2, "C": 0, "D": 1, "E": 0},
    {"make": 8.0, "move": 0.7, "decay": 0.4},
    [
        ("feed", {}, {"A": 1}, "make"),
        ("ab", {"A": 1}, {"B": 1}, "move"),
        ("bc", {"B": 1}, {"C": 1}, "move"),
        ("cd", {"C": 1}, {"D": 1}, "move"),
        ("de", {"D": 1}, {"E": 1}, "move"),
        ("out", {"E": 1}, {}, "decay"),
    ],
    "chain",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("general")
    with seeded(1):
        GeneralNetwork(Core(Size(width=16, rounds=1, blocks=1)).eval(), {"seed": 1}, {"training": {}}).save(place)
    return place


def test_even_draws_stand_for_the_law(folder):
    """Means, marginals and covariances of five species by 256 even draws against 40,000 draws of the net: |z| < 5.

    Mutants seen to fail: covariances of values not carried over to species; even draws that are all 0.
    """
    solution = kx.solve(CHAIN, [2.0], solver=kx.General(str(folder), trust=False), seed=3)
    law = solution.laws[0]
    assert isinstance(law, GeneralLaw)
    assert law.tabulated() is None
    draws = law.sample(40_000, rng=np.random.default_rng(5))
    spread = draws.std(axis=0)
    np.testing.assert_allclose(law.means(), draws.mean(axis=0), atol=5 * spread.max() / 200)
    np.testing.assert_allclose(solution.covariance()[0], np.cov(draws.T), atol=0.05 * spread.max() ** 2)
    for s in range(5):
        p = law.marginal([s]).table()
        counted = np.bincount(draws[:, s], minlength=len(p)) / len(draws)
        assert np.abs(p - counted[: len(p)]).sum() < 0.04
    many = law.drawn()
    np.testing.assert_allclose(many.mean(axis=0), draws.mean(axis=0), atol=5 * spread.max() / 200)


def test_a_species_that_follows_from_one_other_has_its_marginal(folder):
    """A free enzyme and what it holds, over a window too large to be summed; P(E = e) = P(C = 3 - e).

    Mutants seen to fail: the marginal of the other one as it is; an offset of 0.
    """
    held = kx.parse("""
        species E = 3, C = 0, S = 12, P = 4, Q = 0
        E + S -> C; mass_action(0.2, 0.5)
        C -> E + P; mass_action(1)
        -> S; 6
        P -> Q; mass_action(0.7)
        Q -> ; mass_action(0.4)
    """)
    law = kx.solve(held, [1.0], solver=kx.General(str(folder), trust=False), seed=3).laws[0]
    assert not law._is_summed
    free, bound = (law.marginal([s]).table() for s in (0, 1))
    np.testing.assert_allclose(free, bound[::-1], atol=1e-12)
    draws = law.sample(20_000, rng=np.random.default_rng(6))
    np.testing.assert_allclose(free, np.bincount(draws[:, 0], minlength=4) / 20_000, atol=0.03)


def test_a_survey_says_what_single_answers_say(folder):
    """Mutants seen to fail: species in the net's order; the time left out."""
    net, networks = kx.general(folder), [CHAIN, exact.telegraph(), exact.dimerisation(start=9)]
    for network, told in zip(networks, net.survey(networks, 1.5, points=1024), strict=True):
        one = kx.solve(network, [1.5], solver=kx.General(str(folder), trust=False), seed=3)
        assert told.species == network.species_names
        np.testing.assert_allclose(told.mean, one.mean()[0], atol=0.02 * (1 + told.std.max()))
        np.testing.assert_allclose(told.std, one.std()[0], atol=0.03 * (1 + told.std.max()))
        for s, p in enumerate(told.marginals):
            table = one.laws[0].marginal([s]).table()
            size = min(len(p), len(table))
            np.testing.assert_allclose(p[:size], table[:size], atol=0.01)
    assert net.survey([], 1.0) == []
    for wrong in ({"time": 0.0}, {"time": np.inf}, {"time": 1.0, "points": 12}):
        with pytest.raises(SettingError):
            net.survey(networks, **wrong)


def test_what_it_refuses(folder):
    solver = kx.General(str(folder))
    many = exact.network(dict.fromkeys("ABCDEFG", 0), {"k": 1.0}, [(f"f{s}", {}, {s: 1}, "k") for s in "ABCDEFG"])
    with pytest.raises(UnsupportedFeature, match="7 species"):
        kx.solve(many, [1.0], solver=solver)
    with pytest.raises(SettingError, match="no law at time = inf"):
        kx.solve(CHAIN, [np.inf], solver=solver)
    with pytest.raises(CheckpointError):
        kx.solve(CHAIN, [1.0], solver=kx.General("/nowhere/at/all"))
    for wrong in ({"weights": 3}, {"trust": "yes"}):
        with pytest.raises(SettingError):
            kx.General(**wrong)


def test_rates_are_not_inferred_with_it(folder, tmp_path):
    """Mutant seen not to end: the net itself let through, where its settings are not."""
    (tmp_path / "cells.csv").write_text("time,A\n1,3\n1,4\n")
    data = kx.Observations.read_csv(tmp_path / "cells.csv")
    for likelihood in (kx.General(str(folder)), kx.general(folder), str(folder)):
        with pytest.raises(SettingError, match=r"adapt\(network"):
            kx.infer(CHAIN, data, prior={"make": kx.prior.log_uniform(1, 20)}, likelihood=likelihood)


def test_a_net_that_was_never_calibrated_says_so(folder):
    solution = kx.solve(CHAIN, [0.0, 1.0], solver=str(folder), seed=1)
    assert [one["flag"] for one in solution.meta["trust"]] == ["unknown"]
    assert [found["code"] for found in solution.meta["findings"] if found["code"].startswith("KX3")] == ["KX303"]
    assert (solution.mean()[0] == [0, 2, 0, 1, 0]).all()


def test_a_calibrated_net_warns_of_what_is_poor(folder, tmp_path):
    """A spoilt net is far off, and knows it. Mutant seen to fail: poor answers without a warning."""
    net = kx.open(folder)
    with torch.no_grad():
        net.core.head.bias.add_(torch.randn(net.core.head.bias.shape, generator=torch.Generator().manual_seed(1)))
    questions = panel("small", 70, 5)
    cases = [Case.of(question) for question in questions]
    batch = questions[0].batch.joined([question.batch for question in questions])
    told = calibrated(net, batch, cases)
    assert told.certificate["trust"]["problems"] == 70
    assert told.certificate["training"] == {}
    told.save(tmp_path)
    assert np.median(hellinger(told.core, cases)) > 0.1
    with pytest.warns(DoubtfulAnswerWarning, match="may be far off"):
        solution = kx.solve(CHAIN, [2.0], solver=str(tmp_path), seed=1)
    trust = solution.meta["trust"][0]
    assert trust["flag"] == "poor"
    assert trust["distance"] > 0.02
    assert set(trust["signs"]) >= {"residual", "midway", "anchor"}
    with pytest.raises(SettingError, match="problems"):
        calibrated(net, batch[:10], cases[:10])
