"""Readers and writers: model files to and from reaction networks.

`load` chooses a reader by the file's ending, `parse` reads the reaction language from text. No
reader's library is loaded before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from kinetix.errors import KinetixError, ModelError, SettingError

if __name__ == "importers":
    raise ImportError("import this package as 'kinetix.importers': a bare import makes a second copy of every class")

if TYPE_CHECKING:
    from kinetix.network import ReactionNetwork

READERS: Mapping[str, tuple[str, str]] = {
    ".xml": ("sbml", "sbml"),
    ".sbml": ("sbml", "sbml"),
    ".ant": ("dsl", "dsl"),
    ".txt": ("dsl", "dsl"),
}
"""File ending -> (name of the format, the module here whose `read(path, law=, scale=)` reads it)."""

BY_NAME: Mapping[str, str] = {"antimony": "antimony"}
"""Further formats, read only where `format` names them -> the module here."""

LAWS = ("auto", "verbatim")


def load(
    source: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    law: str = "auto",
    scale: float | str | None = None,
) -> ReactionNetwork:
    """Read a model file as a reaction network; its ending decides how, unless `format` is given.

    `law="auto"` turns an unguarded power law k*X**2 of 2 X in SBML into k*X*(X - 1), and says so;
    `"verbatim"` leaves it. `scale` converts moles or concentrations to counts: the molecules in one unit
    of substance, or "units" for what the file's unit definitions say. Raises ModelError (or
    UnsupportedFeature) that names the file, and SettingError for an option that does not exist.
    """
    if not isinstance(source, str | Path):
        raise SettingError(f"{source!r:.80} is no path", place="load", mend="give the path of a model file")
    path = Path(source)
    _require_one_of("law", law, LAWS)
    _require_file(path)
    module = _module_for(path, format)
    try:
        network: ReactionNetwork = import_module(f"{__name__}.{module}").read(path, law=law, scale=scale)
    except KinetixError as problem:
        raise problem.within(str(path)) from problem.__cause__
    except OSError as problem:
        reason = f"cannot be read: {problem.strerror or problem}"
        raise ModelError(reason, file=str(path), mend="check its permissions") from problem
    return network


def parse(text: str, *, name: str | None = None) -> ReactionNetwork:
    """Read a network from text in the reaction language; `name` is used where the text gives none."""
    if not isinstance(text, str):
        raise SettingError(f"{text!r:.80} is no text", place="parse", mend="give a network in the reaction language")
    network: ReactionNetwork = import_module(f"{__name__}.dsl").parse(text, name=name)
    return network


def _module_for(path: Path, chosen: str | None) -> str:
    modules = {**dict(READERS.values()), **BY_NAME}
    if chosen is not None:
        _require_one_of("format", chosen, tuple(modules))
        return modules[chosen]
    ending = path.suffix.lower()
    if ending not in READERS:
        known = ", ".join(READERS)
        what = f"the ending {ending!r}" if ending else "a name without an ending"
        raise ModelError(
            f"{what} names no known format", file=str(path), mend=f"use one of {known}, or give the format"
        )
    return READERS[ending][1]


def _require_file(path: Path) -> None:
    """Refuse what cannot be a model file: missing, a folder, a name that no file can have."""
    try:
        if path.is_dir():
            raise ModelError("is a folder, not a model file", file=str(path), mend="name the file in it")
        if not path.exists():
            raise ModelError("there is no such file", file=str(path), mend=_near_file(path))
        if not path.is_file():
            raise ModelError("is not a regular file", file=str(path), mend="copy it into a file first")
    except ValueError as problem:  # a null byte
        raise ModelError(f"is not the name of a file: {problem}", file=repr(str(path))) from problem


def _near_file(path: Path) -> str:
    folder = path.parent
    names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in READERS) if folder.is_dir() else []
    near = get_close_matches(path.name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else "check the path"


def _require_one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingError(f"there is no {option} {value!r}", place=option, mend=f"use one of {', '.join(known)}")
