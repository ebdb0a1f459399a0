"""Nets that weigh and draw states species by species: P(n) = prod_i P(n_i | n_1 .. n_{i-1}).

The law is exactly normalised on its window, whatever the weights: every conditional is a softmax
over the admissible values of its species. D. Wu, L. Wang, P. Zhang, Phys. Rev. Lett. 122 (2019)
080602, doi:10.1103/PhysRevLett.122.080602 (variational autoregressive networks).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .layout import Layout

FLOOR = -1e4
"""The logit of a value that cannot be: its probability is exactly 0 in float32."""


class Autoregressive(nn.Module, ABC):
    """A law over the values of a layout, given a context.

    Shapes: context [B, C] (C may be 0), values [B, D] or [B, n, D] with n states a context.
    Subclasses state raw logits; masking, normalising, weighing and drawing are done here.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.caps: tuple[int, ...] = layout.caps
        offset, weights = layout.constraints  # small integers: kept outside the saved weights
        self.register_buffer("offset", torch.from_numpy(offset), persistent=False)
        self.register_buffer("slopes", torch.from_numpy(weights), persistent=False)
        self.offset: Tensor
        self.slopes: Tensor

    @property
    def device(self) -> torch.device:
        """Where the net is."""
        return self.offset.device

    # what a subclass states --------------------------------------------------------------------

    @abstractmethod
    def logits(self, context: Tensor, values: Tensor) -> list[Tensor]:
        """Teacher-forced raw logits: [B, C], [B, n, D] -> D tensors [B, n, cap_i]; position i reads values < i.

        Of values of the first L positions only, [B, n, L], the first L tensors.
        """

    @abstractmethod
    def begin(self, context: Tensor) -> Any:
        """The state (cache) before the first position: [B, C] -> anything `advance` understands."""

    @abstractmethod
    def advance(self, state: Any, position: int, previous: Tensor | None) -> tuple[Tensor, Any]:
        """Raw logits of `position` [B, cap] and the next state; `previous` [B] is the value before it."""

    # the law -----------------------------------------------------------------------------------

    def step(self, state: Any, position: int, previous: Tensor | None, values: Tensor) -> tuple[Tensor, Any]:
        """Log conditionals of `position` after the prefixes `values` [B, D] -> [B, cap], and the next state."""
        raw, following = self.advance(state, position, previous)
        return self._normalised(raw, position, values), following

    def log_conditionals(self, context: Tensor, counts: Tensor) -> list[Tensor]:
        """Log P(. | counts < i) of every position, normalised over the admissible values.

        [B, C], [B, D] -> D tensors [B, cap_i]; or [B, n, D] -> D tensors [B, n, cap_i]. Given the first L
        values only, the first L tensors.
        """
        values = counts if counts.ndim == 3 else counts[:, None]
        raw = self.logits(context, values)
        result = [self._normalised(logits, i, values) for i, logits in enumerate(raw)]
        return result if counts.ndim == 3 else [r[:, 0] for r in result]

    def log_prob(self, context: Tensor, counts: Tensor) -> Tensor:
        """Log P of states of the window: [B, C], [B, D] -> [B]; or [B, n, D] -> [B, n]."""
        conditionals = self.log_conditionals(context, counts)
        picked = [c.gather(-1, counts[..., i : i + 1])[..., 0] for i, c in enumerate(conditionals)]
        return torch.stack(picked).sum(dim=0)

    @torch.no_grad()
    def sample(self, context: Tensor, *, generator: torch.Generator) -> Tensor:
        """One draw a context, with cached state: [B, C] -> [B, D] int64."""
        state, previous = self.begin(context), None
        values = torch.zeros(len(context), len(self.caps), dtype=torch.int64, device=context.device)
        for i in range(len(self.caps)):
            raw, state = self.advance(state, i, previous)
            p = self._normalised(raw, i, values).exp()
            previous = torch.multinomial(p, 1, generator=generator)[:, 0]
            values[:, i] = previous
        return values

    @torch.no_grad()
    def tables(self, context: Tensor, *, rows: int = 4096) -> Tensor:
        """The whole law of every context, by enumeration: [B, C] -> [B, cap_1, ..., cap_D] probabilities.

        At most about `rows` prefixes are evaluated at once; the caller sees to it that the table fits.
        """
        *head, last = self.caps
        prefixes = torch.cartesian_prod(*(torch.arange(c) for c in (*head, 1))).reshape(-1, len(self.caps))
        result = torch.empty(len(context), len(prefixes), last)
        for block in _blocks(len(prefixes), rows):
            values = prefixes[block].to(context.device)
            for some in _blocks(len(context), max(1, rows // len(values))):
                part = context[some]
                conditionals = self.log_conditionals(part, values.expand(len(part), *values.shape))
                log_p = conditionals[-1]
                for i, c in enumerate(conditionals[:-1]):
                    log_p = log_p + c.gather(-1, values[:, i].expand(len(part), -1)[..., None])
                result[some, block] = log_p.exp().cpu()
        return result.reshape(len(context), *self.caps)

    # masks -------------------------------------------------------------------------------------

    def admissible(self, position: int, values: Tensor) -> Tensor | None:
        """Which values can stand at `position` after the prefix: [..., D] -> [..., cap], None for all."""
        reads = torch.from_numpy(np.nonzero(self.layout.constraints[1][:, position])[0])
        if not len(reads):
            return None
        offset, slopes = self.offset[reads], self.slopes[reads]
        top = torch.tensor(self.caps[position + 1 :], dtype=torch.int64, device=values.device) - 1
        best = offset + (slopes[:, position + 1 :].clamp(min=0) * top).sum(dim=-1)  # GPUs multiply no int64 matrices
        slack = best + (values[..., None, :position] * slopes[:, :position]).sum(dim=-1)
        own = torch.arange(self.caps[position], device=values.device)[:, None] * slopes[:, position]
        return (slack[..., None, :] + own >= 0).all(dim=-1)

    def _normalised(self, raw: Tensor, position: int, values: Tensor) -> Tensor:
        mask = self.admissible(position, values)
        if mask is not None:
            # a prefix that cannot be has no admissible value; it gets any law, since it has no weight itself
            raw = torch.where(mask | ~mask.any(dim=-1, keepdim=True), raw, FLOOR)
        return torch.log_softmax(raw, dim=-1)


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(k, min(k + size, n)) for k in range(0, n, size))
