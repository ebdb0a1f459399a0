"""The nets of MET: a prompt is encoded, then the counts are predicted species by species.

Two decoders with one face. `Film`: the sum of the embedded counts so far passes residual blocks
that the prompt scales and shifts (E. Perez et al., AAAI 2018, doi:10.1609/aaai.v32i1.11671).
`Attention`: a transformer decoder that attends to one prompt token a rate, initial count and time
(Y. Liu, J. Wang, PNAS 121 (2024) e2317422121).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinetix.prompt import PromptEncoding

from .autoregressive import Autoregressive
from .layout import Layout
from .mean_anchor import MeanAnchored
from .spline_head import SplineHead

CATEGORICAL = 512
"""Most values of a species that get a logit each; above, logits are splines of the count."""


@dataclass(frozen=True)
class Shape:
    """The size of a net: `decoder` kind, `width` of its vectors, `layers`, `heads` of attention."""

    decoder: Literal["film", "attention"] = "film"
    width: int = 128
    layers: int = 3
    heads: int = 4


def make_net(shape: Shape, layout: Layout, encoding: PromptEncoding) -> Autoregressive:
    """The net of a shape for a layout and prompts, anchored to the means that these may tell."""
    net = DECODERS[shape.decoder](shape, layout, encoding.groups)
    return net if encoding.moments is None else MeanAnchored(net, encoding.moments.largest)


class CountEmbedding(nn.Module):
    """A count as a vector: learned, plus a linear map of n/N, sqrt(n/N) and log(1 + n)."""

    def __init__(self, cap: int, width: int) -> None:
        super().__init__()
        n = np.arange(cap) / max(cap - 1, 1)
        smooth = np.stack([n, np.sqrt(n), np.log1p(np.arange(cap)) / np.log(cap + 1)], axis=-1)
        self.register_buffer("smooth", torch.from_numpy(smooth.astype(np.float32)), persistent=False)
        self.smooth: Tensor
        self.table = nn.Parameter(0.1 * torch.randn(cap, width))
        self.linear = nn.Linear(3, width)

    def forward(self, values: Tensor) -> Tensor:
        """[...] -> [..., width]."""
        return functional.embedding(values, self.table + self.linear(self.smooth))


class CategoricalHead(nn.Module):
    """One logit a value."""

    def __init__(self, width: int, cap: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, cap)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., width] -> [..., cap]."""
        return torch.as_tensor(self.linear(hidden))


def make_head(width: int, cap: int) -> nn.Module:
    """The output layer of a position with `cap` values."""
    return CategoricalHead(width, cap) if cap <= CATEGORICAL else SplineHead(width, cap)


class _FilmState(NamedTuple):
    film: Tensor
    total: Tensor


class Film(Autoregressive):
    """Residual blocks over the sum of embedded counts, modulated by the prompt."""

    def __init__(self, shape: Shape, layout: Layout, groups: Sequence[tuple[int, int]]) -> None:
        super().__init__(layout)
        width, layers = shape.width, shape.layers
        self.prompt = nn.Sequential(
            nn.Linear(groups[-1][1], width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
        )
        self.film = nn.Linear(width, (2 * layers + 1) * width)
        self.embeddings = nn.ModuleList(CountEmbedding(cap, width) for cap in self.caps[:-1])
        self.positions = nn.Parameter(0.5 * torch.randn(len(self.caps), width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers + 1))
        self.inward = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.outward = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.heads = nn.ModuleList(make_head(width, cap) for cap in self.caps)

    def logits(self, context: Tensor, values: Tensor) -> list[Tensor]:
        """Teacher-forced raw logits; see `Autoregressive.logits`."""
        film = self._film(context)[:, None]  # one prompt, n states
        zero = self.positions.new_zeros(*values.shape[:2], self.positions.shape[1])
        total, result = zero, []
        for i, head in zip(range(values.shape[-1]), self.heads, strict=False):
            if i:
                total = total + self.embeddings[i - 1](values[..., i - 1])
            result.append(head(self._blocks(film, total, i)))
        return result

    def begin(self, context: Tensor) -> _FilmState:
        """The modulation and an empty sum."""
        return _FilmState(self._film(context), self.positions.new_zeros(len(context), self.positions.shape[1]))

    def advance(self, state: _FilmState, position: int, previous: Tensor | None) -> tuple[Tensor, _FilmState]:
        """Add the last count to the sum and predict the next."""
        if previous is not None:
            state = state._replace(total=state.total + self.embeddings[position - 1](previous))
        return self.heads[position](self._blocks(state.film, state.total, position)), state

    def _film(self, context: Tensor) -> Tensor:
        flat: Tensor = self.film(self.prompt(context))
        return flat.reshape(*flat.shape[:-1], -1, self.positions.shape[1])

    def _blocks(self, film: Tensor, total: Tensor, position: int) -> Tensor:
        h = total + self.positions[position] + film[..., -1, :]
        for k, (norm, inward, outward) in enumerate(zip(self.norms, self.inward, self.outward, strict=False)):
            scale, shift = film[..., 2 * k, :], film[..., 2 * k + 1, :]
            h = h + outward(functional.silu(inward(norm(h)) * (1 + scale) + shift))
        return torch.as_tensor(self.norms[-1](h))


class _Block(nn.Module):
    """Pre-norm attention: over own tokens, over the prompt if there is one, then an MLP."""

    def __init__(self, width: int, heads: int, *, crossed: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if crossed else 2))
        self.own = nn.Linear(width, 3 * width)
        self.own_out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        if crossed:
            self.query, self.memory, self.out = (nn.Linear(width, n * width) for n in (1, 2, 1))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False) -> Tensor:
        q, k, v = (t.reshape(*t.shape[:2], self.heads, -1).transpose(1, 2) for t in (q, k, v))
        mixed: Tensor = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return mixed.transpose(1, 2).flatten(-2)

    def cross(self, h: Tensor, memory: tuple[Tensor, Tensor]) -> Tensor:
        crossed: Tensor = self.out(self.attend(self.query(self.norms[2](h)), *memory))
        return h + crossed

    def forward(self, h: Tensor, *, causal: bool) -> Tensor:
        h = h + self.own_out(self.attend(*self.own(self.norms[0](h)).chunk(3, dim=-1), causal=causal))
        return h if len(self.norms) == 3 else self.finish(h)

    def finish(self, h: Tensor) -> Tensor:
        changed: Tensor = self.mlp(self.norms[1](h))
        return h + changed


class _AttentionState(NamedTuple):
    memories: list[tuple[Tensor, Tensor]]
    cache: list[tuple[Tensor, Tensor]]


class Attention(Autoregressive):
    """A transformer decoder over the species with cross-attention to the prompt's tokens."""

    def __init__(self, shape: Shape, layout: Layout, groups: Sequence[tuple[int, int]]) -> None:
        super().__init__(layout)
        width = shape.width
        self.groups = tuple(groups)
        self.tokens = nn.ModuleList(
            nn.Sequential(nn.Linear(b - a, width), nn.SiLU(), nn.Linear(width, width)) for a, b in groups
        )
        self.encoder = nn.ModuleList(_Block(width, shape.heads, crossed=False) for _ in range(shape.layers))
        self.embeddings = nn.ModuleList(CountEmbedding(cap, width) for cap in self.caps[:-1])
        self.positions = nn.Parameter(0.5 * torch.randn(len(self.caps), width))
        self.decoder = nn.ModuleList(_Block(width, shape.heads, crossed=True) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleList(make_head(width, cap) for cap in self.caps)

    def logits(self, context: Tensor, values: Tensor) -> list[Tensor]:
        """Teacher-forced raw logits; see `Autoregressive.logits`."""
        batch, states, positions = values.shape
        h = self.positions[:positions].expand(batch * states, positions, -1)
        if positions > 1:
            embedders = zip(range(positions - 1), self.embeddings, strict=False)
            embedded = [e(values[..., i].flatten()) for i, e in embedders]
            h = torch.cat([h[:, :1], h[:, 1:] + torch.stack(embedded, dim=1)], dim=1)
        for block, memory in zip(self._decoder, self._memories(context), strict=True):
            h = block(h, causal=True)
            h = block.cross(h.reshape(batch, states * positions, -1), memory).reshape(h.shape)
            h = block.finish(h)
        h = self.norm(h).reshape(batch, states, positions, -1)
        return [head(h[:, :, i]) for i, head in zip(range(positions), self.heads, strict=False)]

    def begin(self, context: Tensor) -> _AttentionState:
        """Keys and values of the prompt, and an empty cache."""
        empty = self.positions.new_zeros(len(context), 0, self.positions.shape[1])
        return _AttentionState(self._memories(context), [(empty, empty)] * len(self.decoder))

    def advance(self, state: _AttentionState, position: int, previous: Tensor | None) -> tuple[Tensor, _AttentionState]:
        """Attend from one new position to the cached ones."""
        h = self.positions[position].expand(len(state.memories[0][0]), 1, -1)
        if previous is not None:
            h = h + self.embeddings[position - 1](previous)[:, None]
        cache = []
        for block, memory, (keys, values) in zip(self._decoder, state.memories, state.cache, strict=True):
            q, k, v = block.own(block.norms[0](h)).chunk(3, dim=-1)
            k, v = torch.cat([keys, k], dim=1), torch.cat([values, v], dim=1)
            cache.append((k, v))
            h = block.finish(block.cross(h + block.own_out(block.attend(q, k, v)), memory))
        return self.heads[position](self.norm(h)[:, 0]), state._replace(cache=cache)

    def _memories(self, context: Tensor) -> list[tuple[Tensor, Tensor]]:
        tokens = [f(context[:, a:b]) for f, (a, b) in zip(self.tokens, self.groups, strict=True)]
        h = torch.stack(tokens, dim=1)
        for block in self.encoder:
            h = block(h, causal=False)
        both = [block.memory(h).chunk(2, dim=-1) for block in self._decoder]
        return [(keys, values) for keys, values in both]

    @property
    def _decoder(self) -> list[_Block]:
        return [cast("_Block", block) for block in self.decoder]


DECODERS: Mapping[str, type[Film | Attention]] = {"film": Film, "attention": Attention}
"""The decoders by their names in `Shape`."""
