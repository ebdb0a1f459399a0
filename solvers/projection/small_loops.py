"""Uniformisation on a small window in one compiled call: rates in, laws out.

All tables fit in the first caches there, so what counts is the work around the products: nothing is
allocated or sliced between them, and two vectors are written in turns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .rows import add_scaled, inlined, jit, settle
from .sweeps import LOOK, add_rest, poisson
from .uniformisation import LEFT_TAIL, RIGHT_TAIL


@inlined
def head_two(w: Any, s: Any, c: Any, f: Any, v: Any, f1: Any, v1: Any) -> None:
    """W = s * c and two terms."""
    for i in range(w.shape[0]):
        w[i] = s[i] * c[i] + (f[i] * v[i] + f1[i] * v1[i])


@inlined
def head_four(w: Any, s: Any, c: Any, f: Any, v: Any, f1: Any, v1: Any, f2: Any, v2: Any, f3: Any, v3: Any) -> None:  # noqa: PLR0913, PLR0917
    """W = s * c and four terms."""
    for i in range(w.shape[0]):
        w[i] = s[i] * c[i] + ((f[i] * v[i] + f1[i] * v1[i]) + (f2[i] * v2[i] + f3[i] * v3[i]))


@inlined
def more_two(w: Any, f: Any, v: Any, f1: Any, v1: Any) -> None:
    """W += two terms."""
    for i in range(w.shape[0]):
        w[i] += f[i] * v[i] + f1[i] * v1[i]


@inlined
def brought(v: Any, pad: int, step: int) -> Any:
    """The stretch of a padded vector that a step brings to the window."""
    return v[pad - step : v.shape[0] - pad - step]


@inlined
def more(w: Any, v: Any, pad: int, factors: Any, steps: Any) -> None:
    """W += the terms from the fifth on."""
    for k in range(4, steps.shape[0], 2):
        more_two(w, factors[k], brought(v, pad, steps[k]), factors[k + 1], brought(v, pad, steps[k + 1]))


@inlined
def weigh(sums: Any, c: Any, j: int, t: Any, beyond: float) -> float:
    """Add the law c after j products to all sums that have a weight for it; what is left of `beyond`."""
    for k in range(t[1].shape[0]):
        place = j - t[1][k]
        if 0 <= place < t[2][k]:
            share = t[0][t[3][k] + place]
            add_scaled(sums[k], share, c)
            if k == t[1].shape[0] - 1:
                beyond -= share
    return beyond


@inlined
def looked(  # noqa: PLR0913, PLR0917
    w: Any, c: Any, j: int, last: int, lost: float, lost_at_most: float, still: float, control: Any, end: Any
) -> bool:
    """Whether the sweep ends with the law w after product j, and c before it; `end` says why."""
    if control[0] != 0 or lost > lost_at_most:
        end[1] = 1.0
        return True
    moved = 0.0
    for i in range(w.shape[0]):
        moved += abs(w[i] - c[i])
    if moved * (last - j) < still:  # the change cannot grow: Q's powers lose mass, never make it
        end[2] = moved * (last - j)
        return True
    return False


@jit
def weights_of(rate: float, times: Any) -> Any:
    """Poisson weights of all times in one array, their first numbers, lengths and places; the worst error."""
    T = times.shape[0]
    firsts, lengths, places = np.zeros(T, np.int64), np.zeros(T, np.int64), np.zeros(T, np.int64)
    room, worst, at = 0, 0.0, 0
    for k in range(T):
        room += 2 * int(10.0 * np.sqrt(rate * times[k]) + 50) + 2
    values = np.empty(room)
    for k in range(T):
        places[k], lengths[k], values[at] = at, 1, 1.0
        if rate * times[k] > 0.0:
            found, firsts[k], error = poisson(rate * times[k], LEFT_TAIL, RIGHT_TAIL)
            lengths[k], worst = found.shape[0], max(worst, error)
            values[at : at + lengths[k]] = found
        at += lengths[k]
    return (values[:at], firsts, lengths, places), worst


@jit
def sweep(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    factors: Any,
    stay: Any,
    steps: Any,
    pad: int,
    start: Any,
    weights: Any,
    lost_at_most: float,
    still: float,
    control: Any,
    sums: Any,
    end: Any,
) -> None:
    """The powers from the start on, two at a time: from a to b, and from b to a."""
    N, T, four = start.shape[0], sums.shape[0] - 1, steps.shape[0] > 2
    a, b, third = np.zeros(N + 2 * pad), np.zeros(N + 2 * pad), 2 if four else 0
    ca, cb = brought(a, pad, 0), brought(b, pad, 0)
    s0, s1, s2, s3 = steps[0], steps[1], steps[third], steps[third + 1]
    f0, f1, f2, f3 = factors[0], factors[1], factors[third], factors[third + 1]
    a0, a1, a2, a3 = brought(a, pad, s0), brought(a, pad, s1), brought(a, pad, s2), brought(a, pad, s3)
    b0, b1, b2, b3 = brought(b, pad, s0), brought(b, pad, s1), brought(b, pad, s2), brought(b, pad, s3)
    ca[:] = start
    whole, beyond, last = start.sum(), 1.0, (weights[1] + weights[2]).max() - 1
    for j in range(0, last + 2, 2):
        end[0] = min(j, last)
        beyond = weigh(sums, ca, j, weights, beyond)
        if j >= last:
            return
        if j % 8 == 0:
            add_scaled(sums[T], 8.0 * max(beyond, 0.0), ca)
        if four:
            head_four(cb, stay, ca, f0, a0, f1, a1, f2, a2, f3, a3)
            more(cb, a, pad, factors, steps)
        else:
            head_two(cb, stay, ca, f0, a0, f1, a1)
        end[0] = j + 1
        beyond = weigh(sums, cb, j + 1, weights, beyond)
        if j + 1 == last:
            return
        if four:
            head_four(ca, stay, cb, f0, b0, f1, b1, f2, b2, f3, b3)
            more(ca, b, pad, factors, steps)
        else:
            head_two(ca, stay, cb, f0, b0, f1, b1)
        if j % 4 == 2:
            mass = settle(ca)
            if j % LOOK == LOOK - 2 and looked(
                ca, cb, j + 1, last, (whole - mass) * beyond, lost_at_most, still, control, end
            ):
                if end[1] == 0.0:
                    add_rest(sums, ca, j + 1, weights[0], weights[1], weights[2])
                return


@jit
def run(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    table: Any,
    inside: Any,
    term: Any,
    steps: Any,
    pad: int,
    start: Any,
    rate: float,
    outflow: Any,
    times: Any,
    lost_at_most: float,
    still: float,
    control: Any,
    sums: Any,
    end: Any,
) -> None:
    """Fill `sums` [T + 1, N] with the laws and the occupancy, as `sweeps.run` does.

    `table` [R, N] are the propensities, `inside`, `term` and `steps` as in `grid.Flat`, `steps` made even.
    `end` = products done, stopped early, drift, the error of the weights.
    """
    N, scale = start.shape[0], 1.0 / rate if rate > 0.0 else 0.0
    factors, stay = np.zeros((steps.shape[0], N)), np.empty(N)
    for r in range(table.shape[0]):
        step, factor = steps[term[r]], factors[term[r]]
        for i in range(max(-step, 0), min(N - step, N)):
            factor[i + step] += table[r, i] * inside[r, i] * scale
    for i in range(N):
        stay[i] = 1.0 - outflow[i] * scale
    weights, end[3] = weights_of(rate, times)
    sweep(factors, stay, steps, pad, start, weights, lost_at_most, still, control, sums, end)
