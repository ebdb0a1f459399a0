"""Events and laws that switch at times, in projection and in trajectories, against independent oracles."""

import numpy as np
import pytest
import sympy
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.stats import binom, poisson

import kinetix as kx
from kinetix.events import Event
from kinetix.expressions import TIME, symbol
from tests import exact

X, Y, a, m = map(symbol, ("X", "Y", "a", "m"))
TIMES = np.array([0.0, 1.0, 2.0, 2.5, 4.0])


def births_and_deaths(*events, birth=a, start=3, more=()):
    return kx.ReactionNetwork(
        [kx.Species("X", start)],
        [kx.Parameter("a", 2.0), kx.Parameter("m", 0.5), *more],
        [kx.Reaction("birth", {}, {"X": 1}, birth), kx.Reaction("death", {"X": 1}, {}, m * X)],
        events=events,
    )


def chain(a=2.0, m=0.5, size=60):
    """The generator of births and deaths, columns to rows: [N, N]."""
    n = np.arange(size)
    generator = np.diag(np.full(size - 1, a), -1) + np.diag(m * n[1:], 1)
    return generator - np.diag(generator.sum(axis=0))


def evolved(p, steps):
    """A law taken through (generator, time) pairs."""
    for generator, t in steps:
        p = expm(generator * t) @ p
    return p


def point(n, size=60):
    return np.eye(size)[n]


def compare(network, time, expected, *, paths=20_000):
    """Projection to 1e-8 in total variation; trajectories by chi-squared and mean."""
    solution = kx.solve(network, TIMES[time >= TIMES], solver="fsp")
    law, size = solution.marginal("X", time), len(expected) + 100
    distance = np.pad(law, (0, size - len(law))) - np.pad(expected, (0, 100))
    assert 0.5 * np.abs(distance).sum() <= solution.error + 1e-10
    assert solution.error < 1e-8
    drawn = kx.solve(network, TIMES[time >= TIMES], solver="ssa", paths=paths, seed=5)
    assert exact.pooled_chi_squared(drawn.trajectories[:, -1, 0], expected) > 1e-4


def test_an_event_at_a_time_moves_every_state_and_the_rest_follows():
    """Mutants seen to fail: the output at the time itself before the event; the bound without the cut's losses."""
    network = births_and_deaths(Event("double", TIME >= 2, {"X": 2 * X}))
    at_two = evolved(point(3), [(chain(), 2.0)])
    doubled = np.zeros(60)
    doubled[: 2 * 30 : 2] = at_two[:30]
    compare(network, 2.0, doubled)
    compare(network, 4.0, evolved(doubled, [(chain(), 2.0)]))


def test_what_is_lost_before_a_cut_is_in_the_bound_after_it():
    """Mutants seen to fail: the bound at or after a cut without what was lost before it."""
    network = births_and_deaths(Event("double", TIME >= 2, {"X": 2 * X}))
    solution = kx.solve(network, TIMES, solver="fsp", leak=1e-3, caps={"X": 14})
    at_two = evolved(point(3, 120), [(chain(size=120), 2.0)])
    doubled = np.zeros(120)
    doubled[::2] = at_two[:60]
    for time, expected in ((2.0, doubled), (4.0, evolved(doubled, [(chain(size=120), 2.0)]))):
        law = solution.marginal("X", time)
        distance = 0.5 * np.abs(np.pad(law, (0, 120 - len(law))) - expected).sum()
        bound = solution.meta["error_by_time"][TIMES.tolist().index(time)]
        assert 1e-9 < distance <= bound < 0.1


def test_a_strict_trigger_shows_only_after_its_time():
    network = births_and_deaths(Event("empty", TIME > 2, {"X": sympy.Integer(0)}))
    compare(network, 2.0, evolved(point(3), [(chain(), 2.0)]))
    compare(network, 2.5, evolved(point(0), [(chain(), 0.5)]))


def test_an_event_that_sets_a_parameter_changes_the_law_from_then_on():
    network = births_and_deaths(Event("slow", TIME >= 1, {"a": a / 4}))
    compare(network, 4.0, evolved(point(3), [(chain(), 1.0), (chain(a=0.5), 3.0)]))
    solution = kx.solve(network, TIMES, solver="fsp")
    assert solution.mean("a") == pytest.approx([2.0, 0.5, 0.5, 0.5, 0.5])


def test_a_law_that_switches_at_a_time_is_two_laws():
    """Mutant seen to fail: the time frozen at the start of the run."""
    birth = sympy.Piecewise((a, TIME < 2), (3 * a, True))
    compare(births_and_deaths(birth=birth), 4.0, evolved(point(3), [(chain(), 2.0), (chain(a=6.0), 2.0)]))


def test_an_event_on_counts_is_part_of_the_firing_that_sets_it_off():
    """Mutant seen to fail: the trigger asked at output times only."""
    network = births_and_deaths(Event("full", X >= 6, {"X": sympy.Integer(1)}))
    generator = chain(size=6)
    generator[5, 5], generator[1, 5] = -(2.0 + 0.5 * 5), 2.0
    compare(network, 4.0, np.pad(evolved(point(3, 6), [(generator, 4.0)]), (0, 54)))


def test_events_on_counts_and_times_together():
    """The door closes at 1: before, six molecules are thrown out; after, at 2, those above three are."""
    early = Event("early", sympy.And(X >= 6, TIME < 1), {"X": sympy.Integer(0)})
    late = Event("late", sympy.And(TIME >= 2, X > 3), {"X": sympy.Integer(3)})
    one = chain()
    one[:, 5], one[5, 5] = 0.0, -(2.0 + 2.5)
    one[0, 5], one[4, 5] = 2.0, 2.5
    p = evolved(evolved(point(3), [(one, 1.0)]), [(chain(), 1.0)])
    cut = np.where(np.arange(60) > 3, 0.0, p)
    cut[3] += p[4:].sum()
    two = chain()
    two[:, 3], two[3, 3] = 0.0, -(2.0 + 1.5)
    two[3, 3] += 2.0  # a birth at three sets the event off, which leads back to three
    two[2, 3] = 1.5
    compare(births_and_deaths(early, late), 4.0, evolved(cut, [(two, 2.0)]))


def test_an_event_at_the_start_fires_there_only_where_it_is_told_to():
    for at_start, first in ((True, 9), (False, 3)):
        network = births_and_deaths(Event("E", X < 100, {"X": sympy.Integer(9)}, at_start=at_start))
        for solver in ("fsp", "ssa"):
            assert kx.solve(network, [0.0, 1.0], solver=solver, seed=1).mean("X")[0] == first


def test_an_event_that_sets_its_own_next_time_comes_again():
    again = [kx.Parameter("next", 1.0), kx.Parameter("n", 0.0)]
    nxt, n = symbol("next"), symbol("n")
    network = births_and_deaths(Event("dose", nxt <= TIME, {"next": nxt + 1, "X": X + 10, "n": n + 1}), more=again)
    solution = kx.solve(network, TIMES, solver="fsp")
    assert solution.mean("n") == pytest.approx([0, 1, 2, 2, 4])
    mean, at = 3.0, 0.0
    for t, got in zip(TIMES[1:], solution.mean("X")[1:], strict=True):
        for cut in np.arange(np.floor(at) + 1, np.floor(t) + 1):
            mean, at = 4 + (mean - 4) * np.exp(-0.5 * (cut - at)) + 10, cut
        assert got == pytest.approx(4 + (mean - 4) * np.exp(-0.5 * (t - at)), abs=1e-6)
    paths = kx.solve(network, TIMES, solver="ssa", paths=4000, seed=2)
    assert paths.mean("n").tolist() == [0, 1, 2, 2, 4]
    assert (np.abs(paths.mean("X") - solution.mean("X")) <= 5 * solution.std("X") / np.sqrt(4000)).all()


def test_trajectories_carry_parameters_that_counts_set_and_projection_refuses_them():
    network = births_and_deaths(Event("poison", X >= 6, {"a": sympy.Integer(0)}))
    paths = kx.solve(network, [0.0, 40.0], solver="ssa", paths=200, seed=1)
    assert (paths.trajectories[:, -1, 0] == 0).all()
    with pytest.raises(kx.UnsupportedFeature, match="fsp cannot run this model: poison"):
        kx.solve(network, [1.0], solver="fsp")


def test_a_parameter_that_counts_set_is_known_where_all_trajectories_agree():
    """Its value, and those of rules that read it. Mutant: that at the end of a phase, noted at all times in it."""
    network = kx.parse("species X = 3; X -> ; k*X; k = 1; z := k*X; E: at (X < 2): k = 10")
    paths = kx.solve(network, [0.0, 0.2, 40.0], solver="ssa", paths=500, seed=1)
    np.testing.assert_array_equal(paths.mean("k"), [1.0, np.nan, 10.0])
    np.testing.assert_array_equal(paths.std("k"), [0.0, np.nan, 0.0])
    np.testing.assert_array_equal(paths.mean("z"), [3.0, np.nan, 0.0])
    alone = kx.solve(network, [0.2], solver="ssa", paths=2000, seed=1)
    assert np.isnan(alone.mean("k")).all()
    deaths = 3 * np.exp(-0.2)  # but for those that the event has sped up
    assert 0.9 * deaths < alone.mean("X")[0] < deaths


def test_same_seed_same_bits_on_any_number_of_threads():
    network = births_and_deaths(Event("E", TIME >= 2, {"X": 2 * X}), Event("F", X >= 12, {"X": sympy.Integer(1)}))
    one, two = (kx.solve(network, TIMES, solver="ssa", paths=6000, seed=3, threads=n) for n in (1, 2))
    assert (one.trajectories == two.trajectories).all()
    fewer = kx.solve(network, TIMES, solver="ssa", paths=100, seed=3)
    assert (fewer.trajectories == one.trajectories[:100]).all()


def test_likelihoods_of_models_with_events_are_those_of_the_solution():
    network = births_and_deaths(Event("E", TIME >= 2, {"X": 2 * X}))
    problem = kx.Problem.of(network, TIMES[1:])
    rows = [np.arange(5)[:, None]] * 4
    thetas = np.array([[2.0, 0.5], [1.0, 0.7]])
    weighed = kx.FSP().log_prob_batch(problem, thetas, rows, [0])
    single = kx.solve(network, TIMES[1:], solver="fsp", parameters={"a": 1.0, "m": 0.7})
    for k, t in enumerate(TIMES[1:]):
        assert weighed[k][1] == pytest.approx(single.log_prob(rows[k], t), abs=1e-9)


def test_nothing_happens_where_every_rate_is_zero():
    network = births_and_deaths(Event("full", X >= 6, {"X": sympy.Integer(1)}), start=0, birth=sympy.Integer(0) * a)
    solution = kx.solve(network, [0.0, 4.0], solver="fsp")
    assert solution.marginal("X", 4.0).tolist() == [1.0]


def test_work_beyond_the_budget_is_refused_by_name():
    network = births_and_deaths(Event("full", X >= 6, {"X": sympy.Integer(1)}))
    with pytest.raises(kx.TruncationError, match="more than max_work"):
        kx.solve(network, [1e9], solver="fsp", max_work=1e6)


@pytest.mark.parametrize("solver", ["fsp", "ssa"])
def test_what_stops_a_run_is_named_with_its_time(solver):
    network = births_and_deaths(Event("E", TIME >= 2, {"X": X - 1}), start=0, birth=sympy.Integer(0) * a)
    with pytest.raises(kx.RunError, match=r"event 'E' sets 'X' to -1: |time 2 in state"):
        kx.solve(network, [4.0], solver=solver, seed=1)


SEASON = (1 + sympy.sin(2 * TIME)) * sympy.exp(-TIME / 5)


def seasonal_mean(t, a=5.0, m=0.5, start=3):
    """Means and variances of births at a seasonal rate and deaths: Poisson plus binomial, by quadrature."""
    born = quad(lambda u: a * (1 + np.sin(2 * u)) * np.exp(-u / 5) * np.exp(-m * (t - u)), 0, t, epsabs=1e-12)[0]
    left = np.exp(-m * t)
    return born + start * left, born + start * left * (1 - left)


def test_trajectories_with_laws_that_move_with_the_time_are_exact():
    """Mutants seen to fail: the bound taken at the start of a stretch only; candidates never thinned."""
    network = births_and_deaths(birth=a * SEASON)
    n, times = 20_000, [0.0, 1.0, 3.0, 10.0]
    solution = kx.solve(network, times, solver="ssa", paths=n, parameters={"a": 5.0}, seed=1)
    for k, t in enumerate(times[1:], start=1):
        mean, variance = seasonal_mean(t)
        assert abs(solution.mean("X")[k] - mean) < 5 * np.sqrt(variance / n)
        assert abs(solution.std("X")[k] ** 2 / variance - 1) < 5 * np.sqrt(2 / n) * 1.5
        assert exact.pooled_chi_squared(solution.trajectories[:, k, 0], seasonal_law(t)) > 1e-4


def test_the_time_goes_on_through_cuts():
    """A law that moves and an event: the second phase starts at its own time, not at 0."""
    network = births_and_deaths(Event("E", TIME >= 2, {"X": sympy.Integer(0)}), birth=a * TIME)
    solution = kx.solve(network, [2.0, 3.0], solver="ssa", paths=20_000, seed=4)
    born = quad(lambda u: 2.0 * u * np.exp(-0.5 * (3 - u)), 2, 3)[0]
    assert (solution.trajectories[:, 0] == 0).all()
    assert exact.pooled_chi_squared(solution.trajectories[:, 1, 0], poisson.pmf(np.arange(60), born)) > 1e-4


def test_a_law_that_turns_negative_in_time_stops_by_name():
    network = births_and_deaths(birth=a * sympy.cos(TIME))
    with pytest.raises(kx.RunError, match=r"the propensity of reaction 'birth' is -"):
        kx.solve(network, [4.0], solver="ssa", seed=1)


def seasonal_law(t, start=3, a=5.0, m=0.5, size=60):
    born = seasonal_mean(t, a, m, start)[0] - start * np.exp(-m * t)
    return np.convolve(poisson.pmf(np.arange(size), born), binom.pmf(np.arange(start + 1), start, np.exp(-m * t)))


@pytest.mark.parametrize("leak", [1e-4, 1e-9])
def test_projection_of_laws_that_move_with_the_time_knows_its_error(leak):
    """Mutants seen to fail: rates at the start of a step; the residual looked at in the collocation points only."""
    network = births_and_deaths(birth=a * SEASON)
    solution = kx.solve(network, [1.0, 3.0, 10.0], solver="fsp", parameters={"a": 5.0}, leak=leak)
    assert solution.error <= 1.2 * leak
    for t in (1.0, 3.0, 10.0):
        law, expected = solution.marginal("X", t), seasonal_law(t)
        distance = 0.5 * np.abs(np.pad(law, (0, 100 - len(law))) - np.pad(expected, (0, 100 - len(expected)))).sum()
        assert distance <= solution.error


def test_projection_goes_through_a_cut_with_a_law_that_moves():
    network = births_and_deaths(Event("E", TIME >= 2, {"X": sympy.Integer(0)}), birth=a * TIME)
    law = kx.solve(network, [3.0], solver="fsp").marginal("X", 3.0)
    born = quad(lambda u: 2.0 * u * np.exp(-0.5 * (3 - u)), 2, 3)[0]
    assert 0.5 * np.abs(law - poisson.pmf(np.arange(len(law)), born)).sum() < 1e-8


def test_events_at_curved_functions_of_the_time_are_refused_by_name():
    network = births_and_deaths(Event("E", sympy.sin(TIME) > 0.5, {"X": sympy.Integer(0)}))
    for solver in ("fsp", "ssa"):
        with pytest.raises(kx.UnsupportedFeature, match=f"{solver} cannot run this model: E: an event sets X at"):
            kx.solve(network, [4.0], solver=solver, seed=1)
    assert network.check().errors.codes == ("KX113",)


def test_windows_of_phases_hold_the_observed_counts():
    """A cell far beyond what a window would hold by itself keeps its probability; no mass is lost twice.

    Births at b, then at b / 2: Poisson of mean b (s + (t - s) / 2). Mutant seen to fail: windows that know no data.
    """
    network = kx.parse("model m; species X = 0; -> X; b*piecewise(1, time < s, 0.5); b = 2; s = 2; end")
    problem = kx.Problem.of(network, [1.0, 3.0])
    counts = [np.array([[0], [3]]), np.array([[5], [20], [26], [30]])]
    found = kx.FSP(leak=1e-6).log_prob_batch(problem, np.array([problem.theta, [4.0, 2.0]]), counts, [0])
    for rate, first, second in zip((2.0, 4.0), *found, strict=True):
        assert np.allclose(first, poisson.logpmf(counts[0][:, 0], rate), atol=1e-5)
        assert np.allclose(second, poisson.logpmf(counts[1][:, 0], 2.5 * rate), atol=1e-5)
