"""Pretraining of the general net: a long job over random networks, resumable, with scores on panels it never sees.

Started by `torchrun`, several processes on one machine or many train one net: see `nets.workers`. Blocks of a chunk
stand in the order of their counts, and all processes look at blocks of the same place, so that none waits for another
one's wide block.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from torch import nn

from kinetix.errors import SettingError
from kinetix.solvers.nets.budget import Budget, Record
from kinetix.solvers.nets.learning import Settings
from kinetix.solvers.nets.run_folder import RunFolder
from kinetix.solvers.nets.trained import device_of, seed_of
from kinetix.solvers.nets.training import Judge, Progress, seeded, train
from kinetix.solvers.nets.workers import Workers, joined

from .begin import Begin, all_legs, began_from
from .calibration import FEWEST, calibrated
from .lessons import Lessons
from .net import Core, Size
from .panels import PANELS
from .pretrained import GeneralNetwork
from .score import Panels, examined
from .source import Source

PANEL_SEED, CALIBRATION_SEED = 20_231_023, 12
"""Of the panels that judge, and of those that flags are made with: not those of any training's networks."""

WATCHED: Mapping[str, int] = MappingProxyType({"small": 60, "large": 40})
"""Problems of each panel that are looked at while training."""


@dataclass(frozen=True)
class Pretraining:
    """Settings of a pretraining; `train` runs it.

    `size` of the net; `source` of problems; blocks of `block` problems, `blocks` of them a chunk, a new chunk every
    `every` steps, the last `chunks` in use; peak learning `rate`, by `orthogonal` steps for hidden matrices
    (`nets.descent`) or AdamW; `watched` panels; problems of each panel for the `calibration` of the flags that its
    answers carry (at least 60 in all, or none), which comes after the budget; `device` and `threads` of torch.
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
    calibration: Mapping[str, int] = field(default_factory=dict)
    device: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("block", "blocks", "every", "chunks", "threads"):
            if not isinstance(value := getattr(self, name), int) or value < 1:
                raise SettingError(f"{name} is {value!r}", place="pretraining", mend="give a whole number >= 1")
        if not 0 < self.rate < 1:
            raise SettingError(f"rate is {self.rate!r}", place="pretraining", mend="give a number between 0 and 1")
        for name in ("watched", "calibration"):
            if unknown := sorted({*getattr(self, name)} - {*PANELS}):
                raise SettingError(f"unknown panels {unknown}", place=name, mend=f"use {', '.join(PANELS)}")
        if self.calibration and sum(self.calibration.values()) < FEWEST:
            reason = f"{sum(self.calibration.values())} problems tell too little"
            raise SettingError(reason, place="calibration", mend=f"give at least {FEWEST} in all, or none")

    def train(
        self,
        *,
        budget: float | None = None,
        budget_cpu: float | None = None,
        budget_steps: int | None = None,
        seed: int | None = None,
        output: str | Path | None = None,
        resume: bool = False,
        begin: GeneralNetwork | str | Path | None = None,
        progress: Progress | None = None,
    ) -> GeneralNetwork:
        """Exactly one budget: wall seconds, CPU seconds (of all processes) or steps; judging counts.

        With `output`, checkpoints, metrics (panel scores among them) and the net are written to that folder; `resume`
        goes on from there. A run of a step budget that is resumed ends in the same bits. `begin` is a net, or the
        folder of a run, with whose weights to begin instead of random ones: its budget is spent, this one is new.
        """
        clock = Budget(budget, budget_cpu, budget_steps)
        with ExitStack() as stack:
            workers = stack.enter_context(joined())
            asked = json.dumps([self.told(), budget, budget_cpu, budget_steps, seed, output is None, resume])
            workers.require_same("settings", lambda: asked, "give all the same, the seed too")
            folder = _opened(output, workers, stack)
            going_on = folder if resume else None
            seed = workers.from_first(lambda: seed_of(going_on, seed))
            start = workers.from_first(lambda: None if begin is None else Begin.of(begin))
            before = workers.from_first(lambda: began_from(going_on) if start is None else dict(start.told))
            run = _Leg(self, clock, seed, workers, folder, resume, start, before)
            found = run.net(progress)
            if output is not None:
                workers.from_first(lambda: found.save(output))
        return found

    def told(self) -> dict[str, Any]:
        """The settings as plain values."""
        told: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        source = {each.name: getattr(self.source, each.name) for each in fields(self.source)}
        told |= {"size": asdict(self.size), "source": source | {"mixture": dict(self.source.mixture)}}
        return told | {"watched": dict(self.watched), "calibration": dict(self.calibration)}


@dataclass(frozen=True)
class _Leg:
    """One training: its settings, and what it begins with (`before`: what that has cost)."""

    settings: Pretraining
    clock: Budget
    seed: int
    workers: Workers
    folder: RunFolder | None
    resume: bool
    start: Begin | None
    before: Mapping[str, Any] | None

    def net(self, progress: Progress | None) -> GeneralNetwork:
        """The net that comes out, the same for all workers."""
        judge = _judge(self.settings.watched) if self.settings.watched and self.workers.first else None
        core, record = self._trained(progress, judge)
        scores = self.workers.from_first(lambda: dict(judge(core)) if judge else {})
        told = {"seed": self.seed, "pretraining": self.settings.told(), "processes": self.workers.size}
        if self.before is not None:
            told["beginning"] = dict(self.before)
        found = GeneralNetwork(core, told, _certificate(record, scores, self.before))
        if not self.settings.calibration:
            return found
        trust = self.workers.from_first(
            lambda: calibrated(found, *examined(self.settings.calibration, CALIBRATION_SEED)).certificate["trust"]
        )
        return replace(found, certificate={**found.certificate, "trust": trust})

    def _trained(self, progress: Progress | None, judge: Judge | None) -> tuple[Core, Record]:
        how, legs = self.settings, self.before["legs"] if self.before else 0
        rng = np.random.default_rng([self.seed, legs] if legs else self.seed)  # no leg sees the data of another
        roots = [int(r) for r in rng.integers(2**62, size=2)]
        with seeded(roots[0]):
            core = Core(how.size)
        if self.start is not None:
            self.start.pour(core)
        core = core.to(device_of(self.workers.device(how.device)))
        lessons = Lessons(how.source, roots[1], how.block, how.blocks, how.every, how.chunks, self.workers.rank)
        settings = Settings(rate=how.rate, threads=how.threads, orthogonal_steps=how.orthogonal)
        record = train(
            core, lessons, self.clock, rng=rng, settings=settings, folder=self.folder, identity=self._identity(),
            resume=self.resume, progress=progress, judge=judge, workers=self.workers,
        )  # fmt: skip
        return core, self.workers.from_first(lambda: record)

    def _identity(self) -> str:
        budget = [self.clock.wall, self.clock.cpu, self.clock.steps]
        identity = {"settings": self.settings.told(), "budget": budget, "seed": self.seed}
        began = {"beginning": dict(self.before)} if self.before is not None else {}
        return json.dumps(identity | began, sort_keys=True)


def _opened(output: str | Path | None, workers: Workers, stack: ExitStack) -> RunFolder | None:
    """The run's folder, on the first worker alone: its lock is held while the stack is."""
    if output is None:
        return None
    folder = RunFolder(Path(output))

    def enter() -> None:
        stack.enter_context(folder)

    workers.from_first(enter)
    return folder if workers.first else None


def _judge(watched: Mapping[str, int]) -> Judge:
    """Panels that judge a net on the CPU, wherever it is trained."""
    panels = Panels.of(watched, PANEL_SEED)

    def judge(net: nn.Module) -> Mapping[str, float]:
        if all(weight.device.type == "cpu" for weight in net.parameters()):
            return panels(net)
        with seeded(0):
            near = Core(cast("Core", net).size)
        near.load_state_dict({name: weight.cpu() for name, weight in net.state_dict().items()})
        return panels(near)

    return judge


def _certificate(record: Record, scores: Mapping[str, float], before: Mapping[str, Any] | None) -> dict[str, Any]:
    leg = {"steps": record.steps, "wall_seconds": record.wall_seconds, "cpu_seconds": record.cpu_seconds}
    training = leg | {"loss": record.loss, "notes": list(record.notes), "all_legs": all_legs(leg, before)}
    return {"training": training, "panels": scores}
