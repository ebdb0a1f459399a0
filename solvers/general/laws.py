"""What the laws of a batch are expected to be at given means and covariances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .family import SPECIES, Batch


class Laws(NamedTuple):
    """A batch as tensors: one-hot `first` and `second` reactants [N, R, S + 1], `same` [N, R], `rates`, `change`."""

    first: Tensor
    second: Tensor
    same: Tensor
    rates: Tensor
    change: Tensor

    @classmethod
    def of(cls, batch: Batch) -> Laws:
        """The tensors, float64."""
        reactants = torch.from_numpy(batch.reactants)
        first, second = (torch.nn.functional.one_hot(reactants[..., k], SPECIES + 1).double() for k in (0, 1))
        same = (reactants[..., 0] == reactants[..., 1]) & (reactants[..., 0] < SPECIES)
        rest = (same.double(), torch.from_numpy(batch.rates), torch.from_numpy(batch.change).double())
        return cls(first, second, *rest)

    def __call__(self, means: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """The expected laws [N, R] at means [N, S] and covariances [N, S, S], and their slopes [N, R, S].

        Of a law without spread (all covariances 0) that of the rate equations.
        """
        ones = torch.nn.functional.pad(means, (0, 1), value=1.0)
        one, two = ((hot * ones[:, None]).sum(dim=-1) for hot in (self.first, self.second))
        wide = torch.nn.functional.pad(spread, (0, 1, 0, 1))
        joint = ((self.first @ wide) * self.second).sum(dim=-1)
        noisy = (spread.diagonal(dim1=1, dim2=2).sum(dim=-1) > 0).double()[:, None]
        less = self.same * noisy
        expected = self.rates * (one * two + joint - less * one)
        slopes = self.rates[..., None] * ((two - less)[..., None] * self.first + one[..., None] * self.second)
        return expected.clamp(min=0.0), slopes[..., :SPECIES]
