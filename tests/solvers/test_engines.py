"""Every engine of trajectories against closed forms, against one another, and at every end a run can have."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import sympy

from kinetix.compiler import compile_network
from kinetix.errors import RunError, UnsupportedFeature
from kinetix.expressions import TIME, symbol
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.paths import engines, kernels, lanes, pilot, programs, tabled
from kinetix.solvers.paths.native import Native
from kinetix.solvers.paths.pointers import pointer
from kinetix.solvers.paths.stack_machine import evaluate
from kinetix.solvers.ssa import SSA, simulate
from tests import exact

NAMES = ["lanes", "tabled", "scalar", "numpy"]
EVERY = pytest.mark.parametrize("engine", NAMES)


def paths(network, times, n, seed=1, **settings):
    model = compile_network(network)
    thetas, starts = np.tile(model.theta, (n, 1)), np.tile(model.initial, (n, 1))
    return simulate(model, times, thetas, starts, rng=np.random.default_rng(seed), **settings)


def batches():
    """Molecules come three at a time and leave one by one."""
    return exact.network({"X": 1}, {"k": 0.8, "d": 0.5}, [("come", {}, {"X": 3}, "k"), ("go", {"X": 1}, {}, "d")])


def conversion():
    return exact.network(
        {"A": 7, "B": 2}, {"f": 0.6, "b": 0.3}, [("ab", {"A": 1}, {"B": 1}, "f"), ("ba", {"B": 1}, {"A": 1}, "b")]
    )


LAWS = {
    "dimerisation 2": (lambda: exact.dimerisation(start=2), (2, 1), 2.0),
    "dimerisation 3": (lambda: exact.dimerisation(start=3), (3, 1), 2.0),
    "dimerisation 5": (lambda: exact.dimerisation(start=5), (5, 2), 2.0),
    "dimerisation 6": (lambda: exact.dimerisation(start=6), (6, 3), 2.0),
    "batches": (batches, (60,), 2.0),
    "conversion": (conversion, (9, 9), 1.0),
    "random": (lambda: exact.random_network(2), (15, 15), 1.5),
}


def fits(draws, law):
    """Whether draws [n, S] pass |z| < 5 in every mean and chi-squared at 1e-4 in every marginal of {state: p}."""
    states, p = np.array(list(law)), np.array(list(law.values()))
    mean, second = p @ states, p @ states**2
    good = exact.worst_z(draws, mean, np.sqrt(np.maximum(second - mean**2, 0))) < 5
    marginals = [np.bincount(states[:, s], np.maximum(p, 0)) for s in range(states.shape[1])]
    return good and all(exact.pooled_chi_squared(draws[:, s], pmf) > 1e-4 for s, pmf in enumerate(marginals))


# the law ---------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("case", LAWS)
def test_small_counts_against_the_dense_law(engine, case):
    """The mutants that this catches are planted below."""
    build, upper, t = LAWS[case]
    network = build()
    law = exact.dense_law(compile_network(network), upper, t)
    assert fits(paths(network, [t], 20_000, engine=engine)[:, 0], law)


@EVERY
def test_birth_and_death(engine):
    draws = paths(exact.birth_death(2.0, 0.5, 6), [0.0, 0.7, 3.0], 20_000, engine=engine)
    assert (draws[:, 0] == 6).all()
    for k, t in ((1, 0.7), (2, 3.0)):
        pmf = exact.birth_death_pmf(2.0, 0.5, 6, t, 60)
        assert fits(draws[:, k], {(i,): p for i, p in enumerate(pmf)})


@EVERY
def test_telegraph_is_beta_poisson(engine):
    draws = paths(exact.telegraph(), [25.0], 20_000, engine=engine)[:, 0, 1]
    assert exact.pooled_chi_squared(draws, exact.beta_poisson_pmf(0.5, 1.0, 20.0, 80)) > 1e-4


@pytest.mark.parametrize("engine", ["lanes", "tabled", "scalar"])
def test_schloegl_against_the_projection(engine):
    problem = Problem.of(exact.schloegl(), [0.2])
    pmf = FSP().solve(problem).marginal("X", 0.2)
    draws = paths(exact.schloegl(), [0.2], 20_000, engine=engine)[:, 0]
    assert fits(draws, {(i,): p for i, p in enumerate(pmf)})


# mutants ---------------------------------------------------------------------------------------


def drawn(kernel, model, t, n=20_000):
    out, report = np.zeros((n, 1, len(model.initial)), np.int64), np.zeros(3 + len(model.initial), np.int64)
    low, high = np.uint64(11), np.uint64(12)
    arguments = np.array([t]), np.tile(model.theta, (n, 1)), np.tile(model.initial, (n, 1)), 0, low, high, 10**6
    kernel(*arguments, np.zeros(1, np.int64), out, report, np.zeros(1), np.full(n, -1))
    return out[:, 0]


def caught(make):
    """Whether some law of the battery is missed by the kernels that `make` gives for a model."""
    for build, upper, t in LAWS.values():
        model = compile_network(build())
        draws = drawn(make(model), model, t)
        if (draws < 0).any() or (draws > upper).any() or not fits(draws, exact.dense_law(model, upper, t)):
            return True
    return False


def doubled(m):
    rates = m.program.copy()
    rates[(rates[:, 0] == 0) & (rates[:, 1] == 0.5), 1] = 1.0
    return m._replace(program=rates)


def squared(m):
    lines = m.lines.copy()
    lines.reshape(-1, 2)[:, 0][lines.reshape(-1, 2)[:, 0] == -1.0] = 0.0
    return m._replace(lines=lines)


def stale(m):
    """Each reaction renews only the first propensity that depends on it."""
    starts = m.touches.copy()
    kept = [e for a, b in itertools.pairwise(starts) for e in range(a, min(a + 1, b))]
    touched = m.touched.reshape(-1, 2)[kept].ravel()
    return m._replace(touched=touched, touches=np.concatenate([[0], np.cumsum(np.minimum(np.diff(starts), 1))]))


def swapped(m):
    """Laws read the species in the other order."""
    return m._replace(species=m.species.max() - m.species)


def idle(m):
    """The last reaction fires and changes nothing."""
    change = m.change.copy()
    change[m.changes[-2] :] = 0.0
    return m._replace(change=change)


MUTANTS = {
    "species in another order": swapped,
    "a reaction that is missing": idle,
    "pairs without one half": doubled,
    "A * A for A * (A - 1)": squared,
    "stale propensities": stale,
    "changes of the wrong sign": lambda m: m._replace(change=-m.change),
    "changes by one molecule": lambda m: m._replace(change=np.sign(m.change)),
    "reactions in another order": lambda m: m._replace(changed=m.changed[::-1].copy(), change=m.change[::-1].copy()),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_battery_catches_mutant_tables(mutant):
    from kinetix.solvers.paths import table_kernel

    def make(model):
        m = MUTANTS[mutant](tabled.tables(model))
        return lambda *arguments: tabled._call(table_kernel.run, m, *arguments)

    assert caught(make)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("+ wait / total", "+ wait / (2.0 * total)"),
        ("target >= c0", "target > c0 + 0.3 * a0"),
        ("np.uint64(number) *", "np.uint64(number // 1000) *"),
        ("= y0 if fine else x0", "= y0"),
        ("np.int64(other >>", "np.int64(word >>"),
        ("- exponent *", "- (exponent + 1.0) *"),
        ("= times[0] if", "= 1.1 * times[0] if"),
        ("fill(z, g, l, starts[taken], thetas[taken], low, high, first + taken)", "pass"),
    ],
)
def test_the_battery_catches_mutant_sources(right, wrong):
    """Waiting time of twice the total, a shifted choice, reused streams, events past an output, one number used twice,

    a logarithm off by a power of two, outputs taken too late, lanes that are not filled anew.
    """

    def make(model):
        source = lanes.lane_module(model)
        assert right in source
        return kernels.kernel_module(source.replace(right, wrong)).run

    assert caught(make)


# one engine against another --------------------------------------------------------------------


def strange():
    """Laws that are no products: Hill, exponential, piecewise, minimum, root, modulo, logic."""
    a, b, k, n = symbol("A"), symbol("B"), symbol("k"), symbol("n")
    laws = [
        k * a**n / (5**n + a**n),
        k * sympy.exp(-b / 3),
        sympy.Piecewise((k, a > 4), (2 * k, sympy.And(a >= 2, b < 3)), (k / 2, True)),
        k * sympy.Min(a, 3, b + 1) + sympy.Abs(a - b) / 9,
        k * sympy.sqrt(b) * sympy.tanh(a / 4),
        k * sympy.Mod(a, 3) * sympy.floor(b / 2 + 1) / 5,
    ]
    reactions = [(f"make{i}", {}, {"A": 1} if i % 2 else {"B": 1}, law) for i, law in enumerate(laws)]
    reactions += [("die_a", {"A": 1}, {}, "d"), ("die_b", {"B": 1}, {}, "d"), ("meet", {"A": 1, "B": 2}, {"A": 2}, "m")]
    return exact.network({"A": 4, "B": 3}, {"k": 2.0, "n": 2.5, "d": 0.8, "m": 0.05}, reactions)


BUILDERS = {
    **{
        name: getattr(exact, name)
        for name in ("birth_death", "toggle_switch", "autoregulation", "cascade", "telegraph")
    },
    "strange": strange,
    "batches": batches,
    "random": lambda: exact.random_network(7, 3, 6),
}


@pytest.mark.parametrize("engine", ["lanes", "tabled", "scalar"])
@pytest.mark.parametrize("case", BUILDERS)
def test_all_engines_draw_the_same_trajectories(engine, case):
    """Own parameters and starts for each trajectory, more of them than lanes, outputs dense and sparse."""
    model = compile_network(BUILDERS[case]())
    rng = np.random.default_rng(5)
    thetas = model.theta * rng.uniform(0.5, 1.5, (150, len(model.theta)))
    starts = np.tile(model.initial, (150, 1))
    times = [0.0, 0.01, 0.02, 0.5, 2.0, 2.5]
    plain = simulate(model, times, thetas, starts, rng=np.random.default_rng(3), engine="numpy")
    assert (simulate(model, times, thetas, starts, rng=np.random.default_rng(3), engine=engine) == plain).all()


def evaluated(rows, x, stack, out):
    out[0] = evaluate(pointer(rows), 0, rows.shape[0], pointer(x), pointer(x), pointer(stack))


def test_programs_compute_what_sympy_says():
    """Each operation that a law may contain, in the stack machine of the table-driven kernel."""
    a, b = symbol("A"), symbol("B")
    unary = [sympy.exp, sympy.log, sympy.Abs, sympy.floor, sympy.ceiling, sympy.sin, sympy.cos, sympy.tan, sympy.atan]
    unary += [sympy.sinh, sympy.cosh, sympy.tanh, sympy.asinh, sympy.sec, sympy.csc, sympy.cot, sympy.sech, sympy.csch]
    laws = [f(a / 3 + 1) for f in (*unary, sympy.coth, sympy.acosh, sympy.acsch, sympy.acot, sympy.asec, sympy.acsc)]
    laws += [f(1 / (a + 1)) for f in (sympy.asin, sympy.acos, sympy.atanh, sympy.asech, sympy.acoth)][:4]
    laws += [sympy.factorial(a), sympy.Mod(a + 7, 4), sympy.Max(a, b, 2), a**b, (a + b) ** sympy.Rational(1, 2), a**-2]
    conditions = [
        a > b,
        a >= b,
        a < b,
        a <= b,
        sympy.Eq(a, 3),
        sympy.Ne(a, 3),
        sympy.Not(a > b),
        sympy.Xor(a > 1, b > 9),
    ]
    conditions += [sympy.Or(a > 9, b > 1), sympy.And(a > 1, b > 9)]
    laws += [sympy.Piecewise((2 * a, c), (b, True)) for c in conditions]
    laws += [sympy.ITE(a > 2, a > 3, b > 1).replace(sympy.ITE, lambda *x: sympy.Piecewise((1, x[1]), (2, True)))]
    value, out = Native(evaluated), np.zeros(1)
    places = {a: (programs.COUNT, 0), b: (programs.COUNT, 1)}
    for law in laws:
        rows = programs.program(law, places)
        for x in np.random.default_rng(0).integers(0, 9, (20, 2)).astype(float):
            expected = complex(law.subs({a: int(x[0]), b: int(x[1])}).evalf())
            value(programs.table(rows), x, np.zeros(programs.depth(rows)), out)
            found = float(out[0])
            if expected.imag or not np.isfinite(expected.real):
                assert not np.isfinite(found), law
            else:
                assert np.isclose(found, expected.real, rtol=1e-12), law


@pytest.mark.parametrize(("engine", "networks"), [("tabled", 200)])
def test_bits_do_not_depend_on_threads_or_chunks(engine, networks):
    _same_bits(engine, range(networks))


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "networks"), [("tabled", 1000), ("lanes", 30)])
def test_bits_on_many_random_networks(engine, networks):
    _same_bits(engine, range(1000, 1000 + networks))


def _same_bits(engine, seeds):
    for seed in seeds:
        model = compile_network(exact.random_network(seed, 3, 6))
        n, times = 90, [0.1, 0.7]
        thetas, starts = np.tile(model.theta, (n, 1)), np.tile(model.initial, (n, 1))

        def run(count=n, begin=0, model=model, times=times, thetas=thetas, starts=starts, **settings):
            part = slice(begin, begin + count)
            settings |= {"engine": engine, "first": begin, "rng": np.random.default_rng(9)}
            return simulate(model, times, thetas[part], starts[part], **settings)

        whole = run(threads=1)
        assert (whole == run(threads=2)).all()
        assert (whole[:33] == run(33)).all()
        assert (whole[33:] == run(n - 33, 33)).all()


def test_bits_do_not_depend_on_the_width_of_the_lanes():
    model = compile_network(exact.autoregulation())
    results = [drawn(lanes.lane_kernel(model, width), model, 2.0, 300) for width in (16, 64, 128)]
    assert (results[0] == results[1]).all()
    assert (results[0] == results[2]).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1030))
def test_bits_of_random_networks_do_not_depend_on_the_width(seed):
    model = compile_network(exact.random_network(seed, 3, 6))
    first, *others = (drawn(lanes.lane_kernel(model, width), model, 0.7, 150) for width in (16, 64, 128))
    assert all((first == other).all() for other in others)


# ends ------------------------------------------------------------------------------------------


def eaten():
    return exact.network({"A": 2, "B": 1}, {"k": 1.0}, [("eat", {"A": 1}, {}, symbol("k"))])


def broken(law):
    die = ("die", {"A": 1}, {}, "d")
    return lambda: exact.network(
        {"A": 5}, {"k": 1.0, "d": 3.0}, [die, ("odd", {}, {"A": 1}, law(symbol("A")) * symbol("k") * 1e-9)]
    )


def growing():
    return exact.network({"A": 10}, {"k": 1.0}, [("grow", {"A": 2}, {"A": 3}, "k")])


ENDS = {
    "negative count": (eaten, 50.0),
    "negative": (broken(lambda a: a - 4), 1e4),
    "infinite": (broken(lambda a: 1 / (a - 3)), 1e4),
    "nan": (broken(lambda a: sympy.sqrt(a - 3)), 1e4),
    "budget": (growing, 1.0),
}


@pytest.mark.parametrize("engine", ["lanes", "tabled", "scalar"])
@pytest.mark.parametrize("end", ENDS)
def test_all_engines_end_in_the_same_words(engine, end):
    """State, time and reaction, of the first trajectory that has to stop."""
    build, t = ENDS[end]
    with pytest.raises(RunError) as plain:
        paths(build(), [t], 1, max_events=300, engine="numpy")
    with pytest.raises(RunError) as found:
        paths(build(), [t], 100, max_events=300, threads=1, engine=engine)
    assert str(found.value) == str(plain.value)


@pytest.mark.parametrize("engine", ["lanes", "tabled"])
def test_rates_that_are_negative_or_nan_are_found_at_once(engine):
    model = compile_network(exact.birth_death(2.0, 0.5, 3))
    for theta in ([-1.0, 0.5], [2.0, -0.5]):
        with pytest.raises(RunError, match=r"trajectory 1 at time 0 .*propensity of reaction '(make|decay)' is -"):
            simulate(model, [1.0], [model.theta, theta], [[3], [3]], rng=np.random.default_rng(0), engine=engine)


@EVERY
def test_the_budget_is_exact(engine):
    decay = exact.network({"A": 10}, {"k": 1.0}, [("die", {"A": 1}, {}, "k")])
    assert (paths(decay, [1e3], 70, max_events=10, engine=engine) == 0).all()
    with pytest.raises(RunError, match=r"trajectory 0 .*budget of 9 events"):
        paths(decay, [1e3], 70, max_events=9, engine=engine)


@pytest.mark.parametrize("engine", ["lanes", "tabled"])
def test_events_are_counted(engine):
    decay = exact.network({"A": 10}, {"k": 1.0}, [("die", {"A": 1}, {}, "k")])
    answer = SSA(paths=100, engine=engine).solve(Problem.of(decay, [1.0, 1e3]), rng=np.random.default_rng(1))
    assert answer.meta["engine"] == engine
    assert answer.meta["events"] == 1000


def test_laws_that_move_with_the_time_are_not_for_them():
    model = compile_network(
        exact.network({"A": 5}, {"k": 1.0}, [("tick", {"A": 1}, {}, symbol("k") * TIME * symbol("A"))])
    )
    with pytest.raises(UnsupportedFeature):
        lanes.lane_kernel(model)
    with pytest.raises(UnsupportedFeature):
        tabled.tabled_kernel(model)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
@pytest.mark.parametrize("engine", ["lanes", "tabled"])
def test_ctrl_c_gives_the_trajectories_that_are_complete(engine):
    """Mutant seen to fail: chunks counted as complete when they began."""
    problem = Problem.of(exact.birth_death(200.0, 1.0, 200), [50.0])
    short = SSA(paths=70, engine=engine, threads=1).solve(problem, rng=np.random.default_rng(4))
    begun = time.process_time()

    def interrupt():
        while time.process_time() - begun < 2.0:  # by CPU time: a busy machine completes nothing in a second
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    answer = SSA(paths=400_000, engine=engine).solve(problem, rng=np.random.default_rng(4))
    assert time.process_time() - begun < 8
    assert answer.meta["end"] == "interrupted"
    assert 64 <= len(answer.trajectories) < 400_000
    assert (answer.trajectories[:64] == short.trajectories[:64]).all()
    assert (answer.trajectories > 50).all()


# the choice ------------------------------------------------------------------------------------


def chosen(network, t, n, budget=10**7):
    model = compile_network(network)
    task = engines.Task(model, np.array([t]), np.tile(model.theta, (n, 1)), np.tile(model.initial, (n, 1)), budget, 2)
    return engines.choose(task, "auto").names


def test_the_choice_follows_the_predicted_work():
    tabled.tabled_kernel(compile_network(exact.birth_death()))
    assert chosen(exact.birth_death(2.0, 0.5), 1.0, 1)[0] in ("numpy", "tabled")
    assert chosen(exact.birth_death(2000.0, 0.5), 50.0, 100_000) == ["lanes"]
    assert chosen(many(), 10.0, 10_000) == ["tabled"]
    assert chosen(growing(), 1.0, 1000) in (["tabled"], ["numpy"])


def many():
    """A ring of two hundred species."""
    species = {f"X{i}": 5 for i in range(200)}
    return exact.network(
        species, {"k": 1.0}, [(f"r{i}", {f"X{i}": 1}, {f"X{(i + 1) % 200}": 1}, "k") for i in range(200)]
    )


def test_large_networks_and_their_mean():
    """A ring keeps its molecules; every count stays Poisson-like about 5."""
    draws = paths(many(), [0.5, 2.0], 500, engine="tabled")
    assert (draws.sum(axis=2) == 1000).all()
    mean, sd = draws[:, 1].mean(axis=0), draws[:, 1].std(axis=0)
    assert (np.abs(mean - 5) * np.sqrt(500) / sd).max() < 5


def test_pilots_predict_the_events():
    model = compile_network(exact.birth_death(100.0, 1.0, 100))
    thetas, starts = model.theta[None], model.initial[None]
    found = pilot.estimate(model, np.array([10.0]), thetas, starts)
    assert 1000 < found.events < 4000
    assert 1500 < found.refined(model, np.array([10.0]), thetas, starts, 10**6).events < 2500


@pytest.mark.slow
def test_a_first_trajectory_comes_soon(tmp_path):
    """In a new process, of an SBML model: at most 3.0 s of CPU with no kernel on disk, 1.4 s with them."""
    model = exact.ROOT / "examples" / "models" / "toggle_switch.xml"
    code = f"""
import time
import kinetix as kx
kx.solve(kx.load({str(model)!r}), [2000.0], solver=kx.SSA(paths=1), seed=1)
print(time.process_time())
"""
    place = {**os.environ, "KINETIX_CACHE": str(tmp_path)}
    spent = [
        float(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=place).stdout
        )
        for _ in range(4)
    ]
    assert spent[0] < 3.0
    assert min(spent[1:]) < 1.4
