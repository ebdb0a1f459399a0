"""The verbs solve and compare: laws of the counts from one solver, or from several side by side."""

# ruff: noqa: PLR0913, PLR0917, ARG001 - the options of a command are its arguments
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinetix.errors import SettingError

from .cli_models import Model, read_model
from .cli_options import (
    Format,
    Initial,
    Json,
    Law,
    Scale,
    Seed,
    Set,
    pairs,
    settings_of,
    settings_of_each,
    times_of,
    types_of_settings,
)
from .outcome import OK, Outcome

if TYPE_CHECKING:
    from kinetix.solution import Solution

Times = Annotated[str, typer.Option(help="start:stop:points (both ends included), or a comma list.")]
OUTPUTS = (".csv", ".nc", ".png", ".svg", ".pdf")
CHAIN = {"paths": int, "step": float, "outside": float}
"""Settings of a net in a folder: given any, it draws trajectories by chaining its laws."""


def solve(
    ctx: typer.Context,
    model: Model,
    times: Times,
    solver: Annotated[str, typer.Option(help="A name from `kinetix solvers`, or the folder of a net.")] = "fsp",
    parameters: Set = None,
    initial: Initial = None,
    seed: Seed = None,
    output: Annotated[Path | None, typer.Option(help="Write .csv, .nc, .png, .svg or .pdf.")] = None,
    species: Annotated[str | None, typer.Option(help="The species of a picture (default: the first four).")] = None,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """Solve a model: how the counts are distributed at given times.

    Any setting of the solver is an option, as --paths 10000 (`kinetix solvers` lists them). A net with --paths
    or --step draws trajectories by chaining its laws, also beyond its times. A .csv has the
    columns time, X-mean ..., X-sd ...; where a solver states no sd (mean-field), its cells are empty.
    """
    from .choice import solver_of
    from .files import require_writable
    from .verbs import solve as solve_network

    require_writable(output, OUTPUTS, "option --output")
    asked = times_of(times)
    chosen = solver_of(solver, settings_of(ctx, None, solver, _settings_known(solver)))
    network = read_model(model, law=law, scale=scale, format=format)
    values, starts = pairs(parameters, "--set"), pairs(initial, "--initial")
    solution = solve_network(network, asked, solver=chosen, parameters=values, initial=starts, seed=seed)
    if output is not None:
        write_solution(solution, output, species)
    return Outcome(*_solved(solution, output), OK)


def compare(
    ctx: typer.Context,
    model: Model,
    times: Times,
    solvers: Annotated[str, typer.Option(help="Comma list of solvers and nets, as fsp,ssa,net/.")] = "fsp,ssa",
    reference: Annotated[str | None, typer.Option(help="The one to measure from (default: the first).")] = None,
    parameters: Set = None,
    initial: Initial = None,
    seed: Seed = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """Put one question to several solvers: distances, CPU seconds, floors.

    Any setting of a solver is an option that begins with its name, as --ssa.paths 100000. A solver can be given a
    name of its own, and so come twice with other settings: --solvers fsp,few=ssa,many=ssa --few.paths 1000.
    """
    from .choice import solver_of
    from .files import require_writable
    from .verbs import compare as compare_solvers

    require_writable(report, (".html", ".htm"), "option --report")
    named = _named(solvers)
    settings = settings_of_each(ctx, {name: _settings_known(choice) for name, choice in named.items()})
    chosen = {name: solver_of(choice, settings[name]) for name, choice in named.items()}
    network = read_model(model, law=law, scale=scale, format=format)
    study = compare_solvers(
        network,
        times_of(times),
        solvers=chosen,
        reference=reference,
        parameters=pairs(parameters, "--set"),
        initial=pairs(initial, "--initial"),
        seed=seed,
    )
    text = study.table()
    if report is not None:
        study.report(report)
        text += f"\nwrote {report}"
    return Outcome(text, {"study": study.as_dict(), "report": None if report is None else str(report)})


def _settings_known(choice: str) -> dict[str, Any]:
    """The settings that a solver takes, with their types."""
    from .choice import is_folder, is_general, solver_of

    if is_folder(choice) and not is_general(choice):
        return CHAIN
    return types_of_settings(type(solver_of(choice)))


def _named(solvers: str) -> dict[str, str]:
    """The solvers of a comma list by name: `few=ssa` names one, others are named by themselves."""
    named: dict[str, str] = {}
    for item in (part.strip() for part in solvers.split(",") if part.strip()):
        name, equals, choice = (part.strip() for part in item.partition("="))
        if not equals or Path(item).is_dir():
            name = choice = item
        if not name or not choice or name in named:
            reason = f"{name!r} is given twice" if name and choice else f"{item!r} is no solver"
            raise SettingError(reason, place="option --solvers", mend="use a comma list, as fsp,few=ssa,many=ssa,net/")
        named[name] = choice
    return named


def write_solution(solution: Solution, path: Path, species: str | None = None) -> None:
    """Write by the ending: .csv (time, means, standard deviations), .nc (everything) or a picture."""
    ending = path.suffix.lower()
    if ending == ".csv":
        from .files import write_text

        write_text(path, csv_text(solution))
    elif ending == ".nc":
        solution.save(path)
    else:
        solution.plot(species, path)


def csv_text(solution: Solution) -> str:
    """Means and standard deviations in the layout of the SBML stochastic test suite.

    An sd that the answer does not state (the mean field's) is an empty cell.
    """
    import csv
    import io

    import numpy as np

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", *(f"{s}-mean" for s in solution.species), *(f"{s}-sd" for s in solution.species)])
    rows = np.column_stack([solution.times, solution.mean(), solution.std()])
    writer.writerows([["" if np.isnan(v) else repr(float(v)) for v in row] for row in rows])
    return text.getvalue()


def _trusted(told: Sequence[Mapping[str, Any]]) -> str:
    """What the general model says of its own answers, the worst of them by name; "" where nothing is said."""
    if not told:
        return ""
    flags = [one["flag"] for one in told]
    if "unknown" in flags:
        return "\nto be trusted: unknown, since this net's flags were never calibrated"
    counts = ", ".join(f"{flags.count(flag)} {flag}" for flag in dict.fromkeys(flags))
    worst = max(told, key=lambda one: one["distance"])
    off = f"about {worst['distance']:.2g} (Hellinger) off, at t = {worst['time']:g}"
    return f"\nto be trusted: {counts}; at worst {off}"


def _solved(solution: Solution, output: Path | None) -> tuple[str, dict[str, Any]]:
    import numpy as np

    mean, sd, meta = solution.mean(), solution.std(), solution.meta
    network = solution.model.network
    shown = zip(solution.species, mean[-1], sd[-1], strict=True)
    last = "\n".join(f"  {name} {m:.6g}" + ("" if np.isnan(s) else f" ± {s:.4g}") for name, m, s in shown)
    what = "mean ± sd" if np.isfinite(sd).all() else "mean (no sd is stated)"
    error = "no proven bound" if solution.error is None else f"total variation error <= {solution.error:.2g}"
    text = (
        f"{network.name} by {meta['solver']}: {len(solution.times)} times, {error}, "
        f"{meta['cpu_seconds']:.2f} s of CPU, seed {meta['seed']}\n{what} at t = {solution.times[-1]:g}\n{last}"
    )
    text += _trusted(meta.get("trust", []))
    if output is not None:
        text += f"\nwrote {output}"
    data = {
        "times": solution.times,
        "species": solution.species,
        "mean": mean,
        "sd": sd,
        "error_bound": solution.error,
        "meta": dict(meta),
        "output": None if output is None else str(output),
    }
    return text, data
