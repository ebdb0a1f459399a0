"""Whether a posterior can be trusted: every check with its meaning and verdict, the chains, the net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kinetix.findings import Finding
from kinetix.inference.diagnostics import ESS, RHAT
from kinetix.inference.posteriors import plots
from kinetix.inference.posteriors.checks import check_posterior
from kinetix.inference.posteriors.summary import summarise

from . import figures
from .report import Html, Section, Tone, heading, note, picture, prose, table

if TYPE_CHECKING:
    from kinetix.inference.posterior import Posterior

ALLOWED = 0.2
"""The shift of a posterior mean, in sd, that is small beside what the cells leave open."""

STATISTICS = (
    "parameter",
    "R-hat",
    "effective draws, centre",
    "effective draws, tails",
    "Monte Carlo error of the mean",
)
CHAINS = (
    "R-hat compares chains that started far apart: 1 when they agree, and below 1.01 is asked. The effective sample "
    "size says how many independent draws the chains are worth; 400 are asked."
)

TRACES = (
    "Left: the median and the middle 90 % of each chain as it ran. Right: how often its draws have each rank. "
    "Chains that agree lie on one another, and their ranks are level."
)

CHECKS = ("check", "what it means", "asked", "found", "verdict")

OPEN = ("KX203", "KX206", "KX202", "KX208")
"""Findings about what the cells leave open: they stand with the rates, in this order."""

DRAWN = ("KX204", *OPEN)
"""Findings that stand elsewhere."""


def trust_section(posterior: Posterior, *, exact: Posterior | None = None) -> Section:
    """Every check with its verdict, the chains, the gate of a net, the shift from the `exact` posterior if any."""
    rows = [(r.name, r.rhat, f"{r.ess_bulk:.0f}", f"{r.ess_tail:.0f}", r.mcse) for r in summarise(posterior).rows]
    blocks: list[Html] = [note(*verdict(posterior)), table(CHECKS, checks(posterior))]
    blocks += [told(f) for f in check_posterior(posterior) if f.code not in DRAWN]
    blocks += [note(str(text)) for text in posterior.meta.get("notes", ())]
    blocks += [heading("Chains"), prose(CHAINS), table(STATISTICS, rows)]
    blocks.append(picture(plots.trace(posterior), "The chains as they ran", TRACES))
    if posterior.gate is not None and {"efficiency", "reason"} & set(posterior.gate):  # it was held against another
        blocks += _gate(posterior.gate)
    if exact is not None:
        blocks += _shift(posterior, exact)
    return Section("Can the rates be trusted?", tuple(blocks))


def checks(posterior: Posterior) -> list[tuple[str, ...]]:
    """Every check in a row: its name, what it means, what is asked, what was found, and the verdict."""
    summary = summarise(posterior).rows
    rhat = float(np.max([r.rhat for r in summary]))  # one that is not a number is the largest
    ess = float(np.min([[r.ess_bulk, r.ess_tail] for r in summary]))
    rows = [
        ("the search ended", "chains were not stopped on the way", "to their end", "", posterior.complete),
        ("chains agree", "searches from different starts find the same (R-hat)", f"below {RHAT}", f"{rhat:.4f}",
         bool(rhat < RHAT)),
        ("enough draws", "independent draws that the chains are worth", f"{ESS} or more", f"{ess:,.0f}",
         bool(ess >= ESS)),
        ("likelihood", "probabilities of the cells are those of the model", *_of_likelihood(posterior)),
    ]  # fmt: skip
    judged = [(*row[:-1], "passed" if row[-1] else "FAILED") for row in rows]
    name, meaning = "model explains the cells", "new cells drawn with these rates look like those seen"
    if posterior.predictive is None:
        return [*judged, (name, meaning, "no misfit", "", "not checked")]
    found = len(posterior.predictive.misfits())
    return [
        *judged,
        (
            name,
            meaning,
            "no misfit",
            f"{found} misfits" if found else "none",
            "FAILED, see below" if found else "passed",
        ),
    ]


def verdict(posterior: Posterior) -> tuple[str, Tone]:
    """One sentence about the whole, and its tone."""
    failings = []
    if not posterior.complete:
        failings.append("the chains were stopped before their end")
    if not posterior.converged:
        failings.append("the chains have not converged")
    if not posterior.certified:
        failings.append("the net is not certified at these rates")
    if failings:
        return f"Not to be trusted yet: {' and '.join(failings)}.", "bad"
    if posterior.corrected:
        return "The chains converged, and the draws were carried over to the exact likelihood.", "good"
    if posterior.gate is not None and posterior.gate.get("estimated") is not None:
        error = f"{float(posterior.gate['estimated']):.1g}"
        return f"The chains converged, and the likelihood is exact up to an estimated error of {error}.", "good"
    if posterior.gate is not None and "ensemble" in posterior.gate:
        count = posterior.gate["ensemble"]["nets"]
        return f"The chains converged; no exact law answered, and {count} nets agree at these rates.", "good"
    if posterior.gate is not None:
        return "The chains converged, and the net agrees with the exact likelihood at these rates.", "good"
    return "The chains converged, and the likelihood is exact.", "good"


def stages(posterior: Posterior) -> dict[str, Posterior]:
    """The posterior as the net alone gives it and, where it was corrected, as corrected."""
    alone = {"net alone": posterior.uncorrected()}
    return alone if posterior.weights is None else {**alone, "corrected": posterior}


def told(finding: Finding) -> Html:
    """A finding as a paragraph; only what forbids belief or misleads stands out."""
    text = f"{finding.element}: {finding.reason}." + (f" What helps: {finding.mend}." if finding.mend else "")
    return note(text, "plain" if finding.severity == "note" else "bad")


# inner -----------------------------------------------------------------------------------------


def _of_likelihood(posterior: Posterior) -> tuple[str, str, bool]:
    """What is asked of the likelihood, what was found, and whether that is enough."""
    gate = posterior.gate
    if gate is None:
        return "proven error below 1e-4", "exact", True
    if gate.get("estimated") is not None:
        return "estimated error below 1e-6", f"{float(gate['estimated']):.1g}", posterior.certified
    if "ensemble" in gate:
        spread = f"they differ by {float(gate['ensemble'].get('spread', np.nan)):.2g}"
        return "nets trained apart agree", spread, posterior.certified
    if posterior.corrected:
        return "exact, or corrected", "corrected by the exact law", True
    if gate.get("efficiency") is not None:
        return "50 % of draws kept by the exact law", f"{100 * float(gate['efficiency']):.0f} %", posterior.certified
    return "held against an exact law", "could not be", posterior.certified


def _gate(gate: Mapping[str, Any]) -> list[Html]:
    if "ensemble" in gate:
        return _ensemble(gate["ensemble"])
    rows = [
        (name.replace("_", " "), _word(value)) for name, value in gate.items() if not isinstance(value, list | dict)
    ]
    text = (
        "A net is only nearly right, and its error grows with the number of cells: the exact likelihood was "
        "computed at some of the draws. Efficiency is the share of them that the exact posterior "
        "would keep (50 % is asked); Pareto k below 0.7 means that no single draw dominates."
    )
    return [heading("The net at these rates"), prose(text), table(["exact check", "value"], rows)]


def _ensemble(told: Mapping[str, Any]) -> list[Html]:
    """What nets of several seeds say about one another, where no exact law answered."""
    shifts = {f"shift of the mean of {name}, in sd": value for name, value in told.get("shift", {}).items()}
    rows = [(name.replace("_", " "), _word(value)) for name, value in told.items() if not isinstance(value, Mapping)]
    text = (
        "No exact law could be asked. Nets that were trained apart weighed the cells at some of the draws. Spread is "
        "how far their log-likelihoods differ, and each shift how far a mean would move from one net to another. An "
        "error that all nets share is not seen."
    )
    body = [*rows, *((name, _word(value)) for name, value in shifts.items())]
    return [heading("The nets at these rates"), prose(text), table(["of the nets", "value"], body)]


def _shift(posterior: Posterior, exact: Posterior) -> list[Html]:
    rows = {name: (p.mean() - exact.mean()) / exact.sd() for name, p in stages(posterior).items()}
    caption = "Differences of the posterior means from those of the exact likelihood, in posterior standard deviations."
    body = [
        (name, float(m), float(s), *(float(row[i]) for row in rows.values()))
        for i, (name, m, s) in enumerate(zip(posterior.names, exact.mean(), exact.sd(), strict=True))
    ]
    head = ["parameter", "exact mean", "exact sd", *(f"{name}, in sd" for name in rows)]
    return [
        heading("Against the exact posterior"),
        picture(figures.shifts(posterior.names, rows, ALLOWED), "Shifts of the posterior means", caption),
        table(head, body),
    ]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
