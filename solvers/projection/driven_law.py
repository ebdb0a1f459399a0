"""The projected master equation through cuts in time and events: the law is carried from phase to phase.

What was lost in one phase stays lost, so the bound of the whole is the sum (see `drive`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Distribution, Tabulated
from kinetix.errors import UnsupportedFeature
from kinetix.expressions import TIME, names_in
from kinetix.listed import Listed
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.solvers.drive import Drive, count_cuts
from kinetix.solvers.parallel import Flag, run_all

from .frame import Start
from .quiet import QuietProjection
from .reach import Reach

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def solve(fsp: QuietProjection, problem: Problem) -> Solution:
    """The laws of a problem with events or with laws that switch at times; the same bound as without."""
    started = time.process_time()
    drive = _LawDrive(fsp, problem)
    drive.go()
    meta = provenance(
        fsp,
        problem.model.network,
        started,
        error_by_time=drive.errors,
        states=max(drive.sizes, default=1),
        products=drive.products,
        cuts=drive.cuts,
    )
    return Solution.of(problem, drive.laws, error=max(drive.errors), meta=meta, thetas=np.array(drive.thetas))


def log_prob_batch(
    fsp: QuietProjection, problem: Problem, thetas: Array, counts: Sequence[Counts], axes: Sequence[int]
) -> list[Array]:
    """Log-probabilities of observed counts under many parameter vectors: one [B, U_k] a time.

    The windows hold the observed counts, as they do without cuts; lists of states may not.
    """
    least = np.zeros(len(problem.model.network.species), dtype=np.int64)
    for rows in counts:
        least[list(axes)] = np.maximum(least[list(axes)], np.max(rows, axis=0, initial=0))

    def weighed(theta: Array, _: Flag) -> list[Array]:
        drive = _LawDrive(fsp, replace(problem, theta=theta), least)
        drive.go()
        return [law.marginal(axes).log_prob(rows) for law, rows in zip(drive.laws, counts, strict=True)]

    found = run_all([partial(weighed, theta) for theta in thetas], fsp.threads, short=True)
    return [np.stack(column) for column in zip(*found, strict=True)]


class _LawDrive(Drive):
    """A law on its way: states `x` [M, S] with the probabilities `p` [M]; theta is the same in all of them.

    Windows hold the counts `least` [S] at least.
    """

    def __init__(self, fsp: QuietProjection, problem: Problem, least: Counts | None = None) -> None:
        start = Start.of(problem.initial)
        theta = np.broadcast_to(problem.theta, (len(start.counts), len(problem.theta)))
        super().__init__(problem.model, problem.times, start.counts.astype(np.float64), theta)
        self.fsp, self.p = fsp, start.p
        self.least = np.zeros(self.x.shape[1], dtype=np.int64) if least is None else least
        self.leak = fsp.leak / (count_cuts(self) + 1)
        self.bound, self.products = 0.0, 0
        self.laws: list[Distribution] = []
        self.errors: list[float] = []
        self.thetas: list[Array] = []
        self.sizes: list[int] = []
        _refuse_moments(self)

    def keep(self) -> None:
        """The present law, as a table."""
        self._gather()
        self._note(self._present, self._missing + self.bound)

    def phase(self, theta: Array, relative: Array, inside: int) -> None:
        """By windows of counts, or by the states that can be reached where firings set off events."""
        self._gather()
        if self.listens or self.model.network.depends_on_time:
            self._reach(theta[0], relative, inside)
        else:
            self._project(theta[0], relative, inside)
        self.theta = np.broadcast_to(self.theta[0], (len(self.x), self.theta.shape[1]))

    def _project(self, theta: Array, relative: Array, inside: int) -> None:
        missing = self._missing
        fsp, problem = replace(self.fsp, leak=self.leak), Problem(self.quiet, relative, theta, self._present)
        law = fsp.holding(problem, self.least)
        if law is None:
            found = fsp.solve(problem)
            laws, states, products = list(found.laws), int(found.meta["states"]), int(found.meta["products"])
            errors, lost = found.meta["error_by_time"], found.meta["lost_by_time"][-1]
        else:
            laws = [Tabulated(law.space, p) for p in law.laws]
            states, products = law.space.size, sum(law.products.values())
            errors, lost = (law.lost + law.bound + missing).tolist(), float(law.lost[-1])
        for kept, error in zip(laws[:inside], errors[:inside], strict=True):
            self._note(kept, error + self.bound)
        self.bound += max(errors[-1] - lost - missing, 0.0)
        self._carry(laws[-1], states, products)

    def _reach(self, theta: Array, relative: Array, inside: int) -> None:
        fsp, missing = self.fsp, self._missing
        reach = Reach(self.model, theta, self.leak, fsp.max_states, fsp.max_work, self.now)
        found = reach.laws(self.x.astype(np.int64), self.p, relative)
        for law, lost in zip(found.laws[:inside], found.lost[:inside], strict=True):
            self._note(Listed(found.states, law), missing + lost + found.bound + self.bound)
        self.bound += found.bound
        self._carry(Listed(found.states, found.laws[-1]), len(found.states), found.products)

    def _carry(self, law: Distribution, states: int, products: int) -> None:
        """Take the law at the end of a phase as the start of the next."""
        end = Start.of(law)
        held = end.p > 0
        self.x, self.p = end.counts[held].astype(np.float64), end.p[held]
        self.products += products
        self.sizes.append(states)

    def _gather(self) -> None:
        """One row for each state, after events have sent several to the same; theta must not differ."""
        if (self.theta != self.theta[0]).any():
            names = np.array(self.phases.source.theta_names)[(self.theta != self.theta[0]).any(axis=0)]
            reason = f"an event sets {', '.join(names)} to values that depend on the counts"
            raise UnsupportedFeature(reason, place="fsp", mend="use ssa")
        self.x, position = np.unique(self.x, axis=0, return_inverse=True)
        self.p = np.bincount(position.ravel(), self.p, len(self.x)).astype(np.float64)
        self.theta = np.broadcast_to(self.theta[0], (len(self.x), self.theta.shape[1]))

    @property
    def _missing(self) -> float:
        """The probability that is lost so far."""
        return max(1.0 - float(self.p.sum()), 0.0)

    def _note(self, law: Distribution, error: float) -> None:
        self.laws.append(law)
        self.errors.append(float(error))
        self.thetas.append(self.theta[0].copy())

    @property
    def _present(self) -> Listed:
        return Listed(self.x.astype(np.int64), self.p)


def _refuse_moments(drive: _LawDrive) -> None:
    """A firing at any moment would set counts to what depends on that moment: no projection has it."""
    counted = set(drive.model.network.species_names)
    for event in drive.model.network.events:
        if names_in(event.trigger) & counted and any(TIME in v.free_symbols for v in event.assignments.values()):
            reason = f"event {event.name!r} depends on counts and sets what depends on the time"
            raise UnsupportedFeature(reason, place="fsp", mend="use ssa")
