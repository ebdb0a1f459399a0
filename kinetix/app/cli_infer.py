"""The verb infer: the posterior of a model's rates from a table of cells, checked before it is believed."""

# ruff: noqa: PLR0913, PLR0917 - the options of a command are its arguments
from __future__ import annotations

import math
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinetix.errors import SettingError

from .cli_models import Model, read_changed
from .cli_options import Format, Initial, Json, Law, Scale, Seed, Set, command_line, none_or, number, settings_of
from .outcome import GATE, OK, Outcome

if TYPE_CHECKING:
    from kinetix.inference.posterior import Posterior
    from kinetix.inference.time_courses import Cells
    from kinetix.solver import Solver

QUESTION = {
    "network", "data", "prior", "likelihood", "exact", "measurement", "derived", "per_group", "rng", "progress",
    "output", "resume", "return", "start",
    "members",
}  # fmt: skip
"""Arguments of `sampling.infer` that the command has options of its own for."""

POSTERIOR = "posterior.nc"
"""The file of the posterior in a folder of chains."""

DataFile = Annotated[Path, typer.Argument(metavar="DATA.csv", help="One row a cell: time and observed species.")]


def infer(
    ctx: typer.Context,
    model: Model,
    data: DataFile,
    prior: Annotated[Path, typer.Option(help="TOML file: [prior] kon = {log_uniform = [0.01, 10]}.")],
    likelihood: Annotated[str, typer.Option(help="fsp, or the folder of a trained net.")] = "fsp",
    exact: Annotated[str, typer.Option(help="What a net is checked against: auto (fsp), a solver, or none.")] = "auto",
    member: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NET", help="A net of another seed, to judge the first where no exact law answers (repeatable)."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE=SPECIES", help="The species that a column counts (A+B: together), or none (repeatable)."
        ),
    ] = None,
    time: Annotated[str | None, typer.Option(help="The column with the times, or one time for all cells.")] = None,
    cell: Annotated[
        str | None, typer.Option(help="The column that names the cell, where cells are counted again and again.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="The column with the group (replicate) of a cell.")] = None,
    per_group: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A parameter that every group has apart (repeatable).")
    ] = None,
    header: Annotated[bool, typer.Option("--header/--no-header", help="Whether the first line names columns.")] = True,
    parameters: Set = None,
    initial: Initial = None,
    seed: Seed = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Write the posterior (.nc); or a folder, which keeps the chains as they walk too."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the chains in the folder --output.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    truth: Annotated[Path | None, typer.Option(help="TOML file with known values for the report: [truth].")] = None,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """Infer rates from a table of single-cell counts.

    Beside [prior] the TOML file may have [derived] koff = "kon / ratio", and [measurement] capture = {M = 0.3}.
    Any setting of the sampler is an option. The exit code is 3 when the chains have not converged or
    the net is not certified at the posterior.
    """
    import numpy as np

    from .files import require_readable, require_writable
    from .tables import base_of, read_priors, read_question, read_truth, told_by

    folder, output = folder_of(output, resume=resume)
    if folder is None:
        require_writable(output, (".nc",), "option --output")
    require_writable(report, (".html", ".htm"), "option --report")
    network = read_changed(model, parameters, initial, law=law, scale=scale, format=format)
    told = read_question(prior)
    beliefs, known = read_priors(prior), read_truth(truth) if truth is not None else {}

    from .choice import solver_of
    from .progress import shown
    from .resumed import seed_for
    from .verbs import infer as infer_rates
    from .verbs import judge_of

    settings = settings_of(ctx, None, "infer", sampler_settings())
    cells = read_cells(
        require_readable(data, "table of cells"),
        cell,
        time=time_of(time),
        columns=columns_of(column),
        header=header,
        group=group,
    )
    weigher, number_of_run = solver_of(likelihood), seed_for(seed, folder, resume=resume)
    judge = judge_of(none_or(exact), weigher)
    named = told_by(prior, "prior", map(base_of, beliefs), told.names(network))
    with named, shown(f"inferring {', '.join(beliefs)}", quiet=as_json) as progress:
        posterior = infer_rates(
            network,
            cells,
            prior=beliefs,
            likelihood=weigher,
            exact=judge,
            members=member or (),
            measurement=told.measurement,
            derived=told.derived,
            per_group=per_group or (),
            seed=number_of_run,
            progress=progress,
            output=folder,
            resume=resume,
            **settings,
        )
    believed = judge if judge is not None and posterior.corrected else weigher
    if np.isfinite(cells.times).all() or getattr(believed, "stationary", False):
        posterior = predicted(posterior, believed, number_of_run)
    posterior = posterior.with_meta(command=command_line(ctx))
    if output is not None:
        posterior.save(output)
    if report is not None:
        from .posterior_sections import posterior_page

        posterior_page(posterior, commands=[command_line(ctx)], truth=known).write(report)
    return inferred(posterior, output, report)


def folder_of(output: Path | None, *, resume: bool) -> tuple[Path | None, Path | None]:
    """The folder for chains, where --output is one, and the file of the posterior."""
    from .files import require_folder

    if output is not None and (output.is_dir() or not output.suffix):
        require_folder(output)
        if not output.parent.is_dir():
            reason = f"there is no folder {str(output.parent)!r}"
            raise SettingError(reason, file=str(output), place="option --output", mend="make it first")
        return output, output / POSTERIOR
    if resume:
        mend = "give --output a folder: chains are kept there"
        raise SettingError("there are no chains to go on with", place="option --resume", mend=mend)
    return None, output


def predicted(posterior: Posterior, solver: Solver, seed: int) -> Posterior:
    """With its predictive check, where the solver knows the laws at all times; the notes say where it does not."""
    import numpy as np

    try:
        return posterior.predict(solver, rng=np.random.default_rng(seed))
    except SettingError as problem:
        note = f"no predictive check: {problem.reason}"
        return posterior.with_meta(notes=[*posterior.meta.get("notes", []), note])


def read_cells(path: Path, cell: str | None, *, time: str | float | None, **options: Any) -> Cells:
    """Snapshots; or time courses, where `cell` is the column that names the cell."""
    from kinetix.inference.observations import Observations
    from kinetix.inference.time_courses import TimeCourses

    if cell is None:
        return Observations.read_csv(path, time=time, **options)
    if isinstance(time, float):
        mend = "name the column with the times"
        raise SettingError("cells that are followed cannot all be seen at one time", place="option --time", mend=mend)
    return TimeCourses.read_csv(path, cell=cell, time=time, **options)


def inferred(posterior: Posterior, output: Path | None = None, report: Path | None = None) -> Outcome:
    """How an inference ends: 3 where its numbers are not to be trusted, with the reason above them."""
    from .describe import posterior_data, posterior_lines
    from .posterior_trust import verdict

    text = [verdict(posterior)[0], *posterior_lines(posterior)]
    text += [f"note: {note}" for note in posterior.meta.get("notes", ())]
    text += [f"wrote {path}" for path in (output, report) if path is not None]
    data = {
        "posterior": posterior_data(posterior),
        "output": None if output is None else str(output),
        "report": None if report is None else str(report),
    }
    return Outcome("\n".join(text), data, OK if posterior.trusted else GATE)


def sampler_settings() -> dict[str, Any]:
    """The settings of the sampler and their types: what `sampling.infer` takes beside the question."""
    from kinetix.inference import sampling

    hints = typing.get_type_hints(sampling.infer)
    return {name: hint for name, hint in hints.items() if name not in QUESTION}


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
        result[name] = none_or(target)
    return result


def time_of(text: str | None) -> str | float | None:
    """The option --time: a number, `inf` for the stationary law, or the name of a column."""
    if text is None:
        return None
    try:
        return math.inf if text.lower() in ("inf", "infinity") else number(text, "option --time")
    except SettingError:
        return text
