"""The verb calibrate: hundreds of experiments with known truths, and whether inference finds them often enough."""

# ruff: noqa: PLR0913, PLR0917 - the options of a command are its arguments
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinetix.errors import SettingError

from .cli_models import Model, read_changed
from .cli_options import Format, Initial, Json, Law, Scale, Seed, Set, none_or, settings_of, times_of
from .outcome import GATE, OK, Outcome

RUNS_PICTURE, RUNS_TABLE = "ranks.png", "calibration.json"
"""What is written into the folder beside the runs."""


def calibrate(
    ctx: typer.Context,
    model: Model,
    prior: Annotated[Path, typer.Option(help="TOML file: [prior] kon = {log_uniform = [0.01, 10]}.")],
    times: Annotated[
        str, typer.Option(metavar="TIMES", help="When cells are seen: start:stop:points or a comma list.")
    ],
    cells: Annotated[int, typer.Option(help="Cells at every time.")],
    species: Annotated[str | None, typer.Option(help="The species that are counted, as M,P; all by default.")] = None,
    likelihood: Annotated[str, typer.Option(help="fsp, or the folder of a trained net.")] = "fsp",
    exact: Annotated[str, typer.Option(help="What a net is checked against: auto (fsp), a solver, or none.")] = "auto",
    simulator: Annotated[str, typer.Option(help="What draws the cells.")] = "ssa",
    runs: Annotated[int, typer.Option(help="Experiments.")] = 300,
    jobs: Annotated[int, typer.Option(help="Processes; -1: one a core. The numbers are the same.")] = 1,
    parameters: Set = None,
    initial: Initial = None,
    seed: Seed = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the runs, their table and picture.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the runs in the folder.")] = False,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """Check inference on experiments with a known truth (simulation-based calibration).

    Any setting of the sampler is an option, as --steps 400. The exit code is 3 when truths are not found
    as often as the posteriors say.
    """
    from .cli_infer import sampler_settings
    from .files import require_folder
    from .progress import shown
    from .tables import read_priors, told_by
    from .trust import calibrate as calibrated

    require_folder(output)
    if resume and output is None:
        raise SettingError("there is no folder to go on with", place="option --resume", mend="give --output")
    network = read_changed(model, parameters, initial, law=law, scale=scale, format=format)
    beliefs = read_priors(prior)
    settings = settings_of(ctx, None, "calibrate", sampler_settings())
    named = told_by(prior, "prior", beliefs, (*network.theta_names, *network.species_names))
    with named, shown(f"calibrating {', '.join(beliefs)}", quiet=as_json) as progress:
        found = calibrated(
            network,
            prior=beliefs,
            times=times_of(times),
            cells=cells,
            species=None if species is None else [name.strip() for name in species.split(",") if name.strip()],
            likelihood=likelihood,
            exact=none_or(exact),
            simulator=simulator,
            runs=runs,
            seed=seed,
            jobs=jobs,
            output=output,
            resume=resume,
            progress=progress,
            **settings,
        )
    text = [str(found)]
    if output is not None:
        from kinetix.storage import replacing

        found.save(output / RUNS_TABLE)
        with replacing(output / RUNS_PICTURE) as temporary:
            found.plot().savefig(temporary, format="png", dpi=150)
        text += [f"wrote {output / name}" for name in (RUNS_TABLE, RUNS_PICTURE)]
    data = {"calibration": found.as_dict(), "output": None if output is None else str(output)}
    return Outcome("\n".join(text), data, OK if found.passes else GATE)
