"""The likelihood of time courses by forward filtering: what is hidden is carried along as a law.

Between two rows of a cell its law moves by the master equation; at a row it is conditioned on what was read. The
product of the probabilities of the rows, each given those before, is the likelihood. Exact to what leaves the window,
which grows until that is less than the solver's leak in every step of every cell.
L. E. Baum, T. Petrie, Ann. Math. Statist. 37 (1966) 1554.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Distribution
from kinetix.errors import TruncationError
from kinetix.inference.data.measurement import OPEN, Measurement
from kinetix.inference.data.readout import Readout, matrix_of, slope_of
from kinetix.inference.readings.observables import Observables
from kinetix.master import MasterOperator, Stencil
from kinetix.problem import Problem
from kinetix.space import StateSpace

from .histories import Histories, Level
from .propagation import Propagation

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
        return self.slopes(problem, noise, (), ())[0]

    def slopes(
        self, problem: Problem, noise: Mapping[str, float], places: Sequence[int], numbers: Sequence[str]
    ) -> tuple[Array, Array]:
        """As `log_prob`, with derivatives by theta at `places`, then by the measurement's `numbers`: [C], [C, K]."""
        space = self._first(problem)
        while True:
            logs, slopes, lost = self._on(space, problem, noise, tuple(places), tuple(numbers))
            if not lost.any():
                return logs, slopes
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

    def _on(
        self,
        space: StateSpace,
        problem: Problem,
        noise: Mapping[str, float],
        places: tuple[int, ...] = (),
        numbers: tuple[str, ...] = (),
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Log-likelihoods [C] and derivatives [C, K] on one window, and the axes [F] that lose more than the leak."""
        stencil = Stencil(problem.model, space)
        operator, many = MasterOperator(stencil, problem.theta), len(places) + len(numbers)
        move = Propagation(operator, self.histories.longest_jump(), (*places, *[None] * len(numbers)))
        laws, total = _start(problem.initial, space)[:, None], np.zeros(1)
        tangents, rise = np.zeros((many, len(laws), 1)), np.zeros((many, 1))
        seen = stencil.states[:, list(self.observables.axes)] @ self.observables.weights
        by_level: list[Array] = []
        for level in self.histories.levels:
            before = laws[:, level.parents]
            moved, along = self._moved(before, tangents[:, :, level.parents], level, move)
            operator.refuse(moved.sum(axis=1))
            lost = before.sum(axis=0) - moved.sum(axis=0)
            if (lost > self.solver.leak + 1e-12).any():
                return np.zeros(0), np.zeros((0, many)), _faces(operator, before + moved, self.solver.leak)
            likely, changes = self._likely(level, seen, noise, numbers)
            laws = moved[:, level.step] * likely[level.shown].T
            tangents = along[:, :, level.step] * likely[level.shown].T
            tangents[len(places) :] += moved[:, level.step] * changes[:, level.shown].transpose(0, 2, 1)
            p, dp = laws.sum(axis=0), tangents.sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                total = total[level.parent] + np.log(p)
                rise = rise[:, level.parent] + dp / p
            whole = np.where(p > 0, p, 1.0)
            laws = laws / whole
            tangents = (tangents - laws * dp[:, None]) / whole
            by_level.append(np.vstack([total, rise]))
        logs, *slopes = (self.histories.ends([level[i] for level in by_level]) for i in range(1 + many))
        return logs, np.array(slopes).reshape(many, len(logs)).T, np.zeros(len(space.shape), dtype=np.bool_)

    def _moved(self, laws: Array, tangents: Array, level: Level, move: Propagation) -> tuple[Array, Array]:
        result, along = np.empty_like(laws), np.empty_like(tangents)
        for gap in np.unique(level.gaps):
            which = np.flatnonzero(level.gaps == gap)
            uses = self._uses[float(gap)]
            result[:, which], along[:, :, which] = move(laws[:, which], tangents[:, :, which], float(gap), uses)
        return result, along

    @cached_property
    def _uses(self) -> dict[float, int]:
        """How many laws go on by each gap, in all levels."""
        gaps, uses = np.unique(np.concatenate([level.gaps for level in self.histories.levels]), return_counts=True)
        return dict(zip(gaps.tolist(), uses.tolist(), strict=True))

    def _likely(
        self, level: Level, seen: Counts, noise: Mapping[str, float], numbers: Sequence[str]
    ) -> tuple[Array, Array]:
        """P(row | state) of the distinct rows of a level [U, N], and its derivatives by `numbers` [Q, U, N]."""
        factors, slopes = [], []
        for d, name in enumerate(self.observables.names):
            values, back = np.unique(seen[:, d], return_inverse=True)
            kinds, which = np.unique(self.measurement.intervals(name, level.rows[:, d]), axis=0, return_inverse=True)
            readout, back, which = Readout(np.maximum(values, 0), kinds), back.reshape(-1), which.reshape(-1)
            factors.append(matrix_of(self.measurement, name, readout, noise)[back][:, which].T)
            slopes.append([slope_of(self.measurement, name, readout, noise, n)[back][:, which].T for n in numbers])
        changes = np.zeros((len(numbers), *factors[0].shape))
        for q in range(len(numbers)):
            for d, slope in enumerate(slopes):
                changes[q] += slope[q] * np.prod([f for e, f in enumerate(factors) if e != d], axis=0)
        return np.asarray(np.prod(factors, axis=0)), changes


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
