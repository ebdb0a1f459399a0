"""The output layer of a species with many values: logits that are smooth in the count.

The layer states logits at knots and a cubic spline carries them to every value. Laws of large
counts are no narrower than about the square root of the count, and so is the distance of the knots;
small counts have a knot each.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from torch import Tensor, nn

FINE, SPACING = 24, 0.6
"""Counts with a knot each; beyond, the distance of knots in square roots of the count."""


def knots(cap: int) -> NDArray[np.float64]:
    """Counts at which logits are stated, from 0 to `cap` - 1."""
    places = [float(n) for n in range(min(FINE, cap))]
    while places[-1] < cap - 1:
        places.append(places[-1] + max(1.0, SPACING * places[-1] ** 0.5))
    stretch = (cap - 1) / places[-1] if places[-1] > 0 else 1.0
    return np.array(places) * stretch


class SplineHead(nn.Module):
    """One logit a value, by a spline through as many knots as the law's width asks for."""

    def __init__(self, width: int, cap: int) -> None:
        super().__init__()
        places = knots(cap)
        basis = make_interp_spline(places, np.eye(len(places)), k=3)(np.arange(cap))  # [cap, K]
        self.register_buffer("basis", torch.from_numpy(basis.T.astype(np.float32)), persistent=False)
        self.basis: Tensor
        self.linear = nn.Linear(width, len(places))
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., width] -> [..., cap]."""
        return torch.as_tensor(self.linear(hidden) @ self.basis)
