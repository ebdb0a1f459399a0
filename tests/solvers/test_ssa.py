"""Exact trajectories: the law, the streams, and every way a run can end."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from kinetix.compiler import compile_network
from kinetix.errors import RunError, SettingError, UnsupportedFeature
from kinetix.expressions import TIME, symbol
from kinetix.problem import Problem
from kinetix.solvers.paths import kernels
from kinetix.solvers.paths.streams import Streams
from kinetix.solvers.ssa import SSA, simulate
from tests import exact


def paths(network, times, n, seed=1, **settings):
    model = compile_network(network)
    thetas, starts = np.tile(model.theta, (n, 1)), np.tile(model.initial, (n, 1))
    return simulate(model, times, thetas, starts, rng=np.random.default_rng(seed), **settings)


# the law ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 6])
def test_birth_death_is_binomial_plus_poisson(start):
    """Mutants seen to fail: death at k*x + k; waiting time from 2*total; outputs taken after the event."""
    draws = paths(exact.birth_death(2.0, 0.5, start), [0.0, 0.7, 3.0], 20_000)
    assert (draws[:, 0] == start).all()
    for k, t in ((1, 0.7), (2, 3.0)):
        pmf = exact.birth_death_pmf(2.0, 0.5, start, t, 60)
        counts = np.arange(60)
        mean, sd = pmf @ counts, np.sqrt(pmf @ counts**2 - (pmf @ counts) ** 2)
        assert exact.worst_z(draws[:, k], [mean], [sd]) < 5
        assert exact.pooled_chi_squared(draws[:, k, 0], pmf) > 1e-4


@pytest.mark.parametrize("start", [2, 3, 5, 6])
def test_dimerisation_at_small_counts(start):
    """Mutant seen to fail: pairs counted as A*A/2 or as A*(A - 1), which 100 molecules would hide."""
    network = exact.dimerisation(start=start)
    model = compile_network(network)
    law = exact.dense_law(model, (start, start // 2), 2.0)
    pmf = np.zeros(start + 1)
    for (a, _), p in law.items():
        pmf[a] += p
    draws = paths(network, [2.0], 20_000)[:, 0]
    assert exact.pooled_chi_squared(draws[:, 0], pmf) > 1e-4
    assert (draws @ [1, 2] == start).all()


@pytest.mark.parametrize("seed", range(4))
def test_random_networks_against_the_dense_law(seed):
    """Mutant seen to fail: propensities of dependent reactions not renewed after a firing."""
    network = exact.random_network(seed)
    model = compile_network(network)
    law = exact.dense_law(model, (15, 15), 1.5)
    draws = paths(network, [1.5], 20_000)[:, 0]
    for axis in (0, 1):
        pmf = np.zeros(16)
        for state, p in law.items():
            pmf[state[axis]] += p
        assert exact.pooled_chi_squared(draws[:, axis], pmf) > 1e-4


def test_cascade_of_fifteen_is_a_product_of_poissons():
    """[exact] means at t = 10; Poisson, so variance = mean, and neighbours are uncorrelated."""
    means = np.array([1.667, 1.389, 1.157, 0.965, 0.804, 0.670, 0.558, 0.465, 0.388, 0.323, 0.269, 0.224, 0.187, 0.156])
    means = np.append(means, 0.778)
    network = exact.cascade()
    assert np.allclose(exact.first_order_means(compile_network(network), 10.0), means, atol=6e-4)
    draws = paths(network, [10.0], 20_000)[:, 0]
    assert exact.worst_z(draws, means, np.sqrt(means)) < 5
    assert exact.worst_variance_z(draws, np.sqrt(means), means + 3 * means**2) < 5
    correlation = np.corrcoef(draws.T)[~np.eye(15, dtype=bool)]
    assert np.abs(correlation).max() * np.sqrt(len(draws)) < 5


def test_conversion_network_has_the_means_of_its_linear_ode():
    network = exact.network(
        {"A": 6, "B": 2, "C": 0},
        {"a": 1.0, "b": 0.5, "c": 0.3, "i": 2.0},
        [
            ("ab", {"A": 1}, {"B": 1}, "a"),
            ("bc", {"B": 1}, {"C": 1}, "b"),
            ("ca", {"C": 1}, {"A": 1}, "c"),
            ("in", {}, {"B": 1}, "i"),
            ("out", {"C": 1}, {}, "a"),
        ],
    )
    draws = paths(network, [1.7], 20_000)[:, 0]
    assert exact.worst_z(draws, exact.first_order_means(compile_network(network), 1.7), draws.std(axis=0)) < 5


def test_telegraph_at_a_late_time_is_beta_poisson():
    pmf = exact.beta_poisson_pmf(0.5, 1.0, 20.0, 80)
    draws = paths(exact.telegraph(), [25.0], 20_000)[:, 0, 1]
    assert exact.pooled_chi_squared(draws, pmf) > 1e-4


@pytest.mark.parametrize(
    ("time", "gene", "protein", "sd"),
    [(1.0, 0.9605, 31.077, 6.199), (3.0, 0.7364, 39.090, 15.893)],
)
def test_toggle_switch(time, gene, protein, sd):
    draws = paths(exact.toggle_switch(), [time], 20_000)[:, 0]
    spread = [np.sqrt(gene * (1 - gene))] * 2 + [sd] * 2
    assert exact.worst_z(draws, [gene, gene, protein, protein], spread) < 5


def test_rates_times_c_and_times_over_c_give_the_same_paths():
    """A power of two changes no digit, so the very same trajectories come out."""
    network = exact.autoregulation()
    model = compile_network(network)
    slow = paths(network, [1.0, 4.0], 50)
    thetas, starts = np.tile(4 * model.theta, (50, 1)), np.tile(model.initial, (50, 1))
    fast = simulate(model, [0.25, 1.0], thetas, starts, rng=np.random.default_rng(1))
    assert (slow == fast).all()


def test_every_trajectory_has_its_own_parameters_and_start():
    model = compile_network(exact.birth_death())
    thetas = np.array([[0.0, 0.0], [0.0, 50.0], [0.0, 0.0]])
    out = simulate(model, [0.0, 9.0], thetas, [[3], [7], [5]], rng=np.random.default_rng(0))
    assert out[:, :, 0].tolist() == [[3, 3], [7, 0], [5, 5]]
    assert out.dtype == np.int64


# streams ---------------------------------------------------------------------------------------


def test_the_bits_do_not_depend_on_threads_chunks_or_the_number_of_paths():
    """Mutant seen to fail: streams numbered within a chunk instead of from the first trajectory."""
    network = exact.autoregulation()
    model = compile_network(network)
    one = paths(network, [0.5, 5.0], 300, threads=1)
    assert (one == paths(network, [0.5, 5.0], 300, threads=2)).all()
    assert (one[:70] == paths(network, [0.5, 5.0], 70)).all()
    tail = simulate(
        model,
        [0.5, 5.0],
        np.tile(model.theta, (50, 1)),
        np.tile(model.initial, (50, 1)),
        rng=np.random.default_rng(1),
        first=250,
    )
    assert (one[250:] == tail).all()
    assert not (one == paths(network, [0.5, 5.0], 300, seed=2)).all()


class Root:
    """Stands in for a generator: hands out a root of choice."""

    def __init__(self, *words):
        self.words = np.array(words, dtype=np.uint64)

    def integers(self, *_, **__):
        return self.words


@pytest.mark.parametrize("root", [(0, 0), (1, 2), (2**63 - 1, 2**63), (2**64 - 1, 3), (5, 2**64 - 1)])
@pytest.mark.parametrize("build", [exact.birth_death, exact.toggle_switch, exact.dimerisation, exact.cascade])
def test_numpy_and_numba_draw_the_same_trajectories(build, root):
    """Mutant seen to fail: a root below 2^63 handed to numba as a signed word (NaN waiting times)."""
    model = compile_network(build())
    thetas, starts = np.tile(model.theta, (20, 1)), np.tile(model.initial, (20, 1))
    fast, plain = (
        simulate(model, [0.3, 2.0], thetas, starts, rng=Root(*root), engine=engine) for engine in ("numba", "numpy")
    )
    assert (fast == plain).all()


def test_streams_are_uniform_and_unrelated():
    streams = Streams((7, 9), np.arange(20_000))
    everyone = np.arange(20_000)
    first, second = streams.uniforms(everyone), streams.uniforms(everyone)
    for u in (first, second):
        assert abs(u.mean() - 0.5) * np.sqrt(12 * len(u)) < 5
        counts = np.bincount((u * 100).astype(int), minlength=100)
        assert ((counts - 200) ** 2 / 200).sum() < 99 + 5 * np.sqrt(2 * 99)
    for a, b in ((first, second), (first[:-1], first[1:])):
        assert abs(np.corrcoef(a, b)[0, 1]) * np.sqrt(len(a)) < 5
    assert len(np.unique(Streams((0, 0), np.arange(100_000)).state[0])) == 100_000


# ends ------------------------------------------------------------------------------------------

ENGINES = pytest.mark.parametrize("engine", ["numba", "numpy"])


def test_an_explosion_stops_at_the_event_budget():
    network = exact.network({"A": 10}, {"k": 1.0}, [("grow", {"A": 2}, {"A": 3}, "k")])
    begun = time.perf_counter()
    with pytest.raises(RunError, match=r"trajectory 0 at time 0\.\d+ in state \(A = \d+\).*budget of 10000000 events"):
        SSA(paths=200).solve(Problem.of(network, [1.0]), rng=np.random.default_rng(0))
    assert time.perf_counter() - begun < 10


@ENGINES
def test_the_event_budget_counts_events(engine):
    network = exact.network({"A": 10}, {"k": 1.0}, [("grow", {"A": 2}, {"A": 3}, "k")])
    with pytest.raises(RunError, match=r"in state \(A = 110\).*budget of 100 events"):
        paths(network, [1.0], 5, max_events=100, engine=engine)
    decay = exact.network({"A": 10}, {"k": 1.0}, [("die", {"A": 1}, {}, "k")])
    assert (paths(decay, [1e3], 5, max_events=10, engine=engine) == 0).all()
    with pytest.raises(RunError):
        paths(decay, [1e3], 5, max_events=9, engine=engine)


@ENGINES
def test_a_count_below_zero_is_refused(engine):
    """The rate outlives its reactant: a constant law that consumes A (peers let the count go to -89)."""
    network = exact.network({"A": 2, "B": 1}, {"k": 1.0}, [("eat", {"A": 1}, {}, symbol("k"))])
    with pytest.raises(RunError, match=r"trajectory 0 at time .* in state \(A = 0, B = 1\): reaction 'eat' would make"):
        paths(network, [50.0], 10, engine=engine)


@ENGINES
@pytest.mark.parametrize(
    ("law", "value"),
    [
        (lambda a: symbol("k") * (a - 4), "-1"),
        (lambda a: symbol("k") / (a - 3), "inf"),
        (lambda a: symbol("k") * (a - 3) ** 0.5, "nan"),
    ],
)
def test_a_bad_propensity_names_state_time_reaction(engine, law, value):
    """From A = 5 by single deaths; the law of `odd` breaks down at 3 or below."""
    a = symbol("A")
    network = exact.network(
        {"A": 5}, {"k": 1.0, "d": 3.0}, [("die", {"A": 1}, {}, "d"), ("odd", {}, {"A": 1}, law(a) * 1e-9)]
    )
    pattern = rf"trajectory \d+ at time .* in state \(A = \d\): the propensity of reaction 'odd' is {value}"
    with pytest.raises(RunError, match=pattern):
        paths(network, [1e4], 5, engine=engine)


def test_rate_rules_are_refused_by_name():
    network = exact.network({"A": 5}, {"k": 1.0}, [("tick", {"A": 1}, {}, symbol("k") * symbol("A"))])
    with pytest.raises(UnsupportedFeature, match="ssa cannot run this model: k: has a rate rule: k' = time"):
        paths(network.with_parts(rate_rules={"k": TIME}), [1.0], 5)


def test_networks_without_reactions_or_events_stand_still():
    still = exact.network({"A": 4}, {}, [])
    for engine in ("numba", "numpy"):
        assert (paths(still, [0.0, 1.0], 3, engine=engine) == 4).all()


def test_impossible_settings_are_refused():
    wrong = [{"paths": 0}, {"paths": "10"}, {"paths": 1.5}, {"paths": None}, {"paths": True}]
    for settings in (*wrong, {"max_events": 0}, {"threads": 0}, {"engine": "fortran"}):
        with pytest.raises(SettingError):
            SSA(**settings)


def test_the_answer_states_standard_errors_and_how_it_ended():
    problem = Problem.of(exact.birth_death(2.0, 0.5), [0.0, 2.0])
    solution = SSA(paths=400).solve(problem, rng=np.random.default_rng(3))
    assert solution.error is None
    assert solution.meta["end"] == "finished"
    expected = solution.trajectories.std(axis=0, ddof=1) / 20
    assert np.allclose(solution.meta["standard_error"], expected)
    assert np.allclose(solution.std(), expected * 20)


# compiled code ---------------------------------------------------------------------------------


def test_names_of_the_model_never_reach_generated_code():
    network = exact.network(
        {"lambda": 3, "S": 1},
        {"__import__": 1.0},
        [("E", {"lambda": 1}, {"S": 1}, symbol("__import__") * symbol("lambda"))],
    )
    source = kernels.trajectory_source(compile_network(network))
    assert "lambda" not in source
    assert "__import__" not in source
    assert (paths(network, [1.0], 20).sum(axis=2) == 4).all()


def test_the_kernel_lives_in_the_cache_folder_and_a_changed_file_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("KINETIX_CACHE", str(tmp_path))
    model = compile_network(exact.network({"A": 9}, {"k": 1.0}, [("die", {"A": 1}, {}, "k")]))
    source = kernels.trajectory_source(model)
    kernels._module.cache_clear()
    kernels._module(source)
    (file,) = (tmp_path / "kernels").glob("*.py")
    assert file.read_text() == source
    file.write_text("raise SystemExit('not ours')")
    kernels._module.cache_clear()
    kernels._module(source)
    assert file.read_text() == source


def test_a_cache_folder_that_cannot_be_written_is_no_obstacle(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("KINETIX_CACHE", str(blocked))
    kernels._module.cache_clear()
    assert kernels._module("run = 1\n").run == 1
    kernels._module.cache_clear()


def test_without_numba_the_numbers_are_the_same():
    code = """
import sys
sys.modules["numba"] = None
import numpy as np
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA
from tests import exact
problem = Problem.of(exact.autoregulation(), [0.5, 2.0])
print(SSA(paths=30).solve(problem, rng=np.random.default_rng(4)).trajectories.sum())
print(repr(float(FSP().solve(problem).mean("P")[1])))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=exact.ROOT)
    total, mean = run.stdout.split()
    assert int(total) == paths(exact.autoregulation(), [0.5, 2.0], 30, seed=4).sum()
    problem = Problem.of(exact.autoregulation(), [0.5, 2.0])
    from kinetix.solvers.fsp import FSP

    assert abs(float(mean) - FSP().solve(problem).mean("P")[1]) < 1e-8


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c_stops_a_long_run_within_a_second():
    """Mutant seen to fail: a kernel that never looks at the flag runs on for minutes."""
    network = exact.birth_death(1e6, 1.0, 1_000_000)
    threading.Timer(0.8, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begun = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        paths(network, [1e5], 4, max_events=10**12)
    assert time.perf_counter() - begun < 6
