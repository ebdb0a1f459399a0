"""The stated error is a bound, and not a wasteful one: 200 random networks, all methods of integration."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetix.compiler import compile_network
from kinetix.errors import TruncationError
from kinetix.master import MasterOperator
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection import expansion, expansion_numpy, integration, sweeps, sweeps_numpy, uniformisation
from kinetix.solvers.projection import projector as projection
from kinetix.solvers.projection.grid import Grid
from kinetix.space import StateSpace
from tests import exact


def true_error(network, solution, t, upper):
    """The distance from the law on a far larger box by dense exponentials, with what is lost as one more state."""
    law = exact.dense_law(compile_network(network), upper, t)
    states, p = np.array(list(law)), np.array(list(law.values()))
    stated = np.exp(solution.log_prob(states, t))
    return float(np.maximum(p - stated, 0.0).sum()), max(1.0 - float(p.sum()), 0.0)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    t=st.sampled_from([0.02, 0.3, 1.0, 4.0]),
    leak=st.sampled_from([1e-3, 1e-6, 1e-9, 1e-11]),
    rival=st.booleans(),
)
def test_the_stated_error_bounds_the_true_one(seed, t, leak, rival):
    """With and without the Chebyshev expansion (`rival` lets it in, however small the problem).

    Mutants seen to fail: the truncation of the expansion left out of its bound, or divided by ten.
    """
    network, kept, least = exact.random_network(seed), (projection.TRIFLE, projection.COMPACT), integration.LEAST
    try:
        if rival:
            projection.TRIFLE, projection.COMPACT, integration.LEAST = 0.0, 0.0, 1.0
        solution = FSP(leak=leak).solve(Problem.of(network, [t]))
    finally:
        (projection.TRIFLE, projection.COMPACT), integration.LEAST = kept, least
    true, beyond = true_error(network, solution, t, (16, 16))
    assert true <= solution.error + beyond + 1e-12
    assert solution.error <= max(100 * true, 1.06 * leak + 1e-12)


@pytest.mark.parametrize("loops", [expansion._loops(), expansion_numpy])
@pytest.mark.parametrize("tau", [0.7, 40.0, 900.0])
def test_the_expansion_knows_its_error(monkeypatch, loops, tau):
    """Bounds hold from a state in the tail, where the terms grow, and from the middle, where they do not."""
    monkeypatch.setattr(expansion, "_loops", lambda: loops)
    model = compile_network(exact.birth_death(30.0, 1.0))
    grid = Grid(model, StateSpace.box((90,)))
    rates = grid.rates(model.theta)
    rate = float(rates.outflow.max())
    whole = MasterOperator.of(model, model.theta, grid.space).sparse().toarray()
    for place, worst in ((0, np.inf), (30, 1e-10), (80, np.inf)):
        start = np.zeros(91)
        start[place] = 1.0
        found = expansion.expand(grid.terms(rates, rate), start, [tau], [1e-10], np.zeros(1, np.int64))
        assert found.bound[0] <= worst
        law = scipy.linalg.expm(whole * (tau / rate)) @ start
        if np.isfinite(found.bound[0]):
            assert np.abs(found.laws[0] - law).sum() <= found.bound[0] + 1e-13


def test_passes_of_many_products_give_the_numbers_of_one_at_a_time():
    """On a window beyond the cache, where products follow one another through it; with steps of two rows.

    Mutants seen to fail: a product one block too close behind the one before.
    """
    model = compile_network(exact.toggle_switch())
    grid = Grid(model, StateSpace.box((1, 1, 239, 239)))
    rates = grid.rates(model.theta)
    rate, x = float(rates.outflow.max()), grid.space.states()[:, 2:]
    start = np.exp(-((x - 60) ** 2).sum(axis=1) / 400)
    terms, start = grid.terms(rates, rate), start / start.sum()
    assert sweeps.plan(terms)[0] > 1
    schedule = uniformisation.Schedule.of(rate, np.array([3.0, 20.0]) / rate)
    found = uniformisation.sweep(terms, start, schedule, still=0.0)
    wide = expansion.expand(terms, start, [3.0, 20.0], [1e-6, 1e-6], np.zeros(1, np.int64))
    law, one = start, sweeps_numpy.product_of(terms)
    expected = np.zeros((2, len(start)))
    for j in range(schedule.products + 1):
        for k, weights in enumerate(schedule.weights):
            if weights.first <= j <= weights.last:
                expected[k] += weights.values[j - weights.first] * law
        law = one(law)
    assert np.abs(found.laws - expected).sum() <= 1e-12
    assert found.products == schedule.products
    for law, bound, exactly in zip(wide.laws, wide.bound, expected, strict=True):
        assert np.abs(law - exactly).sum() <= bound + 1e-12 <= 1e-6


def test_stretches_of_both_kinds_add_up():
    """A start in the tail, then a long way: the methods take turns, outputs lie in between."""
    times = np.array([0.01, 0.2, 3.0, 40.0, 41.0])
    solution = FSP(leak=1e-9).solve(Problem.of(exact.birth_death(60.0, 1.0), times))
    for k, t in enumerate(times):
        pmf = solution.marginal("X", t)
        exactly = exact.birth_death_pmf(60.0, 1.0, 0, t, len(pmf))
        assert np.abs(pmf - exactly).sum() <= 2 * solution.meta["error_by_time"][k] + 1e-12
    assert solution.error < 1.1e-9


@pytest.mark.parametrize(("gain", "start"), [(0.0, 0), (0.7, 0), (0.7, 30)])
def test_errors_of_stretches_add_up(monkeypatch, gain, start):
    """Every stretch is made wrong by a known amount and says so: the whole must say the sum.

    By uniformisation alone, by turns, and mostly by the expansion. Mutants seen to fail: the accumulated error
    reset by either method at the start of a stretch; that of the stretches before left out of an output's.
    """
    wrong, stretches = 1e-7, []

    def expand(*given):
        found = expansion.expand(*given)
        return replace(found, laws=found.laws * (1 - wrong), bound=found.bound + wrong)

    def sweep(*given, **limits):
        found = uniformisation.sweep(*given, **limits)
        stretches.append(found.products)
        return replace(found, laws=found.laws * (1 - wrong), drift=found.drift + wrong)

    monkeypatch.setattr(integration, "GAIN", gain)
    monkeypatch.setattr(integration, "expand", expand)
    monkeypatch.setattr(integration, "sweep", sweep)
    model = compile_network(exact.birth_death(30.0, 1.0))
    grid, times = Grid(model, StateSpace.box((90,))), np.array([0.5, 3.0, 20.0, 90.0])
    rates = grid.rates(model.theta)
    rate = float(rates.outflow.max())
    flow = integration.integrate(grid.terms(rates, rate), rate, np.eye(91)[start], times, tolerance=1e-4)
    whole = MasterOperator.of(model, model.theta, grid.space).sparse().toarray()
    for law, error, t in zip(flow.laws, flow.error, times, strict=True):
        true = np.abs(law - scipy.linalg.expm(whole * t)[:, start]).sum()
        assert true <= error
    assert flow.error[-1] >= 2.5 * wrong
    assert len(stretches) >= (4 if gain == 0 else 1 if start == 0 else 0)


def test_stiff_and_long_by_the_expansion():
    """Schlögl to t = 1: 100,000 products of uniformisation are a few thousand of the expansion."""
    solution = FSP(leak=1e-9).solve(Problem.of(exact.schloegl(), [1.0]))
    assert solution.meta["methods"]["uniformisation"] == 0
    assert solution.meta["methods"]["chebyshev"] < 10_000
    slow = FSP(leak=1e-12).solve(Problem.of(exact.schloegl(), [1.0]))
    assert np.abs(solution.marginal("X", 1.0)[:90] - slow.marginal("X", 1.0)[:90]).sum() < solution.error + slow.error


def test_cost_is_known_before_the_work():
    problem = Problem.of(exact.toggle_switch(), [1.0])
    cost = FSP().estimate(problem)
    solution = FSP().solve(problem)
    assert 0.3 < cost.states / solution.meta["states"] <= 1.0
    assert 0.5 < cost.products / solution.meta["products"] < 20
    assert cost.memory >= 8 * cost.states
    assert cost.refusal is None
    assert str(cost).startswith(f"{cost.states} states")
    refused = FSP(max_states=100).estimate(problem)
    assert "more than max_states = 100" in str(refused)
    with pytest.raises(TruncationError, match=f"at least {refused.states} states"):
        FSP(max_states=100).solve(problem)
    assert "max_work" in (FSP(max_work=1e4).estimate(problem).refusal or "")
