"""What events and comparisons with the time mean, by hand."""

import numpy as np
import pytest
import sympy

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.constructs import Construct, constructs
from kinetix.events import Event
from kinetix.expressions import TIME, symbol
from kinetix.jumps import Agenda, Jumps
from kinetix.phases import phases_of
from kinetix.serial import network_from_json, network_to_json

A, B, k = map(symbol, "ABk")


def network(*events, laws=(k * A,), **fields):
    reactions = [kx.Reaction(f"r{i}", {"A": 1}, {"B": 1}, law) for i, law in enumerate(laws)]
    return kx.ReactionNetwork(
        [kx.Species("A", 5), kx.Species("B", 0)], [kx.Parameter("k", 0.5)], reactions, events=events, **fields
    )


def settled(*events, counts, before, theta=(0.5,), whole=True, time=0.0):
    jumps = Jumps(compile_network(network(*events)), whole)
    x, p = np.atleast_2d(np.array(counts, float)), np.atleast_2d(np.array(theta, float))
    x, p = jumps.settle(x, p, np.atleast_2d(before), time)
    return x.tolist(), p.tolist()


def test_an_event_runs_when_its_trigger_turns_true_and_not_while_it_stays_true():
    """Mutant seen to fail: the truth before the moment is not asked for."""
    event = Event("E", A > 3, {"B": B + 10})
    assert settled(event, counts=[[4, 0], [4, 0], [3, 0]], before=[[False], [True], [False]])[0] == [
        [4, 10],
        [4, 0],
        [3, 0],
    ]


def test_values_are_those_of_the_trigger_time_or_of_the_turn():
    first = Event("E1", A > 3, {"A": A - 4})
    for from_trigger, expected in ((True, [0, 4]), (False, [0, 0])):
        second = Event("E2", A > 3, {"B": A}, from_trigger=from_trigger)
        assert settled(first, second, counts=[4, 0], before=[False, False])[0] == [expected]


def test_an_event_that_need_not_persist_is_dropped_when_another_makes_it_false():
    first = Event("E1", A > 3, {"A": sympy.Integer(0)})
    for persistent, expected in ((True, [0, 7]), (False, [0, 0])):
        second = Event("E2", A > 3, {"B": sympy.Integer(7)}, persistent=persistent)
        assert settled(first, second, counts=[4, 0], before=[False, False])[0] == [expected]


def test_the_highest_priority_goes_first_then_the_one_declared_first():
    """Mutant seen to fail: priorities of all events compared, not only of those that wait."""
    one = Event("E1", A > 3, {"B": 10 * B + 1}, from_trigger=False, priority=sympy.Integer(1))
    two = Event("E2", A > 3, {"B": 10 * B + 2}, from_trigger=False, priority=A)
    three = Event("E3", A > 3, {"B": 10 * B + 3}, from_trigger=False, priority=sympy.Integer(1))
    none = Event("E4", A > 3, {"B": 10 * B + 4}, from_trigger=False)
    idle = Event("E5", A > 99, {"B": 10 * B + 5}, priority=sympy.Integer(9))
    assert settled(none, one, two, three, idle, counts=[4, 0], before=[[False] * 5])[0] == [[4, 2134]]


def test_a_delayed_event_waits_on_the_agenda_with_its_values_unless_its_trigger_turns_false():
    keeps = Event("E1", A > 3, {"B": A}, delay=2 * k)
    asks = Event("E2", A > 3, {"k": A}, delay=sympy.Integer(1), from_trigger=False)
    drops = Event("E3", A > 3, {"k": sympy.Integer(9)}, delay=sympy.Integer(1), persistent=False)
    jumps, agenda = Jumps(compile_network(network(keeps, asks, drops)), whole=False), Agenda()
    x, p = jumps.settle(np.array([[4.0, 0.0]]), np.array([[0.5]]), np.zeros((1, 3), bool), 3.0, agenda=agenda)
    assert (x.tolist(), p.tolist(), agenda.next, len(agenda.entries)) == ([[4, 0]], [[0.5]], 4.0, 3)
    held = jumps.triggers(x, p, 3.0)
    x, p = jumps.settle(np.array([[2.0, 0.0]]), p, held, 3.5, agenda=agenda)  # the trigger turns false
    assert len(agenda.entries) == 2
    x, p = jumps.settle(x, p, jumps.triggers(x, p, 3.5), 4.0, agenda=agenda)
    assert (x.tolist(), p.tolist(), agenda.next) == ([[2, 4]], [[2.0]], np.inf)


def test_delays_are_refused_where_nobody_keeps_an_agenda():
    with pytest.raises(kx.UnsupportedFeature, match="event 'E' has a delay"):
        settled(Event("E", A > 3, {"B": A}, delay=sympy.Integer(2)), counts=[4, 0], before=[False])
    model = network(Event("E", A > 3, {"B": A}, delay=sympy.Integer(2)))
    assert [f.construct for f in constructs(model)] == [Construct.DELAYED_EVENTS]
    for solver in ("fsp", "ssa"):
        with pytest.raises(kx.UnsupportedFeature, match=f"{solver} cannot run this model: E: .* with the delay 2"):
            kx.solve(model, [1.0], solver=solver, seed=1)


def test_events_cause_events_and_a_circle_is_named():
    first = Event("E1", A > 3, {"A": sympy.Integer(1)})
    second = Event("E2", sympy.And(A < 2, B < 1), {"B": sympy.Integer(9), "k": k * 2})
    x, p = settled(first, second, counts=[4, 0], before=[False, False])
    assert (x, p) == ([[1, 9]], [[1.0]])
    back = Event("E2", A < 3, {"A": sympy.Integer(5)})
    with pytest.raises(kx.RunError, match=r"the events E1.* trigger one another for ever"):
        settled(first, back, counts=[4, 0], before=[False, False])


@pytest.mark.parametrize("value", [sympy.Rational(1, 2), sympy.Integer(-1), A / (A - 4)])
def test_a_count_that_is_none_stops_the_run_by_name(value):
    with pytest.raises(kx.RunError, match="event 'E' sets 'B' to"):
        settled(Event("E", A > 3, {"B": value}), counts=[4, 0], before=[False])


def test_the_mean_field_takes_any_number():
    event = Event("E", A > 3, {"B": sympy.Rational(1, 2)})
    assert settled(event, counts=[4, 0], before=[False], whole=False)[0] == [[4, 0.5]]


def test_phases_cut_the_time_where_a_comparison_changes():
    """Mutants seen to fail: `>=` and `>` told apart nowhere; the roots of falling lines of the wrong side."""
    event = Event("E", sympy.And(TIME >= 2, A > 1), {"B": B + 1})
    law = sympy.Piecewise((k, 2 * k * TIME < 3), (2 * k, True)) * A
    phases = phases_of(network(event, laws=(law,)))
    theta = np.array([0.5])
    assert not any(TIME in r.propensity.free_symbols for r in phases.network.reactions)
    order = [str(c) for c in phases.conditions]
    assert [phases.next_cut(theta, t) for t in (0.0, 2.0, 3.0)] == [2.0, 3.0, np.inf]
    values = {
        "after 0": phases.after(theta, 0.0),
        "at 2": phases.at(theta, 2.0),
        "after 2": phases.after(theta, 2.0),
        "at 3": phases.at(theta, 3.0),
    }
    named = {when: dict(zip(order, v.tolist(), strict=True)) for when, v in values.items()}
    early, late = sorted(order, key=lambda text: ">" in text)
    assert {when: (v[early], v[late]) for when, v in named.items()} == {
        "after 0": (1, 0),
        "at 2": (1, 1),
        "after 2": (1, 1),
        "at 3": (0, 1),
    }


def test_a_strict_comparison_holds_only_after_its_time():
    phases = phases_of(network(Event("E", TIME > 2, {"B": B + 1})))
    theta = np.array([0.5])
    assert (phases.at(theta, 2.0).tolist(), phases.after(theta, 2.0).tolist()) == ([0], [1])


def test_what_is_not_linear_in_the_time_is_refused_by_name():
    with pytest.raises(kx.UnsupportedFeature, match=r"event 'E'.*not linear in the time"):
        phases_of(network(Event("E", sympy.sin(TIME) > 0, {"B": B + 1})))
    with pytest.raises(kx.UnsupportedFeature, match=r"event 'E'.*not linear in the time alone"):
        phases_of(network(Event("E", A > TIME, {"B": B + 1})))


def test_amounts_on_both_sides_of_a_reaction_are_judged():
    """Found wrong: a species on both sides showed that of the products alone."""
    odd = kx.Reaction("r", {"A": symbol("q") + 1}, {"A": k + 1}, k * A)
    with pytest.raises(kx.ModelError, match=r"reaction 'r' uses \['q'\]"):
        network().with_parts(reactions=[odd])


def test_constructs_are_named():
    model = network(
        Event("E1", TIME >= 2, {"B": B + 1}),
        Event("E2", A > 2, {"B": B + 1}),
        Event("E3", A > 2, {"k": k + 1}),
        Event("E4", TIME**2 > A, {"k": k + 1}),
        laws=(k * A, k * A * TIME, sympy.Piecewise((k, TIME < 1), (0, True)) * A),
    )
    assert [(f.construct, f.element) for f in constructs(model)] == [
        (Construct.TIME, "r1"),
        (Construct.TIME_STEPS, "r2"),
        (Construct.TIME_EVENTS, "E1"),
        (Construct.STATE_EVENTS, "E2"),
        (Construct.STATE_EVENTS_ON_PARAMETERS, "E3"),
        (Construct.CURVED_TIME_EVENTS, "E4"),
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Event("E", A > 3, {"C": A}), "event 'E' sets"),
        (Event("E", symbol("C") > 3, {"A": A}), "event 'E' uses"),
        (Event("E", A > 3, {"A": sympy.zoo}), "not a real number"),
    ],
)
def test_events_about_nothing_are_refused(wrong, message):
    with pytest.raises(kx.ModelError, match=message):
        network(wrong)


def test_rate_rules_and_fractions_come_back_from_json_with_the_same_fingerprint():
    model = network(
        Event("E", TIME >= 2, {"B": B + 1}, at_start=True, delay=k, priority=A), rate_rules={"k": -k * TIME}
    )
    odd = kx.Reaction("odd", {"A": 1.5}, {"B": k + 1}, k * A)
    model = model.with_parts(reactions=[*model.reactions, odd])
    back = network_from_json(network_to_json(model))
    assert back.fingerprint == model.fingerprint
    assert back == model
    plain = model.with_parts(events=())
    assert plain.fingerprint != model.fingerprint
