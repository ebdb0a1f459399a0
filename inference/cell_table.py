"""Tables of cells as they come out of microscopes and spreadsheets, read strictly."""

from __future__ import annotations

import codecs
import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import DataError, KinetixError, SettingError, UnsupportedFeature

Columns = Mapping[str, str | None] | Mapping[int, str | None] | Sequence[str | None]

TIME = "time"
LARGEST = 2**63 - 1
SEPARATORS = ",;\t"
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, eq=False)
class CellTable:
    """One row a cell: `times` [n], `counts` [n, D] of `species`; `notes` say what was done to read it."""

    species: tuple[str, ...]
    times: NDArray[np.float64]
    counts: NDArray[np.int64]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Layout:
    """What the columns are: file names, the position of the time (or one time), positions of the species."""

    titles: tuple[str, ...]
    time: int | None
    moment: float
    species: Mapping[str, int]


def read_table(path: Path, *, time: str | float | None, columns: Columns | None, header: bool) -> CellTable:
    """The cells of a file; see `Observations.read_csv`. Errors name file, row and column."""
    if not path.is_file():
        raise DataError("there is no such file", file=str(path), mend="check the path")
    try:
        text, notes = _decoded(path.read_bytes())
        lines = _records(text)
        layout = _layout(lines, time, columns, header=header)
        times, counts = _values(lines, layout, first=int(header))
    except KinetixError as problem:
        raise problem.within(str(path)) from problem
    return CellTable(tuple(layout.species), times, counts, notes)


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


# columns -------------------------------------------------------------------------------------------


def _layout(lines: list[list[str]], time: str | float | None, columns: Columns | None, *, header: bool) -> _Layout:
    titles = _titles(lines[0], header=header)
    names = _names(titles, columns, header=header)
    moment = math.nan if time is None or isinstance(time, str) else float(time)
    at = _time_column(titles, names, time)
    if at is None and (math.isnan(moment) or moment < 0):
        raise SettingError(f"the time {time!r} is not a number from 0 up", place="time")
    species: dict[str, int] = {}
    for k, name in enumerate(names):
        if name is None or k == at:
            continue
        if name in species:
            what = f"columns {titles[species[name]]!r} and {titles[k]!r} both stand for {name!r}"
            raise UnsupportedFeature(f"{what}; sums of columns cannot be read", mend="map one of them to None")
        if "+" in name:
            raise UnsupportedFeature(
                f"{name!r} is a sum of species, which cannot be observed yet",
                place=f"column {titles[k]!r}",
                mend="map the column to one species, or to None",
            )
        species[name] = k
    if not species:
        raise DataError("no column holds counts", place="row 1", mend="map at least one column to a species")
    return _Layout(titles, at, moment, species)


def _titles(fields: list[str], *, header: bool) -> tuple[str, ...]:
    if not header:
        return tuple(str(k) for k in range(len(fields)))
    titles = tuple(field.strip() for field in fields)
    if all(_is_number(title) for title in titles):
        mend = 'if there is no header, give header=False (--no-header) and name the columns, as {0: "M"}'
        raise DataError(f"the first row holds no names but numbers ({', '.join(titles[:3])})", place="row 1", mend=mend)
    for k, title in enumerate(titles):
        if not title:
            raise DataError(f"column {k + 1} has no name", place="row 1", mend="name it, or delete the column")
        if title in titles[:k]:
            raise DataError(f"there are two columns {title!r}", place="row 1", mend="rename one")
    return titles


def _names(titles: tuple[str, ...], columns: Columns | None, *, header: bool) -> list[str | None]:
    """What each column stands for: a species, the time, or nothing."""
    if columns is None:
        if not header:
            mend = 'give columns=["M", ...] or columns={0: "M"}'
            raise SettingError("a file without a header needs names for its columns", place="columns", mend=mend)
        return list(titles)
    if isinstance(columns, str):
        raise SettingError(f"columns are a mapping or a list, not {columns!r}", place="columns")
    if not isinstance(columns, Mapping):
        if len(columns) != len(titles):
            raise SettingError(f"{len(columns)} names for {len(titles)} columns", place="columns")
        return [None if name is None else str(name) for name in columns]
    given = {str(key).strip() if not header else str(key): target for key, target in columns.items()}
    for key in given:
        if key not in titles:
            near = get_close_matches(key, titles, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(titles)}"
            raise SettingError(f"the file has no column {key!r}", place="columns", mend=mend)
    rest = {title: title if header else None for title in titles}
    return [given.get(title, rest[title]) for title in titles]


def _time_column(titles: tuple[str, ...], names: list[str | None], time: str | float | None) -> int | None:
    """The position of the times, or None where one number holds for all cells."""
    if isinstance(time, str):
        if time not in titles:
            near = get_close_matches(time, titles, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(titles)}"
            raise SettingError(f"the file has no column {time!r}", place="time", mend=mend)
        return titles.index(time)
    exact = [k for k, name in enumerate(names) if name == TIME]
    similar = exact or [k for k, name in enumerate(names) if name is not None and name.lower() == TIME]
    if time is not None:
        if exact:
            what = f"the time {time} is given, and the file has a column {titles[exact[0]]!r}"
            mend = f"leave one of them out; columns={{{titles[exact[0]]!r}: None}} leaves out the column"
            raise SettingError(what, place="time", mend=mend)
        return None
    if len(similar) != 1:
        found = (
            f"several columns are called so: {', '.join(titles[k] for k in similar)}" if similar else "there is none"
        )
        mend = "give time= (--time): the name of a column, or one number for all cells"
        raise DataError(f"no column {TIME!r}: {found}", place="row 1", mend=mend)
    return similar[0]


# values --------------------------------------------------------------------------------------------


def _values(lines: list[list[str]], layout: _Layout, *, first: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    width, places = len(layout.titles), tuple(layout.species.values())
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
            counts.append([_count(fields[k := place]) for place in places])
            if layout.time is not None:
                times[i] = _moment(fields[k := layout.time])
        except ValueError as problem:
            place = f"row {i + first + 1}, column {layout.titles[k]!r}"
            mend = "leave the column out by mapping it to None" if i == 0 else None
            raise DataError(str(problem), place=place, mend=mend) from None
    return np.array(times), np.array(counts, dtype=np.int64)


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


def _is_number(text: str) -> bool:
    return _decimal(text) is not None
