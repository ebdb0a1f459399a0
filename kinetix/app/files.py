"""Files that the user names: there before they are read, writable before a long run begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kinetix.errors import DataError, SettingError


def require_readable(path: Path, what: str) -> Path:
    """Refuse a file that is missing, a folder or forbidden: the path."""
    if not path.exists():
        raise DataError(f"there is no such {what}", file=str(path), mend="check the path")
    if path.is_dir():
        raise DataError(f"this is a folder, not a {what}", file=str(path), mend="give a file")
    if not os.access(path, os.R_OK):
        raise DataError(f"this {what} may not be read", file=str(path), mend="check its permissions")
    return path


def require_writable(path: Path | None, endings: Sequence[str], option: str) -> None:
    """Refuse an output with an ending that cannot be written or in a folder that is not there."""
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise SettingError(
            f"cannot write {path.suffix or 'a file without ending'!r}",
            file=str(path),
            place=f"option {option}" if option.startswith("-") else option,
            mend=f"end it with one of {', '.join(endings)}",
        )
    if not path.parent.is_dir():
        raise SettingError(
            f"there is no folder {str(path.parent)!r}", file=str(path), place=option, mend="make it first"
        )


def require_folder(path: Path | None) -> None:
    """Refuse an output that is there and no folder."""
    if path is not None and path.exists() and not path.is_dir():
        raise SettingError("this is a file, not a folder", file=str(path), place="option --output")


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none."""
    from kinetix.storage import replacing

    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
