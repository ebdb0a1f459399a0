"""The order in which a net speaks of the species: few values first, dependent species left out.

A net never sees counts in network order; it sees `values`, the window's free species in its own
order, counted from the window's lower edge. `Layout` goes both ways and says which values are
admissible after a prefix, so that a net puts no probability on states that cannot be.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import UnsupportedFeature
from kinetix.space import StateSpace

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """A window and the order of its free species: `order` [D] are axes of `window.free`."""

    window: StateSpace
    order: tuple[int, ...]

    @classmethod
    def of(cls, window: StateSpace, first: Collection[int] = ()) -> Layout:
        """The layout with the species of fewest values first (genes before proteins).

        Species in `first` (network indices), or those that they follow from, come before all others.
        """
        followed = [bool(column.any()) for column in window.basis[list(first)].T]

        def rank(axis: int) -> tuple[bool, int]:
            return not followed[axis], int(window.shape[axis])

        return cls(window, tuple(sorted(range(len(window.free)), key=rank)))

    def __post_init__(self) -> None:
        signs = np.sign(self.constraints[1])
        if len(signs) and ((signs > 0).any(axis=0) & (signs < 0).any(axis=0)).any():
            raise UnsupportedFeature(
                "conservation laws that bound a species from both sides have no simple order of prediction",
                mend="solve this model with fsp or ssa",
            )

    @cached_property
    def species(self) -> tuple[int, ...]:
        """The species (network index) at each position: [D]."""
        return tuple(self.window.free[i] for i in self.order)

    @cached_property
    def caps(self) -> tuple[int, ...]:
        """The number of values of each position: [D]."""
        return tuple(self.window.shape[i] for i in self.order)

    @cached_property
    def lower(self) -> Counts:
        """The count of value 0 at each position: [D]."""
        return np.array([self.window.lower[i] for i in self.order], dtype=np.int64)

    def values(self, counts: ArrayLike) -> Counts:
        """Counts in network order to values: [..., S] -> [..., D]; meaningful inside the window."""
        return np.asarray(np.asarray(counts, dtype=np.int64)[..., list(self.species)] - self.lower)

    def counts(self, values: ArrayLike) -> Counts:
        """Values to counts in network order, dependent species filled in: [..., D] -> [..., S]."""
        x = np.asarray(values, dtype=np.int64) + self.lower
        return np.asarray(x @ self.window.basis[:, list(self.order)].T + self.window.offset, dtype=np.int64)

    def table_in_window_order(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """A table over the values [..., cap_1, ..., cap_D] as positions of the window: [..., N]."""
        lead = table.ndim - len(self.caps)
        back = [lead + int(i) for i in np.argsort(self.order)]
        return table.transpose(*range(lead), *back).reshape(*table.shape[:lead], self.window.size)

    def table_in_own_order(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities over the window's positions [..., N] as a table over the values: [..., cap_1, ...]."""
        lead = p.ndim - 1
        dense = p.reshape(*p.shape[:-1], *self.window.shape)
        return dense.transpose(*range(lead), *(lead + i for i in self.order))

    @cached_property
    def constraints(self) -> tuple[Counts, Counts]:
        """What keeps dependent species from being negative: offset [K] + weights [K, D] @ values >= 0.

        Only those that the box of values can violate.
        """
        dependent = [s for s in range(len(self.window.offset)) if s not in self.window.free]
        weights = self.window.basis[dependent][:, list(self.order)].reshape(len(dependent), len(self.order))
        offset = self.window.offset[dependent] + weights @ self.lower
        top = np.array(self.caps, dtype=np.int64) - 1
        least = offset + np.minimum(weights, 0) @ top
        return offset[least < 0], weights[least < 0]
