"""What an SBML file means in molecule counts: laws, volumes, rules, values at time zero, units."""

import numpy as np
import pytest
import sympy

import kinetix as kx
from kinetix.expressions import TIME, symbol
from kinetix.network import ReactionNetwork
from tests.exact import ROOT
from tests.importers.small_sbml import (
    function,
    load,
    model,
    parameter,
    reaction,
    rule,
    species,
)

X, Y, K, C = symbol("X"), symbol("Y"), symbol("k"), symbol("c")
HOSTILE = ROOT / "tests" / "data" / "hostile"
BIOMODELS = ROOT / "tests" / "data" / "biomodels"


def small(formula: str, equation: str = "X ->", *, reversible: bool = False, **options: object) -> ReactionNetwork:
    """One reaction of X, Y and Z with constants k = 2 and q = 3; `law` and `scale` are options of the reader."""
    reading = {key: options.pop(key) for key in ("law", "scale") if key in options}
    body = {
        "species_": (species("X"), species("Y"), species("Z")),
        "parameters": (parameter("k", 2), parameter("q", 3)),
    }
    return load(model(reaction(equation, formula, reversible=reversible), **{**body, **options}), **reading)


def laws(network: ReactionNetwork) -> dict[str, sympy.Expr]:
    return {r.name: r.propensity for r in network.reactions}


def told(network: ReactionNetwork) -> list[tuple[str, str, str]]:
    return [(f.code, f.severity, f.element) for f in network.report]


# powers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "law", "wanted"),
    [
        ("2 X ->", "k*X^2", K * X * (X - 1)),
        ("2 X ->", "k*X*X/2", K * X * (X - 1) / 2),
        ("X + X ->", "k*X^2", K * X * (X - 1)),
        ("3 X -> X", "k*X^3", K * X * (X - 1) * (X - 2)),
        ("2 X + Y ->", "k*X^2*Y", K * X * (X - 1) * Y),
        ("2 X + 2 Y ->", "k*X^2*Y^2", K * X * (X - 1) * Y * (Y - 1)),
    ],
)
def test_a_power_of_what_is_consumed_twice_is_read_as_pairs(equation: str, law: str, wanted: sympy.Expr) -> None:
    """Mutants seen to fail: X*(X - 1)/2 for X^2; products taken for reactants; the finding dropped."""
    network = small(law, equation)
    assert sympy.expand(network.reactions[0].propensity - wanted) == 0
    assert told(network) == [("KX102", "note", "r")]
    assert str(network.reactions[0].propensity) in network.report[0].reason
    verbatim = small(law, equation, law="verbatim")
    assert verbatim.reactions[0].propensity == network.reactions[0].law
    assert not verbatim.report


@pytest.mark.parametrize(
    ("equation", "law"),
    [
        ("2 X ->", "k*X*(X-1)"),
        ("X -> 2 X", "k*X^2"),
        ("2 X ->", "k*X"),
        ("2 X ->", "k*X^2/(q+X)"),
        ("2 Y -> X", "k*X^2"),
    ],
    ids=["guarded", "one consumed", "first order", "saturating", "another's"],
)
def test_other_laws_stay_as_they_are(equation: str, law: str) -> None:
    network = small(law, equation)
    assert network.reactions[0].propensity == network.reactions[0].law
    assert not network.report


# net laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "law", "ahead", "back"),
    [
        ("X -> Y", "k*X - q*Y", "k*X", "q*Y"),
        ("X -> Y", "k*(X - Y/q)", "k*X", "k*Y/q"),
        ("X -> Y", "(k*X - q*Y)/(1 + X + Y)", "k*X/(1 + X + Y)", "q*Y/(1 + X + Y)"),
        ("X + Y -> Z", "k*X*Y - q*Z", "k*X*Y", "q*Z"),
        ("X -> Y", "-q*Y + k*X", "k*X", "q*Y"),
        ("X -> Y", "piecewise(k*X, X > 5, k*X - q*Y)", "k*X", "piecewise(0, X > 5, q*Y)"),
    ],
)
def test_a_reversible_net_law_becomes_two_channels(equation: str, law: str, ahead: str, back: str) -> None:
    """Mutants seen to fail: backward = law - forward without the sign; the sides not exchanged; the note dropped."""
    network = small(law, equation, reversible=True)
    forward, backward = network.reactions
    assert (forward.name, backward.name) == ("r", "r_reverse")
    assert (dict(forward.reactants), dict(forward.products)) == (dict(backward.products), dict(backward.reactants))
    assert sympy.simplify(forward.propensity - small(ahead, "X + Y + Z ->").propensities[0]) == 0
    assert sympy.simplify(backward.propensity - small(back, "X + Y + Z ->").propensities[0]) == 0
    assert told(network) == [("KX103", "note", "r")]
    assert str(forward.propensity) in network.report[0].reason
    assert str(backward.propensity) in network.report[0].reason


def test_the_two_channels_of_a_dimer_meet_as_pairs() -> None:
    network = small("k*X^2 - q*Y", "2 X -> Y", reversible=True)
    assert laws(network) == {"r": K * X * (X - 1), "r_reverse": symbol("q") * Y}
    assert told(network) == [("KX103", "note", "r"), ("KX102", "note", "r")]


def test_reversible_without_a_negative_part_is_one_channel() -> None:
    network = small("k*X/(q + X)", reversible=True)
    assert len(network.reactions) == 1
    assert "has no negative part: one channel" in network.report[0].reason


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        ("sin(X - Y)", "the net law sin(X - Y) of a reversible reaction cannot be split: the sign of"),
        ("X - 3", "the backward part 3 of the net law X - 3 is not zero without 'Y'"),
    ],
)
def test_a_net_law_that_cannot_be_taken_apart_is_for_the_mean_field(law: str, reason: str) -> None:
    text = model(reaction("X -> Y", law, "flip", reversible=True), species_=(species("X"), species("Y")))
    network = load(text)
    assert [r.name for r in network.reactions] == ["flip"]
    assert network.reactions[0].propensity == network.reactions[0].law
    assert told(network) == [("KX104", "error", "flip")]
    assert network.report[0].reason.startswith(reason)
    assert "KX104" in {f.code for f in network.check().errors}
    assert not network.check(solver="mean-field").errors
    with pytest.raises(kx.UnsupportedFeature, match=r"flip: .* \(KX104\); write it as two reactions"):
        kx.solve(network, [1.0], solver="ssa", paths=2, seed=1)


def test_level_2_says_reversible_where_the_file_is_silent() -> None:
    """A switch, k*(1 - X), would become another model: a warning, not a note."""
    law = reaction("-> X", "k*(1 - X)", level=2, reversible=None)
    network = load(model(law, species_=species("X", 0), parameters=parameter("k"), level=(2, 4)))
    assert ("KX103", "warning", "r") in told(network)
    marked = model(
        law.replace('id="r"', 'id="r" reversible="false"'),
        species_=species("X", 0),
        parameters=parameter("k"),
        level=(2, 4),
    )
    assert len(load(marked).reactions) == 1


def test_a_net_law_marked_irreversible_is_two_channels_with_a_warning() -> None:
    """One channel has a sd less than half of the two: wrong in silence where it never turns negative."""
    network = small("k*X - q*Y", "X -> Y")
    assert [str(r) for r in network.reactions] == ["r: X -> Y; X*k", "r_reverse: Y -> X; Y*q"]
    assert told(network) == [("KX103", "warning", "r")]
    kept = small("k*X - q*Y", "X -> Y", law="verbatim")
    assert len(kept.reactions) == 1
    assert told(kept) == [("KX103", "warning", "r")]
    with pytest.raises(kx.KinetixError, match="reaction 'r'"):
        kx.solve(kept, [5.0], solver="ssa", paths=50, seed=1)
    assert not small("k*(1 - X)", "-> X", species_=species("X", 0)).report


def test_a_division_by_zero_among_constants_is_no_crash() -> None:
    """Found wrong: Python's own division and power, in the test of a law's sign, raised past every refusal."""
    equal = (parameter("k", 3), parameter("q", 3))
    assert len(small("X/(k - q) - Y/(k - q)", "X -> Y", parameters=equal).reactions) == 1
    assert told(small("sin(X)/(k - q) - Y", "X -> Y", reversible=True, parameters=equal)) == [("KX104", "error", "r")]
    large = (parameter("k", 1e200), parameter("q", 3))
    assert len(small("k^q*X - Y", "X -> Y", parameters=large).reactions) == 1


# names, functions, rules ---------------------------------------------------------------------------


def test_local_parameters_are_their_reactions_own() -> None:
    text = model(
        reaction("X ->", "k*X", "a", local={"k": 5}),
        reaction("X ->", "k*X", "b"),
        reaction("X ->", "k*X", "d", local={"k": 7}),
        species_=species("X"),
        parameters=(parameter("k", 2), parameter("a_k", 1)),
    )
    network = load(text)
    values = {p.name: p.value for p in network.parameters}
    assert laws(network) == {"a": symbol("a_k_") * X, "b": K * X, "d": symbol("d_k") * X}
    assert (values["k"], values["a_k"], values["a_k_"], values["d_k"]) == (2, 1, 5, 7)


def test_functions_are_written_out_with_their_own_arguments() -> None:
    """Mutant seen to fail: an argument called as a parameter takes that parameter's value."""
    functions = (function("hill", "lambda(k, n, k^n/(1 + k^n))"), function("twice", "lambda(x, 2*hill(x, 3))"))
    network = small("k*twice(X)", functions=functions)
    assert network.reactions[0].propensity == 2 * K * X**3 / (1 + X**3)


def test_rules_are_followed_and_kept() -> None:
    parameters = (parameter("k", 2), parameter("total", None, constant=False), parameter("ratio", None, constant=False))
    rules = (rule("ratio", "total/k"), rule("total", "X + Y + time"))
    network = small("ratio*X", rules=rules, parameters=parameters)
    assert network.reactions[0].propensity == (X + Y + TIME) / K * X
    assert dict(network.variables) == {"total": X + Y + TIME, "ratio": symbol("total") / K}
    assert [p.name for p in network.parameters] == ["k"]


def test_a_boundary_species_may_follow_a_rule_and_take_part() -> None:
    """Found wrong: such a rule was refused as a varying stoichiometry."""
    body = (species("X"), species("B", boundaryCondition=True))
    network = small("k*B", "B -> X", rules=rule("B", "3 + time"), species_=body)
    assert network.species_names == ("X",)
    assert network.reactions[0].propensity == K * (3 + TIME)
    assert dict(network.reactions[0].reactants) == {}


def test_boundary_species_are_constants_in_the_law_only() -> None:
    body = (
        species("X"),
        species("B", 7, boundaryCondition=True),
        species("F", 4, boundaryCondition=True, constant=True),
    )
    network = small("k*B*F*X", "B + X -> 2 X + F", species_=body)
    assert network.species_names == ("X",)
    assert network.stoichiometry.tolist() == [[1]]
    assert {c.name: c.value for c in network.constants if c.kind == "boundary"} == {"B": 7, "F": 4}
    assert network.reactions[0].propensity == K * symbol("B") * symbol("F") * X


def test_a_reaction_as_a_rate_in_another_law() -> None:
    text = model(
        reaction("X ->", "k*X", "a"),
        reaction("Y ->", "2*a", "b"),
        species_=(species("X"), species("Y")),
        parameters=parameter("k", 2),
    )
    assert laws(load(text))["b"] == 2 * K * X


# files of others ---------------------------------------------------------------------------------------


def test_a_net_law_of_the_hostile_files_has_its_exact_moments() -> None:
    """A <-> B with 100 molecules is binomial; a single net channel would keep B from flowing back."""
    solution = kx.solve(kx.load(HOSTILE / "h38_reversible_net_law_massaction.xml"), [10.0, 20.0], solver="fsp")
    assert np.allclose(solution.mean("X"), [68.326, 66.749], atol=6e-4)
    assert np.allclose(solution.std("X"), [4.652, 4.711], atol=6e-4)


def test_nine_molecules_in_pairs_leave_one() -> None:
    """Mutant seen to fail: the law left verbatim, which takes X from 1 to -1."""
    path = HOSTILE / "h42_deterministic_square_law.xml"
    run = kx.solve(kx.load(path), [1e4], solver="ssa", paths=500, seed=3)
    assert set(run.trajectories[:, 0, 0].tolist()) == {1}
    with pytest.raises(kx.RunError, match=r"reaction 'r'.*X"):
        kx.solve(kx.load(path, law="verbatim"), [1e4], solver="ssa", paths=500, seed=3)


def test_a_law_without_its_reactant_stops_before_a_negative_count() -> None:
    network = kx.load(HOSTILE / "h41_law_allows_negative_population.xml")
    assert {"KX101", "KX108"} & {f.code for f in network.check()}
    with pytest.raises(kx.RunError, match="reaction 'r'"):
        kx.solve(network, [100.0], solver="ssa", paths=10, seed=1)
