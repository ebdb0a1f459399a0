"""How far a net's log-likelihood is off, as a smooth function of the parameters: a quadratic fitted where known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EACH = 3
"""Known values for every coefficient; with fewer, no mixed terms, then a plane, then nothing."""

REACH = 3.0
"""Standard deviations of the known places beyond which the correction stays as it is: a quadratic runs away."""

BETTER = 0.9
"""Leave-one-out errors, over the spread of the values, from which no correction is the better one."""


@dataclass(frozen=True, eq=False)
class Correction:
    """c(u): [B, P] -> [B]; `order` 2 with mixed terms, 1.5 without, 1 a plane, 0 nothing.

    `error` is its root mean square error at a place that it was not fitted to (leave-one-out).
    """

    centre: Array
    scale: Array
    order: float
    coefficients: Array
    error: float

    @classmethod
    def of(cls, u: Array, values: Array) -> Correction:
        """Fitted to `values` [N] at u [N, P], those that are not finite left out; the one that foretells best."""
        good = np.isfinite(values)
        if not good.any():
            return cls(np.zeros(u.shape[1]), np.ones(u.shape[1]), 0.0, np.zeros(1), np.inf)
        x, y = u[good], values[good]
        centre = np.asarray(x.mean(axis=0))
        scale = np.maximum(np.asarray(x.std(axis=0)), 1e-12)
        best = cls(centre, scale, 0.0, np.zeros(1), float(y.std()))
        allowed = BETTER * best.error
        for order in (1.0, 1.5, 2.0):
            basis = _basis((x - centre) / scale, order)
            if len(y) < EACH * basis.shape[1]:
                break
            fitted, *_ = np.linalg.lstsq(basis, y, rcond=1e-8)
            left = y - basis @ fitted
            leverage = np.einsum("ij,ji->i", basis, np.linalg.pinv(basis, rcond=1e-8))
            error = float(np.sqrt(np.mean((left / np.maximum(1 - leverage, 1e-3)) ** 2)))
            if error < allowed:
                best, allowed = cls(centre, scale, order, np.asarray(fitted, dtype=np.float64), error), error
        return best

    def __call__(self, u: Array) -> Array:
        """The correction at unconstrained parameters: [B, P] -> [B]."""
        if self.order == 0:
            return np.zeros(len(u))
        return np.asarray(
            _basis(np.clip((u - self.centre) / self.scale, -REACH, REACH), self.order) @ self.coefficients
        )


def _basis(z: Array, order: float) -> Array:
    """The terms of the quadratic at standardised places: [N, P] -> [N, M]."""
    columns = [np.ones(len(z)), *z.T]
    if order > 1:
        columns += [*(z.T**2)]
    if order > 1.5:
        columns += [z[:, i] * z[:, j] for i, j in combinations(range(z.shape[1]), 2)]
    return np.stack(columns, axis=1)
