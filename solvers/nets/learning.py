"""What a training is given: a teacher, whatever the signal, and how to descend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Teacher(Protocol):
    """Where the training signal comes from."""

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """The loss of one step (a scalar) and plain facts about it.

        "batch" may name the batch, "states" count the states (or prefixes of states) that the net weighed.
        """
        ...

    def state(self) -> Mapping[str, Any]:
        """What a resumed run needs beside the generators: plain JSON values."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a `state`."""
        ...


@dataclass(frozen=True)
class Settings:
    """How to descend. `rate` peaks after `warmup` of the budget and falls to 0 on a cosine.

    `orthogonal_steps` are those of `descent`.
    """

    rate: float = 2e-3
    decay: float = 1e-2
    clip: float = 1.0
    warmup: float = 0.02
    threads: int = 1
    save_seconds: float = 20.0
    save_steps: int | None = None
    guard_steps: int = 50
    orthogonal_steps: bool = False

    def rate_at(self, fraction: float) -> float:
        """The learning rate when `fraction` of the budget is spent."""
        rising = min(1.0, (fraction + 1e-3) / self.warmup) if self.warmup > 0 else 1.0
        return self.rate * rising * 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))
