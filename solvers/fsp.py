"""Finite state projection: integrate the master equation on a window, and know the error.

Choose it when the window fits in memory (up to four species or so): it gives the law itself, and
the lost probability bounds its error. Beyond, draw trajectories or train a net.
B. Munsky, M. Khammash, J. Chem. Phys. 124 (2006) 044104, doi:10.1063/1.2145882.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Tabulated
from kinetix.errors import SettingError, TruncationError, UnsupportedFeature
from kinetix.expressions import TIME
from kinetix.master import MasterOperator, Stencil
from kinetix.network import require_known
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.space import StateSpace

from .kernels import have_numba
from .uniformisation import Schedule, Sweep, Tables, sweep
from .window import Start, WindowMaker

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class FSP:
    """Finite state projection by uniformisation on an adaptive window.

    `leak` is the probability that may be lost by the last time; `max_states` the largest window;
    `caps` the largest count of species by name, which fixes their faces; `max_work` the largest
    number of entry updates (about 1e9 a second); `threads` for batches of parameter vectors.
    """

    leak: float = 1e-9
    max_states: int = 2_000_000
    caps: dict[str, int] | None = None
    max_work: float = 1e13
    threads: int | None = None

    def __post_init__(self) -> None:
        if not 1e-13 <= self.leak < 1:
            raise SettingError(f"leak is {self.leak}", place="fsp", mend="give a probability from 1e-13 to below 1")
        if self.max_states < 1:
            raise SettingError(f"max_states is {self.max_states}", place="fsp", mend="give a whole number >= 1")

    def solve(self, problem: Problem, *, rng: np.random.Generator | None = None) -> Solution:
        """The laws on the window; `error` bounds their total variation, worst over times (by time in `meta`)."""
        started = time.process_time()
        (found,) = self._adapted(problem, problem.theta[None, :])
        bound = found.lost + found.bound
        tables = [Tabulated(found.space, law) for law in found.laws]
        network = problem.model.network
        meta = provenance(
            self,
            network,
            started,
            error_by_time=bound.tolist(),
            lost_by_time=found.lost.tolist(),
            states=found.space.size,
            upper={network.species_names[s]: u for s, u in zip(found.space.free, found.space.upper, strict=True)},
            products=found.products,
        )
        return Solution.of(problem, tables, error=float(bound.max()), meta=meta)

    def log_prob_batch(
        self,
        problem: Problem,
        thetas: Array,
        counts: Sequence[Counts],
        axes: Sequence[int],
        *,
        rng: np.random.Generator | None = None,
    ) -> list[Array]:
        """Log-probabilities of observed counts under many parameter vectors: one [B, U_k] a time.

        Every window holds the observed counts. The answer for a parameter vector does not depend
        on the others of the batch.
        """
        at_least = np.zeros(len(problem.model.network.species), dtype=np.int64)
        for rows in counts:
            if len(rows):
                at_least[list(axes)] = np.maximum(at_least[list(axes)], np.max(rows, axis=0))
        found = self._adapted(problem, np.asarray(thetas, dtype=np.float64), at_least)
        result = [np.empty((len(thetas), len(rows))) for rows in counts]
        pickers: dict[int, list[Array]] = {}
        for b, law in enumerate(found):
            if id(law.space) not in pickers:
                pickers[id(law.space)] = [_picker(law.space, rows, axes) for rows in counts]
            for k, matrix in enumerate(pickers[id(law.space)]):
                with np.errstate(divide="ignore"):
                    result[k][b] = np.log(matrix @ law.laws[k])
        return result

    def window(self, problem: Problem, thetas: Array, *, leak: float | None = None) -> StateSpace:
        """The union, over parameter vectors [B, P] and all times, of windows that lose at most `leak`."""
        solver = self if leak is None else replace(self, leak=leak)
        found = solver._adapted(problem, np.asarray(thetas, dtype=np.float64))  # noqa: SLF001 - the same class
        caps = np.max([law.caps for law in found], axis=0)
        return _maker(problem).space(caps)

    def tables(self, problem: Problem, thetas: Array, space: StateSpace) -> tuple[Array, Array]:
        """The laws on one fixed window: [B, P] -> p [B, T, N] and the probability lost by the last time [B]."""
        stencil, start = Stencil(problem.model, space), Start.of(problem.initial)
        _refuse_time(problem)
        p0 = start.on(space)
        jobs = [_Job(stencil, theta, p0, problem.times, 2.0, self) for theta in np.asarray(thetas, dtype=np.float64)]
        laws = np.stack([swept.laws for _, swept, _ in self._map(jobs)])
        return laws, np.maximum(1.0 - laws[:, -1].sum(axis=-1), 0.0)

    # the adaptive window -----------------------------------------------------------------------

    def _adapted(self, problem: Problem, thetas: Array, at_least: Counts | None = None) -> list[_Law]:
        """For every parameter vector [B, P] its laws on a window that loses at most `leak`."""
        _refuse_time(problem)
        maker, network = _maker(problem), problem.model.network
        least = maker.start.counts.max(axis=0)
        least = least if at_least is None else np.maximum(least, at_least)
        fixed = dict(self.caps or {})
        require_known(fixed, network.species_names, "species")
        compiled = len(thetas) >= 16 and have_numba()
        guess = [self._fixed(network.species_names, maker.guess(t, least, compiled=compiled)) for t in thetas]
        waiting = {b: np.maximum(caps, least) for b, caps in enumerate(guess)}
        found: dict[int, _Law] = {}
        while waiting:
            groups: dict[tuple[int, ...], list[int]] = {}
            for b, caps in waiting.items():
                groups.setdefault(tuple(caps.tolist()), []).append(b)
            waiting = {}
            for caps, members in groups.items():
                for b, law, wider in self._group(problem, maker, np.array(caps), thetas[members], members):
                    if law is not None:
                        found[b] = law
                    else:
                        waiting[b] = wider
        return [found[b] for b in range(len(thetas))]

    def _group(
        self, problem: Problem, maker: WindowMaker, caps: Counts, thetas: Array, members: list[int]
    ) -> list[tuple[int, _Law | None, Counts]]:
        space = maker.space(caps)
        if space.size > self.max_states:
            raise TruncationError(
                f"the law needs a window of at least {space.size} states, more than max_states = {self.max_states}",
                place="fsp",
                mend="raise max_states, allow a larger leak, or use ssa",
            )
        stencil, p0 = Stencil(problem.model, space), maker.start.on(space)
        jobs = [_Job(stencil, theta, p0, problem.times, self.leak, self) for theta in thetas]
        result: list[tuple[int, _Law | None, Counts]] = []
        for b, (operator, swept, bound) in zip(members, self._map(jobs), strict=True):
            lost = np.maximum(1.0 - swept.laws.sum(axis=1), 0.0)
            if not swept.stopped and lost[-1] <= self.leak:
                result.append((b, _Law(space, caps, swept.laws, lost, bound, swept.products), caps))
                continue
            wider = maker.wider(caps, operator, swept.occupancy, self.leak)
            wider = self._fixed(problem.model.network.species_names, wider)
            if (wider <= caps).all():
                raise TruncationError(
                    f"the window of {space.size} states loses {float(lost[-1]):.2g}, more than leak = {self.leak:g}",
                    place="fsp",
                    mend="raise caps, or allow a larger leak",
                )
            result.append((b, None, np.maximum(wider, caps)))
        return result

    def _fixed(self, names: Sequence[str], caps: Counts) -> Counts:
        result = caps.copy()
        for name, cap in (self.caps or {}).items():
            result[names.index(name)] = cap
        return result

    def _map(self, jobs: list[_Job]) -> list[tuple[MasterOperator, Sweep, float]]:
        threads = self.threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
        if len(jobs) == 1 or threads == 1:
            return [job.run() for job in jobs]
        with ThreadPoolExecutor(threads, thread_name_prefix="kinetix-fsp") as pool:
            return list(pool.map(_Job.run, jobs))


@dataclass(frozen=True, eq=False)
class _Law:
    """Laws [T, N] of one parameter vector on its window: lost mass and integration bound by time."""

    space: StateSpace
    caps: Counts
    laws: Array
    lost: Array
    bound: float
    products: int


@dataclass(frozen=True, eq=False)
class _Job:
    """One sweep: a parameter vector on a window."""

    stencil: Stencil
    theta: Array
    start: Array
    times: Array
    lost_at_most: float
    solver: FSP

    def run(self) -> tuple[MasterOperator, Sweep, float]:
        """The operator, the laws, and what truncation, a law taken as constant, and rounding can add to the error."""
        operator = MasterOperator(self.stencil, self.theta)
        tables = Tables(operator.outflow, operator.moves, self.stencil.steps)
        work = tables.rate * float(self.times[-1]) * self.stencil.space.size * (len(tables.steps) + 1)
        if work > self.solver.max_work:
            raise TruncationError(
                f"integrating {self.stencil.space.size} states to t = {self.times[-1]:g} takes about {work:.1e} "
                f"entry updates, more than max_work = {self.solver.max_work:.1e}",
                place="fsp",
                mend="raise max_work, or use ssa",
            )
        schedule = Schedule.of(tables.rate, self.times)
        result = sweep(
            tables, self.start, schedule, lost_at_most=self.lost_at_most, still=min(0.05 * self.solver.leak, 1e-9)
        )
        operator.refuse(result.occupancy + result.laws[-1])
        return operator, result, schedule.error + result.drift + schedule.rounding(len(tables.steps))


def _maker(problem: Problem) -> WindowMaker:
    return WindowMaker(problem.model, Start.of(problem.initial), problem.theta, float(problem.times[-1]))


def _picker(space: StateSpace, rows: Counts, axes: Sequence[int]) -> Array:
    """The matrix that sums a law [N] over the states that show each observed row: [U, N], sparse."""
    from scipy.sparse import csr_array

    states = space.states()[:, list(axes)]
    wide = np.maximum(states.max(axis=0), np.max(rows, axis=0, initial=0)) + 1
    key, wanted = (
        np.ravel_multi_index(tuple(states.T), tuple(wide), mode="clip"),
        np.ravel_multi_index(tuple(np.asarray(rows).T), tuple(wide)),
    )
    order = np.argsort(wanted)
    place = np.searchsorted(wanted[order], key)
    place = np.minimum(place, len(wanted) - 1)
    hit = (wanted[order][place] == key) & (space.states() >= 0).all(axis=1)
    entries = np.ones(int(hit.sum())), (order[place[hit]], np.nonzero(hit)[0])
    return csr_array(entries, shape=(len(rows), space.size))


def _refuse_time(problem: Problem) -> None:
    for reaction in problem.model.network.reactions:
        if TIME in reaction.propensity.free_symbols:
            raise UnsupportedFeature(
                f"the law of reaction {reaction.name!r} contains the time", place="fsp", mend="use constant laws"
            )
