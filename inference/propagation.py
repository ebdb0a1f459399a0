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
from numpy.typing import NDArray
from scipy import special, stats

from kinetix.master import MasterOperator

Array = NDArray[np.float64]

TAIL = 1e-15
"""Poisson weight that may be left out."""

SPARSE, DENSE = 2e-9, 1e-10
"""Seconds of one entry of a sparse product with one vector, and of one multiplication in a dense product."""


@dataclass(frozen=True, eq=False)
class Propagation:
    """exp(Q t) on blocks of laws [N, M]. `jump` is the largest change of a count that must keep its digits."""

    operator: MasterOperator
    jump: int

    def __call__(self, laws: Array, gap: float, uses: int) -> Array:
        """The laws [N, M] after the time `gap`, which is asked for about `uses` laws in all."""
        if gap == 0 or self._rate == 0:
            return laws
        if gap in self._dense:
            return np.asarray(self._dense[gap] @ laws)
        terms = self._terms(self._rate * gap)
        if terms * self._matrix.nnz * uses * SPARSE > self._dense_cost(gap, uses):
            self._dense[gap] = self._powers(gap)
            return np.asarray(self._dense[gap] @ laws)
        return self._uniformised(laws, self._rate * gap)

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
    def _dense(self) -> dict[float, Array]:
        return {}

    def _terms(self, tau: float) -> int:
        """Events after which nothing is left that matters, also for the rarest jump."""
        spread = self.jump + 10.0 * math.sqrt(self.jump) + 10.0
        return int(stats.poisson.isf(TAIL, tau) + spread)

    def _uniformised(self, laws: Array, tau: float) -> Array:
        count = np.arange(self._terms(tau) + 1, dtype=np.float64)
        weights = np.exp(special.xlogy(count, tau) - tau - special.gammaln(count + 1))
        term, result = laws, weights[0] * laws
        for weight in weights[1:]:
            term = self._matrix @ term
            if weight > 0:
                result = result + weight * term
        return np.asarray(result)

    def _halvings(self, gap: float) -> int:
        return max(0, math.ceil(math.log2(max(self._rate * gap, 1.0))))

    def _dense_cost(self, gap: float, uses: int) -> float:
        size, halvings = len(self.operator.outflow), self._halvings(gap)
        first = self._terms(self._rate * gap / 2**halvings) * self._matrix.nnz * size * SPARSE
        return float(first + DENSE * (halvings * size**3 + size**2 * uses))

    def _powers(self, gap: float) -> Array:
        halvings = self._halvings(gap)
        result = self._uniformised(np.eye(len(self.operator.outflow)), self._rate * gap / 2**halvings)
        for _ in range(halvings):
            result = result @ result
        return result
