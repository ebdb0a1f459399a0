"""The stationary law of a chain by taking its states out one by one, from both ends to the likeliest.

Nothing is subtracted, so every probability has a relative error that is known before the run, however rare
its state. W. K. Grassmann, M. I. Taksar, D. P. Heyman, Oper. Res. 33 (1985) 1107, doi:10.1287/opre.33.5.1107;
C. A. O'Cinneide, Numer. Math. 65 (1993) 109, doi:10.1007/BF01385743.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from .grid import Grid, Rates

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

WORK, ROOM = 4e9, 5e7
"""Multiplications, and places of the band, up to which a chain is solved by elimination."""

FAR = 1e-3
"""The times are those until a state with at least this share of the likeliest one's probability."""

KEPT = 20_000
"""Windows up to this size have their order of elimination kept."""


@dataclass(frozen=True, eq=False)
class Solved:
    """The law [N] on a window; the mean time `until` [N] that the likeliest state is reached, 0 off the chain.

    `error` bounds the distance in L1 to the exact law of the chain, by rounding alone.
    """

    p: Array
    until: Array
    error: float


@dataclass(frozen=True, eq=False)
class Chain:
    """The one set of states that the start ends up in, on a window: `states` [M] in order of a narrow band.

    `source` [L] are the flat places of the rates in a table [R, N], `place` [L] those in a band [M, 2 width + 1].
    `reached` [N] are the states that the start comes to at all.
    """

    states: Counts
    source: Counts
    place: Counts
    width: int
    reached: Mask

    def solve(self, grid: Grid, rates: Rates) -> Solved | None:
        """The law; None where the band is too large, or probabilities span more than numbers can."""
        size, columns = len(self.states), 2 * self.width + 1
        if float(size) * self.width**2 > WORK or size * columns > ROOM:
            return None
        moving = [np.broadcast_to(rates.each[r], grid.space.shape).reshape(-1) for r in grid.moving]
        values = np.concatenate(moving)[self.source] if moving else np.zeros(0)
        band = np.bincount(self.place, values, size * columns).astype(np.float64).reshape(size, columns)
        p, until, at = np.empty(size), np.empty(size), size // 2
        for _ in range(3):
            if not _loops().solve(band.copy(), at, p, until):
                return None
            if not (np.isfinite(p).all() and np.isfinite(until).all()):
                return None
            likeliest = int(p.argmax())
            if p[at] >= FAR * p[likeliest]:
                law, times = np.zeros((2, grid.space.size))
                law[self.states], times[self.states] = p / p.sum(), until
                return Solved(law, times, self._rounding(len(moving)))
            at = likeliest
        return None

    def _rounding(self, reactions: int) -> float:
        """A bound on the relative error of every probability.

        A law is a ratio of sums of products of M - 1 rates, one for each tree of the chain, so an error in
        every rate counts at most 2 (M - 1) times; taking a state out makes one of width + 3 roundings.
        """
        size = len(self.states)
        return 1.2 * 1.2e-16 * (size**2 * (self.width + 3.0) + size * (self.width + 2.0 * (16 + reactions) + 8.0))


def chain_of(grid: Grid, rates: Rates, start: Array) -> Chain | None:
    """The chain of a window with the faces closed; None where the limit depends on chance, or on the start."""
    held = [np.broadcast_to(rates.each[r] > 0, grid.space.shape).reshape(-1) for r in grid.moving]
    pattern = np.packbits(np.array(held, dtype=np.bool_)).tobytes()
    begun = np.flatnonzero(start > 0)
    make = _chain if grid.space.size <= KEPT else _chain.__wrapped__
    return make(grid, pattern, begun.tobytes())


@lru_cache(maxsize=64)
def _chain(grid: Grid, pattern: bytes, begun: bytes) -> Chain | None:
    """The chain by which reactions can fire where, and the states of the start."""
    size, shape, count = grid.space.size, grid.space.shape, len(grid.moving)
    held = np.unpackbits(np.frombuffer(pattern, np.uint8), count=count * size).reshape(count, *shape)
    inside = np.zeros((count, *shape), dtype=np.bool_)
    for whole, some, r in zip(inside, held, grid.moving, strict=True):
        whole[grid.staying[r]] = some[grid.staying[r]] > 0
    which, source = np.nonzero(inside.reshape(count, size))
    target = source + grid.steps[grid.moving][which] if count else source
    first = np.frombuffer(begun, dtype=np.int64)
    reached = _reached(size, source, target, first)
    members = _closed(size, source, target, reached)
    if members is None:
        return None
    axes = np.argsort([-n for n in shape], kind="stable")
    order = np.arange(size).reshape(shape).transpose(axes).reshape(-1)
    states = order[members[order]]
    number = np.full(size, -1, dtype=np.int64)
    number[states] = np.arange(len(states))
    some = members[source]
    row, to = number[source[some]], number[target[some]]
    width = int(np.abs(to - row).max(initial=0))
    place = row * (2 * width + 1) + width + to - row
    return Chain(states, which[some] * size + source[some], place, width, reached)


def _reached(size: int, source: Counts, target: Counts, first: Counts) -> Mask:
    """The states [N] that the first ones come to."""
    rows, columns = np.append(source, np.full(len(first), size)), np.append(target, first)
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(size + 1, size + 1))
    found = np.zeros(size + 1, dtype=np.bool_)
    found[breadth_first_order(graph, size, return_predecessors=False)] = True
    return found[:-1]


def _closed(size: int, source: Counts, target: Counts, reached: Mask) -> Mask | None:
    """The states [N] of the one set, among those reached, that nothing leads out of; None where there are more."""
    graph = csr_array((np.ones(len(source)), (source, target)), shape=(size, size))
    number, label = connected_components(graph, directed=True, connection="strong")
    closed = np.zeros(number, dtype=np.bool_)
    closed[label[reached]] = True
    closed[label[source[label[source] != label[target]]]] = False
    return closed[label] if closed.sum() == 1 else None


@cache
def _loops() -> ModuleType:
    """The module of the inner loops: `elimination_loops` where numba is there, else `elimination_numpy`."""
    try:
        from . import elimination_loops
    except ImportError:
        from . import elimination_numpy

        return elimination_numpy
    return elimination_loops
