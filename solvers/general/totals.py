"""What no reaction of a network raises: sums of counts with small whole weights, for a whole batch at once.

A gene is free or bound, a monomer is alone or one of two in a dimer, what only decays never passes its start. Of the
sums with weights of 0, 1 and 2, which cover the family's motifs, those are kept that the others do not imply (extreme
rays of the cone of weights w >= 0 with w . change <= 0 for every reaction). Sums with larger weights are not looked
for: that only makes the net's law less sharp.
"""

from __future__ import annotations

import itertools
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled
from .family import SPECIES, Batch

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST = 6
"""Sums that are kept of a network: those that no reaction changes before others, of fewest species first."""

_WEIGHTS = np.array(
    sorted(
        (w for w in itertools.product(range(3), repeat=SPECIES) if gcd(*w) == 1),
        key=lambda w: (sum(v > 0 for v in w), sum(w)),
    )
)


class Totals(NamedTuple):
    """`weights` [N, L, S], 0 where there are fewer sums, and the `sums` [N, L] at the start, never passed.

    No count passes its bound in `bounds` [N, S], which is -1 where no sum bounds it.
    """

    weights: Integers
    sums: Integers
    bounds: Integers


def totals(batch: Batch) -> Totals:
    """The sums that no reaction raises."""
    moving = np.where(batch.rates[..., None] > 0, batch.change, 0)
    weights = np.zeros((len(batch), MOST, SPECIES), dtype=np.int64)
    _chosen(np.ascontiguousarray(moving, dtype=np.int64), batch.species, _WEIGHTS, weights)
    sums = (weights * batch.starts[:, None]).sum(axis=2)
    with np.errstate(divide="ignore"):
        most = np.where(weights > 0, sums[..., None] // np.maximum(weights, 1), np.iinfo(np.int64).max).min(axis=1)
    return Totals(weights, sums, np.where((weights > 0).any(axis=1), most, -1))


@compiled
def _chosen(moving: Any, species: Any, candidates: Any, weights: Any) -> None:
    """The sums of every problem into `weights`: first those that are kept, then those that fall."""
    reactions, size = moving.shape[1], moving.shape[2]
    tight = np.zeros((reactions + size, size))
    for n in range(len(moving)):
        found = 0
        for falls in (False, True):
            for c in range(len(candidates)):
                if found == MOST:
                    break
                w = candidates[c]
                rises, sinks, rows = False, False, 0
                for s in range(size):
                    rises = rises or (s >= species[n] and w[s] > 0)
                for r in range(reactions):
                    if rises:
                        break
                    grown = 0
                    for s in range(size):
                        grown += w[s] * moving[n, r, s]
                    rises = grown > 0
                    sinks = sinks or grown < 0
                    if grown == 0:
                        for s in range(size):
                            tight[rows, s] = moving[n, r, s]
                        rows += 1
                if rises or sinks != falls:
                    continue
                for s in range(size):
                    if w[s] == 0:
                        tight[rows] = 0.0
                        tight[rows, s] = 1.0
                        rows += 1
                if _rank(tight, rows) == size - 1:
                    weights[n, found] = w
                    found += 1


@compiled
def _rank(rows: Any, number: int) -> int:
    """The rank of the first rows of a matrix of small whole numbers, which is overwritten."""
    rank = 0
    for s in range(rows.shape[1]):
        pivot = rank
        for r in range(rank, number):
            if abs(rows[r, s]) > abs(rows[pivot, s]):
                pivot = r
        if rank == number or abs(rows[pivot, s]) < 1e-9:
            continue
        for k in range(rows.shape[1]):
            kept = rows[pivot, k]
            rows[pivot, k] = rows[rank, k]
            rows[rank, k] = kept
        for r in range(rank + 1, number):
            factor = rows[r, s] / rows[rank, s]
            for k in range(s, rows.shape[1]):
                rows[r, k] -= factor * rows[rank, k]
        rank += 1
    return rank
