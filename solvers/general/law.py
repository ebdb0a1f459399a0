"""The law of one count given those before it: two laws of Katz's family and corrections, as logits.

Katz's family, p(k) / p(k - 1) = (mean + (k - 1) (spread - 1)) / (spread k), holds the binomial, Poisson and negative
binomial laws, where the variance is `spread` < 1, = 1, > 1 times the mean (L. Katz, in: G. P. Patil (ed.), Classical
and Contagious Discrete Distributions, 1965, p. 175).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SHARE = 0.02
"""A conditional mean is at least this share of the mean: regressions know no sign."""

BEND = 1e-4
"""Beyond the last value of a binomial law its ratios of neighbours go on at this share of a Poisson law's."""

LAWS = 2
"""Laws of the family in the mixture."""

NEAR = 64
"""Counts with a correction of their own."""

KNOTS, LOW, HIGH = 25, -4.0, 8.0
"""Knots of the correction by distance from the mean, in standard deviations."""

OUTPUTS = 3 * LAWS + NEAR + KNOTS
"""Numbers that a law takes from the net."""


class CountLaw(nn.Module):
    """Logits from the net's outputs and the moments."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.0, -3.0]))
        self.moves = nn.Parameter(torch.tensor([[0.0, 0.0], [0.3, 0.5]]))

    def forward(self, out: Tensor, mean: Tensor, whole: Tensor, spread: Tensor, cap: int) -> Tensor:
        """Logits [B, cap] from outputs [B, .], the conditional mean, the mean without condition, the spread: [B]."""
        moves, weights, near, far = torch.split(out, [2 * LAWS, LAWS, NEAR, KNOTS], dim=1)
        k = torch.arange(1, cap, device=out.device, dtype=out.dtype)
        moves = moves.reshape(-1, LAWS, 2) + self.moves
        base = torch.maximum(mean, SHARE * whole).clamp(min=1e-6)
        means = base[:, None] * torch.exp(moves[..., 0].clamp(-4, 4))
        spreads = (spread.clamp(0.02, 50.0)[:, None] * torch.exp(moves[..., 1].clamp(-4, 4)))[..., None]
        ratio = means[..., None] + (k - 1) * (spreads - 1)
        ratio = torch.maximum(ratio, BEND * means[..., None] * spreads) / (spreads * k)
        logs = _nothing(means, spreads[..., 0])[..., None] + functional.pad(torch.log(ratio).cumsum(dim=-1), (1, 0))
        laws = logs + torch.log_softmax(weights + self.weights, dim=-1)[..., None]
        mixed = torch.logsumexp(laws, dim=1)
        return mixed + functional.pad(near, (0, max(0, cap - NEAR)))[:, :cap] + _spline(far, base, spread, cap)


def _nothing(mean: Tensor, spread: Tensor) -> Tensor:
    """The log-probability of 0 in Katz's family: -mean log(spread) / (spread - 1)."""
    more = spread - 1
    near = more.abs() < 1e-2
    safe = torch.where(near, 1.0, more)
    return -mean * torch.where(near, 1 - more / 2 + more**2 / 3, torch.log1p(safe) / safe)


def _spline(heights: Tensor, mean: Tensor, spread: Tensor, cap: int) -> Tensor:
    """The piecewise linear function through `heights` [B, KNOTS] at distances of the counts from the mean: [B, cap]."""
    k = torch.arange(cap, device=heights.device, dtype=heights.dtype)
    z = (k - mean[:, None]) / torch.sqrt(mean * spread + 0.25)[:, None]
    place = ((z - LOW) / (HIGH - LOW) * (KNOTS - 1)).clamp(0, KNOTS - 1.001)
    left = place.long()
    part = place - left
    return heights.gather(1, left) * (1 - part) + heights.gather(1, left + 1) * part
