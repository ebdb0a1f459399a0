"""Ctrl-C and SIGTERM while a net learns: noted, so that the loop can save and stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """A run stopped by a signal after saving; `exit_code` is 130 (Ctrl-C) or 143 (SIGTERM)."""

    def __init__(self, number: int, folder: str) -> None:
        super().__init__(f"stopped at a checkpoint in {folder}")
        self.exit_code = 128 + number
        self.folder = folder


@contextmanager
def first_signal(*, active: bool) -> Iterator[list[int]]:
    """Collect the first SIGINT or SIGTERM in the list; a second one stops at once."""
    caught: list[int] = []
    if not active or threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
