"""Mixtures of a net's laws: over the starts of a random initial law, or over the states that a chain steps from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kinetix.distribution import Distribution
from kinetix.errors import SettingError
from kinetix.solvers.projection.frame import Start

from .autoregressive import Autoregressive
from .net_law import OfNet

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

FAINT = 1e-9
"""Probability of the least likely starts that may be left out of a mixture (it is missing from its laws)."""

STARTS = 100_000
"""Most starts that a mixture is made of."""


@dataclass(frozen=True, eq=False)
class Mixture(OfNet):
    """The laws of `net` at `contexts` [K, C], weighed by `weights` [K] and summed.

    `draws` [n, S], where there are some, stand for the law where no table does; otherwise `seed` makes them.
    """

    net: Autoregressive
    contexts: Tensor
    weights: Array
    seed: int = 0
    draws: Counts | None = None

    @cached_property
    def prompts(self) -> tuple[Tensor, Array]:
        """The contexts and weights."""
        return self.contexts, self.weights

    def drawn(self) -> Counts:
        """The draws at hand, or fresh ones."""
        return super().drawn() if self.draws is None else self.draws


def starts_of(initial: Distribution) -> tuple[Counts, Array]:
    """The states of an initial law [K, S] and their probabilities [K], all but `FAINT` of it."""
    tabulate = getattr(initial, "tabulated", None)
    law = tabulate() if tabulate is not None else None
    found = Start.of(initial if law is None else law)
    order = np.argsort(found.p, kind="stable")
    kept = np.sort(order[np.cumsum(found.p[order]) > FAINT])
    if len(kept) > STARTS:
        raise SettingError(
            f"the initial law has {len(kept)} states", place="initial", mend=f"give one with at most {STARTS}"
        )
    return np.asarray(found.counts[kept], dtype=np.int64), np.asarray(found.p[kept], dtype=np.float64)
