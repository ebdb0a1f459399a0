"""Verbs about models and about kinetix itself: inspect, check, convert, solvers, doctor."""

# ruff: noqa: ARG001 - the options of a command are its arguments
from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import Format, Json, Law, Scale, pairs, scale_of, times_of
from .outcome import BAD_INPUT, FAILED, OK, Outcome

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file (.xml, .sbml, .ant, .txt).")]
ModelOrNet = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, or the folder of a trained net.")]
PICTURES = (".png", ".svg", ".pdf")


def inspect(
    model: ModelOrNet,
    times: Annotated[
        str | None, typer.Option(help="Output times: say too what each solver would cost, and which fits.")
    ] = None,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002 - the option's name
    as_json: Json = False,
) -> Outcome:
    """Show a model as kinetix reads it and, for given times, what it would cost to solve; or a net's certificate."""
    if model.is_dir():
        return _inspect_net(model)
    network = read_model(model, law=law, scale=scale, format=format)
    from kinetix.import_report import table

    from .describe import has_fractions, network_data

    laws = ["not computed where amounts are no whole numbers"]
    if not has_fractions(network):
        laws = [law_text(network, row) for row in network.conservation_laws()]
    text = [str(network), "conserved", *(f"  {line}" for line in laws or ["nothing"])]
    text += ["import report", *(f"  {line}" for line in table(network.import_report()))]
    text += ["findings of the import", *(f"  {finding}" for finding in network.report or ["none"])]
    text.append(f"fingerprint {network.fingerprint}")
    data: dict[str, Any] = {"model": network_data(network)}
    if times is not None:
        from .advice import advise

        advice = advise(network, times_of(times))
        text.append(str(advice))
        data["advice"] = asdict(advice)
    return Outcome("\n".join(text), data)


def check(
    model: Model,
    solver: Annotated[str | None, typer.Option(help="Judge for this solver; mean-field forgives fractions.")] = None,
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """List what would go wrong with a model as a stochastic model.

    The exit code is 2 when something must be mended.
    """
    network = read_model(model, law=law, scale=scale, format=format)
    from kinetix.import_report import import_report, table

    findings = network.check(solver)
    lines = import_report(network, findings)
    count = {kind: sum(f.severity == kind for f in findings) for kind in ("error", "warning", "note")}
    summary = ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in count.items())
    data = {
        "findings": findings.as_dicts(),
        "counts": count,
        "import_report": [line.as_dict() for line in lines],
        "fingerprint": network.fingerprint,
    }
    text = "\n".join([*table(lines), "", str(findings), summary])
    return Outcome(text, data, BAD_INPUT if findings.errors else OK)


def convert(
    source: Model,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="What to write: .xml, .sbml, .ant, .txt, .tex, .png, .svg or .pdf.")
    ],
    law: Law = "auto",
    scale: Scale = None,
    format: Format = None,  # noqa: A002
    as_json: Json = False,
) -> Outcome:
    """Write a model in another form, by the target's ending."""
    from .files import require_writable, write_text

    require_writable(target, (".xml", ".sbml", ".ant", ".txt", ".tex", *PICTURES), "target")
    network = read_model(source, law=law, scale=scale, format=format)
    ending = target.suffix.lower()
    if ending in (".xml", ".sbml"):
        network.to_sbml(target)
    elif ending in PICTURES:
        network.draw(target)
    else:
        write_text(target, (network.to_latex() if ending == ".tex" else network.to_text()).rstrip("\n") + "\n")
    notes = "".join(f"\n  {finding}" for finding in network.report)
    return Outcome(
        f"wrote {target}{notes}",
        {"output": str(target), "fingerprint": network.fingerprint, "findings": network.report.as_dicts()},
    )


def solvers(as_json: Json = False) -> Outcome:
    """List the solvers: when to choose each, when not, settings."""
    from kinetix.solvers.catalogue import CATALOGUE

    from .describe import settings_data

    entries: list[dict[str, Any]] = []
    lines: list[str] = []
    for name, entry in CATALOGUE.items():
        default, promise, when, when_not = entry[:4]
        settings = settings_data(default)
        entries.append(
            {"name": name, "promise": str(promise), "when": when, "when_not": when_not, "settings": settings}
        )
        options = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in settings.items())
        lines += [
            name,
            f"  when      {when}",
            f"  when not  {when_not}",
            f"  promise   {promise}",
            f"  settings  {options}",
        ]
    lines.append("A trained net is a solver too: name its folder, as --solver net/")
    return Outcome("\n".join(lines), {"solvers": entries})


def doctor(as_json: Json = False) -> Outcome:
    """See whether this installation works: libraries and two known laws."""
    from .doctor import examine

    checks, found = examine()
    good = all(passed for _, passed, _ in checks)
    lines = [f"{'ok  ' if passed else 'FAIL'} {name}: {detail}" for name, passed, detail in checks]
    lines += ["versions", *(f"  {name} {number}" for name, number in found.items())]
    data = {"checks": [{"name": n, "ok": p, "detail": d} for n, p, d in checks], "versions": found}
    return Outcome("\n".join(lines), data, OK if good else FAILED)


def read_model(path: Path, **options: Any) -> Any:
    """The network in a model file named by the user."""
    from .files import require_readable
    from .verbs import load

    return load(require_readable(path, "model file"), **{**options, "scale": scale_of(options.get("scale"))})


def read_changed(path: Path, parameters: list[str] | None, initial: list[str] | None, **options: Any) -> Any:
    """The same with the values of --set and --initial in place of the file's."""
    network = read_model(path, **options)
    return network.replace(parameters=pairs(parameters, "--set"), initial=pairs(initial, "--initial"))


def law_text(network: Any, weights: Any) -> str:
    """A conservation law as text: `G + Gs = 1`."""
    terms = [
        (f"{w}*" if abs(w) != 1 else "") + name if w > 0 else f"-{'' if w == -1 else f'{-w}*'}{name}"
        for w, name in zip(weights.tolist(), network.species_names, strict=True)
        if w
    ]
    total = sum(w * s.initial for w, s in zip(weights.tolist(), network.species, strict=True))
    return f"{' + '.join(terms).replace('+ -', '- ')} = {total:g}"


def _inspect_net(folder: Path) -> Outcome:
    from .describe import certificate_lines, net_data
    from .verbs import open as open_saved

    net = open_saved(folder)
    if not hasattr(net, "box"):
        return _inspect_general(net)
    box = [f"  {name} in [{low:g}, {high:g}]" for name, (low, high) in net.box.items()]
    span = f"times [{net.times[0]:g}, {net.times[1]:g}]"
    text = [f"trained net ({type(net).__name__}) for {net.network.name}", "training box", *box, f"  {span}"]
    text += ["certificate", *(f"  {line}" for line in certificate_lines(net.certificate)), str(net.network)]
    return Outcome("\n".join(text), {"net": net_data(net)})


def _inspect_general(net: Any) -> Outcome:
    from .describe import certificate_lines

    settings, certificate = dict(net.settings), dict(net.certificate)
    text = ["general net, for any network of its family", "settings"]
    text += [f"  {line}" for line in certificate_lines(settings)]
    text += ["certificate", *(f"  {line}" for line in certificate_lines(certificate))]
    return Outcome("\n".join(text), {"net": {"kind": "general", "settings": settings, "certificate": certificate}})
