"""Histories of cells as a tree: cells that have shown the same so far share what has to be computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetix.inference.time_courses import TimeCourses

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Level:
    """The j-th rows of all cells that have so many: M distinct histories.

    A history shows the row `shown` [M] of the distinct `rows` [U, D], at the end of the step `step` [M]. The K
    distinct steps begin at the histories `parents` [K] of the level before and last the time `gaps` [K].
    """

    step: Counts
    shown: Counts
    rows: Counts
    parents: Counts
    gaps: Array

    @property
    def parent(self) -> Counts:
        """The history of the level before that each one continues: [M]."""
        return self.parents[self.step]


@dataclass(frozen=True, eq=False)
class Histories:
    """The `levels` of the tree from one root at time 0; cell c ends on level `last[c]`, in history `place[c]`."""

    levels: tuple[Level, ...]
    last: Counts
    place: Counts

    @classmethod
    def of(cls, data: TimeCourses) -> Histories:
        """The tree of all cells."""
        last = np.array([len(times) - 1 for times, _ in data.courses])
        gaps = [gaps_of(np.append(0.0, times), float(data.times[-1])) for times, _ in data.courses]
        place, levels = np.zeros(len(last), dtype=np.int64), []
        for j in range(int(last.max()) + 1):
            alive = np.flatnonzero(last >= j)
            keys = [(int(place[i]), float(gaps[i][j]), tuple(data.courses[i][1][j].tolist())) for i in alive]
            number = {key: m for m, key in enumerate(dict.fromkeys(keys))}
            place[alive] = [number[key] for key in keys]
            levels.append(_level(list(number)))
        return cls(tuple(levels), last, place)

    def ends(self, by_level: list[Array]) -> Array:
        """The value at the end of every cell, from those of all histories, M on each level: [C]."""
        return np.array([by_level[j][m] for j, m in zip(self.last, self.place, strict=True)])

    def longest_jump(self) -> int:
        """The largest change of a count from one row of a cell to its next."""
        jumps = [0]
        for before, level in zip(self.levels, self.levels[1:], strict=False):
            change = level.rows[level.shown] - before.rows[before.shown][level.parent]
            jumps.append(int(np.abs(change).max()))
        return max(jumps)


def gaps_of(times: Array, last: float) -> Array:
    """The steps between times [J] up to `last`, alike where they are meant to be: 0.3 - 0.2 is 0.2 - 0.1. [J - 1]."""
    digits = 11 - int(np.floor(np.log10(last))) if last > 0 else 11
    return np.round(np.diff(times), digits)


def _level(keys: list[tuple[int, float, tuple[int, ...]]]) -> Level:
    rows, shown = np.unique(np.array([row for _, _, row in keys], dtype=np.int64), axis=0, return_inverse=True)
    pairs: dict[tuple[int, float], int] = {}
    steps = [pairs.setdefault((parent, gap), len(pairs)) for parent, gap, _ in keys]
    return Level(
        np.array(steps, dtype=np.int64),
        shown.reshape(-1),
        rows,
        np.array([parent for parent, _ in pairs], dtype=np.int64),
        np.array([gap for _, gap in pairs]),
    )
