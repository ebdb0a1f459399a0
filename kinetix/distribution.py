"""Laws of the counts: what a solver states, as a function that weighs and draws states.

Every law has the same small face (`Distribution`). Marginals are laws too, over fewer species.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ModelError, SettingError, UnsupportedFeature
from .space import StateSpace

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@runtime_checkable
class Distribution(Protocol):
    """A law over counts of S species."""

    @property
    def dimension(self) -> int:
        """The number of species: S."""
        ...

    def log_prob(self, counts: ArrayLike) -> Array:
        """Natural log of the probability: [..., S] -> [...]; -inf where the law has no mass."""
        ...

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Independent draws (of the law renormalised): [n, S]."""
        ...

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """The expectation of a function of the counts, f: [N, S] -> [N, ...]: -> [...]."""
        ...

    def marginal(self, axes: Sequence[int]) -> Distribution:
        """The law of the species at `axes`, in that order."""
        ...

    def table(self) -> Array:
        """The probabilities as a dense array over counts 0..max of each species."""
        ...


@runtime_checkable
class StatesMeans(Protocol):
    """A law that knows its means by a better way than the expectation of the counts."""

    def means(self) -> Array:
        """The mean counts: [S]."""
        ...


@runtime_checkable
class StatesCovariances(Protocol):
    """A law that knows the covariances of its counts better than by its expectations."""

    def covariances(self) -> Array:
        """The population covariances [S, S]."""
        ...


def mean(law: Distribution) -> Array:
    """The mean counts: [S]."""
    if isinstance(law, StatesMeans):
        return law.means()
    return law.expect(lambda x: x.astype(np.float64))


def covariance(law: Distribution) -> Array:
    """The population covariance of the counts: [S, S]; NaN where the law does not state it.

    Centred before squaring, so that it does not cancel.
    """
    if isinstance(law, StatesCovariances):
        return law.covariances()
    centre = mean(law)
    if isinstance(law, Moments):
        return np.full((len(centre), len(centre)), np.nan) if law.spread is None else law.spread

    def products(x: Counts) -> Array:
        d = x - centre
        return np.asarray(d[:, :, None] * d[:, None, :])

    return law.expect(products)


@dataclass(frozen=True, eq=False)
class PointMass:
    """All probability on one state: [S]."""

    counts: Counts

    @property
    def dimension(self) -> int:
        """S."""
        return len(self.counts)

    def log_prob(self, counts: ArrayLike) -> Array:
        """0 at the state, -inf elsewhere."""
        return np.where((np.asarray(counts) == self.counts).all(axis=-1), 0.0, -np.inf)

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """The state, n times."""
        return np.tile(self.counts, (n, 1))

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """F at the state."""
        return np.asarray(np.asarray(f(self.counts[None, :]))[0])

    def marginal(self, axes: Sequence[int]) -> PointMass:
        """The same on fewer species."""
        return PointMass(self.counts[list(axes)])

    def table(self) -> Array:
        """One cell of mass 1."""
        result = np.zeros(tuple(self.counts + 1))
        result[tuple(self.counts)] = 1.0
        return result


@dataclass(frozen=True, eq=False)
class Fractional:
    """A start that is no state of counts: `amounts` [S], where the counts at `culprit` is broken.

    The mean field starts from it; everything that needs counts is refused.
    """

    amounts: Array
    culprit: str

    @property
    def dimension(self) -> int:
        """S."""
        return len(self.amounts)

    def log_prob(self, counts: ArrayLike) -> Array:
        """Refused."""
        raise self._refusal

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Refused."""
        raise self._refusal

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """Refused."""
        raise self._refusal

    def marginal(self, axes: Sequence[int]) -> Distribution:
        """Refused."""
        raise self._refusal

    def table(self) -> Array:
        """Refused."""
        raise self._refusal

    @property
    def _refusal(self) -> SettingError:
        reason = f"the initial count of {self.culprit} is no whole number >= 0 (KX106)"
        return SettingError(reason, mend="give whole numbers, or use mean-field")


@dataclass(frozen=True, eq=False)
class Moments:
    """What is known of a law by its first moments: `centre` [S] and, where stated, `spread` [S, S].

    The answer of the mean field (no spread) and of the linear noise approximation. It has no
    probabilities and no draws; expectations are values at the centre.
    """

    centre: Array
    spread: Array | None = None

    @property
    def dimension(self) -> int:
        """S."""
        return len(self.centre)

    def log_prob(self, counts: ArrayLike) -> Array:
        """Refused: moments are no law."""
        raise self._refusal

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Refused: moments are no law."""
        raise self._refusal

    def expect(self, f: Callable[[Any], Array]) -> Array:
        """The function at the centre: exact for linear ones only."""
        return np.asarray(np.asarray(f(self.centre[None, :]))[0])

    def marginal(self, axes: Sequence[int]) -> Moments:
        """The moments of fewer species."""
        chosen = list(axes)
        return Moments(self.centre[chosen], None if self.spread is None else self.spread[np.ix_(chosen, chosen)])

    def table(self) -> Array:
        """Refused: moments are no law."""
        raise self._refusal

    @property
    def _refusal(self) -> UnsupportedFeature:
        what = "means only" if self.spread is None else "means and covariances only"
        return UnsupportedFeature(f"this answer states {what}, no probabilities", mend="use fsp or ssa")


@dataclass(frozen=True, eq=False)
class Tabulated:
    """Probabilities on a window: `p` [N] over the positions of `space`; may sum to less than 1."""

    space: StateSpace
    p: Array

    def __post_init__(self) -> None:
        if self.p.shape != (self.space.size,):
            raise ModelError(f"a table of {self.p.shape} probabilities for a window of {self.space.size} states")

    @property
    def dimension(self) -> int:
        """S."""
        return len(self.space.offset)

    def log_prob(self, counts: ArrayLike) -> Array:
        """Natural log of the table; -inf outside the window."""
        position = self.space.index(counts)
        with np.errstate(divide="ignore"):
            return np.log(np.where(position >= 0, self.p[position], 0.0))

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Draws from the table, renormalised."""
        edges = np.cumsum(self.p)
        return self.space.states(np.searchsorted(edges, rng.random(n) * edges[-1], side="right"))

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """The sum of p times f over the states that carry probability, in blocks of bounded memory."""
        total: Array | None = None
        for block in np.array_split(self._support, max(1, len(self._support) // 200_000)):
            part = np.tensordot(self.p[block], np.asarray(f(self.space.states(block)), dtype=np.float64), axes=1)
            total = part if total is None else total + part
        return np.asarray(total)

    def marginal(self, axes: Sequence[int]) -> Tabulated:
        """Probabilities summed over the other species."""
        states = self.space.states(self._support)[:, list(axes)]
        space = StateSpace.box(states.max(axis=0), states.min(axis=0))
        p = np.bincount(space.index(states), self.p[self._support], minlength=space.size)
        return Tabulated(space, np.asarray(p, dtype=np.float64))

    def table(self) -> Array:
        """Dense probabilities from count 0."""
        states = self.space.states(self._support)
        result = np.zeros(tuple(states.max(axis=0) + 1))
        result[tuple(states.T)] = self.p[self._support]
        return result

    @cached_property
    def _support(self) -> Counts:
        support = np.nonzero(self.p > 0)[0]
        return support if len(support) else np.zeros(1, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Sampled:
    """The empirical law of draws: `counts` [n, S]. Its histogram is an estimate, not a bound."""

    counts: Counts

    @property
    def dimension(self) -> int:
        """S."""
        return int(self.counts.shape[1])

    def log_prob(self, counts: ArrayLike) -> Array:
        """Log of the share of the draws that are in each state; -inf for states never drawn."""
        x = np.asarray(counts, dtype=np.int64)
        seen, repeats = np.unique(self.counts, axis=0, return_counts=True)
        share = {tuple(row): repeat / len(self.counts) for row, repeat in zip(seen.tolist(), repeats, strict=True)}
        flat = [share.get(tuple(row), 0.0) for row in x.reshape(-1, x.shape[-1]).tolist()]
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.array(flat)).reshape(x.shape[:-1]))

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Draws with replacement from the draws."""
        return self.counts[rng.integers(0, len(self.counts), n)]

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """The average of f over the draws."""
        return np.asarray(np.mean(f(self.counts), axis=0, dtype=np.float64))

    def marginal(self, axes: Sequence[int]) -> Sampled:
        """The draws of fewer species."""
        return Sampled(self.counts[:, list(axes)])

    def table(self) -> Array:
        """The histogram, from count 0."""
        shape = tuple(self.counts.max(axis=0) + 1)
        flat = np.ravel_multi_index(tuple(self.counts.T), shape)
        return np.asarray(np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape) / len(self.counts))
