"""A box's problems as an adapted net reads them: the moments, what the general net's encoder says, where in the box.

The species stand in one order for the whole box, where the prompt of a single problem would choose its own. A prompt
is integrated, not computed by torch: its derivatives are central differences. The encoder stays as it is, so that each
problem of a training is encoded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kinetix.prompt import PromptEncoding
from kinetix.solvers.nets.box import Box

from .net import Core
from .prompt import Extent, Prompt, Prompted, read, rows
from .structure import Structure

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

FAINTEST = 1e-6
"""A varied rate is at least this share of its largest, and a time at least this share of the last."""

STEP = 1e-3
"""Half the width of a difference, as a share of a rate or time. Wider ones more often span a point where the moments
jump, as those of an integration with steps of its own choice do now and then."""

BLOCK = 2048
"""Prompts made at once."""


@dataclass(frozen=True, eq=False)
class GeneralEncoding(PromptEncoding):
    """Problems of the plain box `domain`, whose network is taken apart in `structure`, as the `core` reads them.

    Its species stand in an `order` [SPECIES].
    """

    domain: Box = field(kw_only=True)
    structure: Structure = field(kw_only=True)
    order: tuple[int, ...] = field(kw_only=True)
    core: Core = field(kw_only=True)

    @classmethod
    def over(cls, domain: Box, structure: Structure, order: tuple[int, ...], core: Core) -> GeneralEncoding:
        """The encoding of a box."""
        plain = domain.encoding
        bounds = plain.parameters, plain.species, plain.low, plain.high, plain.times
        return cls(*bounds, domain=domain, structure=structure, order=order, core=core)

    @cached_property
    def parts(self) -> tuple[int, int, int]:
        """Columns that tell of the species alone (see `prompt`), of their vectors, of the place in the box."""
        species = self.extent.species
        return Extent(species, 0).size, species * self.core.size.width, self.domain.encoding.size

    @cached_property
    def extent(self) -> Extent:
        """The species and reactions that there are."""
        reactions, species = self.structure.change.shape
        return Extent(species, reactions)

    @property
    def size(self) -> int:
        """The number of features: C."""
        return sum(self.parts)

    def encode(self, thetas: ArrayLike, starts: ArrayLike, times: ArrayLike) -> Array:
        """Features of problems: theta [..., P], initial counts [..., S], time [...] -> [..., C]."""
        theta, start = np.asarray(thetas, dtype=np.float64), np.asarray(starts, dtype=np.float64)
        varied = [theta[..., i] for i in self.parameters] + [start[..., i] for i in self.species]
        shape = np.broadcast_shapes(np.shape(times), theta.shape[:-1], start.shape[:-1])  # also where nothing varies
        with torch.no_grad():
            return self._features(varied, np.broadcast_to(np.asarray(times, dtype=np.float64), shape).copy()).numpy()

    def columns(self, varied: Sequence[Any], times: Any, library: Any) -> list[Any]:
        """The C features, each [...], from the V + W varied quantities; `library` is numpy or torch."""
        return [c.numpy() if library is np else c for c in self._features(varied, times).unbind(dim=-1)]

    def _features(self, varied: Sequence[Any], times: Any) -> Tensor:
        """The C features [..., C], float64, from the V + W varied quantities."""
        given = [torch.as_tensor(v, dtype=torch.float64).cpu() for v in (*varied, times)]
        shape = np.broadcast_shapes(*(v.shape for v in given))
        given = [v.expand(shape) for v in given]
        rates, counts = given[: len(self.parameters)], given[len(self.parameters) : -1]
        smooth = torch.stack([*rates, given[-1]], dim=-1)
        whole = torch.stack(counts, dim=-1).detach().numpy() if counts else np.zeros((*shape, 0))
        told: Tensor = _Told.apply(smooth, whole, self)  # type: ignore[no-untyped-call]
        like = self.core.head.weight
        prompt = read(told.reshape(-1, told.shape[-1]), self.extent)
        vectors = self.core.encoded(Prompt(*(part.to(like) for part in prompt))).to(prompt.means)
        here = torch.stack(self.domain.encoding.columns(given[:-1], given[-1], torch), dim=-1)
        parts = (rows(prompt, Extent(self.extent.species, 0)), vectors.flatten(1), here.reshape(len(vectors), -1))
        return torch.cat(parts, dim=1).reshape(*shape, -1)

    def told(self, smooth: Array, counts: Array) -> Array:
        """Prompts, [N, .], from the varied rates and the time [N, V + 1] and the varied initial counts [N, W]."""
        thetas = np.tile(self.domain.theta, (len(smooth), 1))
        starts = np.tile(self.domain.start, (len(smooth), 1))
        thetas[:, list(self.parameters)] = smooth[:, :-1]
        starts[:, list(self.species)] = counts
        return self._rows(thetas, self.domain.completed(starts), smooth[:, -1])

    def slope(self, smooth: Array, counts: Array, along: Array) -> Array:
        """The derivative of `told` along a direction [N, V + 1] of rates and time: [N, .]."""
        with np.errstate(divide="ignore"):
            reach = np.where(along != 0, np.maximum(smooth, self._least) / np.abs(along), np.inf).min(axis=1)
        half = np.where(np.isfinite(reach), STEP * reach, 1.0)[:, None]
        up, down = (np.maximum(smooth, self._least) + sign * half * along for sign in (1.0, -1.0))
        return np.asarray((self.told(up, counts) - self.told(down, counts)) / (2 * half))

    @cached_property
    def _least(self) -> Array:
        """The least that varied rates and the time are taken for: [V + 1]."""
        return FAINTEST * np.append(self.high[: len(self.parameters)], self.times[1])

    def _rows(self, thetas: Array, starts: Integers, times: Array) -> Array:
        places = list(self.parameters)
        thetas, times = thetas.copy(), np.maximum(times, self._least[-1])
        thetas[:, places] = np.maximum(thetas[:, places], self._least[:-1])
        found = np.zeros((len(times), self.extent.size))
        for some in (slice(k, k + BLOCK) for k in range(0, len(times), BLOCK)):
            batch = self.structure.at(thetas[some], starts[some], times[some])
            order = np.tile(np.array(self.order, dtype=np.int64), (len(batch), 1))
            found[some] = rows(Prompted.of(batch, order).prompt, self.extent).numpy()
        return found


class _Told(torch.autograd.Function):
    """`GeneralEncoding.told` for torch, with derivatives in both modes."""

    @staticmethod
    def forward(ctx: Any, smooth: Tensor, counts: Array, encoding: GeneralEncoding) -> Tensor:
        ctx.save_for_backward(smooth)
        ctx.save_for_forward(smooth)
        ctx.counts, ctx.encoding = counts, encoding
        flat = _flat(smooth)
        return torch.from_numpy(encoding.told(flat, _counts(counts, flat))).reshape(*smooth.shape[:-1], -1).to(smooth)

    @staticmethod
    def jvp(ctx: Any, along: Tensor, *_: Any) -> Tensor:
        (smooth,) = ctx.saved_tensors
        flat = _flat(smooth)
        found = ctx.encoding.slope(flat, _counts(ctx.counts, flat), _flat(along))
        return torch.from_numpy(found).reshape(*smooth.shape[:-1], -1).to(smooth)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (smooth,) = ctx.saved_tensors
        flat, asked = _flat(smooth), _flat(gradient)
        found = np.zeros_like(flat)
        for k in range(flat.shape[1]):
            along = np.zeros_like(flat)
            along[:, k] = 1.0
            found[:, k] = (ctx.encoding.slope(flat, _counts(ctx.counts, flat), along) * asked).sum(axis=1)
        return torch.from_numpy(found).reshape(smooth.shape).to(smooth), None, None


def _flat(values: Tensor) -> Array:
    return values.detach().double().cpu().numpy().reshape(-1, values.shape[-1])


def _counts(counts: Array, flat: Array) -> Array:
    return counts.reshape(len(flat), counts.shape[-1])
