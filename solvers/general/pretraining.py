"""Pretraining of the general net: a long job over random networks, resumable, with scores on panels it never sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from kinetix.errors import SettingError
from kinetix.solvers.nets.budget import Budget, Record
from kinetix.solvers.nets.run_folder import RunFolder
from kinetix.solvers.nets.trained import device_of, seed_of
from kinetix.solvers.nets.training import Progress, Settings, seeded, train

from .lessons import Lessons
from .net import Core, Size
from .panels import PANELS
from .saved import GeneralNetwork
from .score import Panels
from .source import Source

PANEL_SEED = 20_231_023
"""Of the panels that judge: not those of any training's networks."""

WATCHED: Mapping[str, int] = MappingProxyType({"small": 60, "large": 40})
"""Problems of each panel that are looked at while training."""


@dataclass(frozen=True)
class Pretraining:
    """Settings of a pretraining; `train` runs it.

    `size` of the net; `source` of problems; blocks of `block` problems, `blocks` of them a chunk, a new chunk every
    `every` steps, the last `chunks` in use; peak learning `rate`, by `orthogonal` steps for hidden matrices
    (`nets.descent`) or AdamW; `watched` panels; `device` and `threads` of torch.
    """

    size: Size = field(default_factory=Size)
    source: Source = field(default_factory=Source)
    block: int = 64
    blocks: int = 16
    every: int = 32
    chunks: int = 4
    rate: float = 2e-3
    orthogonal: bool = True
    watched: Mapping[str, int] = field(default_factory=lambda: WATCHED)
    device: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("block", "blocks", "every", "chunks", "threads"):
            if not isinstance(value := getattr(self, name), int) or value < 1:
                raise SettingError(f"{name} is {value!r}", place="pretraining", mend="give a whole number >= 1")
        if not 0 < self.rate < 1:
            raise SettingError(f"rate is {self.rate!r}", place="pretraining", mend="give a number between 0 and 1")
        if unknown := sorted({*self.watched} - {*PANELS}):
            raise SettingError(f"unknown panels {unknown}", place="watched", mend=f"use {', '.join(PANELS)}")

    def train(
        self,
        *,
        budget: float | None = None,
        budget_cpu: float | None = None,
        budget_steps: int | None = None,
        seed: int | None = None,
        output: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> GeneralNetwork:
        """Exactly one budget: wall seconds, CPU seconds or steps; judging counts.

        With `output`, checkpoints, metrics (panel scores among them) and the net are written to that folder; `resume`
        goes on from there. A run of a step budget that is resumed ends in the same bits.
        """
        clock = Budget(budget, budget_cpu, budget_steps)
        with ExitStack() as stack:
            folder = stack.enter_context(RunFolder(Path(output))) if output is not None else None
            seed = seed_of(folder if resume else None) if seed is None else int(seed)
            core, record, scores = self._trained(clock, seed, folder, resume, progress)
            found = GeneralNetwork(core, {"seed": seed, "pretraining": self.told()}, _certificate(record, scores))
            if output is not None:
                found.save(output)
        return found

    def told(self) -> dict[str, Any]:
        """The settings as plain values."""
        told: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        source = {each.name: getattr(self.source, each.name) for each in fields(self.source)}
        told |= {"size": asdict(self.size), "source": source | {"mixture": dict(self.source.mixture)}}
        return told | {"watched": dict(self.watched)}

    def _trained(
        self, clock: Budget, seed: int, folder: RunFolder | None, resume: bool, progress: Progress | None
    ) -> tuple[Core, Record, dict[str, float]]:
        rng = np.random.default_rng(seed)
        roots = [int(r) for r in rng.integers(2**62, size=2)]
        with seeded(roots[0]):
            core = Core(self.size).to(device_of(self.device))
        lessons = Lessons(self.source, roots[1], self.block, self.blocks, self.every, self.chunks)
        judge = Panels.of(self.watched, PANEL_SEED) if self.watched else None
        identity = {"settings": self.told(), "budget": [clock.wall, clock.cpu, clock.steps], "seed": seed}
        settings = Settings(rate=self.rate, threads=self.threads, orthogonal_steps=self.orthogonal)
        record = train(
            core, lessons, clock, rng=rng, settings=settings, folder=folder,
            identity=json.dumps(identity, sort_keys=True), resume=resume, progress=progress, judge=judge,
        )  # fmt: skip
        return core, record, judge(core) if judge else {}


def _certificate(record: Record, scores: Mapping[str, float]) -> dict[str, Any]:
    training = {"steps": record.steps, "loss": record.loss, "wall_seconds": record.wall_seconds}
    return {"training": training | {"cpu_seconds": record.cpu_seconds, "notes": list(record.notes)}, "panels": scores}
