"""Exact laws as the teacher of a net over a box: soft targets, where laws fit in memory.

The net is shown prefixes of a tabulated law's states, with the law's exact conditionals after them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.distribution import PointMass
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.space import StateSpace

from .teachers import Course, Plan, SoftLessons

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

SMALL = 1000
"""States of a window up to which all laws are integrated on it, whatever they need."""

NEWS = 32
"""Steps between new chunks of exact laws, over the number of varied quantities: more need more examples."""


class ExactLessons(SoftLessons):
    """Soft targets from tabulated exact laws, over drawn prefixes where there are many."""

    def __init__(self, course: Course, plan: Plan, fsp: FSP) -> None:
        super().__init__(course, replace(plan, every=max(2, NEWS // max(course.box.dimension, 1))))
        self.fsp = fsp

    @property
    def work(self) -> float:
        """Every law of a batch with its prefixes, each at all positions."""
        caps = self.course.layout.caps
        return self.plan.batch * min(self.plan.rows, int(np.prod(caps[:-1], dtype=object))) * len(caps)

    def lesson(self, number: int) -> dict[str, Tensor]:
        """Exact conditionals of a chunk's laws."""
        rng, thetas, starts, times = self.draw(number)
        starts = np.tile(starts[:1], (len(starts), 1))  # one start a chunk: the laws are pushed together
        problem = Problem(self.course.model, times, thetas[0], PointMass(starts[0]))
        p = np.maximum(self._laws_of(problem, thetas), 0.0)
        p /= p.sum(axis=-1, keepdims=True)
        values, weight, targets = conditionals(self.course.layout.table_in_own_order(p), self.plan.rows, rng)
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -np.nansum(weight[..., None] * targets * np.log(targets), axis=(-2, -1))
        return {
            "context": self.contexts(thetas, starts, times),
            "values": torch.from_numpy(values),
            "weight": torch.from_numpy(weight.astype(np.float32)),
            "targets": torch.from_numpy(targets.astype(np.float32)),
            "entropy": torch.from_numpy(entropy.astype(np.float32)),
        }

    def _laws_of(self, problem: Problem, thetas: Array) -> Array:
        """The laws on the net's window: [B * T, N]. On a large one each is found on its own, smaller window."""
        if self.course.box.encoding.stationary:
            limits = self.fsp.stationary_laws(problem, thetas, lambda law: spread(law.space, law.p[None], self.window))
            return np.concatenate(limits)
        if self.window.size <= SMALL:
            p, _ = self.fsp.tables(problem, thetas, self.window)
            return p.reshape(-1, p.shape[-1])
        least = np.zeros(len(problem.model.network.species), dtype=np.int64)
        found = self.fsp.projector(problem).adapted(thetas, least, lambda law: spread(law.space, law.laws, self.window))
        return np.concatenate(found)


def spread(space: StateSpace, p: Array, window: StateSpace) -> Array:
    """Probabilities [T, N] over one window as those over another, [T, M]; states that it lacks are left out."""
    place = window.index(space.states())
    inside = place >= 0
    result = np.zeros((len(p), window.size))
    result[:, place[inside]] = p[:, inside]
    return result


def conditionals(table: Array, rows: int, rng: np.random.Generator) -> tuple[Counts, Array, Array]:
    """Prefixes of tabulated laws with the exact conditionals after them.

    `table` [L, cap_1, ..., cap_D] -> values [L, n, D] (prefixes of length D - 1 and a 0), weights
    [L, n] that sum to 1, targets [L, n, cap_1 + ... + cap_D]. All prefixes where there are at most
    `rows`, else `rows` of them drawn from the law, evenly spread.
    """
    laws, caps = len(table), table.shape[1:]
    depth = len(caps)
    prefix = table.sum(axis=-1).reshape(laws, -1)
    if prefix.shape[1] <= rows:
        flat, weight = np.tile(np.arange(prefix.shape[1]), (laws, 1)), prefix
    else:
        points = (np.arange(rows) + rng.random((laws, 1))) / rows
        edges = np.cumsum(prefix, axis=1)
        edges /= edges[:, -1:]
        flat = np.stack([np.searchsorted(e, u, side="right") for e, u in zip(edges, points, strict=True)])
        weight = np.full((laws, rows), 1.0 / rows)
    head = np.stack(np.unravel_index(flat, caps[:-1]), axis=-1) if depth > 1 else np.zeros((*flat.shape, 0), np.int64)
    targets, own = [], np.arange(laws)[:, None]
    for i in range(depth):
        part = table.sum(axis=tuple(range(i + 2, depth + 1)))
        chosen = (
            part[(own, *(head[..., j] for j in range(i)))] if i else np.repeat(part[:, None], flat.shape[1], axis=1)
        )
        total = chosen.sum(axis=-1, keepdims=True)
        targets.append(np.divide(chosen, total, out=np.zeros_like(chosen), where=total > 0))
    values = np.concatenate([head, np.zeros((*flat.shape, 1), np.int64)], axis=-1)
    return values, weight, np.concatenate(targets, axis=-1)
