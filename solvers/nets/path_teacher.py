"""Exact trajectories as the teacher of time-conditional VANs: maximum likelihood, nothing enumerated.

The trajectories come in blocks of a few times each, drawn as the training goes on, so that data and
descent share the budget. One block serves all members of a stacked net.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetix.compiler import CompiledModel
from kinetix.errors import UnsupportedFeature
from kinetix.prompt import PromptEncoding
from kinetix.solvers.ssa import simulate
from kinetix.space import StateSpace

from .autoregressive import Autoregressive
from .layout import Layout
from .prefixes import PrefixTree, cross_entropy, prefix_tree
from .training import threads

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

PILOTS = 1024
"""Trajectories of the pilot run (at least four a member)."""
MARGIN, LEAST_MARGIN = 1.2, 3
"""The window reaches this times the largest count of the pilots, and so many counts further at least."""
BEYOND = 1.1
"""Trajectories run to this times the last time: a fitted curve is worst at its ends."""
MORE_POINTS = 4
"""Where a block has few prefixes it gets up to this many times the points."""
EARLY_PULSES = np.geomspace(1e-5, 4e-3, 12)
"""Shares of the last time at which pilots look for pulses that are over before lessons begin."""
SHARE = 0.3
"""Of the time of training that new trajectories take."""
SELDOM = 64
"""Most steps between new blocks."""


@dataclass(frozen=True, eq=False)
class Subjects:
    """What the members of a stack are VANs of: rate vectors [M, P], starts [M, S] and an interval of times."""

    model: CompiledModel
    thetas: Array
    starts: Counts
    times: tuple[float, float]

    def paths(self, times: Array, number: int, rng: np.random.Generator) -> Counts:
        """`number` exact trajectories of each: [M, number, T, S]."""
        thetas, starts = np.repeat(self.thetas, number, axis=0), np.repeat(self.starts, number, axis=0)
        paths = move(self.model, times, thetas, starts, rng)
        return paths.reshape(len(self.thetas), number, len(times), -1)

    @property
    def clock(self) -> PromptEncoding:
        """How a time is told to a net that knows its rates: the time features of a prompt, alone."""
        return PromptEncoding((), (), np.zeros(0), np.zeros(0), self.times)

    def clock_features(self, times: Array) -> Tensor:
        """Times as a net reads them: [T] -> [T, C]."""
        return torch.from_numpy(self.clock.encode(np.zeros(0), np.zeros(0), times).astype(np.float32))

    def contexts(self, times: Array) -> Tensor:
        """The contexts of all members at all times, for a stacked net: [M * T, C]."""
        return self.clock_features(times).repeat(len(self.thetas), 1)

    def draw_times(self, number: int, rng: np.random.Generator) -> Array:
        """Sorted times, half of them uniform and half log-uniform (a transient is short): [number]."""
        t0, t1 = self.times
        low, half = max(t0, t1 / 500), number // 2
        even = max(t0, 1e-6 * t1) + (BEYOND * t1 - t0) * rng.random(number - half)
        return np.unique(np.concatenate([even, low * (t1 / low) ** rng.random(half)]))

    def window(self, rng: np.random.Generator) -> StateSpace:
        """All counts up to 1.2 times the largest of pilot runs, three more at least; conservation laws taken out.

        A species that no reaction can raise above its largest count (a gene's copies) gets no margin.
        Laws are used only where every member starts with the same totals.
        """
        t1 = self.times[1]
        number = max(4, PILOTS // len(self.thetas))
        times = np.concatenate([t1 * EARLY_PULSES, np.geomspace(t1 / 200, BEYOND * t1, 24)])
        paths = self.paths(times, number, rng)
        states = np.concatenate([paths.reshape(len(paths), -1, paths.shape[-1]), self.starts[:, None]], axis=1)
        laws = self.model.network.conservation_laws()
        same = [bool((self.starts @ law == self.starts[0] @ law).all()) for law in laws]
        return StateSpace.conserved(laws[same], self.starts[0], [int(u) for u in self._upper(states, times)])

    def _upper(self, states: Counts, times: Array) -> Counts:
        """The upper edge [S] from the states [M, n, S] that the pilots visited, by the laws at any of the `times`."""
        at = times if self.model.network.depends_on_time else times[:1]
        flat = states.reshape(-1, states.shape[-1])
        most = flat.max(axis=0)
        thetas = np.repeat(self.thetas, states.shape[1], axis=0)
        upper: Counts = np.maximum(np.ceil(MARGIN * most).astype(np.int64), most + LEAST_MARGIN)
        for s in range(len(most)):
            at_top = flat[:, s] == most[s]
            laws = [self.model.propensities(flat[at_top], thetas[at_top], t) for t in at.tolist()]
            if not any((rates[:, self.model.change[:, s] > 0] > 0).any() for rates in laws):
                upper[s] = most[s]
        return upper


def move(model: CompiledModel, times: Array, thetas: Array, starts: Counts, rng: np.random.Generator) -> Counts:
    """Exact trajectories [n, T, S], by a kernel that is written for the model if one can be: many runs pay for it."""
    try:
        return simulate(model, times, thetas, starts, rng=rng, threads=1, engine="lanes")
    except UnsupportedFeature:
        return simulate(model, times, thetas, starts, rng=rng, threads=1)


def _seconds(task: Callable[[], object]) -> float:
    """CPU seconds of a task."""
    began = time.process_time()
    task()
    return time.process_time() - began


@dataclass(eq=False)
class PathTeacher:
    """Maximum likelihood on exact trajectories of the `subjects`.

    A block has `paths` trajectories a member at `points` times; `parts` blocks are cut from one run of
    trajectories. Every `every` steps a new block joins, and each step looks at one of the last
    `blocks`. Block b depends on (`root`, b) alone.
    """

    subjects: Subjects
    layout: Layout
    root: int
    paths: int = 1024
    points: int = 16
    blocks: int = 64
    every: int = 4
    parts: int = 1
    stock: dict[int, PrefixTree] = field(default_factory=dict)
    kept: list[float] = field(default_factory=list)

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Cross-entropy of one block; see `learning.Teacher`."""
        newest = step // self.every
        oldest = max(0, newest - self.blocks + 1)
        number = oldest + int(rng.integers(newest - oldest + 1))
        for old in [k for k in self.stock if k + self.parts < oldest]:
            del self.stock[old]
        facts = {"batch": f"block {number} of trajectories"}
        return cross_entropy(cast("Autoregressive", net), self.block(number)), facts

    def fitted(self, rows: int) -> PathTeacher:
        """The same with blocks of about `rows` prefixes, as a step should weigh.

        Larger ones are cut into parts (of 16 trajectories at least); smaller ones get more times.
        """
        here = self.block(0).rows
        if here <= rows:
            more = min(MORE_POINTS, rows // here)
            return self if more <= 1 else replace(self, points=more * self.points, stock={}, kept=[])
        paths = min(self.paths, max(16, self.paths * rows // here))
        return replace(self, paths=paths, parts=max(1, self.paths // paths), stock={}, kept=[])

    def paced(self, net: Autoregressive) -> PathTeacher:
        """The same with new blocks so often that they take about `SHARE` of the time: measured, so never the same.

        On one thread, as the training runs: with more, what waits is counted too, and nearly all time went into data.
        """
        self.block(0)  # compiles what has to be compiled
        with threads(1):
            making = min(_seconds(partial(self.block, k * self.parts)) for k in (1, 2)) / self.parts
            tree, weights = self.block(self.parts), list(net.parameters())
            looking = min(
                _seconds(lambda: torch.autograd.grad(cross_entropy(net, tree), weights, allow_unused=True))
                for _ in range(4)
            )
        every = math.ceil(making / looking * (1 - SHARE) / SHARE)
        return replace(self, every=min(max(every, 1), SELDOM))

    def state(self) -> Mapping[str, Any]:
        """Nothing: blocks are made again from the root."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to go back to."""

    def block(self, number: int) -> PrefixTree:
        """Block `number`, simulated with the others of its run when it is first asked for."""
        if number not in self.stock:
            run = number // self.parts
            rng = np.random.default_rng([self.root, run])
            apart = min(self.parts, 4)  # blocks of a run look at different times, in turns
            times = self.subjects.draw_times(apart * self.points, rng)
            paths = self.subjects.paths(times, self.parts * self.paths, rng)
            for k in range(self.parts):
                own, some = slice(k * self.paths, (k + 1) * self.paths), slice(k % apart, None, apart)
                self.stock[run * self.parts + k] = self._tree(times[some], paths[:, own, some])
        return self.stock[number]

    def _tree(self, times: Array, paths: Counts) -> PrefixTree:
        members = len(paths)
        values = self.layout.values(paths)
        inside = np.asarray(((values >= 0) & (values < np.array(self.layout.caps))).all(axis=-1))
        self.kept.append(float(inside.mean()))
        states = [values[m, :, k][inside[m, :, k]] for m in range(members) for k in range(len(times))]
        return prefix_tree(self.subjects.contexts(times), states, members=members)
