"""What a command hands back: text for people, data for `--json`, an exit code."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OK, FAILED, BAD_INPUT, GATE, SYSTEM, LOCKED = 0, 1, 2, 3, 4, 5
"""The exit codes; 130 and 143 are those of Ctrl-C and SIGTERM."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: `text` goes to stdout, or with `--json` `data` as one object."""

    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = OK

    def to_json(self) -> str:
        """One JSON object on one line; numbers that JSON cannot hold become null."""
        whole = {"ok": self.exit_code == OK, "exit_code": self.exit_code, **self.data}
        return json.dumps(plain(whole), allow_nan=False)


def plain(value: Any) -> Any:
    """A value as JSON holds it: mappings, lists, text, finite numbers, null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
