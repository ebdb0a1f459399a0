"""Many rate vectors, each on its own adaptive window: the engine room of the finite state projection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import TruncationError
from kinetix.problem import Problem
from kinetix.solvers.parallel import Flag, run_all
from kinetix.space import StateSpace

from .expansion import predicted
from .frame import Start
from .grid import Grid, Rates, grid_of
from .integration import Flow, integrate
from .small import can_sweep, swept
from .window import STEPS, WindowMaker

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
T = TypeVar("T")

TRIFLE = 3e6
"""Additions (a few milliseconds) up to which uniformisation needs no rival: it keeps the digits of rare states."""

COMPACT = 3e7
"""The same for small windows, where one compiled call does all of it."""

SHORT = 20_000
"""Windows up to this size need no thread of their own to be interrupted in time."""


@dataclass(frozen=True, eq=False)
class Law:
    """Laws [T, N] of one rate vector on a window of counts 0 .. caps [S].

    `lost` [T] is what left the window by each time; `bound` [T] what the integration can add to that;
    `products` how many matrix-vector products each method took.
    """

    space: StateSpace
    caps: Counts
    laws: Array
    lost: Array
    bound: Array
    products: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Projector:
    """One start, model and set of times, and how much may be lost and spent; see `FSP`.

    `positive` keeps to uniformisation, which keeps the digits of rare states. Nothing leaves a state
    where `absorbing`, a function of counts [N, S] -> [N], is true.
    """

    maker: WindowMaker
    times: Array
    leak: float
    max_states: int
    max_work: float
    fixed: Mapping[int, int]
    threads: int | None
    positive: bool = False
    absorbing: Callable[[Counts], NDArray[np.bool_]] | None = None

    @classmethod
    def of(cls, problem: Problem, **limits: Any) -> Projector:
        """The projector of a problem."""
        start = Start.of(problem.initial)
        maker = WindowMaker(problem.model, start, problem.theta, float(problem.times[-1]))
        return cls(maker, problem.times, **limits)

    def adapted(self, thetas: Array, at_least: Counts, keep: Callable[[Law], T]) -> list[T]:
        """`keep` of the laws of every rate vector [B, P], on windows that lose at most `leak`.

        Each window depends on its rate vector alone, not on the others.
        """
        least = np.maximum(self.maker.start.counts.max(axis=0), at_least)
        waiting = {b: self.guess(theta, least) for b, theta in enumerate(thetas)}
        found: dict[int, T] = {}
        while waiting:
            places = {caps: self._place(caps) for caps in {tuple(caps.tolist()) for caps in waiting.values()}}
            tasks = [
                partial(self._attempt, places[tuple(caps.tolist())], caps, thetas[b], keep)
                for b, caps in waiting.items()
            ]
            short = all(grid.space.size <= SHORT for grid, _ in places.values())
            tried = zip(waiting, run_all(tasks, self.threads, short=short), strict=True)
            waiting = {}
            for b, (kept, wider) in tried:
                if wider is None:
                    found[b] = kept[0]
                else:
                    waiting[b] = wider
        return [found[b] for b in range(len(thetas))]

    def guess(self, theta: Array, at_least: Counts | None = None, *, steps: int = STEPS) -> Counts:
        """The caps [S] of the first window, by pilots of so many events."""
        least = self.maker.start.counts.max(axis=0) if at_least is None else at_least
        if len(self.fixed) == len(least):  # no pilot could say more
            return np.maximum(self._with_fixed(least), least)
        return np.maximum(self._with_fixed(self.maker.guess(theta, least, steps=steps)), least)

    def on(self, space: StateSpace, thetas: Array) -> Array:
        """The laws of every rate vector [B, P] on one window, whatever it loses: [B, T, N]."""
        grid, start = grid_of(self.maker.model, space), self.maker.start.on(space)

        def task(theta: Array, flag: Flag) -> Array:
            return self._integrate(self._rates(grid, theta), start, flag, lost_at_most=2.0).laws

        tasks = [partial(task, theta) for theta in thetas]
        return np.stack(run_all(tasks, self.threads, short=space.size <= SHORT))

    def _place(self, caps: Sequence[int]) -> tuple[Grid, Array]:
        """The grid of a window and the start on it."""
        wanted = np.array(caps, dtype=np.int64)
        if (size := self.maker.space(wanted).size) > self.max_states:
            raise TruncationError(
                f"the law needs a window of at least {size} states, more than max_states = {self.max_states}",
                place="fsp",
                mend="raise max_states, allow a larger leak, or use ssa",
            )
        return self.maker.frame.place(wanted)

    def _rates(self, grid: Grid, theta: Array) -> Rates:
        rates = grid.rates(theta)
        return rates if self.absorbing is None else rates.stopped(self.absorbing(grid.space.states()))

    def _attempt(
        self, place: tuple[Grid, Array], caps: Counts, theta: Array, keep: Callable[[Law], T], flag: Flag
    ) -> tuple[list[T], Counts | None]:
        """For a rate vector on one window: what to keep, or a wider window."""
        grid, start = place
        rates = self._rates(grid, theta)
        flow = self._integrate(rates, start, flag, lost_at_most=self.leak)
        lost = np.maximum(start.sum() - flow.laws.sum(axis=1), 0.0)
        if not flow.stopped and lost[-1] <= self.leak:
            return [keep(Law(grid.space, caps, flow.laws, lost, flow.error, flow.products))], None
        return [], self._wider(caps, rates, flow, float(lost[-1]))

    def _integrate(self, rates: Rates, start: Array, flag: Flag, *, lost_at_most: float) -> Flow:
        """The laws at all times, and a bound on the error of the integration."""
        rate, compact = float(rates.outflow.max(initial=0.0)), can_sweep(rates)
        terms = None if compact else rates.grid.terms(rates, rate, keep=False)
        additions = 1 + len(rates.grid.flat.step) if terms is None else terms.additions
        tau, tolerance, size = rate * float(self.times[-1]), 0.05 * self.leak, len(start)
        positive = self.positive or bool(rates.broken) or tau * size * additions < (COMPACT if compact else TRIFLE)
        self._afford((tau if positive else min(tau, predicted(tau, 1e-3 * tolerance))) * size * additions, size)
        if positive and compact:
            flow = swept(rates, rate, start, self.times, lost_at_most=lost_at_most, tolerance=tolerance, control=flag)
        else:
            terms, most = terms or rates.grid.terms(rates, rate, keep=False), self.max_work / (size * additions)
            flow = integrate(
                terms,
                rate,
                start,
                self.times,
                lost_at_most=lost_at_most,
                tolerance=tolerance,
                positive=positive,
                control=flag,
                most=most,
            )
        if flow.left:
            self._afford((flow.work + flow.left) * size * additions, size)
        if rates.broken:
            rates.refuse(flow.occupancy + flow.laws[-1])
        return flow

    def _afford(self, work: float, states: int) -> None:
        if work > self.max_work:
            raise TruncationError(
                f"integrating {states} states to t = {self.times[-1]:g} takes about {work:.1e} additions, "
                f"more than max_work = {self.max_work:.1e}",
                place="fsp",
                mend="raise max_work, or use ssa",
            )

    def _wider(self, caps: Counts, rates: Rates, flow: Flow, lost: float) -> Counts:
        # a sweep that stops early has few samples of its occupancy, which may miss the face: its laws do not
        for weight in (flow.occupancy, flow.occupancy + flow.laws.sum(axis=0)):
            wider = self._with_fixed(self.maker.wider(caps, rates, weight, self.leak))
            if (wider > caps).any():
                break
        else:
            raise TruncationError(
                f"the window of {rates.grid.space.size} states loses {lost:.2g} or more, above leak = {self.leak:g}",
                place="fsp",
                mend="raise caps, or allow a larger leak",
            )
        return np.maximum(wider, caps)

    def _with_fixed(self, caps: Counts) -> Counts:
        result = caps.copy()
        for s, cap in self.fixed.items():
            result[s] = cap
        return result
