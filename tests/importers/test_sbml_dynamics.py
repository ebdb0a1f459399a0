"""Events, rate rules and volumes that vary: what the reader makes of them, against closed forms by the mean field."""

import numpy as np
import pytest
import sympy

import kinetix as kx
from kinetix.expressions import TIME, symbol
from kinetix.network import ReactionNetwork
from tests.importers.small_sbml import (
    assignment,
    compartment,
    element,
    event,
    function,
    listed,
    load,
    math,
    model,
    parameter,
    reaction,
    rule,
    species,
)

X, Y, K, C = symbol("X"), symbol("Y"), symbol("k"), symbol("c")
TIMES = np.array([0.0, 1.0, 2.0, 5.0])
MOVING = compartment(constant=False)


def concentration(name: str, amount: float | None = 10, **more: object) -> str:
    return species(name, amount, hasOnlySubstanceUnits=False, **more)


def ruled(name: str, amount: float | None = 10, **more: object) -> str:
    return concentration(name, amount, boundaryCondition=True, **more)


def means(network: ReactionNetwork, *names: str, times: np.ndarray = TIMES) -> list[np.ndarray]:
    solution = kx.solve(network, times, solver="mean-field")
    return [solution.mean(name) for name in names]


def close(here: np.ndarray, wanted: object) -> bool:
    return bool(np.allclose(here, np.broadcast_to(np.asarray(wanted, float), here.shape), rtol=1e-6, atol=1e-8))


# events ------------------------------------------------------------------------------------------


def with_events(*events: str, level: tuple[int, int] = (3, 2), **parts: object) -> ReactionNetwork:
    """X, an amount of 10 that nothing changes but events, with parameters k = 2 and q = 3 that may move."""
    body = {
        "species_": species("X"),
        "parameters": (parameter("k", 2, constant=False), parameter("q", 3, constant=False)),
    }
    return load(model(after=listed("Events", *events), level=level, **{**body, **parts}))


def test_an_event_as_it_is_written() -> None:
    network = with_events(
        event("X > 3 && time >= 2", "boom", X="X + k", k="f(q)"),
        event("k", initial="false", persistent="false", late="", q="7"),
        functions=function("f", "lambda(a, a + 1)"),
    )
    boom, other = network.events
    assert (boom.name, boom.trigger) == ("boom", sympy.And(X > 3, TIME >= 2))
    assert dict(boom.assignments) == {"X": X + K, "k": symbol("q") + 1}
    assert (boom.at_start, boom.from_trigger, boom.persistent) == (False, True, True)
    assert (other.trigger, other.at_start, other.from_trigger, other.persistent) == (sympy.Ne(K, 0), True, False, False)
    assert network.changing == {"k", "q"}


def test_level_2_events_never_fire_at_the_start() -> None:
    network = with_events(event("X > 3", "boom", level=2, X="1"), level=(2, 4))
    assert (network.events[0].at_start, network.events[0].persistent, network.events[0].from_trigger) == (
        False,
        True,
        True,
    )
    assert close(means(network, "X")[0], 10)


def test_an_event_without_an_id_has_a_name() -> None:
    assert [e.name for e in with_events(event("X > 3", None, X="1"), event("X > 4", None, X="1")).events] == [
        "event1",
        "event2",
    ]


def test_events_of_level_3_version_2_that_do_nothing_are_none() -> None:
    silent = element("event", element("trigger", initialValue=True, persistent=True), useValuesFromTriggerTime=True)
    empty = event("time > 1", "e1")
    half = event("time > 1", "e2", X="1").replace(
        "</listOfEventAssignments>", '<eventAssignment variable="k"/></listOfEventAssignments>'
    )
    network = with_events(silent, empty, half)
    assert [(e.name, list(e.assignments)) for e in network.events] == [("e2", ["X"])]


def test_rules_and_concentrations_are_written_out_in_events() -> None:
    network = with_events(
        event("twice > 12", X="twice + 1"),
        species_=concentration("X"),
        compartments=compartment(size=4),
        parameters=parameter("twice", None, constant=False),
        rules=rule("twice", "2*X"),
    )
    (only,) = network.events
    assert only.trigger == (2 * X / C > 12)
    assert sympy.expand(only.assignments["X"] - (2 * X + C)) == 0


def test_a_volume_set_by_an_event_keeps_amounts() -> None:
    network = with_events(
        event("time >= 1.5", c="8"),
        species_=(concentration("X"), species("Y")),
        compartments=compartment(size=2, constant=False),
    )
    x, seen, y, c = means(network, "X", "[X]", "Y", "c")
    assert close(x, 10)
    assert close(y, 10)
    assert close(seen, [5, 5, 1.25, 1.25])
    assert close(c, [2, 2, 8, 8])


def test_a_concentration_set_beside_its_volume_holds_in_the_new_volume() -> None:
    """Mutant seen to fail: the amount made with the volume before the event."""
    network = with_events(
        event("time >= 1.5", X="3", c="8"),
        species_=concentration("X"),
        compartments=compartment(size=2, constant=False),
    )
    x, seen = means(network, "X", "[X]")
    assert close(x, [10, 10, 24, 24])
    assert close(seen, [5, 5, 3, 3])


@pytest.mark.parametrize(
    ("delay", "x"), [(None, [10, 10, 24, 24]), ("1", [10, 10, 10, 24])], ids=["at once", "delayed"]
)
def test_a_concentration_set_after_its_volume_holds_in_the_new_volume(delay: str | None, x: list[float]) -> None:
    """Found wrong: the amount was made at the trigger, with the volume that another event then replaced."""
    inside = element("delay", math(delay)) if delay else ""
    network = with_events(
        event("time >= 1.5", "a", c="8"),
        event("time >= 1.5", "b", inside=inside, X="3"),
        species_=concentration("X"),
        compartments=compartment(size=2, constant=False),
    )
    assert not network.events[1].from_trigger
    assert close(means(network, "X")[0], x)


def test_the_new_volume_may_come_by_a_rule() -> None:
    network = with_events(
        event("time >= 1.5", X="3", k="8"), species_=concentration("X"), compartments=MOVING, rules=rule("c", "k + 1")
    )
    assert close(means(network, "X")[0], [10, 10, 27, 27])


def test_boundary_species_and_stoichiometries_are_set_by_events() -> None:
    make = (
        reaction("-> X", "1")
        .replace("<speciesReference ", '<speciesReference id="s" ')
        .replace('stoichiometry="1" constant="true"', 'stoichiometry="1" constant="false"')
    )
    network = load(
        model(
            make,
            species_=(species("X"), ruled("B", 4)),
            compartments=compartment(size=2),
            after=listed("Events", event("time >= 2", s="B + 1", B="6")),
        )
    )
    assert network.reactions[0].products["X"] == symbol("s")
    x, b, s = means(network, "X", "B", "s")
    assert close(x, [10, 11, 12, 21])
    assert close(b, [4, 4, 12, 12])
    assert close(s, [1, 1, 3, 3])


def test_a_scale_counts_molecules_in_events_too() -> None:
    def run(scale: float | None) -> list[np.ndarray]:
        text = model(
            reaction("X ->", "k*X"),
            species_=concentration("X"),
            parameters=(parameter("k", 0.5), parameter("q", 3, constant=False)),
            compartments=compartment(size=2),
            after=listed("Events", event("X < 2", X="X + 4", q="X")),
        )
        return means(load(text, scale=scale), "X", "q")

    (plain, seen), (scaled, still) = run(None), run(1000)
    assert close(scaled / 1000, plain)
    assert close(still, seen)
    assert seen[-1] == pytest.approx(2)


# rate rules --------------------------------------------------------------------------------------


def with_rates(*rules: str, species_: object = (), reactions: tuple[str, ...] = (), **parts: object) -> ReactionNetwork:
    body = {"parameters": (parameter("k", 2, constant=False), parameter("q", 3, constant=False))}
    options = {"scale": parts.pop("scale")} if "scale" in parts else {}
    return load(model(*reactions, species_=species_, rules=rules, **{**body, **parts}), **options)


def test_a_parameter_with_a_rate_rule() -> None:
    network = with_rates(rule("k", "q - k", "rate"))
    assert dict(network.rate_rules) == {"k": symbol("q") - K}
    assert close(means(network, "k")[0], 3 - np.exp(-TIMES))
    assert "KX114" in {f.code for f in network.check(solver="ssa").errors}


@pytest.mark.parametrize("boundary", [True, False])
def test_a_species_ruled_by_its_rate_is_a_constant_that_moves(boundary: bool) -> None:
    network = with_rates(
        rule("Y", "k*Y", "rate"), species_=species("Y", 1, boundaryCondition=boundary), compartments=compartment(size=4)
    )
    assert network.species == ()
    assert [(c.name, c.kind) for c in network.constants] == [("c", "compartment"), ("Y", "boundary")]
    assert dict(network.homes) == {"Y": "c"}
    assert close(means(network, "Y")[0], np.exp(2 * TIMES))
    assert close(means(network, "[Y]")[0], np.exp(2 * TIMES) / 4)


def test_a_concentration_ruled_by_its_rate_follows_a_volume_that_grows() -> None:
    """[Y] = 5 + 3t in c = 2 + t. Mutants seen to fail: c'*V without c*V'; the rate taken for an amount's."""
    network = with_rates(
        rule("Y", "3", "rate"),
        rule("c", "1", "rate"),
        species_=ruled("Y"),
        compartments=compartment(size=2, constant=False),
    )
    y, seen = means(network, "Y", "[Y]")
    assert close(seen, 5 + 3 * TIMES)
    assert close(y, (5 + 3 * TIMES) * (2 + TIMES))


def test_an_amount_ruled_by_its_rate_does_not_see_the_volume() -> None:
    network = with_rates(
        rule("Y", "3", "rate"),
        rule("c", "1", "rate"),
        species_=species("Y", boundaryCondition=True),
        compartments=compartment(size=2, constant=False),
    )
    assert close(means(network, "Y")[0], 10 + 3 * TIMES)


@pytest.mark.parametrize("size", ["2 + time", "2 + q - 3", "2*X"])
def test_the_volume_may_move_by_a_rule(size: str) -> None:
    """A size that follows the time, a parameter with a rate rule, or the amount of a species."""
    network = with_rates(
        rule("Y", "3", "rate"),
        rule("c", size),
        rule("q", "1", "rate"),
        species_=(ruled("Y", None, initialConcentration=5), species("X", 1, compartment="d")),
        reactions=(reaction("-> X", "1"),),
        compartments=(MOVING, compartment("d")),
    )
    y, seen, c = means(network, "Y", "[Y]", "c")
    volume = 2 * (1 + TIMES) if size == "2*X" else 2 + TIMES
    assert close(c, volume)
    assert close(seen, 5 + 3 * TIMES)
    assert close(y, (5 + 3 * TIMES) * volume)


def test_a_reaction_in_a_volume_that_grows() -> None:
    """X' = -0.5*[X]*c: a law is in amounts per time, so that the volume cancels."""
    network = with_rates(
        rule("c", "1", "rate"),
        species_=concentration("X"),
        reactions=(reaction("X ->", "c*0.5*X"),),
        compartments=compartment(size=2, constant=False),
    )
    x, seen = means(network, "X", "[X]")
    assert close(x, 10 * np.exp(-0.5 * TIMES))
    assert close(seen, 10 * np.exp(-0.5 * TIMES) / (2 + TIMES))
    assert "KX114" in {f.code for f in network.check(solver="ssa").errors}


def test_a_volume_without_dimensions_divides_nothing() -> None:
    network = with_rates(
        rule("Y", "3", "rate"), species_=ruled("Y"), compartments=compartment(size=None, spatialDimensions=0)
    )
    assert close(means(network, "Y")[0], 10 + 3 * TIMES)


def test_a_scale_counts_molecules_in_rate_rules_too() -> None:
    network = with_rates(
        rule("Y", "k*Y", "rate"),
        rule("q", "Y", "rate"),
        species_=ruled("Y"),
        compartments=compartment(size=2),
        scale=1000,
    )
    y, q = means(network, "Y", "q")
    assert close(y, 10_000 * np.exp(2 * TIMES))
    assert close(q, 3 + 5 * (np.exp(2 * TIMES) - 1) / 2)


def test_a_stoichiometry_with_a_rate_rule() -> None:
    make = (
        reaction("-> 2 X", "1")
        .replace("<speciesReference ", '<speciesReference id="s" ')
        .replace('stoichiometry="2" constant="true"', 'stoichiometry="2" constant="false"')
    )
    network = with_rates(rule("s", "1", "rate"), species_=species("X", 0), reactions=(make,))
    assert [(c.name, c.value, c.kind) for c in network.constants[1:]] == [("s", 2, "parameter")]
    x, s = means(network, "X", "s")
    assert close(s, 2 + TIMES)
    assert close(x, 2 * TIMES + TIMES**2 / 2)
    assert "KX105" in {f.code for f in network.check(solver="ssa").errors}


# rules -------------------------------------------------------------------------------------------


def test_rules_without_a_formula_are_absent() -> None:
    """Level 3 Version 2: the species stays the boundary species that it is."""
    network = with_rates(
        '<assignmentRule variable="Y"/>',
        '<rateRule variable="k"/>',
        species_=ruled("Y"),
        assignments='<initialAssignment symbol="q"/>',
    )
    assert not network.variables
    assert not network.rate_rules
    assert {p.name: p.value for p in (*network.parameters, *network.constants)} == {"k": 2, "q": 3, "c": 1, "Y": 10}


def test_a_species_ruled_by_its_concentration_has_an_amount() -> None:
    network = with_rates(rule("Y", "k + time"), rule("c", "2*k"), species_=ruled("Y", None), compartments=MOVING)
    assert dict(network.variables) == {"Y": (K + TIME) * C, "c": 2 * K}
    y, seen = means(network, "Y", "[Y]")
    assert close(y, (2 + TIMES) * 4)
    assert close(seen, 2 + TIMES)
    assert dict(network.homes) == {"Y": "c"}


def test_laws_see_through_rules_of_volumes() -> None:
    network = with_rates(
        rule("c", "2 + time"), species_=concentration("X"), reactions=(reaction("X ->", "k*X"),), compartments=MOVING
    )
    assert network.reactions[0].propensity == K * X / (2 + TIME)
    assert close(means(network, "X")[0], 10 * (2 / (2 + TIMES)) ** 2)


def test_a_reaction_read_as_a_rate_is_in_the_units_of_the_file() -> None:
    network = with_rates(
        rule("q", "r", "rate"),
        species_=concentration("X"),
        reactions=(reaction("X ->", "k*X", conversionFactor=None),),
        compartments=compartment(size=2),
        scale=1000,
    )
    assert close(means(network, "q")[0], 3 + 10 * (1 - np.exp(-TIMES)))


def test_assigned_values_at_time_zero_are_reassigned_by_nobody() -> None:
    network = with_rates(
        rule("k", "1", "rate"), assignments=(assignment("k", "q*2"), assignment("q", "5")), species_=species("X")
    )
    assert {p.name: p.value for p in network.parameters} == {"k": 10, "q": 5}
