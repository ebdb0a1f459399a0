"""The general net with what is known of it, and its folder: weights, and a manifest with settings and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field

from kinetix.errors import CheckpointError
from kinetix.solvers.nets.checkpoint import WEIGHTS, Weights
from kinetix.solvers.nets.sealed import pack, plain, read_sealed, weights_digest, write_sealed
from kinetix.solvers.nets.training import seeded

from .net import Core, Size

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
class GeneralWeights:
    """The net `core`, how it was made and how good it was found to be, as plain values (see `GeneralNetwork`)."""

    core: Core
    settings: Mapping[str, Any]
    certificate: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        return weights_digest(self.core.state_dict())

    def save(self, folder: str | Path) -> None:
        """Write `weights.safetensors` and `manifest.json`, atomically per file, manifest last."""
        content = {
            "size": asdict(self.core.size),
            "settings": plain(self.settings),
            "certificate": plain(self.certificate),
        }
        write_sealed(Path(folder), FORMAT, content, {WEIGHTS: pack(self.core.state_dict())})

    @classmethod
    def open(cls, folder: str | Path) -> Self:
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
