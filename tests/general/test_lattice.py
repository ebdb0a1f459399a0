"""Which counts can be: parities, conserved differences, what only falls or only rises."""

import numpy as np
import pytest
import torch

from kinetix.solvers.general.family import SPECIES
from kinetix.solvers.general.generator import LARGE, SMALL, draw
from kinetix.solvers.general.lattice import Lattice
from kinetix.solvers.general.lessons import net_over
from kinetix.solvers.general.net import Core, Size
from kinetix.solvers.general.panels import batch_of
from kinetix.solvers.general.paths import trajectories
from kinetix.solvers.general.prompt import Prompted
from kinetix.solvers.general.totals import totals
from kinetix.solvers.nets.training import seeded
from tests import exact


def padded(rows):
    basis = np.zeros((SPECIES, SPECIES), dtype=np.int64)
    basis[: len(rows), : len(rows)] = rows
    return basis


@pytest.mark.parametrize(
    ("reactions", "basis"),
    [
        ([("r", {"A": 2}, {"B": 1}, "k"), ("d", {"B": 1}, {}, "k")], [[2, 0], [-1, 1]]),
        ([("f", {"A": 1, "B": 1}, {}, "k"), ("b", {}, {"A": 1, "B": 1}, "k")], [[1, 0], [1, 0]]),
        ([("r", {}, {"A": 6}, "k"), ("d", {"A": 4}, {}, "k")], [[2, 0], [0, 0]]),
        ([("r", {}, {"A": 1}, "k"), ("d", {"B": 1}, {"A": 1}, "k")], [[1, 0], [0, 1]]),
    ],
    ids=["parity", "difference", "gcd", "all"],
)
def test_normal_forms(reactions, basis):
    """By hand. Mutants seen to fail: one round of Euclid's; a step of either sign."""
    if any(len(r[1]) == 1 and max(r[1].values()) > 2 for r in reactions):
        batch = batch_of(exact.network({"A": 4, "B": 1}, {"k": 1.0}, [("x", {"A": 1}, {}, "k"), ("y", {}, {}, "k")]))
        batch.change[0, :2, :2] = [[6, 0], [-4, 0]]
    else:
        batch = batch_of(exact.network({"A": 4, "B": 1}, {"k": 1.0}, reactions))
    np.testing.assert_array_equal(Lattice.of(batch).basis[0], padded(basis))


def test_every_state_that_a_path_reaches_is_possible_and_weighed():
    """Random networks: the net with weights drawn at random rules out nothing that happens.

    Mutant seen to fail: steps of a count taken from 0 and not from its start.
    """
    with seeded(3):
        core = Core(Size(width=16, rounds=1, blocks=1)).eval()
    for panel in (SMALL, LARGE):
        batch = draw(np.random.default_rng(4), 150, panel)
        counts, done = trajectories(batch, np.ones((len(batch), 1)), 40, (1, 2), most_events=100_000, threads=1)
        batch, counts = batch[done], counts[done][:, :, 0].astype(np.int64)
        prompted = Prompted.of(batch)
        values = torch.from_numpy(np.take_along_axis(counts, prompted.order[:, None], axis=2))
        with torch.no_grad():
            logs = net_over(core, 128).log_prob(prompted.context, values)
        assert (logs > -300).all()


def drawn(network):
    """2,000 draws of an untrained net in the network's order of species."""
    with seeded(3):
        core = Core(Size(width=16, rounds=1, blocks=1)).eval()
    prompted = Prompted.of(batch_of(network))
    with torch.no_grad():
        net = net_over(core, 16)
        values = net.sample(prompted.context.repeat(2000, 1), generator=torch.Generator().manual_seed(1)).numpy()
    counts = np.empty_like(values)
    counts[:, prompted.order[0]] = values
    return counts


def test_what_cannot_be_has_no_probability():
    """Monomers that pair off keep their parity and fall; what is fed in twos only grows, in twos.

    Mutants seen to fail: sums that are conserved alone; counts below the start; a mask without the lattice.
    """
    network = exact.network(
        {"M": 7, "D": 1, "W": 3},
        {"k": 0.1},
        [("pair", {"M": 2}, {"D": 1}, "k"), ("decay", {"D": 1}, {}, "k"), ("feed", {}, {"W": 2}, "k")],
    )
    counts = drawn(network)
    m, d, w = counts[:, 0], counts[:, 1], counts[:, 2]
    assert set(np.unique(m)) == {1, 3, 5, 7}
    assert set(np.unique(d)) == {0, 1, 2, 3, 4}
    assert (m + 2 * d <= 9).all()
    assert set(np.unique(w)) <= {3, 5, 7, 9, 11, 13, 15}
    assert not counts[:, 3:].any()


def test_room_is_left_for_what_later_species_need():
    """Waste never falls below its start of 2, so that dimers never pass (13 - 2 x 2) / 2.

    Mutant seen to fail: the sum that is conserved alone, without those that it implies.
    """
    network = exact.network(
        {"M": 7, "D": 1, "W": 2},
        {"k": 0.1},
        [("pair", {"M": 2}, {"D": 1}, "k"), ("decay", {"D": 1}, {"W": 1}, "k")],
    )
    counts = drawn(network)
    np.testing.assert_array_equal(counts[:, 0] + 2 * counts[:, 1] + 2 * counts[:, 2], 13)
    assert counts[:, 2].min() == 2
    assert counts[:, 1].max() == 4


def test_the_sums_that_never_grow():
    """By hand: the extreme ones. Mutants seen to fail: all of them; those that are conserved alone."""
    network = exact.network(
        {"M": 7, "D": 1}, {"k": 0.1}, [("pair", {"M": 2}, {"D": 1}, "k"), ("decay", {"D": 1}, {}, "k")]
    )
    found = totals(batch_of(network))
    kept = found.weights[0][found.weights[0].any(axis=1)]
    np.testing.assert_array_equal(kept, [[1, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0]])
    np.testing.assert_array_equal(found.bounds[0], [7, 4, -1, -1, -1, -1])
