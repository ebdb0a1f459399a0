"""Shift and invert on stiff windows: the stated error against exponentials in extended precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from kinetix.compiler import compile_network
from kinetix.master import MasterOperator
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection import integration, sweeps_numpy
from kinetix.solvers.projection import stiff as choice
from kinetix.solvers.projection.frame import Start
from kinetix.solvers.projection.grid import Grid
from kinetix.solvers.projection.krylov import Shifted, Space, follow
from kinetix.solvers.projection.reduced import UNIT
from kinetix.solvers.projection.roaming import Roaming
from kinetix.solvers.projection.terms import Terms
from kinetix.space import StateSpace
from tests import exact

GO_ON = np.zeros(1, dtype=np.int64)


def enzyme(bind=1e4, free=1e5, turn=1.0, enzymes=3, substrates=10):
    """Michaelis and Menten: complexes come and go far faster than products are made."""
    return exact.network(
        {"E": enzymes, "S": substrates, "C": 0, "P": 0},
        {"kf": bind, "kr": free, "kc": turn},
        [
            ("bind", {"E": 1, "S": 1}, {"C": 1}, "kf"),
            ("free", {"C": 1}, {"E": 1, "S": 1}, "kr"),
            ("make", {"C": 1}, {"E": 1, "P": 1}, "kc"),
        ],
    )


def wild_generator(seed, size=36):
    """A random generator on some states in a ring and beyond it, with rates over 8 decades and a leak."""
    rng = np.random.default_rng(seed)
    source = np.concatenate((np.arange(size), np.arange(size), rng.integers(0, size, size)))
    target = np.concatenate((np.roll(np.arange(size), 1), np.roll(np.arange(size), -1), rng.integers(0, size, size)))
    rates = np.exp(rng.uniform(np.log(1e-4), np.log(1e4), len(source))) * (rng.random(len(source)) < 0.8)
    dense = np.zeros((size, size))
    np.add.at(dense, (target, source), np.where(source == target, 0.0, rates))
    leak = np.where(rng.random(size) < 0.1, 1e-3, 0.0)
    return dense - np.diag(dense.sum(axis=0) + leak)


def exactly(generator, start, times):
    """exp(A t) p in long doubles, by squares of a matrix without negative entries: [T, N]; times are end / 2^k."""
    generator = np.asarray(generator, dtype=np.longdouble)
    end, rate = max(times), float(-generator.diagonal().min())
    halvings = max(int(np.ceil(np.log2(rate * end))), 0) + 1
    tau = np.longdouble(rate * end) / np.longdouble(2) ** halvings
    step = np.eye(len(start), dtype=np.longdouble) + generator / np.longdouble(rate)
    term = whole = np.exp(-tau) * np.eye(len(start), dtype=np.longdouble)
    for k in range(1, 26):
        term = term @ step * (tau / k)
        whole = whole + term
    found, time = {}, end / 2.0**halvings
    for _ in range(halvings + 1):
        for t in times:
            if abs(time - t) <= 1e-9 * t:
                found[t] = whole @ start
        whole, time = whole @ whole, 2.0 * time
    return np.array([found[t] for t in times])


def window(network, upper):
    """The generator on a box, its terms and rate, and the start."""
    model, space = compile_network(network), StateSpace.box(upper)
    grid = Grid(model, space)
    rates = grid.rates(model.theta)
    rate = float(rates.outflow.max())
    start = np.zeros(space.size)
    start[space.index(Problem.of(model, [1.0]).initial.counts[None, :])] = 1.0
    return MasterOperator.of(model, model.theta, space).sparse().toarray(), grid.terms(rates, rate), rate, start


@pytest.fixture
def eager(monkeypatch):
    """Spaces wherever they can be had, whatever they cost."""
    monkeypatch.setattr(choice, "WORTH", 0.0)
    monkeypatch.setattr(choice, "AROUND", 0.0)
    monkeypatch.setattr(choice, "CALL", 1e9)


CASES = [
    (exact.telegraph(1e6, 1e6, 20.0, 1.0), (1, 47), 8.0),
    (exact.telegraph(1e5, 3e5, 40.0, 1.0, gene=1), (1, 24), 4.0),  # half of the law is lost through the face
    (enzyme(), (3, 10, 3, 10), 8.0),
    (exact.birth_death(30.0, 1.0), (60,), 200.0),
]


@pytest.mark.parametrize(("network", "upper", "end"), CASES)
def test_the_stated_error_bounds_the_true_one_at_many_times(eager, network, upper, end):
    """Mutants seen to fail: the last coefficient of the residual left out; panels of half the length; the errors
    of spaces not added up; a g that is doubled in the residual, or a solution with a slip of 1e-7 (no space is good).
    """
    if upper == (3, 10, 3, 10):  # on its conserved window, by the solver's own frame
        model = compile_network(network)
        projector = FSP().projector(Problem.of(model, [end]))
        grid, start = projector._place(model.network.species and (3, 10, 3, 10))
        rates = grid.rates(model.theta)
        rate = float(rates.outflow.max())
        terms = grid.terms(rates, rate)
        generator = (terms.matrix().toarray().astype(np.longdouble) - np.eye(len(start))) * rate
    else:
        generator, terms, rate, start = window(network, upper)
    times = end / 2.0 ** np.arange(12)[::-1]
    flow = integration.integrate(terms, rate, start, times, tolerance=1e-10)
    assert flow.products["krylov"] > 0
    law = exactly(generator, start, times.tolist())
    true = np.abs(flow.laws - law).sum(axis=1).astype(float)
    assert (true <= flow.error).all()
    assert (flow.laws >= 0).all()
    assert flow.error[-1] <= 1e-10 + 30e-16 * rate * end
    assert (np.diff(flow.laws.sum(axis=1)) <= flow.error[1:] + flow.error[:-1]).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100_000), reach=st.sampled_from([30.0, 1e3, 1e5, 1e7]), mixed=st.booleans())
def test_bounds_of_wild_generators(seed, reach, mixed):
    """From a state after its first transients, and from a law that is spread out.

    Mutants seen to fail: the law read a little before the end of its panels.
    """
    generator = wild_generator(seed)
    rate = float(-generator.diagonal().min())
    rng = np.random.default_rng(seed)
    start = rng.dirichlet(np.ones(36)) if mixed else np.eye(36)[rng.integers(36)]
    early = exactly(generator, start, [reach / 8 / rate])[0].astype(float)
    matrix = Terms.of_sparse(csr_array(generator), rate).matrix()
    taus = reach / 2.0 ** np.arange(6)[::-1]
    allowed = 1e-9 + 16e-16 * reach
    found = follow(Shifted.of(matrix, reach / 8), early, taus, reach, allowed, GO_ON)
    held = taus <= found.reached
    if not held.any():
        return
    law = exactly((matrix.toarray().astype(np.longdouble) - np.eye(36)) * rate, early, (taus[held] / rate).tolist())
    true = np.abs(found.laws[held] - law).sum(axis=1).astype(float)
    assert (true <= found.bound[held]).all()
    assert (found.bound[held] <= np.maximum(100 * true, allowed)).all()
    assert np.isinf(found.bound[~held]).all()
    end = exactly((matrix.toarray().astype(np.longdouble) - np.eye(36)) * rate, early, [found.reached / rate])[0]
    assert np.abs(found.end - end).sum() <= found.error


@pytest.mark.parametrize("size", [3, 6, 9, 14, 20])
@pytest.mark.parametrize("early", [0.0, 60.0])
def test_the_bound_of_a_space_of_any_size(size, early):
    """Large errors and small ones, from a start that no such space holds, and from one that it does.

    Mutants seen to fail: the start's error left out; the last coefficient of the residual left out.
    """
    for seed in range(6):
        generator = wild_generator(seed)
        rate = float(-generator.diagonal().min())
        start = np.eye(36)[seed]
        if early:
            start = exactly(generator, start, [early / rate])[0].astype(float)
        matrix = Terms.of_sparse(csr_array(generator), rate).matrix()
        space = Space(Shifted.of(matrix, 32.0), start)
        while space.size < size and not space.full:
            space.grow()
        found = space.panels(space.begin()[0], 256.0)
        moments = found.ends[-6:]
        laws = exactly((matrix.toarray().astype(np.longdouble) - np.eye(36)) * rate, start, (moments / rate).tolist())
        z, bound = found.at(0.0)
        assert np.abs(z @ space.w[: space.size] - start).sum() <= bound
        bounds, true = [], []
        for x, law in zip(moments, laws, strict=True):
            z, bound = found.at(float(x))
            bounds.append(bound)
            true.append(float(np.abs(z @ space.w[: space.size] - law).sum()))
            assert true[-1] <= bound + 8 * UNIT * x
        assert bounds[-1] <= 300 * max(true) + 1e-11 or early == 0.0  # errors fade, which no bound of this kind knows


def test_most_starts_after_their_transients_are_reached():
    """A bound that is never small would pass the test above."""
    whole = 0
    for seed in range(16):
        generator = wild_generator(seed)
        rate = float(-generator.diagonal().min())
        early = exactly(generator, np.eye(36)[0], [1e4 / rate])[0].astype(float)
        matrix = Terms.of_sparse(csr_array(generator), rate).matrix()
        whole += follow(Shifted.of(matrix, 1e4), early, np.array([8e4]), 8e4, 1e-9, GO_ON).reached == 8e4
    assert whole >= 14


def test_the_matrix_of_terms_is_what_products_use():
    rng = np.random.default_rng(0)
    boxes = [(exact.toggle_switch(), (1, 1, 9, 9)), (exact.gene_expression(), (70, 80)), (exact.cascade(2), (5, 7))]
    for network, upper in boxes:
        terms = window(network, upper)[1]
        v = rng.random(terms.size)
        assert np.abs(terms.matrix() @ v - sweeps_numpy.product_of(terms)(v)).max() <= 1e-14
    listed = Terms.of_sparse(csr_array(wild_generator(3)), 2e4)
    v = rng.random(36)
    assert np.abs(listed.matrix() @ v - sweeps_numpy.product_of(listed)(v)).max() <= 1e-14


def test_occupancy_and_loss_are_those_of_the_law(eager):
    """Mutants seen to fail: the integral of z without its panels' lengths."""
    generator, terms, rate, start = window(exact.telegraph(1e5, 1e5, 20.0, 1.0), (1, 19))
    end = 4.0
    flow = integration.integrate(terms, rate, start, np.array([end]), tolerance=1e-10)
    assert flow.products["krylov"] > 0
    occupancy = np.linalg.solve(generator, flow.laws[0] - start)
    assert np.abs(flow.occupancy - occupancy).sum() <= 2e-3 * end
    stopped = integration.integrate(terms, rate, start, np.array([end]), lost_at_most=1e-3, tolerance=1e-10)
    assert stopped.stopped
    assert 1.0 - stopped.laws[0].sum() > 1e-3


def test_states_that_nothing_leads_to_stay_empty(eager):
    """Rates that make no sense there must not be refused for rounding's sake."""
    generator, size = wild_generator(5), 36
    whole = np.zeros((2 * size, 2 * size))
    whole[:size, :size] = whole[size:, size:] = generator
    whole[3, size + 7] += 5.0
    whole[size + 7, size + 7] -= 5.0
    order = np.random.default_rng(1).permutation(2 * size)
    whole, there = whole[np.ix_(order, order)], order < size
    rate = float(-whole.diagonal().min())
    start = (order == 11).astype(float)
    flow = integration.integrate(Terms.of_sparse(csr_array(whole), rate), rate, start, np.array([50.0]))
    assert flow.products["krylov"] > 0
    assert not flow.laws[0][~there].any()
    assert not flow.occupancy[~there].any()


def test_lists_of_states_too(eager):
    """Segments of the roaming projection ask for the same choice; what they lose still judges the list."""
    network, end = exact.telegraph(1e4, 1e4, 10.0, 1.0), 3.0
    model = compile_network(network)
    found = Roaming(model, model.theta, 1e-7, 10_000, 1e12).laws(
        Start.of(Problem.of(model, [end]).initial), np.array([end]), GO_ON
    )
    assert found.products["krylov"] > 0
    generator, _, _, start = window(network, (1, 60))
    law = exactly(generator, start, [end])[0]
    place = StateSpace.box((1, 60)).index(found.counts[0])
    missing = law.sum() - law[place].sum()
    assert np.abs(law[place] - found.laws[0]).sum() + missing <= 2 * found.error[0]
    assert found.error[0] <= 1.2e-7


def test_stiff_windows_are_solved_so_and_others_are_not():
    """The window is found as ever: a start that says too little is widened."""
    found = FSP(leak=1e-8).solve(Problem.of(exact.telegraph(1e6, 1e6, 40.0, 1.0), [10.0]))
    assert found.meta["methods"]["krylov"] > 0
    gene = 0.5
    assert abs(found.mean("Gu")[0] - gene) <= 1e-6
    assert abs(found.mean("M")[0] - 40 * gene * (1 - np.exp(-10.0))) <= 1e-4
    long = FSP(leak=1e-8).solve(Problem.of(exact.schloegl(), [3.0]))
    assert long.meta["methods"]["krylov"] == 0
    large = enzyme(enzymes=20, substrates=200)
    found = FSP(leak=1e-8).solve(Problem.of(large, [1.0]))
    assert found.meta["methods"]["krylov"] > 0
    assert np.isclose(found.mean("C")[0] + found.mean("E")[0], 20.0)
    assert found.meta["methods"]["chebyshev"] < 10_000
