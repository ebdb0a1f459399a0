"""The verb infer-many: a model for every column of a table, as one for each of a thousand genes, in one command."""

# ruff: noqa: PLR0913, PLR0917 - the options of a command are its arguments
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .cli_models import Model, read_changed
from .cli_options import Format, Initial, Json, Law, Scale, Seed, Set, none_or, settings_of
from .outcome import GATE, OK, Outcome

TABLE = "rates.csv"
"""The table of answers, in the folder of the run."""


def infer_many(
    ctx: typer.Context,
    model: Model,
    data: Annotated[Path, typer.Argument(metavar="DATA.csv", help="One row a cell, one column a data set (a gene).")],
    prior: Annotated[Path, typer.Option(help="TOML file: [prior] kon = {log_uniform = [0.01, 10]}.")],
    species: Annotated[str, typer.Option(help="The species that every column counts.")],
    output: Annotated[Path, typer.Option(help="Folder for the rows as they end, and their table.")],
    likelihood: Annotated[str, typer.Option(help="fsp, or the folder of a trained net.")] = "fsp",
    exact: Annotated[str, typer.Option(help="What a net is checked against: auto (fsp), a solver, or none.")] = "auto",
    time: Annotated[str | None, typer.Option(help="The column with the times, or one time for all cells.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes; -1: one a core. The numbers are the same.")] = 1,
    parameters: Set = None,
    initial: Initial = None,
    seed: Seed = None,
    resume: Annotated[bool, typer.Option("--resume", help="Make only the rows that are missing.")] = False,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """Infer rates from every column of a table, with one model.

    Any setting of the sampler is an option. The exit code is 3 when one of the answers is not to be trusted.
    """
    from .cli_infer import sampler_settings, time_of
    from .files import require_folder, require_readable
    from .progress import shown
    from .tables import read_priors, told_by
    from .trust import infer_many as inferred

    require_folder(output)
    network = read_changed(model, parameters, initial, law=law, scale=scale, format=format)
    beliefs = read_priors(prior)

    from kinetix.inference.studies.many import read_tables

    settings = settings_of(ctx, None, "infer-many", sampler_settings())
    tables = read_tables(require_readable(data, "table of cells"), species, time=time_of(time))
    named = told_by(prior, "prior", beliefs, (*network.theta_names, *network.species_names))
    with named, shown(f"inferring {len(tables)} times", quiet=as_json) as progress:
        found = inferred(
            network,
            tables,
            prior=beliefs,
            likelihood=likelihood,
            exact=none_or(exact),
            seed=seed,
            jobs=jobs,
            output=output,
            resume=resume,
            progress=progress,
            **settings,
        )
    found.save(output / TABLE)
    text = f"{found}\nwrote {output / TABLE}"
    data_ = {"rows": found.as_dicts(), "output": str(output), "trusted": found.trusted, "failed": found.failed}
    return Outcome(text, data_, OK if found.trusted == len(found.rows) else GATE)
