"""Files that are whole or not there: atomic replacement, digests, and damage told by name."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CheckpointError, KinetixError, SettingError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place, whole, when the block ends well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_ending(path: str | Path) -> Path:
    """The path, refused unless it ends in .nc: `kinetix.open` would not read it back."""
    place = Path(path)
    if place.suffix != ".nc":
        raise SettingError(f"{place.suffix or 'no ending'!r} is not netCDF", file=str(place), mend="end it with .nc")
    return place


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Make a CheckpointError of whatever a damaged file or another's leads to: the libraries fail in any way."""
    try:
        yield
    except KinetixError as problem:
        raise CheckpointError(problem.reason, file=str(path), mend=problem.mend) from problem
    except FileNotFoundError as problem:
        raise CheckpointError("there is no such file", file=str(path), mend="check the path") from problem
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # the system's own, as forbidden; h5py reports damage as an OSError without a number
        raise CheckpointError(f"cannot be read as {what}: {problem}", file=str(path)) from problem


def digest_of(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of a text and named arrays, their types and shapes included."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def plain(value: object) -> object:
    """A value that JSON does not know, as one that it does: for `json.dumps(default=...)`."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)
