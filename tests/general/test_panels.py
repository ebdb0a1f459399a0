"""Panels: networks made of batches and back, exact laws of what is asked, the account of what is left out."""

from dataclasses import replace

import numpy as np
import pytest

import kinetix as kx
from kinetix.solvers.general import panels
from kinetix.solvers.general.canonical import held_out, signature
from kinetix.solvers.general.family import Batch
from kinetix.solvers.general.generator import draw
from kinetix.solvers.general.panels import PANELS, batch_of, examination, network_of, panel
from kinetix.solvers.general.paths import trajectories
from tests import exact


@pytest.mark.parametrize("name", PANELS)
def test_networks_come_back_as_they_were(name):
    """Every number of the batch. Mutants seen to fail: pairs counted once; catalysts consumed; starts left out."""
    batch = draw(np.random.default_rng(1), 25, PANELS[name])
    again = Batch.joined([batch_of(network_of(batch, n)) for n in range(25)])
    for a, b in zip(again.parts, batch.parts, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", PANELS)
def test_exact_laws_are_those_of_the_paths(name):
    """Four problems a panel, the marginal of every species: 80 tests or fewer at p > 1e-5, one false alarm in 1,000.

    Mutant seen to fail: the problem asked at another time.
    """
    for question in panel(name, 4, 2):
        counts, done = trajectories(question.batch, [[1.0]], 10_000, (3, 4), most_events=1_000_000)
        assert done.all()
        solved = question.exact()
        for s, species in enumerate(question.network.species_names):
            draws = counts[0, :, 0, s].astype(int)
            assert exact.pooled_chi_squared(draws, solved.marginal(species, 1.0)) > 1e-5, species


def test_panels_follow_the_seed_and_are_prefixes():
    """Mutants seen to fail: as many drawn at once as are asked for; a seed that is left out."""
    few, many, other = panel("small", 5, 6), panel("small", 9, 6), panel("small", 5, 7)
    for a, b in zip(few, many, strict=False):
        assert a.network == b.network
    assert [q.network for q in few] != [q.network for q in other]


def test_structures_are_held_out():
    """Mutant seen to fail: the structures of training."""
    for name in ("small", "large", "counts127"):
        assert all(held_out(s) for s in signature(examination(name, 6, 8).batch))


def test_what_is_left_out_is_counted(monkeypatch):
    """Mutants seen to fail: large problems kept; counted as asked and not as left out."""
    monkeypatch.setattr(panels, "MOST_STATES", 300)
    found = examination("small", 12, 9)
    assert len(found.questions) == 12
    assert all(question.states <= 300 for question in found.questions)
    refusals = found.refusals
    assert refusals.drawn == 12 + refusals.states + refusals.seconds + refusals.refused
    assert refusals.states > 0
    assert refusals.share == (refusals.drawn - 12) / refusals.drawn > 0.1
    assert found.tally.kept >= refusals.drawn


def test_unknown_panels_and_impossible_reactions_are_refused():
    with pytest.raises(kx.SettingError, match="unknown panel"):
        panel("huge", 3, 1)
    batch = draw(np.random.default_rng(1), 1, PANELS["small"])
    greedy = replace(batch, change=batch.change - 5)
    with pytest.raises(kx.SettingError, match="network 0"):
        network_of(greedy, 0)
