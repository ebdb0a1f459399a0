"""How many molecules a firing takes and makes: fractions, formulas, conversion factors, sides exchanged."""

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
    load,
    math,
    model,
    parameter,
    reaction,
    rule,
    species,
)

X, Y, K = symbol("X"), symbol("Y"), symbol("k")
TIMES = np.array([0.0, 1.0, 2.0, 5.0])


def named(equation: str, law: str = "k", *, constant: bool = False, **more: object) -> str:
    """A reaction whose first species reference has the id `s`."""
    text = reaction(equation, law, **more)
    text = text.replace("<speciesReference ", '<speciesReference id="s" ', 1)
    return text if constant else text.replace('constant="true"', 'constant="false"', 1)


def small(*reactions: str, **parts: object) -> ReactionNetwork:
    body = {"species_": (species("X"), species("Y")), "parameters": (parameter("k", 2), parameter("q", 3))}
    options = {key: parts.pop(key) for key in ("law", "scale") if key in parts}
    return load(model(*reactions, **{**body, **parts}), **options)


def sides(network: ReactionNetwork) -> tuple[dict, dict]:
    return dict(network.reactions[0].reactants), dict(network.reactions[0].products)


def told(network: ReactionNetwork) -> list[tuple[str, str, str]]:
    return [(f.code, f.severity, f.element) for f in network.report]


@pytest.mark.parametrize(
    ("equation", "taken", "made"),
    [
        ("1.5 X -> Y", {"X": 1.5}, {"Y": 1}),
        ("-1 X -> Y", {}, {"X": 1, "Y": 1}),
        ("2 X -> -3 Y", {"X": 2, "Y": 3}, {}),
        ("0 X -> Y", {}, {"Y": 1}),
        ("X + X -> Y", {"X": 2}, {"Y": 1}),
        ("X + -1 X -> Y", {"X": 1}, {"X": 1, "Y": 1}),
        ("0.5 X + 1.5 X -> Y", {"X": 2}, {"Y": 1}),
    ],
)
def test_numbers(equation: str, taken: dict[str, float], made: dict[str, float]) -> None:
    """Mutants seen to fail: the sign dropped; a negative reactant left on its side."""
    network = small(reaction(equation, "k"))
    assert sides(network) == (taken, made)
    broken = any(isinstance(amount, float) for amount in (*taken.values(), *made.values()))
    assert ("KX105" in {f.code for f in network.check().errors}) == broken


def test_a_fraction_by_the_mean_field() -> None:
    x = kx.solve(small(reaction("1.5 X -> 0.25 Y", "X")), TIMES, solver="mean-field").mean()
    assert np.allclose(x[:, 0], 10 * np.exp(-1.5 * TIMES), rtol=1e-6)
    assert np.allclose(x[:, 1], 10 + (10 - x[:, 0]) / 6, rtol=1e-6)


# formulas ----------------------------------------------------------------------------------------


def level_2(formula: str, **parts: object) -> ReactionNetwork:
    inside = element("stoichiometryMath", math(formula))
    text = reaction("X ->", "k*X", level=2).replace(
        '<speciesReference species="X" stoichiometry="1"></speciesReference>',
        element("speciesReference", inside, species="X"),
    )
    return small(text, level=(2, 4), **parts)


def test_level_2_formulas_that_are_worth_a_number() -> None:
    network = level_2("k*1.5")
    assert sides(network) == ({"X": 3}, {})
    assert ("KX105", "note", "r") in told(network)
    assert "the stoichiometry of 'X' is 1.5*k, and taken to be 3, its value in the file" in str(network.report)
    assert sides(level_2("6/2")) == ({"X": 3}, {})
    assert "KX105" not in {f.code for f in level_2("6/2").report}


def test_level_2_formulas_that_vary() -> None:
    network = level_2("1 + time")
    assert sides(network) == ({"X": 1 + TIME}, {})
    assert "KX105" in {f.code for f in network.check(solver="ssa").errors}
    moving = (parameter("k", 2), parameter("q", 3, constant=False))
    assert sides(level_2("q", parameters=moving, rules=rule("q", "X + 1"))) == ({"X": X + 1}, {})
    assert sides(level_2("q", parameters=moving, rules=rule("q", "1", "rate"))) == ({"X": symbol("q")}, {})
    assert sides(level_2("q", parameters=moving, rules=rule("q", "2*k"))) == ({"X": 4}, {})


def test_computed_stoichiometries_of_level_3() -> None:
    network = small(named("5 X -> Y", constant=True), assignments=assignment("s", "q - 1"))
    assert sides(network) == ({"X": 2}, {"Y": 1})
    assert dict(network.variables) == {"s": sympy.Integer(2)}
    assert sides(small(named("5 X -> Y"), rules=rule("s", "2*q"))) == ({"X": 6}, {"Y": 1})
    varying = small(named("X -> Y"), rules=rule("s", "1 + Y/5"))
    assert sides(varying) == ({"X": 1 + Y / 5}, {"Y": 1})
    assert dict(varying.variables) == {"s": 1 + Y / 5}
    with pytest.raises(kx.UnsupportedFeature, match=r"r: takes or makes .* of 'X'.*KX105"):
        kx.solve(varying, [1.0], solver="fsp")


def test_an_unset_stoichiometry_may_be_ruled() -> None:
    text = named("X -> Y").replace(' stoichiometry="1"', "", 1)
    assert sides(small(text, rules=rule("s", "3"))) == ({"X": 3}, {"Y": 1})
    assert sides(small(text, assignments=assignment("s", "2"))) == ({"X": 2}, {"Y": 1})


def test_a_varying_stoichiometry_reads_concentrations_in_the_units_of_the_file() -> None:
    text = named("-> X", "1")
    parts = {
        "species_": (species("X", 4, hasOnlySubstanceUnits=False), species("Y")),
        "compartments": compartment(size=2),
        "rules": rule("s", "X"),
    }
    plain, scaled = small(text, **parts), small(text, scale=1000, **parts)
    assert plain.reactions[0].products["X"] == X / symbol("c")
    here, there = (kx.solve(n, TIMES, solver="mean-field").mean("X") for n in (plain, scaled))
    assert np.allclose(here, 4 * np.exp(TIMES / 2), rtol=1e-6)
    assert np.allclose(there, 1000 * here, rtol=1e-6)


def test_species_references_in_laws() -> None:
    """A local parameter hides one; a rule that reads one sees its number."""
    moving = (parameter("k", 2), parameter("q", 3, constant=False))
    network = small(
        named("2 X -> Y", "s*X", constant=True),
        reaction("Y ->", "s*Y", "t", local={"s": 0.25}),
        parameters=moving,
        rules=rule("q", "s + 1"),
    )
    assert network.reactions[0].law == 2 * X
    assert network.reactions[1].law == symbol("t_s") * Y
    assert dict(network.variables) == {"s": sympy.Integer(2), "q": sympy.Integer(3)}
    assert kx.solve(network, [1.0], solver="mean-field").mean("q")[0] == 3


def test_a_local_parameter_of_the_name_of_a_reference_elsewhere_gets_its_own() -> None:
    text = named("X -> Y", "k*X", local={"k": 5}).replace('id="s"', 'id="r_k"')
    network = small(text.replace('constant="false"', 'constant="true"'))
    assert {p.name for p in network.parameters} == {"k", "q", "r_k_"}


# conversion factors ------------------------------------------------------------------------------


def test_a_factor_that_all_species_share_multiplies_the_law() -> None:
    """Mutants seen to fail: the factor dropped; the amounts multiplied, so that counts break."""
    network = small(reaction("2 X -> Y", "k*X"), conversionFactor="q")
    assert sides(network) == ({"X": 2}, {"Y": 1})
    assert network.reactions[0].propensity == symbol("q") * K * X
    assert told(network) == [("KX107", "note", "r")]
    assert not network.check().errors


def test_factors_that_differ_multiply_amounts() -> None:
    members = (species("X"), species("Y", conversionFactor="k"))
    network = small(reaction("X -> Y", "X"), species_=members, conversionFactor="q")
    assert sides(network) == ({"X": 3}, {"Y": 2})
    assert network.reactions[0].propensity == X
    assert told(network) == [("KX107", "note", "r")]
    alone = small(reaction("X -> Y", "X"), species_=members, parameters=(parameter("k", 0.5), parameter("q", 3)))
    assert sides(alone) == ({"X": 1}, {"Y": 0.5})
    assert sides(small(named("X -> Y", "X"), rules=rule("s", "time"), species_=members, conversionFactor="q"))[0] == {
        "X": 3 * TIME
    }


def test_boundary_species_have_no_say_in_conversion() -> None:
    members = (species("X", conversionFactor="q"), species("Y", boundaryCondition=True, conversionFactor="k"))
    network = small(reaction("X -> Y", "X"), species_=members)
    assert network.reactions[0].propensity == symbol("q") * X


def test_a_reaction_read_as_a_rate_is_not_converted() -> None:
    moving = (parameter("k", 2), parameter("q", 3), parameter("p", 0, constant=False))
    network = small(reaction("X ->", "k*X"), parameters=moving, rules=rule("p", "r"), conversionFactor="q")
    assert network.variables["p"] == K * X


def test_net_laws_with_factors_are_split() -> None:
    network = small(reaction("X -> Y", "k*X - Y", reversible=True), conversionFactor="q")
    assert [r.propensity for r in network.reactions] == [symbol("q") * K * X, symbol("q") * Y]
