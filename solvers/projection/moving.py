"""The master equation with laws that move with the time: collocation, and a bound from its residual.

On each step the law is a polynomial in time that satisfies the equation at Gauss points. What it fails
by in between, the residual, bounds its error: the exact flow never enlarges the sum of absolute
values, so that an error made is an error kept, and the errors of all steps add up.
E. Hairer, S. P. Norsett, G. Wanner, "Solving Ordinary Differential Equations I" (Springer 1993), II.7.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kinetix.errors import TruncationError

from .chart import Chart

Array = NDArray[np.float64]

NODES = 12
"""Collocation points of a step."""

STEP = 2.0
"""Largest number of events that the fastest state has in a step: Picard's iteration converges quickly."""

ITERATIONS = 60
SAFETY = 2.0
"""The residual is taken this much larger than at its samples, which lie between the collocation points."""

SHORTEST = 1e-12
"""Part of the time passed below which a step is not halved any more."""

_ROUNDING = 1e-14
"""What the arithmetic of one step may add: a dozen sums of numbers below 1."""


def _nodes(n: int) -> Array:
    return (leggauss(n)[0] + 1) / 2


def _lagrange(nodes: Array, at: Array) -> Array:
    """The values at `at` [m] of the polynomials that are 1 at one node and 0 at the others: [m, n]."""
    result = np.ones((len(at), len(nodes)))
    for i, own in enumerate(nodes):
        for j, other in enumerate(nodes):
            if i != j:
                result[:, i] *= (at - other) / (own - other)
    return result


def _integrals(nodes: Array, ends: Array) -> Array:
    """The integrals from 0 to each end [m] of the same polynomials: [m, n]."""
    points, weights = leggauss(len(nodes))
    return np.array([(weights / 2 * end) @ _lagrange(nodes, (points + 1) / 2 * end) for end in ends])


_AT = _nodes(NODES)
_TO = _integrals(_AT, _AT)
_TO_END = _integrals(_AT, np.ones(1))[0]
_BETWEEN = np.linspace(0.0, 1.0, 2 * NODES + 1)
_SLOPE_BETWEEN = _lagrange(_AT, _BETWEEN)
_VALUE_BETWEEN = _integrals(_AT, _BETWEEN)


@dataclass(eq=False)
class Moving:
    """One integration on a chart from the time `since`; `density` is the residual allowed per time."""

    chart: Chart
    since: float
    density: float
    max_work: float
    bound: float = 0.0
    products: int = 0
    now: float = 0.0
    flow: Array = field(init=False)

    def __post_init__(self) -> None:
        self.flow = np.zeros(self.chart.states.shape[1])

    def through(self, p: Array, times: Array) -> list[Array]:
        """The laws at `times` [T] since the start: each [N]."""
        laws, step = [], float(times[-1])
        for time in times.tolist():
            while self.now < time:
                p, taken, step = self._step(p, min(step, time - self.now), step)
                self.now = time if time - self.now - taken <= 1e-14 * time else self.now + taken
            laws.append(p)
        return laws

    def _step(self, p: Array, size: float, wish: float) -> tuple[Array, float, float]:
        """One step of at most `size`: the law after it, its length, and the length to try next."""
        cut = False
        while True:
            if size < SHORTEST * max(self.now, 1e-300):
                place = f"time {self.since + self.now:.6g}"
                raise TruncationError("no step is short enough for the laws here", place=place, mend="use ssa")
            fast, operators = self._operators(size)
            if fast * size > STEP:
                size, cut = min(0.9 * STEP / fast, 0.5 * size), True
                continue
            slopes = self._collocate(p, operators, size)
            residual = self._residual(p, slopes, size)
            if residual <= self.density:
                break
            size, cut = 0.5 * size, True
        self.bound += residual * size + _ROUNDING
        self._afford(fast, size)
        self._note(p, slopes, size, operators)
        after = p + size * (_TO_END @ slopes)
        return after, size, 2.0 * size if cut or size == wish else wish

    def _operators(self, size: float) -> tuple[float, list[tuple[csr_array, Array]]]:
        """The generators at the collocation points, and the largest outflow there."""
        made = [self._operator(self.now + size * at) for at in _AT]
        return max(float(out.max(initial=0.0)) for _, out in made), made

    def _operator(self, time: float) -> tuple[csr_array, Array]:
        chart, size = self.chart, len(self.chart.states)
        rates, layout = chart.rates(self.since + time), chart.inward
        inward = csr_array((rates[chart.inner][layout.data], layout.indices, layout.indptr), shape=layout.shape)
        return inward, np.bincount(chart.source, rates, size).astype(np.float64)

    def _collocate(self, p: Array, operators: list[tuple[csr_array, Array]], size: float) -> Array:
        """The slopes of the law at the collocation points, by Picard's iteration: [n, N]."""
        values = np.tile(p, (NODES, 1))
        for _ in range(ITERATIONS):
            slopes = np.array([inward @ v - out * v for (inward, out), v in zip(operators, values, strict=True)])
            self.products += NODES
            after = p + size * (_TO @ slopes)
            change = float(np.abs(after - values).sum(axis=1).max())
            values = after
            if change <= 0.01 * self.density * size:
                break
        return np.array([inward @ v - out * v for (inward, out), v in zip(operators, values, strict=True)])

    def _residual(self, p: Array, slopes: Array, size: float) -> float:
        """The largest sum of absolute values by which the polynomial fails the equation, with a margin."""
        worst = 0.0
        for k, at in enumerate(_BETWEEN):
            inward, out = self._operator(self.now + size * at)
            value = p + size * (_VALUE_BETWEEN[k] @ slopes)
            worst = max(worst, float(np.abs(_SLOPE_BETWEEN[k] @ slopes - (inward @ value - out * value)).sum()))
        self.products += len(_BETWEEN)
        return SAFETY * worst

    def _note(self, p: Array, slopes: Array, size: float, operators: list[tuple[csr_array, Array]]) -> None:
        """What flowed above the caps, and whether a law was no rate where probability is."""
        chart, outer = self.chart, self.chart.target < 0
        middle = p + size * (_VALUE_BETWEEN[NODES] @ slopes)
        time = self.since + self.now + size / 2
        rates = chart.rates(time)
        self.flow += size * ((rates[outer] * np.maximum(middle, 0.0)[chart.source[outer]]) @ chart.over[outer])
        chart.refuse(np.where(middle > self.density * size, middle, 0.0), time)

    def _afford(self, fast: float, size: float) -> None:
        done = self.products * max(len(self.chart.source), 1)
        if done > self.max_work:
            place = f"time {self.since + self.now:.6g}"
            mend = "raise max_work, allow a larger leak, or use ssa"
            raise TruncationError(f"more than max_work = {self.max_work:.1e} additions", place=place, mend=mend)
