"""Which engine draws the trajectories, from the work that is predicted.

All engines follow the same streams in the same way (see `lanes`), so that the choice changes the
time, not the counts, but for rounding. numpy answers tiny questions at once; the table-driven
kernel, compiled once for all models, answers most; a lockstep kernel of the model's own pays where
the events saved are worth its compile, or where it is on disk already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.errors import UnsupportedFeature
from kinetix.jumps import Jumps

from . import event_tables, kernels, lanes, lockstep, native, tabled
from .lane_source import WIDTH
from .pilot import Estimate, by_leaps, estimate

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Run = Callable[..., None]
Engine = Literal["auto", "lanes", "tabled", "scalar", "numpy", "numba"]

ENGINES: tuple[str, ...] = get_args(Engine)

UNFINISHED, UNCOUNTED = -1, -2
"""In `fired` [n]: a trajectory that is not complete, and one that is but whose events nobody counted."""

IMPORT, START_TABLED, LOAD, COMPILE_LANES, COMPILE_REACTION = 0.4, 0.3, 0.3, 4.0, 0.06
"""Seconds: to import numba, to make the table-driven kernel, to load a lockstep kernel, or to compile it."""

TABLED_EVENT, LANES_EVENT, LANES_REACTION = 6e-8, 2e-9, 2.5e-10
"""Seconds an event: table-driven; in lockstep, and more for each reaction."""

COMPILE_SCALAR, SCALAR_EVENT, SCALAR_REACTION = 2.0, 1.5e-8, 9e-10
"""Seconds to compile a scalar kernel, and of an event by it, and more for each reaction."""

WIDE = 5_000
"""Trajectories side by side in numpy."""

NUMPY_LAW = 5e-3
"""Seconds to make the numpy function of a law."""

NUMPY_STEP, NUMPY_EVENT, NUMPY_REACTION = 9e-5, 2e-7, 1.3e-8
"""Seconds in numpy: a step of all trajectories, and more for each of them and each of its reactions."""

SOON = 0.1
"""Predicted seconds of the table-driven kernel from which longer pilots are worth their milliseconds."""

LASTING = 10.0
"""Predicted seconds from which one more pilot, by leaps, sees how far events go on as they began."""

SHARE = 0.25
"""Seconds that a chunk of trajectories should take: short enough for threads to share the work and for Ctrl-C."""


class Choice(NamedTuple):
    """The names of the engines that run, the function that runs a chunk, and how many trajectories a chunk holds."""

    names: list[str]
    run: Run
    chunk: int = 64


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be drawn: `times` [T], `thetas` [n, P], `starts` [n, S], events allowed, threads.

    `found` are the events of a path, where pilots have told them already.
    """

    model: CompiledModel
    times: Array
    thetas: Array
    starts: Counts
    budget: int
    threads: int
    found: Estimate | None = None

    def chunk(self, seconds: float, least: int = 64) -> int:
        """Trajectories a chunk, where one takes so many seconds: equal shares, a few for each thread."""
        n = len(self.starts)
        wanted = max(int(SHARE / max(seconds, 1e-9)), n // 4096, least)
        return min(wanted, max(-(-n // (2 * self.threads)), least)) if self.threads > 1 else wanted


def choose(task: Task, engine: Engine | Choice) -> Choice:
    """The engine asked for, or the one that should be done first; UnsupportedFeature where it cannot run the model."""
    if isinstance(engine, Choice):
        return engine
    if engine == "numpy" or not len(task.model.change) or not native.available():
        return _numpy(task)
    if engine == "lanes":
        return _lanes(task, estimate(task.model, task.times, task.thetas, task.starts))
    if engine == "tabled":
        return _tabled(task, None)
    if engine == "scalar":
        return Choice(["scalar"], counted(kernels.trajectory_kernel(task.model)))
    return _cheapest(task, compiled=engine == "numba")


def _cheapest(task: Task, *, compiled: bool) -> Choice:
    try:
        found = task.found or estimate(task.model, task.times, task.thetas, task.starts)
        offers = sorted(_offers(task, found, compiled=compiled))
    except UnsupportedFeature:  # a law that only the other engines know
        return _own(task, compiled=compiled)
    if offers[0][1] == "numpy":
        return _briefly(task, found)
    if task.found is None and (offers[0][1] != "tabled" or offers[0][0] > SOON):
        found = found.refined(task.model, task.times, task.thetas, task.starts, task.budget)
        offers = sorted(_offers(task, found, compiled=compiled))
        if not found.known and offers[0][0] > LASTING:
            found = by_leaps(task.model, task.times, task.thetas[0], task.starts[0], found)
            offers = sorted(_offers(task, found, compiled=compiled))
    for _, name in offers:
        try:
            return _numpy(task) if name == "numpy" else _lanes(task, found) if name == "lanes" else _tabled(task, found)
        except UnsupportedFeature:
            continue
    return _own(task, compiled=compiled)


def choose_with_events(task: Task, engine: Engine | Choice, jumps: Jumps, since: float) -> Choice:
    """The same where events follow the firings: the table-driven kernel with events, or numpy.

    numpy does it where it was asked for, where it is done first, or where a formula has no program.
    """
    plain = Choice(["numpy"], counted(partial(_in_numpy_with, task.model, jumps, since)), WIDE)
    if isinstance(engine, Choice) or engine == "numpy" or not len(task.model.change) or not native.available():
        return plain
    try:
        found = estimate(task.model, task.times, task.thetas, task.starts)
        run = event_tables.event_kernel(jumps, since)
    except UnsupportedFeature:
        return plain
    n, R, E = len(task.starts), len(task.model.change), len(task.model.network.events)
    step = NUMPY_STEP * (1 + E) + min(n, WIDE) * (NUMPY_EVENT * (1 + E) + R * NUMPY_REACTION)
    if engine == "auto" and -(-n // WIDE) * found.events * step < _start("event_kernel"):
        return plain
    return Choice(["tabled"], run, task.chunk(2 * found.events * TABLED_EVENT, 8))


def _own(task: Task, *, compiled: bool) -> Choice:
    """The model's own scalar kernel, or numpy where its laws have no compiled form."""
    try:
        return Choice(["scalar"], counted(kernels.trajectory_kernel(task.model)))
    except UnsupportedFeature:
        if compiled:
            raise
        return _numpy(task)


def predicted(task: Task, found: Estimate, engine: Engine) -> tuple[str, float]:
    """The engine that `choose` would take for events as found, and all its CPU seconds; no kernel is made."""
    name: str = engine
    if engine == "numpy" or not len(task.model.change) or not native.available():
        name = "numpy"
    elif engine in ("auto", "numba"):
        try:
            tabled.tables(task.model)
            name = min(_offers(task, found, compiled=engine == "numba"))[1]
        except UnsupportedFeature:  # a law that only the other engines know
            name = "scalar"
    return name, _work(name, task, found, 1)


def _work(name: str, task: Task, found: Estimate, threads: int) -> float:
    """Predicted seconds of an engine, with its start, on so many threads."""
    R, n = len(task.model.change), len(task.starts)
    events = found.events * n / threads
    started = 0.0 if "numba" in sys.modules else IMPORT
    match name:
        case "tabled":
            return _start("table_kernel") + events * TABLED_EVENT * (1 + R / 400)
        case "numpy":
            step = NUMPY_STEP + min(n, WIDE) * (NUMPY_EVENT + R * NUMPY_REACTION)
            return -(-n // WIDE) * found.events * step * 1.5 + R * NUMPY_LAW
        case "scalar":
            return started + COMPILE_SCALAR + events * (SCALAR_EVENT + R * SCALAR_REACTION)
    spread = max(events, 64 * found.events if n < 64 else 0.0)
    first = LOAD if lanes.is_ready(task.model) else COMPILE_LANES + R * COMPILE_REACTION
    return started + first + spread * (LANES_EVENT + R * LANES_REACTION)


def _offers(task: Task, found: Estimate, *, compiled: bool) -> list[tuple[float, str]]:
    """Predicted seconds of every engine that can be chosen."""
    offers = [(_work(name, task, found, task.threads), name) for name in ("tabled", "numpy")[: 1 if compiled else 2]]
    if len(task.model.change) <= lanes.LARGEST and found.events * 2 < task.budget and min(offers)[0] > LOAD:
        offers.append((_work("lanes", task, found, task.threads), "lanes"))
    return offers


def _start(kernel: str) -> float:
    """Seconds until a kernel for all models can run here."""
    loaded = sys.modules.get(f"{__package__}.{kernel}")
    return 0.0 if loaded is not None and loaded.run.made else START_TABLED


def _numpy(task: Task) -> Choice:
    return Choice(["numpy"], partial(_in_numpy, task.model), WIDE)


def _briefly(task: Task, found: Estimate) -> Choice:
    """Numpy, but for chunks that turn out to be longer than predicted: the table-driven kernel does these anew."""
    names, cap = ["numpy"], 1000 + int(3 * found.events)

    def run(*arguments: Any) -> None:
        budget, report = arguments[6], arguments[9]
        _in_numpy(task.model, *arguments[:6], min(cap, budget), *arguments[7:])
        if report[0] == kernels.BUDGET and cap < budget:
            names[1:] = ["tabled"]
            _probed(tabled.tabled_kernel(task.model), 10 * cap, *arguments)

    return Choice(names, run, WIDE)


def _probed(kernel: Run, cap: int, *arguments: Any) -> None:
    """A chunk with a lower budget first; where that is used up, the culprit alone, and only then all of them.

    An explosion is then paid for once, and not by all the trajectories side by side.
    """
    times, thetas, starts, first, low, high, budget, control, out, report, when, fired = arguments
    kernel(times, thetas, starts, first, low, high, min(cap, budget), control, out, report, when, fired)
    if report[0] != kernels.BUDGET or cap >= budget:
        return
    one = slice(int(report[1]) - first, int(report[1]) - first + 1)
    alone = times, thetas[one], starts[one], int(report[1]), low, high, budget, control, out[one], report, when
    kernel(*alone, fired[one])
    if report[0] == kernels.FINISHED:
        kernel(*arguments)


def _tabled(task: Task, found: Estimate | None) -> Choice:
    run = tabled.tabled_kernel(task.model)
    if found is None:
        return Choice(["tabled"], run)
    cap = 100_000 + (int(20 * found.events) if found.events < task.budget else 0)
    return Choice(["tabled"], partial(_probed, run, cap), task.chunk(found.events * TABLED_EVENT, 8))


def _lanes(task: Task, found: Estimate) -> Choice:
    run = lanes.lane_kernel(task.model)
    seconds = found.events * (LANES_EVENT + len(task.model.change) * LANES_REACTION)
    return Choice(["lanes"], run, task.chunk(seconds, 4 * WIDTH))


def counted(run: Run) -> Run:
    """A kernel that keeps no count of events, with the argument for it: completed trajectories are marked."""
    return partial(_counted, run)


def _counted(run: Run, *arguments: Any) -> None:
    *others, fired = arguments
    run(*others)
    report, first = arguments[9], arguments[3]
    fired[: len(fired) if report[0] == kernels.FINISHED else max(int(report[1]) - first, 0)] = UNCOUNTED


def _in_numpy(
    model: CompiledModel, times: Array, thetas: Array, starts: Counts, first: int, low: int, high: int, *rest: Any
) -> None:
    *others, fired = rest
    lockstep.run(model, times, thetas, starts, first, (low, high), *others)
    if others[3][0] == kernels.FINISHED:
        fired[:] = UNCOUNTED


def _in_numpy_with(  # noqa: PLR0913, PLR0917 - the arguments of every kernel, and events
    model: CompiledModel,
    jumps: Jumps,
    since: float,
    times: Array,
    thetas: Array,
    starts: Counts,
    first: int,
    low: int,
    high: int,
    *rest: Any,
) -> None:
    events: dict[str, Any] = {"jumps": jumps, "since": since}
    lockstep.run(model, times, thetas, starts, first, (low, high), *rest, **events)
