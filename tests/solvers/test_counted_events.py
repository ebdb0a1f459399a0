"""Events on counts in compiled code: trajectory by trajectory what numpy draws, on random models and at every end."""

import numpy as np
import pytest
import sympy

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.errors import RunError
from kinetix.events import Event
from kinetix.expressions import TIME, symbol
from kinetix.solvers.paths import event_kernel, native
from kinetix.solvers.ssa import SSA, simulate

X, Y, a, d, q = map(symbol, ("X", "Y", "a", "d", "q"))
TIMES = [0.0, 0.3, 1.0, 2.5, 4.0]
pytestmark = pytest.mark.skipif(not native.available(), reason="needs numba's LLVM")


def network(*events, start=3, law=a):
    return kx.ReactionNetwork(
        [kx.Species("X", start), kx.Species("Y", 2)],
        [kx.Parameter("a", 4.0), kx.Parameter("d", 0.5), kx.Parameter("q", 1.0)],
        [
            kx.Reaction("make", {}, {"X": 1}, law),
            kx.Reaction("turn", {"X": 1}, {"Y": 1}, d * X),
            kx.Reaction("pair", {"Y": 2}, {"X": 1}, d * Y * (Y - 1) / 2),
            kx.Reaction("go", {"Y": 1}, {}, q * Y),
        ],
        events=events,
    )


def both(model, n=60, **settings):
    """Trajectories and parameters by numpy and by the compiled kernel, or the errors."""
    found = []
    for engine in ("numpy", "tabled"):
        try:
            answer = SSA(paths=n, engine=engine, **settings).solve(
                kx.Problem.of(model, TIMES), rng=np.random.default_rng(7)
            )
            assert answer.meta["engine"] == engine
            found.append((answer.trajectories, answer.thetas))
        except RunError as error:
            found.append(str(error))
    return found


def random_events(seed):
    """Two to four events with triggers, values, priorities and flags at random."""
    rng = np.random.default_rng(seed)

    def pick(*options):
        return options[rng.integers(len(options))]

    def event(e):
        level = int(rng.integers(2, 9))
        trigger = pick(
            level <= X,
            level < Y,
            sympy.And(X >= 2, level >= Y),
            sympy.Or(2 * level < X + Y, sympy.Eq(Y, 0)),
            sympy.And(level < X, TIME < 2),
            q * level < X,
        )
        values = {
            "X": pick(sympy.Integer(level), sympy.floor(X / 2), X + Y, Y),
            "Y": pick(sympy.Integer(0), Y + 3, X, sympy.Max(Y - 1, 0)),
            "a": pick(a / 2 + 1, 1 + sympy.exp(-TIME), a + q / 7),
            "q": pick(0.5 + 1 / (1 + X), 2 - q / 2, 1 + TIME / 4),
        }
        chosen = [name for name in values if rng.random() < 0.5] or ["q"]
        return Event(
            f"E{e}",
            trigger,
            {name: values[name] for name in chosen},
            at_start=bool(rng.integers(2)),
            from_trigger=bool(rng.integers(2)),
            persistent=bool(rng.integers(2)),
            priority=pick(None, sympy.Integer(int(rng.integers(3))), X - Y, q),
        )

    return [event(e) for e in range(int(rng.integers(2, 5)))]


def single(model, engine, i):
    """Trajectory i alone, or the words of its end."""
    compiled = compile_network(model)
    settings = {"rng": np.random.default_rng(7), "engine": engine, "first": i, "max_events": 2_000}
    try:
        return simulate(compiled, TIMES, compiled.theta[None], compiled.initial[None], **settings).tolist()
    except RunError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(60))
def test_random_events_do_the_same_in_compiled_code(seed):
    """Mutants seen to fail: priorities ignored; values of the turn for those of the trigger; nothing dropped."""
    model = network(*random_events(seed))
    plain, compiled = both(model, max_events=2_000)
    if isinstance(plain, str) or isinstance(compiled, str):  # which trajectory stops first is not the same
        assert isinstance(plain, str)
        assert isinstance(compiled, str)
        assert [single(model, "numpy", i) for i in range(9)] == [single(model, "tabled", i) for i in range(9)]
        return
    assert (plain[0] == compiled[0]).all()
    np.testing.assert_allclose(compiled[1], plain[1], rtol=1e-12)


def test_most_random_models_run_to_the_end():
    ends = [both(network(*random_events(seed)), max_events=2_000)[0] for seed in range(60)]
    assert sum(not isinstance(end, str) for end in ends) > 30


ERRORS = {
    "negative": (Event("E", X >= 6, {"X": X - 7}), r"time .* in state \(X = -1, Y = \d+\): event 'E' sets 'X' to -1"),
    "broken": (Event("E", X >= 6, {"Y": X / 4}), r"time .* in state .*: event 'E' sets 'Y' to 1.5"),
    "infinite": (Event("E", X >= 6, {"q": 1 / (X - 6)}), r"time .*: event 'E' sets 'q' to inf"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_events_that_cannot_be_are_named(case):
    event, words = ERRORS[case]
    plain, compiled = both(network(event), n=1)
    assert plain == compiled
    with pytest.raises(RunError, match=words):
        raise RunError(compiled)


def test_events_that_cause_one_another_for_ever_are_named():
    up = Event("up", X >= 6, {"X": sympy.Integer(1)})
    down = Event("down", X <= 1, {"X": sympy.Integer(6)})
    plain, compiled = both(network(up, down), n=1)
    assert plain == compiled
    assert ": the events up trigger one another for ever" in compiled


def test_parameters_that_counts_set_live_on_after_a_cut():
    """Mutant seen to fail: the parameters of a chunk thrown away when it ends."""
    poison = Event("poison", sympy.And(X >= 5, TIME < 2), {"a": sympy.Integer(0)})
    model = network(poison, Event("cut", TIME >= 2, {"X": sympy.Integer(0)}), start=4)
    for engine in ("numpy", "tabled"):
        answer = SSA(paths=200, engine=engine).solve(kx.Problem.of(model, [2.0, 60.0]), rng=np.random.default_rng(1))
        poisoned = answer.trajectories[:, 1].sum(axis=1) == 0
        assert poisoned.mean() > 0.9


def test_the_law_that_an_event_puts_right_is_not_refused():
    """A law that would be negative at six, where an event leads back to one at once."""
    plain, compiled = both(network(Event("full", X >= 6, {"X": sympy.Integer(1)}), law=a * (6 - X) * (5.5 - X)))
    assert not isinstance(plain, str)
    assert (plain[0] == compiled[0]).all()


def test_bits_with_events_do_not_depend_on_threads_or_chunks():
    model = compile_network(network(*random_events(1)))
    thetas, starts = np.tile(model.theta, (90, 1)), np.tile(model.initial, (90, 1))
    run = {"engine": "tabled", "rng": None}
    results = []
    for threads, part in ((1, slice(0, 90)), (2, slice(0, 90)), (1, slice(0, 33))):
        run |= {"rng": np.random.default_rng(9), "threads": threads}
        results.append(simulate(model, TIMES, thetas[part], starts[part], **run))
    assert (results[0] == results[1]).all()
    assert (results[0][:33] == results[2]).all()


def test_the_choice_with_events_follows_the_predicted_work():
    model = network(Event("full", X >= 60, {"X": sympy.Integer(1)}), law=100 * a)
    answer = SSA(paths=1000).solve(kx.Problem.of(model, [50.0]), rng=np.random.default_rng(1))
    assert answer.meta["engine"] == "tabled"
    event_kernel.run.made.clear()
    few = SSA(paths=2).solve(
        kx.Problem.of(network(Event("full", X >= 60, {"X": X})), [0.5]), rng=np.random.default_rng(1)
    )
    assert few.meta["engine"] == "numpy"
