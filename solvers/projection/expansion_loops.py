"""The Chebyshev recurrence in numba: compiled once for all models and windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .rows import TINY, add_scaled, fill, inlined, jit, select
from .sweeps import plan


@inlined
def turned(w: Any, u: Any, factor: float) -> float:
    """W = factor * u - w, with 0 for numbers near the smallest double; the sum of |w|."""
    total = 0.0
    for i in range(w.shape[0]):
        x = factor * u[i] - w[i]
        w[i] = x if abs(x) >= TINY else 0.0
        total += abs(w[i])
    return total


@inlined
def next_term(  # noqa: PLR0913, PLR0917
    v: Any,
    w: Any,
    t: Any,
    first: int,
    last: int,
    factor: float,
    hot: Any,
    warm: Any,
    shares: Any,
    level: int,
    sums: Any,
    room: Any,
    live: Any,
) -> float:
    """W = factor * (I + Q / rate) v - w on rows order[first:last], both padded; returns its norm there.

    Before, sums[m] += shares[level, m] * v. Rows as in `sweeps.product`.
    """
    n, norm, terms = t.inner, 0.0, t.step.shape[0]
    for place in range(first, last):
        row = t.order[place]
        at = t.pad + row * n
        if hot[row]:
            for m in range(sums.shape[0]):
                if shares[level, m] != 0.0:
                    add_scaled(sums[m, row * n : row * n + n], shares[level, m], v[at : at + n])
        plain = select(t, row, 0, t.plain, hot, live)
        count = plain + select(t, row, t.plain, terms, hot, live[plain:])
        if hot[row] or warm[row] or count > 0 or t.starts.shape[0] > 0:
            fill(room, v, t, row, plain, count, live)
            part = turned(w[at : at + n], room, factor)
            warm[row] = part > 0.0
            norm += part
    return norm


@jit
def bessel(tau: float, most: int) -> Any:
    """exp(-tau) I_k(tau) for k = 0 .. most - 1, by the recurrence downwards, scaled to sum to 1."""
    begin = most + 16 + int(np.sqrt(most))
    values = np.zeros(begin + 2)
    values[begin] = 1e-280
    total = 0.0
    for k in range(begin, 0, -1):
        values[k - 1] = values[k + 1] + 2.0 * k / tau * values[k]
        total += 2.0 * values[k]
        if values[k - 1] > 1e200:
            values[k - 1 :] *= 1e-250
            total *= 1e-250
    return values[:most] / (total + values[0])


@jit
def weighed(  # noqa: PLR0913, PLR0917
    k: int,
    norm: float,
    following: float,
    weights: Any,
    integrals: Any,
    offsets: Any,
    lasts: Any,
    allowed: Any,
    rounding: Any,
    bounds: Any,
    heights: Any,
    done: Any,
) -> int:
    """What term k, of a `norm`, and the one after it add to the bounds; how many moments are then done."""
    ended = 0
    for m in range(lasts.shape[0]):
        if done[m]:
            continue
        at = offsets[m] + k
        heights[m] += weights[at] * norm
        bounds[m] += integrals[at] * (2.0 * rounding[0] * norm + rounding[1] * following)
        if k == lasts[m]:
            bounds[m] += integrals[at + 1] * norm + integrals[at] * following
            bounds[m] += rounding[1] * (lasts[m] + 8) * heights[m]
        if not bounds[m] <= allowed[m]:
            bounds[m] = np.inf
        if k == lasts[m] or bounds[m] == np.inf:
            done[m] = True
            ended += 1
    return ended


@jit
def run(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    start: Any,
    t: Any,
    weights: Any,
    integrals: Any,
    offsets: Any,
    allowed: Any,
    rounding: Any,
    sums: Any,
    bounds: Any,
    control: Any,
) -> int:
    """Fill `sums` [M, N] with the expansions to M moments and `bounds` [M] with their errors; products done.

    Moment m has the weights offsets[m] .. offsets[m + 1] - 3 of its terms, and two more integrals. Its
    bound is infinite once it exceeds what is `allowed` [M]. `rounding` is that of a product and of a sum.
    """
    M, N, rows = allowed.shape[0], start.shape[0], start.shape[0] // t.inner
    v, w, room = np.zeros(N + 2 * t.pad), np.zeros(N + 2 * t.pad), np.zeros(t.inner)
    v[t.pad : t.pad + N] = start
    live, (deep, block, far) = np.zeros(t.step.shape[0] + 1, np.int64), plan(t)
    hot, warm = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    for row in range(rows):
        hot[row] = np.abs(start[row * t.inner : (row + 1) * t.inner]).max() > 0.0
    norms, shares, alive, k, heights = np.zeros(deep + 1), np.zeros((deep, M)), M, 0, np.zeros(M)
    norms[0] = np.abs(start).sum()
    done, lasts = np.zeros(M, np.bool_), offsets[1:] - offsets[:-1] - 3
    while alive > 0 and control[0] == 0:
        levels, norms[1:] = 0, 0.0
        for m in range(M):
            if not done[m]:
                levels = max(levels, min(deep, lasts[m] - k + 1))
        for level in range(levels):
            for m in range(M):
                held = not done[m] and k + level <= lasts[m]
                shares[level, m] = weights[offsets[m] + k + level] if held else 0.0
        for p in range(-(-rows // block) + (levels - 1) * far):
            for level in range(levels):
                first, factor = (p - level * far) * block, 1.0 if k + level == 0 else 2.0
                if 0 <= first < rows:
                    end = min(first + block, rows)
                    if level % 2 == 0:
                        norm = next_term(v, w, t, first, end, factor, hot, warm, shares, level, sums, room, live)
                    else:
                        norm = next_term(w, v, t, first, end, factor, warm, hot, shares, level, sums, room, live)
                    norms[level + 1] += norm
        for level in range(levels):
            alive -= weighed(
                k + level,
                norms[level],
                norms[level + 1],
                weights,
                integrals,
                offsets,
                lasts,
                allowed,
                rounding,
                bounds,
                heights,
                done,
            )
        norms[0], k = norms[levels], k + levels
        if levels % 2 == 1:
            v, w, hot, warm = w, v, warm, hot
    for m in range(M):
        if not done[m]:
            bounds[m] = np.inf
    return k
