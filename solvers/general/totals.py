"""What no reaction of a network changes: sums of counts with small whole weights, for a whole batch at once.

A gene is free or bound, a monomer is alone or one of two in a dimer. Weights of 0, 1 and 2 cover the family's
motifs; sums with larger weights are not looked for, and only make the net's law less sharp.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .family import SPECIES, Batch

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST = 3
"""Sums that are kept of a network, those of fewest species first."""

_WEIGHTS = np.array(
    sorted(itertools.product(range(3), repeat=SPECIES), key=lambda w: (sum(v > 0 for v in w), sum(w)))[1:]
)


class Totals(NamedTuple):
    """`weights` [N, L, S], 0 where there are fewer sums, and the `sums` [N, L] at the start; `bounds` [N, S].

    No count passes its bound, which is -1 where no sum bounds it.
    """

    weights: Integers
    sums: Integers
    bounds: Integers


def totals(batch: Batch) -> Totals:
    """The sums that no reaction changes."""
    moving = np.where(batch.rates[..., None] > 0, batch.change, 0)
    told = np.concatenate([moving.reshape(len(batch), -1), batch.species[:, None]], axis=1).astype(np.int32)
    kinds: dict[bytes, int] = {}  # problems of one network are looked at once
    which = np.array([kinds.setdefault(row.tobytes(), len(kinds)) for row in told], dtype=np.int64)
    some = np.unique(which, return_index=True)[1]
    weights = _weights(moving[some], batch.species[some])[which]
    sums = (weights * batch.starts[:, None]).sum(axis=2)
    with np.errstate(divide="ignore"):
        most = np.where(weights > 0, sums[..., None] // np.maximum(weights, 1), np.iinfo(np.int64).max).min(axis=1)
    return Totals(weights, sums, np.where((weights > 0).any(axis=1), most, -1))


def _weights(moving: Integers, species: Integers) -> Integers:
    """The weights of changes [N, R, S], of so many real species: [N, L, S]."""
    real = np.arange(SPECIES) < species[:, None]
    kept = (np.abs(moving @ _WEIGHTS.T).max(axis=1) == 0) & ~(_WEIGHTS[None] * ~real[:, None]).any(axis=2)
    weights = np.zeros((len(moving), MOST, SPECIES), dtype=np.int64)
    for n in np.nonzero(kept.any(axis=1))[0]:
        found = _independent(_WEIGHTS[kept[n]])
        weights[n, : len(found)] = found
    return weights


def _independent(rows: Integers) -> Integers:
    """The first linearly independent rows, `MOST` of them at most."""
    found: list[Integers] = []
    for row in rows:
        if np.linalg.matrix_rank(np.array([*found, row])) > len(found):
            found.append(row)
        if len(found) == MOST:
            break
    return np.array(found)
