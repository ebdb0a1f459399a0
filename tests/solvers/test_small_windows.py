"""Small windows: one compiled call gives the numbers of the sweep, and the pilots' way changes nothing."""

import numpy as np
import pytest

from kinetix.compiler import compile_network
from kinetix.expressions import symbol
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection import small
from kinetix.solvers.projection.grid import Grid
from kinetix.solvers.projection.integration import integrate
from kinetix.solvers.projection.picker import Picker
from kinetix.space import StateSpace
from tests import exact


def many_steps(number):
    """A network of as many terms as asked for: births of one to `number` - 1 at once, and deaths."""
    x = symbol("X")
    births = [(f"born{k}", {}, {"X": k}, symbol("b") / (1 + k * x)) for k in range(1, number)]
    return exact.network({"X": 2}, {"b": 3.0, "d": 1.0}, [*births, ("dies", {"X": 1}, {}, "d")])


CASES = [(many_steps(n), (40,)) for n in range(1, 8)]
CASES += [(exact.autoregulation(), (1, 63)), (exact.toggle_switch(), (1, 1, 9, 9)), (exact.cascade(3), (9, 9, 9))]


@pytest.mark.parametrize(("network", "upper"), CASES)
def test_one_call_gives_the_numbers_of_the_sweep(network, upper):
    """Mutants seen to fail: the odd term left out, the occupancy unscaled, a weight taken one product late."""
    model = compile_network(network)
    grid = Grid(model, StateSpace.box(upper))
    rates = grid.rates(model.theta)
    rate, start = float(rates.outflow.max()), np.zeros(grid.space.size)
    start[grid.space.index(model.initial)] = 1.0
    for times in ([0.0, 0.3, 2.0, 7.1], [3.0], [0.0], [2000.0 / rate]):
        limits = {"lost_at_most": 2.0, "tolerance": 1e-10, "control": np.zeros(1, dtype=np.int64)}
        fast = small.swept(rates, rate, start, np.array(times), **limits)
        slow = integrate(grid.terms(rates, rate), rate, start, np.array(times), positive=True, **limits)
        assert np.allclose(fast.laws, slow.laws, atol=1e-13)
        assert np.allclose(fast.occupancy, slow.occupancy, rtol=1e-12, atol=1e-13)
        assert fast.products == slow.products
        assert np.allclose(fast.error, slow.error, rtol=0.5)


def test_a_law_that_no_longer_changes_ends_the_call_early():
    model = compile_network(exact.birth_death(5.0, 1.0))
    grid = Grid(model, StateSpace.box((40,)))
    rates, start = grid.rates(model.theta), np.eye(41)[0]
    limits = {"lost_at_most": 2.0, "tolerance": 1e-9, "control": np.zeros(1, dtype=np.int64)}
    rate, times = float(rates.outflow.max()), np.array([1.0, 2000.0])
    fast = small.swept(rates, rate, start, times, **limits)
    assert fast.products["uniformisation"] < 5_000  # of about 90,000
    assert np.abs(fast.laws[1] - exact.birth_death_pmf(5.0, 1.0, 0, 2000.0, 41)).sum() <= 1e-9
    assert fast.error[1] < 1e-9


def test_both_stop_when_too_much_is_lost_or_when_told():
    model = compile_network(exact.birth_death(20.0, 0.1))
    grid = Grid(model, StateSpace.box((30,)))
    rates, start, told = grid.rates(model.theta), np.eye(31)[0], np.zeros(1, dtype=np.int64)
    limits = {"lost_at_most": 1e-3, "tolerance": 1e-10, "control": told}
    rate, times = float(rates.outflow.max()), np.array([40.0])
    assert small.swept(rates, rate, start, times, **limits).stopped
    assert not small.swept(rates, rate, start, np.array([0.5]), **limits).stopped
    told[0] = 1
    assert small.swept(rates, rate, start, times, **{**limits, "lost_at_most": 2.0}).stopped


def test_the_answer_without_the_one_call(monkeypatch):
    """As where numba is missing."""
    problem = Problem.of(exact.autoregulation(), [1.0, 10.0])
    fast = FSP().solve(problem)
    monkeypatch.setattr(small, "loops", lambda: None)
    slow = FSP().solve(problem)
    assert all(np.allclose(a.p, b.p, atol=1e-13) for a, b in zip(fast.laws, slow.laws, strict=True))
    assert np.isclose(fast.error, slow.error, atol=1e-11)


def guesses(monkeypatch, network, end):
    """Caps by pilots of the compiled kernel, and of numpy."""
    projector = FSP().projector(Problem.of(network, [end]))
    theta, frame = projector.maker.theta, projector.maker.frame
    if frame.kernel is None:
        pytest.skip("there is no compiled kernel here")
    compiled = projector.guess(theta).tolist()
    monkeypatch.setitem(frame.__dict__, "kernel", None)
    return compiled, projector.guess(theta).tolist()


@pytest.mark.parametrize(
    ("network", "end"),
    [(exact.schloegl(), 10.0), (exact.autoregulation(), 10.0), (exact.birth_death(500.0, 0.5), 100.0)],
)
def test_the_window_does_not_depend_on_how_pilots_run(monkeypatch, network, end):
    """Mutant seen to fail: a larger budget of events for compiled pilots than for the others."""
    first, second = guesses(monkeypatch, network, end)
    assert first == second


def test_pilots_of_a_law_that_breaks_down(monkeypatch):
    eat = exact.network({"A": 2}, {"k": 1.0}, [("eat", {"A": 1}, {}, symbol("k")), ("make", {}, {"A": 1}, symbol("k"))])
    first, second = guesses(monkeypatch, eat, 9.0)
    assert first == second


def test_rows_are_summed_over_the_states_that_show_them():
    """Rows that no state shows, rows asked twice, none at all; conserved species that would be negative."""
    space, rng = StateSpace.box((2, 3)), np.random.default_rng(0)
    law = rng.random(space.size)
    table = law.reshape(3, 4)
    assert np.allclose(
        Picker.of(space, np.array([[3], [7], [0], [3]]), [1])(law),
        [table.sum(0)[3], 0, table.sum(0)[0], table.sum(0)[3]],
    )
    assert Picker.of(space, np.array([[3, 1], [0, 2]]), [1, 0])(law).tolist() == [table[1, 3], table[2, 0]]
    assert Picker.of(space, np.zeros((0, 1), dtype=np.int64), [0])(law).shape == (0,)
    tied = StateSpace.conserved(np.array([[1, 1]]), np.array([2, 0]), (4, 4))
    seen = Picker.of(tied, np.array([[2, 0], [0, 0], [0, 3]]), [0, 1])(np.ones(tied.size))
    assert seen.tolist() == [1.0, 0.0, 0.0]
