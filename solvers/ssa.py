"""Exact trajectories: every reaction event drawn one by one, right in law at any count.

Choose it for any model, at any size: cost grows with the number of events, not of states. Where a
window of states fits in memory, the finite state projection gives the law itself instead of draws.
D. T. Gillespie, J. Phys. Chem. 81 (1977) 2340, doi:10.1021/j100540a008 (the direct method).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.compiler import CompiledModel
from kinetix.constructs import require
from kinetix.distribution import Sampled
from kinetix.errors import RunError, SettingError
from kinetix.jumps import Jumps
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution

from .drive import is_driven
from .parallel import Flag, cores, run_all
from .paths import costs, driven_paths, kernels, thinning
from .paths.engines import (
    ENGINES,
    UNFINISHED,
    WIDE,
    Choice,
    Engine,
    Task,
    choose,
    choose_with_events,
    counted,
)
from .paths.pilot import Estimate
from .paths.streams import draw_root

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Run = Callable[..., None]

MAX_EVENTS = 10_000_000
"""Events allowed to one trajectory by default: about 0.2 s of it."""

MAX_SECONDS = 600.0
"""Predicted seconds of CPU beyond which a request is refused by default."""


class Sampler(Protocol):
    """What `sampled` needs to know of a solver."""

    @property
    def paths(self) -> int:
        """The number of trajectories."""

    @property
    def threads(self) -> int | None:
        """The threads that draw them."""

    @property
    def max_seconds(self) -> float | None:
        """The seconds of CPU that they may be predicted to take."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what was done until then: `counts` [m, T, S] of the complete trajectories, and their `numbers`."""

    def __init__(self, counts: Counts, numbers: Counts) -> None:
        super().__init__(f"interrupted: {len(counts)} trajectories are complete")
        self.counts = counts
        self.numbers = numbers


@dataclass(frozen=True)
class SSA:
    """Exact trajectories by the direct method.

    `paths` trajectories; `max_events` allowed to each, after which the run stops and says so;
    `max_seconds` of CPU: a request predicted to take more is refused before it starts (None: never);
    `threads` (default: the cores at hand; the numbers do not depend on it). `engine` "auto" takes
    what should be done first: "numpy" for tiny questions, "tabled" (one kernel for all models) for
    most and for large networks, "lanes" (a lockstep kernel of the model's own) where many events pay
    for its compile; "scalar" is a kernel of the model's own, one trajectory at a time, "numba" any
    compiled one. All follow the same streams: the counts agree but for rounding, at about one waiting
    time in 10^10; within one engine they are the same bits for any threads and chunks. `meta` names the
    engine that ran. After Ctrl-C the answer holds the chunks of trajectories that were complete
    (`meta["end"]` is "interrupted"); without one, KeyboardInterrupt goes on.
    """

    paths: int = 10_000
    max_events: int = MAX_EVENTS
    threads: int | None = None
    engine: Engine = "auto"
    max_seconds: float | None = MAX_SECONDS

    def __post_init__(self) -> None:
        require_settings(self, ("paths", "max_events", "threads"), "ssa")
        if self.engine not in ENGINES:
            mend = f"use one of {', '.join(ENGINES)}"
            raise SettingError(f"unknown engine {self.engine!r}", place="ssa", mend=mend)

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """Trajectories [n, T, S] and their empirical law at each time; standard errors of the means in `meta`.

        RunError where it would cost more than the settings allow: before it starts, where that is predicted.
        """
        require(problem.model.network, "ssa")
        found = costs.require_affordable(problem, self._asked)
        return sampled(self, problem, rng=rng, budget=self.max_events, engine=self.engine, found=found)

    def estimate(self, problem: Problem) -> costs.Cost:
        """Events, memory and seconds that `solve` will take, before any of it; see `Cost`."""
        require(problem.model.network, "ssa")
        return costs.exact(problem, self._asked)

    @property
    def _asked(self) -> costs.Asked:
        threads = self.threads or cores()
        return costs.Asked("ssa", self.paths, self.max_events, "max_events", threads, self.max_seconds, self.engine)


def require_settings(solver: Sampler, whole: Sequence[str], place: str) -> None:
    """SettingError where one of the settings `whole` is no whole number >= 1, or `max_seconds` no time."""
    for name in whole:
        value = getattr(solver, name)
        if value is None and name == "threads":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise SettingError(f"{name} is {value!r}", place=place, mend="give a whole number >= 1")
    limit = solver.max_seconds
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, Real) or not limit > 0):
        raise SettingError(f"max_seconds is {limit!r}", place=place, mend="give a number > 0, or None for no limit")


def sampled(
    solver: Sampler,
    problem: Problem,
    *,
    rng: np.random.Generator,
    budget: int,
    engine: Engine | Choice,
    found: Estimate | None = None,
) -> Solution:
    """The answer of a solver that draws trajectories, by an engine; `found`: what pilots have told before."""
    require(problem.model.network, "ssa")
    started, n = time.process_time(), solver.paths
    starts = problem.initial.sample(n, rng=rng)
    thetas = np.broadcast_to(problem.theta, (n, len(problem.theta)))
    settings: dict[str, Any] = {"max_events": budget, "threads": solver.threads, "engine": engine, "found": found}
    facts: dict[str, Any] = {"end": "finished"}
    try:
        paths, changed = _simulate(problem.model, problem.times, thetas, starts, rng=rng, facts=facts, **settings)
    except Interrupted as stopped:
        if not len(stopped.counts):
            raise
        paths, changed, facts["end"] = stopped.counts, None, "interrupted"
    spread = paths.std(axis=0, ddof=1) if len(paths) > 1 else np.full(paths.shape[1:], np.nan)
    error = spread / np.sqrt(len(paths))
    meta = provenance(solver, problem.model.network, started, **facts, standard_error=error.tolist())
    laws = [Sampled(paths[:, k]) for k in range(len(problem.times))]
    return Solution.of(problem, laws, meta=meta, trajectories=paths, thetas=changed)


def simulate(  # noqa: PLR0913 - all but four are optional
    model: CompiledModel,
    times: ArrayLike,
    thetas: ArrayLike,
    starts: ArrayLike,
    *,
    rng: np.random.Generator,
    max_events: int = MAX_EVENTS,
    threads: int | None = None,
    engine: Engine | Choice = "auto",
    first: int = 0,
) -> Counts:
    """Exact trajectories, each with its own parameters and start: int64 [n, T, S].

    `times` [T] increasing from >= 0, `thetas` [n, P], `starts` [n, S]. One 128-bit root is drawn
    from `rng`; trajectory i follows the stream (root, `first` + i), whatever the number of
    trajectories, threads or chunks. Raises RunError, naming state, time and reaction, when a
    trajectory needs more than `max_events` events, a propensity is negative or not a number, or
    a firing would make a count negative. A model with events, or laws that switch at times, runs phase
    by phase (see `drive`): one root and one budget of events a phase.
    """
    settings: dict[str, Any] = {"max_events": max_events, "threads": threads, "engine": engine, "first": first}
    return _simulate(model, times, thetas, starts, rng=rng, **settings)[0]


def _simulate(  # noqa: PLR0913 - as `simulate`
    model: CompiledModel,
    times: ArrayLike,
    thetas: ArrayLike,
    starts: ArrayLike,
    *,
    rng: np.random.Generator,
    max_events: int,
    threads: int | None,
    engine: Engine | Choice,
    first: int = 0,
    facts: dict[str, Any] | None = None,
    found: Estimate | None = None,
) -> tuple[Counts, Array | None]:
    """The trajectories of `simulate`, and the parameters at each time [T, P] where events may change them.

    `facts` takes the names of the engines that ran, and the events where they were counted.
    """
    require(model.network, "ssa")
    t = np.array(times, dtype=np.float64)
    theta, start = np.asarray(thetas, dtype=np.float64), np.asarray(starts, dtype=np.int64)
    if len(theta) != len(start):
        raise SettingError(f"{len(theta)} parameter vectors for {len(start)} starts", place="simulate")

    driven = is_driven(model)

    def run(m: CompiledModel, t: Array, p: Array, x: Counts, jumps: Jumps | None = None, since: float = 0.0) -> Counts:
        out = np.empty((len(x), len(t), x.shape[1]), dtype=np.int64)
        task = Task(m, t, p, x, max_events, threads or cores(), found)
        if m.network.depends_on_time:
            chosen = Choice(["numpy"], counted(partial(_thinned, m, jumps=jumps, since=since)), WIDE)
        elif jumps is not None:
            chosen = choose_with_events(task, engine, jumps, since)
        else:
            chosen = choose(task, engine)
        job = _Job(m, t, p, x, first, draw_root(rng), max_events, out, chosen, since, jumps is not None)
        try:
            job.run(threads)
        except KeyboardInterrupt as stop:
            whole = np.nonzero(job.complete & (not driven))[0]
            raise Interrupted(out[whole], whole) from stop
        finally:
            job.tell(facts)
        return out

    if driven:
        return driven_paths.simulate(model, t, theta, start, run)
    return run(model, t, theta, start), None


@dataclass(frozen=True, eq=False)
class _Job:
    """One call of `simulate`, cut into chunks that any thread may run."""

    model: CompiledModel
    times: Array
    thetas: Array
    starts: Counts
    first: int
    root: tuple[int, int]
    budget: int
    out: Counts
    engine: Choice
    since: float = 0.0
    sets_theta: bool = False
    complete: NDArray[np.bool_] = field(init=False)
    fired: Counts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "complete", np.zeros(len(self.starts), dtype=np.bool_))
        object.__setattr__(self, "fired", np.full(len(self.starts), UNFINISHED, dtype=np.int64))

    def tell(self, facts: dict[str, Any] | None) -> None:
        """Add the engine, and the events where it counts them, to the facts of the answer."""
        if facts is None:
            return
        names = [*facts.get("engine", "").split(", "), *self.engine.names]
        facts["engine"] = ", ".join(dict.fromkeys(name for name in names if name))
        done = self.fired[self.complete]
        if (done >= 0).all() and facts.get("events", 0) is not None:
            facts["events"] = facts.get("events", 0) + int(done.sum())
        else:
            facts["events"] = None

    def run(self, threads: int | None) -> None:
        """All chunks; the first trajectory that has to stop stops the others."""
        width = max(self.engine.chunk, len(self.starts) // 4096)
        edges = [(a, min(a + width, len(self.starts))) for a in range(0, len(self.starts), width)]
        run_all([partial(self._chunk, a, b) for a, b in edges], threads)

    def _chunk(self, a: int, b: int, control: Flag) -> None:
        report, when = np.zeros(3 + self.starts.shape[1], dtype=np.int64), np.zeros(1)
        theta, start = (np.array(v[a:b], order="C") for v in (self.thetas, self.starts))  # never read-only, for numba
        run, part, fired = self.engine.run, self.out[a:b], self.fired[a:b]
        low, high = (np.uint64(word) for word in self.root)  # always unsigned: numba types by the value's class
        run(self.times, theta, start, self.first + a, low, high, self.budget, control, part, report, when, fired)
        if self.sets_theta:
            self.thetas[a:b] = theta
        self._judge(report, float(when[0]))
        self.complete[a:b] = report[0] == kernels.FINISHED

    def _judge(self, report: Counts, when: float) -> None:
        code, path, reaction = (int(v) for v in report[:3])
        if code in (kernels.FINISHED, kernels.STOPPED):
            return
        names, counts = self.model.network.species_names, report[3:]
        name = self.model.network.reactions[reaction].name if reaction >= 0 else ""
        if code == kernels.NEGATIVE_COUNT:
            counts = counts - self.model.change[reaction]
        state = ", ".join(f"{s} = {c}" for s, c in zip(names, counts, strict=True))
        place = f"trajectory {path} at time {self.since + when:.6g} in state ({state})"
        if code == kernels.BUDGET:
            mend = "the model may explode; otherwise raise max_events"
            raise RunError(f"the budget of {self.budget} events is used up", place=place, mend=mend)
        if code == kernels.NEGATIVE_COUNT:
            mend = "make its law zero where the reactants are too few (KX108)"
            raise RunError(f"reaction {name!r} would make a count negative", place=place, mend=mend)
        theta = self.thetas[path - self.first]
        value = float(self.model.propensities(counts, theta, self.since + when)[reaction])
        raise RunError(f"the propensity of reaction {name!r} is {value:g}", place=place, mend="mend its law")


def _thinned(
    model: CompiledModel, times: Array, thetas: Array, starts: Counts, first: int, *rest: Any, **events: Any
) -> None:
    low, high, *others = rest
    thinning.run(model, times, thetas, starts, first, (low, high), *others, **events)
