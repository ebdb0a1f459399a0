"""Uniformisation of many rate vectors in torch: one sweep over the powers serves all of them and all times.

As `uniformisation` does for one: the series of each rate vector has its own Poisson weights, and its own
bound before the run; the number of products is that of the fastest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .batched_operator import Operator
from .uniformisation import Weights, poisson_weights, rounding

Array = NDArray[np.float64]

LOOK = 64
"""Products between two looks at what is lost and whether the laws still change."""

EVERY = 8
"""Products between two samples of where probability is."""

LEAST = 1e-290
"""Probabilities below this one are set to 0: processors are slow on numbers that are nearly too small."""


@dataclass(frozen=True, eq=False)
class Series:
    """Poisson weights of all rate vectors at one time: `values` [J, B] from product `first` on, `error` [B]."""

    first: int
    values: Tensor
    error: Array

    @classmethod
    def of(cls, means: Array, device: torch.device) -> Series:
        """For means [B]."""
        found = [poisson_weights(float(m)) for m in means]
        first, last = span(found)
        values = np.zeros((last - first + 1, len(found)))
        for b, w in enumerate(found):
            values[w.first - first : w.last - first + 1, b] = w.values
        return cls(first, torch.from_numpy(values).to(device), np.array([w.error for w in found]))

    @property
    def last(self) -> int:
        """The largest number with a weight."""
        return self.first + len(self.values) - 1

    def rest(self, after: int) -> Tensor:
        """What the weights past a number sum to: [B]."""
        return self.values[max(after + 1 - self.first, 0) :].sum(dim=0)


def span(found: list[Weights]) -> tuple[int, int]:
    """The first and the last number that any weights have."""
    return min(w.first for w in found), max(w.last for w in found)


@dataclass(frozen=True, eq=False)
class Swept:
    """`laws` [T, B, *box]; `occupancy` [B, *box] is about the time spent in each state; `error` [B] in L1.

    Rate vectors that had lost too much before the end are `stopped` [B]: their laws are not filled.
    """

    laws: Tensor
    occupancy: Tensor
    error: Array
    stopped: NDArray[np.bool_]
    products: int


def sweep(operator: Operator, start: Tensor, times: Array, *, lost_at_most: float, still: float) -> Swept:
    """The laws exp(Q t) `start` [*box] at `times` [T], of all rate vectors of the operator.

    Ends early once every rate vector has lost more than `lost_at_most`, or can change by no more than
    `still`, which is then part of its error.
    """
    rates = operator.rate.cpu().numpy()
    series = [Series.of(rates * t, start.device) for t in times]
    run = _Run(operator, series, start, lost_at_most, still)
    run.go()
    scale = torch.where(operator.rate > 0, 1.0 / operator.rate, 0.0)
    error = np.max([s.error for s in series], axis=0) + run.drift.cpu().numpy()
    error += rounding(run.products, operator.additions)
    return Swept(run.laws, run.occupancy.mul_(run.wide(scale)), error, run.stopped.cpu().numpy(), run.products)


class _Run:
    """One sweep on its way: v is the law after `products` products."""

    def __init__(self, operator: Operator, series: list[Series], start: Tensor, lost: float, still: float) -> None:
        B, box = len(operator.rate), tuple(start.shape)
        self.series, self.lost, self.still = series, lost, still
        self.whole, self.axes = float(start.sum()), tuple(range(1, 1 + len(box)))
        self.v = start.expand(B, *box).clone()
        self.w = torch.empty_like(self.v)
        self.steps = operator.into(self.v, self.w), operator.into(self.w, self.v)
        self.laws = torch.zeros((len(series), B, *box), dtype=start.dtype, device=start.device)
        self.occupancy = torch.zeros_like(self.v)
        self.drift = torch.zeros(B, dtype=start.dtype, device=start.device)
        self.stopped = torch.zeros(B, dtype=torch.bool, device=start.device)
        self.beyond = 1.0 - series[-1].values.cumsum(dim=0)
        self.products = 0

    def wide(self, each: Tensor) -> Tensor:
        """One number a rate vector, to multiply laws by: [B] -> [B, 1, ...]."""
        return each.reshape(-1, *(1,) * len(self.axes))

    def go(self) -> None:
        """All products, or until nothing is left to do."""
        last = max(s.last for s in self.series)
        for j in range(last + 1):
            self.products = j
            for k, s in enumerate(self.series):
                if s.first <= j <= s.last:
                    self.laws[k].addcmul_(self.wide(s.values[j - s.first]), self.v)
            if j == last:
                return
            if j % EVERY == 0:
                self._sample(j)
            self.steps[j % 2]()
            self.v, self.w = self.w, self.v
            if j % LOOK == LOOK - 1 and self._is_over(j, last):
                return

    def _left(self, j: int) -> Tensor:
        """The share of the last time's series past product j: [B]."""
        place = j - self.series[-1].first
        return torch.ones_like(self.drift) if place < 0 else self.beyond[min(place, len(self.beyond) - 1)].clamp(min=0)

    def _sample(self, j: int) -> None:
        torch.threshold_(self.v, LEAST, 0.0)
        self.occupancy.addcmul_(self.wide(EVERY * self._left(j)), self.v)

    def _is_over(self, j: int, last: int) -> bool:
        """Whether no rate vector needs another product; the law v is that after product j + 1, w that before it."""
        lost = (self.whole - self.v.sum(dim=self.axes)) * self._left(j) > self.lost
        drift = (self.v - self.w).abs_().sum(dim=self.axes) * (last - j)
        if not bool((lost | (drift < self.still)).all()):
            return False
        for k, s in enumerate(self.series):  # a law that stays is the law after every later product
            self.laws[k].addcmul_(self.wide(s.rest(j)), self.v)
        self.products, self.drift, self.stopped = j + 1, torch.where(lost, 0.0, drift), lost
        return True
