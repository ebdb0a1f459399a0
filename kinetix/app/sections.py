"""The sections that reports are made of: the model, a net and its certificate, its laws, a study, how to repeat it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinetix.errors import TruncationError
from kinetix.network import ReactionNetwork, Stoichiometry
from kinetix.problem import Problem
from kinetix.provenance import versions
from kinetix.solver import Solver
from kinetix.solvers.ssa import SSA
from kinetix.style import label, style

from . import figures
from .answers import Answers
from .report import Card, Html, Page, Section, code, heading, image, note, picture, prose, table

FLOOR_PATHS = 10_000
FOOTER = "Made by kinetix. Everything on this page is in this file; nothing is loaded from elsewhere."
EXACT, TRAJECTORIES = "exact", f"{FLOOR_PATHS:,} trajectories"


def model_section(
    network: ReactionNetwork, *, title: str = "The model", stand_ins: Mapping[str, str] | None = None
) -> Section:
    """Reactions with the propensities really used, values, and what the importer found.

    `stand_ins` has words that stand in place of values that are not used: name -> words.
    """
    told = stand_ins or {}
    reactions = [(r.name, f"{_side(r.reactants)} → {_side(r.products)}", str(r.propensity)) for r in network.reactions]
    values = [(p.name, told.get(p.name, float(p.value))) for p in (*network.parameters, *network.constants)]
    starts = ", ".join(f"{s.name} = {told.get(s.name, f'{s.initial:g}')}" for s in network.species)
    blocks = [
        prose(
            f"{network.name}: {len(network.species)} species, {len(network.reactions)} reactions"
            + (f", read from {Path(network.source).name}" if network.source else "")
            + f". Counts at time 0: {starts}."
        ),
        table(["reaction", "what it does", "propensity (events per time)"], reactions),
        table(["parameter", "value"], values),
    ]
    if len(network.species) + len(network.reactions) <= 24:
        drawn = _graph(network)
        blocks.append(drawn)
    findings = network.check()
    if len(findings):
        rows = [(f.code, f.severity, f.element, f.reason) for f in findings]
        blocks.append(table(["code", "kind", "element", "finding"], rows, "What kinetix found when reading the model"))
    return Section(title, tuple(blocks))


def certificate_section(net: Any) -> Section:
    """How a net was trained and how good it was found to be on problems that it never saw."""
    certificate: Mapping[str, Any] = net.certificate
    training = certificate.get("training", {})
    box = [(name, float(low), float(high)) for name, (low, high) in net.box.items()]
    blocks = [
        prose(
            f"A {_kind(net)} was trained over the box below, for times from {net.times[0]:g} to "
            f"{net.times[1]:g}: {training.get('steps', 0)} steps in {training.get('cpu_seconds', 0.0):.0f} s of CPU; "
            f"teacher: {certificate.get('teacher', 'unknown')}; its prompts tell: {certificate.get('told', 'times')}."
        ),
        table(["quantity", "from", "to"], box, "The training box: outside it, the net is not to be trusted"),
    ]
    rows = [
        (which, *(float(part[key]) for key in ("mean", "median", "p90", "max")), float(part["floor"]))
        for which, part in _scores(certificate)
    ]
    if rows:
        head = ["law", "mean", "median", "90 % below", "worst", f"floor of {TRAJECTORIES}"]
        count = certificate.get("contexts", 0)
        caption = f"Hellinger distance to {certificate.get('against', 'exact')} on {count} held-out problems"
        blocks += [heading("Certificate"), table(head, rows, caption)]
        blocks.append(
            prose(
                "The Hellinger distance is 0 for equal laws and 1 for laws that share no state. A histogram of "
                f"{FLOOR_PATHS:,} exact simulations, drawn from the right law, still lies at the floor: below it the "
                "net is closer to the truth than the simulations that would replace it."
            )
        )
    if "statement" in certificate:
        blocks.append(note(str(certificate["statement"])))
    blocks += [note(str(text), "bad") for text in training.get("notes", ())]
    return Section("The trained net and its certificate", tuple(blocks))


@dataclass(frozen=True)
class Point:
    """A problem at which laws are shown: its label and parameter values."""

    label: str
    parameters: Mapping[str, float]


def laws_section(net: Any, points: Sequence[Point], times: Sequence[float], exact: Solver, *, seed: int) -> Section:
    """Marginals of a net beside the exact ones and trajectories, and the Hellinger distance by time with its floor."""
    panels: list[figures.Panel] = []
    curves, floors = {}, {}
    sampler = SSA(paths=FLOOR_PATHS)
    name = _kind(net)
    for point in points:
        problem = Problem.of(net.network, times, parameters=point.parameters)
        study = Answers.of(problem, {EXACT: exact, name: net, TRAJECTORIES: sampler}, reference=EXACT, seed=seed)
        curves[point.label] = (problem.times, study.joint(name)[:, 0])
        floor = study.floor(TRAJECTORIES)
        if floor is not None:
            floors[point.label] = (problem.times, floor)
        panels += _panels(study, point.label, name)
    alt = "Marginal laws of the net, exact and from trajectories"
    values = [(p.label, ", ".join(f"{k} = {v:g}" for k, v in p.parameters.items())) for p in points]
    blocks = (
        table(["point", "parameters"], values),
        picture(
            figures.marginals(panels),
            alt,
            f"Laws at t = {times[-1]:g}: what the net states (lines) on the exact law (grey), and the histogram of "
            f"{FLOOR_PATHS:,} exact simulations (dots).",
        ),
        picture(
            figures.hellinger_by_time(curves, floors),
            "Hellinger distance of the net's joint law by time",
            "Distance of the net's joint law to the exact one (solid) and of a histogram of "
            f"{FLOOR_PATHS:,} exact simulations (dashed): lower is better.",
        ),
    )
    return Section("The net against the exact law", blocks)


def reproduce_section(
    commands: Sequence[str], facts: Mapping[str, Any], made_with: Mapping[str, str] | None = None
) -> Section:
    """What to type to get this page again, with seed, digests and versions (`made_with`; by default now's)."""
    rows = [(name, str(value)) for name, value in facts.items()]
    rows += [(f"version of {name}", number) for name, number in (made_with or versions()).items()]
    blocks = [
        prose("The same commands with the same seed and versions give the same numbers."),
        *([code("\n".join(commands))] if commands else []),
        table(["what", "value"], rows),
    ]
    return Section("How to reproduce this page", tuple(blocks))


def net_page(net: Any, exact: Solver, *, seed: int, commands: Sequence[str]) -> Page:
    """The report of a trained net: its certificate, and its laws at three points of its box."""
    t0, t1 = net.times
    times = [t0 + (t1 - t0) * share for share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)]
    shares = (("low", 0.2), ("middle", 0.5), ("high", 0.8)) if net.box else (("the one problem", 0.5),)
    points = [Point(label, _inside(net, share)) for label, share in shares]
    sections = [certificate_section(net)]
    try:
        sections.append(laws_section(net, points, times, exact, seed=seed))
    except TruncationError as problem:
        text = f"No exact law fits in memory to draw beside it ({problem.reason})."
        sections.append(Section("The net against the exact law", (note(text),)))
    sections += [model_section(net.network), reproduce_section(commands, {"fingerprint": net.network.fingerprint})]
    certificate = net.certificate
    cards = []
    if "joint" in certificate:
        joint = certificate["joint"]
        good = joint["mean"] < joint["floor"]
        cards.append(Card(f"{joint['mean']:.4f}", "mean Hellinger distance to exact laws", "good" if good else "bad"))
        cards.append(Card(f"{joint['floor']:.4f}", f"the floor of {TRAJECTORIES}"))
    cards.append(Card(f"{certificate['training']['cpu_seconds']:.0f} s", "of CPU for the training"))
    title = f"{_kind(net)} for {net.network.name}"
    return Page(title, f"trained over {', '.join(net.box) or 'time'}", tuple(cards), tuple(sections), FOOTER)


def study_page(study: Answers) -> Page:
    """The report of a comparison of solvers."""
    network = study.problem.model.network
    rows = study.rows()
    head = ["solver", "time", "Hellinger, joint", "sampling floor", "total variation", "worst marginal", "of"]
    head += ["worst mean", "of"]
    measured = [name for name in study.others if study.measured(name)]
    body = [
        (*_distances_told(row, row["solver"] in measured), row["worst_mean_gap"], row["worst_mean"]) for row in rows
    ]
    times = study.problem.times
    values = {name: study.joint(name)[:, 0] for name in measured}
    floors = {name: floor for name in measured if (floor := study.floor(name)) is not None}
    seconds = [
        (name, value, "not proven" if (e := study.solutions[name].error) is None else f"{e:.2g}")
        for name, value in study.seconds().items()
    ]
    text = (
        f"Distances of the stated laws to those of {study.reference}. A histogram of draws lies at its sampling "
        "floor even when every draw is exact. Differences of means are shares of the largest mean over time."
    )
    if len(measured) < len(study.others):
        text += " Answers in moments alone state no probabilities; only their means are compared."
    blocks = [
        prose(text),
        *(
            [picture(figures.distances(measured, times, values, floors), "Hellinger distance by time")]
            if measured
            else []
        ),
        table(head, body),
        table(["solver", "CPU seconds", "bound on its total variation"], seconds),
    ]
    cards = [_worst(rows), Card(study.reference, "the reference")]
    facts = {"seed": study.seed, "model fingerprint": network.fingerprint}
    return Page(
        f"Solvers compared: {network.name}",
        f"{', '.join(study.solutions)} at {len(times)} times",
        tuple(cards),
        (Section("Distances", tuple(blocks)), model_section(network), reproduce_section((), facts)),
        FOOTER,
    )


def _distances_told(row: Mapping[str, Any], measured: bool) -> tuple[Any, ...]:
    """The first cells of a row of a study."""
    if not measured:
        return row["solver"], row["time"], *["not stated"] * 4, "-"
    floor = "none: states its law" if row["floor"] is None else f"{row['floor']:.4g}"
    distances = (row["hellinger"], floor, row["total_variation"], row["worst_marginal_hellinger"])
    return row["solver"], row["time"], *distances, row["worst_species"]


def _worst(rows: Sequence[Mapping[str, Any]]) -> Card:
    """The largest distance of a study, or the largest difference of means where there is no distance."""
    stated = [row for row in rows if row["hellinger"] is not None]
    if not stated:
        row = max(rows, key=lambda r: float(r["worst_mean_gap"]))
        text = f"largest difference of means ({row['solver']}, {row['worst_mean']}, t = {row['time']:g})"
        return Card(f"{row['worst_mean_gap']:.3g}", text)
    row = max(stated, key=lambda r: float(r["hellinger"]))
    return Card(f"{row['hellinger']:.3g}", f"largest joint Hellinger distance ({row['solver']}, t = {row['time']:g})")


def _kind(net: Any) -> str:
    return type(net).__name__.removeprefix("Trained")


def _inside(net: Any, share: float) -> dict[str, float]:
    """The parameters that lie at the same share of every side of the training box."""
    return {n: low + share * (high - low) for n, (low, high) in net.box.items() if n in net.network.theta_names}


def _panels(study: Answers, title: str, name: str) -> list[figures.Panel]:
    time = float(study.problem.times[-1])
    solutions = study.solutions
    moving = [s for s in solutions[name].species if len(solutions[EXACT].marginal(s, time)) > 1]
    ordered = sorted(moving, key=lambda s: -len(solutions[EXACT].marginal(s, time)))[:2]
    return [
        figures.Panel(
            f"{title}: {label(s)}, t = {time:g}",
            s,
            solutions[EXACT].marginal(s, time),
            {name: solutions[name].marginal(s, time)},
            {TRAJECTORIES: solutions[TRAJECTORIES].marginal(s, time)},
        )
        for s in ordered
    ]


def _scores(certificate: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    scores: list[tuple[str, Mapping[str, Any]]] = []
    if "joint" in certificate:
        scores.append(("joint", certificate["joint"]))
    return scores + [(f"of {name}", part) for name, part in certificate.get("species", {}).items()]


def _graph(network: ReactionNetwork) -> Html:
    with tempfile.TemporaryDirectory() as folder, style():
        path = Path(folder) / "network.svg"
        network.draw(path)
        data = path.read_bytes()
    caption = "Circles are species, squares are reactions; dashed arrows only regulate."
    return image(data, "svg+xml", "The reaction network as a graph", caption, share=2 / 3)


def _side(counts: Stoichiometry) -> str:
    return " + ".join(name if m == 1 else f"{m:g} {name}" for name, m in counts.items()) or "∅"
