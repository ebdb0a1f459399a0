"""The terms of a small window: one row, and one term for all reactions that move by the same step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kinetix.space import StateSpace

from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Block: TypeAlias = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Flat:
    """What the terms of a small window share: one term a step, with a factor at every position.

    `inside` [R, N] is 1 where a reaction stays in the window, `term` [R] the term of each reaction.
    """

    inside: Array
    below: Counts
    term: list[int]
    base: Counts
    step: Counts
    pad: int

    @cached_property
    def even(self) -> tuple[Counts, Counts]:
        """Terms [R] of the reactions and flat steps of the terms, made 2 or an even number >= 4 by idle ones."""
        count = len(self.step)
        wanted = max(2 if count <= 2 else 4, count + count % 2)
        return np.array(self.term, dtype=np.int64), np.append(self.step, np.zeros(wanted - count, dtype=np.int64))

    @classmethod
    def of(cls, space: StateSpace, steps: Counts, staying: Sequence[Block], below: Sequence[Any], missing: Any) -> Flat:
        """For one window: of every reaction its flat step, where it stays inside, and where it falls `below` it.

        What is `missing` [shape] from the window anyhow does not count as below.
        """
        R, N, shape = len(steps), space.size, space.shape
        inside, broken = np.zeros((R, *shape)), np.zeros((R, *shape), dtype=np.bool_)
        for r, (block, short) in enumerate(zip(staying, below, strict=True)):
            inside[r][block] = 1.0
            if short is not None:
                broken[r] = short if missing is None else short & ~missing
        step, term = np.unique(steps, return_inverse=True)
        pad = int(np.abs(step).max(initial=0))
        base = np.arange(len(step), dtype=np.int64) * (N + 2 * pad) + pad - step
        return cls(inside.reshape(R, N), np.flatnonzero(broken), term.tolist(), base, step, pad)

    def terms(self, table: Array, stay: Array, scale: float) -> Terms:
        """The terms of propensities [R, N]."""
        count, size, none = len(self.step), table.shape[1], np.zeros(0, dtype=np.int64)
        pool = np.zeros((count, size + 2 * self.pad))
        for term, row in zip(self.term, table * self.inside, strict=True):
            pool[term, self.pad : self.pad + size] += row
        gains, zeros = np.full((count, 1), scale), np.zeros(count, dtype=np.int64)
        one, flows = np.zeros(1, dtype=np.int64), np.zeros(0)
        return Terms(
            stay,
            gains,
            pool.reshape(-1),
            self.base,
            zeros,
            zeros,
            self.step,
            size,
            self.pad,
            0,
            one,
            1,
            none,
            none,
            flows,
        )
