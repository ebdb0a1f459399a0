"""Approximate trajectories by leaps over many events, where counts are high enough for that to pay.

Choose it for counts above some thousands, where trajectories event by event take too long and noise
still matters; below that it does not leap and is exact. Step selection by Y. Cao, D. T. Gillespie,
L. R. Petzold, J. Chem. Phys. 124 (2006) 044109, doi:10.1063/1.2159468; critical reactions and no
negative counts as in J. Chem. Phys. 123 (2005) 054104, doi:10.1063/1.1992473.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.constructs import require
from kinetix.errors import SettingError
from kinetix.expressions import symbol
from kinetix.problem import Problem
from kinetix.solution import Solution

from .parallel import cores
from .paths import engines, kernels, native, pilot, tabled
from .paths.laws import Law, laws_of
from .ssa import sampled

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Mode = Literal["auto", "leap", "exact"]

LEAP, LEAP_REACTION, SINGLE = 2e-7, 6e-8, 1e-7
"""Seconds a leap takes, and more for each reaction; seconds of an event drawn singly."""

STEEP = 4.0
"""Order taken for a law of which nothing better is known."""

PILOT = 10_000
"""Steps of the pilot that predicts the cost of leaping."""

MAX_STEPS = 10_000_000
"""Leaps and single events allowed to one trajectory by default."""


@dataclass(frozen=True)
class TauLeaping:
    """Trajectories by leaps.

    `paths` trajectories; `epsilon`, the relative change of a propensity that a leap may bring (0.03:
    means and standard deviations within about 2 %); `max_steps`, leaps and single events, allowed to
    each; `threads` as for SSA. `mode` "auto" leaps where that is predicted to be cheaper than exact
    trajectories, which are otherwise what it gives; `meta["method"]` says which. `mode` "leap" always
    tries to leap, "exact" never.
    """

    paths: int = 10_000
    epsilon: float = 0.03
    mode: Mode = "auto"
    max_steps: int = MAX_STEPS
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("paths", "max_steps", "threads"):
            value = getattr(self, name)
            if value is None and name == "threads":
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise SettingError(f"{name} is {value!r}", place="tau-leaping", mend="give a whole number >= 1")
        if not 0 < self.epsilon < 1:
            raise SettingError(f"epsilon is {self.epsilon!r}", place="tau-leaping", mend="give a number in (0, 1)")
        if self.mode not in ("auto", "leap", "exact"):
            raise SettingError(f"unknown mode {self.mode!r}", place="tau-leaping", mend="use auto, leap or exact")

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """Trajectories [n, T, S] and their empirical law; `meta` says the method, and the leaps and events it took."""
        require(problem.model.network, "tau-leaping")
        leaping = Leaping(problem.model, self.epsilon)
        leaps = self.mode == "leap" or (self.mode == "auto" and self._pays(problem, leaping))
        engine: engines.Engine | engines.Choice = "auto"
        if leaps:
            engine = engines.Choice(["leaps"], leaping.run, leaping.chunk)
        answer = sampled(self, problem, rng=rng, budget=self.max_steps, engine=engine)
        facts: dict[str, Any] = {"method": "leaps" if leaps else "exact"}
        if leaps:
            facts |= {"leaps": leaping.total, "events": answer.meta.get("events")}
        return answer.with_meta(**facts)

    def _pays(self, problem: Problem, leaping: Leaping) -> bool:
        """Whether leaps are predicted to be cheaper than exact trajectories, by pilots of both."""
        if not native.available() or not len(problem.model.change):
            return False
        starts = problem.initial.sample(1, rng=np.random.default_rng(0))
        thetas = problem.theta[None]
        found = pilot.estimate(problem.model, problem.times, thetas, starts)
        if self.paths * found.events < 1e6 and found.known:
            return False
        found = found.refined(problem.model, problem.times, thetas, starts, 10**9)
        threads = self.threads or cores()
        n, R = self.paths, len(problem.model.change)
        exact = n * found.events * (engines.LANES_EVENT + R * engines.LANES_REACTION)
        if exact < 1.0 * threads:
            return False  # the compile alone could cost as much
        leap, single = leaping.cost(problem, starts)
        return n * (leap * (LEAP + R * LEAP_REACTION) + single * SINGLE) + threads < exact


class Rules(NamedTuple):
    """What limits a leap, for every species [S]; then memory.

    `order`: the highest order of a reaction whose law it is in (0: in none); `same`: how many of its
    molecules meet there; `upper`: the count above which a law turns negative. `number` [R], `before` [3 S].
    """

    order: Array
    same: Array
    upper: Array
    number: Array
    before: Array


@dataclass(eq=False)
class Leaping:
    """The leaping kernel on one model; it counts the leaps."""

    model: CompiledModel
    epsilon: float
    total: int = 0
    chunk: int = 16
    _rules: tuple[Array, Array, Array] = field(init=False)

    def __post_init__(self) -> None:
        self._rules = limits(self.model)

    def run(self, *arguments: Any) -> None:
        """A chunk of trajectories; arguments as those of `lanes.lane_kernel`."""
        leaps = np.zeros(len(arguments[2]), dtype=np.int64)
        self._call(arguments, leaps)
        self.total += int(leaps.sum())

    def cost(self, problem: Problem, starts: NDArray[np.int64]) -> tuple[float, float]:
        """Leaps and single events that a trajectory is predicted to take, from one of at most `PILOT` steps."""
        end, S, one = problem.times[-1:].copy(), starts.shape[1], np.zeros(1, dtype=np.int64)
        out, report, when = np.zeros((1, 1, S), dtype=np.int64), np.zeros(3 + S, dtype=np.int64), np.zeros(1)
        low, high = (np.uint64(word) for word in pilot.ROOT)
        theta, start = np.array(problem.theta[None], order="C"), np.array(starts, order="C")
        fired, leaps, singles = one - 1, one.copy(), one.copy()
        self._call((end, theta, start, 0, low, high, PILOT, one, out, report, when, fired), leaps, singles)
        share = 1.0 if report[0] == kernels.FINISHED else float(end[0]) / max(float(when[0]), 1e-300)
        return float(leaps[0]) * share, float(singles[0]) * share

    def _call(self, arguments: tuple[Any, ...], leaps: Integers, singles: Integers | None = None) -> None:
        from .paths.leap_kernel import run

        P, m, (R, S) = arguments[1].shape[1], tabled.tables(self.model), self.model.change.shape
        rules = Rules(*self._rules, np.zeros(R), np.zeros(3 * S))
        alone = np.zeros(len(leaps), dtype=np.int64) if singles is None else singles
        run(*arguments, leaps, alone, self.epsilon, m, rules, *tabled.memory(m, S, P, 1))


def limits(model: CompiledModel) -> tuple[Array, Array, Array]:
    """Order, same and upper of every species (see `Rules`): [S] each."""
    S = model.change.shape[1]
    order, same, upper = np.zeros(S), np.ones(S), np.full(S, np.inf)
    for law in laws_of(model.network):
        for s, (degree, alike) in _degrees(law, model).items():
            order[s], same[s] = max((order[s], same[s]), (degree, alike))
        for factor in law.factors or ():
            if factor.slope < 0:
                upper[factor.species] = min(upper[factor.species], factor.offset / -factor.slope)
    return order, same, upper


def _degrees(law: Law, model: CompiledModel) -> dict[int, tuple[float, float]]:
    """{species: (order of the law, molecules of the species that meet)}."""
    if law.factors is not None:
        alike = {f.species: sum(g.species == f.species for g in law.factors) for f in law.factors}
        return {s: (float(len(law.factors)), float(min(n, 3))) for s, n in alike.items()}
    names = model.network.species_names
    found = {s for s, name in enumerate(names) if symbol(name) in law.rest.free_symbols}
    powers = [p.exp for p in law.rest.atoms(sympy.Pow) if p.exp.is_number]
    steep = max([2.0, *(abs(float(p)) for p in powers)]) if not law.rest.has(sympy.exp) else STEEP
    return {s: (max(steep, float(len(found))), 1.0) for s in found}
