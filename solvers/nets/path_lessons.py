"""Exact trajectories as the teacher of a net over a box: maximum likelihood, nothing enumerated.

A chunk is a set of rate vectors, each with its trajectories seen at several times. It is dealt into
blocks: every block has all the rate vectors of the chunk, at a time each, as a tree of the distinct
prefixes of the states found there. A step weighs one block.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.solvers.ssa import simulate

from .autoregressive import Autoregressive
from .prefixes import PrefixTree, cross_entropy, prefix_tree
from .teachers import STOCK, Course, Lessons, Plan

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


VECTORS, TIMES = 64, 24
"""Rate vectors of a chunk, and times at which each is seen."""

FEWEST, MOST = 4, 1024
"""Trajectories of a rate vector."""

CHUNKS = 20
"""Chunks that a budget in seconds should have time for, in the share of lessons."""

STEPS, ROW = 2500, 2e-5
"""Steps that a training in seconds should have, and seconds that a prefix costs in one."""

ROWS = 256, 8192
"""Fewest and most prefixes of a block."""

UNTIMED = 1024
"""Prefixes of a block where the budget is one of steps."""

UNUSED = 2**40
"""The number of the chunk that the others are sized by."""


class PathLessons(Lessons):
    """Maximum likelihood on exact trajectories; states outside the window are left out.

    The number of trajectories is such that a block has as many prefixes as a step should weigh: species
    with few states together (a gene and its protein) share their prefixes, and more trajectories cost
    the net nothing; many species share few.
    """

    def __init__(self, course: Course, plan: Plan) -> None:
        super().__init__(course, replace(plan, chunk=VECTORS, times=TIMES, first=4 * VECTORS))
        self._blocks: dict[int, list[PrefixTree]] = {}
        self._rows = prefixes_of_a_step(course)
        self._fit()

    def _fit(self) -> None:
        """Set the trajectories of a rate vector and the chunks of the stock by a chunk that is not used."""
        n, most = FEWEST, MOST
        blocks, took = self._timed(n)
        while n < most and _rows(blocks) < 0.7 * self._rows:
            n = int(np.clip(n * min(self._rows / _rows(blocks), 8.0), n + 1, most))
            blocks, took = self._timed(n)
            if self.course.seconds is not None:  # many rate vectors matter more than many trajectories of each
                allowed = self.course.share * self.course.seconds / CHUNKS
                most = min(most, max(FEWEST, int(n * allowed / max(took, 1e-9))))
        self._paths, self._work = min(n, most), _rows(blocks)
        self.plan = replace(self.plan, every=len(blocks))  # each block is seen once, as far as time allows
        self._slots = int(np.clip(STOCK / sum(block.nbytes for block in blocks), 4, 4096))

    def _timed(self, n: int) -> tuple[list[PrefixTree], float]:
        """The chunk that is not used, and the CPU seconds that it took."""
        began = time.process_time()
        blocks = self.blocks(UNUSED, n)
        took = time.process_time() - began
        self.seconds += took
        return blocks, took

    @property
    def slots(self) -> int:
        """Chunks that the stock holds."""
        return self._slots

    @property
    def work(self) -> float:
        """The prefixes of a block."""
        return self._work

    def add(self, number: int) -> None:
        """Draw the trajectories of a chunk."""
        self._blocks[number % self.slots] = self.blocks(number, self._paths)

    def pick(self, net: Autoregressive, rng: np.random.Generator) -> tuple[Tensor, str, int]:
        """Minus the mean log-likelihood of the states of one block."""
        slot = int(rng.integers(len(self._blocks)))
        which = int(rng.integers(len(self._blocks[slot])))
        tree = self._blocks[slot][which]
        return cross_entropy(net, tree), f"block {which} of the chunk in slot {slot}", tree.rows

    def blocks(self, number: int, n: int) -> list[PrefixTree]:
        """The blocks of a chunk with `n` trajectories a rate vector, one for each of its times."""
        rng, thetas, starts, times = self.draw(number)
        steps, rates = len(times), np.arange(len(thetas))
        every = np.repeat(rates, n)
        paths = simulate(self.course.model, times, thetas[every], starts[every], rng=rng, threads=1)
        paths = paths.reshape(len(thetas), n, steps, -1)
        values = self.course.layout.values(paths)
        inside = np.asarray(((values >= 0) & (values < np.array(self.course.layout.caps))).all(axis=-1))
        context = self.contexts(thetas, starts, times).reshape(len(thetas), steps, -1)
        found = []
        for shift in range(steps):
            at = (rates + shift) % steps
            states = [values[v, :, k][inside[v, :, k]] for v, k in zip(rates, at, strict=True)]
            found.append(prefix_tree(context[torch.from_numpy(rates), torch.from_numpy(at)], states))
        return found


def prefixes_of_a_step(course: Course) -> float:
    """How many prefixes a step can weigh, so that the budget has time for about `STEPS` of them."""
    if course.seconds is None:
        return float(UNTIMED)
    return float(np.clip((1 - course.share) * course.seconds / STEPS / ROW, *ROWS))


def _rows(blocks: list[PrefixTree]) -> float:
    """The mean number of prefixes of a block."""
    return float(np.mean([block.rows for block in blocks]))
