"""Boxes of latent states on which whole laws are asked for, grown until they hold them.

A solver whose windows grow with what is asked is asked about a small box first. The mass that is missing there bounds
the error of everything that is summed over the box; while it is too much, the box grows where the law stands at its
faces. Every parameter vector has its own box, whatever the others of its batch are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kinetix.errors import TruncationError, UnsupportedFeature

from .observables import LATENT, Limits, Observables

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

HELD = 20_000_000
"""Probabilities that are held at once."""

GROWTH = 1.5
"""Caps stand on a ladder of such steps."""

PATIENCE = 8
"""Boxes that may hold no more of a law than the one before, until it is taken to be lost."""


@dataclass(frozen=True, eq=False)
class Box:
    """All latent states from `low` to `high` [A], and which values of the observables they show."""

    low: Counts
    high: Counts
    observables: Observables

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Values of each latent species."""
        return tuple((self.high - self.low + 1).tolist())

    @cached_property
    def states(self) -> Counts:
        """The states [V, A], the last species fastest."""
        return np.stack(np.unravel_index(np.arange(math.prod(self.shape)), self.shape), axis=-1) + self.low

    @cached_property
    def values(self) -> tuple[Counts, ...]:
        """The values that each observable takes: D of [n_d]."""
        weights = self.observables.weights
        least, most = self.low @ weights, self.high @ weights
        return tuple(np.arange(a, b + 1, dtype=np.int64) for a, b in zip(least, most, strict=True))

    def shown(self, p: Array) -> Array:
        """Probabilities of the observables from those of the states: [B, V] -> [B, n_1, ..., n_D]."""
        sizes = [len(v) for v in self.values]
        if self.observables.plain:
            return p.reshape(len(p), *sizes)
        return np.asarray(p @ self._sum).reshape(len(p), *sizes)

    @cached_property
    def _sum(self) -> Any:
        seen = self.states @ self.observables.weights - self.low @ self.observables.weights
        place = np.ravel_multi_index(tuple(seen.T), tuple(len(v) for v in self.values))
        size = math.prod(len(v) for v in self.values)
        rows = np.arange(len(place))
        return scipy.sparse.csr_array((np.ones(len(place)), (rows, place)), shape=(len(place), size))


Weigh = Callable[[Box, NDArray[np.intp]], list[Array]]
"""Weighs the vectors at some places on a box, and gives their tables: T of [b, V]."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of a set of data: all of a net's window where there are `limits`, else grown from the caps `first` [A].

    At most `missing` of a law is left outside.
    """

    observables: Observables
    limits: Limits | None
    first: Counts
    missing: float

    def each(self, weigh: Weigh, vectors: int, times: int) -> None:
        """Weigh all parameter vectors on boxes that hold their laws."""
        if self.limits is not None:
            box = Box(self.limits.low, self.limits.high, self.observables)
            for some in _blocks(np.arange(vectors), box, times):
                weigh(box, some)
            return
        waiting, caps = np.arange(vectors), np.tile(rung(self.first), (vectors, 1))
        before, still = np.full(vectors, np.inf), np.zeros(vectors, dtype=np.int64)
        while len(waiting):
            late = []
            for wanted in np.unique(caps[waiting], axis=0):
                box = self._box(wanted)
                for some in _blocks(waiting[(caps[waiting] == wanted).all(axis=1)], box, times):
                    outside, faces = _outside(box, weigh(box, some))
                    left = outside > self.missing
                    still[some] += left & (outside > 0.999 * before[some]) & (outside < 0.5)
                    self._refuse_stuck(outside[still[some] > PATIENCE])
                    caps[some] = np.where(left[:, None], self._grown(caps[some], faces), caps[some])
                    before[some] = outside
                    late.append(some[left])
            waiting = np.concatenate(late)

    def _grown(self, caps: Counts, faces: Array) -> Counts:
        """The next caps [b, A]: of the axes at whose upper faces the law stands, of all where it stands at none."""
        grows = faces > 1e-3 * self.missing
        grows |= ~grows.any(axis=1, keepdims=True)
        return np.where(grows, rung(caps + 1), caps)

    def _box(self, caps: Counts) -> Box:
        key = tuple(caps.tolist())
        if key not in self._made:
            if (size := math.prod(n + 1 for n in key)) > LATENT:
                raise TruncationError(
                    f"a law that is measured needs a box of at least {size:.2g} states, more than {LATENT}",
                    place="measurement",
                    mend="observe fewer species, or keep the law narrow by the prior",
                )
            self._made[key] = Box(np.zeros_like(caps), caps, self.observables)
        return self._made[key]

    @cached_property
    def _made(self) -> dict[tuple[int, ...], Box]:
        return {}

    def _refuse_stuck(self, outside: Array) -> None:
        if len(outside):
            raise TruncationError(
                f"{outside[0]:.2g} of the law are on no window of the solver, more than {self.missing:.2g}",
                place="measurement",
                mend="allow a larger window (max_states, caps) or a smaller leak",
            )


def require_small(shape: Counts) -> None:
    """UnsupportedFeature for a net's window [A] that cannot be asked for whole."""
    if (size := math.prod(shape.tolist())) > LATENT:
        raise UnsupportedFeature(
            f"a measurement needs the whole law of what is observed, and {size:.2g} states are too many",
            place="measurement",
            mend=f"observe fewer species (at most {LATENT} states), or use fsp",
        )


def rung(caps: Counts) -> Counts:
    """The least caps on the ladder that are as large: [A] -> [A]."""
    steps = np.arange(int(math.log(max(int(caps.max()), 1)) / math.log(GROWTH)) + 3)
    ladder = np.ceil(GROWTH**steps).astype(np.int64)
    return np.asarray(ladder[np.searchsorted(ladder, np.maximum(caps, 1))])


def _outside(box: Box, tables: Sequence[Array]) -> tuple[Array, Array]:
    """What is outside the box at the worst time [b], and how much lies on each upper face [b, A]."""
    faces = []
    for table in tables:
        whole = table.reshape(-1, *box.shape)
        axes = range(1, whole.ndim)
        faces.append(np.stack([whole.take(-1, axis=a).reshape(len(whole), -1).sum(axis=1) for a in axes], axis=1))
    return np.max([1.0 - t.sum(axis=1) for t in tables], axis=0), np.max(faces, axis=0)


def _blocks(which: NDArray[np.intp], box: Box, times: int) -> list[NDArray[np.intp]]:
    size = max(1, HELD // (math.prod(box.shape) * max(1, times)))
    return [which[k : k + size] for k in range(0, len(which), size)]
