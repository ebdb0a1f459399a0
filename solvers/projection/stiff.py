"""When a run solves with factors of I - g A instead of multiplying with A, judged by predicted cost.

The fill of the factors is known only once they are made; before, that of a band matrix in the order of
Cuthill and McKee stands for it, which is more. Costs are counted, not timed, so that the same
question always takes the same way.
E. Cuthill, J. McKee, Proc. 24th ACM Nat. Conf. (1969) 157, doi:10.1145/800195.805928.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from .krylov import RATIO, Rational, Shifted, follow
from .reduced import UNIT
from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

WORTH, JUDGE = 1.5e7, 2500.0
"""Nanoseconds of products, and those for every entry of the matrix, up to which nothing else is considered."""

ADDITION, ENTRY, CALL = 0.35, 1.5, 400.0
"""Nanoseconds of an addition of a product with a stencil, with a listed entry, and around a product."""

FLOP, FILL, STATE, AROUND = 0.12, 1.2, 60.0, 4e6
"""Nanoseconds a square of the band in factors, an entry of factors or a state in a solution, and around a space."""

SOLUTIONS = 28
"""Solutions that a space usually takes."""

LARGEST, FULLEST = 200_000, 3e7
"""States and entries of factors up to which they are made."""

MARGIN = 16.0
"""Roundings for every unit of rate * time that a space may leave, beside the tolerance."""

CAUTION = 3.0
"""How many times cheaper a first space must look, since it may fail; after a failure four times more."""

GROWTH = (0.2, 16.0, 128.0)
"""How many times longer than all the time before a space is made for: least, at first, most."""

EASY = 20
"""Solutions up to which the next space may reach further."""


@dataclass(eq=False)
class Stiff:
    """Shift and invert for the terms of one run."""

    terms: Terms
    caution: float = CAUTION
    barred: float = 0.0
    growth: float = GROWTH[1]
    last: Shifted | None = None
    ratio: float = 1.0

    @cached_property
    def matrix(self) -> csc_array:
        """I + Q / rate."""
        return self.terms.matrix()

    @cached_property
    def product(self) -> float:
        """Nanoseconds of a product."""
        inner = self.terms.size * (2 + len(self.terms.step)) * ADDITION
        return CALL + inner + len(self.terms.flows) * ENTRY

    @cached_property
    def band(self) -> tuple[float, float]:
        """Entries of both factors in a band, and the squares of its widths."""
        pattern = csr_array(self.matrix != 0)
        pattern = csr_array(pattern + pattern.T)
        order = reverse_cuthill_mckee(pattern, symmetric_mode=True)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        entries = pattern.tocoo()
        first = np.arange(len(order))
        np.minimum.at(first, place[entries.row], place[entries.col])
        width = (np.arange(len(order)) - first).astype(np.float64)
        return 2.0 * float(width.sum()) + len(width), 2.0 * float(width @ width)

    @property
    def solution(self) -> float:
        """Nanoseconds of a solution and what goes with it."""
        return FILL * self.ratio * self.band[0] + STATE * self.terms.size

    def pays(self, x: float, left: float, products: float) -> bool:
        """Whether it is cheaper to go on so from rate * time = `x` for `left` than to make so many products."""
        rival = products * self.product
        entries = len(self.terms.flows) + self.terms.size * (1 + len(self.terms.step))
        if x < self.barred or rival < WORTH + JUDGE * entries or self.terms.size > LARGEST or self.band[0] > FULLEST:
            return False
        spaces = 1.0 + max(math.log(left / self.span(x, left)) / math.log(1.0 + self.growth), 0.0)
        factors = FLOP * self.ratio**2 * self.band[1]
        return self.caution * spaces * (factors + SOLUTIONS * self.solution + AROUND) < rival

    def span(self, x: float, left: float) -> float:
        """How far a space is to reach from `x`."""
        span = self.growth * x
        return left if left < 1.5 * span else span

    def follow(
        self, law: Array, x: float, left: float, outputs: Array, spare: float, tolerance: float, control: Counts
    ) -> Rational:
        """As far as one space leads; what it showed is kept for the next."""
        span = self.span(x, left)
        if self.last is None or not span / 32 < self.last.shift < span / 4:
            try:
                self.last = Shifted.of(self.matrix, span / RATIO)
            except (RuntimeError, MemoryError):  # no room for the factors: products go on as ever
                self.barred = np.inf
                return Rational.none(law, 0, 0)
            self.ratio = min(self.last.factors.nnz / self.band[0], 1.0)
        allowed = min(spare, tolerance + MARGIN * UNIT * left) * max(span / left, 0.1)
        found = follow(self.last, law, outputs[outputs <= span], span, allowed, control)
        self._learn(found, x, span)
        return found

    def _learn(self, found: Rational, x: float, span: float) -> None:
        """How far the next space is to reach, and how sure it should look."""
        least, first, most = GROWTH
        self.caution = 4.0 * self.caution if found.reached == 0 else 1.0
        if found.reached == 0 and self.growth <= least:
            self.barred, self.growth = 4.0 * x, first
        elif found.reached == 0:
            self.growth = max(min(self.growth, span / x) / 8, least)
        elif found.reached < span:
            self.growth = max(self.growth / 2, least)
        elif found.solutions <= EASY:
            self.growth = min(2 * self.growth, most)
