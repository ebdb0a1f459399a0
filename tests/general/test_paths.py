"""Trajectories of batches of networks: exact laws, streams, limits and refusals."""

from dataclasses import replace

import numpy as np
import pytest

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.solvers.general.family import SPECIES, Batch
from kinetix.solvers.general.paths import simulate, trajectories
from kinetix.solvers.general.structure import Structure
from tests import exact

ROOT = (20261126, 7)
BURSTS = "species X = 3\n -> 4 X; k\nX -> ; d*X\nk = 3\nd = 1.5"
MEETING = "species X = 30\nspecies Y = 24\nX + Y -> ; b*X*Y\nX -> Y; c*X\nb = 0.03\nc = 0.2"
REPRESSED = (
    "species X = 3\nspecies Y = 0\n -> X; k*K^h/(K^h + Y^h)\nX -> Y; V*X/(L + X)\nY -> ; d*Y\nk = 9\nK = 4\nh = 2.5"
    "\nV = 6\nL = 3\nd = 1"
)
NETWORKS = [
    (exact.autoregulation(), ("Gu", "P")),
    (exact.dimerisation(start=20), ("A", "D")),
    (exact.gene_expression(), ("r", "p")),
    (kx.parse(BURSTS), ("X", "X")),
    (kx.parse(MEETING), ("X", "Y")),
    (kx.parse(REPRESSED), ("X", "Y")),
]


def problem(network, time=1.0):
    """A batch of one."""
    model = compile_network(network)
    counts = np.array([[int(s.initial) for s in network.species]])
    return Structure.of(model).at(model.theta[None], counts, [time])


def together():
    """Different networks in one batch."""
    times = [1.5, 2.0, 20.0, 1.0, 2.0, 2.0]
    return Batch.joined([problem(network, t) for (network, _), t in zip(NETWORKS, times, strict=True)]), times


def chi_squared(draws, table):
    """The p-value of draws [n, 2] against a joint law [i, j], counts beyond it together."""
    inside = (draws < table.shape).all(axis=1)
    cells = np.where(inside, draws[:, 0] * table.shape[1] + np.minimum(draws[:, 1], table.shape[1] - 1), table.size)
    return exact.pooled_chi_squared(cells, table.ravel())


def test_laws_are_those_of_the_master_equation():
    """Joint laws of two species at two times, six networks in one batch. p > 1e-4 each: one false alarm in 1,000.

    Mutants seen to fail: pairs n * n; the second factor left out; laws that are not renewed; the first factor alone
    says which laws to renew; waiting times at half the total; each time told after the event that passes it; laws that
    only a regulator renews left as they were; Hill coefficients of 1; activation for repression.
    """
    batch, times = together()
    counts, done = trajectories(batch, np.tile([0.4, 1.0], (6, 1)), 20_000, ROOT, most_events=10_000)
    assert done.all()
    for n, ((network, names), time) in enumerate(zip(NETWORKS, times, strict=True)):
        axes = [network.species_names.index(name) for name in names]
        solved = kx.FSP().solve(kx.Problem.of(network, [0.4 * time, time]))
        for k, share in enumerate((0.4, 1.0)):
            draws = counts[n, :, k][:, axes].astype(int)
            if names[0] == names[1]:
                p = exact.pooled_chi_squared(draws[:, 0], solved.marginal(names[0], share * time))
            else:
                p = chi_squared(draws, solved.joint(names, share * time))
            assert p > 1e-4, (network.name, share)


def test_a_path_depends_on_root_network_and_number_alone():
    """Mutants seen to fail: streams numbered by what else is drawn; chunks that begin at network 0."""
    batch, _ = together()
    shares = np.tile([0.3, 1.0], (6, 1))
    all_of_them = simulate(batch, shares, 60, ROOT, most_events=10_000, threads=2)
    fewer = simulate(batch[:2], shares[:2, 1:], 20, ROOT, most_events=10_000, threads=1)
    np.testing.assert_array_equal(all_of_them.counts[:2, :20, 1:], fewer.counts)
    again = simulate(Batch.joined([problem(exact.telegraph())] * 4), np.ones((4, 1)), 60, ROOT, most_events=10_000)
    assert len(np.unique(again.counts.reshape(4, -1), axis=0)) == 4
    other = simulate(batch, shares, 60, (ROOT[0], 8), most_events=10_000)
    assert (other.counts != all_of_them.counts).any()


def test_totals_are_kept_and_padding_stays_empty():
    """Mutant seen to fail: the changes of the reaction before."""
    batch, _ = together()
    counts, _ = trajectories(batch, np.tile(np.linspace(0, 1, 9), (6, 1)), 200, ROOT, most_events=10_000)
    assert (counts >= 0).all()
    assert (counts[0, ..., 0] + counts[0, ..., 2] == 1).all()
    assert (counts[1, ..., 0] + 2 * counts[1, ..., 1] == 20).all()
    np.testing.assert_array_equal(counts[:, :, 0], np.broadcast_to(batch.starts[:, None], (6, 200, SPECIES)))
    for n, size in enumerate(batch.species):
        assert not counts[n, ..., size:].any()


def test_what_does_not_end_is_marked_and_the_others_are_done():
    """Mutants seen to fail: a stop that ends the whole batch; counts of what is not done; no look at counts."""
    explosive = kx.parse("species X = 1\nX -> 2 X; k*X\nk = 200")
    some = Batch.joined([problem(exact.birth_death(5, 1)), problem(explosive), problem(exact.birth_death(9, 1))])
    batch, expected, shares = some[np.tile([0, 1, 2], 10)], np.tile([False, True, False], 10), [[1e-4, 1.0]] * 30
    found = simulate(batch, shares, 30, ROOT, most_events=1000)
    np.testing.assert_array_equal(found.done, ~expected)
    np.testing.assert_array_equal(found.too_many, expected)
    assert not found.counts[expected].any()
    assert found.counts[~expected].any(axis=(1, 2, 3)).all()
    high = simulate(batch, shares, 30, ROOT, most_events=1000, most_count=100)
    np.testing.assert_array_equal(high.too_high, expected)
    assert (high.events[expected] == 100).all()


def test_events_are_all_counted():
    """Births alone: as many events as molecules. Mutant seen to fail: events of the last path only."""
    births = kx.parse("species X = 0\n -> X; k\nk = 12")
    found = simulate(problem(births), np.ones((1, 1)), 50, ROOT, most_events=1000)
    assert found.events[0] == found.counts.sum()


def test_the_allowed_number_of_events_is_allowed():
    """Twenty molecules decay: twenty events, then nothing for ever. Mutant seen to fail: one event fewer."""
    decay = problem(kx.parse("species X = 20\nX -> ; k*X\nk = 1000"))
    assert simulate(decay, np.ones((1, 1)), 5, ROOT, most_events=20).done.all()
    assert not simulate(decay, np.ones((1, 1)), 5, ROOT, most_events=19).done.any()


def test_impossible_questions_are_refused():
    batch = problem(exact.birth_death(5, 1))
    for shares, reason in (([[0.5, 0.2]], "in order"), ([[np.nan]], "finite"), ([0.5], "shape")):
        with pytest.raises(kx.SettingError, match=reason):
            trajectories(batch, shares, 5, ROOT, most_events=10)
    with pytest.raises(kx.SettingError, match="paths is 0"):
        trajectories(batch, [[1.0]], 0, ROOT, most_events=10)
    with pytest.raises(kx.SettingError, match="rate"):
        trajectories(batch.faster([-1.0]), [[1.0]], 5, ROOT, most_events=10)
    pairs = problem(kx.parse("species X = 5\n2 X -> ; k*X*(X - 1)\nk = 10"))
    greedy = replace(pairs, reactants=np.where(pairs.reactants == 0, [0, SPECIES], SPECIES))
    with pytest.raises(kx.RunError, match="network 0"):
        trajectories(greedy, [[1.0]], 50, ROOT, most_events=100)
