"""The families of priors: frozen records of their numbers, densities and quantiles in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .prior_base import Prior, require, require_finite

Array = NDArray[np.float64]

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Uniform(Prior):
    """Even between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require_finite(self)
        require(self.low < self.high, f"uniform from {self.low:g} to {self.high:g} is empty", "give low < high")

    def bounds(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    def quantile(self, q: ArrayLike) -> Array:
        """Linear in q."""
        return np.asarray(self.low + (self.high - self.low) * np.asarray(q, dtype=np.float64))

    def _log_density(self, x: Array) -> Array:
        return np.full_like(x, -math.log(self.high - self.low))

    def _below(self, x: float) -> float:
        return (x - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class LogUniform(Prior):
    """Even in the logarithm between `low` > 0 and `high`: the same mass in every factor of ten."""

    low: float
    high: float
    log_scale: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_finite(self)
        require(self.low > 0, f"log_uniform from {self.low:g}: the logarithm ends at 0", "give 0 < low < high")
        require(self.low < self.high, f"log_uniform from {self.low:g} to {self.high:g} is empty", "give low < high")

    def bounds(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    def quantile(self, q: ArrayLike) -> Array:
        """Geometric in q."""
        return np.clip(self.low * (self.high / self.low) ** np.asarray(q, dtype=np.float64), self.low, self.high)

    def _log_density(self, x: Array) -> Array:
        return np.asarray(-np.log(x) - math.log(math.log(self.high / self.low)))

    def _below(self, x: float) -> float:
        return math.log(x / self.low) / math.log(self.high / self.low)


@dataclass(frozen=True)
class Normal(Prior):
    """Normal with `mean` and `sd`, cut off at `low` and `high` (a rate needs low = 0) and renormalised."""

    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        require(math.isfinite(self.mean), f"normal with mean {self.mean:g}", "give a finite mean")
        require(0 < self.sd < math.inf, f"normal with sd {self.sd:g}", "give sd > 0")
        require(self.low < self.high, f"normal between {self.low:g} and {self.high:g} is empty", "give low < high")
        require(self._held > 1e-300, "normal without mass between its bounds", "move the bounds towards the mean")

    def bounds(self) -> tuple[float, float]:
        """The cut-offs."""
        return self.low, self.high

    def quantile(self, q: ArrayLike) -> Array:
        """The inverse of the distribution function, from the nearer tail."""
        p = np.asarray(q, dtype=np.float64)
        a, b = self._ends
        flip = a > 0  # mirrored, where the upper tail alone is held: no cancellation
        if flip:
            a, b, p = -b, -a, 1 - p
        z = special.ndtri(special.ndtr(a) + p * (special.ndtr(b) - special.ndtr(a)))
        return np.asarray(np.clip(self.mean + self.sd * (-z if flip else z), self.low, self.high))

    def _log_density(self, x: Array) -> Array:
        z = (x - self.mean) / self.sd
        return np.asarray(-0.5 * z**2 - HALF_LOG_TWO_PI - math.log(self.sd) - math.log(self._held))

    def _below(self, x: float) -> float:
        return _normal_mass(self._ends[0], (x - self.mean) / self.sd) / self._held

    @property
    def _ends(self) -> tuple[float, float]:
        return (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd

    @property
    def _held(self) -> float:
        return _normal_mass(*self._ends)


@dataclass(frozen=True)
class LogNormal(Prior):
    """The natural logarithm is normal with mean `mu` and standard deviation `sigma`; the median is exp(mu)."""

    mu: float
    sigma: float
    log_scale: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(math.isfinite(self.mu), f"log_normal with mu {self.mu:g}", "give the finite mean of the logarithm")
        require(0 < self.sigma < math.inf, f"log_normal with sigma {self.sigma:g}", "give sigma > 0")

    def bounds(self) -> tuple[float, float]:
        """From 0 without end."""
        return 0.0, math.inf

    def quantile(self, q: ArrayLike) -> Array:
        """Of the normal law, in the exponent."""
        return np.asarray(np.exp(self.mu + self.sigma * special.ndtri(np.asarray(q, dtype=np.float64))))

    def _log_density(self, x: Array) -> Array:
        v = np.log(x)
        result = -0.5 * ((v - self.mu) / self.sigma) ** 2 - HALF_LOG_TWO_PI - math.log(self.sigma) - v
        return np.where(x > 0, result, -np.inf)

    def _below(self, x: float) -> float:
        return float(special.ndtr((math.log(x) - self.mu) / self.sigma)) if x > 0 else 0.0


@dataclass(frozen=True)
class Gamma(Prior):
    """Gamma law with `shape` and `scale`: mean shape * scale, variance shape * scale**2."""

    shape: float
    scale: float

    def __post_init__(self) -> None:
        require(0 < self.shape < math.inf, f"gamma with shape {self.shape:g}", "give shape > 0")
        require(0 < self.scale < math.inf, f"gamma with scale {self.scale:g}", "give scale > 0")

    def bounds(self) -> tuple[float, float]:
        """From 0 without end."""
        return 0.0, math.inf

    def quantile(self, q: ArrayLike) -> Array:
        """The inverse of the incomplete gamma function."""
        return np.asarray(self.scale * special.gammaincinv(self.shape, np.asarray(q, dtype=np.float64)))

    def _log_density(self, x: Array) -> Array:
        norm = special.gammaln(self.shape) + self.shape * math.log(self.scale)
        return np.asarray(special.xlogy(self.shape - 1, x) - x / self.scale - norm)

    def _below(self, x: float) -> float:
        return float(special.gammainc(self.shape, x / self.scale))


@dataclass(frozen=True)
class Exponential(Prior):
    """Exponential law with the mean `scale`."""

    scale: float

    def __post_init__(self) -> None:
        require(0 < self.scale < math.inf, f"exponential with scale {self.scale:g}", "give the mean, > 0")

    def bounds(self) -> tuple[float, float]:
        """From 0 without end."""
        return 0.0, math.inf

    def quantile(self, q: ArrayLike) -> Array:
        """In closed form."""
        with np.errstate(divide="ignore"):
            return np.asarray(-self.scale * np.log1p(-np.asarray(q, dtype=np.float64)))

    def _log_density(self, x: Array) -> Array:
        return np.asarray(-x / self.scale - math.log(self.scale))

    def _below(self, x: float) -> float:
        return -math.expm1(-x / self.scale)


@dataclass(frozen=True)
class HalfNormal(Prior):
    """The absolute value of a normal variable of mean 0 and standard deviation `sd`."""

    sd: float

    def __post_init__(self) -> None:
        require(0 < self.sd < math.inf, f"half_normal with sd {self.sd:g}", "give sd > 0")

    def bounds(self) -> tuple[float, float]:
        """From 0 without end."""
        return 0.0, math.inf

    def quantile(self, q: ArrayLike) -> Array:
        """By the inverse error function."""
        return np.asarray(self.sd * math.sqrt(2) * special.erfinv(np.asarray(q, dtype=np.float64)))

    def _log_density(self, x: Array) -> Array:
        return np.asarray(-0.5 * (x / self.sd) ** 2 + math.log(2 / self.sd) - HALF_LOG_TWO_PI)

    def _below(self, x: float) -> float:
        return float(special.erf(x / (self.sd * math.sqrt(2))))


@dataclass(frozen=True)
class Beta(Prior):
    """Beta law on [0, 1] with exponents `a` and `b`: mean a / (a + b)."""

    a: float
    b: float

    def __post_init__(self) -> None:
        require(0 < self.a < math.inf and 0 < self.b < math.inf, f"beta with {self.a:g}, {self.b:g}", "give both > 0")

    def bounds(self) -> tuple[float, float]:
        """0 and 1."""
        return 0.0, 1.0

    def quantile(self, q: ArrayLike) -> Array:
        """The inverse of the incomplete beta function."""
        return np.asarray(special.betaincinv(self.a, self.b, np.asarray(q, dtype=np.float64)))

    def _log_density(self, x: Array) -> Array:
        ends = special.xlogy(self.a - 1, x) + special.xlog1py(self.b - 1, -x)
        return np.asarray(ends - special.betaln(self.a, self.b))

    def _below(self, x: float) -> float:
        return float(special.betainc(self.a, self.b, x))


@dataclass(frozen=True)
class Fixed(Prior):
    """All mass on one `value`: the parameter is set, not sampled."""

    value: float

    def __post_init__(self) -> None:
        require_finite(self)

    def bounds(self) -> tuple[float, float]:
        """The value, twice."""
        return self.value, self.value

    def quantile(self, q: ArrayLike) -> Array:
        """The value."""
        return np.full(np.shape(q), self.value)

    def _log_density(self, x: Array) -> Array:
        return np.zeros_like(x)

    def _below(self, x: float) -> float:
        return 1.0

    def mass(self, low: float, high: float) -> float:
        """1 where the value lies between, else 0."""
        return float(low <= self.value <= high)


def _normal_mass(a: float, b: float) -> float:
    """The standard normal probability between a and b, from the tail where it does not cancel."""
    return float(special.ndtr(-a) - special.ndtr(-b) if a > 0 else special.ndtr(b) - special.ndtr(a))
