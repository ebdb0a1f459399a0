"""The verb infer: the posterior of a model's rates from a table of cells, checked before it is believed."""

# ruff: noqa: PLR0913, PLR0917, ARG001 - the options of a command are its arguments
from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from kinetix.errors import SettingError

from .cli_models import Model
from .cli_options import Format, Initial, Json, Law, Scale, Seed, Set, number
from .outcome import Outcome

DataFile = Annotated[Path, typer.Argument(metavar="DATA.csv", help="One row a cell: time and observed species.")]


def infer(
    ctx: typer.Context,
    model: Model,
    data: DataFile,
    prior: Annotated[Path, typer.Option(help="TOML file: [prior] kon = {log_uniform = [0.01, 10]}.")],
    likelihood: Annotated[str, typer.Option(help="fsp, or the folder of a trained net.")] = "fsp",
    exact: Annotated[str, typer.Option(help="What a net is checked against: a solver, or none.")] = "fsp",
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE=SPECIES", help="What a column counts: M, A+B, or none (repeatable)."),
    ] = None,
    time: Annotated[str | None, typer.Option(help="The column with the times, or one time for all cells.")] = None,
    header: Annotated[bool, typer.Option("--header/--no-header", help="Whether the first line names columns.")] = True,
    parameters: Set = None,
    initial: Initial = None,
    seed: Seed = None,
    output: Annotated[Path | None, typer.Option(help="Write the posterior (.nc).")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """Infer rates from a table of single-cell counts.

    The exit code is 3 when the chains have not converged or the net is not certified at the posterior.
    """
    from .files import require_writable

    require_writable(output, (".nc",), "option --output")
    require_writable(report, (".html", ".htm"), "option --report")
    raise SettingError("not wired yet")


def columns_of(items: list[str] | None) -> dict[str, Any] | None:
    """`file_column=species` texts as the mapping that `Observations.read_csv` takes."""
    if not items:
        return None
    result: dict[str, Any] = {}
    for item in items:
        name, equals, target = (part.strip() for part in item.partition("="))
        if not equals or not target:
            raise SettingError(f"{item!r} is not FILE=SPECIES", place="option --column")
        if name in result:
            raise SettingError(f"the column {name!r} is given twice", place="option --column", mend="give it once")
        result[name] = None if target.lower() == "none" else target
    return result


def time_of(text: str | None) -> str | float | None:
    """The option --time: a number, `inf` for the stationary law, or the name of a column."""
    if text is None:
        return None
    try:
        return math.inf if text.lower() in ("inf", "infinity") else number(text, "option --time")
    except SettingError:
        return text
