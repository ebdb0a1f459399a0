"""The law after infinite time on an adaptive window: the limit of exp(Q t) p for large t.

Transitions that leave the window are left out, so that the law on it loses nothing, and
e (e - Q)^-1 is applied to the start for a small e: every application keeps the mass and shrinks what
decays at a rate r by e / (e + r), so that the limit is reached whether or not it depends on the start.
No bound on the error is proven: the share of events that would leave the window, and the rate of
change that is left, are stated instead.
W. J. Stewart, Introduction to the Numerical Solution of Markov Chains, Princeton 1994 (inverse iteration).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import splu

from kinetix.errors import RunError, TruncationError
from kinetix.space import StateSpace

from .grid import Grid, Rates, grid_of
from .window import WindowMaker

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

SHIFTS = (1e-6, 1e-9, 1e-12)
"""The shift e as a share of the largest rate; smaller ones where slow processes need them."""

ROUNDS = 40
CHANGE = 1e-12
"""Applications for one shift, and the change in L1 by which the limit is taken as reached."""

LARGEST = 300_000
"""States beyond which the factors of the matrix no longer fit."""


@dataclass(frozen=True, eq=False)
class Stationary:
    """The law [N] on a window; `leak` is the share of all events that would leave it, `residual` |Q p| / rate."""

    space: StateSpace
    p: Array
    leak: float
    residual: float


def stationary(
    maker: WindowMaker, theta: Array, *, leak: float, max_states: int, fixed: Mapping[int, int]
) -> Stationary:
    """The limit law under `theta` [P], on a window that at most a share `leak` of the events would leave.

    `fixed` are caps that are not moved, by species.
    """
    least = maker.start.counts.max(axis=0)
    caps = _with(np.maximum(maker.guess(theta, least), least), fixed)
    while True:
        space = maker.space(caps)
        if space.size > min(max_states, LARGEST):
            reason = f"the stationary law needs a window of at least {space.size} states"
            raise TruncationError(reason, place="fsp", mend="raise max_states, or allow a larger leak")
        grid = grid_of(maker.model, space)
        rates = grid.rates(theta)
        inner, leaving = closed(grid, rates)
        p = limit(inner, maker.start.on(space))
        rates.refuse(np.where(p > 1e-15, p, 0.0))
        events = float(rates.outflow @ p)
        share = float(leaving @ p) / events if events > 0 else 0.0
        if share <= leak:
            rate = float(rates.outflow.max(initial=0.0))
            residual = float(np.abs(inner @ p).sum()) / rate if rate > 0 else 0.0
            return Stationary(space, p, share, residual)
        wider = _with(np.maximum(maker.wider(caps, rates, p / events, leak), caps), fixed)
        if not (wider > caps).any():
            reason = f"a share {share:.2g} of the events leaves the window of {space.size} states"
            raise TruncationError(reason, place="fsp", mend="raise caps, or allow a larger leak")
        caps = wider


def horizon(maker: WindowMaker, theta: Array) -> float:
    """A time in which pilots see some hundred events."""
    total = float(maker.model.propensities(maker.start.counts, theta).sum(axis=1).max())
    return 400.0 / total if 0 < total < np.inf else 1.0


def _with(caps: Counts, fixed: Mapping[int, int]) -> Counts:
    caps[list(fixed)] = list(fixed.values())
    return caps


def closed(grid: Grid, rates: Rates) -> tuple[csc_array, Array]:
    """The generator [N, N] without the transitions that leave the window, and the rate of those [N]."""
    size, shape = grid.space.size, grid.space.shape
    positions = np.arange(size, dtype=np.int64).reshape(shape)
    rows, columns, values, leaving = [], [], [], rates.outflow.copy()
    for r in grid.moving:
        block = grid.staying[r]
        source = positions[block].reshape(-1)
        rate = np.broadcast_to(rates.each[r], shape)[block].reshape(-1)
        held = rate > 0
        rows.append(source[held] + grid.steps[r])
        columns.append(source[held])
        values.append(rate[held])
        leaving[source] -= rate
    leaving = np.where(leaving > 1e-14 * rates.outflow, leaving, 0.0)  # what subtraction leaves of rounding
    row, column, value = (np.concatenate([*part, np.zeros(0)]) for part in (rows, columns, values))
    inflow = csc_array((value, (row.astype(np.int64), column.astype(np.int64))), shape=(size, size))
    out = np.asarray(inflow.sum(axis=0)).reshape(-1)
    generator: csc_array = csc_array(inflow - csc_array((out, (positions.ravel(), positions.ravel()))))
    return generator, leaving


def limit(generator: csc_array, start: Array) -> Array:
    """The limit of exp(Q t) `start` for a generator [N, N] whose columns sum to 0."""
    rate = float(np.abs(generator.diagonal()).max(initial=0.0))
    if rate == 0:
        return start
    p = start
    for shift in SHIFTS:
        e = shift * rate
        factors = splu(csc_array(e * eye_array(len(start)) - generator), diag_pivot_thresh=0.0)
        for _ in range(ROUNDS):
            q = np.maximum(factors.solve(e * p), 0.0)
            q *= p.sum() / q.sum()
            change = float(np.abs(q - p).sum())
            p = q
            if change <= CHANGE and shift < SHIFTS[0]:
                return np.asarray(p)
            if change <= CHANGE:
                break
    if change > 1e3 * CHANGE:
        reason = f"the law still changes by {change:.1g} after a time of {1 / e:.2g}"
        raise RunError(f"no stationary law was reached: {reason}", place="fsp", mend="ask for a late finite time")
    return np.asarray(p)
