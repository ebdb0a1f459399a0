"""How a long job is going, on stderr, and only for people: quiet when it is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Progress = Callable[[Mapping[str, float]], None]

HIDDEN = ("fraction", "seconds_left", "step")


@contextmanager
def shown(title: str, *, quiet: bool = False) -> Iterator[Progress | None]:
    """A bar on stderr while the block runs; yields the function to call, or None where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(title), total=1.0, detail="")

        def tell(entry: Mapping[str, float]) -> None:
            bar.update(task, completed=min(1.0, entry.get("fraction", 0.0)), detail=escape(detail(entry)))

        yield tell


def detail(entry: Mapping[str, float]) -> str:
    """The numbers of a progress report in a few words: `loss 0.123, 42 s left`."""
    parts = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in entry.items() if name not in HIDDEN]
    left = entry.get("seconds_left")
    if left is not None and 0 < left < 1e6:
        parts.append(f"{left:.0f} s left" if left < 120 else f"{left / 60:.0f} min left")
    return ", ".join(parts)


def say(message: str) -> None:
    """One line on stderr, whoever watches."""
    sys.stderr.write(f"kinetix: {' '.join(message.split())}\n")
    sys.stderr.flush()
