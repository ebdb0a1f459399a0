"""The sections about a posterior: the rates, whether to believe them, and whether they explain the cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinetix.inference.posteriors import plots
from kinetix.inference.posteriors.checks import check_posterior
from kinetix.inference.posteriors.summary import summarise

from . import figures
from .report import Card, Html, Page, Section, Tone, heading, note, picture, prose, table
from .sections import FOOTER, model_section, reproduce_section

if TYPE_CHECKING:
    from kinetix.inference.posterior import Posterior
    from kinetix.inference.posteriors.predictive import PredictiveCheck

Array = NDArray[np.float64]

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

DRAWN = ("KX204",)
"""Findings that have a section of their own."""

SHOWN_TIMES = 4
"""Times of the data that a predictive figure shows."""


def cells_section(posterior: Posterior) -> Section:
    """What was measured."""
    data = posterior.data
    rows = [
        (float(t), int(n), *(f"{mean:.4g} ± {sd:.3g}" for mean, sd in zip(*_moments(data.counts(k)), strict=True)))
        for k, (t, n) in enumerate(zip(data.times, data.cells_at, strict=True))
    ]
    head = ["time", "cells", *(f"{s}: mean ± sd" for s in data.species)]
    blocks = [prose(f"{data}. Each cell is seen once."), table(head, rows)]
    blocks += [note(text) for text in data.notes]
    return Section("The cells", tuple(blocks))


def rates_section(
    posterior: Posterior, *, truth: Mapping[str, float] | None = None, exact: Posterior | None = None
) -> Section:
    """The posterior in numbers and pairs; `exact` is drawn beside it, `truth` marked."""
    known = dict(truth or {})
    rows: list[list[Any]] = []
    for r in summarise(posterior).rows:
        row: list[Any] = [r.name, r.mean, r.sd, f"{r.q05:.4g} to {r.q95:.4g}", str(posterior.prior[r.name])]
        rows.append([*row, known.get(r.name, "")] if known else row)
    head = ["parameter", "mean", "sd", "90 % of the posterior", "prior", *(["true value"] if known else [])]
    return Section("The rates", (table(head, rows), _pairs(posterior, known, exact)))


def trust_section(posterior: Posterior, *, exact: Posterior | None = None) -> Section:
    """Convergence of the chains, the gate of a net, the shift from the `exact` posterior where there is one."""
    rows = [(r.name, r.rhat, f"{r.ess_bulk:.0f}", f"{r.ess_tail:.0f}", r.mcse) for r in summarise(posterior).rows]
    blocks: list[Html] = [note(*verdict(posterior))]
    found = [f for f in check_posterior(posterior) if f.code not in DRAWN]
    blocks += [note(f"{f.element}: {f.reason}. What helps: {f.mend}.", "bad") for f in found]
    blocks += [heading("Chains"), prose(CHAINS), table(STATISTICS, rows)]
    blocks.append(picture(plots.trace(posterior), "The chains as they ran", TRACES))
    if posterior.gate is not None and {"efficiency", "reason"} & set(posterior.gate):  # it was held against another
        blocks += _gate(posterior.gate)
    if exact is not None:
        blocks += _shift(posterior, exact)
    return Section("Can the rates be trusted?", tuple(blocks))


def predictive_section(posterior: Posterior) -> Section:
    """The cells beside what the posterior says about new ones; see `Posterior.predict`."""
    check, title = posterior.predictive, "Do the rates explain the cells?"
    if check is None:
        return Section(title, (prose("No new cells were drawn to compare with."),))
    caption = (
        "Dots: the share of the observed cells with each count, empty cells on their own. Blue: new data sets of the "
        "same size, drawn from the posterior: their mean, and the band in which 90 % of them lie. Dots far outside the "
        "band are what the model cannot explain."
    )
    drawn = picture(figures.predictive(panels(posterior, check)), "Observed cells and new ones", caption)
    return Section(title, (drawn, *_misfits(check)))


def panels(posterior: Posterior, check: PredictiveCheck) -> list[figures.Cells]:
    """The cells of each species at some times after the start, and the new ones beside them."""
    data = posterior.data
    later = np.flatnonzero(data.times > 0) if (data.times > 0).any() else np.arange(1)
    shown = later[np.unique(np.linspace(0, len(later) - 1, min(SHOWN_TIMES, len(later))).astype(int))]
    new = np.split(check.replicated, np.cumsum(data.cells_at)[:-1], axis=1)
    return [
        figures.Cells(f"t = {data.times[k]:g}", name, data.counts(k)[:, d], new[k][:, :, d])
        for d, name in enumerate(data.species[: 2 if len(shown) > 1 else 4])
        for k in shown
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


def cards(posterior: Posterior) -> tuple[Card, ...]:
    """The figures at the head of a page about a posterior."""
    rows = summarise(posterior).rows
    rhat, ess = max(r.rhat for r in rows), min(min(r.ess_bulk, r.ess_tail) for r in rows)
    found = [
        Card(f"{posterior.data.cells:,}", f"cells, {', '.join(posterior.data.species)} counted"),
        Card(f"{rhat:.4f}", "largest R-hat; below 1.01 the chains agree", "good" if rhat < 1.01 else "bad"),
        Card(f"{ess:,.0f}", "effective draws at least; 400 are asked", "good" if ess >= 400 else "bad"),
    ]
    if posterior.gate is not None and posterior.gate.get("efficiency") is not None:
        good = posterior.certified
        share = f"{100 * float(posterior.gate['efficiency']):.0f} %"
        found.append(Card(share, "efficiency of exact weights at the net's draws", "good" if good else "bad"))
    return tuple(found)


def posterior_page(posterior: Posterior, *, commands: Sequence[str], truth: Mapping[str, float] | None = None) -> Page:
    """The report of one inference."""
    network = posterior.network
    sections = (
        cells_section(posterior),
        rates_section(posterior, truth=truth),
        trust_section(posterior),
        predictive_section(posterior),
        model_section(network),
        reproduce_section(commands, facts(posterior)),
    )
    return Page(f"Rates of {network.name}", verdict(posterior)[0], cards(posterior), sections, FOOTER)


def facts(posterior: Posterior) -> dict[str, Any]:
    """What a posterior hangs on, for the section that says how to repeat it."""
    return {
        "seed": posterior.meta.get("seed", "unknown"),
        "likelihood": posterior.likelihood.get("solver", "unknown"),
        "fingerprint of the model": posterior.network.fingerprint,
        "digest of the cells": posterior.data.digest,
    }


# inner -----------------------------------------------------------------------------------------


def _pairs(posterior: Posterior, truth: Mapping[str, float], exact: Posterior | None) -> Html:
    text = "Blue: the posterior. Grey line: the prior, what was believed before the cells."
    if len(posterior.names) > 1:
        text += " Regions hold 50 % and 90 % of the posterior; a narrow, tilted one ties two rates together."
    if exact is not None:
        text += " Dashed: the posterior of the exact likelihood."
    elif posterior.weights is not None:
        text += " Dashed: what the net alone gave, before the exact stage."
    beside = None if exact is None else ("exact likelihood", exact)
    marked = {name: value for name, value in truth.items() if name in posterior.names}
    return picture(plots.pairs(posterior, truth=marked, beside=beside), "Posterior of the rates in pairs", text)


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


def stages(posterior: Posterior) -> dict[str, Posterior]:
    """The posterior as the net alone gives it and, where it was corrected, as corrected."""
    alone = {"net alone": posterior.uncorrected()}
    return alone if posterior.weights is None else {**alone, "corrected": posterior}


def _misfits(check: PredictiveCheck) -> list[Html]:
    """Statistics of the cells that new data sets do not show."""
    found = check.misfits()
    what = f"mean, variance, P(0), maximum and Fano factor at every time, against {check.replicates:,} new data sets"
    if not found:
        return [note(f"Every statistic is explained: {what}.", "good")]
    rows = [
        (m.statistic, m.species, f"{m.time:g}", m.observed, f"{m.low:.4g} to {m.high:.4g}", f"{m.z:+.1f}")
        for m in found
    ]
    head = ["statistic", "of", "time", "observed", "90 % of new data sets", "distance in sd"]
    return [note(f"The model does not explain all of the cells ({what}).", "bad"), table(head, rows)]


def _moments(counts: NDArray[np.int64]) -> tuple[Array, Array]:
    return counts.mean(axis=0), counts.std(axis=0)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
