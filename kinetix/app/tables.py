"""Priors and boxes from TOML files, read safely: errors name file and key.

[prior]                              [box]
kon = {log_uniform = [0.01, 10]}     kon = [0.01, 10]
dm = 1.0

[measurement]                        [derived]
capture = {M = 0.3, P = "seen"}      koff = "kon / ratio"
"""

from __future__ import annotations

import contextlib
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetix.errors import DataError, SettingError, require_known
from kinetix.network import ReactionNetwork

from .files import require_readable

if TYPE_CHECKING:
    from kinetix.inference.data.measurement import Measurement

TABLES = ("prior", "box", "truth", "measurement", "derived")
LARGEST = 1_000_000
"""Bytes of a TOML file that is still read."""


def read_priors(path: Path) -> dict[str, Any]:
    """The `[prior]` table of a file: name -> prior."""
    from kinetix.inference.priors import from_table

    return dict(from_table(_table(path, "prior"), file=str(path)))


def read_box(path: Path) -> dict[str, Any]:
    """The `[box]` table of a file: name -> (low, high); a file with priors alone is a box too."""
    content = _content(path)
    if "box" not in content and "prior" in content:
        return read_priors(path)
    return {name: _bounds(path, f"[box] {name}", value) for name, value in _table(path, "box").items()}


def read_truth(path: Path) -> dict[str, float]:
    """The `[truth]` table of a file: name -> the value that made the data, where it is known."""
    table = _table(path, "truth")
    for name, value in table.items():
        if not _is_number(value):
            raise DataError(f"{value!r} is not a number", file=str(path), place=f"[truth] {name}", mend="write one")
    return {name: float(value) for name, value in table.items()}


@dataclass(frozen=True)
class Told:
    """What a file says beside the priors: `measurement`, and `derived` parameters as expressions."""

    measurement: Measurement | None
    derived: Mapping[str, Any]

    def names(self, network: ReactionNetwork) -> tuple[str, ...]:
        """Everything that may have a prior."""
        noise = () if self.measurement is None else self.measurement.parameters
        inputs = sorted({s.name for e in self.derived.values() for s in e.free_symbols})
        return tuple(dict.fromkeys((*network.theta_names, *network.species_names, *noise, *inputs)))


def read_question(path: Path) -> Told:
    """The tables `[measurement]` and `[derived]` of a file, where it has them."""
    from kinetix.inference.data.measurement import Measurement

    from .formulas import formula

    content = _content(path)
    for key in ("measurement", "derived"):
        if not isinstance(content.get(key, {}), dict):
            raise DataError(f"[{key}] is no table", file=str(path), mend=f"write [{key}] on a line of its own")
    given = content.get("measurement", {})
    try:
        require_known(given, [f.name for f in fields(Measurement)], "part of a measurement")
        measurement = Measurement(**given) if given else None
        derived = {name: formula(str(text), f"[derived] {name}") for name, text in content.get("derived", {}).items()}
    except SettingError as problem:
        raise problem.within(str(path)) from problem
    return Told(measurement, derived)


def base_of(name: str) -> str:
    """The parameter behind one of a group: ksyn for ksyn[a]."""
    return name.partition("[")[0] if name.endswith("]") else name


@contextlib.contextmanager
def told_by(path: Path, table: str, given: Iterable[str], known: Sequence[str]) -> Iterator[None]:
    """Refuse names that the model does not know, and name `path` in whatever is wrong with the table."""
    try:
        require_known(given, known, "name")
    except SettingError as problem:
        raise SettingError(problem.reason, file=str(path), place=f"[{table}]", mend=problem.mend) from problem
    try:
        yield
    except SettingError as problem:
        if problem.place != table:
            raise
        raise problem.within(str(path)) from problem


def _content(path: Path) -> dict[str, Any]:
    require_readable(path, "TOML file")
    if path.stat().st_size > LARGEST:
        raise DataError(f"larger than {LARGEST} bytes", file=str(path))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as problem:
        raise DataError("not UTF-8 text", file=str(path), mend="save it as UTF-8") from problem
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise DataError(f"not TOML: {problem}", file=str(path)) from problem
    for name in content:
        if name not in TABLES:
            near = get_close_matches(name, TABLES, n=1)
            mend = f"did you mean [{near[0]}]?" if near else f"use {', '.join(f'[{t}]' for t in TABLES)}"
            raise DataError(f"unknown table [{name}]", file=str(path), mend=mend)
    return content


def _table(path: Path, key: str) -> Mapping[str, Any]:
    table = _content(path).get(key)
    example = {"box": "kon = [0.01, 10]", "truth": "kon = 0.3"}.get(key, "kon = {log_uniform = [0.01, 10]}")
    if not isinstance(table, dict) or not table:
        raise DataError(f"there is no table [{key}]", file=str(path), mend=f"write [{key}] and below it {example}")
    return table


def _bounds(path: Path, place: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
        raise DataError(f"{value!r} is not two numbers", file=str(path), place=place, mend="write [low, high]")
    return float(value[0]), float(value[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
