"""A batch of problems as what the general net reads: features of reactions, species and pairs, in one row each.

Species stand in an order of their own: bounded ones first, then by their mean, so that neither the order of a model's
species nor that of its reactions is seen (reactions are summed over).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .family import REACTIONS, SPECIES, Batch
from .lattice import Lattice
from .laws import Laws
from .moments import moments
from .totals import MOST, totals

Integers = NDArray[np.int64]

OF_REACTION, OF_EDGE, OF_SPECIES = 12, 11, 15
"""Features. What only saturating laws have stands last."""

FAINT = 1e-6
"""Added to means that covariances are divided by."""


class Prompt(NamedTuple):
    """Features of N problems.

    `reactions` [N, R, .], `edges` [N, S, R, .], `species` [N, S, .]; `means` [N, S]; `fano` [N, S, S], covariances
    divided by the roots of both means; `weights` [N, L, S] and `sums` [N, L] of what never grows; `starts` [N, S] and
    the lattice about them (see `Lattice`), its `basis` [N, S, S] and the `least` counts [N, S].
    """

    reactions: Tensor
    edges: Tensor
    species: Tensor
    means: Tensor
    fano: Tensor
    weights: Tensor
    sums: Tensor
    starts: Tensor
    basis: Tensor
    least: Tensor


@dataclass(frozen=True)
class Extent:
    """How many `species` and `reactions` a row tells of: padding behind them may be left out, and changes nothing."""

    species: int = SPECIES
    reactions: int = REACTIONS

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the parts of a prompt, without N."""
        species, reactions = self.species, self.reactions
        edges = species, reactions, OF_EDGE
        of_species = (species, OF_SPECIES), (species,), (species, species)
        of_lattice = (species,), (species, species), (species,)
        return (reactions, OF_REACTION), edges, *of_species, (MOST, species), (MOST,), *of_lattice

    @property
    def size(self) -> int:
        """Numbers of a row."""
        return sum(math.prod(shape) for shape in self.shapes)


WHOLE = Extent()
SIZE = WHOLE.size
"""Numbers of a prompt."""


def read(context: Tensor, extent: Extent = WHOLE) -> Prompt:
    """The features from the rows that `rows` has made: [N, extent.size]."""
    shapes = extent.shapes
    parts = torch.split(context, [math.prod(shape) for shape in shapes], dim=1)
    return Prompt(*(part.reshape(len(part), *shape) for part, shape in zip(parts, shapes, strict=True)))


def rows(prompt: Prompt, extent: Extent = WHOLE) -> Tensor:
    """The features as rows, without the padding beyond an extent: [N, extent.size]."""
    species, reactions = extent.species, extent.reactions
    parts = (
        prompt.reactions[:, :reactions],
        prompt.edges[:, :species, :reactions],
        prompt.species[:, :species],
        prompt.means[:, :species],
        prompt.fano[:, :species, :species],
        prompt.weights[..., :species],
        prompt.sums,
        prompt.starts[:, :species],
        prompt.basis[:, :species, :species],
        prompt.least[:, :species],
    )
    return torch.cat([part.flatten(1) for part in parts], dim=1)


@dataclass(frozen=True, eq=False)
class Prompted:
    """Problems in the net's own order of species: `order` [N, S] has old positions; `prompt` in float64."""

    batch: Batch
    order: Integers
    prompt: Prompt
    closed: Tensor

    @property
    def context(self) -> Tensor:
        """The prompts as rows for the net: [N, SIZE] float32."""
        return rows(self.prompt).float()

    @classmethod
    def of(cls, batch: Batch, order: Integers | None = None, *, shares: NDArray[np.float64] | None = None) -> Prompted:
        """The prompts of a batch, species in the `order` [N, S] or in one found for every problem.

        With `shares` [N] the problems, starts of one network, share the order of their mean law.
        """
        found, kept = moments(batch), totals(batch)
        if shares is not None:
            most = np.where((kept.bounds < 0).any(axis=0), -1, kept.bounds.max(axis=0))
            order = np.tile(order_of(batch[:1], (shares @ found.means.numpy())[None], most[None]), (len(batch), 1))
        elif order is None:
            order = order_of(batch, found.means.numpy(), kept.bounds)
        turned = batch.reordered(order)
        which, places = torch.arange(len(batch))[:, None], torch.from_numpy(order)
        means, spread = (
            found.means[which, places],
            found.covariances[which[..., None], places[:, :, None], places[:, None]],
        )
        weights = np.take_along_axis(kept.weights, order[:, None], axis=2)
        bounds = np.take_along_axis(kept.bounds, order, axis=1)
        root = torch.sqrt(means + FAINT)
        laws, lattice = Laws.of(turned), Lattice.of(turned)
        prompt = Prompt(
            _reactions(turned, laws, means, spread),
            _edges(turned, laws, means, spread),
            _species(turned, means, spread, torch.from_numpy(bounds), lattice),
            means,
            spread / (root[:, :, None] * root[:, None]),
            torch.from_numpy(weights).double(),
            torch.from_numpy(kept.sums).double(),
            torch.from_numpy(turned.starts).double(),
            torch.from_numpy(lattice.basis).double(),
            torch.from_numpy(lattice.least).double(),
        )
        return cls(turned, order, prompt, found.closed)


def order_of(batch: Batch, means: NDArray[np.float64], bounds: Integers) -> Integers:
    """Old positions in the net's order: padding last."""
    padded = np.arange(SPECIES) >= batch.species[:, None]
    bound = np.where(bounds < 0, np.iinfo(np.int64).max, bounds)
    return np.lexsort((batch.starts, means, bound, padded), axis=1)


def _reactions(batch: Batch, laws: Laws, means: Tensor, spread: Tensor) -> Tensor:
    real = torch.from_numpy(batch.rates > 0)
    begin = laws(torch.from_numpy(batch.starts).double(), torch.zeros_like(spread))
    end = laws(means, spread)
    one, two = (torch.from_numpy(batch.reactants[..., k] < SPECIES) for k in (0, 1))
    same = laws.same > 0
    rates = torch.where(real, torch.log(laws.rates.clamp(min=1e-12)), 0.0)
    columns = [real, rates / 4, torch.log1p(begin) / 4, torch.log1p(end) / 4]
    columns += [~one & real, one & ~two, two & ~same, same]
    power = laws.powers
    halves = torch.where(power != 0, torch.log1p(laws.halves) / 3, 0.0)
    columns += [power > 0, power < 0, torch.tanh(power.abs() / 4), halves]
    return torch.stack([c.double() for c in columns], dim=-1)


def _edges(batch: Batch, laws: Laws, means: Tensor, spread: Tensor) -> Tensor:
    change = laws.change.transpose(1, 2)  # [N, S, R]
    order = (laws.first + laws.second)[..., :SPECIES].transpose(1, 2)
    share = change * laws(means, spread)[:, None] / (means[..., None] + 1)
    powers = laws.regulators[..., :SPECIES].transpose(1, 2) * laws.powers[:, None]
    begun, ended = _saturated(batch, laws, means, spread)
    columns = [order == 1, order == 2, change > 0, change < 0, change / 4, torch.log1p(change.abs()), torch.tanh(share)]
    columns += [powers > 0, powers < 0, (powers != 0) * begun[:, None], (powers != 0) * ended[:, None]]
    real = torch.from_numpy(batch.rates > 0)[:, None]
    return torch.stack([c.double() * real for c in columns], dim=-1)


def _saturated(batch: Batch, laws: Laws, means: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """The saturating factors at the start and at the end: [N, R] each."""
    if not batch.powers.any():
        return torch.ones_like(laws.powers), torch.ones_like(laws.powers)
    starts = torch.from_numpy(batch.starts).double()
    return laws.saturated(starts, torch.zeros_like(spread))[0], laws.saturated(means, spread)[0]


def _species(batch: Batch, means: Tensor, spread: Tensor, bounds: Tensor, lattice: Lattice) -> Tensor:
    starts = torch.from_numpy(batch.starts).double()
    real = torch.arange(SPECIES) < torch.from_numpy(batch.species)[:, None]
    variance = spread.diagonal(dim1=1, dim2=2).clamp(min=0.0)
    fano = variance / (means + FAINT)
    steps = torch.from_numpy(np.diagonal(lattice.basis, axis1=1, axis2=2).copy())
    rises = torch.from_numpy(lattice.least == batch.starts) & (starts > 0)
    columns = [
        real, torch.log1p(starts) / 3, starts == 0, starts == 1, starts == 2, torch.log1p(means) / 3,
        torch.log(means + 1e-3) / 5, torch.log(fano + 0.03) / 2, torch.sqrt(variance) / (torch.sqrt(means) + 1),
        bounds >= 0, torch.log1p(bounds.clamp(min=0)) / 3, torch.tanh((means - starts) / torch.sqrt(variance + 1)),
        steps == 0, steps > 1, rises,
    ]  # fmt: skip
    return torch.stack([c.double() * real for c in columns], dim=-1)
