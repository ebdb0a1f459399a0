"""The sweep of uniformisation in numba: compiled once for all models and windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

LOOK = 64
"""Products between two looks at the mass that is left and at whether the law still changes."""

TINY = 1e-290
"""Probabilities below this are set to 0: numbers near the smallest double slow the machine down."""


def _product(v: Any, w: Any, stay: Any, moves: Any, steps: Any, low: Any, high: Any) -> None:
    """W = v + Q v / rate, block by block so that a block stays in the cache."""
    size = v.shape[0]
    for begin in range(0, size, 1024):
        end = min(begin + 1024, size)
        for i in range(begin, end):
            w[i] = stay[i] * v[i]
        for r in range(steps.shape[0]):
            step = steps[r]
            first, last = max(begin, low[r] + step), min(end, high[r] + step)
            row = moves[r]
            for i in range(first, last):
                w[i] += row[i - step] * v[i - step]
        for i in range(begin, end):
            if w[i] < TINY:
                w[i] = 0.0


def _sweep(
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
    end: Any,
) -> None:
    """Fill `laws` [T, N] and `occupancy` [N]; `end` = products done, stopped early, drift.

    A law that can change by no more than `still` until the end is taken as constant.
    """
    size, T, R = start.shape[0], firsts.shape[0], steps.shape[0]
    v, w = start.copy(), np.zeros(size)
    low, high = np.zeros(R, np.int64), np.zeros(R, np.int64)
    for r in range(R):  # the stretch of positions that each reaction leads from
        low[r] = size
        for i in range(size):
            if moves[r, i] > 0.0:
                low[r] = min(low[r], i)
                high[r] = i + 1
    last = 0
    for k in range(T):
        last = max(last, firsts[k] + lengths[k] - 1)
    beyond = 1.0  # Poisson mass of the last time at or above j
    for j in range(last + 1):
        offset = 0
        for k in range(T):
            place = j - firsts[k]
            if 0 <= place < lengths[k]:
                weight = values[offset + place]
                for i in range(size):
                    laws[k, i] += weight * v[i]
                if k == T - 1:
                    beyond -= weight
            offset += lengths[k]
        end[0] = j
        if j == last:
            return
        if j % 8 == 0:
            share = 8.0 * max(beyond, 0.0)
            for i in range(size):
                occupancy[i] += share * v[i]
        product(v, w, stay, moves, steps, low, high)
        if j % LOOK == LOOK - 1:
            mass, moved = 0.0, 0.0
            for i in range(size):
                mass += w[i]
                moved += abs(w[i] - v[i])
            if (1.0 - mass) * beyond > lost_at_most:
                end[1] = 1.0
                return
            if moved * (last - j) < still:  # ||v - w|| cannot grow under a substochastic matrix
                end[2] = moved * (last - j)
                offset = 0
                for k in range(T):
                    rest = 0.0
                    for place in range(max(j + 1 - firsts[k], 0), lengths[k]):
                        rest += values[offset + place]
                    offset += lengths[k]
                    for i in range(size):
                        laws[k, i] += rest * w[i]
                return
        v, w = w, v


def _jit(function: Callable[..., None]) -> Any:
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        return njit(nogil=True)(function)


product = _jit(_product)


@cache
def compiled() -> Any:
    """The compiled sweep; the same arguments as `sweeps_numpy.run`."""
    return _jit(_sweep)
