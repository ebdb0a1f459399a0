"""exp(Q t) p at many times, by whichever of uniformisation and the Chebyshev expansion needs fewer products.

Uniformisation never cancels, so it keeps the digits of the rarest states, and its error is known before
the run; it takes rate * t products. The expansion takes about their square root, as far as its measured
bound allows. It is tried first where it could pay; where it fails, uniformisation goes a stretch of the
way, after which the law is smoother and the expansion is tried again. Errors of stretches add up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .expansion import UNIT, expand, predicted
from .stiff import Stiff
from .terms import Terms
from .uniformisation import Schedule, rounding, sweep

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

METHODS = ("uniformisation", "chebyshev", "krylov")
"""Products of the first two, solutions with factors of the third."""

LEAST = 48.0
"""Values of rate * time up to which uniformisation takes as few products."""

FIRST = 1024.0
"""The value of rate * time that the first expansion aims at."""

GAIN = 0.7
"""An expansion pays when it takes less than this many products per unit of rate * time."""

LOWEST = 384.0
"""What the expansion aims at again after a stretch of uniformisation that followed failures."""

TRIES = 2
"""Expansions that may fail in a row before uniformisation goes a stretch."""

SHORTER = 2.5
"""An expansion is summed to where it aims, and to a point so many times nearer in case that fails."""


@dataclass(eq=False)
class Flow:
    """The laws [T, N] of one integration, and what it took.

    `error` [T] bounds the distance in L1 from the exact laws on the window; `occupancy` [N] is about the
    time that probability spent in each state; `stopped` when more than allowed was lost. Where the
    products allowed are too few, the laws are not filled and `left` products were still to do. `extra` is
    what solutions with factors took more than so many products.
    """

    laws: Array
    error: Array
    occupancy: Array
    products: dict[str, int] = field(default_factory=lambda: dict.fromkeys(METHODS, 0))
    stopped: bool = False
    left: float = 0.0
    extra: float = 0.0

    @property
    def work(self) -> float:
        """What was done, in products."""
        return sum(self.products.values()) + self.extra


def integrate(  # noqa: PLR0913 - all but four are optional
    terms: Terms,
    rate: float,
    start: Array,
    times: Array,
    *,
    lost_at_most: float = 2.0,
    tolerance: float = 1e-11,
    positive: bool = False,
    control: Counts | None = None,
    most: float = np.inf,
) -> Flow:
    """The laws exp(Q t) `start` at `times` [T]: `terms` is I + Q / `rate`.

    `tolerance` is what the expansions, and taking a law as constant, may add to the error altogether;
    `positive` keeps to uniformisation, for digits of rare states. A nonzero `control[0]` ends the run, and
    so does a stretch that would need more than `most` products in all.
    """
    flag = np.zeros(1, dtype=np.int64) if control is None else control
    sums = np.zeros((len(times) + 1, len(start)))
    flow = Flow(sums[:-1], np.zeros(len(times)), sums[-1])
    _Run(terms, rate, times, lost_at_most, tolerance, flag, flow, sums, most).go(start, positive=positive)
    return flow


@dataclass(eq=False)
class _Run:
    """One integration on its way: `done` times are filled, `now` is where `law` stands."""

    terms: Terms
    rate: float
    times: Array
    lost_at_most: float
    tolerance: float
    control: Counts
    flow: Flow
    sums: Array
    most: float
    now: float = 0.0
    done: int = 0
    error: float = 0.0
    stretch: float = 192.0
    aim: float = FIRST
    ceiling: float = np.inf
    stiff: Stiff = field(init=False)

    def __post_init__(self) -> None:
        self.stiff = Stiff(self.terms)

    def go(self, start: Array, *, positive: bool) -> None:
        """All times, or until too much is lost."""
        law, whole, end = start, float(start.sum()), float(self.times[-1])
        spare = max(self.tolerance, 32 * UNIT * self.rate * end)
        failed = 0
        while self.done < len(self.times) and not self.flow.stopped and not self.control[0]:
            left = self.rate * (end - self.now)
            if not positive and (solved := self._solved(law, left, spare)) is not None:
                law, spent = solved
                spare -= spent
                self.flow.stopped |= whole - float(law.sum()) - self.error > self.lost_at_most
                continue
            worth = not positive and left > LEAST and self._pays(min(left, self.aim), spare)
            if worth and failed < TRIES:
                advanced = self._expanded(law, left, spare)
                failed = failed + 1 if advanced is None else 0
            else:
                length = left if positive or left < max(1.5 * self.stretch, LEAST) else self.stretch
                if self.flow.work + length > 1.2 * self.most:
                    self.flow.left = left
                    return
                self.stretch, self.aim = 2.0 * self.stretch, max(self.aim, LOWEST)
                advanced, failed = self._swept(law, whole, length, left), 0
            if advanced is not None:
                law, spent = advanced
                spare -= spent
                self.flow.stopped |= whole - float(law.sum()) - self.error > self.lost_at_most

    def _pays(self, tau: float, spare: float) -> bool:
        return predicted(tau, 1e-3 * spare) < GAIN * tau

    def _products(self, left: float, spare: float) -> float:
        """About how many products go `left`, as far as expansions have shown."""
        goal = min(left, self.ceiling)
        return min(left, predicted(goal, 1e-3 * spare) * left / goal)

    def _solved(self, law: Array, left: float, spare: float) -> tuple[Array, float] | None:
        """As far as one space of I - g A leads, and what it adds to the error; None where products are cheaper."""
        x, stiff = self.rate * self.now, self.stiff
        outputs, found = self.rate * (self.times[self.done :] - self.now), None
        while x > 0 and stiff.pays(x, left, min(self._products(left, spare), self.most - self.flow.work)):
            found = stiff.follow(law, x, left, outputs, spare, self.tolerance, self.control)
            self.flow.products["krylov"] += found.solutions
            self.flow.extra += found.solutions * max(stiff.solution / stiff.product - 1.0, 0.0)
            if found.reached or self.control[0]:
                break
        if found is None or not found.reached:
            return None
        count = int(np.isfinite(found.bound).sum())
        self.flow.laws[self.done : self.done + count] = found.laws[:count]
        self.flow.error[self.done : self.done + count] = self.error + found.bound[:count]
        self.flow.occupancy += found.occupancy / self.rate
        self.done, self.error = self.done + count, self.error + found.error
        self.now += found.reached / self.rate
        return found.end, found.error

    def _expanded(self, law: Array, left: float, spare: float) -> tuple[Array, float] | None:
        """As far as one expansion leads, and what it adds to the error; None when uniformisation is cheaper."""
        outputs = self.rate * (self.times[self.done :] - self.now)
        goal = left if left < 1.3 * self.aim else self.aim
        taus = np.unique(np.concatenate((outputs[outputs <= goal], [goal / SHORTER, goal])))
        found = expand(self.terms, law, taus.tolist(), (spare * np.maximum(taus / left, 0.1)).tolist(), self.control)
        self.flow.products["chebyshev"] += found.products
        good = np.isfinite(found.bound)
        reached = int(np.argmin(good)) if not good.all() else len(taus)  # moments before the first that failed
        self._aim_anew(goal, found.products, reached == len(taus), spare)
        last = reached - 1
        if last < 0 or not (self._pays(float(taus[last]), spare) or reached == len(taus)):
            return None
        for k in np.searchsorted(taus, outputs[outputs <= taus[last]]):
            self.flow.laws[self.done], self.flow.error[self.done] = found.laws[k], self.error + found.bound[k]
            self.done += 1
        step = float(taus[last]) / self.rate
        self.flow.occupancy += (0.5 * step) * (law + found.laws[last])
        self.now, self.error = self.now + step, self.error + float(found.bound[last])
        return found.laws[last], float(found.bound[last])

    def _aim_anew(self, goal: float, products: int, reached: bool, spare: float) -> None:
        """How far the next expansion goes: further after a success, and what the failed one shows was possible."""
        if reached:
            self.aim = min(4.0 * max(goal, self.aim), self.ceiling)
            self.ceiling *= 1.03
        else:
            self.aim = (0.8 * products) ** 2 / (2.0 * np.log(1e3 / spare))
            self.ceiling = 0.8 * goal

    def _swept(self, law: Array, whole: float, length: float, left: float) -> tuple[Array, float]:
        """A stretch of rate * time = `length` by uniformisation."""
        end = float(self.times[-1]) if length >= left else self.now + length / self.rate
        outputs = self.times[self.done :][self.times[self.done :] <= end]
        moments = np.unique(np.append(outputs, end)) - self.now
        schedule = Schedule.of(self.rate, moments)
        limit = self.lost_at_most - (whole - float(law.sum()))
        still = 0.5 * self.tolerance if length >= left else 0.0
        room = self.sums if self.now == 0 and len(moments) == len(outputs) == len(self.times) else None
        swept = sweep(self.terms, law, schedule, lost_at_most=limit, still=still, control=self.control, room=room)
        self.flow.products["uniformisation"] += swept.products
        added = schedule.error + swept.drift + rounding(schedule.products, self.terms.additions)
        if room is None:
            self.flow.laws[self.done : self.done + len(outputs)] = swept.laws[: len(outputs)]
            self.flow.occupancy += swept.occupancy
        self.flow.error[self.done : self.done + len(outputs)] = self.error + added
        self.flow.stopped |= swept.stopped
        self.done, self.now, self.error = self.done + len(outputs), end, self.error + added
        return swept.laws[-1], swept.drift
