"""Several teachers of one net: every step one of them, drawn at random, gives the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .learning import Teacher
from .teachers import Course, Plan


@dataclass(frozen=True, eq=False)
class InTurn:
    """A `learning.Teacher` made of others; each has an equal part of the steps.

    The time for lessons is shared alike, but for a set of VANs, which is trained in its own share first.
    """

    teachers: Sequence[Teacher]

    @classmethod
    def of(cls, makers: Sequence[Callable[[Course, Plan], Teacher]], course: Course, plan: Plan) -> InTurn:
        """Each teacher with its part of the time."""
        part = replace(course, share=course.share / len(makers))
        return cls([make(replace(part, root=course.root + k), plan) for k, make in enumerate(makers)])

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """That of one of them."""
        return self.teachers[int(rng.integers(len(self.teachers)))].loss(net, rng, generator, step)

    def state(self) -> Mapping[str, Any]:
        """The states of all."""
        return {str(k): dict(teacher.state()) for k, teacher in enumerate(self.teachers)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Each goes back to its own."""
        for k, teacher in enumerate(self.teachers):
            teacher.restore(state[str(k)])

    @property
    def work(self) -> float:
        """The largest work of a step."""
        return max(float(getattr(teacher, "work", 0.0)) for teacher in self.teachers)
