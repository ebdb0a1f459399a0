"""The exact stage: from draws under a nearly right likelihood to the posterior under the exact one.

A gate asks the exact likelihood at 50 draws. Then the way that promises more effective draws for as many
exact likelihoods is taken: weights for more of the draws (`reweighting`), or sub-chains under the net whose
ends are accepted exactly (`sub_chains`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import KinetixError, SettingError

from .reweighting import LEAST, Gate, Weighed, not_checked, open_gate, reweighed, unanswered
from .sub_chains import Approximation, Stage, Walkers, shape_of, sub_chains

if TYPE_CHECKING:
    from kinetix.inference.likelihoods.contract import CellLikelihood
    from kinetix.inference.log_posterior import LogPosterior

Array = NDArray[np.float64]
Told = Callable[[Mapping[str, float]], None]

WAYS = ("auto", "reweighting", "sub-chains")
"""How draws are corrected."""

EXACT = 1e-4
"""The largest proven error (total variation) of laws whose likelihood is taken for exact."""

ESTIMATED = 1e-6
"""The same where the error is estimated and not proven: that of stationary laws; the posterior says so."""

WORTH = 0.9
"""What an exact likelihood buys by sub-chains, in effective draws, where the corrected net is a good guide."""

FEWEST = 200
"""Exact likelihoods from which sub-chains are worth their start."""


@dataclass(frozen=True, eq=False)
class Corrected:
    """What the exact stage found: the record for `Posterior.gate`; `weights` [C, n] of the draws, or new draws.

    `draws` [C, n, P] and `log_density` [C, n], where they are there, stand in for those of the chains.
    """

    gate: dict[str, Any]
    weights: Array | None = None
    draws: Array | None = None
    log_density: Array | None = None


def require_way(way: str) -> None:
    """SettingError for a way to correct that there is not."""
    if way not in WAYS:
        raise SettingError(f"correct_by is {way!r}", place="infer", mend=f"use one of {', '.join(WAYS)}")


def exact_stage(  # noqa: PLR0913 - the parts of one question
    target: LogPosterior,
    judge: CellLikelihood | None,
    u: Array,
    log_density: Array,
    *,
    aim: int,
    way: str,
    worth: float,
    rng: np.random.Generator,
    progress: Told | None = None,
) -> Corrected | None:
    """Nothing for an exact likelihood; the gate, and what corrects the draws where that can be, for others.

    `u` [C, n, P] are unconstrained draws with densities `log_density` [C, n] of the parameters themselves,
    worth as many effective draws as `worth` says; `aim` is the number of effective exact draws asked for.
    """
    flat = target.constrained(u.reshape(-1, u.shape[2]))
    if judge is not None and (refusal := foretold(judge, flat.mean(axis=0))):
        name = type(judge.solver).__name__
        reason = f"{name} was not asked, as it would give up by what it is predicted to cost: {refusal}"
        return Corrected({"exact": name, "refused": refusal, **not_checked(reason)})
    asked = judge or target.likelihood
    why, estimate = not_exact(asked, flat.mean(axis=0))
    if why:
        name = type(asked.solver).__name__
        return Corrected(not_checked(f"{name} {why}" + ("" if judge else ", and no exact solver was asked")))
    if judge is None:
        return None if estimate is None else Corrected({"certified": True, "corrected": False, "estimated": estimate})

    def told(share: float) -> None:
        if progress is not None:
            progress({"fraction": share, "exact likelihoods": share})

    fit = log_density.ravel() - target.log_prior(flat)
    found = _corrected(target, judge, u, flat, fit, aim, way, worth, rng, told)
    return found if estimate is None else replace(found, gate={**found.gate, "estimated": estimate})


def _corrected(  # noqa: PLR0913, PLR0917 - the parts of one question
    target: LogPosterior,
    judge: CellLikelihood,
    u: Array,
    flat: Array,
    fit: Array,
    aim: int,
    way: str,
    worth: float,
    rng: np.random.Generator,
    told: Callable[[float], None],
) -> Corrected:
    name = type(judge.solver).__name__
    try:
        gate = open_gate(judge, flat, fit, name=name, rng=rng)
        if aim and takes_sub_chains(gate, aim, way, worth):
            return _by_sub_chains(target, judge, gate, u, aim, rng, told)
    except KinetixError as problem:
        return Corrected(unanswered(name, problem))
    weighed: Weighed = reweighed(gate, judge, flat, fit, correct=aim, told=told)
    return Corrected(weighed.gate, None if weighed.weights is None else weighed.weights.reshape(u.shape[:2]))


def takes_sub_chains(gate: Gate, evaluations: int, way: str, worth: float) -> bool:
    """Whether so many exact likelihoods buy more effective draws by sub-chains than by weights."""
    if way != "auto" or not np.isfinite(gate.ratios).any():
        return way == "sub-chains" and bool(np.isfinite(gate.ratios).any())
    weights = evaluations * gate.efficiency
    return evaluations >= FEWEST and 1 / (1 / max(weights, 1) + 1 / worth) < WORTH * (evaluations - len(gate.ratios))


def _by_sub_chains(
    target: LogPosterior,
    judge: CellLikelihood,
    gate: Gate,
    u: Array,
    evaluations: int,
    rng: np.random.Generator,
    told: Callable[[float], None],
) -> Corrected:
    """New draws: all exact likelihoods of the sub-chains, by weight, in as many chains as before."""
    chains, n = u.shape[:2]
    draws = u.reshape(chains * n, -1)
    walkers, rounds = shape_of(max(evaluations - len(gate.ratios), 6 * chains), chains)

    def ratio(v: Array) -> Array:
        thetas = target.constrained(v)
        return np.asarray(judge(thetas) - target.likelihood(thetas))

    known = Walkers(draws[gate.order[: len(gate.ratios)]], gate.ratios)
    net = Approximation(target, draws)
    stage = sub_chains(net, known, ratio, walkers=walkers, rounds=rounds, rng=rng, told=told)
    # chains side by side, as those of the sampler: [R, C, K / C] -> [C, R * K / C]
    order = np.arange(stage.weights.size).reshape(len(stage.weights), chains, -1).transpose(1, 0, 2).reshape(chains, -1)
    points = stage.u.reshape(-1, draws.shape[1])
    thetas = target.constrained(points)
    density = target.likelihood(thetas) + stage.ratio.ravel() + target.log_prior(thetas)
    record = gate.record | {"method": "sub-chains", "evaluations": len(gate.ratios) + walkers * rounds} | _told(stage)
    if not record["corrected"]:
        left = f"{record['evaluations']} exact likelihoods are worth {stage.effective:.0f} draws, too few to correct by"
        return Corrected({**record, "reason": stage.doubt() or left})
    return Corrected(record, stage.weights.ravel()[order], thetas[order], density[order])


def _told(stage: Stage) -> dict[str, Any]:
    """What the record says about sub-chains."""
    left = stage.effective
    return {
        "corrected": bool(left >= LEAST and stage.doubt() is None),
        "corrected_draws": round(left),
        "corrected_pareto_k": stage.guide[0],
        "corrected_efficiency": left / stage.weights[1:].size,
        "acceptance": stage.acceptance,
        "memory": stage.memory,
        "sub_chain_steps": stage.steps,
    }


def foretold(likelihood: CellLikelihood, theta: Array) -> str | None:
    """Why a solver that predicts its cost would refuse the laws at one parameter vector [P], long before it does.

    None where it predicts an answer, and where nothing is predicted (stationary laws, events).
    """
    predict = getattr(likelihood.solver, "estimate", None)
    if predict is None:
        return None
    try:
        refusal: str | None = predict(likelihood.at(theta)).refusal
    except KinetixError:
        return None  # the solver itself says what is wrong, when it is asked
    return refusal


def not_exact(likelihood: CellLikelihood, theta: Array) -> tuple[str | None, float | None]:
    """Why a solver is not to be taken for exact, asked for the error of its laws at one parameter vector.

    And the estimate of that error, where none is proven and that was judged.
    """
    if hasattr(likelihood.solver, "box"):
        return "is a net", None
    try:
        found = likelihood.solver.solve(likelihood.at(theta), rng=np.random.default_rng(likelihood.seed))
    except KinetixError as problem:
        return f"could not answer: {problem.reason}", None
    if found.error is not None:
        why = f"bounds the error of its laws by {found.error:.2g} only ({EXACT:g} is asked)"
        return (None if found.error <= EXACT else why), None
    *proven, _ = found.meta.get("error_by_time", [None])
    estimate = found.meta.get("stationary", {}).get("estimate")
    if estimate is None or not all(error <= EXACT for error in proven):
        return "bounds no error of its laws", None
    why = f"estimates the error of its stationary law as {estimate:.2g} ({ESTIMATED:g} is asked, as it is not proven)"
    return (None, float(estimate)) if estimate <= ESTIMATED else (why, None)
