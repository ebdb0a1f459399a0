"""Stationary laws by projection: against closed forms, and limits that depend on the start."""

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import scipy.stats

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.errors import SettingError, TruncationError, UnsupportedFeature
from kinetix.expressions import TIME, symbol
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection import elimination, elimination_loops, elimination_numpy
from kinetix.solvers.projection.grid import grid_of
from kinetix.solvers.projection.stationary import closed, limit, stationary
from kinetix.solvers.projection.weighing import stationary_maker
from kinetix.space import StateSpace
from tests import exact


def distance(pmf, reference):
    size = max(len(pmf), len(reference))
    return np.abs(np.pad(pmf, (0, size - len(pmf))) - np.pad(reference, (0, size - len(reference)))).sum()


def test_birth_and_death_is_poisson():
    solution = kx.solve(exact.birth_death(20.0, 1.0), [1.0, np.inf], solver="fsp")
    assert distance(solution.marginal("X", np.inf), scipy.stats.poisson.pmf(np.arange(120), 20.0)) < 1e-8
    assert np.isclose(solution.mean("X")[0], 20 * (1 - np.exp(-1)), atol=1e-7)
    assert solution.error is None
    assert solution.meta["error_by_time"][1] is None
    assert solution.meta["error_by_time"][0] < 1e-8
    assert solution.meta["stationary"]["leak"] <= 1e-9
    assert solution.meta["stationary"]["residual"] < 1e-12


def test_telegraph_is_beta_poisson():
    pmf = FSP().solve(Problem.of(exact.telegraph(), [np.inf])).marginal("M", np.inf)
    assert distance(pmf, exact.beta_poisson_pmf(0.5, 1.0, 20.0, 120)) < 1e-8


def test_it_is_where_late_laws_go():
    """Schlögl's slow switching, and a window that starts far from the law."""
    for network, late in ((exact.autoregulation(), 60.0), (exact.gene_expression(), 20_000.0)):
        solution = FSP().solve(Problem.of(network, [late, np.inf]))
        a, b = (law.table() for law in solution.laws)
        shape = np.maximum(a.shape, b.shape)
        a, b = (np.pad(x, [(0, int(n) - m) for n, m in zip(shape, x.shape, strict=True)]) for x in (a, b))
        assert np.abs(a - b).sum() < 1e-7


def test_a_slow_switch_is_waited_for():
    """On and off at 1e-7 of the fast rate."""
    solution = FSP().solve(Problem.of(exact.telegraph(kon=2e-7, koff=1e-7, ksyn=10.0), [np.inf]))
    assert abs(solution.mean("Gu")[0] - 2 / 3) < 1e-6


def test_the_limit_depends_on_the_start_where_there_are_two():
    """X dies or doubles, both for good: from X = 1 the share that ends at 0 is 3/4, at 2 it is 1/4."""
    network = exact.network(
        {"X": 1, "Y": 0},
        {"d": 3.0, "u": 1.0},
        [("die", {"X": 1}, {}, "d"), ("turn", {"X": 1}, {"Y": 1}, "u")],
    )
    solution = FSP().solve(Problem.of(network, [np.inf]))
    assert np.allclose(solution.marginal("Y", np.inf), [0.75, 0.25], atol=1e-9)


def test_conserved_totals_are_kept():
    pmf = FSP().solve(Problem.of(exact.dimerisation(start=6), [np.inf])).joint(("A", "D"), np.inf)
    late = FSP().solve(Problem.of(exact.dimerisation(start=6), [200.0])).joint(("A", "D"), 200.0)
    assert np.allclose(pmf, late, atol=1e-9)


def test_what_has_no_limit_and_who_knows_none_is_refused():
    with pytest.raises(TruncationError, match="stationary law needs a window"):
        FSP(max_states=3_000).solve(Problem.of(exact.birth_death(1.0, 0.0), [np.inf]))
    for name in ("ssa", "mean-field"):
        with pytest.raises(SettingError, match="knows no law at time = inf; use fsp"):
            kx.solve(exact.birth_death(), [1.0, np.inf], solver=name)
    for times in ([np.inf, 1.0], [np.nan], [1.0, np.inf, np.inf]):
        with pytest.raises(SettingError, match="finite"):
            Problem.of(exact.birth_death(), times)
    with pytest.raises(SettingError, match="knows no law at time = inf"):
        Problem.of(exact.birth_death(), [np.inf]).require_finite("ssa")
    with pytest.raises(SettingError, match="knows no law at time = inf"):
        FSP().window(Problem.of(exact.birth_death(), [np.inf]), np.array([[0.1, 0.01]]))


# elimination, and what is said about the error ---------------------------------------------------


def one_chain(network, upper, theta=None):
    model = compile_network(network)
    grid = grid_of(model, StateSpace.box(upper))
    start = np.zeros(grid.space.size)
    start[grid.space.index(model.initial)] = 1.0
    return grid, grid.rates(model.theta if theta is None else theta), start


@pytest.mark.parametrize("loops", [elimination_loops, elimination_numpy])
@pytest.mark.parametrize(
    ("network", "upper"),
    [(exact.telegraph(), (1, 60)), (exact.gene_expression(), (11, 14)), (exact.schloegl(), (200,))],
)
def test_elimination_is_the_null_vector(monkeypatch, loops, network, upper):
    """Against scipy's dense null vector; and mean times against a dense solve.

    Mutants seen to fail: costs not carried on; the states after the likeliest put back in the wrong order.
    """
    monkeypatch.setattr(elimination, "_loops", lambda: loops)
    grid, rates, start = one_chain(network, upper)
    solved = elimination.chain_of(grid, rates, start).solve(grid, rates)
    generator = closed(grid, rates).toarray()
    (null,) = scipy.linalg.null_space(generator / np.abs(generator).max(), rcond=1e-13).T
    assert np.abs(solved.p - null / null.sum()).sum() < 1e-8
    until, at = solved.until, int(np.flatnonzero(solved.until == 0)[0])
    others = np.delete(np.arange(len(start)), at)
    times = np.linalg.solve(generator[np.ix_(others, others)].T, -np.ones(len(others)))
    assert np.allclose(until[others], times, rtol=1e-6)


def test_the_rarest_states_keep_their_digits():
    """Poisson of mean 900: zero molecules at e^-900 do not fit, but 1e-200 does, to twelve digits."""
    grid, rates, start = one_chain(exact.birth_death(900.0, 1.0), (1800,))
    solved = elimination.chain_of(grid, rates, start).solve(grid, rates)
    expected = scipy.stats.poisson.pmf(np.arange(1801), 900.0)
    expected /= expected.sum()
    held = expected > 1e-200
    assert np.allclose(solved.p[held], expected[held], rtol=3e-12, atol=0)
    assert held.sum() > 1000
    assert solved.error < 1e-8


@pytest.mark.parametrize("network", [exact.telegraph(), exact.dimerisation(start=40), exact.autoregulation()])
def test_elimination_and_iteration_agree(network):
    model = compile_network(network)
    space = FSP().solve(Problem.of(network, [np.inf])).laws[0].space
    grid = grid_of(model, space)
    rates, start = grid.rates(model.theta), np.zeros(space.size)
    start[space.index(model.initial)] = 1.0
    solved = elimination.chain_of(grid, rates, start).solve(grid, rates)
    assert np.abs(solved.p - limit(closed(grid, rates), start)).sum() < 1e-10


def test_a_finite_chain_has_a_proven_error():
    """2 A <-> D in detailed balance: p(d) goes as (k / u)^d / (a! d!) / 2^d."""
    k, u, total = 0.1, 0.2, 60
    solution = FSP().solve(Problem.of(exact.dimerisation(k, u, start=total), [0.5, np.inf]))
    d = np.arange(total // 2 + 1)
    weights = d * np.log(k / (2 * u)) - scipy.special.gammaln(total - 2 * d + 1) - scipy.special.gammaln(d + 1)
    expected = np.exp(weights - weights.max())
    expected /= expected.sum()
    pmf = solution.marginal("D", np.inf)
    assert 0 < solution.meta["error_by_time"][1] < 1e-12
    assert distance(pmf, expected) <= solution.meta["error_by_time"][1] + 1e-13
    assert solution.error == max(solution.meta["error_by_time"])
    assert solution.meta["stationary"]["leak"] == 0


@pytest.mark.parametrize("leak", [1e-2, 1e-4, 1e-7])
@pytest.mark.parametrize("network", [exact.telegraph(), exact.birth_death(12.0, 1.0), exact.autoregulation()])
def test_the_estimate_is_above_the_error_and_not_wasteful(network, leak):
    """Windows that are too small by design. Mutant: the times until the likeliest state left out (1 in their place)."""
    name, problem = network.species_names[-1], Problem.of(network, [np.inf])
    rough, fine = (FSP(leak=q).solve(Problem.of(network, [np.inf])) for q in (leak, 1e-13))
    error = distance(rough.marginal(name, np.inf), fine.marginal(name, np.inf))
    assert rough.error is None
    by_times = stationary(
        stationary_maker(problem, problem.theta), problem.theta, leak=leak, max_states=9_999, fixed={}
    )
    assert by_times.space.shape == rough.laws[0].space.shape
    assert error <= by_times.estimate
    assert error <= rough.meta["stationary"]["estimate"] <= max(3e3 * error, 1e3 * leak)


def test_no_estimate_where_the_limit_depends_on_the_start():
    network = exact.network(
        {"X": 1, "Y": 0},
        {"d": 3.0, "u": 1.0},
        [("die", {"X": 1}, {}, "d"), ("turn", {"X": 1}, {"Y": 1}, "u")],
    )
    solution = FSP().solve(Problem.of(network, [np.inf]))
    assert solution.error is None
    assert solution.meta["stationary"]["estimate"] is None


# likelihoods -------------------------------------------------------------------------------------


def test_likelihoods_of_the_telegraph_in_closed_form():
    """The confluent hypergeometric law, at many rate vectors and far tails; on threads the same to the bit."""
    problem = Problem.of(exact.telegraph(), [np.inf])
    thetas = problem.theta * np.exp(0.5 * np.random.default_rng(0).normal(size=(12, 4)))
    rows = np.array([[0], [1], [7], [20], [45]])
    (found,) = FSP(threads=1).log_prob_batch(problem, thetas, [rows], [1])
    (again,) = FSP(threads=2).log_prob_batch(problem, thetas, [rows], [1])
    assert np.array_equal(found, again)
    for log_p, (kon, koff, ksyn, dm) in zip(found, thetas, strict=True):
        a, b, mean, n = kon / dm, koff / dm, ksyn / dm, rows[:, 0]
        rising = scipy.special.poch(a, n) / scipy.special.poch(a + b, n)
        law = mean**n / scipy.special.factorial(n) * rising * scipy.special.hyp1f1(a + n, a + b + n, -mean)
        good = law > 1e-10  # scipy's 1F1 at large arguments
        assert np.allclose(log_p[good], np.log(law[good]), rtol=1e-6)
        assert good.sum() >= 2


def test_finite_times_and_the_limit_in_one_batch():
    problem = Problem.of(exact.autoregulation(), [0.5, 2.0, np.inf])
    thetas = problem.theta * np.array([[1.0], [1.3]])
    rows = [np.array([[1, 0], [0, 4]]), np.array([[1, 3]]), np.array([[0, 2], [1, 70], [1, 12]])]
    found = FSP().log_prob_batch(problem, thetas, rows, [0, 1])
    for b, theta in enumerate(thetas):
        solution = FSP().solve(Problem(problem.model, problem.times, theta, problem.initial))
        for k, t in enumerate(problem.times):
            assert np.allclose(found[k][b], solution.log_prob(rows[k], t), rtol=1e-5, atol=1e-8)


def test_likelihoods_refuse_what_has_no_limit():
    moving = exact.network({"A": 0}, {"k": 1.0}, [("up", {}, {"A": 1}, symbol("k") * (1 + TIME))])
    rows = [np.array([[0]])]
    problem = Problem.of(moving, [np.inf])
    with pytest.raises(SettingError, match="knows no law at time = inf"):
        FSP().log_prob_batch(problem, problem.theta[None], rows, [0])
    problem = Problem.of(exact.birth_death(1.0, 0.0), [np.inf])
    with pytest.raises(TruncationError, match="stationary law needs a window"):
        FSP(max_states=3_000).log_prob_batch(problem, problem.theta[None], rows, [0])
    problem = Problem.of(exact.birth_death(), [np.inf])
    with pytest.raises(SettingError, match="knows no law at time = inf"):
        FSP().log_prob_gradient_batch(problem, problem.theta[None], rows, [0], [0])
    with pytest.raises(UnsupportedFeature, match="stationary laws are for compiled code"):
        FSP(device="torch:cpu").log_prob_batch(problem, problem.theta[None], rows, [0])


def telegraph_cells():
    rng = np.random.default_rng(5)
    data = kx.Observations.from_counts("M", np.inf, rng.poisson(20.0 * rng.beta(0.5, 1.0, 150)))
    return data, {"kon": kx.prior.log_uniform(0.05, 5.0), "koff": kx.prior.log_uniform(0.05, 10.0)}


def test_a_posterior_says_that_its_error_is_estimated():
    """It is certified as exact up to an estimated error, and says so everywhere; not where the estimate is large.

    Proven where the counts are bounded. Mutant: what is estimated passes for proven.
    """
    data, prior = telegraph_cells()
    walk = {"seed": 1, "steps": 16, "walkers": 8}
    found = kx.infer(exact.telegraph(), data, prior=prior, likelihood="fsp", **walk)
    assert found.certified
    assert 0 < found.gate["estimated"] < 1e-6
    assert "exact up to an estimated error of" in found.summary().origin
    (note,) = [f for f in found.check() if f.code == "KX207"]
    assert "estimated" in note.reason
    assert found.predict(FSP(), rng=np.random.default_rng(0), draws=5).predictive is not None
    rough = kx.infer(exact.telegraph(), data, prior=prior, likelihood=FSP(leak=1e-3), **walk)
    assert not rough.certified
    assert "it is not proven" in rough.gate["reason"]
    bounded = kx.Observations.from_counts("D", np.inf, [1, 2, 2])
    proven = kx.infer(
        exact.dimerisation(), bounded, prior={"u": kx.prior.log_uniform(0.01, 5)}, likelihood="fsp", **walk
    )
    assert proven.gate is None


@pytest.mark.slow
def test_a_posterior_of_the_telegraph_is_that_of_a_grid():
    """Stationary cells, two rates (in units of the decay) on a grid of closed forms."""
    data, prior = telegraph_cells()
    posterior = kx.infer(exact.telegraph(), data, prior=prior, likelihood="fsp", seed=1)
    cells = data.counts(0)[:, 0]
    kon, koff = (np.exp(np.linspace(*np.log(p.bounds()), 60)) for p in prior.values())
    fit = np.array([[np.log(exact.beta_poisson_pmf(a, b, 20.0, 80))[cells].sum() for b in koff] for a in kon])
    weights = np.exp(fit - fit.max())
    weights /= weights.sum()
    for name, grid, axis in (("kon", kon, 1), ("koff", koff, 0)):
        log, w = np.log(grid), weights.sum(axis=axis)
        mean, draws = w @ log, np.log(posterior.flat[:, posterior.names.index(name)])
        sd = np.sqrt(w @ (log - mean) ** 2)
        assert abs(draws.mean() - mean) < 0.2 * sd
        assert 0.85 < draws.std() / sd < 1.15
    assert posterior.trusted
