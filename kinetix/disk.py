"""Folders that long jobs write: one writer at a time, and names as durable as what stands under them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from .errors import LockedError, SaveError


def lock(folder: Path, what: str) -> IO[str]:
    """The open lock of a folder, which is made where it is missing; closing it lets go.

    LockedError where another process writes `what`, SaveError where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w", encoding="utf-8")
    except OSError as problem:
        raise SaveError(f"cannot be written: {problem.strerror}", file=str(folder)) from problem
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        file.close()
        mend = "wait for it, or give another output"
        raise LockedError(f"another process is writing this {what}", file=str(folder), mend=mend) from problem
    return file


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
