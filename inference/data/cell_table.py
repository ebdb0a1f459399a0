"""Tables of cells as they come out of microscopes and spreadsheets, read strictly."""

from __future__ import annotations

import codecs
import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import DataError, KinetixError

from .column_map import Columns, Layout, layout_of

LARGEST = 2**63 - 1
SEPARATORS = ",;\t"
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, eq=False)
class CellTable:
    """One row a cell: `times` [n], `counts` [n, D] of `names`; `notes` say what was done to read it.

    `sums` has the species that a name adds up, where it is not a species itself; `labels` the words [n] of
    every column of labels that was asked for.
    """

    names: tuple[str, ...]
    times: NDArray[np.float64]
    counts: NDArray[np.int64]
    sums: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


def read_table(
    path: Path,
    *,
    time: str | float | None,
    columns: Columns | None,
    header: bool,
    labels: Sequence[str] = (),
) -> CellTable:
    """The cells of a file; see `Observations.read_csv`. Errors name file, row and column."""
    if not path.is_file():
        reason = "is a folder" if path.is_dir() else "there is no such file"
        raise DataError(reason, file=str(path), mend="check the path")
    try:
        text, notes = _decoded(path.read_bytes())
        lines = _records(text)
        layout = layout_of(lines[0], time, columns, labels, header=header)
        first = int(header)
        times, counts = _values(lines, layout, first=first)
        words = {name: _words(lines, layout, k, first) for name, k in layout.labels.items()}
    except KinetixError as problem:
        raise problem.within(str(path)) from problem
    return CellTable(tuple(layout.places), times, counts, layout.sums, words, notes)


def _decoded(data: bytes) -> tuple[str, tuple[str, ...]]:
    mark = next((m for m in MARKS if data.startswith(m)), None)
    encoding = MARKS[mark] if mark is not None else "utf-8"
    if mark is None and b"\0" in data[:4096]:
        raise DataError("not text, or UTF-16 without its byte-order mark", mend="save it as UTF-8")
    try:
        text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as problem:
        row = data[: problem.start].count(b"\n") + 1
        raise DataError(f"not {encoding.upper()} text", place=f"row {row}", mend="save it as UTF-8") from problem
    return text, (f"decoded from {encoding.upper()}",) if encoding == "utf-16" else ()


def _records(text: str) -> list[list[str]]:
    """The fields of every row, blank rows at the end left out."""
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)  # the comma where there is none
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as problem:
        raise DataError(f"not a table: {problem}", mend="close every quotation mark") from problem
    while lines and not any(field.strip() for field in lines[-1]):
        lines.pop()
    if not lines:
        raise DataError("the file is empty", mend="give one row a cell")
    return lines


# values --------------------------------------------------------------------------------------------


def _values(lines: list[list[str]], layout: Layout, *, first: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    width, places = len(layout.titles), tuple(layout.places.values())
    if len(lines) == first:
        raise DataError("there is a header but no cells", mend="give one row a cell")
    times = [layout.moment] * (len(lines) - first)
    counts: list[list[int]] = []
    for i, fields in enumerate(lines[first:]):
        if len(fields) != width:
            what = "the row is empty" if not fields else f"{len(fields)} fields, not {width}"
            raise DataError(what, place=f"row {i + first + 1}", mend="every row needs one field a column")
        try:
            k = -1
            counts.append([sum([_count(fields[k := place]) for place in some]) for some in places])
            if max(counts[-1]) > LARGEST:
                raise ValueError("the columns add up to more than 2**63 - 1")
            if layout.time is not None:
                times[i] = _moment(fields[k := layout.time])
        except ValueError as problem:
            place = f"row {i + first + 1}, column {layout.titles[k]!r}"
            mend = "leave the column out by mapping it to None" if i == 0 else None
            raise DataError(str(problem), place=place, mend=mend) from None
    return np.array(times), np.array(counts, dtype=np.int64)


def _words(lines: list[list[str]], layout: Layout, k: int, first: int) -> tuple[str, ...]:
    """The labels in one column; empty ones are refused."""
    words = tuple(fields[k].strip() for fields in lines[first:])
    if "" in words:
        place = f"row {words.index('') + first + 1}, column {layout.titles[k]!r}"
        raise DataError("the label is empty", place=place, mend="every cell needs one")
    return words


def _count(text: str) -> int:
    """A whole number from 0 up; ValueError says what is wrong."""
    field = text.strip()
    if field.isascii() and field.isdigit() and len(field) < 19:
        return int(field)
    if not field:
        raise ValueError("the field is empty, not a count")
    value = _decimal(field)
    if value is None or value.is_nan():
        raise ValueError(f"{field[:40]!r} is not a count")
    if value < 0:
        raise ValueError(f"the count {field[:40]} is negative")
    if value.is_infinite() or value.adjusted() > 19 or value > LARGEST:
        raise ValueError(f"the count {field[:40]} is beyond 2**63 - 1")
    if (value.adjusted() < -40 and value != 0) or value != int(value):
        raise ValueError(f"the count {field[:40]} is not a whole number")
    return int(value)


def _moment(text: str) -> float:
    field = text.strip()
    try:
        value = math.nan if "_" in field else float(field)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise ValueError(f"{field[:40]!r} is not a time from 0 up" if field else "the time is empty")
    return value


def _decimal(text: str) -> Decimal | None:
    try:
        return None if "_" in text else Decimal(text)
    except InvalidOperation:
        return None
