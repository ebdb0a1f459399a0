"""A chart of the states that can be reached below caps, with every transition listed, events included.

Events that counts trigger send a firing to a state of their own choice, so that no stencil describes
it; here each transition has its source, its reaction and its target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kinetix.compiler import CompiledModel
from kinetix.errors import RunError, TruncationError
from kinetix.expressions import TIME
from kinetix.intervals import TimeBounds
from kinetix.jumps import Jumps

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Law = Callable[..., Array]

_BLOCK = 50_000


@dataclass(frozen=True, eq=False)
class Chart:
    """`states` [N, S]; transitions [L] from `source` by `reaction` to `target`, which is -1 above the caps.

    `over` [L, S] tells which counts of the target are above; `below` are the (state, reaction) pairs
    whose firing would make a count negative.
    """

    model: CompiledModel
    theta: Array
    states: Counts
    source: Counts
    reaction: Counts
    target: Counts
    over: NDArray[np.bool_]
    below: tuple[Counts, Counts]

    def rates(self, time: float) -> Array:
        """The rate of every transition at a time: [L]; laws that are no rates count as 0 (see `refuse`)."""
        rates = self._still.copy()
        for rows, law in self._moving:
            rates[rows] = law(self.states[self.source[rows]], self.theta, time)
        return np.where((rates > 0) & (rates < np.inf), rates, 0.0)

    @cached_property
    def _still(self) -> Array:
        """The rates of the transitions, right where they do not depend on the time: [L]."""
        rates = self.model.propensities(self.states, self.theta)[self.source, self.reaction]
        return np.asarray(rates, dtype=np.float64)

    @cached_property
    def _moving(self) -> list[tuple[Counts, Law]]:
        """The transitions of each reaction whose law depends on the time, and that law."""
        laws = self.model.network.propensities
        moving = [r for r, law in enumerate(laws) if TIME in law.free_symbols]
        return [(np.nonzero(self.reaction == r)[0], self.model.evaluator(laws[r])) for r in moving]

    @cached_property
    def inward(self) -> csr_array:
        """Where each state is entered from: [N, N], whose entries are the places of the transitions in `inner`."""
        size, inner = len(self.states), self.inner
        order = np.lexsort((self.source[inner], self.target[inner]))
        ends = np.cumsum(np.bincount(self.target[inner], minlength=size))
        return csr_array((order, self.source[inner][order], np.concatenate([[0], ends])), shape=(size, size))

    def is_broken(self, time: float) -> bool:
        """Whether a law is no rate in some state of the chart, or fires below zero there."""
        rates = self.model.propensities(self.states, self.theta, time)
        return bool(len(self.below[0])) or not bool(((rates >= 0) & (rates < np.inf)).all())

    @cached_property
    def inner(self) -> Counts:
        """The transitions that stay below the caps."""
        return np.nonzero(self.target >= 0)[0]

    def refuse(self, weight: Array, time: float) -> None:
        """RunError where probability [N] is on a state in which a law is no rate, or fires below zero."""
        held = np.nonzero(weight > 0)[0]
        rates = self.model.propensities(self.states[held], self.theta, time)
        wrong = ~((rates >= 0) & (rates < np.inf))
        fires = np.zeros((len(self.states), rates.shape[1]), dtype=np.bool_)
        fires[self.below] = True
        wrong |= fires[held] & (rates > 0)
        if not wrong.any():
            return
        row, r = (int(k[0]) for k in np.nonzero(wrong))
        network, value = self.model.network, float(rates[row, r])
        counts = zip(network.species_names, self.states[held[row]], strict=True)
        place = f"state ({', '.join(f'{n} = {c}' for n, c in counts)})"
        name = network.reactions[r].name
        if value > 0:
            mend = "make its law zero where the reactants are too few (KX108)"
            raise RunError(f"reaction {name!r} would make a count negative", place=place, mend=mend)
        raise RunError(f"the propensity of reaction {name!r} is {value:g}", place=place, mend="mend its law")


@dataclass(frozen=True, eq=False)
class Surveyor:
    """Makes charts of a model at `theta` [P] for the times `start` to `end`."""

    model: CompiledModel
    theta: Array
    start: float
    end: float
    max_states: int

    def chart(self, states: Counts, caps: Counts) -> Chart:
        """Every state below the caps [S] that the given ones [M, S] lead to; those come first, in their order."""
        numbers: dict[bytes, int] = {}
        found: list[Counts] = []
        fresh = _add(numbers, found, states)
        moves: list[tuple[Counts, Counts, Counts]] = []
        below: list[tuple[Counts, Counts]] = []
        while len(fresh):
            if len(numbers) > self.max_states:
                reason = f"more than max_states = {self.max_states} states can be reached below {caps.tolist()}"
                mend = "raise max_states, allow a larger leak, or use ssa"
                raise TruncationError(reason, place="fsp", mend=mend)
            first, news = len(numbers) - len(fresh), []
            for block in range(0, len(fresh), _BLOCK):
                source, reaction, target, beneath = self._moves(fresh[block : block + _BLOCK])
                moves.append((source + first + block, reaction, target))
                below.append((beneath[0] + first + block, beneath[1]))
                news.append(target[(target <= caps).all(axis=1)])
            fresh = _add(numbers, found, np.concatenate(news))
        source, reaction, target = (np.concatenate([move[k] for move in moves]) for k in range(3))
        over = target > caps
        position = np.array([numbers.get(key, -1) for key in _keys(target)], dtype=np.int64)
        beneath = np.concatenate([b[0] for b in below]), np.concatenate([b[1] for b in below])
        return Chart(self.model, self.theta, np.concatenate(found), source, reaction, position, over, beneath)

    def _moves(self, states: Counts) -> tuple[Counts, Counts, Counts, tuple[Counts, Counts]]:
        """What can fire in the states [N, S]: sources, reactions, targets after events; and what would go below 0."""
        x, theta = states.astype(np.float64), np.broadcast_to(self.theta, (len(states), len(self.theta)))
        able = self._able(x, theta)
        after = states[:, None, :] + self.model.change[None, :, :]
        beneath = (after < 0).any(axis=2)
        source, reaction = np.nonzero(able & ~beneath)
        target = after[source, reaction]
        if self.model.network.events and len(target):
            jumps = Jumps(self.model)
            before = jumps.triggers(x, theta, self.start)
            moved, _ = jumps.settle(target.astype(np.float64), theta[source], before[source], self.start)
            target = moved.astype(np.int64)
        low = np.nonzero(able & beneath)
        return source, reaction, target, (low[0], low[1])

    def _able(self, x: Array, theta: Array) -> NDArray[np.bool_]:
        """Whether each reaction can have a positive rate at some time: [N, R]."""
        if self.model.network.depends_on_time:
            start, end = np.full(len(x), self.start), np.full(len(x), self.end)
            return np.asarray(TimeBounds(self.model).over(x, theta, start, end)[1] > 0)
        return np.asarray(self.model.propensities(x, self.theta) > 0)


def _add(numbers: dict[bytes, int], found: list[Counts], states: Counts) -> Counts:
    """Number the states that have none yet; those are returned, in order."""
    fresh = []
    for row, key in enumerate(_keys(states)):
        if key not in numbers:
            numbers[key] = len(numbers)
            fresh.append(row)
    added = states[fresh]
    found.append(added)
    return added


def _keys(states: Counts) -> list[bytes]:
    flat = np.ascontiguousarray(states, dtype=np.int64)
    return [row.tobytes() for row in flat]
