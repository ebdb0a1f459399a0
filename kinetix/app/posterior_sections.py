"""The page about a posterior: what was found, what is left open, and whether it explains the cells.

What was assumed stands in `assumptions`, whether to believe the rates in `posterior_trust`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinetix.inference.posteriors import plots
from kinetix.inference.posteriors.checks import check_posterior
from kinetix.inference.posteriors.summary import summarise

from . import figures
from .assumptions import cells_section, clock, stand_ins, unknowns_section
from .posterior_trust import OPEN, told, trust_section, verdict
from .report import Card, Html, Page, Section, heading, note, picture, prose, table
from .sections import FOOTER, model_section, reproduce_section

if TYPE_CHECKING:
    from kinetix.inference.posterior import Posterior
    from kinetix.inference.posteriors.misfits import PredictiveCheck

Array = NDArray[np.float64]

RATES = (
    "Where the assumptions above hold, an unknown lies in its interval with a probability of 90 %. Told by the cells "
    "is the share of the prior's variance that they took away: near 0 %, the interval is the prior's."
)

LEFT_OPEN = "What the cells leave open"

SHOWN_TIMES = 4
"""Times of the data that a predictive figure shows."""


def rates_section(
    posterior: Posterior, *, truth: Mapping[str, float] | None = None, exact: Posterior | None = None
) -> Section:
    """The posterior in numbers and pairs, and what it leaves open; `exact` is drawn beside it, `truth` marked."""
    known = dict(truth or {})
    rows: list[list[Any]] = []
    for r in summarise(posterior).rows:
        learnt = f"{100 * max(r.contraction, 0.0):.0f} %"
        row: list[Any] = [r.name, r.q50, f"{r.q05:.4g} to {r.q95:.4g}", r.mean, r.sd, learnt]
        rows.append([*row, known.get(r.name, "")] if known else row)
    head = ["parameter", "median", "90 % lie from", "mean", "sd", "told by the cells"]
    blocks = [prose(RATES), table([*head, *(["true value"] if known else [])], rows)]
    if not posterior.trusted:
        blocks.insert(0, note(*verdict(posterior)))
    return Section("The rates", (*blocks, _pairs(posterior, known, exact), *_left_open(posterior)))


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
        figures.Cells(_when(data.times[k]), name, data.counts(k)[:, d], new[k][:, :, d])
        for d, name in enumerate(data.species[: 2 if len(shown) > 1 else 4])
        for k in shown
    ]


def cards(posterior: Posterior) -> tuple[Card, ...]:
    """The figures at the head of a page about a posterior."""
    rows = summarise(posterior).rows
    rhat, ess = float(np.max([r.rhat for r in rows])), float(np.min([[r.ess_bulk, r.ess_tail] for r in rows]))
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
    asked = posterior.meta.get("command")
    typed = [*([asked] if asked and asked not in commands else []), *commands]
    sections = (
        model_section(network, title="What was assumed: the model", stand_ins=stand_ins(posterior)),
        unknowns_section(posterior),
        cells_section(posterior),
        rates_section(posterior, truth=truth),
        trust_section(posterior),
        predictive_section(posterior),
        reproduce_section(typed, facts(posterior), posterior.meta.get("versions")),
    )
    return Page(f"Rates of {network.name}", verdict(posterior)[0], cards(posterior), sections, FOOTER)


def facts(posterior: Posterior) -> dict[str, Any]:
    """What a posterior hangs on, for the section that says how to repeat it."""
    settings = {"sampler": posterior.meta.get("sampler"), **posterior.meta.get("settings", {})}
    net = posterior.likelihood.get("digest")
    return {
        "seed": posterior.meta.get("seed", "unknown"),
        "likelihood": posterior.likelihood.get("solver", "unknown"),
        **({"digest of the net": net} if net else {}),
        "settings": ", ".join(f"{n} {v}" for n, v in settings.items() if v is not None and n != "asked") or "unknown",
        "priors": "; ".join(f"{name} = {prior}" for name, prior in posterior.prior.items()),
        "fingerprint of the model": posterior.network.fingerprint,
        "digest of the cells": posterior.data.digest,
    }


# inner -----------------------------------------------------------------------------------------


def _when(time: float) -> str:
    return clock(time) if np.isinf(time) else f"t = {clock(time)}"


def _left_open(posterior: Posterior) -> list[Html]:
    """What the cells do not identify, and which combinations they do."""
    found = sorted((f for f in check_posterior(posterior) if f.code in OPEN), key=lambda f: OPEN.index(f.code))
    if not found:
        text = "Nothing was found: no unknowns are tied together, none keeps its prior, none lies at its prior's end."
        return [heading(LEFT_OPEN), note(text)]
    return [heading(LEFT_OPEN), *map(told, found)]


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


def _misfits(check: PredictiveCheck) -> list[Html]:
    """Statistics of the cells that new data sets do not show."""
    found = check.misfits()
    what = "mean, variance, P(0) (the share of cells with none), maximum and Fano factor (variance over mean) at every "
    what += f"time, against {check.replicates:,} new data sets"
    if not found:
        return [note(f"Every statistic is explained: {what}.", "good")]
    rows = [
        (m.statistic, m.species, clock(m.time), m.observed, f"{m.low:.4g} to {m.high:.4g}", f"{m.z:+.1f}")
        for m in found
    ]
    head = ["statistic", "of", "time", "observed", "90 % of new data sets", "distance in sd"]
    return [note(f"The model does not explain all of the cells ({what}).", "bad"), table(head, rows)]
