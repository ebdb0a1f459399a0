"""Elimination of the states of a chain in numba; see `elimination`."""

from __future__ import annotations

from typing import Any

from .rows import add_scaled, inlined, jit

HUGE = 1e200


@inlined
def take_out(band: Any, cost: Any, n: int, low: int, high: int) -> bool:
    """Take state n out: what goes to it goes on to those of low .. high - 1; False where nothing leads on."""
    w, total = band.shape[1] // 2, 0.0
    row = band[n, w + low - n : w + high - n]
    for k in range(row.shape[0]):
        total += row[k]
    if not total > 0.0:
        return False
    for i in range(low, high):
        share = band[i, w + n - i]
        if share > 0.0:
            share /= total
            band[i, w + n - i] = share
            cost[i] += share * cost[n]
            add_scaled(band[i, w + low - i : w + high - i], share, row)
    band[n, w] = total
    return True


@inlined
def put_back(band: Any, p: Any, h: Any, n: int, low: int, high: int) -> None:
    """The weight of state n, and the mean time from it, by those of low .. high - 1."""
    w, weight, time = band.shape[1] // 2, 0.0, h[n]
    for i in range(low, high):
        weight += p[i] * band[i, w + n - i]
        time += band[n, w + i - n] * h[i]
    p[n], h[n] = weight, time / band[n, w]
    if weight > HUGE:
        for i in range(p.shape[0]):
            p[i] /= HUGE


@jit
def solve(band: Any, r: int, p: Any, h: Any) -> bool:
    """Fill the weights `p` [N] and the mean times `h` [N] until state r; `band` is written over."""
    N, w = band.shape[0], band.shape[1] // 2
    p[:], h[:] = 0.0, 1.0
    for n in range(r):
        if not take_out(band, h, n, n + 1, min(n + w, N - 1) + 1):
            return False
    for n in range(N - 1, r, -1):
        if not take_out(band, h, n, max(n - w, r), n):
            return False
    p[r], h[r] = 1.0, 0.0
    for n in range(r + 1, N):
        put_back(band, p, h, n, max(n - w, r), n)
    for n in range(r - 1, -1, -1):
        put_back(band, p, h, n, n + 1, min(n + w, N - 1) + 1)
    return True
