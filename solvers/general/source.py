"""Problems for training: random networks of several panels, each at a few times, with exact trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from kinetix.errors import SettingError
from kinetix.solvers.paths.streams import draw_root

from .family import Batch
from .generator import COUNTS127, COUNTS220, LARGE, REGULATED, SMALL, Panel, draw
from .lessons import Drawn
from .paths import trajectories

TRAINED: Mapping[str, Panel] = MappingProxyType({
    "small": SMALL,
    "large": LARGE,
    "counts127": COUNTS127,
    "counts220": COUNTS220,
    "regulated": REGULATED,
})  # fmt: skip
"""Panels that training may draw from; their structures are never those that are held out."""

MIXTURE: Mapping[str, float] = MappingProxyType({
    "small": 0.25,
    "large": 0.3,
    "counts127": 0.1,
    "counts220": 0.1,
    "regulated": 0.25,
})  # fmt: skip

EARLIEST = 0.03
"""The earliest time of a network, as a share of its last one; the others are log-uniform between."""

MOST_EVENTS = 100_000
"""Networks of which a path fires more events are left out."""


@dataclass(frozen=True)
class Source:
    """Networks from panels in proportion to `mixture`, each with `paths` trajectories seen at `times` times."""

    mixture: Mapping[str, float] = field(default_factory=lambda: MIXTURE)
    paths: int = 64
    times: int = 3

    def __post_init__(self) -> None:
        if unknown := sorted({*self.mixture} - {*TRAINED}):
            raise SettingError(f"unknown panels {unknown}", place="mixture", mend=f"use {', '.join(TRAINED)}")
        if not (all(share >= 0 for share in self.mixture.values()) and sum(self.mixture.values()) > 0):
            raise SettingError("shares must be >= 0, and not all 0", place="mixture")
        if self.paths < 1 or self.times < 1:
            raise SettingError(f"{self.paths} paths at {self.times} times", place="source", mend="give 1 or more")

    def __call__(self, rng: np.random.Generator, about: int) -> Drawn:
        """About so many problems (fewer where networks fire too often)."""
        networks = self._networks(rng, max(1, about // self.times))
        shares = np.sort(EARLIEST ** rng.random((len(networks), self.times)), axis=1)
        shares[:, -1] = 1.0
        counts, done = trajectories(networks, shares, self.paths, draw_root(rng), most_events=MOST_EVENTS, threads=1)
        networks, counts, shares = networks[done], counts[done].astype(np.int64), shares[done]
        batch = Batch.joined([networks.faster(shares[:, k]) for k in range(self.times)])
        return Drawn(batch, np.concatenate([counts[:, :, k] for k in range(self.times)]))

    def _networks(self, rng: np.random.Generator, number: int) -> Batch:
        shares = np.array(list(self.mixture.values()), dtype=np.float64)
        numbers = rng.multinomial(number, shares / shares.sum())
        parts = [draw(rng, int(n), TRAINED[name]) for name, n in zip(self.mixture, numbers, strict=True) if n]
        return Batch.joined(parts)
