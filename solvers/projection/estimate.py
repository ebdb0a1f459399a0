"""What a finite state projection will cost, before any of it is done."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .grid import grid_of
from .projector import Projector

VECTORS = 5
"""Vectors of the window's size that an integration holds, beside one law a time."""

SECOND = 2.5e-10
"""Seconds of one addition, on one core of a server of 2023."""

STEPS = 200_000
"""Events of each pilot: as a rule to the end, since counts may grow late."""

CORNER = 4_000_000
"""Windows up to this size have all their propensities looked at; larger ones those of the last state."""


@dataclass(frozen=True)
class Estimate:
    """Predicted states, products, additions, bytes and CPU seconds; `refusal` says why it would not be run.

    The window is a guess by pilot trajectories: what is lost may ask for a wider one.
    """

    states: int
    products: int
    additions: float
    memory: int
    seconds: float
    refusal: str | None = None

    def __str__(self) -> str:
        """One line."""
        line = f"{self.states} states, {self.products} products, {self.memory / 1e6:.3g} MB, {self.seconds:.2g} s"
        return f"{line}; refused: {self.refusal}" if self.refusal else line


def estimate(projector: Projector, theta: np.ndarray) -> Estimate:
    """The cost of the laws under `theta` [P]."""
    caps = projector.guess(theta, steps=STEPS)
    space = projector.maker.space(caps)
    grid = grid_of(projector.maker.model, space)
    if space.size <= CORNER:
        rate = float(grid.rates(theta).outflow.max(initial=0.0))
    else:
        counts = np.maximum(space.states(space.size - 1), 0)
        rate = float(projector.maker.model.propensities(counts, theta).sum())
    tau = rate * float(projector.times[-1])
    products = int(tau + 8.0 * math.sqrt(tau) + 20)
    additions = float(products) * space.size * (len(grid.moving) + 1)
    memory = 8 * space.size * (VECTORS + len(projector.times))
    refusal = None
    if space.size > projector.max_states:
        refusal = f"a window of at least {space.size} states, more than max_states = {projector.max_states}"
    elif additions > projector.max_work:
        refusal = f"up to {additions:.1e} additions, more than max_work = {projector.max_work:.1e}"
    return Estimate(space.size, products, additions, memory, 1e-3 + SECOND * additions, refusal)
