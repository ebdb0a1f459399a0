"""The sweep of uniformisation in numpy, where numba is missing: the same numbers, more slowly."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .terms import Terms

Array = NDArray[np.float64]

LOOK = 64


def poisson(mean: float, left: float, right: float) -> tuple[Array, int, float]:
    """Poisson weights, their first number, and the mass left out."""
    mode, reach = int(mean), int(10.0 * math.sqrt(mean) + 50)
    up = np.cumprod(np.concatenate(([1.0], mean / np.arange(mode + 1, mode + reach + 1))))
    down = np.cumprod(np.arange(mode, max(mode - reach, 0), -1) / mean)[::-1]
    values, start = np.concatenate((down, up)), mode - len(down)
    values = values / values.sum()
    numbers = start + np.arange(len(values))
    above, under = _tail(values, mean / (numbers + 1)), _tail(values, numbers / mean)
    right_cut = np.nonzero((numbers > mode) & (above <= right))[0]
    left_cut = np.nonzero((numbers < mode) & (under <= left))[0]
    last = int(right_cut[0]) if len(right_cut) else len(values) - 1
    first = int(left_cut[-1]) if len(left_cut) else 0
    kept = values[first : last + 1]
    return kept / kept.sum(), start + first, float(above[last] + (under[first] if start + first else 0.0))


def _tail(values: Array, ratio: Array) -> Array:
    """A bound on the mass past each number: the terms fall at least as fast as this geometric series."""
    return np.where(ratio < 1, values * ratio / np.maximum(1 - ratio, 1e-300), 1.0)


def run(  # noqa: PLR0913, PLR0917 - as in sweeps
    start: Array,
    t: Terms,
    values: Array,
    firsts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    sums: Array,
    lost_at_most: float,
    still: float,
    control: NDArray[np.int64],
    end: Array,
) -> None:
    """Fill `sums` [T + 1, N] with the laws and the occupancy; `end` = products done, stopped early, drift."""
    v, product = start.copy(), product_of(t)
    offsets = np.concatenate(([0], np.cumsum(lengths)))[:-1]
    last, beyond, whole = int((firsts + lengths).max()) - 1, 1.0, float(start.sum())
    for j in range(last + 1):
        for k in np.nonzero((firsts <= j) & (j < firsts + lengths))[0]:
            weight = values[offsets[k] + j - firsts[k]]
            sums[k] += weight * v
            beyond -= weight if k == len(firsts) - 1 else 0.0
        end[0] = j
        if j == last:
            return
        if j % 8 == 0:
            sums[-1] += 8.0 * max(beyond, 0.0) * v
        w = product(v)
        w[w < 1e-290] = 0.0
        if j % LOOK == LOOK - 1:
            if control[0] or (whole - float(w.sum())) * beyond > lost_at_most:
                end[1] = 1.0
                return
            moved = float(np.abs(w - v).sum())
            if moved * (last - j) < still:
                end[2] = moved * (last - j)
                for row, (offset, first, length) in enumerate(zip(offsets, firsts, lengths, strict=True)):
                    sums[row] += values[offset : offset + length][max(j + 1 - int(first), 0) :].sum() * w
                return
        v = w


def product_of(t: Terms) -> Callable[[Array], Array]:
    """The function v -> v + Q v / rate."""
    parts = [(factor, step) for factor, step in t.flat() if factor.any()]
    sparse = csr_array((t.flows, t.sources, t.starts), shape=(t.size, t.size)) if len(t.starts) else None

    def product(v: Array) -> Array:
        w = t.stay * v if sparse is None else t.stay * v + sparse @ v
        for factor, step in parts:
            if step >= 0:
                w[step:] += factor[step:] * v[: t.size - step]
            else:
                w[:step] += factor[:step] * v[-step:]
        return w

    return product
