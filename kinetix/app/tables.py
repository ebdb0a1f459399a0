"""Priors and boxes from TOML files, read safely: errors name file and key.

[prior]                              [box]
kon = {log_uniform = [0.01, 10]}     kon = [0.01, 10]
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kinetix.errors import DataError, KinetixError

from .files import require_readable

PRIORS = ("log_uniform", "uniform", "log_normal", "normal", "gamma", "exponential", "beta", "fixed")
TABLES = ("prior", "box")
LARGEST = 1_000_000
"""Bytes of a TOML file that is still read."""


def read_priors(path: Path) -> dict[str, Any]:
    """The `[prior]` table of a file: name -> prior."""
    return {name: _prior(path, f"[prior] {name}", value) for name, value in _table(path, "prior").items()}


def read_box(path: Path) -> dict[str, Any]:
    """The `[box]` table of a file: name -> (low, high) or prior; a file with priors alone is a box too."""
    content = _content(path)
    key = "box" if "box" in content or "prior" not in content else "prior"
    result: dict[str, Any] = {}
    for name, value in _table(path, key).items():
        place = f"[{key}] {name}"
        if isinstance(value, list):
            result[name] = _bounds(path, place, value)
        else:
            result[name] = _prior(path, place, value)
    return result


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
            mend = f"did you mean [{near[0]}]?" if near else "use [prior] or [box]"
            raise DataError(f"unknown table [{name}]", file=str(path), mend=mend)
    return content


def _table(path: Path, key: str) -> Mapping[str, Any]:
    table = _content(path).get(key)
    example = "kon = [0.01, 10]" if key == "box" else "kon = {log_uniform = [0.01, 10]}"
    if not isinstance(table, dict) or not table:
        raise DataError(f"there is no table [{key}]", file=str(path), mend=f"write [{key}] and below it {example}")
    return table


def _bounds(path: Path, place: str, value: list[Any]) -> tuple[float, float]:
    if len(value) != 2 or not all(_is_number(v) for v in value):
        raise DataError(f"{value!r} is not two numbers", file=str(path), place=place, mend="write [low, high]")
    return float(value[0]), float(value[1])


def _prior(path: Path, place: str, value: Any) -> Any:
    from kinetix.inference import priors

    if _is_number(value):
        return priors.fixed(float(value))
    if not isinstance(value, dict) or len(value) != 1:
        raise DataError(
            f"{value!r} is not a prior", file=str(path), place=place, mend="write {log_uniform = [0.01, 10]}"
        )
    ((kind, arguments),) = value.items()
    if kind not in PRIORS:
        near = get_close_matches(kind, PRIORS, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(PRIORS)}"
        raise DataError(f"unknown prior {kind!r}", file=str(path), place=place, mend=mend)
    numbers = arguments if isinstance(arguments, list) else [arguments]
    named = arguments if isinstance(arguments, dict) else {}
    if not all(_is_number(v) for v in (named.values() if named else numbers)):
        raise DataError(f"{kind} takes numbers, not {arguments!r}", file=str(path), place=place)
    try:
        make = getattr(priors, kind)
        return make(**{k: float(v) for k, v in named.items()}) if named else make(*map(float, numbers))
    except KinetixError as problem:
        raise DataError(problem.reason, file=str(path), place=place, mend=problem.mend) from problem
    except TypeError as problem:
        raise DataError(f"{kind} does not take {arguments!r}", file=str(path), place=place) from problem


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
