"""Findings about a posterior: what would mislead whoever believes its numbers.

KX201 not converged · KX202 mass at the edge of a prior or box · KX203 two parameters fixed only
together · KX204 cells that the posterior does not explain · KX205 not certified · KX206 prior that
the data hardly narrowed · KX207 exact up to an error that is estimated, not proven · KX208 too few
cells for so many parameters · KX209 steps of nuts that diverged · KX210
no exact law, but nets that agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.findings import Finding, Findings

from .contraction import contraction
from .draws import PosteriorDraws
from .fisher import product_of
from .quantiles import weighted_quantile
from .summary import certification, convergence

Array = NDArray[np.float64]

NEAR, EDGE = 0.02, 0.01
"""Within this share of the range, more than this share of the mass is a finding."""

RIDGE = 0.95
SHARED = 0.2
"""The least part (of a unit vector) in a combination of parameters with which one takes part in it."""

NARROWED = 0.8
"""Posterior over prior standard deviation from which the data told hardly anything."""

FEW = 10
"""Counts of cells a parameter below which a posterior rests on its prior and on single cells."""

SHOWN = 8
"""Misfits of the predictive check that are listed one by one."""


def check_posterior(posterior: PosteriorDraws) -> Findings:
    """All findings, those that forbid belief (severity error) first."""
    return Findings.of(
        [
            *_verdicts(posterior),
            *_edges(posterior),
            *_ridges(posterior),
            *_misfits(posterior),
            *_uninformed(posterior),
            *_few_cells(posterior),
            *_divergences(posterior),
        ]
    )


def _verdicts(posterior: PosteriorDraws) -> Iterator[Finding]:
    if not posterior.complete:
        yield Finding("KX201", "error", "chains", "they were stopped before their end", "run them to the end")
    if not posterior.converged:
        yield Finding("KX201", "error", "chains", f"not converged: {convergence(posterior)}", "run longer chains")
    if not posterior.certified:
        mend = "train longer or over a smaller box, or use an exact likelihood"
        yield Finding("KX205", "error", "likelihood", f"not certified: {certification(posterior)}", mend)
    elif posterior.gate is not None and (nets := posterior.gate.get("ensemble")) is not None:
        reason = f"no exact law answered; {nets['nets']} nets agree within {nets['spread']:.2g} in the log-likelihood "
        reason += f"and {nets['largest_shift']:.2g} sd in the means"
        yield Finding("KX210", "note", "likelihood", reason, "calibrate: an error that all nets share is not seen")
    elif posterior.gate is not None and (estimate := posterior.gate.get("estimated")) is not None:
        reason = f"the error of the stationary law is estimated as {float(estimate):.2g} at the posterior's mean"
        mend = "where a proven bound is needed, read the cells with a late finite time"
        yield Finding("KX207", "note", "likelihood", reason, mend)


def _edges(posterior: PosteriorDraws) -> Iterator[Finding]:
    w = posterior.flat_weights
    for i, name in enumerate(posterior.names):
        prior, x = posterior.prior[name], posterior.flat[:, i]
        for what, (low, high) in _ends(posterior, name).items():
            log = prior.log_scale and low > 0
            v, a, b = (np.log(x), np.log(low), np.log(high)) if log else (x, low, high)
            reach = NEAR * (b - a)
            below = (
                reach if low != 0 else min(reach, _spread(x, w))
            )  # 0 bounds every rate: only a posterior on it counts
            for end, mass in ((low, float(w @ (v < a + below))), (high, float(w @ (v > b - reach)))):
                if mass > EDGE and not (end == 0 and getattr(prior, "whole", False)):  # no count lies below 0
                    reason = f"{100 * mass:.1f} % of the posterior lies at the end {end:g} of its {what}"
                    mend = (
                        f"widen the {what}, or fix {name!r} by other knowledge: this end bounds it, not the data alone"
                    )
                    yield Finding("KX202", "warning", name, reason, mend)


def _ends(posterior: PosteriorDraws, name: str) -> dict[str, tuple[float, float]]:
    """The finite ends a parameter has: of its prior and, where narrower, of a net's training box."""
    low, high = posterior.prior[name].bounds()
    found = {"prior": (low, high)} if np.isfinite([low, high]).all() else {}
    box = posterior.likelihood.get("box") or {}
    if name in box:
        start, end = map(float, box[name])
        if "prior" not in found or start > low or end < high:
            found["training box"] = (start, end)
    return found


def _ridges(posterior: PosteriorDraws) -> Iterator[Finding]:
    if len(posterior.names) < 2:
        return
    correlation = log_correlation(posterior)
    single = len(posterior.data.times) == 1
    for i, j in combinations(range(len(posterior.names)), 2):
        if abs(r := float(correlation[i, j])) > RIDGE:
            first, second = posterior.names[i], posterior.names[j]
            known = f"{first} / {second}" if r > 0 else f"{first} * {second}"
            reason = f"correlation {r:.3f} in the logarithm: the data fix about {known}"
            reason += f"{_known_as(posterior, i, j, -1 if r > 0 else 1)}, neither alone"
            why = "cells at one time in a steady state fix only ratios of rates" if single else "they act alike"
            mend = f"fix one of them, or add {'times' if single else 'other species or times'}: {why}"
            yield Finding("KX203", "warning", f"{first}, {second}", reason, mend)
    if np.abs(correlation - np.eye(len(correlation))).max() <= RIDGE:
        yield from _ridge_of_many(posterior, correlation)


def _known_as(posterior: PosteriorDraws, i: int, j: int, power: int) -> str:
    """The median and the middle 90 % of the i-th parameter times a power of the j-th, where both are positive."""
    first, second = posterior.flat[:, i], posterior.flat[:, j]
    if not ((first > 0) & (second > 0)).all():
        return ""
    low, middle, high = weighted_quantile(first * second**power, posterior.flat_weights, np.array([0.05, 0.5, 0.95]))
    return f" ({middle:.3g}; 90 % from {low:.3g} to {high:.3g})"


def _ridge_of_many(posterior: PosteriorDraws, correlation: Array) -> Iterator[Finding]:
    """Three or more parameters of which the data fix one combination far better than any of them."""
    moving = [i for i in range(len(correlation)) if correlation[i, i] > 0]
    values, vectors = np.linalg.eigh(correlation[np.ix_(moving, moving)])
    if len(moving) < 3 or values[0] > 1 - RIDGE:
        return
    names = [posterior.names[i] for i in moving]
    together = [name for name, v in zip(names, vectors[:, 0], strict=True) if abs(v) > SHARED]
    if len(together) < 3 or not (posterior.flat[:, moving] > 0).all():
        return
    logs, w = np.log(posterior.flat[:, moving]), posterior.flat_weights
    exponents = vectors[:, 0] / np.sqrt(w @ (logs - w @ logs) ** 2)
    exponents *= np.sign(exponents[np.abs(exponents).argmax()])
    known = product_of({n: float(e) for n, e in zip(names, exponents, strict=True) if n in together})
    narrow = np.sqrt(max(float(values[0]), 0.0))
    reason = f"the data fix about {known}, {1 / max(narrow, 1e-6):.2g} times as well as any of them alone"
    mend = "they act together: fix all but one of them, or add other species or times"
    yield Finding("KX203", "warning", ", ".join(together), reason, mend)


def log_correlation(posterior: PosteriorDraws) -> Array:
    """Weighted correlations of the draws, in the logarithm where all are positive: [P, P]; 0 for constants."""
    x = np.where((posterior.flat > 0).all(axis=0), np.log(np.maximum(posterior.flat, 1e-300)), posterior.flat)
    w = posterior.flat_weights
    centred = x - w @ x
    covariance = centred.T @ (centred * w[:, None])
    scale = np.sqrt(np.diagonal(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(covariance / np.outer(scale, scale)))


def _misfits(posterior: PosteriorDraws) -> Iterator[Finding]:
    found: tuple[Any, ...] = () if posterior.predictive is None else posterior.predictive.misfits()
    for m in found[:SHOWN]:
        reason = (
            f"observed {m.observed:.4g}, but 90 % of new data sets lie from {m.low:.4g} to {m.high:.4g} "
            f"(z = {m.z:.1f}, p = {m.p_value:.2g})"
        )
        mend = "the model misses something about these cells: its rates may be wrong though well determined"
        yield Finding("KX204", "warning", f"{m.statistic} of {m.species} at t = {m.time:g}", reason, mend)
    if len(found) > SHOWN:
        reason = f"{len(found) - SHOWN} more statistics are not explained"
        yield Finding("KX204", "warning", "predictive check", reason)


def _uninformed(posterior: PosteriorDraws) -> Iterator[Finding]:
    for name, learnt in zip(posterior.names, contraction(posterior), strict=True):
        if (ratio := float(np.sqrt(max(1 - learnt, 0.0)))) > NARROWED:
            reason = f"its posterior is {100 * ratio:.0f} % as wide as its prior: the data say hardly anything about it"
            yield Finding("KX206", "warning", name, reason, "fix it by other knowledge, or measure what depends on it")


def _few_cells(posterior: PosteriorDraws) -> Iterator[Finding]:
    counted, parameters = int(posterior.data.cells_at.sum()), len(posterior.names)
    if counted < FEW * parameters:
        reason = f"{counted} counts of cells for {parameters} parameters: single cells and the prior decide"
        yield Finding("KX208", "warning", "data", reason, "measure more cells, or fix parameters by other knowledge")


def _divergences(posterior: PosteriorDraws) -> Iterator[Finding]:
    told = posterior.meta.get("divergences") or {}
    if count := int(told.get("count", 0)):
        reason = f"{count} of {int(told['of'])} steps of nuts diverged: it may not reach corners of the posterior"
        mend = 'compare with sampler="emcee", or fix parameters by other knowledge'
        yield Finding("KX209", "warning", "chains", reason, mend)


def _spread(x: Array, w: Array, *, log: bool = False) -> float:
    v = np.log(np.maximum(x, 1e-300)) if log else x
    return float(np.sqrt(w @ (v - w @ v) ** 2))
