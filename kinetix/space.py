"""A finite window onto the counts: a box over the free species, the others fixed by conservation.

A state is stored by its flat position in the box (row-major over the free species). Dependent
species follow as `counts = offset + basis @ free counts`; positions where one of them would be
negative are not states (`admissible` is False there) and never carry probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ModelError
from .structure import dependent_species

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StateSpace:
    """`free` species span a box from `lower` with `shape` values each: [F]; S species in all."""

    free: tuple[int, ...]
    lower: tuple[int, ...]
    shape: tuple[int, ...]
    offset: Counts
    basis: Counts

    @classmethod
    def box(cls, upper: Sequence[int], lower: Sequence[int] | None = None) -> StateSpace:
        """All counts from `lower` (default 0) to `upper`, both included: [S]."""
        low = tuple(int(v) for v in (lower if lower is not None else [0] * len(upper)))
        shape = tuple(int(u) - b + 1 for u, b in zip(upper, low, strict=True))
        if any(n < 1 for n in shape):
            raise ModelError(f"an empty window: from {low} to {tuple(upper)}")
        species = len(shape)
        return cls(tuple(range(species)), low, shape, np.zeros(species, np.int64), np.eye(species, dtype=np.int64))

    @classmethod
    def conserved(
        cls, laws: Counts, start: ArrayLike, upper: Sequence[int], lower: Sequence[int] | None = None
    ) -> StateSpace:
        """The box with the species that `laws` [L, S] determine from `start` [S] taken out.

        `upper` and `lower` are given for all species [S]; those of dependent species are not used.
        """
        x0 = np.asarray(start, dtype=np.int64)
        dependent = dependent_species(laws)
        free = tuple(s for s in range(len(x0)) if s not in dependent)
        offset, basis = np.zeros(len(x0), np.int64), np.zeros((len(x0), len(free)), np.int64)
        basis[list(free), range(len(free))] = 1
        for s, law in dependent.items():
            offset[s] = law @ x0
            basis[s] = -law[list(free)]
        low = tuple(int(lower[s]) if lower is not None else 0 for s in free)
        shape = tuple(int(upper[s]) - b + 1 for s, b in zip(free, low, strict=True))
        return cls(free, low, shape, offset, basis)

    @cached_property
    def size(self) -> int:
        """The number of positions in the box: N."""
        return int(np.prod([int(n) for n in self.shape], dtype=object)) if self.shape else 1

    @cached_property
    def strides(self) -> Counts:
        """Flat distance of one step in each free species: [F]. OverflowError where positions have no 64 bits."""
        if self.size > np.iinfo(np.int64).max:
            raise OverflowError(f"a window of {self.size:.3g} states has no flat positions")
        strides = np.ones(len(self.shape), dtype=np.int64)
        for axis in range(len(self.shape) - 2, -1, -1):
            strides[axis] = strides[axis + 1] * self.shape[axis + 1]
        return strides

    @property
    def upper(self) -> tuple[int, ...]:
        """The largest count of each free species in the window: [F]."""
        return tuple(b + n - 1 for b, n in zip(self.lower, self.shape, strict=True))

    def states(self, positions: ArrayLike | None = None) -> Counts:
        """The counts at flat positions (default all N): [...] -> [..., S]."""
        flat = np.arange(self.size) if positions is None else np.asarray(positions, dtype=np.int64)
        if not self.free:
            return np.broadcast_to(self.offset, (*flat.shape, len(self.offset))).copy()
        free = np.stack(np.unravel_index(flat, self.shape), axis=-1) + np.array(self.lower, dtype=np.int64)
        return np.asarray(free @ self.basis.T + self.offset, dtype=np.int64)

    def admissible(self) -> NDArray[np.bool_]:
        """Whether each position is a state, with no negative count: [N]."""
        return np.asarray((self.states() >= 0).all(axis=-1))

    def index(self, counts: ArrayLike) -> Counts:
        """The flat position of each state, or -1 outside the window: [..., S] -> [...]."""
        x = np.asarray(counts, dtype=np.int64)
        inside = self.contains(x)
        if not self.free:
            return np.where(inside, 0, -1)
        local = x[..., list(self.free)] - np.array(self.lower, dtype=np.int64)
        return np.where(inside, local @ self.strides, -1)

    def contains(self, counts: ArrayLike) -> NDArray[np.bool_]:
        """Whether each state lies in the window, of whatever size: [..., S] -> [...]."""
        x = np.asarray(counts, dtype=np.int64)
        if not self.free:
            return np.asarray((x == self.offset).all(axis=-1))
        local = x[..., list(self.free)] - np.array(self.lower, dtype=np.int64)
        inside = ((local >= 0) & (local < np.array(self.shape, dtype=np.int64))).all(axis=-1)
        inside &= (x[..., list(self.free)] @ self.basis.T + self.offset == x).all(axis=-1) & (x >= 0).all(axis=-1)
        return np.asarray(inside)

    def step(self, change: ArrayLike) -> int:
        """The flat distance that a net change of the counts [S] moves a state."""
        return int(np.asarray(change, dtype=np.int64)[list(self.free)] @ self.strides) if self.free else 0
