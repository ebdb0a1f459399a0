"""What a prior is: a law of one parameter, and the map to a scale without bounds.

Samplers walk on a real number u; `from_unconstrained` and `log_jacobian` carry them back. Bounded
supports map by the logit (in the logarithm for `log_uniform`), half lines by the exponential.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from kinetix.errors import SettingError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prior(ABC):
    """A law of one parameter. `log_scale` tells whether it is spread over orders of magnitude."""

    log_scale: ClassVar[bool] = False

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """The support, closed: (low, high), infinite where it does not end."""

    @abstractmethod
    def quantile(self, q: ArrayLike) -> Array:
        """The value below which the probability `q` lies: [...] -> [...]."""

    @abstractmethod
    def _log_density(self, x: Array) -> Array:
        """Inside the support."""

    @abstractmethod
    def _below(self, x: float) -> float:
        """The probability below `x`, a point of the support."""

    def log_density(self, x: ArrayLike) -> Array:
        """Natural log of the density: [...] -> [...]; -inf outside the support."""
        values = np.asarray(x, dtype=np.float64)
        low, high = self.bounds()
        inside = (values >= low) & (values <= high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            result = self._log_density(np.where(inside, values, self.quantile(0.5)))
        # one point of infinite density (the end of a beta or gamma law) has no mass: no chain may stick to it
        return np.where(inside & (result < np.inf), result, -np.inf)

    def mass(self, low: float, high: float) -> float:
        """The probability of [low, high]."""
        start, end = self.bounds()
        if high < start or low > end:
            return 0.0
        return max(0.0, self._below(min(high, end)) - self._below(max(low, start)))

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Independent draws: [n]."""
        return self.quantile(np.clip(rng.random(n), 2.0**-54, None))

    # the scale without bounds ----------------------------------------------------------------------

    def to_unconstrained(self, x: ArrayLike) -> Array:
        """The real number that stands for a value of the support: [...] -> [...]."""
        values = np.asarray(x, dtype=np.float64)
        low, high = self._working_bounds()
        with np.errstate(divide="ignore", invalid="ignore"):
            v = np.log(values) if self.log_scale else values
            if math.isfinite(low) and math.isfinite(high):
                return np.asarray(np.log(v - low) - np.log(high - v))
            if math.isfinite(low):
                return np.asarray(np.log(v - low))
            return np.asarray(-np.log(high - v) if math.isfinite(high) else v)

    def from_unconstrained(self, u: ArrayLike) -> Array:
        """The value that a real number stands for: [...] -> [...]."""
        values = np.asarray(u, dtype=np.float64)
        low, high = self._working_bounds()
        with np.errstate(over="ignore"):
            if math.isfinite(low) and math.isfinite(high):
                v = low + (high - low) * special.expit(values)
            elif math.isfinite(low):
                v = low + np.exp(values)
            else:
                v = high - np.exp(-values) if math.isfinite(high) else values
            return np.asarray(np.clip(np.exp(v) if self.log_scale else v, *self.bounds()))

    def log_jacobian(self, u: ArrayLike) -> Array:
        """Log of |dx/du|: add it to `log_density(from_unconstrained(u))` for the density of u."""
        values = np.asarray(u, dtype=np.float64)
        low, high = self._working_bounds()
        if math.isfinite(low) and math.isfinite(high):
            result = math.log(high - low) + special.log_expit(values) + special.log_expit(-values)
        elif math.isfinite(low):
            result = values
        else:
            result = -values if math.isfinite(high) else np.zeros_like(values)
        if self.log_scale:
            with np.errstate(divide="ignore"):
                result = result + np.log(self.from_unconstrained(values))
        return np.asarray(result)

    def _working_bounds(self) -> tuple[float, float]:
        low, high = self.bounds()
        return (math.log(low) if low > 0 else -math.inf, math.log(high)) if self.log_scale else (low, high)

    @classmethod
    def name(cls) -> str:
        """The name in TOML files and in Python: log_uniform for LogUniform."""
        return re.sub("(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __str__(self) -> str:
        return f"{self.name()}({', '.join(f'{getattr(self, f.name):g}' for f in fields(self))})"


def require_finite(prior: Prior) -> None:
    """Refuse a law with a number that is not finite."""
    for f in fields(prior):
        value: Any = getattr(prior, f.name)
        number = isinstance(value, Real) and math.isfinite(value)
        require(number, f"{prior.name()} with {f.name} = {value}", "give finite numbers")


def require(holds: bool, reason: str, mend: str) -> None:
    """SettingError unless it `holds`."""
    if not holds:
        raise SettingError(reason, place="prior", mend=mend)
