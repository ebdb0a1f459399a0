"""Which states a net over a box must know, and which teacher fits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.distribution import PointMass
from kinetix.errors import SettingError, TruncationError, require_known
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import simulate
from kinetix.space import StateSpace

from .box import Box
from .early import first_of
from .exact_lessons import SMALL, ExactLessons
from .history_lessons import HistoryLessons, split_of
from .in_turn import InTurn
from .learning import Teacher
from .path_lessons import PathLessons
from .path_teacher import Subjects
from .teachers import Course, Lessons, Plan

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
MakeLessons = Callable[[Course, Plan], Teacher]

LEAK = 1e-6
"""Probability that may lie outside a net's window, at the visited points of the box."""

EXACT = 300_000
"""States of a window on which laws are still tabulated for teaching."""

PILOT = 50
"""Trajectories at every visited point of the box, to see how far the counts go."""

ENOUGH, TEACHING, CHEAP, TRIED = 512, 0.3, 0.05, 4
"""Rate vectors that exact laws should teach, their share of the time, seconds that are little, vectors tried."""


def choose(
    model: CompiledModel,
    box: Box,
    teacher: str,
    caps: Mapping[str, int] | None,
    root: int,
    seconds: float | None = None,
) -> tuple[StateSpace, str, MakeLessons]:
    """The window, the teacher's name and how to make its lessons.

    A teacher is "fsp", "histories", "trajectories", "van", or several of them joined by "+", which take turns. "auto"
    takes "fsp" where the window has at most `EXACT` states and laws are cheap: `ENOUGH` rate vectors in a share
    `TEACHING` of the `seconds`, or `CHEAP` seconds each; else "histories" where at least half of the species that the
    net speaks of are downstream of others; else "trajectories".
    """
    require_known(caps or {}, model.network.species_names, "species")
    names = teacher.split("+")
    if box.encoding.stationary:
        if teacher not in {"auto", "fsp"}:
            reason = f"the teacher {teacher!r} knows no stationary laws"
            raise SettingError(reason, place="met", mend='use teacher "fsp", or train over a late finite time')
        names = ["fsp"]
    window: StateSpace | None = None
    if "fsp" in names:
        window = _exact_window(model, box)
    elif teacher == "auto":
        window = _window_if_cheap(model, box, root, seconds)
        names = ["auto"] if window is None else ["fsp"]
    if window is None:
        thetas, starts = box.at(_points(box))
        subjects = Subjects(model, thetas, starts, box.encoding.times)
        window = subjects.window(np.random.default_rng(root))
    if names == ["auto"]:
        names = ["histories" if split_of(model, box).most_of(window.free) else "trajectories"]
    makers = [_MAKERS[name] for name in names]
    make = makers[0] if len(makers) == 1 else partial(InTurn.of, makers)
    return _capped(window, caps, model), "+".join(names), make


def _window_if_cheap(model: CompiledModel, box: Box, root: int, seconds: float | None) -> StateSpace | None:
    """The window on which exact laws teach, or None where it is too large or a law too dear."""
    largest = _pilot(model, box, root)
    space = StateSpace.conserved(model.network.conservation_laws(), box.start, largest.tolist())
    if space.size > EXACT:
        return None
    thetas, starts = box.at(box.sobol(TRIED))
    dear = []
    for theta, start in zip(thetas, starts, strict=True):
        found = FSP(threads=1).estimate(Problem(model, np.array([box.encoding.times[1]]), theta, PointMass(start)))
        if found.refusal or found.listed:
            return None
        dear.append(found.seconds * (max(space.size / max(found.states, 1), 1.0) if space.size <= SMALL else 1.0))
    if np.mean(dear) > max(CHEAP, 0.0 if seconds is None else TEACHING * seconds / ENOUGH):
        return None
    try:
        window = _exact_window(model, box)
    except TruncationError:
        return None
    return window if window.size <= EXACT else None


def _exact_lessons(course: Course, plan: Plan) -> Lessons:
    return ExactLessons(course, plan, FSP(threads=1))


def _van_lessons(course: Course, plan: Plan) -> Teacher:
    """Rewards from trained VANs, the published mode."""
    from .policy import SetSettings, VANLessons

    return VANLessons(course, SetSettings(signal=plan.signal, members=plan.vans, laws=plan.batch))


_MAKERS: Mapping[str, MakeLessons] = {
    "fsp": _exact_lessons,
    "histories": HistoryLessons,
    "trajectories": PathLessons,
    "van": _van_lessons,
}


def _points(box: Box) -> Array:
    """Where a box is looked at: its corners and points between."""
    return np.concatenate([box.corners(), box.sobol(64)])


def _pilot(model: CompiledModel, box: Box, root: int) -> Counts:
    """The largest count of each species in pilot runs over the box: [S]."""
    thetas, starts = box.at(np.repeat(_points(box), PILOT, axis=0))
    times = np.linspace(0.0, box.encoding.times[1], 9)[1:]
    counts = simulate(model, times, thetas, starts, rng=np.random.default_rng(root), threads=1)
    return np.asarray(np.maximum(counts.max(axis=(0, 1)), starts.max(axis=0)), dtype=np.int64)


def _exact_window(model: CompiledModel, box: Box) -> StateSpace:
    """The union of the FSP windows over the box, a tenth wider."""
    thetas, starts = box.at(_points(box))
    t0, t1 = box.encoding.times
    fsp, times = FSP(leak=LEAK, threads=1), np.unique(np.maximum([first_of((t0, t1)), t1 / 20, t1 / 5, t1 / 2, t1], t0))
    spaces: list[StateSpace] = []
    for start in np.unique(starts, axis=0):
        same = (starts == start).all(axis=1)
        problem = Problem(model, times, thetas[same][0], PointMass(start))
        if box.encoding.stationary:
            spaces += fsp.stationary_laws(problem, thetas[same], lambda law: law.space)
        else:
            spaces.append(fsp.window(problem, thetas[same]))
    lower = np.min([s.lower for s in spaces], axis=0)
    upper = np.max([s.upper for s in spaces], axis=0)
    wider = np.where(upper >= 3, np.ceil(1.1 * upper), upper).astype(np.int64)  # gene copies stay as they are
    lower = np.floor(0.9 * lower).astype(np.int64)
    space = spaces[0]
    shape = tuple(int(u - b + 1) for u, b in zip(wider, lower, strict=True))
    return StateSpace(space.free, tuple(int(b) for b in lower), shape, space.offset, space.basis)


def _capped(window: StateSpace, caps: Mapping[str, int] | None, model: CompiledModel) -> StateSpace:
    """The window with the largest counts that the user gave."""
    if not caps:
        return window
    lower, shape = list(window.lower), list(window.shape)
    for name, cap in caps.items():
        s = model.network.species_names.index(name)
        if s not in window.free:
            raise SettingError(f"{name!r} follows from a conservation law and needs no cap", place="caps")
        if cap < 1 or cap != int(cap):
            raise SettingError(f"the cap of {name!r} is {cap}; use a whole number >= 1", place="caps")
        axis = window.free.index(s)
        lower[axis], shape[axis] = 0, int(cap) + 1
    return StateSpace(window.free, tuple(lower), tuple(shape), window.offset, window.basis)
