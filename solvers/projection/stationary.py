"""The law after infinite time on an adaptive window: the limit of exp(Q t) p for large t.

Transitions that leave the window are left out, so that the law on it loses nothing. Where the start ends
up in one set of states, its law is found by elimination; else, and on windows too large for that,
e (e - Q)^-1 is applied to the start for a small e: every application keeps the mass and shrinks what
decays at a rate r by e / (e + r), so that the limit is reached whether or not it depends on the start.

How wrong is the law? Two chains that differ only outside the window run alike until they leave it, and
again from the next visit to the likeliest state on. By cycles between such visits the laws differ, in
L1, by at most 2 * flow * (time inside + time outside): the rate of leaving, and the mean
times until that visit of the chain closed at the faces and of the true one. Where nothing can leave,
this is a proof, and the error is that of rounding. Else the time outside is not known: it is
taken to be that from the worst state from which the chain leaves. That is an estimate, and is called one.
W. J. Stewart, Introduction to the Numerical Solution of Markov Chains, Princeton 1994 (inverse iteration);
G. E. Cho, C. D. Meyer, Linear Algebra Appl. 316 (2000) 21 (perturbation by mean first passage times).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import splu

from kinetix.errors import RunError, TruncationError
from kinetix.space import StateSpace

from .elimination import KEPT, Chain, Solved, chain_of
from .grid import SMALL, Grid, Rates
from .window import GENE, WindowMaker

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

SHIFTS = (1e-6, 1e-9, 1e-12)
"""The shift e as a share of the largest rate; smaller ones where slow processes need them."""

ROUNDS = 40
CHANGE = 1e-12
"""Applications for one shift, and the change in L1 by which the limit is taken as reached."""

ROUNDED = 2.4e-16
"""What a rounding adds, at most, to a sum of two numbers of which each is counted once."""

LARGEST = 300_000
"""States beyond which the factors of the matrix no longer fit."""


@dataclass(frozen=True, eq=False)
class Stationary:
    """The law [N] on a window; `leak` is the share of all events that would leave it, `residual` |Q p| / rate.

    `error` is a proven bound of the distance in L1, or None where there is none; `estimate` is what it is
    estimated to be, None where not even that is known.
    """

    space: StateSpace
    p: Array
    leak: float
    residual: float
    error: float | None
    estimate: float | None
    caps: Counts | None = None


def stationary(
    maker: WindowMaker,
    theta: Array,
    *,
    leak: float,
    max_states: int,
    fixed: Mapping[int, int],
    at_least: Counts | None = None,
) -> Stationary:
    """The limit law under `theta` [P], on a window that at most a share `leak` of the events would leave.

    `fixed` are caps that are not moved, by species; the window holds the counts `at_least` [S].
    """
    least = maker.frame.least if at_least is None else np.maximum(maker.frame.least, at_least)
    # a law costs less than pilots on small windows: the first has a margin around what must be in it
    caps, piloted = _guess(replace(maker, end=0.0), theta, least, fixed), False
    while True:
        size = maker.space(caps).size
        if size > SMALL and not piloted:
            caps, piloted = np.maximum(_guess(maker, theta, least, fixed), caps if size <= LARGEST else 0), True
            continue
        if size > min(max_states, LARGEST):
            reason = f"the stationary law needs a window of at least {size} states"
            raise TruncationError(reason, place="fsp", mend="raise max_states, or allow a larger leak")
        grid, start = maker.frame.place(caps)
        rates = grid.rates(theta)
        found = _on(grid, rates, start)
        if rates.broken:
            rates.refuse(np.where(found.p > 1e-15, found.p, 0.0))
        if found.leak <= leak:
            return replace(found, caps=caps)
        caps = _wider(maker, caps, rates, found, leak, fixed)


def verified(
    maker: WindowMaker, theta: Array, found: Stationary, *, max_states: int, fixed: Mapping[int, int]
) -> Stationary:
    """The same with the change of the law on a window half as wide again in the estimate, where that fits.

    Where counts hold the chain for very long that no window has shown yet, both estimates are too small.
    """
    caps = found.caps
    if found.error is not None or caps is None:
        return found
    grid, start = maker.frame.place(caps)
    if found.estimate is None:
        found = replace(found, estimate=_by_times(grid, grid.rates(theta), start, found.p))
    if found.estimate is None:
        return found
    wide = np.minimum(caps + caps // 2 + 8, maker.bounds).astype(np.int64)
    wide = _with(np.where(caps > GENE, wide, caps), fixed)
    if maker.space(wide).size > min(max_states, KEPT):
        return found
    grid, start = maker.frame.place(wide)
    rates = grid.rates(theta)
    if rates.broken:  # no law holds out there
        return found
    other, law = _on(grid, rates, start), np.zeros(grid.space.size)
    held = found.p > 0
    law[grid.space.index(found.space.states(np.flatnonzero(held)))] = found.p[held]
    return replace(found, estimate=max(found.estimate, float(np.abs(law - other.p).sum())))


def _guess(maker: WindowMaker, theta: Array, least: Counts, fixed: Mapping[int, int]) -> Counts:
    return np.maximum(_with(maker.guess(theta, least), fixed), least)


def _wider(
    maker: WindowMaker, caps: Counts, rates: Rates, found: Stationary, leak: float, fixed: Mapping[int, int]
) -> Counts:
    events = float(rates.outflow @ found.p)
    wider = np.maximum(_with(maker.wider(caps, rates, found.p / events, leak), fixed), caps)
    if not (wider > caps).any():
        reason = f"a share {found.leak:.2g} of the events leaves the window of {found.space.size} states"
        raise TruncationError(reason, place="fsp", mend="raise caps, or allow a larger leak")
    return wider


def _on(grid: Grid, rates: Rates, start: Array) -> Stationary:
    """The law on one window, whatever share of the events would leave it."""
    leaving, rate = leaving_rates(grid, rates), float(rates.outflow.max(initial=0.0))
    chain = chain_of(grid, rates, start)
    solved = None if chain is None else chain.solve(grid, rates)
    p = limit(closed(grid, rates), start) if solved is None else solved.p * start.sum()
    events = float(rates.outflow @ p)
    share = float(leaving @ p) / events if events > 0 else 0.0
    left = float(np.abs(change(grid, rates, p, leaving)).sum())
    error = estimate = None
    if chain is not None and solved is not None:
        within = _within(solved, left + ROUNDED * (len(grid.steps) + 20) * events)
        error = within if not leaving[chain.reached].any() else None
        estimate = _estimate(chain, p, leaving, solved.until, within)
    return Stationary(grid.space, p, share, left / rate if rate > 0 else 0.0, error, estimate)


def _within(solved: Solved, left: float) -> float:
    """A bound of the distance in L1 to the law of the closed chain: by roundings, or by the change |Q p| <= `left`.

    Two starts that meet after a mean time have integrals of their laws that differ by twice that time.
    """
    by_times = 2.02 * left * float(solved.until.max(initial=0.0))
    return min(solved.error, by_times) if solved.error < 0.01 else solved.error


def _estimate(chain: Chain, p: Array, leaving: Array, until: Array, within: float) -> float | None:
    """What the error is estimated to be, from the mean times [N] until the likeliest state."""
    passing = chain.reached.copy()
    passing[chain.states] = False
    if leaving[passing].any():  # it may leave before it comes to where it stays
        return None
    return 4.0 * float(leaving @ p) * float(until[leaving > 0].max(initial=0.0)) + within


def _by_times(grid: Grid, rates: Rates, start: Array, p: Array) -> float | None:
    """The estimate for a law [N] that was found by iteration: the times are those of one more factorisation."""
    chain, leaving = chain_of(grid, rates, start), leaving_rates(grid, rates)
    if chain is None or p[chain.states].sum() < (1 - 1e-12) * p.sum():
        return None
    others = chain.states[chain.states != int(p.argmax())]
    factors = splu(csc_array(closed(grid, rates)[:, others][others]), diag_pivot_thresh=0.0)
    until = np.zeros(grid.space.size)
    until[others] = factors.solve(-np.ones(len(others)), trans="T")
    left = float(np.abs(change(grid, rates, p, leaving)).sum())
    return _estimate(chain, p, leaving, until, 2.0 * left * float(until.max()))


def horizon(maker: WindowMaker, theta: Array) -> float:
    """A time in which pilots see some hundred events."""
    total = float(maker.model.propensities(maker.start.counts, theta).sum(axis=1).max())
    return 400.0 / total if 0 < total < np.inf else 1.0


def _with(caps: Counts, fixed: Mapping[int, int]) -> Counts:
    caps[list(fixed)] = list(fixed.values())
    return caps


def leaving_rates(grid: Grid, rates: Rates) -> Array:
    """The rate of leaving the window, at every state: [N]."""
    result = np.zeros(grid.space.shape)
    for r in grid.moving:
        rate = np.broadcast_to(rates.each[r], result.shape)
        kept = result[grid.staying[r]].copy()
        result += rate
        result[grid.staying[r]] = kept
    return result.reshape(-1)


def change(grid: Grid, rates: Rates, p: Array, leaving: Array) -> Array:
    """Q p on the window with the faces closed: [N] -> [N]."""
    law = p.reshape(grid.space.shape)
    result = (leaving - rates.outflow).reshape(law.shape) * law
    free = list(grid.space.free)
    for r in grid.moving:
        block, moves = grid.staying[r], grid.model.change[r][free].tolist()
        target = tuple(slice(s.start + c, s.stop + c) for s, c in zip(block, moves, strict=True))
        result[target] += np.broadcast_to(rates.each[r], law.shape)[block] * law[block]
    return result.reshape(-1)


def closed(grid: Grid, rates: Rates) -> csc_array:
    """The generator [N, N] without the transitions that leave the window."""
    size, shape = grid.space.size, grid.space.shape
    positions = np.arange(size, dtype=np.int64).reshape(shape)
    rows, columns, values = [], [], []
    for r in grid.moving:
        block = grid.staying[r]
        source = positions[block].reshape(-1)
        rate = np.broadcast_to(rates.each[r], shape)[block].reshape(-1)
        held = rate > 0
        rows.append(source[held] + grid.steps[r])
        columns.append(source[held])
        values.append(rate[held])
    row, column, value = (np.concatenate([*part, np.zeros(0)]) for part in (rows, columns, values))
    inflow = csc_array((value, (row.astype(np.int64), column.astype(np.int64))), shape=(size, size))
    out = np.asarray(inflow.sum(axis=0)).reshape(-1)
    generator: csc_array = csc_array(inflow - csc_array((out, (positions.ravel(), positions.ravel()))))
    return generator


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
