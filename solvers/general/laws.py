"""What the laws of a batch are expected to be at given means and covariances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .family import SPECIES, Batch
from .moment_kernel import NEAREST


class Laws(NamedTuple):
    """A batch as tensors: one-hot `first` and `second` reactants and `regulators` [N, R, S + 1]; the rest [N, R].

    `change` [N, R, S] is that of the batch; `same` says where both reactants are one species.
    """

    first: Tensor
    second: Tensor
    same: Tensor
    rates: Tensor
    change: Tensor
    regulators: Tensor
    halves: Tensor
    powers: Tensor

    @classmethod
    def of(cls, batch: Batch) -> Laws:
        """The tensors, float64."""
        reactants = torch.from_numpy(batch.reactants)
        first, second = (_one_hot(reactants[..., k]) for k in (0, 1))
        same = (reactants[..., 0] == reactants[..., 1]) & (reactants[..., 0] < SPECIES)
        rest = (same.double(), torch.from_numpy(batch.rates), torch.from_numpy(batch.change).double())
        saturating = torch.from_numpy(batch.halves), torch.from_numpy(batch.powers)
        return cls(first, second, *rest, _one_hot(torch.from_numpy(batch.regulators)), *saturating)

    def __call__(self, means: Tensor, spread: Tensor) -> Tensor:
        """The expected laws [N, R] at means [N, S] and covariances [N, S, S].

        Of a law without spread (all covariances 0) that of the rate equations.
        """
        ones = torch.nn.functional.pad(means, (0, 1), value=1.0)
        one, two = ((hot * ones[:, None]).sum(dim=-1) for hot in (self.first, self.second))
        wide = torch.nn.functional.pad(spread, (0, 1, 0, 1))
        reaching = self.first @ wide
        joint = (reaching * self.second).sum(dim=-1)
        noisy = (spread.diagonal(dim1=1, dim2=2).sum(dim=-1) > 0).double()[:, None]
        less = self.same * noisy
        expected = one * two + joint - less * one
        if self.powers.any():
            factor, slope = self.saturated(means, spread)
            moved = (two - less) * (reaching * self.regulators).sum(dim=-1)
            moved = moved + one * ((self.second @ wide) * self.regulators).sum(dim=-1)
            expected = expected * factor + moved * slope
        return (self.rates * expected).clamp(min=0.0)

    def saturated(self, means: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """The means of the saturating factors and of their slopes [N, R], 1 and 0 of none; see `moment_kernel`."""
        regulators = self.regulators[..., :SPECIES]
        m = (regulators * means[:, None]).sum(dim=-1)
        v = (regulators * spread.diagonal(dim1=1, dim2=2)[:, None]).sum(dim=-1)
        near, steady = m.clamp(min=NEAREST), (v < NEAREST * m) | (m < NEAREST)
        q = torch.where(steady, 1.0, v) / near
        root = torch.sqrt(torch.where(steady, 1.0, v) + q * q)
        points = torch.stack([near, (near + q - root).clamp(min=NEAREST), near + q + root])
        at, below, above = 1.0 / (1.0 + (self.halves / points) ** self.powers)
        slope = torch.where(steady, self.powers / near * at * (1.0 - at), (above - below) / (2 * root))
        weight = 0.5 * (1.0 + q / root)
        value = torch.where(steady, at, weight * below + (1.0 - weight) * above)
        rising = (m < NEAREST) & (self.powers > 0)
        value = torch.where(rising, at * m / NEAREST, value)
        slope = torch.where(rising, at / NEAREST, torch.where(m < NEAREST, 0.0, slope))
        real = self.powers != 0
        return torch.where(real, value, 1.0), torch.where(real, slope, 0.0)


def _one_hot(species: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(species, SPECIES + 1).double()
