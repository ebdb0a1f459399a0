"""The sweep of a law and its derivative by one parameter, in numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from .rows import TINY, add_scaled, fill, inlined, jit, select


@inlined
def calm(w: Any) -> None:
    """W = 0 where it is nearer to 0 than TINY."""
    for i in range(w.shape[0]):
        w[i] = w[i] if abs(w[i]) >= TINY else 0.0


@jit
def tangent(start: Any, t: Any, d: Any, values: Any, firsts: Any, lengths: Any, laws: Any, slopes: Any) -> None:
    """Fill `laws` and `slopes` [T, N]: `t` are the terms of I + Q / rate, `d` those of its derivative."""
    N, n = start.shape[0], t.inner
    v, w = np.zeros(N + 2 * t.pad), np.zeros(N + 2 * t.pad)
    s, u, x = np.zeros(N + 2 * t.pad), np.zeros(N + 2 * t.pad), np.zeros(N + 2 * d.pad)
    room, live = np.zeros(n), np.zeros(t.step.shape[0] + d.step.shape[0] + 1, np.int64)
    hot, last = np.ones(N // n, np.bool_), 0
    v[t.pad : t.pad + N] = start
    for k in range(firsts.shape[0]):
        last = max(last, firsts[k] + lengths[k] - 1)
    for j in range(last + 1):
        offset = 0
        for k in range(firsts.shape[0]):
            place = j - firsts[k]
            if 0 <= place < lengths[k]:
                add_scaled(laws[k], values[offset + place], v[t.pad : t.pad + N])
                add_scaled(slopes[k], values[offset + place], s[t.pad : t.pad + N])
            offset += lengths[k]
        x[d.pad : d.pad + N] = v[t.pad : t.pad + N]
        for row in t.order:
            at = t.pad + row * n
            plain = select(t, row, 0, t.plain, hot, live)
            count = plain + select(t, row, t.plain, t.step.shape[0], hot, live[plain:])
            fill(w[at : at + n], v, t, row, plain, count, live)
            fill(u[at : at + n], s, t, row, plain, count, live)
            plain = select(d, row, 0, d.plain, hot, live)
            count = plain + select(d, row, d.plain, d.step.shape[0], hot, live[plain:])
            fill(room, x, d, row, plain, count, live)
            add_scaled(u[at : at + n], 1.0, room)
            calm(w[at : at + n])
            calm(u[at : at + n])
        v, w, s, u = w, v, u, s
