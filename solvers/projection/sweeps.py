"""The sweep of uniformisation in numba: compiled once for all models and windows.

Vectors are handed to small loops as slices that start at 0: the compiler then needs no check for
negative indices and uses the machine's vector instructions. Rows that no probability has reached
are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

LOOK = 64
"""Products between two looks at the mass that is left and at whether the law still changes (a multiple of 4)."""

TINY = 1e-290
"""Probabilities below this are set to 0: numbers near the smallest double slow the machine down."""

SUMS = {"contract", "reassoc", "nsz"}
"""What the compiler may do to sums: add in any order, in one step with the multiplication."""


def _jit(function: Callable[..., Any]) -> Any:
    try:
        return njit(nogil=True, cache=True, fastmath=SUMS)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        return njit(nogil=True, fastmath=SUMS)(function)


def _inlined(function: Callable[..., Any]) -> Any:
    """A small loop that becomes part of its caller, which then knows that its arrays do not overlap."""
    return njit(nogil=True, fastmath=SUMS, forceinline=True)(function)


@_inlined
def add_scaled(total: Any, factor: float, v: Any) -> None:
    """Total += factor * v."""
    for i in range(total.shape[0]):
        total[i] += factor * v[i]


@_inlined
def multiply(w: Any, a: Any, v: Any) -> None:
    """W = a * v, entry by entry."""
    for i in range(w.shape[0]):
        w[i] = a[i] * v[i]


@_inlined
def add_one(w: Any, g: float, f: Any, v: Any) -> None:
    """W += g * f * v, entry by entry."""
    for i in range(w.shape[0]):
        w[i] += g * f[i] * v[i]


@_inlined
def add_two(w: Any, g: float, f: Any, v: Any, g1: float, f1: Any, v1: Any) -> None:
    """Two terms at once."""
    for i in range(w.shape[0]):
        w[i] += g * f[i] * v[i] + g1 * f1[i] * v1[i]


@_inlined
def add_four(  # noqa: PLR0913, PLR0917 - four terms of three
    w: Any,
    g: float,
    f: Any,
    v: Any,
    g1: float,
    f1: Any,
    v1: Any,
    g2: float,
    f2: Any,
    v2: Any,
    g3: float,
    f3: Any,
    v3: Any,
) -> None:
    """Four terms at once."""
    for i in range(w.shape[0]):
        w[i] += (g * f[i] * v[i] + g1 * f1[i] * v1[i]) + (g2 * f2[i] * v2[i] + g3 * f3[i] * v3[i])


@_inlined
def add_plain(w: Any, g: float, v: Any, g1: float, v1: Any, g2: float, v2: Any, g3: float, v3: Any) -> None:  # noqa: PLR0913, PLR0917
    """Four terms that are the same all along the row."""
    for i in range(w.shape[0]):
        w[i] += (g * v[i] + g1 * v1[i]) + (g2 * v2[i] + g3 * v3[i])


@_inlined
def head_four(  # noqa: PLR0913, PLR0917 - what stays and four terms of three
    w: Any,
    s: Any,
    c: Any,
    g: float,
    f: Any,
    v: Any,
    g1: float,
    f1: Any,
    v1: Any,
    g2: float,
    f2: Any,
    v2: Any,
    g3: float,
    f3: Any,
    v3: Any,
) -> None:
    """W = s * c and four terms."""
    for i in range(w.shape[0]):
        w[i] = (s[i] * c[i] + g * f[i] * v[i] + g1 * f1[i] * v1[i]) + (g2 * f2[i] * v2[i] + g3 * f3[i] * v3[i])


@_inlined
def settle(w: Any) -> float:
    """W = 0 where it is below TINY; the sum of what is left."""
    total = 0.0
    for i in range(w.shape[0]):
        w[i] = w[i] if w[i] >= TINY else 0.0
        total += w[i]
    return total


@_inlined
def select(t: Any, row: int, first: int, last: int, hot: Any, live: Any) -> int:
    """The terms first .. last - 1 that bring something to a row, written to `live`; how many there are."""
    count = 0
    for r in range(first, last):
        source = row - t.back[r]
        if 0 <= source < hot.shape[0] and hot[source] and t.gains[r, source] != 0.0:
            live[count] = r
            count += 1
    return count


@_inlined
def term(v: Any, t: Any, row: int, r: int) -> tuple[float, Any, Any]:
    """Gain, factors and the stretch of v that term r brings to a row."""
    n, source = t.inner, row - t.back[r]
    a, b = t.base[r] + t.stride[r] * source, t.pad + row * n - t.step[r]
    return t.gains[r, source], t.factors[a : a + n], v[b : b + n]


@_inlined
def fill(w: Any, v: Any, t: Any, row: int, plain: int, count: int, live: Any) -> None:
    """The entries w [inner] of a row of v + Q v / rate; v is padded.

    The terms are those in `live`, of which the first `plain` are the same all along the row.
    """
    n, at, q = t.inner, t.pad + row * t.inner, 0
    if plain == 0 and count >= 4:
        g, f, u = term(v, t, row, live[0])
        g1, f1, u1 = term(v, t, row, live[1])
        g2, f2, u2 = term(v, t, row, live[2])
        g3, f3, u3 = term(v, t, row, live[3])
        head_four(w, t.stay[row * n : row * n + n], v[at : at + n], g, f, u, g1, f1, u1, g2, f2, u2, g3, f3, u3)
        q = 4
    else:
        multiply(w, t.stay[row * n : row * n + n], v[at : at + n])
    while q + 3 < plain:
        g, _, u = term(v, t, row, live[q])
        g1, _, u1 = term(v, t, row, live[q + 1])
        g2, _, u2 = term(v, t, row, live[q + 2])
        g3, _, u3 = term(v, t, row, live[q + 3])
        add_plain(w, g, u, g1, u1, g2, u2, g3, u3)
        q += 4
    for place in range(q, plain):
        g, _, u = term(v, t, row, live[place])
        add_scaled(w, g, u)
    q = max(q, plain)
    while q + 3 < count:
        g, f, u = term(v, t, row, live[q])
        g1, f1, u1 = term(v, t, row, live[q + 1])
        g2, f2, u2 = term(v, t, row, live[q + 2])
        g3, f3, u3 = term(v, t, row, live[q + 3])
        add_four(w, g, f, u, g1, f1, u1, g2, f2, u2, g3, f3, u3)
        q += 4
    if q + 1 < count:
        g, f, u = term(v, t, row, live[q])
        g1, f1, u1 = term(v, t, row, live[q + 1])
        add_two(w, g, f, u, g1, f1, u1)
        q += 2
    if q < count:
        g, f, u = term(v, t, row, live[q])
        add_one(w, g, f, u)
    if t.starts.shape[0] > 0:
        for i in range(n):
            total = 0.0
            for k in range(t.starts[row * n + i], t.starts[row * n + i + 1]):
                total += t.flows[k] * v[t.pad + t.sources[k]]
            w[i] += total


@_inlined
def product(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    v: Any, w: Any, t: Any, hot: Any, warm: Any, shares: Any, which: Any, number: int, sums: Any, live: Any, look: bool
) -> float:
    """W = v + Q v / rate, and sums[which[q]] += shares[q] * v for q < number.

    Both vectors are padded. `hot` [rows] says which rows of v hold probability, and `warm` which of
    the old w; it becomes that of the new one. With a `look`, tiny numbers go and the mass of w is returned.
    """
    n, mass, terms = t.inner, 0.0, t.step.shape[0]
    for row in t.order:
        at = t.pad + row * n
        here = w[at : at + n]
        if hot[row]:
            for q in range(number):
                add_scaled(sums[which[q], row * n : row * n + n], shares[q], v[at : at + n])
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


@_jit
def add_rest(sums: Any, w: Any, j: int, values: Any, firsts: Any, lengths: Any) -> None:
    """Give all weights beyond product j to the law w, which no longer changes."""
    offset = 0
    for k in range(firsts.shape[0]):
        rest = 0.0
        for place in range(max(j + 1 - firsts[k], 0), lengths[k]):
            rest += values[offset + place]
        offset += lengths[k]
        add_scaled(sums[k], rest, w)


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
    v, w, whole = np.zeros(N + 2 * t.pad), np.zeros(N + 2 * t.pad), start.sum()
    v[t.pad : t.pad + N] = start
    shares, which, live = np.zeros(T + 1), np.zeros(T + 1, np.int64), np.zeros(t.step.shape[0] + 1, np.int64)
    last, rows = 0, N // n
    hot, warm = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    for row in range(rows):
        hot[row] = start[row * n : row * n + n].max() > 0.0
    for k in range(T):
        last = max(last, firsts[k] + lengths[k] - 1)
    beyond = 1.0  # Poisson mass of the last time above j
    for j in range(last + 1):
        offset, number = 0, 0
        for k in range(T):
            place = j - firsts[k]
            if 0 <= place < lengths[k]:
                shares[number], which[number] = values[offset + place], k
                number += 1
                if k == T - 1:
                    beyond -= values[offset + place]
            offset += lengths[k]
        end[0] = j
        if j == last:
            for q in range(number):
                add_scaled(sums[which[q]], shares[q], v[t.pad : t.pad + N])
            return
        if j % 8 == 0:
            shares[number], which[number] = 8.0 * max(beyond, 0.0), T
            number += 1
        mass = product(v, w, t, hot, warm, shares, which, number, sums, live, j % 4 == 3)
        if j % LOOK == LOOK - 1:
            if control[0] != 0 or (whole - mass) * beyond > lost_at_most:
                end[1] = 1.0
                return
            moved = 0.0
            for i in range(w.shape[0]):
                moved += abs(w[i] - v[i])
            if moved * (last - j) < still:  # the change cannot grow: Q's powers lose mass, never make it
                end[2] = moved * (last - j)
                add_rest(sums, w[t.pad : t.pad + N], j, values, firsts, lengths)
                return
        v, w, hot, warm = w, v, warm, hot
