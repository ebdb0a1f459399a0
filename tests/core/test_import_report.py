"""The import report: one line a channel, with what became of the law."""

import pytest
import sympy

import kinetix as kx
from kinetix.expressions import TIME, symbol
from kinetix.import_report import Line, import_report, order_of, table
from kinetix.network import Reaction
from tests.exact import ROOT

HOSTILE, BIOMODELS = ROOT / "tests" / "data" / "hostile", ROOT / "tests" / "data" / "biomodels"
X, Y, K = symbol("X"), symbol("Y"), symbol("k")


def lines_of(path: str) -> dict[str, Line]:
    return {line.reaction: line for line in kx.load(path).import_report()}


def test_a_net_law_split_in_two() -> None:
    lines = lines_of(str(HOSTILE / "h38_reversible_net_law_massaction.xml"))
    assert list(lines) == ["r", "r_reverse"]
    assert [(line.split_from, line.converted, line.order, line.codes) for line in lines.values()] == [
        ("r", False, 1, ("KX103",)),
        ("r", False, 1, ("KX103",)),
    ]


def test_a_power_read_as_pairs() -> None:
    (line,) = lines_of(str(HOSTILE / "h42_deterministic_square_law.xml")).values()
    assert (line.split_from, line.converted, line.mass_action, line.order) == (None, True, True, 2)
    assert (line.law, line.propensity, line.codes) == (K * X**2, K * X * (X - 1), ("KX102",))


def test_every_channel_of_a_real_model() -> None:
    lines = kx.load(BIOMODELS / "BIOMD0000000026.xml").import_report()
    split = [line.split_from for line in lines if line.reaction.endswith("_reverse")]
    assert split == ["v1a", "v2a", "v3a", "v3c", "v4a", "v4c"]
    assert [line.order for line in lines] == [2, 1, 1, 2, 1, 1, 2, 1, 1, 1, 2, 2, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("reactants", "law", "order"),
    [
        ({}, K, 0),
        ({"X": 1}, 3 * K * X, 1),
        ({"X": 2}, K * X * (X - 1) / 2, 2),
        ({"X": 2}, K * (X**2 - X), 2),
        ({"X": 1, "Y": 1}, K * X * Y / symbol("c"), 2),
        ({"X": 3}, K * X * (X - 1) * (X - 2), 3),
        ({"X": 2}, K * X**2, None),
        ({"X": 1}, K, None),
        ({"X": 1}, K * X * Y, None),
        ({}, K * X, None),
        ({"X": 1}, K * X / (1 + X), None),
        ({"X": 1}, K * TIME * X, None),
        ({"X": 1.5}, K * X, None),
        ({"X": 1}, sympy.Piecewise((K * X, X > 3), (0, True)), None),
    ],
)
def test_what_is_mass_action(reactants: dict[str, float], law: sympy.Expr, order: int | None) -> None:
    """Mutants seen to fail: X**2 taken for pairs; catalysts taken for reactants; a rate that moves with the time."""
    assert order_of(Reaction("r", reactants, {}, law), frozenset({X, Y})) == order


def test_networks_of_the_language_have_a_report_too() -> None:
    network = kx.parse("species X = 3, Y = 0; k = 1\nr: X -> Y; mass_action(k, k)\ns: 2 X -> ; k*X^2")
    report = import_report(network, network.check())
    assert [line.order for line in report] == [1, 1, None]
    assert "KX102" in report[2].codes
    assert [row.split()[0] for row in table(report)] == ["reaction", *(r.name for r in network.reactions)]
