"""The verb pretrain: the general net over random networks, for days if need be; Ctrl-C saves and says how to go on."""

# ruff: noqa: PLR0913, PLR0917 - the options of a command are its arguments
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kinetix.errors import SettingError

from .cli_options import Json, Seed
from .cli_train import resume_command, watched
from .outcome import Outcome


def pretrain(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(help="TOML file: [net] width = 96; every key may be left out.")],
    output: Annotated[Path, typer.Option(help="Folder of the run and of the net.")],
    budget: Annotated[float | None, typer.Option(help="Seconds of training.")] = None,
    budget_cpu: Annotated[float | None, typer.Option(help="CPU seconds of training, instead.")] = None,
    budget_steps: Annotated[int | None, typer.Option(help="Steps of training, instead.")] = None,
    seed: Seed = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    as_json: Json = False,
) -> Outcome:
    """Train the general net, which answers for networks that it has never seen.

    Scores on panels of held-out structures go into metrics.jsonl. Ctrl-C saves and prints how to go on.
    """
    from .files import require_folder, require_readable

    require_readable(config, "file")
    require_folder(output)
    if [budget, budget_cpu, budget_steps].count(None) != 2:
        raise SettingError("give one of --budget, --budget-cpu and --budget-steps", place="options")
    from kinetix.solvers.general.config import read_config

    from .choice import seed_of

    settings, number = read_config(config), seed_of(seed)

    def run(progress: Any) -> Any:
        return settings.train(
            budget=budget,
            budget_cpu=budget_cpu,
            budget_steps=budget_steps,
            seed=number,
            output=output,
            resume=resume,
            progress=progress,
        )

    again = resume_command(list(ctx.obj or []), number)
    net = watched(run, "pretraining of the general net", again, output, quiet=as_json)
    certificate = net.certificate
    training, panels = certificate["training"], certificate["panels"]
    lines = [
        f"trained {training['steps']} steps in {training['cpu_seconds']:.1f} s of CPU, seed {number}",
        *(f"Hellinger distance to exact laws, {name}: {value:.4f}" for name, value in panels.items()),
        f"saved in {output}",
    ]
    lines[1:1] = [f"note: {note}" for note in training["notes"]]
    return Outcome("\n".join(lines), {"certificate": certificate, "output": str(output), "seed": number})
