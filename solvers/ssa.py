"""Exact trajectories: every reaction event drawn one by one, right in law at any count.

Choose it for any model, at any size: cost grows with the number of events, not of states. Where a
window of states fits in memory, the finite state projection gives the law itself instead of draws.
D. T. Gillespie, J. Phys. Chem. 81 (1977) 2340, doi:10.1021/j100540a008 (the direct method).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.compiler import CompiledModel
from kinetix.constructs import require
from kinetix.distribution import Sampled
from kinetix.errors import RunError, SettingError, UnsupportedFeature
from kinetix.jumps import Jumps
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution

from . import driven_paths, kernels, lockstep, thinning
from .drive import is_driven
from .parallel import Flag, run_all
from .streams import draw_root

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Engine = Literal["auto", "numba", "numpy"]
Run = Callable[..., None]

MAX_EVENTS = 10_000_000
"""Events allowed to one trajectory by default: about 0.2 s of it."""

CHUNK = 64
"""Trajectories that a thread takes at once."""

WIDE = 5_000
"""The same where events follow each firing, in numpy."""


@dataclass(frozen=True)
class SSA:
    """Exact trajectories by the direct method.

    `paths` trajectories; `max_events` allowed to each, after which the run stops and says so;
    `threads` (default: the cores at hand; the numbers do not depend on it); `engine` "numba",
    "numpy" (slow, no compiler) or "auto".
    """

    paths: int = 10_000
    max_events: int = MAX_EVENTS
    threads: int | None = None
    engine: Engine = "auto"

    def __post_init__(self) -> None:
        for name in ("paths", "max_events", "threads"):
            value = getattr(self, name)
            if value is None and name == "threads":
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise SettingError(f"{name} is {value!r}", place="ssa", mend="give a whole number >= 1")
        if self.engine not in ("auto", "numba", "numpy"):
            raise SettingError(f"unknown engine {self.engine!r}", place="ssa", mend="use auto, numba or numpy")

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """Trajectories [n, T, S] and their empirical law at each time; standard errors of the means in `meta`."""
        started = time.process_time()
        starts = problem.initial.sample(self.paths, rng=rng)
        thetas = np.broadcast_to(problem.theta, (self.paths, len(problem.theta)))
        settings: dict[str, Any] = {"max_events": self.max_events, "threads": self.threads, "engine": self.engine}
        paths, changed = _simulate(problem.model, problem.times, thetas, starts, rng=rng, **settings)
        error = paths.std(axis=0, ddof=1) / np.sqrt(self.paths) if self.paths > 1 else np.full(paths.shape[1:], np.nan)
        meta = provenance(self, problem.model.network, started, end="finished", standard_error=error.tolist())
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
    engine: Engine = "auto",
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
    engine: Engine,
    first: int = 0,
) -> tuple[Counts, Array | None]:
    """The trajectories of `simulate`, and the parameters at each time [T, P] where events may change them."""
    require(model.network, "ssa")
    t = np.ascontiguousarray(times, dtype=np.float64)
    theta, start = np.asarray(thetas, dtype=np.float64), np.asarray(starts, dtype=np.int64)
    if len(theta) != len(start):
        raise SettingError(f"{len(theta)} parameter vectors for {len(start)} starts", place="simulate")

    def run(m: CompiledModel, t: Array, p: Array, x: Counts, jumps: Jumps | None = None, since: float = 0.0) -> Counts:
        out = np.empty((len(x), len(t), x.shape[1]), dtype=np.int64)
        slow = jumps is not None or m.network.depends_on_time
        kernel = partial(_in_numpy, m, jumps=jumps, since=since) if slow else _engine(m, engine)
        job = _Job(m, t, p, x, first, draw_root(rng), max_events, out, kernel, since)
        job.run(threads, least=WIDE if slow else CHUNK)
        return out

    if is_driven(model):
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
    kernel: Run
    since: float = 0.0

    def run(self, threads: int | None, *, least: int = CHUNK) -> None:
        """All chunks; the first trajectory that has to stop stops the others."""
        width = max(least, len(self.starts) // 4096)
        edges = [(a, min(a + width, len(self.starts))) for a in range(0, len(self.starts), width)]
        run_all([partial(self._chunk, a, b) for a, b in edges], threads)

    def _chunk(self, a: int, b: int, control: Flag) -> None:
        report, when = np.zeros(3 + self.starts.shape[1], dtype=np.int64), np.zeros(1)
        theta, start = np.ascontiguousarray(self.thetas[a:b]), np.ascontiguousarray(self.starts[a:b])
        run, part = self.kernel, self.out[a:b]
        low, high = (np.uint64(word) for word in self.root)  # always unsigned: numba types by the value's class
        run(self.times, theta, start, self.first + a, low, high, self.budget, control, part, report, when)
        self._judge(report, float(when[0]))

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


def _engine(model: CompiledModel, engine: Engine) -> Run:
    """The function that runs a chunk: the model's own kernel, or numpy where there is none."""
    plain = partial(_in_numpy, model)
    if engine == "numpy" or (engine == "auto" and not kernels.have_numba()):
        return plain
    try:
        return kernels.trajectory_kernel(model)
    except UnsupportedFeature:
        if engine == "numba":
            raise
        return plain


def _in_numpy(
    model: CompiledModel, times: Array, thetas: Array, starts: Counts, first: int, *rest: Any, **events: Any
) -> None:
    low, high, *others = rest
    method = thinning.run if model.network.depends_on_time else lockstep.run
    method(model, times, thetas, starts, first, (low, high), *others, **events)
