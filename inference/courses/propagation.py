"""Many laws at once through the master equation on one window: uniformisation, or powers of a dense matrix.

Every term is positive, so small probabilities keep their digits; what leaves the window is lost and seen.
W. K. Grassmann, Comput. Oper. Res. 4 (1977) 47.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy import special, stats

from kinetix.expressions import symbol
from kinetix.master import MasterOperator
from kinetix.propensity import array_function

Array = NDArray[np.float64]

TAIL = 1e-15
"""Poisson weight that may be left out."""

SPARSE, DENSE = 2e-9, 1e-10
"""Seconds of one entry of a sparse product with one vector, and of one multiplication in a dense product."""


@dataclass(frozen=True, eq=False)
class Propagation:
    """exp(Q t) on blocks of laws [N, M]. `jump` is the largest change of a count that must keep its digits.

    Tangents of the laws move along, by the parameters of the model at `places` [K]: d exp(Q t) p = exp(Q t) dp +
    (d exp(Q t)) p, the lower half of the exponential of the block matrix ((Q, 0), (dQ, Q)). Where a place is
    None, what the tangent is by does not move the laws.
    """

    operator: MasterOperator
    jump: int
    places: tuple[int | None, ...] = ()

    def __call__(self, laws: Array, tangents: Array, gap: float, uses: int) -> tuple[Array, Array]:
        """The laws [N, M] and tangents [K, N, M] after the time `gap`, asked for about `uses` laws in all."""
        if gap == 0 or self._rate == 0:
            return laws, tangents
        terms = self._terms(self._rate * gap)
        if gap not in self._dense and terms * self._matrix.nnz * uses * SPARSE > self._dense_cost(gap, uses):
            self._dense[gap] = self._powers(gap)
        if gap not in self._dense:
            return self._uniformised(laws, tangents, self._rate * gap)
        power, slopes = self._dense[gap]
        moved = [power @ t + (0.0 if s is None else s @ laws) for t, s in zip(tangents, slopes, strict=True)]
        return power @ laws, np.array(moved).reshape(tangents.shape)

    # inner ---------------------------------------------------------------------------------------

    @cached_property
    def _rate(self) -> float:
        return float(self.operator.outflow.max(initial=0.0))

    @cached_property
    def _matrix(self) -> Any:
        """I + Q / rate, columns = from."""
        from scipy.sparse import eye_array

        return (eye_array(len(self.operator.outflow), format="csr") + self.operator.sparse() / self._rate).tocsr()

    @cached_property
    def _slopes(self) -> list[Any]:
        """The derivatives of `_matrix` at a fixed rate: K of them."""
        return [None if j is None else generator_slope(self.operator, j) / self._rate for j in self.places]

    @cached_property
    def _dense(self) -> dict[float, tuple[Array, list[Array | None]]]:
        return {}

    def _terms(self, tau: float) -> int:
        """Events after which nothing is left that matters, also for the rarest jump."""
        spread = self.jump + 10.0 * math.sqrt(self.jump) + 10.0
        return int(stats.poisson.isf(TAIL, tau) + spread)

    def _uniformised(self, laws: Array, tangents: Array, tau: float) -> tuple[Array, Array]:
        count = np.arange(self._terms(tau) + 1, dtype=np.float64)
        weights = np.exp(special.xlogy(count, tau) - tau - special.gammaln(count + 1))
        term, rises = laws, list(tangents)
        total, sums = weights[0] * laws, [weights[0] * t for t in tangents]
        for weight in weights[1:]:
            rises = [
                self._matrix @ r + (0.0 if s is None else s @ term) for r, s in zip(rises, self._slopes, strict=True)
            ]
            term = self._matrix @ term
            if weight > 0:
                total = total + weight * term
                sums = [x + weight * r for x, r in zip(sums, rises, strict=True)]
        return np.asarray(total), np.array(sums).reshape(tangents.shape)

    def _halvings(self, gap: float) -> int:
        return max(0, math.ceil(math.log2(max(self._rate * gap, 1.0))))

    def _dense_cost(self, gap: float, uses: int) -> float:
        size, halvings = len(self.operator.outflow), self._halvings(gap)
        first = self._terms(self._rate * gap / 2**halvings) * self._matrix.nnz * size * SPARSE
        return float(first + DENSE * (halvings * size**3 + size**2 * uses))

    def _powers(self, gap: float) -> tuple[Array, list[Array | None]]:
        """exp(Q gap) [N, N] and its derivatives, K of [N, N] or None, by repeated squaring."""
        halvings, size = self._halvings(gap), len(self.operator.outflow)
        still = np.zeros((len(self.places), size, size))
        power, found = self._uniformised(np.eye(size), still, self._rate * gap / 2**halvings)
        slopes = [None if j is None else s for j, s in zip(self.places, found, strict=True)]
        for _ in range(halvings):
            slopes = [None if s is None else s @ power + power @ s for s in slopes]
            power = power @ power
        return power, slopes


def generator_slope(operator: MasterOperator, j: int) -> Any:
    """The derivative of Q by parameter j of the model, as a sparse matrix [N, N]."""
    from scipy.sparse import csr_array

    stencil, network = operator.stencil, operator.stencil.model.network
    laws = [sympy.diff(law, symbol(network.theta_names[j])) for law in network.propensities]
    function = array_function(laws, network.species_names, network.theta_names)
    size, states = stencil.space.size, stencil.states
    with np.errstate(all="ignore"):
        found = function(*states.T.astype(np.float64), *operator.theta, 0.0)
    rises = np.stack([np.broadcast_to(np.asarray(law, dtype=np.float64), (size,)) for law in found])
    barred = stencil.forbidden(stencil.rates(operator.theta)) | ~stencil.admissible | ~np.isfinite(rises)
    rises = np.where(barred, 0.0, rises)
    source = np.arange(size)
    rows, columns, values = [source], [source], [-rises.sum(axis=0)]
    for rise, stays, step in zip(rises, stencil.stays, stencil.steps, strict=True):
        held = np.flatnonzero(stays & (rise != 0))
        rows.append(held + step)
        columns.append(held)
        values.append(rise[held])
    return csr_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(size, size))
