"""From the law of the latent counts to the probabilities of the rows of a table: what a solver is asked, and the sums.

Rows that are counted exactly ask for their splits alone; see `measured` for those that went through an instrument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Distribution
from kinetix.inference.observations import Observations

from .observables import Limits, Observables, Splits

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Noise = Mapping[str, Array]
"""The parameters of the measurement by name: [B] each."""

Ask = Callable[[Sequence[Counts], NDArray[np.intp]], list[Any]]
"""Log-probabilities of latent rows, one list of states a time, under the vectors at some places: T of [b, V]."""

AskSlopes = Callable[[Sequence[Counts], NDArray[np.intp]], tuple[list[Any], list[Any]]]
"""The same with derivatives: T of [b, V], and T of [b, V, K]."""

Slopes = tuple[list[Array], list[Array]]
"""Log-probabilities, one [B, U_k] a time, and their derivatives, one [B, U_k, K] a time."""


class Drawn(Protocol):
    """A law to be drawn from."""

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Independent draws: [n, D]."""
        ...


class Reading(Protocol):
    """How the rows at every time follow from latent counts."""

    def of_law(self, k: int, law: Distribution, noise: Mapping[str, float]) -> Array:
        """Log-probabilities of the rows at time k under a law of all species: [U]."""
        ...

    def of_batch(self, ask: Ask, ks: Sequence[int], noise: Noise, vectors: int) -> list[Array]:
        """The same at the times `ks` under many parameter vectors: one [B, U_k] a time."""
        ...

    def slopes_of_law(self, k: int, law: Distribution, noise: Mapping[str, float], name: str) -> Array:
        """Derivatives of `of_law` by the parameter `name` of the measurement: [U]; NaN at probability 0."""
        ...

    def slopes_of_batch(self, ask: AskSlopes, ks: Sequence[int], noise: Noise, vectors: int) -> Slopes:
        """As `of_batch`, with derivatives by the K parameters that are asked about, then those in `noise`."""
        ...

    def drawn(self, law: Distribution, noise: Mapping[str, float]) -> Drawn:
        """The law of what is read under a law of all species, to be drawn from."""
        ...

    def as_read(self, counts: Counts) -> Counts:
        """Counts [..., D] of the table, those that the instrument cannot tell apart made equal."""
        ...


@dataclass(frozen=True, eq=False)
class Exact:
    """Rows that are counted exactly: the sum over their splits."""

    observables: Observables
    data: Observations
    limits: Limits | None

    @property
    def by_law(self) -> bool:
        """Whether sums are so large that laws are asked for, not their splits."""
        return self.limits is None and self.observables.are_wide(self.data.largest)

    @cached_property
    def splits(self) -> list[Splits]:
        """What the solver is asked about for the rows of every time."""
        return [self.observables.splits(counts, self.limits) for counts, _ in self.data.rows]

    def of_law(self, k: int, law: Distribution, noise: Mapping[str, float]) -> Array:
        """See `Reading`."""
        return np.asarray(self.observables.law(law).log_prob(self.data.rows[k][0]))

    def of_batch(self, ask: Ask, ks: Sequence[int], noise: Noise, vectors: int) -> list[Array]:
        """See `Reading`."""
        found = ask([self.splits[k].states for k in ks], np.arange(vectors))
        return [self.splits[k].gather(log_p) for k, log_p in zip(ks, found, strict=True)]

    def slopes_of_law(self, k: int, law: Distribution, noise: Mapping[str, float], name: str) -> Array:
        """Nothing is measured: 0."""
        return np.zeros(len(self.data.rows[k][0]))

    def slopes_of_batch(self, ask: AskSlopes, ks: Sequence[int], noise: Noise, vectors: int) -> Slopes:
        """See `Reading`."""
        logs, slopes = ask([self.splits[k].states for k in ks], np.arange(vectors))
        rises = [self.splits[k].gather_slopes(p, s) for k, p, s in zip(ks, logs, slopes, strict=True)]
        return [self.splits[k].gather(p) for k, p in zip(ks, logs, strict=True)], rises

    def drawn(self, law: Distribution, noise: Mapping[str, float]) -> Drawn:
        """See `Reading`."""
        return self.observables.law(law)

    def as_read(self, counts: Counts) -> Counts:
        """Exactly."""
        return counts
