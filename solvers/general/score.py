"""How far the general net's laws lie from exact ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetix.distribution import Tabulated
from kinetix.errors import TruncationError
from kinetix.solvers.nets.autoregressive import Autoregressive
from kinetix.solvers.nets.prefixes import PrefixTree, prefix_tree, rows_of

from .family import SPECIES, Batch
from .lessons import net_over, window_of
from .net import Core
from .panels import Question, panel
from .prompt import Prompted

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

    @classmethod
    def of(cls, question: Question) -> Case:
        """A problem of a panel with its exact law. TruncationError where that turns out too large."""
        law = question.exact().laws[0]
        assert isinstance(law, Tabulated)
        kept = np.nonzero(law.p > LEAST)[0]
        counts = law.space.states(kept)
        padded = np.zeros((len(counts), SPECIES), dtype=np.int64)
        padded[:, : counts.shape[1]] = counts
        prompted = Prompted.of(question.batch)
        return cls(prompted.context[0], padded[:, prompted.order[0]], law.p[kept])


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
    """What the net states of the case's states: [N]; -inf of those beyond its largest window."""
    window = window_of(case.states)
    inside = np.asarray((case.states < window).all(axis=1))
    tree = prefix_tree(case.context[None], [case.states[inside]])
    result = np.full(len(case.states), -np.inf)
    result[inside] = leaves(net_over(core, window), tree).double().cpu().numpy()
    return result


def hellinger(core: Core, cases: Sequence[Case]) -> Array:
    """The Hellinger distances of the joint laws: one a case."""
    overlaps = [np.sqrt(case.p * np.exp(log_probs(core, case))).sum() for case in cases]
    return np.asarray(np.sqrt(np.clip(1 - np.array(overlaps), 0.0, None)))


@dataclass(frozen=True, eq=False)
class Panels:
    """Panels with their exact laws: a judge of a training (see `training.train`)."""

    cases: Mapping[str, Sequence[Case]]

    @classmethod
    def of(cls, numbers: Mapping[str, int], seed: int) -> Panels:
        """So many problems of each panel, less those whose laws turn out too large."""
        return cls({name: _cases(panel(name, number, seed)) for name, number in numbers.items()})

    def __call__(self, net: nn.Module) -> dict[str, float]:
        """Median and mean distance of every panel, as "small median" and so on."""
        found = {name: hellinger(cast("Core", net), cases) for name, cases in self.cases.items()}
        medians = {f"{name} median": float(np.median(h)) for name, h in found.items()}
        return medians | {f"{name} mean": float(h.mean()) for name, h in found.items()}


def _cases(questions: Sequence[Question]) -> list[Case]:
    return [case for _, case in _answered(questions)]


def examined(numbers: Mapping[str, int], seed: int) -> tuple[Batch, list[Case]]:
    """So many problems of each panel and their exact laws, less those whose laws turn out too large."""
    found = [pair for name, number in numbers.items() for pair in _answered(panel(name, number, seed))]
    return Batch.joined([question.batch for question, _ in found]), [case for _, case in found]


def _answered(questions: Sequence[Question]) -> list[tuple[Question, Case]]:
    found = []
    for question in questions:
        try:
            found.append((question, Case.of(question)))
        except TruncationError:  # the prediction was too low
            continue
    return found
