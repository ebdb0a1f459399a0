"""Marginals and pair laws of a net where no table fits: its conditionals, averaged over its own draws.

Every draw contributes a whole conditional and not one count, so that the average has far less noise
than a histogram of the draws (Rao-Blackwell).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .autoregressive import Autoregressive

Array = NDArray[np.float64]

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
        parts, conditionals = [], []
        with torch.no_grad():
            for first in range(0, number, BLOCK):
                size = min(BLOCK, number - first)
                parts.append(net.sample(context.expand(size, -1), generator=generator))
                conditionals.append(net.log_conditionals(context[None], parts[-1][None]))
        depth = range(len(net.caps))
        return cls(net, torch.cat(parts), [torch.cat([c[i][0] for c in conditionals]).exp() for i in depth])

    def marginal(self, position: int) -> Array:
        """The law of the species at a position of the net's order, from count 0."""
        p = self.conditionals[position].double().mean(dim=0).cpu().numpy()
        return np.concatenate([np.zeros(int(self.net.layout.lower[position])), p])

    def pair(self, first: int, second: int) -> Array:
        """The joint law of the values at two positions, the earlier one first: [cap, cap]."""
        table = self.values.new_zeros(self.net.caps[first], self.net.caps[second], dtype=torch.float64)
        table.index_add_(0, self.values[:, first], self.conditionals[second].double())
        return np.asarray((table / len(self.values)).cpu().numpy(), dtype=np.float64)


def averaged_marginals(net: Autoregressive, contexts: Tensor, which: NDArray[np.int64], values: Tensor) -> list[Array]:
    """The laws of the values at all positions, from draws `values` [n, D] at `contexts[which]`: D of [cap_i]."""
    sums = [np.zeros(cap) for cap in net.caps]
    with torch.no_grad():
        for some in torch.split(torch.arange(len(values)), BLOCK):
            prompts = contexts[torch.from_numpy(which[some.numpy()]).to(contexts.device)]
            for i, c in enumerate(net.log_conditionals(prompts, values[some])):
                sums[i] += c.exp().double().sum(dim=0).cpu().numpy()
    return [total / len(values) for total in sums]
