"""Approximate means and covariances of a whole batch of different networks: what the general model starts from.

Second-order moment closure: the equations of means and covariances with third cumulants left out (P. Whittle, J. R.
Stat. Soc. B 19 (1957) 268; C. A. Gomez-Uribe, G. C. Verghese, J. Chem. Phys. 126 (2007) 024109,
doi:10.1063/1.2408422), exact where every law is of first order. Where its answer is no covariance matrix, the linear
noise approximation stands in, whose means follow the rate equations. Both are integrated over `STEPS` growing steps
by a linearly implicit method of second order, ROS2 (J. G. Verwer et al., SIAM J. Sci. Comput. 20 (1999) 1456,
doi:10.1137/S1064827597326651), which keeps its order with any Jacobian and damps what is stiff.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from .family import SPECIES, Batch

STEPS, FIRST = 40, 1e-4
"""Steps, and the first one as a share of the time; the others grow in proportion to what has passed."""

BLOCK = 256
"""Problems that are integrated side by side."""

GAMMA = 1 - 0.5**0.5

LEAST = 1e-9
"""A mean is at least this."""

TOLERANCE = 1e-6
"""A covariance matrix may have eigenvalues as far below 0, as a share of the largest."""


class Moments(NamedTuple):
    """`means` [N, S], `covariances` [N, S, S] (0 in padding), `closed` [N]: whether the closure gave them."""

    means: Tensor
    covariances: Tensor
    closed: Tensor


class Laws(NamedTuple):
    """A batch as tensors: one-hot `first` and `second` reactants [N, R, S + 1], `same` [N, R], `rates`, `change`."""

    first: Tensor
    second: Tensor
    same: Tensor
    rates: Tensor
    change: Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device | str = "cpu") -> Laws:
        """The tensors, float64."""
        reactants = torch.from_numpy(batch.reactants)
        first, second = (torch.nn.functional.one_hot(reactants[..., k], SPECIES + 1).double() for k in (0, 1))
        same = (reactants[..., 0] == reactants[..., 1]) & (reactants[..., 0] < SPECIES)
        rest = (same.double(), torch.from_numpy(batch.rates), torch.from_numpy(batch.change).double())
        return cls(*(t.to(device) for t in (first, second, *rest)))

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


def moments(batch: Batch, device: torch.device | str = "cpu") -> Moments:
    """The moments at time 1 of every problem, float64; in no network are they NaN."""
    blocks = [_block(batch[k : k + BLOCK], device) for k in range(0, max(len(batch), 1), BLOCK)]
    return Moments(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))


def _block(batch: Batch, device: torch.device | str) -> Moments:
    laws = Laws.of(batch, device)
    starts = torch.from_numpy(batch.starts).double().to(device)
    with torch.no_grad():
        means, spread = _integrated(laws, starts, closed=True)
        good = _are_moments(means, spread)
        if not good.all():
            some = Laws(*(part[~good] for part in laws))
            means[~good], spread[~good] = _integrated(some, starts[~good], closed=False)
            bad = ~_are_moments(means, spread)
            means[bad], spread[bad] = starts[bad], torch.diag_embed(starts[bad])
    return Moments(means.clamp(min=LEAST), spread, good)


def _integrated(laws: Laws, starts: Tensor, *, closed: bool) -> tuple[Tensor, Tensor]:
    grown = FIRST ** (1 / (STEPS - 1))
    ends = [0.0, *(grown ** (STEPS - 1 - k) for k in range(STEPS))]
    eye = torch.eye(SPECIES, dtype=starts.dtype, device=starts.device)
    means, spread = starts, torch.zeros_like(eye).expand(len(starts), -1, -1)

    def slope(m: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        expected, slopes = laws(m, c if closed else torch.zeros_like(c))
        drift = laws.change.transpose(1, 2) @ slopes
        flow = drift @ c
        noise = laws.change.transpose(1, 2) @ (expected[..., None] * laws.change)
        return (expected[:, None] @ laws.change)[:, 0], flow + flow.transpose(1, 2) + noise, drift

    for before, after in itertools.pairwise(ends):
        h = after - before
        m1, c1, drift = slope(means, spread)
        back = torch.linalg.inv_ex(eye - GAMMA * h * drift)[0]
        k1, q1 = (back @ m1[..., None])[..., 0], back @ c1 @ back.transpose(1, 2)
        m2, c2, _ = slope(means + h * k1, spread + h * q1)
        k2 = (back @ (m2 - 2 * k1)[..., None])[..., 0]
        q2 = back @ (c2 - 2 * q1) @ back.transpose(1, 2)
        means, spread = means + h * (1.5 * k1 + 0.5 * k2), spread + h * (1.5 * q1 + 0.5 * q2)
    return means, spread


def _are_moments(means: Tensor, spread: Tensor) -> Tensor:
    """Finite, means not negative, covariances positive semidefinite: [N]."""
    finite = torch.isfinite(means).all(dim=-1) & torch.isfinite(spread).all(dim=-1).all(dim=-1)
    safe = torch.where(finite[:, None, None], spread, 0.0)
    values = torch.linalg.eigvalsh(safe)
    return finite & (means > -1e-6).all(dim=-1) & (values[:, 0] >= -TOLERANCE * values[:, -1].clamp(min=1.0))
