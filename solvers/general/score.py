"""How far the general net's laws lie from exact ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.solvers.nets.autoregressive import Autoregressive
from kinetix.solvers.nets.prefixes import PrefixTree, prefix_tree, rows_of

from .lessons import net_over, window_of
from .net import Core

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST = 1e-12
"""Probabilities below this are left out."""


@dataclass(frozen=True, eq=False)
class Case:
    """A problem's prompt `context` [SIZE] and its exact law: `states` [N, S] in the net's order, `p` [N]."""

    context: Tensor
    states: Integers
    p: Array

    def __post_init__(self) -> None:
        """Likely states alone, sorted as the leaves of their tree are."""
        kept = self.p > LEAST
        states, p = self.states[kept], self.p[kept]
        order = np.lexsort(states.T[::-1])
        object.__setattr__(self, "states", states[order])
        object.__setattr__(self, "p", p[order])


@torch.no_grad()
def leaves(net: Autoregressive, tree: PrefixTree) -> Tensor:
    """The log-probability of every leaf of a tree: [leaves]."""
    state, previous = net.begin(tree.context), None
    values = tree.levels[0].values.new_zeros(len(tree.context), len(net.caps))
    total = torch.zeros(len(tree.context), device=tree.context.device)
    for i, level in enumerate(tree.levels):
        conditional, following = net.step(state, i, previous, values)
        total = total[level.parent] + conditional[level.parent, level.last]
        if i + 1 < len(tree.levels):
            state, previous, values = rows_of(following, level.parent), level.last, level.values
    return total


def log_probs(core: Core, case: Case) -> Array:
    """What the net states of the case's states: [N]."""
    tree = prefix_tree(case.context[None], [case.states])
    found: Tensor = leaves(net_over(core, window_of(case.states)), tree)
    result: Array = found.double().numpy()
    return result


def hellinger(core: Core, cases: Sequence[Case]) -> Array:
    """The Hellinger distances of the joint laws: one a case."""
    overlaps = [np.sqrt(case.p * np.exp(log_probs(core, case))).sum() for case in cases]
    return np.asarray(np.sqrt(np.clip(1 - np.array(overlaps), 0.0, None)))
