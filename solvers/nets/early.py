"""Times too early for a net: before the first that it was taught at and judged at in earnest."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kinetix.findings import Finding

EARLIEST = 200
"""The last time over this: half of the times of lessons and of held-out problems are log-uniform from there."""


class EarlyTimeWarning(UserWarning):
    """A net is asked for a law at a time before those that it was taught at in earnest."""


def first_of(times: tuple[float, float]) -> float:
    """The first time of the interval `times` that a net is taught at in earnest."""
    since, until = times
    return max(since, until / EARLIEST)


def early(times: tuple[float, float], asked: ArrayLike) -> Finding | None:
    """What is to be said of the times `asked`, by a net trained over the interval `times`: KX304, or nothing."""
    since, first, values = times[0], first_of(times), np.ravel(np.asarray(asked, dtype=np.float64))
    if not (wrong := values[(values > 0) & (values >= since) & (values < first * (1 - 1e-9))]).size:
        return None
    reason = f"time {wrong[0]:g} comes before {first:g}, the first at which the net was taught and judged in earnest"
    return Finding("KX304", "warning", "times", reason, "train another over a shorter interval, or use fsp or ssa")
