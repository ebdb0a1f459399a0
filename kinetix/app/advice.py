"""Which solver fits a network and its times, and why: by what each can run and what it would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kinetix.constructs import RUNS, constructs, require
from kinetix.distribution import Fractional
from kinetix.errors import KinetixError
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem

PATHS = 10_000
"""Trajectories that the advice counts with: standard errors of a hundredth of a standard deviation."""

PATIENCE = 60.0
"""Seconds up to which a law is worth more than draws."""

LONG = 3600.0
"""Seconds of drawing beyond which trajectories are not advised."""

WHY = "exact draws, with standard errors"


@dataclass(frozen=True)
class Option:
    """One solver: whether it `fits`, its predicted cost in words and in seconds (None: not known), and why (not)."""

    solver: str
    fits: bool
    cost: str
    seconds: float | None
    why: str


@dataclass(frozen=True)
class Advice:
    """The solver that fits best, the reason in a sentence, and every option."""

    solver: str | None
    reason: str
    options: tuple[Option, ...]

    def __str__(self) -> str:
        rows = [(o.solver, "fits" if o.fits else "no", o.cost, o.why) for o in self.options]
        widths = [max(len(row[k]) for row in rows) for k in range(3)]
        lines = [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
        return "\n".join([f"advice: {self.solver or 'no solver'}: {self.reason}", *lines])


def advise(
    network: ReactionNetwork,
    times: ArrayLike,
    *,
    parameters: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
) -> Advice:
    """Which solver to choose for the laws at `times`: nothing is solved, only short pilots are run."""
    problem = Problem.of(network, times, parameters=parameters, initial=initial)
    if np.isinf(problem.times[-1]):
        return _stationary(problem)
    options = tuple(_option(name, problem) for name in RUNS)
    known = {option.solver: option for option in options}
    fsp, ssa, leaping = known["fsp"], known["ssa"], known["tau-leaping"]
    if fsp.fits and (fsp.seconds is None or fsp.seconds <= PATIENCE or not ssa.fits):
        return Advice("fsp", "the likely counts fit in memory: the law itself, with a proven error", options)
    if leaping.fits and (ssa.seconds is None or ssa.seconds > PATIENCE):
        return Advice("tau-leaping", "trajectories have so many events that leaps over them pay", options)
    if ssa.fits:
        return Advice("ssa", "trajectories are exact at any number of species, and cheap enough here", options)
    if known["mean-field"].fits:
        return Advice("mean-field", "no stochastic solver runs or affords this model; this states means only", options)
    return Advice(None, "nothing runs this model as it stands: see its findings", options)


def _stationary(problem: Problem) -> Advice:
    """Only projection states the law at time = inf."""
    network, why = problem.model.network, "knows no law at time = inf"
    others = tuple(Option(name, False, "", None, why) for name in RUNS if name != "fsp")
    if network.events or network.depends_on_time:
        return Advice(None, "with events, or laws that contain the time, no law stays", others)
    try:
        require(network, "fsp")
    except KinetixError as refusal:
        return Advice(None, str(refusal), others)
    fsp = Option("fsp", True, "not known before", None, "no error is proven of the stationary law")
    return Advice("fsp", "only projection states the stationary law", (fsp, *others))


def _option(name: str, problem: Problem) -> Option:
    network = problem.model.network
    for found in constructs(network):
        if found.construct not in RUNS[name]:
            return Option(name, False, "", None, f"cannot run {found.element}: {found.reason}")
    if isinstance(problem.initial, Fractional) and name != "mean-field":
        return Option(name, False, "", None, f"the start is no whole count: {problem.initial.culprit.rstrip(',')}")
    match name:
        case "fsp":
            return _fsp(problem)
        case "ssa" | "tau-leaping":
            return _paths(name, problem)
        case "mean-field":
            return Option(name, True, "milliseconds", 0.01, "means only, right for large counts")
        case "linear-noise":
            return Option(name, True, "milliseconds", 0.05, "means and covariances, right for large counts")
        case "general":
            return _general(problem)
    what = "many rate vectors of one network" if name == "met" else "one law of many species"
    return Option(name, True, "training", None, f"to be trained first: for {what}")


def _fsp(problem: Problem) -> Option:
    from kinetix.solvers.fsp import FSP

    if problem.model.network.events or problem.model.network.depends_on_time:
        return Option("fsp", True, "not known before", None, "events or laws that contain the time")
    try:
        cost = FSP().estimate(problem)
    except KinetixError as refusal:
        return Option("fsp", False, "", None, str(refusal))
    words = (
        f"{cost.states:,} states{' on a list' if cost.listed else ''}, {cost.memory / 1e6:.3g} MB, {cost.seconds:.2g} s"
    )
    return Option("fsp", cost.refusal is None, words, cost.seconds, cost.refusal or "the law, with a proven error")


def _general(problem: Problem) -> Option:
    from kinetix.solvers.general.structure import Structure

    try:
        Structure.of(problem.model).at(problem.theta, problem.model.initial, 1.0)
    except KinetixError as refusal:
        return Option("general", False, "", None, str(refusal))
    return Option(
        "general", True, "milliseconds", 0.1, "the law, approximate, with a flag that says how far to trust it"
    )


def _paths(name: str, problem: Problem) -> Option:
    from kinetix.solvers.ssa import SSA
    from kinetix.solvers.tau_leaping import TauLeaping

    try:
        if name == "ssa":
            cost = SSA(paths=PATHS, max_seconds=LONG).estimate(problem)
        else:
            cost = TauLeaping(paths=PATHS, max_seconds=LONG).estimate(problem)
    except KinetixError as refusal:
        return Option(name, False, "", None, str(refusal))
    words = f"{cost.events:,.3g} events a path, {cost.memory / 1e6:.3g} MB, {cost.seconds:.2g} s for {PATHS:,} paths"
    if name == "ssa":
        return Option(name, cost.refusal is None, words, cost.seconds, cost.refusal or WHY)
    if cost.engine != "leaps":
        return Option(name, False, words, cost.seconds, "exact trajectories are cheaper here")
    words = f"{cost.steps:,.3g} leaps and events a path, {words.partition(', ')[2]}"
    return Option(name, cost.refusal is None, words, cost.seconds, cost.refusal or "leaps over many events pay")
