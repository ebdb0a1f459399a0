"""The lattice of counts that reactions can reach: what is conserved, whatever the signs, and which counts leave gaps.

All counts are the start plus whole multiples of the changes. In Hermite's normal form of these (H. Cohen, A Course in
Computational Algebraic Number Theory, 1993, 2.4) a count, given those before it, is fixed, or one of a residue class:
dimerisation alone leaves the parity of its monomers as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled
from .family import REACTIONS, SPECIES, Batch

Integers = NDArray[np.int64]


class Lattice(NamedTuple):
    """`basis` [N, S, S], lower triangular: column i is 0, or begins with a positive step at species i.

    No count is below its `least` [N, S]: the start, where no reaction takes a copy.
    """

    basis: Integers
    least: Integers

    @classmethod
    def of(cls, batch: Batch) -> Lattice:
        """The lattices of a batch, species in its order."""
        moving = np.where(batch.rates[..., None] > 0, batch.change, 0)
        basis = np.zeros((len(batch), SPECIES, SPECIES), dtype=np.int64)
        _triangles(np.ascontiguousarray(moving, dtype=np.int64), basis)
        return cls(basis, np.where((moving >= 0).all(axis=1), batch.starts, 0))


@compiled
def _triangles(moving: Any, basis: Any) -> None:
    """The normal form of every problem's changes [N, R, S] into `basis`, by Euclid's algorithm on its columns."""
    for n in range(len(moving)):
        rows = moving[n].copy()  # a row of `rows` is a column of the lattice
        done = 0
        for i in range(SPECIES):
            while True:
                best = -1
                for r in range(done, REACTIONS):
                    if rows[r, i] != 0 and (best < 0 or abs(rows[r, i]) < abs(rows[best, i])):
                        best = r
                if best < 0:
                    break
                if rows[best, i] < 0:
                    rows[best] = -rows[best]
                left = False
                for r in range(done, REACTIONS):
                    if r != best and rows[r, i] != 0:
                        rows[r] -= (rows[r, i] // rows[best, i]) * rows[best]
                        left = left or rows[r, i] != 0
                if not left:
                    basis[n, :, i] = rows[best]
                    kept = rows[best].copy()
                    rows[best] = rows[done]
                    rows[done] = kept
                    done += 1
                    break
