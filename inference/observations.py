"""Observations: counts of some species in single cells, caught at some times."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import DataError
from kinetix.network import ReactionNetwork

from .data.cell_table import read_table
from .data.column_map import Columns, added

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Observations:
    """Snapshots of independent cells: every cell is seen once, at one time.

    `species` (D names) are what was counted: species of the model, and sums of several, which `sums` has by
    name ("total" -> ("nuclear", "cytoplasmic")). `times` [T] are distinct and increasing (inf for the
    stationary law), and `rows[k]` holds the distinct rows of counts [U, D] at `times[k]` with how
    many cells showed each [U]. `source` is the file; `notes` what was done to read it; `places` [U] a time are
    the rows where each first stands: of the file, as a spreadsheet numbers them, or of the arrays, from 0.
    """

    species: tuple[str, ...]
    times: Array
    rows: tuple[tuple[Counts, Counts], ...]
    source: str | None = None
    notes: tuple[str, ...] = ()
    sums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, Observations] = field(default_factory=dict, repr=False)
    places: tuple[Counts, ...] = field(default=(), repr=False)

    @classmethod
    def read_csv(
        cls,
        path: str | Path,
        *,
        time: str | float | None = None,
        columns: Columns | None = None,
        header: bool = True,
        group: str | None = None,
    ) -> Observations:
        """Read a table with one row a cell: whole counts, and a time column or one time for all.

        `time`: the name of the column with the times, or a number (or inf) that holds for all cells.
        By default it is the column `time`; without one, a single column that is so named but for
        upper case. `columns` maps the file's columns to species, or to None to leave them out; all
        others are species by their own names. A list names the columns in order. With
        `header=False` there are no names in the file: give a list, or positions as {0: "M"}.

        A column that counts several species together is mapped to all of them: {"total": ("nuclear",
        "cytoplasmic")}, or "nuclear+cytoplasmic". Columns that count parts of one species are added by a key of
        several: {("RNA_nuc", "RNA_cyto"): "M"}, or "RNA_nuc+RNA_cyto". Both together are possible.

        `group` is the column that says to which group (replicate, condition) a cell belongs.

        Fields are separated by comma, semicolon or tab, in UTF-8 or (by its byte-order mark) UTF-16.
        Anything that is not a count is a DataError that names row and column; rows are numbered as a
        spreadsheet does, the header being row 1.
        """
        labels = () if group is None else (group,)
        table = read_table(Path(path), time=time, columns=columns, header=header, labels=labels)
        words = None if group is None else table.labels[group]
        places = np.arange(len(table.counts)) + 1 + int(header)
        return cls._of(table.names, table.times, table.counts, places, str(path), table.notes, table.sums, words)

    @classmethod
    def from_counts(
        cls,
        species: Sequence[str] | str | Mapping[str, str | Sequence[str]],
        times: ArrayLike,
        counts: ArrayLike,
        *,
        groups: Sequence[object] | None = None,
    ) -> Observations:
        """Observations of n cells from arrays: `times` [n] or one number, `counts` [n, D] or [n].

        `species` names the columns of `counts`; a mapping says what they count, as in
        {"total": ("nuclear", "cytoplasmic"), "P": "P"}. `groups` [n] are labels of the cells.
        """
        names, sums = _named(species)
        values = np.asarray(counts)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[1] != len(names) or len(set(names)) < len(names) or not names:
            raise DataError(f"counts {list(values.shape)} are not [cells, {len(names)}] of distinct species")
        at = np.broadcast_to(np.asarray(times, dtype=np.float64), (len(values),))
        if np.isnan(at).any() or (at < 0).any():
            raise DataError("times are numbers from 0 up, or inf", place="times")
        words = None if groups is None else tuple(str(word) for word in groups)
        if words is not None and len(words) != len(values):
            raise DataError(f"{len(words)} labels for {len(values)} cells", place="groups")
        return cls._of(names, at, _whole(values), np.arange(len(values)), None, (), sums, words)

    @classmethod
    def _of(
        cls,
        species: tuple[str, ...],
        times: Array,
        counts: Counts,
        places: Counts,
        source: str | None,
        notes: tuple[str, ...],
        sums: Mapping[str, tuple[str, ...]],
        words: Sequence[str] | None = None,
    ) -> Observations:
        if len(counts) == 0:
            raise DataError("there are no cells", file=source)
        distinct, which = np.unique(times + 0.0, return_inverse=True)
        rows, firsts = [], []
        for k in range(len(distinct)):
            states, first, repeats = np.unique(counts[which == k], axis=0, return_index=True, return_counts=True)
            rows.append((states.astype(np.int64), repeats.astype(np.int64)))
            firsts.append(places[which == k][first])
        groups = {}
        for word in sorted(set(words or ())):
            mine = np.array([w == word for w in words or ()])
            groups[word] = cls._of(species, times[mine], counts[mine], places[mine], source, (), sums)
        return cls(species, distinct, tuple(rows), source, notes, dict(sums), groups, tuple(firsts))

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """The species of the model that each of `species` adds up: D of them, most of one species."""
        return tuple(self.sums.get(name, (name,)) for name in self.species)

    @property
    def cells(self) -> int:
        """The number of cells at all times."""
        return int(self.cells_at.sum())

    @property
    def cells_at(self) -> Counts:
        """The number of cells at each time: [T]."""
        return np.array([int(repeats.sum()) for _, repeats in self.rows], dtype=np.int64)

    @property
    def distinct(self) -> int:
        """The number of distinct rows of all times: what a likelihood has to weigh."""
        return sum(len(repeats) for _, repeats in self.rows)

    @property
    def largest(self) -> Counts:
        """The largest count of each species: [D]."""
        return np.asarray(np.max([counts.max(axis=0) for counts, _ in self.rows], axis=0))

    def counts(self, k: int) -> Counts:
        """Every cell at `times[k]`, equal ones side by side: [cells, D]."""
        states, repeats = self.rows[k]
        return np.repeat(states, repeats, axis=0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of species, times and counts; the order of the cells does not matter."""
        told = [f"{n}={'+'.join(self.sums[n])}" if n in self.sums else n for n in self.species]
        digest = hashlib.sha256("\x1f".join(told).encode())
        for time, (states, repeats) in zip(self.times.tolist(), self.rows, strict=True):
            digest.update(f"{time.hex()} {states.shape}".encode())
            digest.update(states.astype("<i8").tobytes())
            digest.update(repeats.astype("<i8").tobytes())
        for name, group in self.groups.items():
            digest.update(f"{name} {group.digest}".encode())
        return digest.hexdigest()

    def require_species(self, network: ReactionNetwork) -> None:
        """Refuse observed names that are not species of `network`: DataError with the nearest one."""
        for name, parts in zip(self.species, self.parts, strict=True):
            for part in parts:
                if part in network.species_names:
                    continue
                near = get_close_matches(part, network.species_names, n=1)
                hint = f"did you mean {near[0]!r}? " if near else f"it has {', '.join(network.species_names)}: "
                raise DataError(
                    f"{part!r} is not a species of {network.name!r}",
                    file=self.source,
                    place=f"column {name!r}",
                    mend=f"{hint}map the column with columns={{{name!r}: ...}}; None leaves it out",
                )

    def __str__(self) -> str:
        times = f"{len(self.times)} times" if len(self.times) > 1 else f"time {self.times[0]:g}"
        where = f", from {Path(self.source).name}" if self.source else ""
        groups = f" in {len(self.groups)} groups" if self.groups else ""
        return f"{self.cells:,} cells{groups} at {times}, species {', '.join(self.species)}{where}"


def _named(
    species: Sequence[str] | str | Mapping[str, str | Sequence[str]],
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The names of the columns and, of those that count several species, which."""
    if isinstance(species, str):
        return (species,), {}
    if not isinstance(species, Mapping):
        return tuple(species), {}
    names, sums = [], {}
    for title, target in species.items():
        parts = added(target, f"species {title!r}")
        names.append(parts[0] if len(parts) == 1 else str(title))
        if len(parts) > 1:
            sums[names[-1]] = parts
    return tuple(names), sums


def _whole(values: NDArray[Any]) -> Counts:
    """Counts of any numeric type as int64; fractional, negative and too large ones are refused."""
    if values.dtype.kind not in "iuf":
        raise DataError(f"counts are numbers, not {values.dtype}", place="counts")
    if values.dtype.kind != "i":
        wrong = ~np.isfinite(values) | (values != np.trunc(values)) | (values >= 2.0**63)
        _refuse(values, wrong, "is not a whole number below 2**63")
    _refuse(values, values < 0, "is negative")
    return values.astype(np.int64)


def _refuse(values: NDArray[Any], wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        row, column = map(int, np.argwhere(wrong)[0])
        raise DataError(f"{values[row, column]} {why}", place=f"counts[{row}, {column}]")
