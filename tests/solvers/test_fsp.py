"""Finite state projection: the law, its error bound, the window, and batches."""

import math
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.distribution import Sampled, Tabulated
from kinetix.errors import RunError, SettingError, TruncationError
from kinetix.expressions import symbol
from kinetix.master import MasterOperator
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection import sweeps, sweeps_numpy, uniformisation
from kinetix.solvers.projection.grid import Grid
from kinetix.solvers.projection.terms import Terms
from kinetix.solvers.projection.uniformisation import Schedule, poisson_weights, sweep
from kinetix.space import StateSpace
from tests import exact


def bimodality(solution, name):
    mean = solution.mean(name)[-1]
    counts = np.arange(len(pmf := solution.marginal(name, solution.times[-1])))
    second, third, fourth = (pmf @ (counts - mean) ** m for m in (2, 3, 4))
    return 1 / (fourth / second**2 - third**2 / second**3)


# the law ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 7])
def test_birth_death_to_the_digits_of_the_closed_form(start):
    times = [0.0, 5.0, 25.0, 49.0, 98.0]
    solution = FSP().solve(Problem.of(exact.birth_death(start=start), times))
    for t in times:
        pmf = solution.marginal("X", t)
        assert np.abs(pmf - exact.birth_death_pmf(0.1, 0.01, start, t, len(pmf))).sum() < 1e-9
    assert np.allclose(
        solution.mean("X"), start * np.exp(-0.01 * np.array(times)) + 10 * (1 - np.exp(-0.01 * np.array(times)))
    )


AUTOREGULATION = [  # sigma_u, sigma_b, rho_u, rho_b; protein mean, sd, bimodality, P(Gu = 1) at t = 10
    ((0.94, 0.01, 8.40, 28.1), 10.154, 5.197, 0.243, 0.911),
    ((0.69, 0.07, 7.2, 40.6), 28.786, 12.113, 0.461, 0.344),
    ((0.44, 0.08, 0.94, 53.1), 17.910, 22.164, 0.768, 0.645),
]


@pytest.mark.parametrize(("point", "mean", "sd", "coefficient", "free"), AUTOREGULATION)
def test_autoregulation_exact_values(point, mean, sd, coefficient, free):
    solution = FSP().solve(Problem.of(exact.autoregulation(*point), [10.0]))
    assert abs(solution.mean("P")[0] - mean) <= 5.1e-4
    assert abs(solution.std("P")[0] - sd) <= 5.1e-4
    assert abs(bimodality(solution, "P") - coefficient) <= 5.1e-4
    assert abs(solution.marginal("Gu", 10.0)[1] - free) <= 5.1e-4
    assert solution.error < 1.1e-9


def test_toggle_switch_exact_values():
    """At t = 1, 3 and 40, with the tails P(Px >= 80)."""
    solution = FSP(leak=1e-12).solve(Problem.of(exact.toggle_switch(), [1.0, 3.0, 40.0]))
    assert np.allclose(solution.mean("Gx"), [0.9605, 0.7364, 0.5811], atol=5.1e-5)
    assert np.allclose(solution.mean("Py"), [31.077, 39.090, 29.057], atol=5.1e-4)
    assert np.allclose(solution.std("Px"), [6.199, 15.893, 23.643], atol=5.1e-4)
    tails = [solution.marginal("Px", t)[80:].sum() for t in (1.0, 3.0, 40.0)]
    assert np.allclose(tails, [3.4e-13, 6.4e-6, 2.7e-5], rtol=0.02)


def test_gene_expression_exact_values():
    solution = FSP().solve(Problem.of(exact.gene_expression(), [360.0, 1800.0, 3600.0]))
    assert np.allclose(solution.mean("p"), [25.17, 48.61, 49.96], atol=5.1e-3)
    assert np.allclose(solution.std("p"), [7.85, 9.88, 9.95], atol=5.1e-3)


def test_telegraph_at_a_late_time_is_beta_poisson():
    solution = FSP().solve(Problem.of(exact.telegraph(), [60.0]))
    pmf = solution.marginal("M", 60.0)
    assert np.abs(pmf - exact.beta_poisson_pmf(0.5, 1.0, 20.0, len(pmf))).sum() < 1e-8


def test_first_order_network_has_the_means_of_its_linear_ode():
    network = exact.cascade(3)
    solution = FSP().solve(Problem.of(network, [0.4, 1.5]))
    for k, t in enumerate((0.4, 1.5)):
        assert np.allclose(solution.mean()[k], exact.first_order_means(compile_network(network), t), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), t=st.sampled_from([0.05, 0.6, 2.0]))
def test_random_networks_against_scipy(seed, t):
    """The error states a bound on the true one, measured on a far larger box by dense exponentials.

    Mutants seen to fail: the Poisson series cut at its mean; outflow without the reactions that leave.
    """
    network = exact.random_network(seed)
    model = compile_network(network)
    solution = FSP(leak=1e-4).solve(Problem.of(network, [t]))
    law = exact.dense_law(model, (22, 22), t)
    states, p = np.array(list(law)), np.array(list(law.values()))
    stated = np.exp(solution.log_prob(states, t))
    integration = solution.error - solution.meta["lost_by_time"][0]
    beyond = max(1 - p.sum(), 0.0)  # what the oracle's own box lets out
    assert np.maximum(stated - p, 0.0).sum() <= integration + beyond + 1e-12
    distance = np.maximum(p - stated, 0.0).sum()  # total variation with what is lost as one more state
    assert distance <= solution.error + beyond + 1e-12
    assert solution.error <= 1.01e-4


def test_rates_times_c_and_times_over_c_give_the_same_law():
    network = exact.autoregulation()
    slow = FSP().solve(Problem.of(network, [1.0, 4.0]))
    faster = network.replace(parameters={p.name: 3.7 * p.value for p in network.parameters})
    fast = FSP().solve(Problem.of(faster, [1.0 / 3.7, 4.0 / 3.7]))
    assert np.allclose(slow.joint(("Gu", "P"), 4.0), fast.joint(("Gu", "P"), 4.0 / 3.7), atol=1e-10)


def test_the_start_may_be_a_law():
    """Solving to 3 is solving to 1, then from the law at 1 for 2 more."""
    network = exact.autoregulation()
    whole = FSP().solve(Problem.of(network, [1.0, 3.0]))
    rest = FSP().solve(Problem.of(network, [2.0], initial=whole.law(1.0)))
    assert np.allclose(whole.marginal("P", 3.0)[:40], rest.marginal("P", 2.0)[:40], atol=1e-8)
    assert rest.error >= 1 - whole.law(1.0).p.sum() - 1e-15  # what the start lacks is part of the error
    cells = Sampled(np.array([[1, 0], [1, 0], [0, 3]]))
    mixed = FSP().solve(Problem.of(network, [0.0, 1.0], initial=cells))
    assert np.allclose(mixed.marginal("P", 0.0), [2 / 3, 0, 0, 1 / 3])


def test_time_zero_is_the_start_exactly():
    solution = FSP().solve(Problem.of(exact.toggle_switch(), [0.0]))
    assert solution.mean().tolist() == [[1.0, 1.0, 0.0, 0.0]]
    assert solution.error < 1e-13


def test_networks_without_reactions_stand_still():
    solution = FSP().solve(Problem.of(exact.network({"A": 4}, {}, []), [0.0, 5.0]))
    assert solution.mean("A").tolist() == [4.0, 4.0]


# the window ------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), more=st.tuples(st.integers(0, 4), st.integers(0, 4)))
def test_a_wider_window_never_raises_the_sink(seed, more):
    problem = Problem.of(exact.random_network(seed), [0.3, 1.0])
    thetas = problem.theta[None]
    narrow, wide = StateSpace.box((4, 4)), StateSpace.box((4 + more[0], 4 + more[1]))
    (p, (lost,)), (q, (less,)) = (FSP().tables(problem, thetas, space) for space in (narrow, wide))
    assert less <= lost + 1e-13
    position = wide.index(narrow.states())
    assert (p[0] <= q[0][:, position] + 1e-13).all()


def test_conserved_totals_shrink_the_window():
    network = exact.network(
        {"A": 3, "B": 0, "E": 2},
        {"f": 1.0, "b": 0.7},
        [("bind", {"A": 1, "E": 1}, {"B": 1}, "f"), ("part", {"B": 1}, {"A": 1, "E": 1}, "b")],
    )
    solution = FSP().solve(Problem.of(network, [0.8]))
    assert solution.meta["states"] <= 4
    law = exact.dense_law(compile_network(network), (3, 3, 2), 0.8)
    for state, p in law.items():
        assert abs(math.exp(solution.log_prob(np.array(state), 0.8)) - p) < 1e-12
    assert solution.error < 1e-12


def test_gene_states_get_no_slack():
    upper = FSP().solve(Problem.of(exact.toggle_switch(), [0.5])).meta["upper"]
    assert upper["Gx"] == upper["Gy"] == 1


def test_a_burst_that_no_pilot_saw_widens_the_window():
    """A switch with probability 1e-4 into fast synthesis: the sink finds what 24 pilots do not."""
    g = symbol("G")
    network = exact.network(
        {"G": 0, "M": 0},
        {"on": 1e-4, "k": 300.0, "d": 1.0},
        [
            ("on", {}, {"G": 1}, symbol("on") * (1 - g)),
            ("make", {"G": 1}, {"G": 1, "M": 1}, "k"),
            ("die", {"M": 1}, {}, "d"),
        ],
    )
    solution = FSP().solve(Problem.of(network, [1.0]))
    assert solution.error < 1.1e-9
    assert solution.meta["upper"]["M"] > 200
    assert abs(solution.mean("M")[0] - exact.first_order_means_of_burst(1e-4, 300.0, 1.0)) < 1e-6


def test_a_window_that_cannot_hold_the_law_says_how_many_states_it_needs():
    with pytest.raises(TruncationError, match=r"window of at least \d+ states, more than max_states = 500"):
        FSP(max_states=500).solve(Problem.of(exact.toggle_switch(), [1.0]))
    with pytest.raises(TruncationError, match=r"window of 20 states loses .* above leak = 1e-09; raise caps"):
        FSP(caps={"X": 19}).solve(Problem.of(exact.birth_death(10.0, 1.0), [5.0]))
    begun = time.perf_counter()
    growth = exact.network({"A": 5}, {"k": 1.0}, [("grow", {"A": 2}, {"A": 3}, "k")])
    with pytest.raises(TruncationError, match="window of at least"):
        FSP(max_states=2_000).solve(Problem.of(growth, [1.0]))
    assert time.perf_counter() - begun < 10


def test_work_beyond_the_budget_is_refused_before_the_run():
    with pytest.raises(TruncationError, match=r"takes about .* additions, more than max_work"):
        FSP(max_work=1e3).solve(Problem.of(exact.autoregulation(), [10.0]))


def test_short_times_widen_the_window_too():
    """Mutant: faces moved by the sampled occupancy alone, which is the start's when the sweep stops at once."""
    network = kx.parse("species X = 0\nborn: -> X; b\ndies: X -> ; d*X\nb = 0.1; d = 0.01")
    for end in (0.418, 0.42, 0.426, 0.534, 0.596):
        solution = FSP().solve(Problem.of(network, [end]))
        assert solution.error <= 1e-9
        assert np.isclose(solution.mean()[0, 0], 10 * -np.expm1(-0.01 * end), atol=1e-8)


def test_caps_are_by_name_and_settings_are_checked():
    with pytest.raises(SettingError, match="did you mean 'Gu'"):
        FSP(caps={"Gu_": 1}).solve(Problem.of(exact.autoregulation(), [1.0]))
    kinds = [{"leak": "a"}, {"leak": None}, {"max_states": 2.5}, {"max_work": "a"}, {"threads": 0}, {"caps": 3}]
    for bad in (*kinds, {"leak": 0.0}, {"leak": 1.0}, {"max_states": 0}):
        with pytest.raises(SettingError):
            FSP(**bad)


def test_broken_laws_are_refused_only_where_probability_goes():
    eat = exact.network({"A": 2}, {"k": 1.0}, [("eat", {"A": 1}, {}, symbol("k"))])
    with pytest.raises(RunError, match=r"state \(A = 0\): reaction 'eat' would make a count negative"):
        FSP().solve(Problem.of(eat, [1.0]))
    sinking = exact.network({"A": 5}, {"k": 1.0}, [("die", {"A": 1}, {}, "k"), ("odd", {}, {"A": 1}, symbol("A") - 3)])
    with pytest.raises(RunError, match=r"state \(A = \d\): the propensity of reaction 'odd' is -"):
        FSP().solve(Problem.of(sinking, [1.0]))


# integration -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loops", [sweeps, sweeps_numpy])
@pytest.mark.parametrize("mean", [1e-9, 0.3, 1.0, 4.5, 60.0, 2_000.0, 3e5])
def test_poisson_weights_and_their_bound(loops, mean):
    """Mutant seen to fail: tails bounded by their first term instead of a geometric series."""
    values, first, error = loops.poisson(mean, 1e-6, 1e-9)
    numbers = first + np.arange(len(values))
    reference = scipy.stats.poisson.pmf(numbers, mean)
    assert np.allclose(values, reference, rtol=2e-6 + 1e-13 * mean)
    missing = scipy.stats.poisson.sf(numbers[-1], mean) + (scipy.stats.poisson.cdf(first - 1, mean) if first else 0.0)
    assert missing <= error * 1.001 + 1e-18
    assert error <= 1.1e-6


def test_both_sweeps_give_the_same_numbers(monkeypatch):
    """On a window of one row and on one of many, with terms of both kinds and a sparse part."""
    model = compile_network(exact.toggle_switch())
    times, found = np.array([0.0, 0.1, 2.0]), []
    for loops in (sweeps, sweeps_numpy):
        monkeypatch.setattr(uniformisation, "_loops", lambda loops=loops: loops)
        for upper in ((1, 1, 9, 9), (1, 1, 49, 60)):
            grid = Grid(model, StateSpace.box(upper))
            rates = grid.rates(model.theta)
            rate = float(rates.outflow.max())
            start = np.zeros(grid.space.size)
            start[grid.space.index(model.initial)] = 1.0
            plain = MasterOperator.of(model, model.theta, grid.space).sparse()
            both = grid.terms(rates, rate), Terms.of_sparse(plain, rate)
            found += [sweep(terms, start, Schedule.of(rate, times)) for terms in both]
    fast, slow = found[:4], found[4:]
    for a, b in [*zip(fast, slow, strict=True), (fast[0], fast[1]), (fast[2], fast[3])]:
        assert np.allclose(a.laws, b.laws, atol=1e-14)
        assert np.allclose(a.occupancy, b.occupancy, atol=1e-13)
        assert a.products == b.products


@pytest.mark.parametrize("upper", [(1, 1, 6, 7), (1, 1, 40, 50), (1, 1, 90, 90)])
def test_terms_are_the_generator(upper):
    """Mutants seen to fail: a face passed by one, a factor read at the place it leads from."""
    for network in (
        exact.toggle_switch(),
        exact.network(
            {"A": 0, "B": 0, "C": 0, "D": 0},
            {"k": 1.0},
            [
                ("a", {}, {"A": 1, "D": 2}, symbol("k") / (1 + symbol("C") + symbol("A") * symbol("D"))),
                ("b", {"D": 3, "C": 1}, {"B": 1}, "k"),
                ("c", {}, {"C": 2}, symbol("k") * (1 + symbol("D") + symbol("C"))),
            ],
        ),
    ):
        model = compile_network(network)
        grid = Grid(model, StateSpace.box(upper))
        rates = grid.rates(model.theta)
        rate = 1.1 * float(rates.outflow.max())
        v = np.random.default_rng(1).random(grid.space.size)
        whole = MasterOperator.of(model, model.theta, grid.space).sparse()
        expected = v + whole @ v / rate
        assert np.allclose(sweeps_numpy.product_of(grid.terms(rates, rate))(v), expected, rtol=1e-13)
        assert np.allclose(compiled_product(grid.terms(rates, rate), v), expected, rtol=1e-13)


def compiled_product(t, v):
    """One product by the compiled loops."""
    size, none = t.size, np.zeros(0, np.int64)
    source, target = np.zeros(size + 2 * t.pad), np.zeros(size + 2 * t.pad)
    source[t.pad : t.pad + size] = v
    room = np.zeros(len(t.step) + 1, np.int64)
    hot = np.ones((2, size // t.inner), np.bool_)
    shares, which = np.zeros((1, 0)), none[None]
    sweeps.product(source, target, t, 0, len(t.order), *hot, shares, which, 0, 0, np.zeros((0, size)), room, True)
    return target[t.pad : t.pad + size]


def test_a_law_that_no_longer_changes_ends_the_sweep_early():
    problem = Problem.of(exact.birth_death(5.0, 1.0), [1.0, 2_000.0])
    solution = FSP().solve(problem)
    assert solution.meta["products"] < 10_000  # of about 70,000
    pmf = solution.marginal("X", 2_000.0)
    assert np.abs(pmf - scipy.stats.poisson.pmf(np.arange(len(pmf)), 5.0)).sum() <= solution.error + 1e-9
    assert solution.error < 1e-8


def test_weights_of_mean_zero():
    weights = poisson_weights(0.0)
    assert (weights.first, weights.values.tolist(), weights.error) == (0, [1.0], 0.0)


# batches ---------------------------------------------------------------------------------------


def batch(n, seed=0):
    model = compile_network(exact.autoregulation())
    thetas = np.tile(model.theta, (n, 1))
    thetas[:, :4] = np.random.default_rng(seed).random((n, 4)) * [2.0, 0.1, 10.0, 100.0]
    return thetas


def test_log_prob_batch_agrees_with_one_solve_each():
    times = [0.5, 4.0]
    problem, thetas = Problem.of(exact.autoregulation(), times), batch(5)
    counts = [np.array([[0, 3], [1, 0], [1, 250]]), np.array([[1, 12]])]
    result = FSP().log_prob_batch(problem, thetas, counts, (0, 1))
    assert [r.shape for r in result] == [(5, 3), (5, 1)]
    names = problem.model.network.theta_names
    for b, theta in enumerate(thetas):
        one = FSP(leak=1e-12).solve(
            Problem.of(exact.autoregulation(), times, parameters=dict(zip(names, theta, strict=True)))
        )
        for k, t in enumerate(times):
            seen = np.exp(one.log_prob(counts[k], t))
            assert np.allclose(np.exp(result[k][b]), seen, atol=1.1e-9)


def test_marginals_in_a_batch_sum_the_others_out_in_the_order_of_axes():
    problem, thetas = Problem.of(exact.autoregulation(), [2.0]), batch(2)
    (alone,) = FSP().log_prob_batch(problem, thetas, [np.array([[4], [0], [9]])], (1,))
    (joint,) = FSP().log_prob_batch(problem, thetas, [np.array([[p, g] for p in (4, 0, 9) for g in (0, 1)])], (1, 0))
    assert np.allclose(np.exp(alone), np.exp(joint).reshape(2, 3, 2).sum(axis=-1), atol=1e-9)


def test_an_answer_does_not_depend_on_the_rest_of_the_batch_or_on_threads():
    problem, thetas = Problem.of(exact.autoregulation(), [1.0, 5.0]), batch(20)
    counts = [np.array([[1, 5]]), np.array([[0, 30], [1, 2]])]
    whole = FSP(threads=2).log_prob_batch(problem, thetas, counts, (0, 1))
    again = FSP(threads=1).log_prob_batch(problem, thetas[::-1], counts, (0, 1))
    alone = FSP().log_prob_batch(problem, thetas[7:8], counts, (0, 1))
    for a, b, c in zip(whole, again, alone, strict=True):
        assert (a == b[::-1]).all()
        assert (a[7:8] == c).all()


def test_a_state_off_the_conservation_law_has_no_probability():
    problem = Problem.of(exact.dimerisation(start=5), [1.0])
    (result,) = FSP().log_prob_batch(
        problem, problem.theta[None], [np.array([[5, 0], [5, 1], [3, 1], [90, 0]])], (0, 1)
    )
    assert np.isfinite(result[0]).tolist() == [True, False, True, False]


def test_no_observations_at_a_time_give_an_empty_row():
    problem = Problem.of(exact.birth_death(), [1.0, 2.0])
    result = FSP().log_prob_batch(
        problem, problem.theta[None], [np.zeros((0, 1), dtype=np.int64), np.array([[1]])], (0,)
    )
    assert [r.shape for r in result] == [(1, 0), (1, 1)]


def test_one_window_for_many_rate_vectors():
    problem, thetas = Problem.of(exact.autoregulation(), [1.0, 10.0]), batch(6)
    space = FSP().window(problem, thetas, leak=1e-6)
    p, lost = FSP().tables(problem, thetas, space)
    assert p.shape == (6, 2, space.size)
    assert (lost <= 1e-6).all()
    names = problem.model.network.theta_names
    one = FSP().solve(
        Problem.of(exact.autoregulation(), [1.0, 10.0], parameters=dict(zip(names, thetas[3], strict=True)))
    )
    assert np.allclose(np.exp(one.log_prob(space.states(), 10.0)), p[3, 1], atol=1e-6)
    small = StateSpace.box((1, 20))
    assert FSP().tables(problem, thetas, small)[1].max() > 0.01
    with pytest.raises(SettingError, match="does not hold the start"):
        FSP().tables(problem, thetas, StateSpace.box((0, 20)))


def test_the_answer_is_a_record_of_its_error():
    solution = FSP().solve(Problem.of(exact.autoregulation(), [1.0, 10.0]))
    assert isinstance(solution.law(1.0), Tabulated)
    assert solution.error == max(solution.meta["error_by_time"])
    assert 1 - solution.law(10.0).p.sum() <= solution.error
    assert (solution.law(10.0).p >= 0).all()
