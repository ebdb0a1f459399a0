"""What the general net is taught: exact trajectories of networks drawn fresh, a few times of each.

A chunk of networks is simulated at once and dealt into blocks, networks of like counts together, so that a block is
no wider than it must be; within a block no network stands twice. Chunk c depends on (`root`, `part`, c) alone: a
resumed run sees the same blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.prefixes import PrefixTree, cross_entropy, prefix_tree
from kinetix.space import StateSpace

from .family import SPECIES, Batch
from .net import Core, GeneralNet
from .prompt import Prompted

Integers = NDArray[np.int64]

WINDOWS = (16, 32, 64, 128, 256)
"""Values of every species in a block: the least of these that holds its counts, with `MARGIN`."""

MARGIN = 1.15
"""What a window holds beyond the largest count seen."""


class Drawn(NamedTuple):
    """Problems and their exact trajectories: a batch of N, `states` [N, paths, S] at time 1."""

    batch: Batch
    states: Integers


Source = Callable[[np.random.Generator, int], Drawn]
"""Draws problems: (rng, about how many) -> `Drawn`."""


class Block(NamedTuple):
    """Problems that a step looks at, and the values of every species in its window."""

    tree: PrefixTree
    window: int


def window_of(states: Integers) -> int:
    """The least window of `WINDOWS` for states [..., S]; the largest where none is enough."""
    most = MARGIN * (int(states.max(initial=0)) + 1)
    return next((w for w in WINDOWS if w >= most), WINDOWS[-1])


def net_over(core: Core, window: int) -> GeneralNet:
    """The net on a window of as many values for each species, where its weights are."""
    net = GeneralNet(Layout(StateSpace.box((window - 1,) * SPECIES), tuple(range(SPECIES))), core)
    device = next(core.parameters()).device
    return net if net.device == device else net.to(device)  # which looks at every part of the net


@dataclass(eq=False)
class Lessons:
    """Maximum likelihood on blocks of problems from a `source`; see `learning.Teacher`.

    A chunk has `blocks` blocks of `size` problems; every `every` steps a new chunk joins, each step looks at a block of
    the last `chunks` chunks. Several processes (`nets.workers`) look at a `part` each.
    """

    source: Source
    root: int
    size: int = 64
    blocks: int = 16
    every: int = 32
    chunks: int = 4
    part: int = 0
    stock: dict[int, list[Block]] = field(default_factory=dict)

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Cross-entropy of one block."""
        newest = step // self.every
        oldest = max(0, newest - self.chunks + 1)
        number = oldest + int(rng.integers(newest - oldest + 1))
        for old in [k for k in self.stock if k < oldest]:
            del self.stock[old]
        if number not in self.stock:
            self.stock[number] = self.chunk(number)
        which = int(rng.integers(len(self.stock[number])))
        block = self.stock[number][which]
        core = cast("Core", net)
        loss = cross_entropy(net_over(core, block.window), block.tree)
        return loss, {"batch": f"block {which} of chunk {number}", "states": block.tree.rows}

    def state(self) -> Mapping[str, Any]:
        """Nothing: chunks are made again from the root."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to go back to."""

    def chunk(self, number: int) -> list[Block]:
        """The blocks of chunk `number`."""
        entropy = [self.root, number, self.part] if self.part else [self.root, number]
        drawn = self.source(np.random.default_rng(entropy), self.size * self.blocks)
        prompted = Prompted.of(drawn.batch)
        states = np.take_along_axis(drawn.states, prompted.order[:, None], axis=2)
        by_size = np.argsort(states.max(axis=(1, 2)), kind="stable")
        parts = np.array_split(by_size, max(1, round(len(by_size) / self.size)))
        return [block(prompted.context[torch.from_numpy(part)], states[part]) for part in parts]


def block(context: Tensor, states: Integers) -> Block:
    """The block of contexts [B, C] with states [B, n, S]; states outside the largest window are left out."""
    window = window_of(states)
    inside = np.asarray((states < window).all(axis=2))
    return Block(prefix_tree(context, [s[ok] for s, ok in zip(states, inside, strict=True)]), window)
