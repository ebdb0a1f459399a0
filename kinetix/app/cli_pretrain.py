"""The verb pretrain: the general net over random networks, for days if need be; Ctrl-C saves and says how to go on.

Several processes: `torchrun --nproc-per-node=4 -m kinetix pretrain CONFIG --output RUN`. The first one speaks.
"""

# ruff: noqa: PLR0913, PLR0917 - the options of a command are its arguments
from __future__ import annotations

import os
import sys
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
    begin: Annotated[
        Path | None, typer.Option("--from", help="Net or run with whose weights to begin, for a further budget.")
    ] = None,
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
    from kinetix.solvers.nets.workers import joined

    settings = read_config(config)
    with joined() as workers:
        number = _seed(seed, output if resume else None, workers)
        if not workers.first:
            _hush()

        def run(progress: Any) -> Any:
            return settings.train(
                budget=budget,
                budget_cpu=budget_cpu,
                budget_steps=budget_steps,
                seed=number,
                output=output,
                resume=resume,
                begin=begin,
                progress=progress,
            )

        again = _started(workers.size) + resume_command(list(ctx.obj or []), number)
        quiet = as_json or not workers.first
        try:
            net = watched(run, "pretraining of the general net", again, output, quiet=quiet)
        except KeyboardInterrupt as stop:
            if workers.first:
                raise
            raise typer.Exit(getattr(stop, "exit_code", 130)) from stop  # the first one says it
        return _pretrained(net, output, number)


def _seed(given: int | None, run: Path | None, workers: Any) -> int:
    """The seed given, or that of the run to go on with, or one that is new: the same in all processes."""
    from kinetix.solvers.nets.run_folder import RunFolder
    from kinetix.solvers.nets.trained import seed_of as seed_of_run

    from .choice import seed_of

    if given is not None:
        return seed_of(given)
    return int(workers.from_first(lambda: seed_of(None) if run is None else seed_of_run(RunFolder(run))))


def _started(processes: int) -> str:
    """How several processes are started, before the command of each."""
    if processes == 1:
        return ""
    here = os.environ.get("LOCAL_WORLD_SIZE", "")
    return f"torchrun --nproc-per-node={here} -m " if here == str(processes) else "torchrun (as before) -m "


def _hush() -> None:
    """Print nothing to stdout any more: what is printed there, another process prints."""
    sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _pretrained(net: Any, output: Path, seed: int) -> Outcome:
    certificate = net.certificate
    training, panels = certificate["training"], certificate["panels"]
    several = f" of {number} processes" if (number := net.settings["processes"]) > 1 else ""
    lines = [f"trained {training['steps']} steps in {training['cpu_seconds']:.1f} s of CPU{several}, seed {seed}"]
    lines += [f"note: {note}" for note in training["notes"]]
    if (legs := training["all_legs"])["legs"] > 1:
        lines.append(f"in all, {legs['steps']} steps in {legs['cpu_seconds']:.1f} s of CPU, {legs['legs']} trainings")
    lines += [f"Hellinger distance to exact laws, {name}: {value:.4f}" for name, value in panels.items()]
    lines.append(f"saved in {output}")
    return Outcome("\n".join(lines), {"certificate": certificate, "output": str(output), "seed": seed})
