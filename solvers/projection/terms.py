"""The uniformised matrix I + Q / rate of one parameter vector, as a short list of shifted products.

Positions of a window are rows of `inner` neighbours. A reaction moves probability by one flat step,
and its propensity is mostly a factor of the row times a factor of the place in the row, which stays
in the first cache: a product then reads no matrix. Transitions that go anywhere are a sparse part.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


class Terms(NamedTuple):
    """w[i] = stay[i] v[i] + sum over terms of gains[term, row] factors[base + stride row + place] v[i - step].

    The row is that of i - step, `back` rows before that of i, and the place that of i; a term whose
    `stride` is 0 has the same factors in all rows, and those of the first `plain` terms are 1. The
    sparse part of row i is `sources[starts[i]:starts[i + 1]]` with the weights `flows`. Vectors are
    read with `pad` zeros on either side. `order` [rows] is the order in which rows are best made:
    those that feed one another close together. It is made of `bands` equal parts; a part is fed by few
    parts before and after it.
    """

    stay: Array
    gains: Array
    factors: Array
    base: Counts
    stride: Counts
    back: Counts
    step: Counts
    inner: int
    pad: int
    plain: int
    order: Counts
    bands: int
    starts: Counts
    sources: Counts
    flows: Array

    @classmethod
    def of_sparse(cls, generator: csr_array, rate: float) -> Terms:
        """The terms of any generator [N, N] (column = from, row = to), uniformised with `rate`."""
        scale = 1.0 / rate if rate > 0 else 0.0
        off = csr_array(generator).tocoo()
        held = off.row != off.col
        moves = csr_array((off.data[held] * scale, (off.row[held], off.col[held])), shape=off.shape)
        none, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
        stay = 1.0 + np.asarray(generator.diagonal()) * scale
        starts, sources = moves.indptr.astype(np.int64), moves.indices.astype(np.int64)
        size = len(stay)
        return cls(
            stay,
            np.zeros((0, 1)),
            nothing,
            none,
            none,
            none,
            none,
            size,
            0,
            0,
            np.zeros(1, dtype=np.int64),
            1,
            starts,
            sources,
            moves.data,
        )

    @property
    def size(self) -> int:
        """The number of positions: N."""
        return len(self.stay)

    @property
    def additions(self) -> int:
        """Additions per position in one product, for the predicted work."""
        return 1 + len(self.step) + -(-len(self.flows) // max(self.size, 1))

    def flat(self) -> list[tuple[Array, int]]:
        """Each term as a vector over the positions it leads to and its flat step, for numpy."""
        rows, places, result = self.size // max(self.inner, 1), np.arange(self.inner), []
        for r, step in enumerate(self.step.tolist()):
            source = np.arange(rows) - self.back[r]
            held = (source >= 0) & (source < rows)
            gain = np.where(held, self.gains[r, np.where(held, source, 0)], 0.0)
            at = self.base[r] + self.stride[r] * np.where(held, source, 0)
            result.append(((gain[:, None] * self.factors[at[:, None] + places]).ravel(), step))
        return result

    def matrix(self) -> csc_array:
        """I + Q / rate itself, with the numbers that products use: [N, N]."""
        size = self.size
        place = np.arange(size)
        rows, columns, values = [place], [place], [self.stay]
        for value, step in self.flat():
            held = np.nonzero(value)[0]
            held = held[(held >= step) & (held < size + step)]  # what the pads would bring is 0
            rows.append(held)
            columns.append(held - step)
            values.append(value[held])
        if len(self.flows):
            rows.append(np.repeat(place, np.diff(self.starts)))
            columns.append(self.sources)
            values.append(self.flows)
        entries = np.concatenate(rows), np.concatenate(columns)
        return csc_array((np.concatenate(values), entries), shape=(size, size))
