"""Draws of a net at even places: the inverses of its conditionals at points of a low-discrepancy set.

Averages over them converge nearly as 1/n where those of random draws do as 1/sqrt(n), and whole conditionals are
averaged, not counts. I. M. Sobol, USSR Comput. Math. Math. Phys. 7 (1967) 86; A. B. Owen, ACM Trans. Model. Comput.
Simul. 13 (2003) 363, doi:10.1145/945511.945518 (scrambled points).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

from .autoregressive import Autoregressive
from .prefixes import rows_of

Array = NDArray[np.float64]

LEAST = 2.0**-24
"""Places in the cube are at least this, so that a value of probability 0 is never met."""


@dataclass(frozen=True, eq=False)
class Evenly:
    """At each of B contexts n states: `values` [B, n, D], and the D conditionals that they come from, [B, n, cap_i]
    (the first [B, 1, cap], for it depends on none).
    """

    values: Tensor
    conditionals: tuple[Tensor, ...]

    @classmethod
    @torch.inference_mode()
    def of(cls, net: Autoregressive, contexts: Tensor, number: int, seed: int) -> Evenly:
        """`number` states, a power of 2, at every context [B, C]: the same points of the cube at each."""
        size, length = len(contexts), len(net.caps)
        places = torch.from_numpy(cube(number, length, seed)).to(contexts).clamp(min=LEAST)
        which = torch.arange(size, device=contexts.device).repeat_interleave(number)
        rows = places.repeat(size, 1)
        values = torch.zeros(size * number, length, dtype=torch.int64, device=contexts.device)
        state, previous, found = net.begin(contexts), None, []
        for i in range(length):
            logs, following = net.step(state, i, previous, values if i else values[::number])
            p = logs.exp()
            found.append(p.reshape(size, -1, net.caps[i]))
            if i == 0:
                p, following = p[which], rows_of(following, which)
            previous = _inverse(p, rows[:, i])
            values[:, i], state = previous, following
        return cls(values.reshape(size, number, length), tuple(found))

    @property
    def marginals(self) -> tuple[Tensor, ...]:
        """The law of the value at every position: D of [B, cap_i], float64."""
        return tuple(p.double().mean(dim=1) for p in self.conditionals)

    @property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Means [B, D] and covariances [B, D, D] of the values, float64."""
        steps = [torch.arange(p.shape[-1], device=p.device, dtype=torch.float64) for p in self.conditionals]
        means = torch.stack([m @ k for m, k in zip(self.marginals, steps, strict=True)], dim=1)
        squares = torch.stack([m @ k**2 for m, k in zip(self.marginals, steps, strict=True)], dim=1)
        expected = [p.double() @ k for p, k in zip(self.conditionals, steps, strict=True)]  # [B, n] given those before
        off = self.values.double() - means[:, None]
        result = torch.diag_embed(squares - means**2)
        for j, mean in enumerate(expected[1:], start=1):
            pair = ((mean - means[:, j : j + 1])[..., None] * off[..., :j]).mean(dim=1)
            result[:, j, :j] = result[:, :j, j] = pair
        return means, result


def cube(number: int, dimension: int, seed: int) -> Array:
    """Scrambled Sobol points of the unit cube: [number, dimension]."""
    if dimension == 0:
        return np.zeros((number, 0))
    return np.asarray(qmc.Sobol(dimension, rng=np.random.default_rng(seed)).random(number))


def _inverse(p: Tensor, places: Tensor) -> Tensor:
    """The first value at which the cumulated law [n, cap] reaches each place in (0, 1]; none has probability 0: [n]."""
    cumulated = p.cumsum(dim=1)
    return torch.searchsorted(cumulated, places[:, None] * cumulated[:, -1:])[:, 0]
