"""Problems put to the general net: its laws at the asked times, and how far each is expected to be off."""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from kinetix.constructs import require
from kinetix.distribution import Distribution
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.findings import Finding
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.solvers.nets.mixture import starts_of

from .answer import answer, mixed
from .general_law import GeneralLaw
from .net import Core
from .saved import GeneralWeights
from .structure import Structure
from .trust import Scale, Trust, together, trusts

Integers = NDArray[np.int64]

MOST_STARTS = 4096
"""Most states of an initial law."""

LOOKED_AT = 8
"""Starts of a random initial law whose answers are checked."""


class DoubtfulAnswerWarning(UserWarning):
    """The general model's own checks say that an answer may be far off."""


def solved(
    net: GeneralWeights,
    problem: Problem,
    *,
    rng: np.random.Generator,
    solver: object,
    trust: bool,
) -> Solution:
    """The laws at the problem's times, `GeneralLaw`s, as the answer of `solver`; checked where `trust`.

    `meta["net"]` has the SHA-256 of the weights; `meta["trust"]`, for every time > 0, the estimated Hellinger distance
    to the exact law and a flag (see `trust`). Anything but "good" is a finding (KX303), "poor" a warning too. Networks
    outside the family and counts beyond the net's windows are refused by name. From a random initial law the answers
    are mixtures over its states, and trust is that of up to `LOOKED_AT` of these.
    """
    started = time.process_time()
    network = problem.model.network
    require(network, "general")
    problem.require_finite("general")
    structure, (starts, weights) = Structure.of(problem.model), _starts(problem)
    seed = int(rng.integers(2**62))
    laws: list[Distribution] = []
    for t in problem.times.tolist():
        if t == 0:
            laws.append(problem.initial)
        elif len(starts) > 1 or weights[0] < 1:
            laws.append(mixed(net.core, structure, problem.theta, starts, weights, t, seed))
        else:
            stated = answer(net.core, structure, problem.theta, starts[0], t)
            laws.append(GeneralLaw(stated.net, stated.context, seed))
    told: list[Trust] = []
    if trust:
        told = _trusts(net.core, Scale.of(net.certificate), structure, problem, _some(starts, weights))
    meta = provenance(solver, network, started, certificate=dict(net.certificate))
    meta["net"] = net.digest
    meta["trust"] = [asdict(one) for one in told]
    meta["findings"] = [*meta["findings"], *(asdict(found) for found in _doubts(told))]
    if poor := [one.time for one in told if one.flag == "poor"]:
        reason = f"the general model's answer at t = {poor[0]:g} may be far off; see meta['trust']"
        warnings.warn(reason, DoubtfulAnswerWarning, stacklevel=3)
    return Solution.of(problem, laws, meta=meta)


def _starts(problem: Problem) -> tuple[Integers, NDArray[np.float64]]:
    """Initial counts [K, S] and their probabilities [K]."""
    starts, weights = starts_of(problem.initial)
    if not len(starts):
        raise SettingError("the initial law has no state of any probability", place="initial")
    if len(starts) > MOST_STARTS:
        reason = f"the initial law has {len(starts)} states, more than {MOST_STARTS}"
        raise UnsupportedFeature(reason, place="initial", mend="use fsp or ssa")
    return starts, weights


def _some(starts: Integers, weights: NDArray[np.float64]) -> Integers:
    """Starts that weigh about the same: at even steps through all of them, [up to `LOOKED_AT`, S]."""
    if len(starts) <= 1:
        return starts
    steps = (np.arange(LOOKED_AT) + 0.5) / LOOKED_AT * weights.sum()
    return np.asarray(starts[np.minimum(np.searchsorted(np.cumsum(weights), steps), len(starts) - 1)])


def _trusts(core: Core, scale: Scale | None, structure: Structure, problem: Problem, starts: Integers) -> list[Trust]:
    times, each = problem.times[problem.times > 0], len(starts)
    if not len(times):
        return []
    thetas, asked = np.tile(problem.theta, (len(times) * each, 1)), np.repeat(times, each)
    found = trusts(core, scale, structure.at(thetas, np.tile(starts, (len(times), 1)), asked), asked.tolist())
    return found if each == 1 else [together(scale, found[k : k + each]) for k in range(0, len(found), each)]


def _doubts(told: list[Trust]) -> list[Finding]:
    """One finding, for the worst answer that is not good."""
    doubtful = [one for one in told if one.flag != "good"]
    if not doubtful:
        return []
    worst = max(doubtful, key=lambda one: one.distance)
    reason = f"the law at t = {worst.time:g} is {worst.flag}: about {worst.distance:.2g} from the exact one (Hellinger)"
    return [Finding("KX303", "warning", "answer", reason, "use fsp or ssa, or adapt the net to this network")]
