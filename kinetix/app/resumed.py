"""The seed of a run that is taken up again: that of its folder, unless one is given."""

from __future__ import annotations

from pathlib import Path

from .choice import seed_of


def seed_for(seed: int | None, folder: str | Path | None, *, resume: bool) -> int:
    """The seed given; or that of the run in `folder`, where it is resumed; or a fresh one."""
    from kinetix.journal import QUESTION, asked_in

    if seed is not None or not resume or folder is None or not (Path(folder) / QUESTION).exists():
        return seed_of(seed)
    return seed_of(asked_in(Path(folder)).get("seed"))
