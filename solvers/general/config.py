"""The settings of a pretraining in a TOML file, checked before anything runs.

[net]                       [source]                                    [training]
width = 96                  mixture = {small = 0.4, large = 0.6}        rate = 2e-3
rounds = 3                  paths = 64                                  orthogonal = true
blocks = 2                  times = 3                                   watched = {small = 60}

All tables and all keys may be left out. `[training]` takes `block`, `blocks`, `every`, `chunks`, `calibration` (a table
like `watched`), `device` and `threads` too.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kinetix.errors import DataError

from .net import Size
from .pretraining import WATCHED, Pretraining
from .source import MIXTURE, Source


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Net(_Table):
    width: int = 96
    rounds: int = 3
    blocks: int = 2


class _Source(_Table):
    mixture: dict[str, float] = dict(MIXTURE)
    paths: int = 64
    times: int = 3


class _Training(_Table):
    rate: float = 2e-3
    orthogonal: bool = True
    block: int = 64
    blocks: int = 16
    every: int = 32
    chunks: int = 4
    device: str = "auto"
    threads: int = 1
    watched: dict[str, int] = dict(WATCHED)
    calibration: dict[str, int] = {}


class _Config(_Table):
    net: _Net = _Net()
    source: _Source = _Source()
    training: _Training = _Training()


def read_config(path: Path) -> Pretraining:
    """The settings in a file. DataError names file and key of what is wrong, with a near miss; SettingError a value."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise DataError(f"not TOML: {problem}", file=str(path)) from problem
    except OSError as problem:
        raise DataError(f"cannot be read: {problem.strerror}", file=str(path)) from problem
    try:
        config = _Config.model_validate(content)
    except ValidationError as problem:
        raise _told(problem.errors()[0], path) from problem
    return Pretraining(
        size=Size(**config.net.model_dump()),
        source=Source(**config.source.model_dump()),
        **config.training.model_dump(),
    )


def _told(error: Any, path: Path) -> DataError:
    *tables, key = (str(part) for part in error["loc"])
    place = " ".join([*(f"[{table}]" for table in tables), key])
    if error["type"] != "extra_forbidden":
        return DataError(f"{error['input']!r:.80}: {error['msg']}", file=str(path), place=place)
    model = _Config if not tables else type(getattr(_Config(), tables[0]))
    known = list(model.model_fields)
    near = get_close_matches(key, known, n=1)
    mend = f"did you mean {near[0]!r}?" if near else f"use {', '.join(known)}"
    return DataError(f"unknown {'key' if tables else 'table'} {key!r}", file=str(path), place=place, mend=mend)
