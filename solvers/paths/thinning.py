"""Exact trajectories where laws contain the time: candidates at a proven bound of the rates, thinned.

Over a short stretch of time every propensity has an upper bound (interval arithmetic, not samples);
candidate events come at the sum of the bounds and are taken with the share that the rates really have
at their time. No step size enters the law.
P. A. W. Lewis, G. S. Shedler, Nav. Res. Logist. Q. 26 (1979) 403, doi:10.1002/nav.3800260304.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.intervals import TimeBounds
from kinetix.jumps import Jumps

from .kernels import BAD_PROPENSITY, BUDGET, FINISHED, NEGATIVE_COUNT, STOPPED
from .streams import UNIT, Streams

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

CANDIDATES = 3.0
"""Candidate events that one stretch should have: a longer one has looser bounds, a shorter one ends too soon."""

SHORTEST = 2.0**-40
"""Part of the whole time below which a stretch is not halved any more to have a finite bound."""


def run(  # noqa: PLR0913, PLR0917 - the arguments of the compiled kernel
    model: CompiledModel,
    times: Array,
    thetas: Array,
    starts: Counts,
    first: int,
    root: tuple[int, int],
    budget: int,
    control: Counts,
    out: Counts,
    report: Counts,
    when: Array,
    jumps: Jumps | None = None,
    since: float = 0.0,
) -> None:
    """As `lockstep.run`, for laws that contain the time; `since` is the time at which `times` start to count."""
    paths = _Paths(model, times, thetas, starts, Streams(root, np.arange(first, first + len(starts))), jumps, since)
    spent = 0
    while len(paths.active):
        failure = paths.step(out)
        if failure is None and spent == budget:
            failure = BUDGET, int(paths.active[0]) if len(paths.active) else 0, -1
        if failure is None and control[0] and len(paths.active):
            failure = STOPPED, int(paths.active[0]), -1
        if failure is not None and len(paths.active):
            code, path, reaction = failure
            report[:3], report[3:], when[0] = (code, first + path, reaction), paths.x[path], paths.t[path]
            return
        spent += 1
    report[0] = FINISHED


class _Paths:
    """Trajectories side by side, each at its own time and on its own stretch."""

    def __init__(
        self,
        model: CompiledModel,
        times: Array,
        thetas: Array,
        starts: Counts,
        streams: Streams,
        jumps: Jumps | None,
        since: float,
    ) -> None:
        self.model, self.times, self.thetas, self.streams = model, times, thetas, streams
        self.jumps, self.since, self.bounds = jumps, since, TimeBounds(model)
        n = len(starts)
        self.x, self.t, self.k = starts.astype(np.int64).copy(), np.zeros(n), np.zeros(n, dtype=np.int64)
        self.reach = np.full(n, float(times[-1]) or 1.0)
        self.active = np.arange(n)
        self.held = jumps.triggers(self.x.astype(np.float64), thetas, since) if jumps else np.zeros((n, 0), np.bool_)

    def step(self, out: Counts) -> tuple[int, int, int] | None:
        """One candidate, or the end of one stretch, for every trajectory that is not done; what failed, if any."""
        a = self.active
        start, bound = self.t[a], self._bound()
        if not np.isfinite(bound).all():
            path = int(a[np.argmin(np.isfinite(bound))])
            return BAD_PROPENSITY, path, self._culprit(path)
        u = self.streams.uniforms(a)
        with np.errstate(divide="ignore"):
            waited = -np.log(u + UNIT) / bound
        candidate = waited <= self.reach[a]
        following = start + np.where(candidate, waited, self.reach[a])
        rates = self.model_rates(a[candidate], following[candidate])
        fine = (rates >= 0) & (rates < np.inf)
        if not fine.all():
            row = int(np.argmin(fine.all(axis=1)))
            self.t[a[candidate][row]] = following[candidate][row]
            return BAD_PROPENSITY, int(a[candidate][row]), int(np.argmin(fine[row]))
        self._write(out, a, following)
        self.t[a] = following
        failure = self._fire(a[candidate], rates, bound[candidate])
        self.active = a[self.k[a] < len(self.times)]
        return failure

    def _bound(self) -> Array:
        """The sum of the bounds over each trajectory's stretch, which is made shorter until it has few candidates."""
        a, last = self.active, float(self.times[-1])
        x, theta, start = self.x[a].astype(np.float64), self.thetas[a], self.since + self.t[a]
        reach = np.minimum(2 * self.reach[a], last or 1.0)
        while True:
            _, upper = self.bounds.over(x, theta, start, start + reach)
            bound = np.asarray(np.maximum(upper, 0.0).sum(axis=1))
            long = ~(bound * reach <= CANDIDATES) & (reach > SHORTEST * last)
            if not long.any():
                self.reach[a] = reach
                return bound
            wanted = np.where(np.isfinite(bound), 0.5 * CANDIDATES / np.maximum(bound, 1e-300), 0.0)
            reach = np.where(long, np.clip(wanted, reach / 1024, reach / 2), reach)

    def model_rates(self, paths: Counts, times: Array) -> Array:
        """The propensities of some trajectories at their own times (since the start of the run): [n, R]."""
        x, theta = self.x[paths].astype(np.float64), self.thetas[paths]
        return self.model.propensities(x, theta, self.since + times)

    def _culprit(self, path: int) -> int:
        rates = self.model_rates(np.array([path]), self.t[[path]])[0]
        bad = ~((rates >= 0) & (rates < np.inf))
        return int(np.argmax(bad)) if bad.any() else 0

    def _write(self, out: Counts, paths: Counts, following: Array) -> None:
        """Counts at the output times that lie before the next moment of each trajectory."""
        while True:
            open_ = self.k[paths] < len(self.times)
            due = paths[open_][self.times[self.k[paths[open_]]] <= following[open_]]
            if not len(due):
                return
            out[due, self.k[due]] = self.x[due]
            self.k[due] += 1

    def _fire(self, paths: Counts, rates: Array, bound: Array) -> tuple[int, int, int] | None:
        """Take each candidate with its share of the bound; events follow what fires."""
        going = self.k[paths] < len(self.times)
        paths, rates, bound = paths[going], rates[going], bound[going]
        if not len(paths):
            return None
        sums = np.cumsum(rates, axis=1)
        u = self.streams.uniforms(paths) * bound
        taken = u < sums[:, -1]
        paths, chosen = paths[taken], (u[taken, None] >= sums[taken]).sum(axis=1)
        self.x[paths] += self.model.change[chosen]
        below = (self.x[paths] < 0).any(axis=1)
        if below.any():
            row = int(np.argmax(below))
            return NEGATIVE_COUNT, int(paths[row]), int(chosen[row])
        if self.jumps and len(paths):
            moment, before = self.since + self.t[paths], self.x[paths].astype(np.float64)
            after, self.thetas[paths] = self.jumps.settle(before, self.thetas[paths], self.held[paths], moment)
            self.held[paths] = self.jumps.triggers(after, self.thetas[paths], moment)
            self.x[paths] = after.astype(np.int64)
        return None
