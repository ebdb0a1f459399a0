"""From the law on a window to the probabilities of observed rows: sums over the states that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetix.space import StateSpace

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Picker:
    """`states` are the positions to sum, those of one row after another; row `rows[k]` begins at `begins[k]`.

    `size` is the number of rows, of which some may have no state.
    """

    size: int
    states: Counts
    rows: Counts
    begins: Counts

    @classmethod
    def of(cls, space: StateSpace, observed: Counts, axes: Sequence[int]) -> Picker:
        """For the counts `observed` [U, D] of the species at the places `axes` [D]."""
        states, chosen = space.states(), list(axes)
        wanted, kinds = np.unique(np.reshape(observed, (-1, len(chosen))), axis=0, return_inverse=True)
        seen = states[:, chosen]
        wide = tuple(np.maximum(seen.max(axis=0), wanted.max(axis=0, initial=0)) + 1)
        keys = np.asarray(np.ravel_multi_index(tuple(wanted.T), wide))  # sorted, as the rows are
        key = np.asarray(np.ravel_multi_index(tuple(seen.T), wide, mode="clip"))
        place = np.asarray(np.searchsorted(keys, key))
        held = np.nonzero((place < len(keys)) & (states >= 0).all(axis=1))[0]
        held = held[keys[place[held]] == key[held]]
        held = held[np.argsort(place[held], kind="stable")]
        first = np.searchsorted(place[held], np.arange(len(keys) + 1))
        parts = [held[first[kind] : first[kind + 1]] for kind in kinds.ravel()]
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        rows = np.nonzero(lengths)[0]
        begins = (np.cumsum(lengths) - lengths)[rows]
        return cls(len(parts), np.concatenate([*parts, np.zeros(0, dtype=np.int64)]), rows, begins)

    def __call__(self, law: Array) -> Array:
        """The probabilities of the rows: [N] -> [U]."""
        if len(self.states) == self.size == len(self.rows):  # a state for each
            return law[self.states]
        result = np.zeros(self.size)
        if len(self.rows):
            result[self.rows] = np.add.reduceat(law[self.states], self.begins)
        return result
