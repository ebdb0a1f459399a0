"""Every row of the support table, proven by a small model; the page in the documentation is the table."""

import pytest

from kinetix.constructs import constructs
from kinetix.importers.sbml_support import ROWS, table
from tests.exact import ROOT
from tests.importers import small_sbml as sb

DECAY = sb.reaction("X -> ", "k*X")
PARTS = {"species_": sb.species("X"), "parameters": sb.parameter("k")}


def model(*reactions, **parts):
    return sb.model(*(reactions or (DECAY,)), **{**PARTS, **parts})


FREE = {"constant": False}
CONCENTRATION = {"hasOnlySubstanceUnits": False}
PRIORITY = sb.element("priority", sb.math("1"))
DELAY = sb.element("delay", sb.math("1"))

EXAMPLES = {
    "species as amounts": model(),
    "species as concentrations": model(species_=sb.species("X", **CONCENTRATION), compartments=sb.compartment(size=2)),
    "boundary and constant species": model(
        sb.reaction("X -> B", "k*X*B"), species_=(sb.species("X"), sb.species("B", boundaryCondition=True))
    ),
    "local parameters": model(sb.reaction("X -> ", "k*X", local={"k": 2})),
    "function definitions": model(sb.reaction("X -> ", "f(X)"), functions=sb.function("f", "lambda(x, 2*x)")),
    "initial assignments": model(
        parameters=(sb.parameter("k"), sb.parameter("j", None, **FREE)),
        rules=sb.rule("j", "2*X"),
        assignments=sb.assignment("k", "3"),
    ),
    "`piecewise`": model(sb.reaction("X -> ", "piecewise(k*X, X > 3, 0)")),
    "net laws of reversible reactions": model(
        sb.reaction("X -> Y", "k*X - k*Y", reversible=True), species_=(sb.species("X"), sb.species("Y"))
    ),
    "power law": model(sb.reaction("2 X -> ", "k*X^2")),
    "conversion factors": model(
        parameters=(sb.parameter("k"), sb.parameter("f", 3)), conversionFactor="f", extentUnits="item"
    ),
    "`stoichiometryMath`": None,
    "package `comp`": None,
    "packages `layout`": None,
    "net laws that cannot be split": model(
        sb.reaction("X -> Y", "k*sin(X - Y)", reversible=True), species_=(sb.species("X"), sb.species("Y"))
    ),
    "fractional stoichiometry": model(sb.reaction("1.5 X -> ", "k*X")),
    "stoichiometry that varies": None,
    "fractional starts": model(species_=sb.species("X", 2.5)),
    "amounts declared in moles": model(substanceUnits="mole"),
    "laws that switch at times": model(sb.reaction("X -> ", "piecewise(k*X, time < 3, 0)")),
    "laws with the explicit time": model(sb.reaction("X -> ", "k*X*time")),
    "events at times": model(after=sb.listed("Events", sb.event("time >= 3", X="7"))),
    "events on counts that set species": model(after=sb.listed("Events", sb.event("X < 3", X="7"))),
    "events on counts that set parameters": model(
        parameters=sb.parameter("k", **FREE), after=sb.listed("Events", sb.event("X < 3", k="7"))
    ),
    "events on curved functions": model(after=sb.listed("Events", sb.event("sin(time) > 0.5", X="7"))),
    "rate rules": model(parameters=sb.parameter("k", **FREE), rules=sb.rule("k", "-k", "rate")),
    "compartments whose size varies": model(
        compartments=sb.compartment(size=2, **FREE),
        rules=sb.rule("c", "2 + k"),
        species_=sb.species("X", **CONCENTRATION),
    ),
    "events with a priority": model(after=sb.listed("Events", sb.event("time >= 3", X="7", inside=PRIORITY))),
    "events with a delay": model(after=sb.listed("Events", sb.event("time >= 3", X="7", inside=DELAY))),
    "algebraic rules": model(parameters=sb.parameter("k", **FREE), rules=sb.rule("", "k - 1", "algebraic")),
    "`delay`": None,
    "fast reactions": None,
    "constraints": None,
    "reactions without a law": model(sb.reaction("X -> ", None)),
    "Level 1": None,
}
"""Beginning of a row's construct -> a model that has it; None where another test module proves the row."""


def example_of(row):
    (name,) = [name for name in EXAMPLES if row.construct.startswith(name)]
    return EXAMPLES[name]


PROVEN = [row for row in ROWS if example_of(row) is not None]


@pytest.mark.parametrize("row", PROVEN, ids=lambda row: row.construct[:40])
def test_a_row_says_what_the_reader_does(row):
    if row.refused:
        assert sb.refusal(example_of(row))
        return
    found = {f.construct for f in constructs(sb.load(example_of(row)))}
    assert found == ({row.needs} if row.needs else set())


def test_the_page_is_the_table():
    page = (ROOT / "examples" / "docs" / "support.md").read_text()
    assert "\n".join(table()) in page
