"""Chains on disk as they walk: segments of steps with the random numbers' state, and back to the bit.

A walk that was killed goes on from its last whole segment and makes the very steps that it would have made.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import CheckpointError
from kinetix.journal import Journal

from .ensembles import Step

EVERY = 2.0
"""Seconds of steps in one segment."""

GENERATOR = "MT19937"
"""The bit generator of emcee's random numbers."""


class ChainStore:
    """The steps of C ensembles in an open journal: entry k holds the steps after those of entry k - 1."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.segments = self.saved = 0
        self.last = time.monotonic()

    def held(self, ensembles: int) -> list[list[Step]]:
        """The steps that are on disk, a list an ensemble; of two segments with damage the first ones count."""
        seen: list[list[Step]] = [[] for _ in range(ensembles)]
        for content, arrays in self.journal.unbroken():
            try:
                steps = _steps(content, arrays, ensembles, len(seen[0]))
            except (KeyError, IndexError, ValueError, TypeError) as problem:
                file = str(self.journal.path)
                raise CheckpointError(f"segment {self.segments} is not one of these chains", file=file) from problem
            for chain, more in zip(seen, steps, strict=True):
                chain.extend(more)
            self.segments += 1
        self.saved = len(seen[0])
        return seen

    def keep(self, seen: Sequence[Sequence[Step]], *, now: bool = False) -> None:
        """Write the steps that all ensembles have made since the last segment, every two seconds, or `now`."""
        made = min(map(len, seen))
        if made <= self.saved or not (now or time.monotonic() - self.last > EVERY):
            return
        parts = [chain[self.saved : made] for chain in seen]
        content, arrays = _segment(parts, self.saved)
        self.journal.write(self.segments, content, arrays)
        self.segments, self.saved, self.last = self.segments + 1, made, time.monotonic()


def _segment(parts: Sequence[Sequence[Step]], first: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    streams = [part[-1].stream for part in parts]
    content: dict[str, Any] = {
        "first": first,
        "generator": [str(s[0]) for s in streams],
        "position": [int(s[2]) for s in streams],
        "has_gauss": [int(s[3]) for s in streams],
    }
    arrays: dict[str, NDArray[Any]] = {
        "u": np.stack([np.stack([step.u for step in part]) for part in parts]),
        "log_density": np.stack([np.stack([step.log_density for step in part]) for part in parts]),
        "key": np.stack([np.asarray(s[1], dtype=np.uint32) for s in streams]),
        "gauss": np.array([float(s[4]) for s in streams]),
    }
    return content, arrays


def _steps(content: dict[str, Any], arrays: dict[str, NDArray[Any]], ensembles: int, first: int) -> list[list[Step]]:
    """The steps of a segment; its one state of the random numbers is that after the last."""
    u, log_density = arrays["u"], arrays["log_density"]
    if content["first"] != first or len(u) != ensembles or u.shape[:3] != log_density.shape:
        raise ValueError("a segment is missing")
    found = []
    for c in range(ensembles):
        if content["generator"][c] != GENERATOR:
            raise ValueError("another generator")
        state = (
            GENERATOR,
            arrays["key"][c],
            content["position"][c],
            content["has_gauss"][c],
            float(arrays["gauss"][c]),
        )
        found.append([Step(a, b, state) for a, b in zip(u[c], log_density[c], strict=True)])
    return found
