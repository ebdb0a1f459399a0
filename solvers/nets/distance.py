"""The Hellinger distance of laws, and how the distances at many problems are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLOOR_PATHS = 10_000
"""Exact trajectories whose histogram is the floor that stands beside a distance."""


def hellinger(p: Array, q: Array) -> float:
    """sqrt(1 - sum sqrt(p q)) of two laws on the same states."""
    return float(np.sqrt(max(0.0, 1.0 - np.sqrt(p * q).sum())))


def summary(values: Array) -> dict[str, float]:
    """Mean, median, 90 % point and largest."""
    points: Mapping[str, Callable[[Array], Any]] = {
        "mean": np.mean, "median": np.median, "p90": lambda v: np.quantile(v, 0.9), "max": np.max
    }  # fmt: skip
    return {name: float(f(values)) for name, f in points.items()}
