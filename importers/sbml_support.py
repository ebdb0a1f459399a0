"""Which SBML construct is read how, and which solvers run it: the support table of the documentation.

Every row is proven by a small model in `tests/importers/test_sbml_support.py`, and the page
`examples/docs/support.md` is printed from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kinetix.constructs import RUNS, Construct


@dataclass(frozen=True)
class Row:
    """A construct, how the reader treats it, and what a solver must run for it (nothing, where `needs` is None)."""

    construct: str
    reading: str
    needs: Construct | None = None
    refused: bool = False


ROWS: tuple[Row, ...] = (
    Row("species as amounts (`hasOnlySubstanceUnits`), 0-D compartments", "the symbol is the count"),
    Row("species as concentrations, any volume, several compartments", "the symbol is count / volume"),
    Row("boundary and constant species", "constants of the network, not counted"),
    Row("local parameters, also where they shadow global names", "parameters `<reaction>_<name>`"),
    Row("function definitions", "written out, under a budget of nodes; cycles are named"),
    Row(
        "initial assignments, assignment rules", "one graph, worked out once, on reading; rules are written out in laws"
    ),
    Row("`piecewise`, all MathML of Levels 2 and 3, Avogadro's constant", "as they stand"),
    Row("net laws of reversible reactions", "split in two channels (KX103)"),
    Row("power law k X^2 of 2 X", 'k X (X - 1) (KX102), or as written with `law="verbatim"`'),
    Row("conversion factors", "one factor for a whole reaction multiplies its law"),
    Row("`stoichiometryMath` and assigned stoichiometry that are constant", "numbers"),
    Row("package `comp`", "flattened, where nothing outside the file is needed"),
    Row("packages `layout`, `render`, `groups`", "say nothing about the mathematics"),
    Row("net laws that cannot be split", "one channel with the net law (KX104)", Construct.NET_LAW),
    Row("fractional stoichiometry", "as it stands (KX105)", Construct.FRACTIONS),
    Row("stoichiometry that varies", "an expression (KX105)", Construct.VARYING_STOICHIOMETRY),
    Row("fractional starts", "as they stand (KX106), or counts with `scale=`", Construct.FRACTIONAL_START),
    Row("amounts declared in moles", "moles (KX107), or counts with `scale=`", Construct.MOLES),
    Row("laws that switch at times", "phases, each constant in time (KX112)", Construct.TIME_STEPS),
    Row("laws with the explicit time", "as they stand (KX112)", Construct.TIME),
    Row("events at times, on species and parameters", "as they stand (KX113)", Construct.TIME_EVENTS),
    Row("events on counts that set species", "folded into the firing (KX113)", Construct.STATE_EVENTS),
    Row(
        "events on counts that set parameters",
        "parameters of each trajectory (KX113)",
        Construct.STATE_EVENTS_ON_PARAMETERS,
    ),
    Row("events on curved functions of the time", "as they stand (KX113)", Construct.CURVED_TIME_EVENTS),
    Row("events with a priority", "as those without, in their order (KX113)", Construct.TIME_EVENTS),
    Row("events with a delay", "as they stand (KX113)", Construct.DELAYED_EVENTS),
    Row("rate rules", "continuous variables (KX114)", Construct.RATE_RULES),
    Row("compartments whose size varies", "as they stand (KX114)", Construct.VARYING_VOLUME),
    Row("algebraic rules", "", refused=True),
    Row("`delay`, `rateOf`", "", refused=True),
    Row("fast reactions", "", refused=True),
    Row("constraints", "", refused=True),
    Row("reactions without a law, packages `fbc`, `distrib`, `multi`, unknown required packages", "", refused=True),
    Row("Level 1", "", refused=True),
)


def table() -> Iterator[str]:
    """The table in Markdown, line by line."""
    solvers = list(RUNS)
    yield "| SBML construct | read as | " + " | ".join(solvers) + " |"
    yield "|---|---|" + "---|" * len(solvers)
    for row in ROWS:
        if row.refused:
            cells = ["refused by name", *("" for _ in solvers)]
        else:
            cells = [row.reading, *("yes" if row.needs is None or row.needs in RUNS[s] else "no" for s in solvers)]
        yield f"| {row.construct} | " + " | ".join(cells) + " |"
