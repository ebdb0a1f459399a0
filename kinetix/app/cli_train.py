"""The verb train: a net over a box of rates, saved with its certificate; Ctrl-C saves and says how to go on."""

# ruff: noqa: PLR0913, PLR0917 - the options of a command are its arguments
from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_models import Model, read_changed
from .cli_options import Format, Initial, Json, Law, Scale, Seed, Set, settings_of
from .outcome import Outcome

BUDGET = 60.0
"""Seconds of training where no budget is given."""


def train(
    ctx: typer.Context,
    model: Model,
    box: Annotated[Path, typer.Option(help="TOML file: [box] kon = [0.01, 10].")],
    until: Annotated[float, typer.Option(help="The last time the net will know.")],
    output: Annotated[Path, typer.Option(help="Folder of the run and of the net.")],
    since: Annotated[float, typer.Option("--from", help="The first time the net will know.")] = 0.0,
    budget: Annotated[float | None, typer.Option(help=f"Seconds of training (default {BUDGET:g}).")] = None,
    budget_cpu: Annotated[float | None, typer.Option(help="CPU seconds of training, instead.")] = None,
    budget_steps: Annotated[int | None, typer.Option(help="Steps of training, instead.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Begin from the general model: `general`, or the folder of a pretraining.")
    ] = None,
    parameters: Set = None,
    initial: Initial = None,
    seed: Seed = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """Train a net over a box of rates and certify it.

    Any setting of MET is an option, as --width 64. Ctrl-C saves and prints how to go on.
    """
    from .files import require_folder
    from .tables import read_box, told_by

    network = read_changed(model, parameters, initial, law=law, scale=scale, format=format)
    bounds = read_box(box)
    require_folder(output)
    from kinetix.solvers.met import MET

    from .choice import seed_of

    settings = MET(**settings_of(ctx, MET, "met"))
    if budget is None and budget_cpu is None and budget_steps is None:
        budget = BUDGET
    number = None if resume and seed is None else seed_of(seed)  # None: that of the run to go on with
    again = resume_command(list(ctx.obj or []), number)

    def run(progress: Any) -> Any:
        return settings.train(
            network,
            times=(since, until),
            box=bounds,
            budget=budget,
            budget_cpu=budget_cpu,
            budget_steps=budget_steps,
            start=start,
            seed=number,
            output=output,
            resume=resume,
            progress=progress,
        )

    with told_by(box, "box", bounds, (*network.theta_names, *network.species_names)):
        net = watched(run, f"training for {network.name}", again, output, quiet=as_json)
    return _trained(net, output, int(net.seed))


def resume_command(arguments: list[str], seed: int | None) -> str:
    """What to type to go on with an interrupted run."""
    kept = [a for a in arguments if a not in ("--resume", "--json")]
    if seed is not None and not any(a == "--seed" or a.startswith("--seed=") for a in kept):
        kept += ["--seed", str(seed)]
    return shlex.join(["kinetix", *kept, "--resume"])


def watched(run: Callable[[Any], Any], title: str, again: str, output: Path, *, quiet: bool) -> Any:
    """A long run with its progress; an interrupt that saved something says how to go on (`again`)."""
    from .progress import shown

    try:
        with shown(title, quiet=quiet) as progress:
            return run(progress)
    except KeyboardInterrupt as stop:
        if not any((output / "checkpoints").glob("step-*")):  # nothing was learned yet
            raise
        told = KeyboardInterrupt(f"{output}: stopped, everything so far is saved; go on with: {again}")
        told.exit_code = getattr(stop, "exit_code", 130)  # type: ignore[attr-defined]
        raise told from stop


def _trained(net: Any, output: Path, seed: int) -> Outcome:
    from .describe import net_data

    certificate = net.certificate
    training = certificate.get("training", {})
    lines = [
        f"trained {training.get('steps', 0)} steps in {training.get('cpu_seconds', 0.0):.1f} s of CPU, seed {seed}",
        str(certificate.get("statement", "not certified: no held-out problems were asked for")),
        f"saved in {output}",
    ]
    lines[1:1] = [f"note: {note}" for note in training.get("notes", ())]
    return Outcome("\n".join(lines), {"net": net_data(net), "output": str(output), "seed": seed})
