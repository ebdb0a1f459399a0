"""Approximate trajectories by leaps over many events, where counts are high enough for that to pay.

Choose it for counts above some thousands, where trajectories event by event take too long and noise
still matters; below that it does not leap and is exact. Step selection by Y. Cao, D. T. Gillespie,
L. R. Petzold, J. Chem. Phys. 124 (2006) 044109, doi:10.1063/1.2159468; critical reactions and no
negative counts as in J. Chem. Phys. 123 (2005) 054104, doi:10.1063/1.1992473.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kinetix.constructs import require
from kinetix.errors import SettingError
from kinetix.problem import Problem
from kinetix.solution import Solution

from .parallel import cores
from .paths import costs, engines, native, pilot
from .paths.leaps import Leaping, limits
from .ssa import MAX_SECONDS, require_settings, sampled

__all__ = ["Leaping", "TauLeaping", "limits"]

Integers = NDArray[np.int64]
Mode = Literal["auto", "leap", "exact"]

LEAP, LEAP_REACTION, SINGLE = 2e-7, 6e-8, 1e-7
"""Seconds a leap takes, and more for each reaction; seconds of an event drawn singly."""

PILOT = 10_000
"""Steps of the pilot that predicts the cost of leaping."""

MAX_STEPS = 10_000_000
"""Leaps and single events allowed to one trajectory by default."""


@dataclass(frozen=True)
class TauLeaping:
    """Trajectories by leaps.

    `paths` trajectories; `epsilon`, the relative change of a propensity that a leap may bring (0.03:
    means and standard deviations within about 2 %); `max_steps`, leaps and single events, allowed to
    each; `threads` and `max_seconds` as for SSA. `mode` "auto" leaps where that is predicted to be cheaper than exact
    trajectories, which are otherwise what it gives; `meta["method"]` says which. `mode` "leap" always
    tries to leap, "exact" never.
    """

    paths: int = 10_000
    epsilon: float = 0.03
    mode: Mode = "auto"
    max_steps: int = MAX_STEPS
    threads: int | None = None
    max_seconds: float | None = MAX_SECONDS

    def __post_init__(self) -> None:
        require_settings(self, ("paths", "max_steps", "threads"), "tau-leaping")
        if not 0 < self.epsilon < 1:
            raise SettingError(f"epsilon is {self.epsilon!r}", place="tau-leaping", mend="give a number in (0, 1)")
        if self.mode not in ("auto", "leap", "exact"):
            raise SettingError(f"unknown mode {self.mode!r}", place="tau-leaping", mend="use auto, leap or exact")

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """Trajectories [n, T, S] and their empirical law; `meta` says the method, and the leaps and events it took.

        RunError where it would cost more than the settings allow: before it starts, where that is predicted.
        """
        require(problem.model.network, "tau-leaping")
        asked = self._asked
        costs.require_room(problem, asked)
        leaping = Leaping(problem.model, self.epsilon)
        found, events = self._leaps(problem, leaping)
        engine: engines.Engine | engines.Choice = "auto"
        if found is None:
            events = costs.require_affordable(problem, asked) or events
        else:
            costs.require_time(problem, asked, found)
            engine = engines.Choice(["leaps"], leaping.run, leaping.chunk)
        answer = sampled(self, problem, rng=rng, budget=self.max_steps, engine=engine, found=events)
        facts: dict[str, Any] = {"method": "exact" if found is None else "leaps"}
        if found is not None:
            facts |= {"leaps": leaping.total, "events": answer.meta.get("events")}
        return answer.with_meta(**facts)

    def estimate(self, problem: Problem) -> costs.Cost:
        """Events, leaps, memory and seconds that `solve` will take, before any of it; see `Cost`."""
        require(problem.model.network, "tau-leaping")
        asked, (found, _) = self._asked, self._leaps(problem, Leaping(problem.model, self.epsilon))
        return costs.exact(problem, asked) if found is None else costs.cost(problem, asked, found)

    @property
    def _asked(self) -> costs.Asked:
        threads = self.threads or cores()
        return costs.Asked("tau-leaping", self.paths, self.max_steps, "max_steps", threads, self.max_seconds)

    def _leaps(self, problem: Problem, leaping: Leaping) -> tuple[costs.Prediction | None, pilot.Estimate | None]:
        """What leaps would cost, and the events of a path where pilots have told them.

        None where it will not leap: exact is asked for, or predicted to be cheaper.
        """
        start = problem.initial.sample(1, rng=np.random.default_rng(0))
        if self.mode == "leap":
            return self._leapt(problem, leaping, start[0]), None
        if self.mode == "exact" or not native.available() or not len(problem.model.change):
            return None, None
        asked = problem.model, problem.times, problem.theta[None], start
        found = pilot.estimate(*asked)
        if self.paths * found.events < 1e6 and found.known:
            return None, found
        found, threads = found.refined(*asked, 10**9), self.threads or cores()
        if self._exact(problem, found.events) < 1.0 * threads and not found.runs_away:
            return None, found  # the compile alone could cost as much
        leaps = self._leapt(problem, leaping, start[0])
        exact = self._exact(problem, leaps.events.events if leaps.events.known else found.events)
        return (leaps, None) if leaps.seconds + threads < exact else (None, found)

    def _exact(self, problem: Problem, events: float) -> float:
        """Seconds of exact trajectories by the engine that is best at many events."""
        return self.paths * events * (engines.LANES_EVENT + len(problem.model.change) * engines.LANES_REACTION)

    def _leapt(self, problem: Problem, leaping: Leaping, start: Integers) -> costs.Prediction:
        """What leaps would cost, by a pilot of at most `PILOT` steps."""
        one, R = leaping.pilot(problem.times, problem.theta, start, PILOT), len(problem.model.change)
        found = pilot.of_leaps(leaping, one, problem.times, problem.theta, start)
        share = 1.0 if found.known else 1.0 / found.seen
        leaps, singles = one.leaps * share, one.singles * share
        seconds = self.paths * (leaps * (LEAP + R * LEAP_REACTION) + singles * SINGLE)
        return costs.Prediction(found, leaps + singles, "leaps", seconds)
