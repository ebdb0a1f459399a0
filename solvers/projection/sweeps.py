"""The sweep of uniformisation in numba: compiled once for all models and windows.

Rows (see `rows`) that no probability has reached are passed over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .rows import add_scaled, fill, inlined, jit, select, settle

LOOK = 64
"""Products between two looks at the mass that is left and at whether the law still changes (a multiple of 4)."""

DEEPEST, CACHED, LEAST = 8, 44_000, 1_500
"""The most products in one pass (a divisor of LOOK), states that stay in the cache, and the least of a block."""

SHARED = 200_000
"""States up to which whole vectors stay in the last cache, so that passes of many products gain nothing."""


@jit
def lag(t: Any) -> int:
    """The largest distance between bands of which one feeds the other."""
    rows, far = t.order.shape[0], 0
    size, band = rows // t.bands, np.empty(rows, np.int64)
    for place in range(rows):
        band[t.order[place]] = place // size
    for r in range(t.step.shape[0]):
        for row in range(max(t.back[r], 0), min(rows, rows + t.back[r])):
            if t.gains[r, row - t.back[r]] != 0.0:
                far = max(far, abs(band[row] - band[row - t.back[r]]))
    return far


@jit
def plan(t: Any) -> tuple[int, int, int]:
    """Products made in one pass, rows of a block, and by how many blocks each product follows the one before.

    A pass goes from block to block, so that what its products share stays in the cache.
    """
    size, rows, deep = t.order.shape[0] // t.bands, t.order.shape[0], 1
    if t.bands == 1 or t.stay.shape[0] <= SHARED:
        return 1, rows, 0
    group = 1 + LEAST // (size * t.inner)
    far = -(-lag(t) // group)
    while deep < DEEPEST and (deep * far + 2 * far + 1) * group * size * t.inner <= CACHED:
        deep *= 2
    return (deep, group * size, far) if deep > 1 else (1, rows, 0)


@inlined
def product(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    v: Any,
    w: Any,
    t: Any,
    first: int,
    last: int,
    hot: Any,
    warm: Any,
    shares: Any,
    which: Any,
    level: int,
    number: int,
    sums: Any,
    live: Any,
    look: bool,
) -> float:
    """W = v + Q v / rate on rows order[first:last], and sums[which[level, q]] += shares[level, q] * v for q < number.

    Both vectors are padded. `hot` [rows] says which rows of v hold probability, and `warm` which of
    the old w; it becomes that of the new one. With a `look`, tiny numbers go and the mass of w is returned.
    """
    n, mass, terms = t.inner, 0.0, t.step.shape[0]
    for place in range(first, last):
        row = t.order[place]
        at = t.pad + row * n
        here = w[at : at + n]
        if hot[row]:
            for q in range(number):
                add_scaled(sums[which[level, q], row * n : row * n + n], shares[level, q], v[at : at + n])
        plain = select(t, row, 0, t.plain, hot, live)
        count = plain + select(t, row, t.plain, terms, hot, live[plain:])
        if hot[row] or count > 0 or t.starts.shape[0] > 0:
            fill(here, v, t, row, plain, count, live)
            part = settle(here) if look else 1.0
            warm[row] = part > 0.0
            mass += part
        elif warm[row]:
            here[:] = 0.0
            warm[row] = False
    return mass


@jit
def add_rest(sums: Any, w: Any, j: int, values: Any, firsts: Any, lengths: Any) -> None:
    """Give all weights beyond product j to the law w, which no longer changes."""
    offset = 0
    for k in range(firsts.shape[0]):
        rest = 0.0
        for place in range(max(j + 1 - firsts[k], 0), lengths[k]):
            rest += values[offset + place]
        offset += lengths[k]
        add_scaled(sums[k], rest, w)


@jit
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


@inlined
def share_out(  # noqa: PLR0913, PLR0917
    j: int,
    values: Any,
    firsts: Any,
    lengths: Any,
    shares: Any,
    which: Any,
    number: Any,
    level: int,
    beyond: float,
) -> float:
    """What product j adds to which sum, as `product` reads it; the Poisson mass of the last time above j."""
    T, offset, count = firsts.shape[0], 0, 0
    for k in range(T):
        place = j - firsts[k]
        if 0 <= place < lengths[k]:
            shares[count], which[count] = values[offset + place], k
            count += 1
            if k == T - 1:
                beyond -= values[offset + place]
        offset += lengths[k]
    if j % 8 == 0 and j < (firsts + lengths).max() - 1:
        shares[count], which[count] = 8.0 * max(beyond, 0.0), T
        count += 1
    number[level] = count
    return beyond


@jit
def run(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    start: Any,
    t: Any,
    values: Any,
    firsts: Any,
    lengths: Any,
    sums: Any,
    lost_at_most: float,
    still: float,
    control: Any,
    end: Any,
) -> None:
    """Fill `sums` [T + 1, N] with the laws and the occupancy; `end` = products done, stopped early, drift.

    `t` are the terms (`terms.Terms`). A law that can change by no more than `still` until the end is
    taken as constant. A nonzero `control[0]` stops the run.
    """
    T, N, n = firsts.shape[0], start.shape[0], t.inner
    a, b, whole = np.zeros(N + 2 * t.pad), np.zeros(N + 2 * t.pad), start.sum()
    a[t.pad : t.pad + N] = start
    last, rows, live = (firsts + lengths).max() - 1, N // n, np.zeros(t.step.shape[0] + 1, np.int64)
    deep, block, far = plan(t)
    shares, which = np.zeros((deep, T + 1)), np.zeros((deep, T + 1), np.int64)
    number, mass = np.zeros(deep, np.int64), 0.0
    hot_a, hot_b = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    for row in range(rows):
        hot_a[row] = start[row * n : row * n + n].max() > 0.0
    beyond, j, v, w, hot, warm = 1.0, 0, a, b, hot_a, hot_b  # beyond: the Poisson mass of the last time above j
    while True:
        levels = min(deep, last - j)
        for k in range(max(levels, 1)):
            beyond = share_out(j + k, values, firsts, lengths, shares[k], which[k], number, k, beyond)
        end[0] = j
        if j == last:
            for q in range(number[0]):
                add_scaled(sums[which[0, q]], shares[0, q], v[t.pad : t.pad + N])
            return
        for p in range(-(-rows // block) + (levels - 1) * far):
            for k in range(levels):
                first, look = (p - k * far) * block, (j + k) % 4 == 3
                if 0 <= first < rows:
                    end_at = min(first + block, rows)
                    if k % 2 == 0:
                        part = product(v, w, t, first, end_at, hot, warm, shares, which, k, number[k], sums, live, look)
                    else:
                        part = product(w, v, t, first, end_at, warm, hot, shares, which, k, number[k], sums, live, look)
                    mass += part if (j + k) % LOOK == LOOK - 1 else 0.0
        j += levels
        if levels % 2 == 1:
            v, w, hot, warm = w, v, warm, hot
        if j % LOOK == 0:
            if control[0] != 0 or (whole - mass) * beyond > lost_at_most:
                end[1] = 1.0
                return
            moved, mass = 0.0, 0.0
            for i in range(w.shape[0]):
                moved += abs(w[i] - v[i])
            if moved * (last - j + 1) < still:  # the change cannot grow: Q's powers lose mass, never make it
                end[2] = moved * (last - j + 1)
                add_rest(sums, v[t.pad : t.pad + N], j - 1, values, firsts, lengths)
                return
