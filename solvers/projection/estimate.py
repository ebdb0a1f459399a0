"""What a finite state projection will cost, before any of it is done."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kinetix.errors import TruncationError

from .expansion import predicted as expected
from .grid import grid_of
from .integration import FIRST
from .projector import Projector
from .roaming import Roaming

VECTORS = 5
"""Vectors of the window's size that an integration holds, beside one law a time."""

SECOND = 2.5e-10
"""Seconds of one addition, on one core of a server of 2023."""

STEPS = 200_000
"""Events of each pilot: as a rule to the end, since counts may grow late."""

STRETCH = 334
"""Products of uniformisation that a law from a sharp start usually takes before expansions hold."""

CORNER = 4_000_000
"""Windows up to this size have all their propensities looked at; larger ones those of the last state."""


LISTED_SECOND, LISTED_PRODUCT = 7.5e-9, 2e-4
"""The same on a list of states, whose matrix is made anew for every segment, and more for each product."""

ROUGH = (1e-1, 1e-2, 1e-3, 1e-4)
"""Leaks at which lists are tried, as long as they take no more than `TRIAL` additions and `TRIAL_STATES`."""

TRIAL, TRIAL_STATES = 1e8, 50_000

GROWTH = 2.0, 3.0
"""States and additions of a list grow as such powers of log(1 / leak), where no two trials can tell."""


@dataclass(frozen=True)
class Estimate:
    """Predicted states, products, additions, bytes and CPU seconds; `refusal` says why it would not be run.

    The window is a guess by pilot trajectories: what is lost may ask for a wider one. Where the law is kept as
    a list of states (`listed`), they are foretold by lists that may lose more.
    """

    states: int
    products: int
    additions: float
    memory: int
    seconds: float
    refusal: str | None = None
    listed: bool = False

    def __str__(self) -> str:
        """One line."""
        kept = "states on a list" if self.listed else "states"
        line = f"{self.states} {kept}, {self.products} products, {self.memory / 1e6:.3g} MB, {self.seconds:.2g} s"
        return f"{line}; refused: {self.refusal}" if self.refusal else line


def estimate(projector: Projector, theta: np.ndarray, *, list_above: float = math.inf) -> Estimate:
    """The cost of the laws under `theta` [P].

    Where a first box of more than `list_above` states would give way to a list, that is judged too: a box
    that has fewer states than the law needs on a list has been guessed by pilots that saw too little.
    """
    if math.isinf(list_above):
        return _boxed(projector, theta)
    listed = _listed(projector, theta)
    if projector.maker.space(projector.guess(theta)).size > list_above:
        return listed
    box = _boxed(projector, theta)
    return listed if box.refusal or box.states < listed.states else box


def _listed(projector: Projector, theta: np.ndarray) -> Estimate:
    """From lists that may lose more, which take a small part of the time: how they grow as less may be lost."""
    leaks = [leak for leak in ROUGH if leak > projector.leak] or [projector.leak]
    trials: list[tuple[float, Roaming]] = []
    for leak in leaks:
        roaming = Roaming(projector.maker.model, theta, leak, TRIAL_STATES, TRIAL)
        try:
            roaming.laws(projector.maker.start, projector.times, np.zeros(1, dtype=np.int64))
        except TruncationError:
            trials = trials or [(leak, roaming)]
            break
        trials.append((leak, roaming))
    states, products, additions = (_grown(trials, projector.leak, k) for k in range(3))
    (R, S), T = projector.maker.model.change.shape, len(projector.times)
    memory = int(states * (8 * (S + 1) * (T + 1) + 8 * VECTORS + 72 * (R + 1)))
    return Estimate(
        int(states),
        int(products),
        additions,
        memory,
        1e-2 + LISTED_PRODUCT * products + LISTED_SECOND * additions,
        _refusal(projector, int(states), additions, "a list of about"),
        listed=True,
    )


def _grown(trials: list[tuple[float, Roaming]], leak: float, which: int) -> float:
    """States (0), products (1) or additions (2) at `leak`, as a power of log(1 / leak) that the last trials show."""
    values = [float((max(r.largest, 1), sum(r.products.values()), r.work)[which]) for _, r in trials[-2:]]
    logs = [math.log(1.0 / trial) for trial, _ in trials[-2:]]
    power = (GROWTH[0], 1.0, GROWTH[1])[which]
    if len(values) > 1 and min(values) > 0:
        power = min(max(math.log(values[1] / values[0]) / math.log(logs[1] / logs[0]), 0.0), 2.0 * power)
    return float(values[-1] * max(math.log(1.0 / leak) / logs[-1], 1.0) ** power)


def _products(tau: float, leak: float) -> int:
    """Products that go rate * time = `tau`: by uniformisation from a sharp start, then by expansions.

    Where a window is stiff, the run finds a cheaper way (see `stiff`).
    """
    straight = tau + 8.0 * math.sqrt(tau) + 20
    goal = min(max(tau, 1.0), FIRST)
    expanded = STRETCH + expected(goal, 1e-4 * leak) * max(tau, 1.0) / goal
    return int(min(straight, expanded))


def _refusal(projector: Projector, states: int, additions: float, what: str) -> str | None:
    if states > projector.max_states:
        return f"{what} {states} states, more than max_states = {projector.max_states}"
    if additions > projector.max_work:
        return f"up to {additions:.1e} additions, more than max_work = {projector.max_work:.1e}"
    return None


def _boxed(projector: Projector, theta: np.ndarray) -> Estimate:
    """On a box of counts."""
    caps = projector.guess(theta, steps=STEPS)
    space = projector.maker.space(caps)
    grid = grid_of(projector.maker.model, space)
    if space.size <= CORNER:
        rate = float(grid.rates(theta).outflow.max(initial=0.0))
    else:
        counts = np.maximum(space.states(space.size - 1), 0)
        rate = float(projector.maker.model.propensities(counts, theta).sum())
    tau = rate * float(projector.times[-1])
    products = _products(tau, projector.leak)
    additions = float(products) * space.size * (len(grid.moving) + 1)
    memory = 8 * space.size * (VECTORS + len(projector.times))
    refusal = _refusal(projector, space.size, additions, "a window of at least")
    return Estimate(space.size, products, additions, memory, 1e-3 + SECOND * additions, refusal)
