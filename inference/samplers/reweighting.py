"""The exact stage: what the exact likelihood says about draws made under a nearly right one.

A gate first: exact weights at a few dozen draws tell whether the net is near enough *here* (box averages
say little about one posterior). Then a correction: more draws, weighed exactly, stand for the posterior
of the exact likelihood. Both by Pareto-smoothed importance sampling: A. Vehtari, D. Simpson, A. Gelman,
Y. Yao, J. Gabry, JMLR 25 (2024) 72.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import KinetixError, RunError
from kinetix.inference.diagnostics import efficiency, pareto_smoothed

Array = NDArray[np.float64]
LogLikelihood = Callable[[Array], Array]
Told = Callable[[float], None]

GATE = 50
"""Draws at which the gate asks the exact likelihood."""

PARETO, EFFICIENCY = 0.7, 0.5
"""What the gate asks: Pareto k below, efficiency from."""

LEAST = 100
"""Effective draws that a correction must leave."""

BATCH = 25
"""Draws that the exact likelihood is asked for at once."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """What the exact stage found: the record for `Posterior.gate`, and weights [N] where it corrected."""

    gate: dict[str, Any]
    weights: Array | None = None


@dataclass(frozen=True, eq=False)
class Gate:
    """The first draws, `order[:n]` of all, held against the exact likelihood: log `ratios` [n], and the `record`."""

    order: NDArray[np.intp]
    ratios: Array
    record: dict[str, Any]

    @property
    def efficiency(self) -> float:
        """The share of these draws that exact weights leave."""
        return float(self.record["efficiency"])


def open_gate(exact: LogLikelihood, draws: Array, fit: Array, *, name: str, rng: np.random.Generator) -> Gate:
    """Ask the exact likelihood at a few of the `draws` [N, P], whose log-likelihoods under the net are `fit` [N]."""
    order = rng.permutation(len(draws))
    first = _ratios(exact, draws, fit, order[:GATE])
    k, share = judged(first)
    record = {"exact": name, "certified": bool(k < PARETO and share >= EFFICIENCY), "corrected": False}
    told = {"draws": len(first), "pareto_k": k, "efficiency": share, "evaluations": len(first)}
    return Gate(order, first, record | told)


def weigh(
    exact: LogLikelihood,
    draws: Array,
    fit: Array,
    *,
    name: str,
    correct: int,
    rng: np.random.Generator,
    told: Told | None = None,
) -> Weighed:
    """Gate the `draws` [N, P], whose log-likelihoods under the net are `fit` [N], and correct them.

    `correct` is the number of effective exact draws aimed at; 0 for the gate alone. The number really
    weighed grows as the gate's efficiency falls, up to four times. Never raises for a solver that cannot
    answer: the gate then says so and certifies nothing.
    """
    try:
        gate = open_gate(exact, draws, fit, name=name, rng=rng)
    except KinetixError as problem:
        return Weighed(unanswered(name, problem))
    return reweighed(gate, exact, draws, fit, correct=correct, told=told)


def reweighed(
    gate: Gate, exact: LogLikelihood, draws: Array, fit: Array, *, correct: int, told: Told | None = None
) -> Weighed:
    """The correction by exact weights of more draws, after the gate: see `weigh`."""
    order, first, record = gate.order, gate.ratios, gate.record
    if not correct:
        return Weighed(record)
    n = min(len(draws), max(len(first), round(correct / max(gate.efficiency, 0.25))))
    try:
        rest = _ratios(exact, draws, fit, order[len(first) : n], told=told)
    except KinetixError as problem:
        return Weighed({**record, "certified": False, "reason": _told(problem)})
    ratios = np.concatenate([first, rest])
    if not np.isfinite(ratios).any():
        return Weighed({**record, "evaluations": len(ratios), "reason": "the exact likelihood is 0 at every draw"})
    weights, k = pareto_smoothed(ratios)
    left = efficiency(weights) * len(weights)
    record = record | {
        "method": "reweighting",
        "evaluations": len(ratios),
        "corrected": bool(k < PARETO and left >= min(LEAST, correct / 4)),
        "corrected_pareto_k": k,
        "corrected_efficiency": left / len(weights),
        "corrected_draws": round(left),
    }
    if not record["corrected"]:
        reason = f"{len(ratios)} exact weights are worth {left:.0f} draws (Pareto k {k:.2f}): too few to correct by"
        return Weighed({**record, "reason": reason})
    whole = np.zeros(len(draws))
    whole[order[:n]] = weights
    return Weighed(record, whole)


def unanswered(name: str, problem: KinetixError) -> dict[str, Any]:
    """The gate where the exact solver `name` could not answer."""
    return {"exact": name, "certified": False, "corrected": False, "reason": _told(problem)}


def _told(problem: KinetixError) -> str:
    return f"the exact solver could not answer: {problem.reason}"


def not_checked(reason: str) -> dict[str, Any]:
    """The gate of a likelihood that is not exact and was compared with none that is."""
    return {"certified": False, "corrected": False, "reason": reason}


def _ratios(
    exact: LogLikelihood, draws: Array, fit: Array, chosen: NDArray[np.intp], *, told: Told | None = None
) -> Array:
    """Log of exact over given likelihood at the chosen draws; equal draws are asked for once."""
    states, back = np.unique(draws[chosen], axis=0, return_inverse=True)
    found = []
    for at in range(0, len(states), BATCH):
        found.append(exact(states[at : at + BATCH]))
        if told is not None:
            told(min(1.0, (at + BATCH) / len(states)))
    values = np.concatenate(found) if found else np.zeros(0)
    ratios = np.asarray(values[back.ravel()] - fit[chosen])
    if np.isnan(ratios).any():
        raise RunError("a likelihood ratio is not a number", place="exact stage")
    return ratios


def judged(ratios: Array) -> tuple[float, float]:
    """Pareto k and efficiency of log ratios; no weight at all is an efficiency of 0."""
    if not np.isfinite(ratios).any():
        return float("inf"), 0.0
    weights, k = pareto_smoothed(ratios)
    return (float("inf") if np.isnan(k) else k), efficiency(weights)
