"""The law that a net states at one prompt, with the face of every law.

Weighing and drawing use the net itself. Sums over states (moments, marginals) use the whole table
where the window has at most a million states, draws otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kinetix.distribution import Distribution, Sampled, Tabulated

from .autoregressive import Autoregressive

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

TABLE = 1_000_000
"""States of a window that is still enumerated."""

DRAWS = 100_000
"""Draws that stand for the law where it is not."""


@dataclass(frozen=True, eq=False)
class NetLaw:
    """The law of `net` at one `context` [C]; `seed` fixes the draws that stand for it on large windows."""

    net: Autoregressive
    context: Tensor
    seed: int = 0

    @property
    def dimension(self) -> int:
        """S."""
        return len(self.net.layout.window.offset)

    def log_prob(self, counts: ArrayLike) -> Array:
        """Natural log of the probability: [..., S] -> [...]; -inf outside the window."""
        x = np.asarray(counts, dtype=np.int64)
        rows = x.reshape(-1, x.shape[-1])
        inside = self.net.layout.window.contains(rows)
        result = np.full(len(rows), -np.inf)
        values = torch.from_numpy(self.net.layout.values(rows[inside])).to(self.context.device)
        if len(values):
            with torch.no_grad():
                parts = [self.net.log_prob(self.context[None], part[None])[0] for part in torch.split(values, 8192)]
            result[inside] = torch.cat(parts).cpu().numpy()
        return result.reshape(x.shape[:-1])

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Independent draws: [n, S]."""
        generator = torch.Generator(self.context.device).manual_seed(int(rng.integers(2**62)))
        sizes = [min(8192, n - k) for k in range(0, n, 8192)]
        parts = [self.net.sample(self.context.expand(m, -1), generator=generator).cpu().numpy() for m in sizes]
        empty = np.zeros((0, len(self.net.caps)), dtype=np.int64)
        return self.net.layout.counts(np.concatenate([empty, *parts]))

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """The expectation of f: over the table, or over `DRAWS` draws on a large window."""
        return self._sums.expect(f)

    def marginal(self, axes: Sequence[int]) -> Distribution:
        """The law of the species at `axes`: a table, or draws on a large window."""
        return self._sums.marginal(axes)

    def table(self) -> Array:
        """Dense probabilities from count 0."""
        return self._sums.table()

    def tabulated(self) -> Tabulated | None:
        """The law as a table over its window, or None where that is too large."""
        return self._sums if isinstance(self._sums, Tabulated) else None

    @cached_property
    def _sums(self) -> Distribution:
        layout = self.net.layout
        if layout.window.size > TABLE:
            return Sampled(self.sample(DRAWS, rng=np.random.default_rng(self.seed)))
        table = self.net.tables(self.context[None]).double().numpy()
        p = layout.table_in_window_order(table)[0]
        return Tabulated(layout.window, np.where(layout.window.admissible(), p, 0.0))
