"""The sweep of uniformisation in numba: compiled once for all models and windows.

Vectors are handed to small loops as slices that start at 0: the compiler then needs no check for
negative indices and uses the machine's vector instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

LOOK = 64
"""Products between two looks at the mass that is left and at whether the law still changes."""

BLOCK = 1024
"""Positions handled at once, so that they stay in the first cache."""

TINY = 1e-290
"""Probabilities below this are set to 0: numbers near the smallest double slow the machine down."""


def _jit(function: Callable[..., Any]) -> Any:
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        return njit(nogil=True)(function)


@_jit
def add_scaled(total: Any, factor: float, v: Any) -> None:
    """Total += factor * v."""
    for i in range(total.shape[0]):
        total[i] += factor * v[i]


@_jit
def multiply(w: Any, a: Any, v: Any) -> None:
    """W = a * v, entry by entry."""
    for i in range(w.shape[0]):
        w[i] = a[i] * v[i]


@_jit
def add_product(w: Any, a: Any, v: Any) -> None:
    """W += a * v, entry by entry."""
    for i in range(w.shape[0]):
        w[i] += a[i] * v[i]


@_jit
def flush(w: Any) -> None:
    """W = 0 where it is below TINY."""
    for i in range(w.shape[0]):
        w[i] = w[i] if w[i] >= TINY else 0.0


@_jit
def product(v: Any, w: Any, stay: Any, moves: Any, steps: Any, low: Any, high: Any) -> None:
    """W = v + Q v / rate; reaction r leads from positions low[r] .. high[r] - 1 only."""
    for begin in range(0, v.shape[0], BLOCK):
        end = min(begin + BLOCK, v.shape[0])
        multiply(w[begin:end], stay[begin:end], v[begin:end])
        for r in range(steps.shape[0]):
            first, last = max(begin, low[r] + steps[r]), min(end, high[r] + steps[r])
            if first < last:
                source = slice(first - steps[r], last - steps[r])
                add_product(w[first:last], moves[r, source], v[source])
        flush(w[begin:end])


@_jit
def stretches(moves: Any) -> Any:
    """The first position and one past the last that each reaction leads from: [R, N] -> [R], [R]."""
    R, size = moves.shape
    low, high = np.full(R, size), np.zeros(R, np.int64)
    for r in range(R):
        for i in range(size):
            if moves[r, i] > 0.0:
                low[r], high[r] = min(low[r], i), i + 1
    return low, high


@_jit
def add_rest(laws: Any, w: Any, j: int, values: Any, firsts: Any, lengths: Any) -> None:
    """Give all weights beyond product j to the law w, which no longer changes."""
    offset = 0
    for k in range(firsts.shape[0]):
        rest = 0.0
        for place in range(max(j + 1 - firsts[k], 0), lengths[k]):
            rest += values[offset + place]
        offset += lengths[k]
        add_scaled(laws[k], rest, w)


@_jit
def poisson(mean: float, left: float, right: float) -> tuple[Any, int, float]:
    """Poisson weights, their first number, and the mass left out; as `uniformisation.poisson_weights`."""
    mode, reach = int(mean), int(10.0 * np.sqrt(mean) + 50)
    low = max(mode - reach, 0)
    values = np.empty(mode + reach - low + 1)
    values[mode - low] = 1.0
    total = 1.0
    for n in range(mode - low, 0, -1):
        values[n - 1] = values[n] * (low + n) / mean
        total += values[n - 1]
    for n in range(mode - low, len(values) - 1):
        values[n + 1] = values[n] * mean / (low + n + 1)
        total += values[n + 1]
    first, last, error = 0, len(values) - 1, 0.0
    for n in range(mode - low + 1, len(values)):  # beyond n the terms fall faster than this geometric series
        ratio = mean / (low + n + 1)
        if values[n] / total * ratio / (1.0 - ratio) <= right:
            last = n
            break
    for n in range(mode - low - 1, -1, -1):
        ratio = (low + n) / mean
        if values[n] / total * ratio / (1.0 - ratio) <= left:
            first = n
            break
    ratio = mean / (low + last + 1)
    error += values[last] / total * ratio / (1.0 - ratio)
    ratio = (low + first) / mean
    if low + first > 0:
        error += values[first] / total * ratio / (1.0 - ratio) if ratio < 1.0 else 1.0
    kept = values[first : last + 1].copy()
    return kept / kept.sum(), low + first, error


@_jit
def run(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    start: Any,
    stay: Any,
    moves: Any,
    steps: Any,
    values: Any,
    firsts: Any,
    lengths: Any,
    laws: Any,
    occupancy: Any,
    lost_at_most: float,
    still: float,
    control: Any,
    end: Any,
) -> None:
    """Fill `laws` [T, N] and `occupancy` [N]; `end` = products done, stopped early, drift.

    A law that can change by no more than `still` until the end is taken as constant. A nonzero
    `control[0]` stops the run.
    """
    T = firsts.shape[0]
    v, w, whole = start.copy(), np.zeros(start.shape[0]), start.sum()
    low, high = stretches(moves)
    last = 0
    for k in range(T):
        last = max(last, firsts[k] + lengths[k] - 1)
    beyond = 1.0  # Poisson mass of the last time above j
    for j in range(last + 1):
        offset = 0
        for k in range(T):
            place = j - firsts[k]
            if 0 <= place < lengths[k]:
                weight = values[offset + place]
                add_scaled(laws[k], weight, v)
                if k == T - 1:
                    beyond -= weight
            offset += lengths[k]
        end[0] = j
        if j == last:
            return
        if j % 8 == 0:
            add_scaled(occupancy, 8.0 * max(beyond, 0.0), v)
        product(v, w, stay, moves, steps, low, high)
        if j % LOOK == LOOK - 1:
            mass, moved = 0.0, 0.0
            for i in range(w.shape[0]):
                mass += w[i]
                moved += abs(w[i] - v[i])
            if control[0] != 0 or (whole - mass) * beyond > lost_at_most:
                end[1] = 1.0
                return
            if moved * (last - j) < still:  # the change cannot grow: Q's powers lose mass, never make it
                end[2] = moved * (last - j)
                add_rest(laws, w, j, values, firsts, lengths)
                return
        v, w = w, v
