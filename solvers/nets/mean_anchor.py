"""A net that starts from what the exact means say, and learns the rest.

To the logits of every position the Poisson law of that species' exact mean is added (the Bernoulli law where
the species is there or not), times a factor that is learned and starts at 1. Where species are independent
Poisson variables (first-order networks without catalysis from an empty start: T. Jahnke, W. Huisinga, J. Math.
Biol. 54 (2007) 1, doi:10.1007/s00285-006-0034-x) nothing is left to learn; elsewhere the net learns a correction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .autoregressive import Autoregressive
from .first_order import LEAST

TINY = 1e-9
"""Means are kept this far from what would make a logit infinite."""


class MeanAnchored(Autoregressive):
    """`inner` with the laws of the means, which the last columns of the context hold (`first_order.MeanFeatures`)."""

    def __init__(self, inner: Autoregressive, largest: NDArray[np.float64]) -> None:
        super().__init__(inner.layout)
        self.inner = inner
        self.factors = nn.Parameter(torch.ones(len(self.caps)))
        scale = torch.from_numpy(np.log(largest / LEAST + 1).astype(np.float32))
        self.register_buffer("scale", scale[list(self.layout.species)], persistent=False)
        self.scale: Tensor
        self._columns = [2 * (s - len(largest)) for s in self.layout.species]  # from the end
        self._damp()

    def _damp(self) -> None:
        """Let the inner net begin small: the anchor is better than its first guess."""
        with torch.no_grad():
            for name, weight in self.inner.named_parameters():
                if name.startswith("heads."):
                    weight.mul_(0.1)

    def logits(self, context: Tensor, values: Tensor) -> list[Tensor]:
        """Teacher-forced raw logits; see `Autoregressive.logits`."""
        found = self.inner.logits(context, values)
        return [raw + self._anchor(context, i)[:, None] for i, raw in enumerate(found)]

    def begin(self, context: Tensor) -> tuple[Any, Tensor]:
        """The inner net's state, and the context."""
        return self.inner.begin(context), context

    def advance(
        self, state: tuple[Any, Tensor], position: int, previous: Tensor | None
    ) -> tuple[Tensor, tuple[Any, Tensor]]:
        """The inner net's logits and the anchor's."""
        raw, following = self.inner.advance(state[0], position, previous)
        return raw + self._anchor(state[1], position), (following, state[1])

    def _anchor(self, context: Tensor, position: int) -> Tensor:
        """Log-probabilities up to a constant: [B, C] -> [B, cap]."""
        share = (context[:, self._columns[position]] + 1) / 2
        mean = LEAST * torch.expm1(share * self.scale[position]).clamp(min=TINY / LEAST)
        k = torch.arange(self.caps[position], device=context.device, dtype=context.dtype)
        if len(k) == 2:
            log_odds = torch.log(mean) - torch.log((1 - mean).clamp(min=TINY))
            return self.factors[position] * k * log_odds[:, None]
        return self.factors[position] * (k * torch.log(mean)[:, None] - torch.lgamma(k + 1))
