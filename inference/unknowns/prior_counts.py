"""Priors of whole numbers: initial counts.

A sampler walks on real numbers v; the count is the whole number nearest to v. Spread evenly around every count,
v has exactly the prior of the count, and the chain's counts exactly the posterior: no rounding error is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .prior_base import Prior, require, require_finite

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Integers(Prior):
    """Every whole number from `low` to `high`, both included, with the same probability."""

    low: int
    high: int
    whole: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_finite(self)
        for name in ("low", "high"):
            value = getattr(self, name)
            require(value == int(value), f"integers with {name} = {value:g}", "give whole numbers")
            object.__setattr__(self, name, int(value))
        require(self.low < self.high, f"integers from {self.low} to {self.high} leave no choice", "give low < high")

    def bounds(self) -> tuple[float, float]:
        """Both ends."""
        return float(self.low), float(self.high)

    def quantile(self, q: ArrayLike) -> Array:
        """The least count with at least the probability q below or on it."""
        place = np.floor(np.asarray(q, dtype=np.float64) * self._number)
        return np.asarray(self.low + np.clip(place, 0, self._number - 1))

    def mass(self, low: float, high: float) -> float:
        """The share of the counts in [low, high]."""
        first, last = max(math.ceil(max(low, self.low)), self.low), math.floor(min(high, self.high))
        return max(0, last - first + 1) / self._number

    def to_unconstrained(self, x: ArrayLike) -> Array:
        """The middle of the real numbers that stand for a count."""
        share = (np.asarray(x, dtype=np.float64) - self.low + 0.5) / self._number
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(special.logit(share))

    def from_unconstrained(self, u: ArrayLike) -> Array:
        """The count nearest to what a real number stands for."""
        return self.quantile(special.expit(np.asarray(u, dtype=np.float64)))

    def sample_unconstrained(self, rng: np.random.Generator, n: int) -> Array:
        """Independent draws of the real numbers behind the counts, spread around each: [n]."""
        return np.asarray(special.logit(np.clip(rng.random(n), 2.0**-54, 1 - 2.0**-53)))

    def walked(self, u: ArrayLike) -> Array:
        """The real number v that a chain walks on: [...] -> [...]."""
        return np.asarray(self.low - 0.5 + self._number * special.expit(np.asarray(u, dtype=np.float64)))

    def log_jacobian(self, u: ArrayLike) -> Array:
        """Log of |dv/du|, v being spread over a unit around every count."""
        values = np.asarray(u, dtype=np.float64)
        return np.asarray(math.log(self._number) + special.log_expit(values) + special.log_expit(-values))

    def _log_density(self, x: Array) -> Array:
        return np.where(x == np.round(x), -math.log(self._number), -np.inf)

    def _below(self, x: float) -> float:
        return max(0, math.ceil(x) - self.low) / self._number

    @property
    def _number(self) -> int:
        return self.high - self.low + 1
