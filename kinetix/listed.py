"""A law on a list of states: for systems whose counts fill no box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Listed:
    """Probabilities `p` [N] of the distinct states `counts` [N, S]; may sum to less than 1."""

    counts: Counts
    p: Array

    @property
    def dimension(self) -> int:
        """S."""
        return int(self.counts.shape[1])

    def log_prob(self, counts: ArrayLike) -> Array:
        """Natural log of the probability; -inf off the list."""
        x = np.asarray(counts, dtype=np.int64)
        flat = [self._places.get(tuple(row), -1) for row in x.reshape(-1, x.shape[-1]).tolist()]
        place = np.array(flat, dtype=np.int64).reshape(x.shape[:-1])
        with np.errstate(divide="ignore"):
            return np.log(np.where(place >= 0, self.p[place], 0.0))

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Draws from the list, renormalised."""
        edges = np.cumsum(self.p)
        drawn: Counts = self.counts[np.searchsorted(edges, rng.random(n) * edges[-1], side="right")]
        return drawn

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """The sum of p times f over the list."""
        return np.asarray(np.tensordot(self.p, np.asarray(f(self.counts), dtype=np.float64), axes=1))

    def marginal(self, axes: Sequence[int]) -> Listed:
        """Probabilities summed over the other species."""
        counts, place = np.unique(self.counts[:, list(axes)], axis=0, return_inverse=True)
        return Listed(counts, np.bincount(place.reshape(-1), self.p, minlength=len(counts)).astype(np.float64))

    def table(self) -> Array:
        """Dense probabilities from count 0."""
        result = np.zeros(tuple(self.counts.max(axis=0) + 1))
        result[tuple(self.counts.T)] = self.p
        return result

    @cached_property
    def _places(self) -> dict[tuple[int, ...], int]:
        return {tuple(row): k for k, row in enumerate(self.counts.tolist())}
