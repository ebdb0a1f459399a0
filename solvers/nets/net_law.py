"""The law that a net states at one prompt, or mixed over several, with the face of every law.

Weighing and drawing use the net itself, marginals are summed exactly. Sums over all states (moments,
tables) use the whole table where it is small enough, draws otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kinetix.distribution import Distribution, Sampled, Tabulated, mean

from .autoregressive import Autoregressive
from .averaged import averaged_marginals
from .observed import Marginal, log_prob_observed

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

TABLE = 1_000_000
"""States of a window that is still enumerated."""

ROWS = 100_000
"""Prefixes, over all prompts, that the net is asked for in one table."""

DRAWS = 100_000
"""Draws that stand for the law where no table does."""

AVERAGED = 20_000
"""Draws whose conditionals are averaged to a marginal: less noise than a histogram of as many."""

HELD = 4_000_000
"""Log-probabilities that are held at once."""


class OfNet(ABC):
    """A weighed sum of the laws of `net` at its `contexts` [K, C]; the weights [K] sum to 1 or less."""

    net: Autoregressive
    seed: int
    most_rows: ClassVar[int] = ROWS

    @property
    @abstractmethod
    def prompts(self) -> tuple[Tensor, Array]:
        """The contexts [K, C] and their weights [K]."""

    @property
    def dimension(self) -> int:
        """S."""
        return len(self.net.layout.window.offset)

    def log_prob(self, counts: ArrayLike) -> Array:
        """Natural log of the probability: [..., S] -> [...]; -inf outside the window."""
        contexts, weights = self.prompts
        x = np.asarray(counts, dtype=np.int64)
        rows = x.reshape(-1, x.shape[-1])
        result = np.full(len(rows), -np.inf)
        inside = np.nonzero(self.net.layout.window.contains(rows))[0]
        axes, log_weight = range(self.dimension), np.log(weights)
        names = [str(s) for s in axes]
        size = max(1, min(8192, HELD // len(weights)))
        for block in (inside[k : k + size] for k in range(0, len(inside), size)):
            with torch.no_grad():
                found = log_prob_observed(self.net, contexts, rows[block], axes, names).cpu().numpy()
            result[block] = np.logaddexp.reduce(found.astype(np.float64) + log_weight[:, None], axis=0)
        return result.reshape(x.shape[:-1])

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Counts, Tensor]:
        """Prompts by number [n] and values drawn at them [n, D]."""
        contexts, weights = self.prompts
        which = np.zeros(n, np.int64) if len(weights) == 1 else rng.choice(len(weights), n, p=weights / weights.sum())
        generator = torch.Generator(contexts.device).manual_seed(int(rng.integers(2**62)))
        empty = torch.zeros((0, len(self.net.caps)), dtype=torch.int64, device=contexts.device)
        blocks = [torch.from_numpy(which[k : k + 8192]).to(contexts.device) for k in range(0, n, 8192)]
        return which, torch.cat([empty, *(self.net.sample(contexts[some], generator=generator) for some in blocks)])

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Independent draws (of the law renormalised): [n, S]."""
        _, values = self._draw(n, rng)
        return self.net.layout.counts(values.cpu().numpy())

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """The expectation of f: over the table, or over draws where no table fits."""
        return self._sums.expect(f)

    def marginal(self, axes: Sequence[int]) -> Distribution:
        """The law of the species at `axes`: a table, summed or, where the others are many, averaged over draws.

        Draws themselves where no table fits.
        """
        contexts, weights = self.prompts
        if self._is_summed:
            return self._sums.marginal(axes)
        part = Marginal(self.net.layout, tuple(axes))
        if part.space.size > TABLE:
            return self._sums.marginal(axes)
        if part.many * len(weights) > self.most_rows:
            return Tabulated(part.space, weights.sum() * self._averaged(part, axes))
        blocks = torch.split(torch.arange(len(weights)), max(1, TABLE // part.space.size))
        tables = (weights[b.numpy()] @ part.tables(self.net, contexts[b]).double().cpu().numpy() for b in blocks)
        return Tabulated(part.space, np.asarray(sum(tables), dtype=np.float64))

    def table(self) -> Array:
        """Dense probabilities from count 0."""
        return self._sums.table()

    def tabulated(self) -> Tabulated | None:
        """The law as a table over its window, or None where that is too large."""
        return self._sums if isinstance(self._sums, Tabulated) else None

    def drawn(self) -> Counts:
        """Draws that stand for the law where no table does: [n, S]."""
        return self.sample(DRAWS, rng=np.random.default_rng(self.seed))

    def means(self) -> Array:
        """The mean counts [S]: those of the table, or of the averaged marginals, which others follow linearly."""
        if self._is_summed:
            return mean(self._sums)
        layout = self.net.layout
        own = layout.lower + np.array([p @ np.arange(len(p)) for p in self._free])
        return np.asarray(layout.window.basis[:, list(layout.order)] @ own + layout.window.offset, dtype=np.float64)

    def _averaged(self, part: Marginal, axes: Sequence[int]) -> Array:
        """The probabilities over `part.space`; those of single free species come from one pass for all of them."""
        species = self.net.layout.species
        if len(axes) == 1 and axes[0] in species:
            return self._free[species.index(axes[0])]
        return part.averaged(self.net, self.prompts[0], *self._few)

    @cached_property
    def _few(self) -> tuple[Counts, Tensor]:
        """The draws whose conditionals are averaged."""
        return self._draw(AVERAGED, np.random.default_rng(self.seed))

    @cached_property
    def _free(self) -> list[Array]:
        """The marginals of the values at all positions, averaged: D of [cap_i]."""
        return averaged_marginals(self.net, self.prompts[0], *self._few)

    @property
    def _is_summed(self) -> bool:
        """Whether means and marginals are sums over the whole table."""
        return self._is_tabled

    @property
    def _is_tabled(self) -> bool:
        layout, prompts = self.net.layout, len(self.prompts[1])
        rows = prompts * (layout.window.size // max(1, layout.caps[-1]))
        return layout.window.size <= TABLE and (prompts == 1 or rows <= ROWS)

    @cached_property
    def _sums(self) -> Distribution:
        if not self._is_tabled:
            return Sampled(self.drawn())
        layout, (contexts, weights) = self.net.layout, self.prompts
        p = np.zeros(layout.window.size)
        for block in torch.split(torch.arange(len(weights)), max(1, TABLE // layout.window.size)):
            table = layout.table_in_window_order(self.net.tables(contexts[block]).double().numpy())
            p += weights[block.numpy()] @ table
        return Tabulated(layout.window, np.where(layout.window.admissible(), p, 0.0))


@dataclass(frozen=True, eq=False)
class NetLaw(OfNet):
    """The law of `net` at one `context` [C]; `seed` fixes the draws that stand for it on large windows."""

    net: Autoregressive
    context: Tensor
    seed: int = 0

    @cached_property
    def prompts(self) -> tuple[Tensor, Array]:
        """The one context, of weight 1."""
        return self.context[None], np.ones(1)
