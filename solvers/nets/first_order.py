"""The exact means of a first-order network, told to a net in its prompt.

Where every law is linear in the counts, the means obey a linear equation, d<n>/dt = A(theta) <n> + b(theta),
whatever the law (D. T. Gillespie, Physica A 188 (1992) 404, doi:10.1016/0378-4371(92)90283-V). One matrix
exponential gives them, differentiable in rates and starts; the net then need not learn to integrate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.compiler import CompiledModel
from kinetix.expressions import TIME, symbol

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

LEAST = 1e-3
"""A mean below this is told apart from 0 no more."""

TINY = 1e-9
"""Added under a root, so that its slope is finite where a mean is 0."""

BLOCK = 4096
"""Matrices exponentiated at once."""


@dataclass(frozen=True, eq=False)
class FirstOrderMeans:
    """The means of a model whose laws are linear in the counts."""

    model: CompiledModel

    @classmethod
    def of(cls, model: CompiledModel) -> FirstOrderMeans | None:
        """None where a law is not linear in the counts, or reads the time."""
        species = [symbol(name) for name in model.network.species_names]
        return cls(model) if all(_is_linear(law, species) for law in model.network.propensities) else None

    def __call__(self, thetas: Tensor, starts: Tensor, times: Tensor) -> Tensor:
        """The means: [N, P], [N, S], [N] float64 -> [N, S]."""
        blocks = [slice(k, k + BLOCK) for k in range(0, max(len(thetas), 1), BLOCK)]
        return torch.cat([self._block(thetas[some], starts[some], times[some]) for some in blocks])

    def largest(self, thetas: Array, starts: Counts, times: Array) -> Array:
        """The largest means of problems [B, P], [B, S] at any of the times [T], `LEAST` at least: [S]."""
        every = [np.repeat(v, len(times), axis=0).astype(np.float64) for v in (thetas, starts)]
        found = self(*(torch.from_numpy(v) for v in (*every, np.tile(times, len(thetas)))))
        return np.asarray(np.maximum(found.amax(dim=0).numpy(), LEAST))

    def _block(self, thetas: Tensor, starts: Tensor, times: Tensor) -> Tensor:
        species = starts.shape[1]
        probes = torch.cat([torch.zeros(1, species), torch.eye(species)]).to(thetas)
        laws = self.model.torch_propensities(probes, thetas[:, None])  # [N, 1 + S, R]
        slopes = torch.cat([laws[:, 1:] - laws[:, :1], laws[:, :1]], dim=1)
        change = torch.from_numpy(self.model.change.astype(np.float64)).to(thetas)  # [R, S]
        drift = (slopes @ change).transpose(1, 2)  # [N, S, S + 1]: A beside b
        generator = torch.cat([drift, torch.zeros_like(drift[:, :1])], dim=1)
        moved = torch.linalg.matrix_exp(generator * times[:, None, None])
        ends = torch.cat([starts, torch.ones_like(starts[:, :1])], dim=1)[..., None]
        means: Tensor = (moved @ ends)[:, :species, 0]
        return means


def _is_linear(law: sympy.Expr, species: Sequence[sympy.Symbol]) -> bool:
    if law.has(TIME):
        return False
    slopes = [sympy.diff(law, s) for s in species if s in law.free_symbols]
    return not any(slope.has(sympy.Derivative) or slope.free_symbols & set(species) for slope in slopes)


@dataclass(frozen=True, eq=False)
class MeanFeatures:
    """Two features of every species' mean: its logarithm and its square root, each scaled by the largest in the box."""

    means: FirstOrderMeans
    parameters: tuple[int, ...]
    species: tuple[int, ...]
    largest: Array

    def columns(self, varied: Sequence[Any], times: Any) -> list[Tensor]:
        """Columns, species by species, from the V + W varied quantities and the times, each [...]."""
        model = self.means.model
        given = [torch.as_tensor(v, dtype=torch.float64) for v in (*varied, times)]
        whole = np.broadcast_shapes(*(g.shape for g in given))
        given = [g.expand(whole) for g in given]
        flat, shape = [g.reshape(-1) for g in given], given[-1].shape
        thetas = _filled(model.theta, self.parameters, flat[: len(self.parameters)], flat[-1])
        starts = _filled(model.initial, self.species, flat[len(self.parameters) : -1], flat[-1])
        means = self.means(thetas, starts, flat[-1]).clamp(min=0.0)
        result = []
        for s, largest in enumerate(self.largest.tolist()):
            mean = means[:, s].reshape(shape)
            result += [
                2 * torch.log(mean / LEAST + 1) / np.log(largest / LEAST + 1) - 1,
                2 * (mean / largest + TINY) ** 0.5 - 1,
            ]
        return result


def _filled(own: NDArray[Any], places: Sequence[int], columns: Sequence[Tensor], like: Tensor) -> Tensor:
    """The model's own values with columns [N] in their places: [N, ...]."""
    every = [torch.full_like(like, float(value)) for value in own]
    for place, column in zip(places, columns, strict=True):
        every[place] = column
    return torch.stack(every, dim=-1)
