"""Each finding of `check()` on a network that has it, and none on one that has nothing wrong."""

import pytest
import sympy

import kinetix as kx
from kinetix.errors import ModelError, SettingError
from kinetix.expressions import TIME, symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action

K = symbol("k")
X = symbol("X")


def network(*reactions: Reaction, start: float = 5, **species: float) -> ReactionNetwork:
    named = {"X": start, **species}
    return ReactionNetwork([Species(n, v) for n, v in named.items()], [Parameter("k", 1.0)], reactions)


def decay(law: object) -> Reaction:
    return Reaction("decay", {"X": 1}, {}, law)  # type: ignore[arg-type]


def test_a_sound_model_has_no_findings() -> None:
    assert network(decay(mass_action("k", {"X": 1}))).check().codes == ()


@pytest.mark.parametrize(
    ("code", "model"),
    [
        ("KX101", network(decay(K))),
        ("KX102", network(Reaction("pair", {"X": 2}, {}, K * X**2))),
        ("KX105", network(Reaction("half", {"X": 0.5}, {}, K * X))),  # type: ignore[dict-item]
        ("KX106", network(decay(K * X), start=2.5)),
        ("KX108", network(decay(K))),
        ("KX108", network(Reaction("pair", {"X": 2}, {}, K * X))),
        ("KX108", network(decay(K / X))),  # infinite at none
        ("KX109", network(decay(2 * X))),
        ("KX110", network(decay(K * X), Reaction("never", {"A": 1}, {}, K * symbol("A")), A=0)),
        ("KX110", network(decay(K * X), Reaction("no_enzyme", {}, {"X": 1}, K * symbol("E")), E=0)),
        ("KX111", network(decay(K * X), Reaction("birth", {}, {"X": 1}, K))),
        ("KX112", network(decay(K * X * (1 + TIME)))),
    ],
)
def test_each_finding_on_the_model_that_has_it(code: str, model: ReactionNetwork) -> None:
    assert code in model.check().codes


def test_a_pair_law_that_is_multiplied_out_is_no_power_law() -> None:
    """Mutant: any power of what a reaction takes two of."""
    assert network(Reaction("pair", {"X": 2}, {}, sympy.expand(K * X * (X - 1)))).check().codes == ()
    three = sympy.expand(K * X * (X - 1))  # zero with one molecule, not with two
    assert "KX102" in network(Reaction("triple", {"X": 3}, {}, three)).check().codes


def test_a_guarded_pair_law_is_not_a_power_law_and_cannot_fire_short() -> None:
    codes = network(Reaction("pair", {"X": 2}, {}, mass_action("k", {"X": 2}))).check().codes
    assert not {"KX102", "KX108"} & set(codes)


def test_a_chain_of_makers_can_fire() -> None:
    """Mutant: reachability that looks only at the initial counts calls the second step dead."""
    steps = [Reaction("one", {"X": 1}, {"A": 1}, K * X), Reaction("two", {"A": 1}, {}, K * symbol("A"))]
    assert "KX110" not in network(*steps, A=0).check().codes


def test_fractions_are_errors_for_stochastic_solvers_and_warnings_for_the_mean_field() -> None:
    model = network(decay(K * X), start=2.5)
    with pytest.raises(ModelError, match=r"KX106 X: starts at 2\.5"):
        model.check().raise_for_errors()
    assert model.check(solver="mean-field").raise_for_errors().codes == ("KX106",)


def test_a_solver_that_there_is_not_is_refused() -> None:
    """Mutant: every other word is a stochastic solver, so "mean-feld" makes errors of warnings."""
    model = network(decay(mass_action("k", {"X": 1})), start=1.5)
    assert [model.check(solver=s).errors.codes for s in ("fsp", "met", "mean-field")] == [("KX106",), ("KX106",), ()]
    with pytest.raises(SettingError, match="did you mean 'mean-field'"):
        model.check(solver="mean-feld")


def test_a_one_way_law_that_is_a_net_rate_is_reported_for_every_network() -> None:
    """Mutants seen to fail: guarded laws and switches taken for net rates; the importer's own finding told twice."""
    head = "species X = 5, Y = 3; k = 2; q = 1\n"
    network = kx.parse(head + "r: X -> Y; k*X - q*Y")
    assert [(f.severity, f.element) for f in network.check() if f.code == "KX103"] == [("warning", "r")]
    for law in ("k*X*(X - 1)", "k*X/(1 + Y)", "k*(X - 3)"):
        assert "KX103" not in network_codes(head + f"r: 2 X -> Y; {law}")
    assert "KX103" not in network_codes(head + "r: X -> ; k*X - q*Y")


def network_codes(text: str) -> set[str]:
    return {finding.code for finding in kx.parse(text).check()}


def test_a_reaction_that_takes_very_many_is_judged_at_once() -> None:
    """Found by fuzzing: every count below 9e15 was tried."""
    model = network(Reaction("all", {"X": 9_007_199_254_740_992}, {}, mass_action("k", {"X": 1})))
    assert "KX108" in model.check().codes
