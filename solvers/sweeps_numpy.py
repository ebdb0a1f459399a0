"""The sweep of uniformisation in numpy, where numba is missing: the same numbers, more slowly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOOK = 64


def run(
    start: Array,
    stay: Array,
    moves: Array,
    steps: NDArray[np.int64],
    values: Array,
    firsts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    laws: Array,
    occupancy: Array,
    lost_at_most: float,
    still: float,
    control: NDArray[np.int64],
    end: Array,
) -> None:
    """Fill `laws` [T, N] and `occupancy` [N]; `end` = products done, stopped early, drift."""
    v, size = start.copy(), len(start)
    offsets = np.concatenate(([0], np.cumsum(lengths)))[:-1]
    last, beyond = int((firsts + lengths).max()) - 1, 1.0
    parts: list[tuple[Any, int]] = [(move, int(step)) for move, step in zip(moves, steps, strict=True) if move.any()]
    for j in range(last + 1):
        for k in np.nonzero((firsts <= j) & (j < firsts + lengths))[0]:
            weight = values[offsets[k] + j - firsts[k]]
            laws[k] += weight * v
            beyond -= weight if k == len(firsts) - 1 else 0.0
        end[0] = j
        if j == last:
            return
        if j % 8 == 0:
            occupancy += 8.0 * max(beyond, 0.0) * v
        w = stay * v
        for move, step in parts:
            if step >= 0:
                w[step:] += (move * v)[: size - step]
            else:
                w[:step] += (move * v)[-step:]
        w[w < 1e-290] = 0.0
        if j % LOOK == LOOK - 1:
            if control[0] or (1.0 - w.sum()) * beyond > lost_at_most:
                end[1] = 1.0
                return
            moved = float(np.abs(w - v).sum())
            if moved * (last - j) < still:
                end[2] = moved * (last - j)
                for k in range(len(firsts)):
                    rest = values[offsets[k] : offsets[k] + lengths[k]][max(j + 1 - int(firsts[k]), 0) :]
                    laws[k] += rest.sum() * w
                return
        v = w
