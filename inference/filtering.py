"""The likelihood of time courses by forward filtering: what is hidden is carried along as a law.

Between two rows of a cell its law moves by the master equation; at a row it is conditioned on what was read. The
product of the probabilities of the rows, each given those before, is the likelihood. Exact to what leaves the window,
which grows until that is less than the solver's leak in every step of every cell.
L. E. Baum, T. Petrie, Ann. Math. Statist. 37 (1966) 1554.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Distribution
from kinetix.errors import TruncationError
from kinetix.master import MasterOperator, Stencil
from kinetix.problem import Problem
from kinetix.space import StateSpace

from .histories import Histories, Level
from .measurement import OPEN, Measurement
from .observables import Observables
from .propagation import Propagation
from .readout import Readout

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

GROWTH = 1.3
"""By how much an axis of a window grows that loses too much."""


class WindowSolver(Protocol):
    """What is asked of a solver here: a window for a problem. `leak` and `max_states` are its settings."""

    leak: float
    max_states: int

    def window(self, problem: Problem, thetas: Array, *, leak: float | None = None) -> StateSpace:
        """A window that loses at most `leak` under every parameter vector."""
        ...


@dataclass(frozen=True, eq=False)
class Filter:
    """Forward filtering of the `histories` of cells on windows of `solver`; one parameter vector at a time."""

    solver: WindowSolver
    observables: Observables
    measurement: Measurement
    histories: Histories
    times: Array

    def log_prob(self, problem: Problem, noise: Mapping[str, float]) -> Array:
        """The log-likelihood of every cell's course: [C]. `problem` has the start and the parameters."""
        space = self._first(problem)
        while True:
            found, lost = self._on(space, problem, noise)
            if not lost.any():
                return found
            space = self._wider(space, lost)

    # windows -------------------------------------------------------------------------------------

    def _first(self, problem: Problem) -> StateSpace:
        """The solver's window, made to hold what was read."""
        later = self.times[self.times > 0]
        asked = replace(problem, times=later if len(later) else np.ones(1))
        space = self.solver.window(asked, problem.theta[None])
        upper = np.array(space.upper, dtype=np.int64)
        for a, s in enumerate(self.observables.axes):
            if s in space.free:
                place = space.free.index(s)
                upper[place] = max(upper[place], self._needed[a])
        return self._sized(space, upper - np.array(space.lower) + 1)

    @cached_property
    def _needed(self) -> Counts:
        """The count that every latent species must be able to have for what was read: [A]."""
        result = np.zeros(len(self.observables.axes), dtype=np.int64)
        for d, name in enumerate(self.observables.names):
            read = np.concatenate([level.rows[:, d] for level in self.histories.levels])
            ends = self.measurement.intervals(name, read)
            most = int(np.where(ends == OPEN, 0, ends).max(initial=0))
            members = np.flatnonzero(self.observables.weights[:, d])
            result[members] = np.maximum(result[members], -(-most // len(members)))
        return result

    def _wider(self, space: StateSpace, lost: NDArray[np.bool_]) -> StateSpace:
        shape = np.array(space.shape, dtype=np.int64)
        return self._sized(space, np.where(lost, np.ceil(GROWTH * shape).astype(np.int64) + 2, shape))

    def _sized(self, space: StateSpace, shape: Counts) -> StateSpace:
        wide = replace(space, shape=tuple(int(n) for n in shape))
        if wide.size > self.solver.max_states:
            raise TruncationError(
                f"the courses need a window of at least {wide.size} states, "
                f"more than max_states = {self.solver.max_states}",
                place="filter",
                mend="raise max_states, or allow a larger leak",
            )
        return wide

    # one window ----------------------------------------------------------------------------------

    def _on(self, space: StateSpace, problem: Problem, noise: Mapping[str, float]) -> tuple[Array, NDArray[np.bool_]]:
        """Log-likelihoods [C] on one window, and the axes [F] through which more than the leak is lost."""
        stencil = Stencil(problem.model, space)
        operator = MasterOperator(stencil, problem.theta)
        move = Propagation(operator, self.histories.longest_jump())
        laws, total = _start(problem.initial, space)[:, None], np.zeros(1)
        seen = stencil.states[:, list(self.observables.axes)] @ self.observables.weights
        by_level: list[Array] = []
        for level in self.histories.levels:
            before = laws[:, level.parents]
            moved = self._moved(before, level, move)
            operator.refuse(moved.sum(axis=1))
            lost = before.sum(axis=0) - moved.sum(axis=0)
            if (lost > self.solver.leak + 1e-12).any():
                return np.zeros(0), _faces(operator, before + moved, self.solver.leak)
            likely = self._likely(level, seen, noise)
            laws = moved[:, level.step] * likely[level.shown].T
            p = laws.sum(axis=0)
            with np.errstate(divide="ignore"):
                total = total[level.parent] + np.log(p)
            laws = laws / np.where(p > 0, p, 1.0)
            by_level.append(total)
        return self.histories.ends(by_level), np.zeros(len(space.shape), dtype=np.bool_)

    def _moved(self, laws: Array, level: Level, move: Propagation) -> Array:
        result = np.empty_like(laws)
        for gap in np.unique(level.gaps):
            which = np.flatnonzero(level.gaps == gap)
            result[:, which] = move(laws[:, which], float(gap), self._uses[float(gap)])
        return result

    @cached_property
    def _uses(self) -> dict[float, int]:
        """How many laws go on by each gap, in all levels."""
        gaps, uses = np.unique(np.concatenate([level.gaps for level in self.histories.levels]), return_counts=True)
        return dict(zip(gaps.tolist(), uses.tolist(), strict=True))

    def _likely(self, level: Level, seen: Counts, noise: Mapping[str, float]) -> Array:
        """P(row | state) of the distinct rows of a level: [U, N]."""
        result = np.ones((len(level.rows), len(seen)))
        for d, name in enumerate(self.observables.names):
            values, back = np.unique(seen[:, d], return_inverse=True)
            kinds, which = np.unique(self.measurement.intervals(name, level.rows[:, d]), axis=0, return_inverse=True)
            given = self.measurement.capture.get(name), self.measurement.background.get(name)
            capture, background = (noise[v] if isinstance(v, str) else v for v in given)
            matrix = Readout(np.maximum(values, 0), kinds).matrix(capture, background)
            result *= matrix[back.reshape(-1)][:, which.reshape(-1)].T
        return result


def _start(initial: Distribution, space: StateSpace) -> Array:
    """The initial law on a window: [N]."""
    states = space.states()
    inside = (states >= 0).all(axis=1)
    p = np.zeros(len(states))
    p[inside] = np.exp(initial.log_prob(states[inside]))
    return p


def _faces(operator: MasterOperator, laws: Array, leak: float) -> NDArray[np.bool_]:
    """The axes through whose upper faces probability leaves: [F]; all of them where none can be told."""
    stencil = operator.stencil
    axes, flow = len(stencil.space.shape), laws.max(axis=1)
    out = np.zeros(axes)
    for rate, change in zip(operator.rates, stencil.model.change, strict=True):
        for axis in range(axes):
            if change[stencil.space.free[axis]] > 0:
                out[axis] += float(rate @ (flow * stencil.crosses(axis, change, upper=True)))
    found = out > 1e-3 * max(float(out.max(initial=0.0)), leak)
    return found if found.any() else np.ones(axes, dtype=np.bool_)
