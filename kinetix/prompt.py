"""A problem as numbers that a net reads: rates in their box, initial counts, time.

Only what varies is in the prompt; what is frozen is the net's own. Every feature lies in about
[-1, 1]. The formulas are plain arithmetic, so they also run, differentiably, on torch tensors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import SettingError, require_known
from .network import ReactionNetwork

Array = NDArray[np.float64]

ZERO = 1e-3
"""log(k + ZERO * high) stands for log k, so that a rate may be 0."""

_SHARES = (0.01, 0.03, 0.1, 0.3)  # time scales tau of the features exp(-t / tau), as shares of the last time
_EARLIEST = 1e-3  # log t is cut off at this share of the last time


class Moments(Protocol):
    """Features that a solver knows beside the prompt's own, two for each of S species."""

    @property
    def largest(self) -> Array:
        """The largest mean of every species over the box: [S]."""
        ...

    def columns(self, varied: Sequence[Any], times: Any) -> list[Any]:
        """2 S torch tensors [...], species by species, from the V + W varied quantities."""
        ...


@dataclass(frozen=True, eq=False)
class PromptEncoding:
    """Which entries of theta and of the initial counts vary, between what bounds, up to what time.

    `parameters` [V] index theta, `species` [W] index the counts; `low`, `high` [V + W]. `moments` adds features.
    """

    parameters: tuple[int, ...]
    species: tuple[int, ...]
    low: Array
    high: Array
    times: tuple[float, float]
    moments: Moments | None = None

    @classmethod
    def of(
        cls, network: ReactionNetwork, box: Mapping[str, tuple[float, float]], times: tuple[float, float]
    ) -> PromptEncoding:
        """The encoding of a box: name of a parameter or species -> (low, high), in any order."""
        require_known(box, (*network.theta_names, *network.species_names), "parameter or species")
        varied = [n for n in network.theta_names if n in box], [n for n in network.species_names if n in box]
        bounds = np.array([box[n] for part in varied for n in part], dtype=np.float64).reshape(-1, 2)
        return cls(
            tuple(network.theta_names.index(n) for n in varied[0]),
            tuple(network.species_names.index(n) for n in varied[1]),
            bounds[:, 0],
            bounds[:, 1],
            (float(times[0]), float(times[1])),
        )

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) & np.isfinite(self.high) & (self.low >= 0) & (self.low < self.high)).all():
            raise SettingError("the bounds of a box are finite, with 0 <= low < high", place="box")
        finite = 0 <= self.times[0] <= self.times[1] and 0 < self.times[1] < math.inf
        if not finite and self.times != (math.inf, math.inf):
            raise SettingError(
                f"times {self.times} are not an interval 0 <= t0 <= t1, t1 > 0",
                place="times",
                mend="for stationary laws alone give (inf, inf)",
            )

    @cached_property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """The tokens: columns from-to of every rate (2), every initial count (3), the time and every moment (2)."""
        sizes = [2] * len(self.parameters) + [3] * len(self.species) + [2 + len(_SHARES)]
        sizes += [2] * (0 if self.moments is None else len(self.moments.largest))
        ends = np.cumsum(sizes)
        return tuple((int(e - n), int(e)) for e, n in zip(ends, sizes, strict=True))

    @property
    def stationary(self) -> bool:
        """Whether the one time is inf: the stationary law, where no feature tells a time from another."""
        return math.isinf(self.times[1])

    @property
    def size(self) -> int:
        """The number of features: C."""
        return self.groups[-1][1]

    def encode(self, thetas: ArrayLike, starts: ArrayLike, times: ArrayLike) -> Array:
        """Features of problems: theta [..., P], initial counts [..., S], time [...] -> [..., C]."""
        theta, start = np.asarray(thetas, dtype=np.float64), np.asarray(starts, dtype=np.float64)
        varied = [theta[..., i] for i in self.parameters] + [start[..., i] for i in self.species]
        t = np.asarray(times, dtype=np.float64)
        shape = np.broadcast_shapes(theta.shape[:-1], start.shape[:-1], t.shape)
        return np.stack([np.broadcast_to(c, shape) for c in self.columns(varied, t, np)], axis=-1)

    def columns(self, varied: Sequence[Any], times: Any, library: Any) -> list[Any]:
        """The C features, each [...], from the V + W varied quantities; `library` is numpy or torch."""
        result: list[Any] = []
        for k, value in enumerate(varied):
            low, high = float(self.low[k]), float(self.high[k])
            result.append(2 * (value - low) / (high - low) - 1)
            if k < len(self.parameters):
                result.append(_scaled_log(value, low, high, ZERO * high, library))
            else:
                result.append(2 * (value**0.5 - low**0.5) / (high**0.5 - low**0.5) - 1)
                result.append(_scaled_log(value, low, high, 1.0, library))
        share = library.ones_like(times) if self.stationary else times / self.times[1]
        result.append(2 * share - 1)
        result.append(1 + 2 * library.log(share + _EARLIEST) / abs(math.log(_EARLIEST)))
        result.extend(2 * library.exp(-share / tau) - 1 for tau in _SHARES)
        if self.moments is not None:
            told = self.moments.columns(varied, times)
            result.extend(told if library is not np else [column.numpy() for column in told])
        return result

    def inside(self, thetas: ArrayLike, starts: ArrayLike, times: ArrayLike) -> NDArray[np.bool_]:
        """Whether problems lie in the box and interval (to rounding): [...]."""
        theta, start, t = (np.asarray(v, dtype=np.float64) for v in (thetas, starts, times))
        slack = 1e-9 * (self.high - self.low)
        result = (t >= self.times[0] * (1 - 1e-9)) & (t <= self.times[1] * (1 + 1e-9))
        for k, (source, i) in enumerate([(theta, i) for i in self.parameters] + [(start, i) for i in self.species]):
            value = source[..., i]
            result = result & (value >= self.low[k] - slack[k]) & (value <= self.high[k] + slack[k])
        return np.asarray(result)


def _scaled_log(value: Any, low: float, high: float, shift: float, library: Any) -> Any:
    bottom, top = math.log(low + shift), math.log(high + shift)
    return 2 * (library.log(value + shift) - bottom) / (top - bottom) - 1
