"""Which columns of a file hold what: the time, labels, species, sums of species, columns to be added."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, TypeAlias

from kinetix.errors import DataError, SettingError

Target: TypeAlias = str | Sequence[str] | None
Key: TypeAlias = str | int | tuple[str | int, ...]
Columns: TypeAlias = Mapping[Any, Target] | Sequence[Target]
"""File columns (`Key`) to what they count (`Target`), or the targets of all columns in order."""

TIME = "time"


@dataclass(frozen=True)
class Layout:
    """What the columns are: their titles, the position of the time (or one time), where to find the rest.

    `places` has, for every observable, the columns whose fields are added; `sums` the species that an
    observable adds up, where it is not a species; `labels` the position of every column of labels.
    """

    titles: tuple[str, ...]
    time: int | None
    moment: float
    places: Mapping[str, tuple[int, ...]]
    sums: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, int]


@dataclass(frozen=True)
class _Part:
    """Columns that are added, and the species that their sum counts; no species where they are left out."""

    columns: tuple[int, ...]
    species: tuple[str, ...]


def layout_of(
    fields: Sequence[str],
    time: str | float | None,
    columns: Columns | None,
    labels: Sequence[str] = (),
    *,
    header: bool,
) -> Layout:
    """The layout of a table from its first row; `labels` are columns of words, not counts."""
    titles = _titles(fields, header=header)
    known = {name: _position(name, titles, "columns") for name in labels}
    apart = {*known.values(), *([_position(time, titles, "time")] if isinstance(time, str) else [])}
    parts = _parts(titles, columns, apart, header=header)
    moment = math.nan if time is None or isinstance(time, str) else float(time)
    at = _time_column(titles, parts, time)
    if at is None and (math.isnan(moment) or moment < 0):
        raise SettingError(f"the time {time!r} is not a number from 0 up", place="time")
    taken = {at, *known.values()}
    places: dict[str, tuple[int, ...]] = {}
    sums: dict[str, tuple[str, ...]] = {}
    for part in parts:
        if not part.species or (len(part.columns) == 1 and part.columns[0] in taken):
            continue
        title = "+".join(titles[k] for k in part.columns)
        if wrong := [titles[k] for k in part.columns if k in taken]:
            raise SettingError(f"{wrong[0]!r} is no column of counts and cannot be added", place="columns")
        name = part.species[0] if len(part.species) == 1 else title if header else "+".join(part.species)
        if name in places:
            first = "+".join(titles[k] for k in places[name])
            mend = f"to add columns, write columns={{({first!r}, {title!r}): {name!r}}}; else map one of them to None"
            raise SettingError(f"columns {first!r} and {title!r} both stand for {name!r}", place="columns", mend=mend)
        places[name] = part.columns
        if len(part.species) > 1:
            sums[name] = part.species
    if not places:
        raise DataError("no column holds counts", place="row 1", mend="map at least one column to a species")
    return Layout(titles, at, moment, places, sums, known)


def added(target: Any, place: str) -> tuple[str, ...]:
    """The species that a target names: a name, "a+b", or several; SettingError for anything else."""
    names = target.split("+") if isinstance(target, str) else target
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        mend = 'give a species, several to be added as ("A", "B"), or None'
        raise SettingError(f"{target!r} names no species", place=place, mend=mend)
    clean = tuple(n.strip() for n in names)
    if not clean or not all(clean):
        mend = "name at least one species; None leaves the column out"
        raise SettingError(f"{target!r} names no species", place=place, mend=mend)
    if len(set(clean)) < len(clean):
        twice = next(n for n in clean if clean.count(n) > 1)
        raise SettingError(f"{twice!r} stands twice in a sum", place=place, mend="name every species once")
    return clean


def is_number(text: str) -> bool:
    """Whether a field is a number in any dress."""
    try:
        return "_" not in text and Decimal(text) is not None
    except InvalidOperation:
        return False


# titles --------------------------------------------------------------------------------------------


def _titles(fields: Sequence[str], *, header: bool) -> tuple[str, ...]:
    if not header:
        return tuple(str(k) for k in range(len(fields)))
    titles = tuple(field.strip() for field in fields)
    if all(is_number(title) for title in titles):
        mend = 'if there is no header, give header=False (--no-header) and name the columns, as {0: "M"}'
        raise DataError(f"the first row holds no names but numbers ({', '.join(titles[:3])})", place="row 1", mend=mend)
    for k, title in enumerate(titles):
        if not title:
            raise DataError(f"column {k + 1} has no name", place="row 1", mend="name it, or delete the column")
        if title in titles[:k]:
            raise DataError(f"there are two columns {title!r}", place="row 1", mend="rename one")
    return titles


def _position(name: Any, titles: tuple[str, ...], place: str) -> int:
    """The position of a column by its title; SettingError with the nearest."""
    key = str(name).strip()
    if key not in titles:
        near = get_close_matches(key, titles, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(titles)}"
        raise SettingError(f"the file has no column {key!r}", place=place, mend=mend)
    return titles.index(key)


# what they stand for -------------------------------------------------------------------------------


def _parts(titles: tuple[str, ...], columns: Columns | None, apart: set[int], *, header: bool) -> list[_Part]:
    """What the columns stand for, in the order of the file; those `apart` hold no counts, if not mapped to any."""
    if columns is None:
        if not header:
            mend = 'give columns=["M", ...] or columns={0: "M"}'
            raise SettingError("a file without a header needs names for its columns", place="columns", mend=mend)
        return [_Part((k,), () if k in apart else _meant(t, t)) for k, t in enumerate(titles)]
    if isinstance(columns, str) or not isinstance(columns, Mapping | Sequence):
        raise SettingError(f"columns are a mapping or a list, not {columns!r}", place="columns")
    if not isinstance(columns, Mapping):
        if len(columns) != len(titles):
            raise SettingError(f"{len(columns)} names for {len(titles)} columns", place="columns")
        return [_Part((k,), _meant(target, titles[k])) for k, target in enumerate(columns)]
    given: dict[int, _Part] = {}
    for key, target in columns.items():
        places = _columns(key, titles)
        part = _Part(places, _meant(target, "+".join(titles[k] for k in places)))
        for k in places:
            if k in given:
                raise SettingError(f"the column {titles[k]!r} is mapped twice", place="columns", mend="map it once")
            given[k] = part
    left = [k for k in range(len(titles)) if k not in given]
    rest = {k: _Part((k,), _meant(titles[k], titles[k]) if header and k not in apart else ()) for k in left}
    return list(dict.fromkeys((given | rest)[k] for k in range(len(titles))))


def _columns(key: Any, titles: tuple[str, ...]) -> tuple[int, ...]:
    """The positions that a key names: a title or position, several in a tuple, or "a+b"."""
    names = key if isinstance(key, tuple) else (key,)
    if isinstance(key, str) and key.strip() not in titles and "+" in key:
        names = tuple(key.split("+"))
    if not names:
        raise SettingError("an empty tuple names no column", place="columns", mend="name at least one column")
    places = tuple(_position(name, titles, "columns") for name in names)
    if len(set(places)) < len(places):
        raise SettingError(f"{key!r} names a column twice", place="columns", mend="name every column once")
    return places


def _meant(target: Target, title: str) -> tuple[str, ...]:
    return () if target is None else added(target, f"column {title!r}")


def _time_column(titles: tuple[str, ...], parts: Sequence[_Part], time: str | float | None) -> int | None:
    """The position of the times, or None where one number holds for all cells."""
    if isinstance(time, str):
        return _position(time, titles, "time")
    single = [(p.columns[0], p.species[0]) for p in parts if len(p.columns) == len(p.species) == 1]
    exact = [k for k, name in single if name == TIME]
    similar = exact or [k for k, name in single if name.lower() == TIME]
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
