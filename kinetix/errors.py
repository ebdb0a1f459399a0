"""What can go wrong, by name: every refusal is one line that says file, place, reason and mend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from numbers import Integral
from typing import Any, ClassVar


class KinetixError(Exception):
    """Base of every error that kinetix raises on purpose.

    `str(error)` is one line, `file: place: reason; mend`, with the parts that are known.
    `exit_code` is what the command line returns for it; `excerpt`, where there is one, is a picture
    of the place in several lines, which is not part of `str(error)`.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self,
        reason: str,
        *,
        file: str | None = None,
        place: str | None = None,
        mend: str | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.file = file
        self.place = place
        self.mend = mend
        self.excerpt = excerpt

    def __str__(self) -> str:
        head = ": ".join(part for part in (self.file, self.place, self.reason) if part)
        line = f"{head}; {self.mend}" if self.mend else head
        return " ".join(line.split())

    def within(self, file: str) -> KinetixError:
        """The same error with the file it happened in, unless it already names one."""
        return type(self)(self.reason, file=self.file or file, place=self.place, mend=self.mend, excerpt=self.excerpt)


class ModelError(KinetixError):
    """A model that contradicts itself, or a file that is not a model."""


class UnsupportedFeature(KinetixError):  # noqa: N818 - the public name, as users read it
    """A legal construct that kinetix (or the chosen solver) cannot treat exactly, so refuses."""


class SettingError(KinetixError):
    """An unknown or impossible option, parameter, species or value given by the user."""


class DataError(KinetixError):
    """A data file or table that cannot be read as counts."""


class CheckpointError(KinetixError):
    """A saved net, chain or result that is damaged, incomplete or of another version."""


class SaveError(CheckpointError):
    """The system failed while writing or reading: disk full, read-only, no rights. What was there still is."""

    exit_code = 4


class TruncationError(KinetixError):
    """A window that cannot hold the law to the tolerance asked for."""

    exit_code = 1


class RunError(KinetixError):
    """A run that had to stop: event budget, negative or NaN propensity, a count below zero."""

    exit_code = 1


class LockedError(KinetixError):
    """A run folder that another process is writing."""

    exit_code = 5


class StaleValueWarning(UserWarning):
    """A parameter or count is changed from which another was worked out when the model was read."""


def require_known(given: Iterable[str], known: Sequence[str], what: str) -> None:
    """Refuse names in `given` that are not in `known`, with the nearest one."""
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise SettingError(f"unknown {what} {name!r}", mend=mend)


def require_seed(seed: Any) -> int:
    """The seed, refused unless it is a whole number >= 0."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise SettingError(f"the seed is {seed!r}", place="seed", mend="give a whole number >= 0")
    return int(seed)
