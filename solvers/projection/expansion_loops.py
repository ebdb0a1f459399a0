"""The Chebyshev recurrence in numba: compiled once for all models and windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .sweeps import TINY, _inlined, _jit, add_scaled, fill, select


@_inlined
def turned(w: Any, u: Any, factor: float) -> float:
    """W = factor * u - w, with 0 for numbers near the smallest double; the sum of |w|."""
    total = 0.0
    for i in range(w.shape[0]):
        x = factor * u[i] - w[i]
        w[i] = x if abs(x) >= TINY else 0.0
        total += abs(w[i])
    return total


@_jit
def next_term(v: Any, w: Any, t: Any, factor: float, hot: Any, warm: Any, room: Any, live: Any) -> float:
    """W = factor * (I + Q / rate) v - w, both padded; returns its norm. Rows as in `sweeps.product`."""
    n, norm, terms = t.inner, 0.0, t.step.shape[0]
    for row in t.order:
        at = t.pad + row * n
        plain = select(t, row, 0, t.plain, hot, live)
        count = plain + select(t, row, t.plain, terms, hot, live[plain:])
        if hot[row] or warm[row] or count > 0 or t.starts.shape[0] > 0:
            fill(room, v, t, row, plain, count, live)
            part = turned(w[at : at + n], room, factor)
            warm[row] = part > 0.0
            norm += part
    return norm


@_jit
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


@_jit
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
    live = np.zeros(t.step.shape[0] + 1, np.int64)
    hot, warm = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    for row in range(rows):
        hot[row] = np.abs(start[row * t.inner : (row + 1) * t.inner]).max() > 0.0
    norm, alive, k, heights = np.abs(start).sum(), M, 0, np.zeros(M)
    done = np.zeros(M, np.bool_)
    while alive > 0 and control[0] == 0:
        for m in range(M):
            if not done[m]:
                add_scaled(sums[m], weights[offsets[m] + k], v[t.pad : t.pad + N])
                heights[m] += weights[offsets[m] + k] * norm
        following = next_term(v, w, t, 1.0 if k == 0 else 2.0, hot, warm, room, live)
        for m in range(M):
            if done[m]:
                continue
            at, last = offsets[m] + k, offsets[m + 1] - offsets[m] - 3
            bounds[m] += integrals[at] * (2.0 * rounding[0] * norm + rounding[1] * following)
            if k == last:
                bounds[m] += integrals[at + 1] * norm + integrals[at] * following
                bounds[m] += rounding[1] * (last + 8) * heights[m]
            if not bounds[m] <= allowed[m]:
                bounds[m] = np.inf
            if k == last or bounds[m] == np.inf:
                done[m] = True
                alive -= 1
        v, w, hot, warm, norm, k = w, v, warm, hot, following, k + 1
    for m in range(M):
        if not done[m]:
            bounds[m] = np.inf
    return k
