"""How often central intervals hold the true value, with the limits of chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVELS = (0.5, 0.8, 0.9, 0.98)
"""Probabilities of the central intervals; the nearest ones that so many draws can tell are taken."""

CHANCE = 0.999
"""The probability that a right posterior keeps within the limits."""


@dataclass(frozen=True)
class Coverage:
    """Central intervals of probability `nominal` held `held` of `runs` truths; chance allows `low` to `high`."""

    nominal: float
    held: int
    runs: int
    low: int
    high: int

    @property
    def share(self) -> float:
        """The share that was held."""
        return self.held / self.runs

    @property
    def passes(self) -> bool:
        """Whether chance allows it."""
        return self.low <= self.held <= self.high

    def __str__(self) -> str:
        what = f"{100 * self.nominal:.0f} % intervals hold {self.held} of {self.runs} truths"
        return f"{what} (chance allows {self.low} to {self.high})"


def coverage(ranks: NDArray[np.int64], draws: int) -> tuple[Coverage, ...]:
    """The coverage of central intervals, from the ranks [R] of truths among `draws` draws."""
    found = []
    for level in LEVELS:
        cut = max(1, round((1 - level) / 2 * (draws + 1)))  # ranks left out at each end
        nominal = 1 - 2 * cut / (draws + 1)
        if nominal > 0:
            held = int(((ranks >= cut) & (ranks <= draws - cut)).sum())
            low, high = stats.binom.interval(CHANCE, len(ranks), nominal)
            found.append(Coverage(nominal, held, len(ranks), int(low), int(high)))
    return tuple(found)
