"""Marginals and pair laws of a net where no table fits: its conditionals, averaged over its own draws.

Every draw contributes a whole conditional and not one count, so that the average has far less noise
than a histogram of the draws (Rao-Blackwell).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .autoregressive import Autoregressive

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Averaged:
    """Draws `values` [n, D] of a net at one prompt, and the D conditionals [n, cap_i] after their prefixes."""

    net: Autoregressive
    values: Tensor
    conditionals: Sequence[Tensor]

    @classmethod
    def of(cls, net: Autoregressive, context: Tensor, number: int, seed: int) -> Averaged:
        """`number` draws at the prompt `context` [C]."""
        generator = torch.Generator(context.device).manual_seed(seed)
        with torch.no_grad():
            sizes = [min(BLOCK, number - first) for first in range(0, number, BLOCK)]
            values = torch.cat([net.sample(context.expand(size, -1), generator=generator) for size in sizes])
        blocks = conditionals_of(net, context[None], np.zeros(number, dtype=np.int64), values)
        return cls(net, values, [torch.cat(parts) for parts in zip(*blocks, strict=True)])

    def marginal(self, position: int) -> Array:
        """The law of the species at a position of the net's order, from count 0."""
        p = self.conditionals[position].double().mean(dim=0).cpu().numpy()
        return np.concatenate([np.zeros(int(self.net.layout.lower[position])), p])

    def pair(self, first: int, second: int) -> Array:
        """The joint law of the values at two positions, the earlier one first: [cap, cap]."""
        table = self.values.new_zeros(self.net.caps[first], self.net.caps[second], dtype=torch.float64)
        table.index_add_(0, self.values[:, first], self.conditionals[second].double())
        return np.asarray((table / len(self.values)).cpu().numpy(), dtype=np.float64)


def averaged_marginals(net: Autoregressive, contexts: Tensor, which: Counts, values: Tensor) -> list[Array]:
    """The laws of the values at all positions, from draws `values` [n, D] at `contexts[which]`: D of [cap_i]."""
    sums = [np.zeros(cap) for cap in net.caps]
    for block in conditionals_of(net, contexts, which, values):
        for i, p in enumerate(block):
            sums[i] += p.double().sum(dim=0).cpu().numpy()
    return [total / len(values) for total in sums]


def conditionals_of(net: Autoregressive, contexts: Tensor, which: Counts, values: Tensor) -> Iterator[list[Tensor]]:
    """The D conditionals [b, cap_i] after the prefixes of `values` [n, D] at `contexts[which]`, block by block."""
    for some in torch.split(torch.arange(len(values)), BLOCK):
        prompts = contexts[torch.from_numpy(which[some.numpy()]).to(contexts.device)]
        with torch.no_grad():
            block = [c.exp() for c in net.log_conditionals(prompts, values[some])]
        yield block
