"""A folder of numbered entries for long jobs: one writer at a time, every entry whole or not there.

The folder belongs to one question, told in plain values: another question is refused. An entry is one
file that begins with the SHA-256 of all that follows it: plain values and arrays. It is written under
another name, synced and renamed, so a kill at any moment leaves the entries before it as they were.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from .disk import lock, sync_folder
from .errors import CheckpointError, SaveError
from .storage import plain, replacing

FORMAT = "kinetix-journal-1"
QUESTION = "question"
LARGEST = 2**31
"""Bytes of an entry that is still read."""

TYPES = ("<f8", "<i8", "<u4", "|b1")
"""Types of arrays that an entry may hold."""

Arrays = Mapping[str, NDArray[Any]]
Entry = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class DamageWarning(UserWarning):
    """Something on disk was damaged, and is made again."""


@dataclass
class Journal:
    """An open journal (a context manager that holds its lock). `notes` says what was found damaged, as warnings do.

    `question` is what the entries answer; `resume` goes on with a folder that has some, else it must
    have none. CheckpointError where the folder answers another question, LockedError where another
    process writes it.
    """

    path: Path
    question: Mapping[str, Any]
    resume: bool = False
    notes: list[str] = field(default_factory=list)
    _lock: IO[str] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        self._lock = lock(self.path, "folder")
        try:
            for stray in self.path.glob(".*.partial"):
                stray.unlink(missing_ok=True)
            self._agree()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def numbers(self) -> list[int]:
        """The numbers that have an entry, in order."""
        found = (path.name.removeprefix("entry-") for path in self.path.glob("entry-*"))
        return sorted(int(text) for text in found if text.isdecimal())

    def write(self, number: int, content: Mapping[str, Any], arrays: Arrays | None = None) -> None:
        """Write entry `number`: `content` (plain values, finite numbers) and `arrays`."""
        _write(self._file(number), sealed({"number": number, **content}, arrays or {}))

    def read(self, number: int) -> Entry:
        """The content and arrays of an entry: CheckpointError where it is damaged or not there."""
        content, arrays = unsealed(_read(self._file(number)), str(self._file(number)))
        if content.pop("number", None) != number:
            raise CheckpointError("this is another entry", file=str(self._file(number)))
        return content, arrays

    def _note(self, text: str) -> None:
        self.notes.append(text)
        warnings.warn(text, DamageWarning, stacklevel=3)

    def whole(self) -> dict[int, Entry]:
        """All entries that are whole; damaged ones are noted and removed, to be made again."""
        found = {}
        for number in self.numbers():
            try:
                found[number] = self.read(number)
            except SaveError:
                raise
            except CheckpointError as problem:
                self._note(f"{problem}; it is made again")
                self.drop(number)
        return found

    def unbroken(self) -> list[Entry]:
        """The entries 0, 1, 2, ... up to the first that is missing or damaged; later ones are noted and removed."""
        found: list[Entry] = []
        numbers = self.numbers()
        try:
            for k in range(len(numbers)):
                found.append(self.read(k))  # noqa: PERF401 - those before a damaged one count
        except SaveError:
            raise
        except CheckpointError as problem:
            self._note(f"{problem}; falling back to the entry before it")
        for number in numbers:
            if number >= len(found):
                self.drop(number)
        return found

    def drop(self, number: int) -> None:
        """Remove an entry."""
        self._file(number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.path / f"entry-{number:09d}"

    def _agree(self) -> None:
        """Write the question into an empty folder; refuse a folder of another one, or one that has answers."""
        place = self.path / QUESTION
        asked = json.loads(json.dumps(dict(self.question), default=plain), parse_constant=str)
        if place.exists():
            if not self.resume and self.numbers():
                mend = "resume it, or give another output"
                raise CheckpointError("the folder holds an earlier run", file=str(self.path), mend=mend)
            if self.resume:
                _require_same(asked, asked_in(self.path), self.path)
                return
        elif self.numbers():
            raise CheckpointError("the entries have no question", file=str(self.path), mend="start a new run")
        _write(place, sealed(asked, {}))


def asked_in(path: Path) -> dict[str, Any]:
    """The question that the folder `path` answers: CheckpointError where it holds none."""
    return unsealed(_read(path / QUESTION), str(path / QUESTION))[0]


# bytes -----------------------------------------------------------------------------------------------


def sealed(content: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Plain values and arrays as bytes that vouch for themselves."""
    listed, parts = {}, []
    for name, array in arrays.items():
        given = np.ascontiguousarray(array)
        kept = given.astype(given.dtype.newbyteorder("<"), copy=False)
        if kept.dtype.str not in TYPES:
            raise TypeError(f"{name!r} is of type {kept.dtype.str}: an entry holds {', '.join(TYPES)}")
        listed[name] = [kept.dtype.str, list(kept.shape)]
        parts.append(kept.tobytes())
    head = json.dumps(
        {"format": FORMAT, "content": dict(content), "arrays": listed}, default=plain, allow_nan=False
    ).encode()
    body = b"\n".join([head, b"".join(parts)])
    return b"\n".join([hashlib.sha256(body).hexdigest().encode(), body])


def unsealed(data: bytes, file: str) -> Entry:
    """What `sealed` was given; any damage is a CheckpointError."""
    digest, _, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise CheckpointError("damaged: it does not match its SHA-256", file=file)
    head, _, rest = body.partition(b"\n")
    try:
        told = json.loads(head)
        if told["format"] != FORMAT:
            raise CheckpointError(f"this is {str(told['format'])[:40]!r}, not {FORMAT!r}", file=file)
        arrays, at = {}, 0
        for name, (kind, shape) in told["arrays"].items():
            if kind not in TYPES or any(side < 0 for side in shape):
                raise CheckpointError(f"the array {name!r} is of an unknown kind", file=file)
            n = math.prod(shape)
            arrays[name] = np.frombuffer(rest, dtype=kind, count=n, offset=at).reshape(shape).copy()
            at += n * np.dtype(kind).itemsize
        return dict(told["content"]), arrays
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise CheckpointError("not an entry of a journal", file=file) from problem


def _write(path: Path, data: bytes) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
        sync_folder(path.parent)
    except OSError as problem:
        reason = f"cannot write {len(data)} bytes: {problem.strerror or problem}"
        raise SaveError(reason, file=str(path)) from problem


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise CheckpointError("larger than an entry can be", file=str(path))
        return path.read_bytes()
    except FileNotFoundError as problem:
        raise CheckpointError("the file is missing", file=str(path)) from problem
    except (NotADirectoryError, IsADirectoryError) as problem:
        raise CheckpointError("not a journal", file=str(path)) from problem
    except OSError as problem:
        raise SaveError(f"cannot be read: {problem.strerror}", file=str(path)) from problem


def _require_same(asked: Mapping[str, Any], found: Mapping[str, Any], path: Path) -> None:
    for name in {**found, **asked}:
        if asked.get(name) != found.get(name):
            told = (f"{v.get(name)!s:.60}" for v in (found, asked))
            reason = f"the folder holds a run with another {name}: {' instead of '.join(told)}"
            raise CheckpointError(reason, file=str(path), mend="ask the same question, or give another output")
