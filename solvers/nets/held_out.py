"""Problems over a box that a net never sees in training: those of its certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .box import Box
from .early import first_of

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

SEED = 20230704
"""Of the held-out contexts: the same for every net over a box, and never used in training."""


@dataclass(frozen=True, eq=False)
class Context:
    """A held-out problem: theta [P], initial counts [S], time."""

    theta: Array
    start: Counts
    time: float


def held_out(box: Box, number: int, seed: int = SEED) -> list[Context]:
    """Contexts over the box; half of the times uniform, half log-uniform on [t1/200, t1]."""
    rng = np.random.default_rng(seed)
    thetas, starts = box.at(rng.random((number, box.dimension)))
    t0, t1 = box.encoding.times
    if t0 == t1:
        return [Context(*row, t1) for row in zip(thetas, starts, strict=True)]
    low = first_of(box.encoding.times)
    even, logarithmic = t0 + (t1 - t0) * rng.random(number), low * (t1 / low) ** rng.random(number)
    times = np.where(np.arange(number) % 2 == 0, np.maximum(even, 1e-6 * t1), logarithmic)
    return [Context(*row) for row in zip(thetas, starts, times.tolist(), strict=True)]
