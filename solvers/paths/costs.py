"""What trajectories will cost, before any is drawn: events, seconds and memory, and refusals of too much."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import RunError, UnsupportedFeature
from kinetix.problem import Problem
from kinetix.solvers.drive import is_driven

from . import driven_pilot, engines, native, pilot
from .pilot import PILOTS, Estimate

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

NUMBER = 1.5e-8
"""Seconds for each number of the answer: its place in memory and its share of the moments."""

BASE = 3e-3
"""Seconds of a request that asks for nearly nothing."""


THINNED, THINNED_PATH = 4e-4, 4e-7
"""Seconds of a step in numpy through moving laws or events, and more for each path side by side."""

PHASE, PHASE_PATH = 2e-3, 1e-6
"""Seconds of a phase between cuts in time, and more for each path."""


@dataclass(frozen=True)
class Cost:
    """What is predicted of a request: `events` of a path and `steps` of it, bytes and CPU seconds of all paths.

    A step is an event, or a leap where it leaps; `memory` is that of the answer, int64 [n, T, S]; `engine`
    is what would draw them. `refusal` says why it would not be run, or would not come to its end.
    """

    paths: int
    events: float
    steps: float
    engine: str
    memory: int
    seconds: float
    refusal: str | None = None

    def __str__(self) -> str:
        """One line."""
        many = f"{self.events:.3g} events a path"
        if self.engine == "leaps":
            many += f" in {self.steps:.3g} leaps and single events"
        line = f"{many}, {self.paths} paths by {self.engine}, {self.memory / 1e6:.3g} MB, {self.seconds:.2g} s"
        return f"{line}; refused: {self.refusal}" if self.refusal else line


@dataclass(frozen=True)
class Asked:
    """What a solver asks for: `paths`, at most `budget` steps a path (its setting's name is `limit`), and so on."""

    place: str
    paths: int
    budget: int
    limit: str
    threads: int
    max_seconds: float | None
    engine: engines.Engine = "auto"


@dataclass(frozen=True)
class Prediction:
    """Events of a path, steps of it, the engine, and CPU seconds of all paths."""

    events: Estimate
    steps: float
    engine: str
    seconds: float


def exact(problem: Problem, asked: Asked) -> Cost:
    """The cost of trajectories event by event, by pilots of some milliseconds."""
    return cost(problem, asked, _predicted(problem, asked, enough=-1.0))


def require_affordable(problem: Problem, asked: Asked) -> Estimate | None:
    """The events of a path, where pilots were needed to tell that the request may start.

    RunError where the answer has no room in memory, or is predicted to take more than `max_seconds` of
    CPU. Models that run away are left to their budget of events, which ends them soon.
    """
    require_room(problem, asked)
    if asked.max_seconds is None or _is_short(problem, asked):
        return None
    found = _predicted(problem, asked, enough=asked.max_seconds)
    require_time(problem, asked, found)
    return None if is_driven(problem.model) else found.events


def require_time(problem: Problem, asked: Asked, found: Prediction) -> None:
    """RunError where the predicted seconds are too many."""
    told = cost(problem, asked, found)
    if asked.max_seconds is None or told.seconds <= asked.max_seconds or _explodes(found, asked):
        return
    fewer = int(asked.paths * asked.max_seconds / told.seconds)
    less = f"draw fewer paths (about {fewer} can be had)" if fewer else "ask for earlier times"
    other = "" if asked.place == "tau-leaping" else ", use tau-leaping"
    mend = f"{less}{other}, or force it: max_seconds=None (--max-seconds none)"
    raise RunError(f"refused before it starts: {told.refusal}", place=asked.place, mend=mend)


def require_room(problem: Problem, asked: Asked) -> None:
    """RunError where the machine has less memory than the answer, and the moments of it, need."""
    if reason := _no_room(problem, asked):
        mend = "draw fewer paths, or ask for fewer times"
        raise RunError(f"refused before it starts: {reason}", place=asked.place, mend=mend)


def cost(problem: Problem, asked: Asked, found: Prediction) -> Cost:
    """The prediction in full, with the reason to refuse it."""
    numbers = asked.paths * len(problem.times) * problem.model.change.shape[1]
    events, seconds = found.events.events, BASE + found.seconds + NUMBER * numbers
    return Cost(
        asked.paths,
        events,
        found.steps,
        found.engine,
        8 * numbers,
        seconds,
        _refusal(problem, asked, found, seconds, 8 * numbers),
    )


def _refusal(problem: Problem, asked: Asked, found: Prediction, seconds: float, memory: int) -> str | None:
    if reason := _no_room(problem, asked):
        return reason
    events, limit, leaps = found.events.events, asked.max_seconds, found.engine == "leaps"
    what = f"about {events:.2g} events a path"
    if leaps:
        what += f" in {found.steps:.2g} leaps and single events"
    if _explodes(found, asked):
        faster = f"events come {found.events.growth:.2g} times as fast as at first"
        when = f"by {found.events.seen:.2g} of the time"
        return f"the model seems to explode: {when} {faster}; a run would use up {asked.limit} = {asked.budget}"
    if limit is not None and seconds * min(1.0, asked.budget / max(found.steps, 1.0)) > limit:
        total = f"{events * asked.paths:.2g} in all, {memory / 1e6:.2g} MB for the answer"
        return f"{what}, {total}, would take about {seconds:.2g} s of CPU, more than max_seconds = {limit:g}"
    if found.steps > asked.budget:
        return f"{what}, more than {asked.limit} = {asked.budget}"
    return None


def _explodes(found: Prediction, asked: Asked) -> bool:
    return found.events.runs_away and (found.engine == "leaps" or found.steps > asked.budget)


def _no_room(problem: Problem, asked: Asked) -> str | None:
    """Why the answer has no room: it is held once, and once more while its moments are taken."""
    shape = asked.paths, len(problem.times), problem.model.change.shape[1]
    memory = 8 * shape[0] * shape[1] * shape[2]
    if 2 * memory <= memory_at_hand():
        return None
    words = " x ".join(str(k) for k in shape)
    have = f"the machine has {memory_at_hand() / 1e9:.3g} GB"
    return f"the answer of {words} whole numbers takes {memory / 1e9:.3g} GB and as much again for its moments; {have}"


def _is_short(problem: Problem, asked: Asked) -> bool:
    """Whether even paths that use up their budget are affordable, so that no pilot is needed."""
    name = asked.engine
    if is_driven(problem.model):
        if problem.model.network.depends_on_time or name == "numpy" or not native.available():
            return False
        name = "tabled"
    most = Estimate(float(asked.budget))
    return engines.predicted(_task(problem, asked), most, name)[1] <= (asked.max_seconds or 0.0)


def _predicted(problem: Problem, asked: Asked, enough: float) -> Prediction:
    """By pilots, each longer than the last until less than `enough` seconds are sure."""
    if is_driven(problem.model):
        return _driven(problem, asked, enough)

    def priced(found: Estimate) -> Prediction:
        return Prediction(found, found.events, *engines.predicted(_task(problem, asked), found, asked.engine))

    if enough > 0:
        first = priced(_coarse(problem))
        if first.events.known and first.seconds <= enough:
            return first
    second = priced(_longer(problem, asked.budget))
    if second.events.known or second.seconds <= enough:
        return second
    return priced(_further(problem, second.events))


def _driven(problem: Problem, asked: Asked, enough: float) -> Prediction:
    """Through cuts in time and events on counts: by numpy alone where that comes to the end."""
    if enough > 0:
        found = _through_cuts(problem, asked, compiled=False)
        if found.events.known and found.seconds <= enough:
            return found
    return _through_cuts(problem, asked, compiled=asked.engine != "numpy")


def _through_cuts(problem: Problem, asked: Asked, *, compiled: bool) -> Prediction:
    start = problem.initial.sample(1, rng=np.random.default_rng(0))[0]
    found = driven_pilot.estimate(problem.model, problem.times, problem.theta, start, compiled=compiled)
    events, n, task = found.events.events, asked.paths, _task(problem, asked)
    if found.plain:
        name = "numpy"
        seconds = -(-n // engines.WIDE) * events * (THINNED + min(n, engines.WIDE) * THINNED_PATH)
    elif found.listens:
        name, seconds = "tabled", engines.START_TABLED + n * events * engines.TABLED_EVENT
    else:
        name, seconds = engines.predicted(replace(task, model=found.model), found.events, asked.engine)
    return Prediction(found.events, events, name, seconds + found.phases * (PHASE + n * PHASE_PATH))


def _coarse(problem: Problem) -> Estimate:
    """The events of a path from a hundred steps, where tables can tell them."""
    try:
        return pilot.estimate(problem.model, problem.times, *_rows(problem))
    except UnsupportedFeature:  # a law that has no table
        return Estimate(np.inf)


def _longer(problem: Problem, budget: int) -> Estimate:
    """The events of a path from some thousands of several paths."""
    thetas, starts = _rows(problem)
    if not native.available() or not len(problem.model.change):
        return pilot.plain(problem.model, problem.times, thetas, starts)
    try:
        return pilot.longer(problem.model, problem.times, thetas, starts, budget)
    except UnsupportedFeature:
        return pilot.plain(problem.model, problem.times, thetas, starts)


def _further(problem: Problem, found: Estimate) -> Estimate:
    """The same with the help of coarse leaps, where the model can be leapt over."""
    thetas, starts = _rows(problem)
    if not native.available() or not len(problem.model.change):
        return found
    try:
        return pilot.by_leaps(problem.model, problem.times, thetas[0], starts[0], found)
    except UnsupportedFeature:
        return found


@cache
def memory_at_hand() -> float:
    """Bytes of memory of the machine, infinity where it does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * float(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return np.inf


def _rows(problem: Problem) -> tuple[Array, Counts]:
    """Rates and starts of the pilots: theta [n, P], counts [n, S]."""
    starts = problem.initial.sample(PILOTS, rng=np.random.default_rng(0))
    return np.tile(problem.theta, (PILOTS, 1)), starts


def _task(problem: Problem, asked: Asked) -> engines.Task:
    """The request for the engines, with no array of its size made."""
    thetas = np.broadcast_to(problem.theta, (asked.paths, len(problem.theta)))
    starts = np.broadcast_to(np.int64(0), (asked.paths, problem.model.change.shape[1]))
    return engines.Task(problem.model, problem.times, thetas, starts, asked.budget, asked.threads)
