"""The interval of times that a net is trained over."""

from __future__ import annotations

from typing import Any

from kinetix.errors import SettingError


def interval_of(times: Any) -> tuple[float, float]:
    """The ends of an interval of times, refused unless there are two numbers."""
    try:
        since, until = map(float, times)
    except (TypeError, ValueError):
        raise SettingError(f"times are an interval (t0, t1), not {times!r:.80}", place="times") from None
    return since, until
