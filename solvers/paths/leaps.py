"""The leaping kernel on one model: what limits its leaps, trajectories by it, and pilots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.expressions import symbol

from . import kernels, tabled
from .laws import Law, laws_of

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

STEEP = 4.0
"""Order taken for a law of which nothing better is known."""

ROOT = (0x243F6A8885A308D3, 0x13198A2E03707344)
"""The streams of pilots."""


class Leapt(NamedTuple):
    """One trajectory by leaps: their number, events drawn singly, all events (0 where it had to stop), its last time.

    `code` is that of the kernels; a trajectory that has come to the end is FINISHED. It `overflows` where a
    count has become more than whole numbers hold.
    """

    leaps: int
    singles: int
    events: int
    time: float
    code: int
    overflows: bool


class Rules(NamedTuple):
    """What limits a leap, for every species [S]; then memory.

    `order`: the highest order of a reaction whose law it is in (0: in none); `same`: how many of its
    molecules meet there; `upper`: the count above which a law turns negative. `number` [R], `before` [3 S].
    """

    order: Array
    same: Array
    upper: Array
    number: Array
    before: Array


@dataclass(eq=False)
class Leaping:
    """The leaping kernel on one model; it counts the leaps."""

    model: CompiledModel
    epsilon: float
    total: int = 0
    chunk: int = 16
    _rules: tuple[Array, Array, Array] = field(init=False)

    def __post_init__(self) -> None:
        self._rules = limits(self.model)

    def run(self, *arguments: Any) -> None:
        """A chunk of trajectories; arguments as those of `lanes.lane_kernel`."""
        leaps = np.zeros(len(arguments[2]), dtype=np.int64)
        self._call(arguments, leaps)
        self.total += int(leaps.sum())

    def pilot(self, times: Array, theta: Array, start: Integers, steps: int) -> Leapt:
        """One trajectory to the last time, of at most so many leaps and single events."""
        end, S, one = np.array(times[-1:]), len(start), np.zeros(1, dtype=np.int64)
        out, report, when = np.zeros((1, 1, S), dtype=np.int64), np.zeros(3 + S, dtype=np.int64), np.zeros(1)
        low, high = (np.uint64(word) for word in ROOT)
        fired, leaps, singles = one.copy(), one.copy(), one.copy()
        given = end, np.array(theta[None], order="C"), np.array(start[None], order="C"), 0, low, high, steps
        self._call((*given, one, out, report, when, fired), leaps, singles)
        done = report[0] == kernels.FINISHED
        last, counts = float(end[0] if done else when[0]), out if done else report[3:]
        overflows = bool((counts < 0).any() or (counts > 2**62).any())
        return Leapt(int(leaps[0]), int(singles[0]), int(fired[0]), last, int(report[0]), overflows)

    def _call(self, arguments: tuple[Any, ...], leaps: Integers, singles: Integers | None = None) -> None:
        from .leap_kernel import run

        P, m, (R, S) = arguments[1].shape[1], tabled.tables(self.model), self.model.change.shape
        rules = Rules(*self._rules, np.zeros(R), np.zeros(3 * S))
        alone = np.zeros(len(leaps), dtype=np.int64) if singles is None else singles
        run(*arguments, leaps, alone, self.epsilon, m, rules, *tabled.memory(m, S, P, 1))


def limits(model: CompiledModel) -> tuple[Array, Array, Array]:
    """Order, same and upper of every species (see `Rules`): [S] each."""
    S = model.change.shape[1]
    order, same, upper = np.zeros(S), np.ones(S), np.full(S, np.inf)
    for law in laws_of(model.network):
        for s, (degree, alike) in _degrees(law, model).items():
            order[s], same[s] = max((order[s], same[s]), (degree, alike))
        for factor in law.factors or ():
            if factor.slope < 0:
                upper[factor.species] = min(upper[factor.species], factor.offset / -factor.slope)
    return order, same, upper


def _degrees(law: Law, model: CompiledModel) -> dict[int, tuple[float, float]]:
    """{species: (order of the law, molecules of the species that meet)}."""
    if law.factors is not None:
        alike = {f.species: sum(g.species == f.species for g in law.factors) for f in law.factors}
        return {s: (float(len(law.factors)), float(min(n, 3))) for s, n in alike.items()}
    names = model.network.species_names
    found = {s for s, name in enumerate(names) if symbol(name) in law.rest.free_symbols}
    powers = [p.exp for p in law.rest.atoms(sympy.Pow) if p.exp.is_number]
    steep = max([2.0, *(abs(float(p)) for p in powers)]) if not law.rest.has(sympy.exp) else STEEP
    return {s: (max(steep, float(len(found))), 1.0) for s in found}
