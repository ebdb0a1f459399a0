"""The mean field against closed forms: first-order means, events worked by hand, pulses, rate rules."""

import itertools
import types

import numpy as np
import pytest
import scipy.linalg
import sympy

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.errors import RunError, SettingError, UnsupportedFeature
from kinetix.events import Event
from kinetix.expressions import TIME, symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species
from tests import exact

from .moving_models import NEVER, K, P, X, decay, growth, model

RIGHT = 1e-7


def means(network, times, *names, **settings):
    """The means of names at times [T], one row a name."""
    solution = kx.solve(network, times, solver=kx.MeanField(**settings), seed=1)
    return [solution.mean(name) for name in names or ["X"]]


def close(found, expected, relative=RIGHT, absolute=1e-12):
    np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute)


# equations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "network", [exact.birth_death(2.0, 0.5, 3), exact.telegraph(), exact.gene_expression()], ids=lambda n: n.name
)
def test_first_order_means_are_exact(network):
    """Mutants seen to fail: rtol 1e-5; products not added; interpolation of the first order."""
    times = [0.0, 0.1, 1.0, 7.3, 50.0]
    compiled = compile_network(network)
    expected = [exact.first_order_means(compiled, t) for t in times]
    close(kx.solve(network, times, solver="mean-field").mean(), expected)


def test_the_law_as_written_is_the_rate_not_the_propensity():
    """2 X -> 0 at k X^2 gives X = 1 / (1/X0 + 2 k t). Mutant: the propensity k X (X - 1) integrated."""
    reaction = Reaction("pair", {"X": 2}, {}, K * X * (X - 1), K * X**2)
    network = ReactionNetwork([Species("X", 10)], [Parameter("k", 0.3)], [reaction])
    close(means(network, [0.0, 1.0, 5.0])[0], 1 / (1 / 10 + 0.6 * np.array([0.0, 1.0, 5.0])))


def test_stiff_equations_are_followed():
    """Robertson's problem at t = 40, the reference solution of Hairer and Wanner. Mutant: Adams steps only."""
    y = [symbol(f"Y{i}") for i in (1, 2, 3)]
    network = model(
        {"Y1": 1, "Y2": 0, "Y3": 0},
        {},
        [
            ({"Y1": 1}, {"Y2": 1}, 0.04 * y[0]),
            ({"Y2": 1}, {"Y1": 1}, 1e4 * y[1] * y[2]),
            ({"Y2": 2}, {"Y2": 1, "Y3": 1}, 3e7 * y[1] ** 2),
        ],
    )
    solution = kx.solve(network, [40.0], solver="mean-field")
    close(solution.mean()[0], [0.7158270688, 9.185534765e-6, 0.2841637457], relative=1e-8)
    assert solution.meta["steps"] < 1000


@pytest.mark.parametrize("unit", [1e-15, 1e9])
def test_any_unit_of_amounts_gives_the_same_digits(unit):
    """Mutant: an absolute tolerance of 1e-9 amounts, under which femtomoles stand still."""
    times = np.array([1.0, 20.0])
    close(means(decay(7.5 * unit), times)[0] / unit, 7.5 * np.exp(-times), absolute=0)


def test_fractions_and_amounts_that_vary():
    """X' = 0.5 + t - (its fraction) with amounts 1/2 and `time`. Mutant: amounts read at time 0."""
    network = model({"X": 2.5}, {"k": 1.0}, [({"X": 0.25}, {"X": 0.75}, K), ({}, {"X": TIME}, K)])
    times = np.array([0.0, 1.0, 3.0])
    close(means(network, times)[0], 2.5 + 0.5 * times + times**2 / 2)


def test_rate_rules_move_parameters_volumes_and_concentrations():
    """c' = 1, p' = X - p; X stays. Mutants: [X] with the first volume; thetas left out of the answer."""
    network = ReactionNetwork(
        [Species("X", 2, "c")],
        [Parameter("p", 0.5)],
        [],
        constants=[Parameter("c", 1.0, "compartment"), Parameter("B", 4.0, "boundary")],
        variables={"V": X + 2 * symbol("c")},
        homes={"B": "c", "V": "c"},
        rate_rules={"c": sympy.Integer(1), "p": X - P},
    )
    t = np.array([0.0, 1.0, 3.0])
    names = ("c", "p", "[X]", "[B]", "V", "[V]", "B", "X")
    volume = 1 + t
    expected = [volume, 2 - 1.5 * np.exp(-t), 2 / volume, 4 / volume, 2 + 2 * volume, (2 + 2 * volume) / volume]
    close(means(network, t, *names), [*expected, 4 + 0 * t, 2 + 0 * t])


def test_a_rate_rule_feeds_a_reaction():
    """p' = -p, X' = p: X = 1 - exp(-t). Mutant: the reaction reads p at time 0."""
    network = model({"X": 0}, {"p": 1.0}, [({}, {"X": 1}, P)], rate_rules={"p": -P})
    close(means(network, [0.5, 4.0])[0], 1 - np.exp([-0.5, -4.0]))


# laws that switch --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "end", "expected"),
    [
        (sympy.Piecewise((K, sympy.And(TIME >= 500, TIME < 500.001)), NEVER), 1000, 0.001),
        (sympy.Piecewise((K, sympy.And(2 * TIME >= 7 * K, TIME < 4)), NEVER), 1000, 0.5),
        (sympy.Piecewise((K, sympy.sin(TIME) > 0.5), NEVER), 63, 10 * 2 * np.pi / 3),
        (K * sympy.Mod(sympy.floor(TIME), 2), 100, 50.0),
        (sympy.sin(TIME) ** 2, 100, 50 - np.sin(200) / 4),
        (sympy.exp(-((TIME - 700) ** 2)), 1000, np.sqrt(np.pi)),
    ],
    ids=["short pulse", "pulse set by a parameter", "curved", "whole parts", "smooth", "smooth pulse"],
)
def test_laws_that_switch_in_time(law, end, expected):
    """Mutants seen to fail: no cuts (the first pulse is stepped over); no longest step where laws contain the time."""
    close(means(growth(law), [end / 4, end])[0][1], expected, relative=1e-7)


def test_a_law_that_switches_in_a_narrow_band_of_amounts():
    """X' = 1, Y' = 1000 while 5 <= X < 5.001. Mutant: no search for crossings of laws: Y stays 0."""
    network = model(
        {"X": 0, "Y": 0},
        {"k": 1.0},
        [
            ({}, {"X": 1}, K),
            ({}, {"Y": 1}, sympy.Piecewise((1000, sympy.And(X >= 5, X < 5.001)), NEVER)),
        ],
    )
    close(means(network, [10.0], "Y")[0], 1.0, relative=1e-6)


# events ------------------------------------------------------------------------------------------


def test_a_dose_whenever_little_is_left():
    """X' = -X, +5 when X < 5: at ln 2, 2 ln 2, ... Mutant: the event runs once."""
    event = Event("dose", X < 5, {"X": X + 5})
    times = np.array([0.5, 1.0, 2.0, np.log(2)])
    solution = kx.solve(decay(events=[event]), np.sort(times), solver="mean-field")
    expected = [10 * np.exp(-t % -np.log(2)) if t < 0 else 10 * np.exp(-(t % np.log(2))) for t in np.sort(times)]
    close(solution.mean("X")[[0, 2, 3]], np.array(expected)[[0, 2, 3]], relative=1e-7)
    close(solution.mean("X")[1], 10, relative=1e-7)  # at the very time of the event: the value after it
    close([t for t, _ in solution.meta["events"]], [np.log(2), 2 * np.log(2)])
    assert {name for _, name in solution.meta["events"]} == {"dose"}


@pytest.mark.parametrize(
    ("trigger", "at_one", "later"),
    [(TIME >= 1, 3, 3), (TIME > 1, 10, 3), (sympy.Eq(TIME, 1), 3, 3), (sympy.And(TIME >= 1, X < 5), 10, 10)],
    ids=["not strict", "strict", "equal", "never"],
)
def test_events_at_times(trigger, at_one, later):
    """Mutants: `>` as `>=`; the output at the event's time written before it."""
    found = means(decay(rate=0.0, events=[Event("e", trigger, {"X": sympy.Integer(3)})]), [0.5, 1.0, 1.5])[0]
    assert found.tolist() == [10, at_one, later]


def test_a_parameter_that_counts_up_and_starts_again():
    """p' = 1, p := 0 at p >= 1: events exactly at outputs. Mutant: outputs at events keep the value before."""
    event = Event("again", P >= 1, {"p": sympy.Integer(0), "X": X + 1})
    network = model({"X": 0}, {"p": 0.0}, events=[event], rate_rules={"p": sympy.Integer(1)})
    close(means(network, [0.0, 0.5, 1.0, 2.5, 4.0], "X", "p"), [[0, 0, 1, 2, 4], [0, 0.5, 0, 0.5, 0]], absolute=1e-10)


def test_equality_is_crossed():
    """p' = 1 and p == 1 asks for one moment. Mutant: equality compared at the ends of steps only."""
    event = Event("e", sympy.Eq(P, 1), {"X": X - 1})
    network = model({"X": 10}, {"p": 0.0}, rate_rules={"p": sympy.Integer(1)}, events=[event])
    assert means(network, [0.5, 1.5, 3.0])[0].tolist() == [10, 9, 9]


@pytest.mark.parametrize(("at_start", "expected"), [(True, 9.0), (False, 10.0)])
def test_what_is_true_at_time_0(at_start, expected):
    """Mutant: at_start ignored."""
    event = Event("e", X > 9.5, {"X": X - 1}, at_start=at_start)
    assert means(decay(rate=0.0, events=[event]), [0.0, 1.0])[0].tolist() == [expected, expected]


def test_a_trigger_that_turns_true_just_after_time_0():
    """X > 0 and time > 0 with X(0) = 0. Mutant: what holds at time 0 taken after the first step."""
    events = [Event("e", X > 0, {"p": P + 1}), Event("f", TIME > 0, {"p": P + 10})]
    network = model({"X": 0}, {"k": 1.0, "p": 0.0}, [({}, {"X": 1}, K)], events=events)
    assert means(network, [0.0, 0.5], "p")[0].tolist() == [0, 11]


def test_events_at_once_run_in_order_with_values_from_before():
    """All at X = 5, in forms that differ by rounding. Mutant seen to fail: the state read at the crossing itself."""
    forms = [3 * X >= 15, X / 7 >= 5 / 7, X**2 >= 25, sympy.exp(X) >= float(np.exp(5)), X / 10 + X * 0.2 >= 1.5]
    events = [Event("first", X >= 5, {"X": sympy.Integer(0)})]
    events += [Event(f"e{i}", form, {f"Y{i}": X}) for i, form in enumerate(forms)]
    names = [f"Y{i}" for i in range(len(forms))]
    network = model({"X": 0, **dict.fromkeys(names, 0)}, {"k": 0.1}, [({}, {"X": 1}, K)], events=events)
    found = means(network, [49.0, 60.0], "X", *names)
    close(found, [[4.9, 1.0], *[[0, 5]] * len(forms)], absolute=1e-8)


def test_events_cause_events():
    """X >= 5 sets p, p > 0 sets X. Mutant: settled once."""
    events = [Event("e", X >= 5, {"p": sympy.Integer(1)}), Event("f", P > 0, {"X": sympy.Integer(-2)})]
    network = model({"X": 0}, {"k": 1.0, "p": 0.0}, [({}, {"X": 1}, K)], events=events)
    solution = kx.solve(network, [4.0, 5.0, 6.0], solver="mean-field")
    close(solution.mean("X"), [4, -2, -1], absolute=1e-8)
    close(solution.mean("p"), [0, 1, 1])
    assert [name for _, name in solution.meta["events"]] == ["e", "f"]


def test_a_short_visit_beyond_a_threshold_is_seen():
    """p = 10 t - t^2 (top 25 at t = 5) against 25 - 1e-7. Mutant: conditions looked at in nine places alone."""
    event = Event("top", P > 25 - 1e-7, {"X": X + 1})
    network = model({"X": 0}, {"p": 0.0}, rate_rules={"p": 10 - 2 * TIME}, events=[event])
    assert means(network, [3.0, 7.0])[0].tolist() == [0, 1]


@pytest.mark.parametrize(("from_trigger", "value"), [(True, 2.0), (False, 5.0)])
def test_a_delayed_event_runs_later_with_its_values(from_trigger, value):
    """X' = 1; 3 after X >= 2, so at 5. Mutants: run at once; the values of the other time."""
    event = Event("later", X >= 2, {"p": X}, delay=sympy.Integer(3), from_trigger=from_trigger)
    network = model({"X": 0}, {"k": 1.0, "p": 0.0}, [({}, {"X": 1}, K)], events=[event])
    close(means(network, [4.9, 5.0, 6.0], "p")[0], [0, value, value], absolute=1e-9)


@pytest.mark.parametrize(("persistent", "last"), [(True, 7.0), (False, 0.0)])
def test_a_delayed_event_is_dropped_when_its_trigger_turns_false_first(persistent, last):
    event = Event("later", sympy.And(X >= 2, X < 4), {"p": sympy.Integer(7)}, delay=3, persistent=persistent)
    network = model({"X": 0}, {"k": 1.0, "p": 0.0}, [({}, {"X": 1}, K)], events=[event])
    close(means(network, [4.9, 6.0], "p")[0], [0, last], absolute=1e-9)


def test_an_event_fires_again_while_an_earlier_one_waits():
    """At 0.5, 1.5, 2.5; each runs 2.5 later with its own values (X is 0 at all three). Mutant: one entry an event."""
    event = Event("tick", P >= 1, {"p": sympy.Integer(0)})
    late = Event("late", P >= 0.5, {"X": X + 1, "q": TIME}, delay=sympy.Rational(5, 2))
    network = model({"X": 0}, {"p": 0.0, "q": 0.0}, events=[event, late], rate_rules={"p": sympy.Integer(1)})
    close(means(network, [2.9, 3.1, 4.1, 5.1], "X", "q"), [[0, 1, 1, 1], [0, 0.5, 1.5, 2.5]], absolute=1e-9)


def test_an_event_moves_a_cut():
    """A law on until `p`, and an event before it that moves p from 2 to 3. Mutant: cuts told once."""
    law = sympy.Piecewise((K, TIME < P), NEVER)
    event = Event("longer", TIME >= 1, {"p": sympy.Integer(3)})
    network = model({"X": 0}, {"k": 1.0, "p": 2.0}, [({}, {"X": 1}, law)], events=[event])
    close(means(network, [1.0, 2.5, 5.0], "X", "p"), [[1, 2.5, 3], [3, 3, 3]])


# the answer ----------------------------------------------------------------------------------------


def test_means_alone_are_stated():
    solution = kx.solve(decay(), [0.0, 1.0], solver="mean-field", seed=3)
    assert np.isnan(solution.std()).all()
    assert np.isnan(solution.covariance("X", "X")).all()
    assert solution.error is None
    assert {"steps", "events", "settings", "seed"} <= set(solution.meta)
    for ask in (
        lambda: solution.marginal("X", 1.0),
        lambda: solution.log_prob([3], 1.0),
        lambda: solution.sample(3, 1.0),
    ):
        with pytest.raises(UnsupportedFeature, match="states means only, no probabilities; use fsp or ssa"):
            ask()


def test_what_changes_survives_the_disk(tmp_path):
    """Mutant: thetas not stored, [X] read back with the first volume."""
    network = ReactionNetwork(
        [Species("X", 2.5, "c")],
        [],
        [],
        constants=[Parameter("c", 1.0, "compartment")],
        rate_rules={"c": sympy.Integer(1)},
    )
    solution = kx.solve(network, [0.0, 1.0], solver="mean-field", seed=1)
    solution.save(tmp_path / "a.nc")
    back = kx.open(tmp_path / "a.nc")
    for name in ("X", "[X]", "c"):
        assert back.mean(name).tolist() == solution.mean(name).tolist()
    assert back.thetas.tolist() == solution.thetas.tolist()
    assert np.isnan(back.to_xarray()["std"].values).all()


def test_no_likelihood():
    """Mutant: the refusal comes from inside the sampler, or not at all."""
    data = types.SimpleNamespace(times=(1.0,))
    with pytest.raises(SettingError, match="mean-field states moments, no probabilities"):
        kx.infer(decay(), data, prior={"k": kx.prior.uniform(0, 1)}, likelihood="mean-field")


def test_what_goes_wrong_is_told_by_name():
    """Mutants: NaN handed to the integrator, which answers NaN; half a million steps before the first word."""
    for network, text in (
        (decay(1.0).with_parts(reactions=[Reaction("root", {"X": 1}, {}, sympy.sqrt(X))]), "reaction 'root' is nan"),
        (growth(X**2, start=1.0), "cannot be followed further: they are too stiff, or they explode"),
        (growth(K, events=[Event("e", X > 1, {"X": sympy.Integer(1)})]), "'e' happens again and again"),
        (
            model({"X": 0}, {"k": 1.0}, [({}, {"X": 1}, sympy.Piecewise((2, X < 1), NEVER)), ({"X": 1}, {}, K * X)]),
            "a law turns to and fro without end at a condition",
        ),
    ):
        with pytest.raises(RunError, match=text) as caught:
            means(network, [5.0])
        assert "mean-field: time" in str(caught.value)
        assert "X = " in str(caught.value)
    with pytest.raises(RunError, match="more than 20 steps"):
        means(exact.telegraph(), [100.0], "M", max_steps=20)
    with pytest.raises(SettingError, match="knows no law at time = inf"):
        means(decay(), [1.0, np.inf])
    for settings in ({"rtol": 0.0}, {"atol": -1.0}, {"rtol": 1e-20}, {"max_steps": 0}, {"max_steps": True}):
        with pytest.raises(SettingError, match=next(iter(settings))):
            kx.MeanField(**settings)


def test_many_species_in_seconds():
    """A chain of 300: X_i by the matrix exponential. Mutant: a Jacobian by differences of a dense 300 x 300."""
    size = 300
    names = [f"X{i}" for i in range(size)]
    reactions = [({a: 1}, {b: 1}, K * symbol(a)) for a, b in itertools.pairwise(names)]
    network = model({n: 100.0 if n == "X0" else 0 for n in names}, {"k": 1.0}, reactions)
    matrix = np.diag(np.full(size - 1, 1.0), -1) - np.diag(np.append(np.full(size - 1, 1.0), 0.0))
    expected = scipy.linalg.expm(40 * matrix)[:, 0] * 100
    solution = kx.solve(network, [40.0], solver="mean-field")
    close(solution.mean()[0], expected, relative=1e-6, absolute=1e-8)
    assert solution.meta["cpu_seconds"] < 30
