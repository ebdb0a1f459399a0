"""Lessons for a net that covers a box: what is taught, and a stock of lessons that is renewed while the net learns.

Teachers: exact laws where they fit in memory (`exact_lessons`), histories (`history_lessons`), trajectories
(`path_lessons`), sets of VANs (`policy`). All make their lessons in numbered chunks, each from (root, number) alone, so
that a resumed run makes the same.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetix.compiler import CompiledModel
from kinetix.space import StateSpace

from .autoregressive import Autoregressive
from .box import Box
from .layout import Layout

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

CPU = torch.device("cpu")


STOCK = 4e8
"""Bytes of lessons that are kept."""


@dataclass(frozen=True, eq=False)
class Course:
    """What is taught: a model over a box, seen through a layout; `root` seeds the lessons.

    `seconds` is the budget where it is one of time (then teaching may take `share` of it); `device` is the net's.
    """

    model: CompiledModel
    box: Box
    layout: Layout
    root: int
    seconds: float | None = None
    share: float = 0.3
    device: torch.device = CPU


@dataclass(frozen=True)
class Plan:
    """How many lessons: a pool of `contexts` rate vectors, each at `times` times, the oldest replaced.

    `first` vectors come before the first step, then `chunk` more every `every` steps. A step weighs
    `batch` laws by `rows` prefixes each. Trajectories fit their numbers to the model instead (`path_lessons`),
    and a set of `vans` teaches by the `signal`.
    """

    contexts: int = 8192
    times: int = 12
    chunk: int = 8
    first: int = 256
    every: int = 16
    batch: int = 64
    rows: int = 32
    vans: int = 480
    signal: Literal["policy-gradient", "kl"] = "policy-gradient"


class Lessons(ABC):
    """A stock of lessons that is filled and renewed while the net learns; a `learning.Teacher`.

    Chunk k of the lessons depends on (`course.root`, k) alone. With a budget in seconds teaching takes at
    most `course.share` of it.
    """

    def __init__(self, course: Course, plan: Plan) -> None:
        self.course, self.plan = course, plan
        self.window: StateSpace = course.layout.window
        self.made = 0
        self.seconds = 0.0
        self._started = time.process_time()

    @abstractmethod
    def add(self, number: int) -> None:
        """Make chunk `number` and put it in the stock, in place of the oldest where that is full."""

    @abstractmethod
    def pick(self, net: Autoregressive, rng: np.random.Generator) -> tuple[Tensor, str, int]:
        """The loss of some lessons of the stock (a scalar), what they are called, how many prefixes they weigh."""

    @property
    @abstractmethod
    def work(self) -> float:
        """About how many prefixes, over all positions, the net weighs in a step."""

    @property
    def slots(self) -> int:
        """Chunks that the stock holds."""
        return max(1, self.plan.contexts // self.plan.chunk)

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """See `learning.Teacher`."""
        del generator
        self._fill(step)
        loss, name, states = self.pick(cast("Autoregressive", net), rng)
        return loss, {"batch": name, "states": states}

    def state(self) -> Mapping[str, Any]:
        """How many chunks were made."""
        return {"made": self.made}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Make the chunks again that the stock held."""
        self.made = 0
        for number in range(max(0, int(state["made"]) - self.slots), int(state["made"])):
            self._add(number)

    def _fill(self, step: int) -> None:
        first = max(1, self.plan.first // self.plan.chunk)
        while self.made < first + step // self.plan.every:
            if self.made and self.course.seconds is not None and not self._has_time(first):
                return
            self._add(self.made)

    def _has_time(self, first: int) -> bool:
        if self.made < first:
            return self.seconds < 0.5 * self.course.share * self.course.seconds  # type: ignore[operator]
        return self.seconds < self.course.share * (time.process_time() - self._started)

    def _add(self, number: int) -> None:
        began = time.process_time()
        self.add(number)
        self.made = number + 1
        self.seconds += time.process_time() - began

    def draw(self, number: int) -> tuple[np.random.Generator, Array, Counts, Array]:
        """The generator, rate vectors [chunk, P], initial counts [chunk, S] and times [T] of a chunk."""
        rng = np.random.default_rng([self.course.root, number])
        thetas, starts = self.course.box.at(rng.random((self.plan.chunk, self.course.box.dimension)))
        return rng, thetas, starts, self.course.box.draw_times(self.plan.times, rng)

    def contexts(self, thetas: Array, starts: Counts, times: Array) -> Tensor:
        """Prompts of every rate vector at every time: [chunk * T, C] float32."""
        features = self.course.box.encoding.encode(thetas[:, None], starts[:, None], times)
        return torch.from_numpy(features.reshape(-1, features.shape[-1]).astype(np.float32))


class SoftLessons(Lessons):
    """Soft targets: a stock of laws, each with prefixes of its states and the exact conditionals after them.

    The loss is the KL of these from the net's conditionals.
    """

    def __init__(self, course: Course, plan: Plan) -> None:
        super().__init__(course, plan)
        self._pool: dict[str, Tensor] = {}
        self._laws, self._held = 0, 10**9

    @abstractmethod
    def lesson(self, number: int) -> dict[str, Tensor]:
        """The laws of a chunk, tensors [laws, ...] of the same shapes in every chunk.

        Named "context" [C], "values" [n, D] with their "weight" [n], the "targets" after them [n, sum of caps], scaled
        position by position where one weighs more, and the targets' weighed "entropy" [], scaled alike.
        """

    @property
    def slots(self) -> int:
        """As many as planned, or as memory holds."""
        return min(super().slots, self._held)

    def add(self, number: int) -> None:
        """Put the laws of a chunk in the stock."""
        lesson = self.lesson(number)
        self._laws = len(lesson["context"])
        self._held = max(4, int(STOCK / sum(tensor.nbytes for tensor in lesson.values())))
        first = (number % self.slots) * self._laws
        for name, tensor in lesson.items():
            if name not in self._pool:
                self._pool[name] = tensor.new_zeros((self.slots * self._laws, *tensor.shape[1:]))
            self._pool[name][first : first + self._laws] = tensor

    def pick(self, net: Autoregressive, rng: np.random.Generator) -> tuple[Tensor, str, int]:
        """The mean KL(exact || net) over some laws of the stock."""
        available = min(self.made, self.slots) * self._laws
        chosen = torch.from_numpy(rng.integers(0, available, self.plan.batch))
        device = next(net.parameters()).device
        batch = {name: tensor[chosen].to(device) for name, tensor in self._pool.items()}
        states = batch["values"].shape[0] * batch["values"].shape[1]
        return self.batch_loss(net, batch), f"laws {chosen[:4].tolist()} ... of the pool", states

    def batch_loss(self, net: Autoregressive, batch: Mapping[str, Tensor]) -> Tensor:
        """The mean KL(exact || net) over the laws."""
        stated = torch.cat(net.log_conditionals(batch["context"], batch["values"]), dim=-1)
        cross = -(batch["targets"] * stated).sum(dim=-1)
        return ((cross * batch["weight"]).sum(dim=-1) - batch["entropy"]).mean()
