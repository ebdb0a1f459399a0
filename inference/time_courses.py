"""Time courses: the same cells counted again and again, read from a table with a column that names the cell."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import DataError
from kinetix.network import ReactionNetwork

from .data.cell_table import read_table
from .data.column_map import Columns
from .observations import Observations

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TimeCourses:
    """Counts of single cells over time: `courses` has, cell by cell, its times [J] and its counts [J, D].

    Cells are independent and may be seen at different times. `snapshots` are the same counts with the cells
    forgotten: what every cell shows at one time. `groups` are the courses of each group, where there are any.
    """

    snapshots: Observations
    courses: tuple[tuple[Array, Counts], ...]
    groups: Mapping[str, TimeCourses] = field(default_factory=dict, repr=False)

    @classmethod
    def read_csv(
        cls,
        path: str | Path,
        *,
        cell: str = "cell",
        time: str | None = None,
        columns: Columns | None = None,
        header: bool = True,
        group: str | None = None,
    ) -> TimeCourses:
        """Read a table with one row a cell and time, in any order; `cell` is the column that names the cell.

        `time`, `columns`, `header` and `group` are as in `Observations.read_csv`. With a `group`, cells of the
        same name in different groups are different cells. A cell that is there twice at one time is refused.
        """
        labels = (cell,) if group is None else (cell, group)
        table = read_table(Path(path), time=time, columns=columns, header=header, labels=labels)
        words = None if group is None else table.labels[group]
        try:
            found = cls._of(table.names, table.labels[cell], table.times, table.counts, table.sums, words, str(path))
        except DataError as problem:
            raise problem.within(str(path)) from problem
        return replace(found, snapshots=replace(found.snapshots, notes=table.notes))

    @classmethod
    def from_counts(
        cls,
        species: Sequence[str] | str | Mapping[str, str | Sequence[str]],
        cells: Sequence[object] | NDArray[Any],
        times: ArrayLike,
        counts: ArrayLike,
        *,
        groups: Sequence[object] | None = None,
    ) -> TimeCourses:
        """Time courses from arrays: the cell, time and counts of each of n rows ([n], [n], [n, D] or [n])."""
        flat = Observations.from_counts(species, times, counts)  # what is wrong with the counts is told there
        values = np.asarray(counts)
        values = (values[:, None] if values.ndim == 1 else values).astype(np.int64)
        at = np.broadcast_to(np.asarray(times, dtype=np.float64), (len(values),))
        labels = [str(c) for c in cells]
        words = None if groups is None else [str(g) for g in groups]
        if len(labels) != len(values) or (words is not None and len(words) != len(values)):
            raise DataError(f"{len(labels)} cells for {len(values)} rows of counts", place="cells")
        return cls._of(flat.species, labels, at, values, flat.sums, words, None)

    @classmethod
    def _of(
        cls,
        species: tuple[str, ...],
        cells: Sequence[str],
        times: Array,
        counts: Counts,
        sums: Mapping[str, tuple[str, ...]],
        words: Sequence[str] | None,
        source: str | None,
    ) -> TimeCourses:
        if not np.isfinite(times).all():
            raise DataError("a cell cannot be followed to time = inf", place="time", mend="give finite times")
        flat = Observations.from_counts({name: sums.get(name, name) for name in species}, times, counts)
        snapshots = Observations(flat.species, flat.times, flat.rows, source, (), dict(sums))
        keys = list(zip(words, cells, strict=True)) if words is not None else [("", c) for c in cells]
        courses = []
        rows: dict[tuple[str, str], list[int]] = {}
        for i, key in enumerate(keys):
            rows.setdefault(key, []).append(i)
        for (_, cell), places in rows.items():
            order = np.array(places)[np.argsort(times[places], kind="stable")]
            if (again := np.diff(times[order]) == 0).any():
                t = times[order][int(np.argmax(again))]
                raise DataError(f"cell {cell!r} is there twice at time {t:g}", mend="give every cell one row a time")
            courses.append((times[order] + 0.0, counts[order]))
        groups = {}
        for word in sorted(set(words or ())):
            mine = [i for i, (w, _) in enumerate(keys) if w == word]
            groups[word] = cls._of(species, [cells[i] for i in mine], times[mine], counts[mine], sums, None, source)
        return cls(snapshots, tuple(courses), groups)

    @property
    def firsts(self) -> Observations:
        """The first row of every cell, as snapshots."""
        times = np.array([t[0] for t, _ in self.courses])
        first = Observations.from_counts(self._named, times, np.stack([c[0] for _, c in self.courses]))
        return Observations(first.species, first.times, first.rows, self.source, (), dict(self.sums))

    @property
    def gaps(self) -> Array:
        """The distinct times between one row of a cell and its next."""
        return np.unique(np.concatenate([np.zeros(0), *(np.diff(t) for t, _ in self.courses)]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of species, times and counts of the cells; neither their order nor their names matter."""
        each = sorted(
            hashlib.sha256(t.astype("<f8").tobytes() + c.astype("<i8").tobytes()).hexdigest() for t, c in self.courses
        )
        told = [self.snapshots.digest, *each, *(f"{name} {g.digest}" for name, g in self.groups.items())]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    # as of snapshots -------------------------------------------------------------------------------

    @property
    def species(self) -> tuple[str, ...]:
        """What was counted: D names."""
        return self.snapshots.species

    @property
    def sums(self) -> Mapping[str, tuple[str, ...]]:
        """See `Observations`."""
        return self.snapshots.sums

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """See `Observations`."""
        return self.snapshots.parts

    @property
    def times(self) -> Array:
        """All times at which any cell was seen: [T]."""
        return self.snapshots.times

    @property
    def rows(self) -> tuple[tuple[Counts, Counts], ...]:
        """See `Observations`: the distinct rows at every time, the cells forgotten."""
        return self.snapshots.rows

    @property
    def cells(self) -> int:
        """The number of cells that were followed."""
        return len(self.courses)

    @property
    def cells_at(self) -> Counts:
        """The number of cells seen at each time: [T]."""
        return self.snapshots.cells_at

    @property
    def distinct(self) -> int:
        """The number of distinct courses."""
        return len({(t.tobytes(), c.tobytes()) for t, c in self.courses})

    @property
    def largest(self) -> Counts:
        """The largest count of each species: [D]."""
        return self.snapshots.largest

    @property
    def source(self) -> str | None:
        """The file."""
        return self.snapshots.source

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to read it."""
        return self.snapshots.notes

    def counts(self, k: int) -> Counts:
        """Every cell seen at `times[k]`: [cells, D]."""
        return self.snapshots.counts(k)

    def require_species(self, network: ReactionNetwork) -> None:
        """Refuse observed names that are not species of `network`."""
        self.snapshots.require_species(network)

    @property
    def _named(self) -> dict[str, tuple[str, ...] | str]:
        return {name: self.sums.get(name, name) for name in self.species}

    def __iter__(self) -> Iterator[tuple[Array, Counts]]:
        return iter(self.courses)

    def __str__(self) -> str:
        where = f", from {Path(self.source).name}" if self.source else ""
        seen = int(self.cells_at.sum())
        return f"{self.cells:,} cells followed over {seen:,} counts, species {', '.join(self.species)}{where}"


Cells: TypeAlias = Observations | TimeCourses
"""What a likelihood weighs."""
