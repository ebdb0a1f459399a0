"""Values at time zero, volumes and units: how an SBML file's amounts become molecule counts."""

import pytest

import kinetix as kx
from kinetix.expressions import symbol
from kinetix.network import ReactionNetwork
from tests.importers.small_sbml import (
    assignment,
    compartment,
    load,
    model,
    parameter,
    reaction,
    refusal,
    rule,
    species,
)

X, K, C = symbol("X"), symbol("k"), symbol("c")


def small(formula: str, equation: str = "X ->", **options: object) -> ReactionNetwork:
    body = {"species_": species("X"), "parameters": (parameter("k", 2), parameter("q", 3))}
    return load(model(reaction(equation, formula), **{**body, **options}))


def told(network: ReactionNetwork) -> list[tuple[str, str, str]]:
    return [(f.code, f.severity, f.element) for f in network.report]


# time zero -----------------------------------------------------------------------------------------


def test_values_at_time_zero_come_in_the_order_of_their_needs() -> None:
    """Mutants seen to fail: attributes preferred to assignments; an amount for a concentration, and the reverse."""
    text = model(
        reaction("X ->", "k*X"),
        species_=(species("X", 3, hasOnlySubstanceUnits=False), species("Y", 1)),
        parameters=(parameter("k", 9), parameter("seen", 1), parameter("q", None, constant=False)),
        compartments=compartment(size=5),
        assignments=tuple(assignment(*pair) for pair in (("X", "2*k"), ("k", "q + 1"), ("c", "4"), ("seen", "X"))),
        rules=rule("q", "Y + 1"),
    )
    network = load(text)
    assert {p.name: p.value for p in (*network.parameters, *network.constants)} == {"k": 3, "seen": 6, "c": 4}
    assert [s.initial for s in network.species] == [24, 1]
    assert network.reactions[0].propensity == K * X / C
    chain = {"k": {"q", "Y"}, "X": {"k", "q", "Y"}, "seen": {"X", "k", "q", "Y"}}
    assert network.worked_out == {name: frozenset(sources) for name, sources in chain.items()}


def test_a_circle_of_values_is_named() -> None:
    text = model(
        reaction("X ->", "k*X"),
        species_=species("X"),
        parameters=(parameter("k"), parameter("q")),
        assignments=(assignment("k", "q"), assignment("q", "k")),
    )
    assert any(part in refusal(text) for part in ("q -> k -> q", "k -> q -> k", "cycle"))


def test_a_rule_without_a_value_at_time_zero_matters_to_those_who_need_it() -> None:
    """Found wrong: a share of nothing, 0/0 at the start, was refused though no law uses it."""
    names = (parameter("k", 2), parameter("share", None, constant=False), parameter("q", 3))
    ratio = {"species_": species("X", 0), "rules": rule("share", "k/X"), "parameters": names}
    assert list(small("k*X", **ratio).variables) == ["share"]
    needed = model(reaction("X ->", "k*X"), assignments=assignment("q", "share"), **ratio)
    assert "'share' is not declared or has no value" in refusal(needed)


# volumes and units -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2.5])
def test_a_concentration_is_a_count_over_its_volume(size: float) -> None:
    """Mutants seen to fail: volumes of 1 left out (then nobody could vary them); X itself for [X]."""
    concentration = species("X", None, initialConcentration=20, hasOnlySubstanceUnits=False)
    network = small("c*k*X^2", "2 X ->", species_=concentration, compartments=compartment(size=size))
    assert network.reactions[0].propensity == K * X * (X - 1) / C
    assert network.species[0].initial == 20 * size
    assert network.species[0].compartment == "c"
    first_order = small("c*k*X", species_=concentration, compartments=compartment(size=size))
    assert first_order.reactions[0].propensity == K * X


def test_amounts_do_not_see_the_volume() -> None:
    for options in ({"hasOnlySubstanceUnits": True}, {"hasOnlySubstanceUnits": False, "compartment": "point"}):
        places = (compartment(size=2), compartment("point", None, spatialDimensions=0))
        network = small("k*X", species_=species("X", **options), compartments=places)
        assert network.reactions[0].propensity == K * X


def test_an_unset_volume_is_refused_where_it_is_needed() -> None:
    concentration = species("X", hasOnlySubstanceUnits=False)
    text = model(
        reaction("X ->", "k*X"), species_=concentration, parameters=parameter("k"), compartments=compartment(size=None)
    )
    assert refusal(text) == (
        "compartment 'c': has no size, but formulas contain the concentration of 'X' in it; set it in the file"
    )
    assert small("k", species_=concentration, compartments=compartment(size=None)).reactions[0].propensity == K


MOLE = '<unitDefinition id="substance"><listOfUnits><unit kind="mole" scale="-9"/></listOfUnits></unitDefinition>'


def level_2(units: str = "", amount: float = 10) -> str:
    return model(
        reaction("X ->", "k*X", level=2),
        species_=species("X", amount),
        parameters=parameter("k"),
        units=units or (),
        level=(2, 4),
    )


def test_level_2_that_is_silent_about_its_unit() -> None:
    network = load(level_2())
    assert told(network) == [("KX107", "warning", "m")]
    assert not load(level_2(MOLE.replace('kind="mole" scale="-9"', 'kind="item"'))).report
    assert not load(level_2(), scale=2.0).report


def test_declared_moles_are_an_error_with_the_factor() -> None:
    network = load(level_2(MOLE))
    assert told(network) == [("KX107", "error", "X")]
    assert network.report[0].reason == "amounts are declared in units of 1e-09 mole, not in molecules"
    assert network.report[0].mend == "load with scale=6.02214076e+14, the molecules in one unit"
    with pytest.raises(kx.UnsupportedFeature, match=r"\(KX107\); load with scale=6.02214076e\+14, the molecules"):
        kx.solve(network, [1.0], solver="ssa", paths=2, seed=1)
    grams = load(level_2(MOLE.replace("mole", "gram").replace(' scale="-9"', "")))
    assert "declared in units of gram" in grams.report[0].reason
    assert grams.report[0].mend.startswith("load with scale=...")
    assert not network.check(solver="mean-field").errors


def test_fractional_starts_are_kept_and_refused_with_the_factor_by_what_needs_counts() -> None:
    network = load(level_2(amount=1.5))
    assert network.species[0].initial == 1.5
    (error,) = network.check().errors
    assert (error.code, error.element) == ("KX106", "X")
    assert error.mend.endswith("load with scale=6.02214076e+23, the molecules in one unit")
    assert load(level_2(amount=1.5), scale=2).species[0].initial == 3
    declared = load(level_2(MOLE, amount=1.5))
    assert {e.code: e.mend for e in declared.check().errors} == dict.fromkeys(
        ("KX106", "KX107"), "load with scale=6.02214076e+14, the molecules in one unit"
    )


@pytest.mark.parametrize("amount", [1e-30, 1e-300, 0.3])
def test_a_trace_is_not_rounded_away(amount: float) -> None:
    """Mutant seen to fail: 1e-12 moles taken for no molecules, because it is near a whole number."""
    assert load(level_2(amount=amount)).species[0].initial == amount


def test_counts_beyond_whole_numbers_are_for_the_mean_field() -> None:
    network = load(level_2(amount=1e20))
    assert "KX106" in {e.code for e in network.check().errors}
    with pytest.raises(kx.KinetixError, match=r"100000000000000000000.*KX106"):
        kx.solve(network, [1.0], solver="ssa", paths=2, seed=1)


def test_a_scale_counts_molecules_in_laws_too() -> None:
    """Mutant seen to fail: the law not multiplied by the scale."""
    dimer = model(
        reaction("2 X -> Y", "c*k*X^2"),
        species_=(species("X", 1.5, hasOnlySubstanceUnits=False), species("Y", 0)),
        parameters=parameter("k"),
        compartments=compartment(size=2),
    )
    network = load(dimer, scale=100)
    assert network.species[0].initial == 150
    assert network.reactions[0].propensity == K * X * (X - 1) / (100 * C)
    first = load(level_2(amount=1e-22), scale=6.02214076e23)
    assert first.reactions[0].propensity == K * X


def test_a_start_that_a_scale_leaves_broken_goes_to_the_nearest_count_or_stays_broken() -> None:
    network = load(level_2(amount=72.3), scale=10.01)
    assert network.species[0].initial == 724
    assert told(network) == [("KX106", "warning", "X")]
    assert "starts at 723.723 molecules; the nearest whole count, 724, is taken" in network.report[0].reason
    few = load(level_2(amount=0.53), scale=10)
    assert few.species[0].initial == pytest.approx(5.3)
    assert [(e.code, e.element) for e in few.check().errors] == [("KX106", "X")]
    assert load(level_2(amount=0.1), scale=30).species[0].initial == 3  # 0.1*30 is 3.0000000000000004
