"""The general net with what is known of it, and its folder: weights, and a manifest with settings and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from kinetix.errors import CheckpointError
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.solution import Solution
from kinetix.solvers.nets.checkpoint import WEIGHTS, Weights
from kinetix.solvers.nets.sealed import pack, plain, read_sealed, weights_digest, write_sealed
from kinetix.solvers.nets.training import Progress, seeded

from .net import Core, Size

if TYPE_CHECKING:
    from kinetix.solvers.general_model import General
    from kinetix.solvers.nets.trained_met import TrainedMET

    from .survey import Summary

FORMAT = "kinetix-general-1"


class SavedSize(BaseModel):
    """The schema of a saved size, bounded before anything is made."""

    model_config = ConfigDict(extra="forbid")
    width: int = Field(ge=1, le=4096)
    rounds: int = Field(ge=0, le=64)
    blocks: int = Field(ge=0, le=64)

    @property
    def made(self) -> Size:
        """The size."""
        return Size(self.width, self.rounds, self.blocks)


@dataclass(frozen=True, eq=False)
class GeneralNetwork:
    """The net `core`, how it was made and how good it was found to be, as plain values."""

    core: Core
    settings: Mapping[str, Any]
    certificate: Mapping[str, Any]

    def adapt(  # noqa: PLR0913 - the face of `MET.train`
        self,
        network: ReactionNetwork,
        *,
        times: Sequence[float],
        box: Mapping[str, Any],
        budget: float | None = None,
        budget_cpu: float | None = None,
        budget_steps: int | None = None,
        teacher: str = "auto",
        seed: int | None = None,
        output: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> TrainedMET:
        """A net for one network over a box that begins as this one; see `MET.train`.

        UnsupportedFeature, by name, where the network is not of the family or its counts go beyond the net's.
        """
        from kinetix.solvers.met import MET

        return MET(teacher=teacher).train(
            network, times=times, box=box, budget=budget, budget_cpu=budget_cpu, budget_steps=budget_steps,
            start=self, seed=seed, output=output, resume=resume, progress=progress,
        )  # fmt: skip

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        return weights_digest(self.core.state_dict())

    def solve(self, problem: Problem, *, rng: np.random.Generator, settings: General | None = None) -> Solution:
        """The laws at the problem's times, and how far to trust each; see `answers.solved`."""
        from kinetix.solvers.general_model import General

        from .answers import solved

        how = General() if settings is None else settings
        return solved(self.core, self.certificate, self.digest, problem, rng=rng, settings=how)

    def survey(self, networks: Sequence[ReactionNetwork], time: float, *, points: int = 16) -> list[Summary]:
        """Means, deviations and marginals of many networks at a time > 0, unchecked; see `survey.survey`."""
        from .survey import survey

        return survey(self.core, networks, time, points)

    def save(self, folder: str | Path) -> None:
        """Write `weights.safetensors` and `manifest.json`, atomically per file, manifest last."""
        content = {
            "size": asdict(self.core.size),
            "settings": plain(self.settings),
            "certificate": plain(self.certificate),
        }
        write_sealed(Path(folder), FORMAT, content, {WEIGHTS: pack(self.core.state_dict())})

    @classmethod
    def open(cls, folder: str | Path) -> GeneralNetwork:
        """The net that `save` wrote; damage, NaN weights or shapes that do not fit are a CheckpointError."""
        path = Path(folder)
        content, files = read_sealed(path, FORMAT)
        try:
            size = SavedSize.model_validate(content["size"]).made
            weights = Weights(files[WEIGHTS], str(path / WEIGHTS))
            with torch.device("meta"):
                sketch = Core(size)
            weights.check({name: tuple(tensor.shape) for name, tensor in sketch.state_dict().items()})
            with seeded(0):
                core = Core(size)
            weights.pour(core)
            return cls(core.eval(), content["settings"], content["certificate"])
        except (ValueError, TypeError, KeyError) as problem:
            raise CheckpointError(
                f"the manifest does not fit this version: {problem!r:.200}", file=str(path)
            ) from problem
