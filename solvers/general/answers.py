"""Problems put to the general net: its laws at the asked times, and how far each is expected to be off."""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinetix.constructs import require
from kinetix.distribution import Distribution, PointMass
from kinetix.errors import UnsupportedFeature
from kinetix.findings import Finding
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution

from .answer import answer
from .family import Structure
from .general_law import GeneralLaw
from .trust import Trust, trusts

if TYPE_CHECKING:
    from kinetix.solvers.general_model import General

    from .saved import GeneralNetwork


class DoubtfulAnswerWarning(UserWarning):
    """The general model's own checks say that an answer may be far off."""


def solved(net: GeneralNetwork, problem: Problem, *, rng: np.random.Generator, settings: General) -> Solution:
    """The laws at the problem's times, `GeneralLaw`s.

    `meta["net"]` has the SHA-256 of the weights; `meta["trust"]`, for every time > 0, the estimated Hellinger distance
    to the exact law and a flag (see `trust`). Anything but "good" is a finding (KX303), "poor" a warning too. Networks
    outside the family, random initial laws and counts beyond the net's windows are refused by name.
    """
    started = time.process_time()
    network = problem.model.network
    require(network, "general")
    problem.require_finite("general")
    structure, start = Structure.of(problem.model), _start(problem)
    seed = int(rng.integers(2**62))
    laws: list[Distribution] = []
    for t in problem.times.tolist():
        stated = answer(net.core, structure, problem.theta, start, t) if t > 0 else None
        laws.append(problem.initial if stated is None else GeneralLaw(stated.net, stated.context, seed))
    told = _trusts(net, structure, problem, start) if settings.trust else []
    meta = provenance(settings, network, started, certificate=dict(net.certificate))
    meta["net"] = net.digest
    meta["trust"] = [asdict(one) for one in told]
    meta["findings"] = [*meta["findings"], *(asdict(found) for found in _doubts(told))]
    if poor := [one.time for one in told if one.flag == "poor"]:
        reason = f"the general model's answer at t = {poor[0]:g} may be far off; see meta['trust']"
        warnings.warn(reason, DoubtfulAnswerWarning, stacklevel=3)
    return Solution.of(problem, laws, meta=meta)


def _start(problem: Problem) -> NDArray[np.int64]:
    if not isinstance(problem.initial, PointMass):
        reason = "the general model starts from given counts, not from a random initial law"
        raise UnsupportedFeature(reason, place="initial", mend="use fsp or ssa")
    return np.asarray(problem.initial.counts, dtype=np.int64)


def _trusts(net: GeneralNetwork, structure: Structure, problem: Problem, start: NDArray[np.int64]) -> list[Trust]:
    times = problem.times[problem.times > 0]
    if not len(times):
        return []
    many = (len(times), 1)
    return trusts(net, structure.at(np.tile(problem.theta, many), np.tile(start, many), times), times.tolist())


def _doubts(told: list[Trust]) -> list[Finding]:
    """One finding, for the worst answer that is not good."""
    doubtful = [one for one in told if one.flag != "good"]
    if not doubtful:
        return []
    worst = max(doubtful, key=lambda one: one.distance)
    reason = f"the law at t = {worst.time:g} is {worst.flag}: about {worst.distance:.2g} from the exact one (Hellinger)"
    return [Finding("KX303", "warning", "answer", reason, "use fsp or ssa, or adapt the net to this network")]
