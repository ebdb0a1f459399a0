"""Sums of species against closed forms, brute force and the law itself; what cannot be summed is refused by name."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import scipy.stats

from kinetix.errors import DataError, TruncationError, UnsupportedFeature
from kinetix.inference.likelihood import Likelihood
from kinetix.inference.observations import Observations
from kinetix.inference.readings.observables import Limits, Observables, compositions
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.trained_van import TrainedVAN, make_net, subjects_of
from kinetix.solvers.ssa import SSA
from kinetix.solvers.van import VAN
from kinetix.space import StateSpace
from tests.exact import dimerisation, network, telegraph
from tests.solvers.known_nets import exact, known_net


def export(make=4.0, move=0.7, decay=1.0):
    """Nuclear RNA made, exported and decayed: from nothing, independent Poisson counts at every time."""
    return network(
        {"N": 0, "C": 0},
        {"make": make, "move": move, "decay": decay},
        [("make", {}, {"N": 1}, "make"), ("move", {"N": 1}, {"C": 1}, "move"), ("decay", {"C": 1}, {}, "decay")],
        "export",
    )


def means(make, move, decay, t):
    nuclear = make / move * (1 - np.exp(-move * t))
    rise = (1 - np.exp(-decay * t)) / decay - (np.exp(-move * t) - np.exp(-decay * t)) / (decay - move)
    return nuclear, make * rise


@dataclass(frozen=True)
class LawByLaw:
    """FSP asked law by law."""

    def solve(self, problem, *, rng):
        return FSP().solve(problem)


@pytest.mark.parametrize("solver", [FSP(), LawByLaw()], ids=lambda s: type(s).__name__)
def test_the_total_of_two_poisson_species_is_poisson(solver):
    """In one batch and law by law. Mutants: one split left out; probabilities of splits averaged."""
    data = Observations.from_counts({"total": ("N", "C")}, [0.5, 0.5, 2.0, 2.0, 2.0], [0, 3, 2, 9, 2])
    f = Likelihood(solver, Problem.of(export(), 1.0), data, ("make", "move"))
    for make, move in ((4.0, 0.7), (9.0, 0.2)):
        expected = sum(
            scipy.stats.poisson.logpmf(rows, sum(means(make, move, 1.0, t))).sum()
            for t, rows in ((0.5, [0, 3]), (2.0, [2, 9, 2]))
        )
        assert f([[make, move]])[0] == pytest.approx(expected, abs=1e-6)


def test_a_sum_beside_one_of_its_parts():
    """The total and the nuclear count of a cell fix the other part. Mutant: overlapping parts counted apart."""
    data = Observations.from_counts({"total": ("N", "C"), "n": "N"}, 2.0, [[5, 2], [4, 4]])
    f = Likelihood(FSP(), Problem.of(export(), 1.0), data, ("make",))
    nuclear, outside = means(4.0, 0.7, 1.0, 2.0)
    expected = scipy.stats.poisson.logpmf([2, 4], nuclear) + scipy.stats.poisson.logpmf([3, 0], outside)
    assert f.by_row([[4.0]])[0][0] == pytest.approx(expected[[1, 0]], abs=1e-6)
    wrong = Observations.from_counts({"n": "N", "total": ("N", "C")}, 2.0, [[4, 3]])
    with pytest.raises(DataError, match=r"no state shows .*'N': 4, 'total': 3.* a part is larger than its sum"):
        Likelihood(FSP(), f.problem, wrong, ("make",))


def test_a_sum_with_a_species_between_and_hidden_ones():
    """Gene and RNA summed, the order of the columns not that of the model. Mutant: axes in the wrong order."""
    problem = Problem.of(telegraph(), 2.0)
    law = FSP().solve(problem).laws[0]
    data = Observations.from_counts({"all": ("M", "Gu")}, 2.0, [0, 3, 10])
    f = Likelihood(FSP(), problem, data, ("kon",))
    p = [sum(np.exp(law.log_prob([g, n - g])) for g in (0, 1) if g <= n) for n in (0, 3, 10)]
    assert f.by_row([[0.5]])[0][0] == pytest.approx(np.log(p), abs=1e-7)


def test_sums_of_trajectories_are_those_of_the_histogram():
    problem = Problem.of(export(), 2.0)
    solver, data = SSA(paths=3000), Observations.from_counts({"total": ("N", "C")}, 2.0, [4, 7])
    drawn = solver.solve(problem, rng=np.random.default_rng(0)).laws[0].counts.sum(axis=1)
    f = Likelihood(solver, problem, data, ("make",))
    assert f.by_row([[4.0]])[0][0] == pytest.approx(np.log([(drawn == 4).mean(), (drawn == 7).mean()]))


def test_at_time_zero_the_start_is_summed():
    problem = Problem.of(dimerisation(start=5), 1.0)
    data = Observations.from_counts({"pieces": ("A", "D")}, 0.0, [5, 5])
    assert Likelihood(FSP(), problem, data, ("k",))([[0.1]]) == [0.0]
    with pytest.raises(DataError, match="'pieces': 4} at time 0 contradict the start"):
        Likelihood(FSP(), problem, Observations.from_counts({"pieces": ("A", "D")}, 0.0, [4]), ("k",))


def test_large_sums_are_weighed_on_the_windows_of_the_law():
    """Splits of 300 would need 90,000 states. Mutant: sums beyond the window clipped."""
    data = Observations.from_counts({"total": ("N", "C")}, [3.0, 6.0, 6.0], [90, 120, 300])
    f = Likelihood(FSP(), Problem.of(export(), 1.0), data, ("make", "move"))
    assert f.reading.by_law
    for make, move in ((40.0, 0.7), (60.0, 0.2)):
        early, late = f.by_row([[make, move]])
        total = [sum(means(make, move, 1.0, t)) for t in (3.0, 6.0)]
        assert early[0] == pytest.approx(scipy.stats.poisson.logpmf([90], total[0]), abs=1e-5)
        assert late[0, 0] == pytest.approx(scipy.stats.poisson.logpmf(120, total[1]), abs=1e-5)
        assert np.isfinite(late[0, 1])  # digits are stated down to the leak, and zero nowhere
        assert np.exp(late[0, 1]) == pytest.approx(scipy.stats.poisson.pmf(300, total[1]), abs=2e-9)
    far = Likelihood(FSP(), f.problem, Observations.from_counts({"total": ("N", "C")}, 3.0, [3000]), ("make",))
    with pytest.raises(TruncationError, match=r"reaches the sum 3000 of 'total' has .* states; raise max_states"):
        far([[40.0]])
    with pytest.raises(TruncationError, match="use fsp, whose windows can be widened"):
        Likelihood(LawByLaw(), f.problem, data, ("make",))([[40.0]])
    with pytest.raises(UnsupportedFeature, match="no derivatives"):
        f.gradient([[40.0, 0.7]])


# splits --------------------------------------------------------------------------------------------


def some_observables(weights):
    weights = np.array(weights)
    return Observables(tuple("abc")[: weights.shape[1]], tuple(range(len(weights))), weights)


WEIGHTS = [
    [[1], [1], [1]],
    [[1, 0], [1, 1], [0, 1]],
    [[1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]],
]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_splits_are_all_states_that_show_a_row_and_no_others(weights):
    """Against brute force over a box. Mutant: the last composition left out."""
    seen = some_observables(weights)
    row = np.full(seen.weights.shape[1], 3)
    states = np.array(list(product(range(4), repeat=len(weights))))
    wanted = states[(states @ seen.weights == row).all(axis=1)]
    found = seen.splits(row[None]).states
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, wanted.tolist()))
    limits = Limits(np.ones(len(weights), int), np.full(len(weights), 2))
    inside = wanted[((wanted >= 1) & (wanted <= 2)).all(axis=1)]
    if len(inside):
        assert sorted(map(tuple, seen.splits(row[None], limits).states.tolist())) == sorted(map(tuple, inside.tolist()))


def test_gathering_is_a_sum_and_its_derivative():
    seen = some_observables([[1], [1]])
    splits = seen.splits(np.array([[2], [0], [5]]))
    rng = np.random.default_rng(0)
    log_p, slopes = rng.normal(size=(4, len(splits.states))) - 4, rng.normal(size=(4, len(splits.states), 2))
    totals = splits.states.sum(axis=1)
    expected = np.stack([np.exp(log_p[:, totals == n]).sum(axis=1) for n in (2, 0, 5)], axis=1)
    assert np.exp(splits.gather(log_p)) == pytest.approx(expected)
    weighed = np.exp(log_p)[..., None] * slopes
    rise = np.stack([weighed[:, totals == n].sum(axis=1) for n in (2, 0, 5)], axis=1) / expected[..., None]
    assert splits.gather_slopes(log_p, slopes) == pytest.approx(rise)
    log_p[0, totals == 2], slopes[0, totals == 2] = -np.inf, np.nan
    log_p[1, 0], slopes[1, 0] = -np.inf, np.nan
    found = splits.gather_slopes(log_p, slopes)
    assert np.isnan(found[0, 0]).all()
    assert np.isfinite(found[1:]).all()


def test_compositions_are_all_ordered_sums():
    assert len(compositions(7, 3)) == 36
    assert (compositions(7, 3).sum(axis=1) == 7).all()
    assert len(np.unique(compositions(7, 3), axis=0)) == 36


def test_sums_of_many_species_and_large_counts_are_refused():
    seen = some_observables([[1]] * 5)
    with pytest.raises(UnsupportedFeature, match=r"the sum 'a' of 5 species has 4.6e.06 splits"):
        seen.splits(np.array([[100]]))


def test_what_a_window_can_hold_bounds_the_splits():
    """Also of species that follow by conservation, and a total beyond the window is refused."""
    window = StateSpace.conserved(np.array([[1, 1, 0]]), [1, 0, 0], [1, 1, 20])
    limits = Limits.of(window, (0, 1, 2))
    assert (limits.low.tolist(), limits.high.tolist()) == ([0, 0, 0], [1, 1, 20])
    seen = some_observables([[1], [1], [1]])
    assert sorted(seen.splits(np.array([[22]]), limits).states.tolist()) == [[1, 1, 20]]
    with pytest.raises(DataError, match="outside the net's window"):
        seen.splits(np.array([[23]]), limits)


def test_the_law_of_a_sum_is_a_law():
    problem = Problem.of(export(), 2.0)
    law = FSP().solve(problem).laws[0]
    data = Observations.from_counts({"total": ("N", "C"), "c": "C"}, 2.0, [[5, 2]])
    seen = Observables.of(data, problem.model.network).law(law)
    total = sum(means(4.0, 0.7, 1.0, 2.0))
    assert seen.expect(lambda x: x.astype(float))[0] == pytest.approx(total, rel=1e-6)
    one = seen.marginal([0])
    assert one.table()[:12] == pytest.approx(scipy.stats.poisson.pmf(range(12), total), abs=1e-8)
    assert one.log_prob([[3], [5]]) == pytest.approx(scipy.stats.poisson.logpmf([3, 5], total), abs=1e-6)
    drawn = seen.sample(4000, rng=np.random.default_rng(1))
    assert abs(drawn[:, 0].mean() - total) < 5 * np.sqrt(total / 4000)
    assert (drawn[:, 0] >= drawn[:, 1]).all()


# nets ----------------------------------------------------------------------------------------------


def test_a_met_weighs_sums_by_all_splits_in_its_window():
    """Two colonies with the same rates: their sum has the law of one from the sum of the starts."""
    net, rng = known_net(("X", "Y"), cap=60), np.random.default_rng(2)
    problem = Problem.of(net.network, 1.0, initial={"X": 3, "Y": 5})
    thetas = np.column_stack([rng.uniform(1, 4, 3), rng.uniform(0.25, 1, 3)])
    data = Observations.from_counts({"both": ("X", "Y")}, [0.7, 0.7, 3.0], [2, 9, 12])
    f = Likelihood(net, problem, data, ("birth", "death"))
    for (birth, death), early, late in zip(thetas, *f.by_row(thetas), strict=True):
        assert early == pytest.approx(np.log(exact([2, 9], 8, 2 * birth, death, 0.7)), abs=1e-6)
        assert late == pytest.approx(np.log(exact([12], 8, 2 * birth, death, 3.0)), abs=1e-6)
    beyond = Observations.from_counts({"both": ("X", "Y")}, 1.0, [5, 121])
    with pytest.raises(DataError, match=r"'both': 121.* outside the net's window"):
        Likelihood(net, problem, beyond, ("birth",))
    edge = Observations.from_counts({"both": ("X", "Y")}, 1.0, [119])  # only (59, 60) and (60, 59) are inside
    assert np.isfinite(Likelihood(net, problem, edge, ("birth",))([[2.0]])).all()


def test_a_van_weighs_sums_as_its_table_does():
    import torch

    settings, model = VAN(width=8), network({"A": 0, "B": 0}, {"k": 1.0}, [("a", {}, {"A": 1, "B": 1}, "k")])
    torch.manual_seed(0)
    clock = subjects_of(model, (0.0, 4.0)).clock
    layout = Layout.of(StateSpace.box([6, 9]))
    van = TrainedVAN(model, make_net(settings, layout, clock).eval(), settings, 0, (0.0, 4.0))
    table = van.solve(Problem.of(model, 2.0), rng=np.random.default_rng(0)).laws[0].table()
    data = Observations.from_counts({"all": ("A", "B")}, 2.0, [0, 4, 8, 15])
    expected = [sum(table[a, n - a] for a in range(7) if 0 <= n - a <= 9) for n in (0, 4, 8, 15)]
    found = Likelihood(van, Problem.of(model, 2.0), data, ("k",)).by_row([[1.0]])[0][0]
    assert found == pytest.approx(np.log(expected), abs=1e-5)
