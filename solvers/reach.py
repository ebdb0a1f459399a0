"""Finite state projection on the set of states that can be reached, where a firing may lead anywhere.

Events that counts trigger send a firing to a state of their own choice, so that no stencil describes
it; here every transition is listed (sparse). The set is what can be reached below caps; the
probability that leaves it bounds the error, and the caps grow until that is small.
B. Munsky, M. Khammash, J. Chem. Phys. 124 (2006) 044104, doi:10.1063/1.2145882.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kinetix.compiler import CompiledModel
from kinetix.errors import RunError, TruncationError
from kinetix.jumps import Jumps

from .uniformisation import Schedule

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

GROWTH = 1.4
"""How much wider a cap becomes when probability passes it."""

_EPSILON = 1.2e-16
_BLOCK = 50_000


@dataclass(frozen=True, eq=False)
class Reached:
    """The laws [T, N] on the states [N, S], what was lost by each time [T], and the bound of the integration."""

    states: Counts
    laws: Array
    lost: Array
    bound: float
    products: int


@dataclass(frozen=True, eq=False)
class Reach:
    """Projection of one model, with its events on counts, at `theta` [P]: no law may contain the time."""

    model: CompiledModel
    theta: Array
    leak: float
    max_states: int
    max_work: float

    def laws(self, states: Counts, p: Array, times: Array) -> Reached:
        """The laws at `times` [T] from a law on states [M, S] with probabilities [M]."""
        caps = np.maximum(2 * states.max(axis=0) + 8, 16)
        while True:
            chart = self._chart(states, caps)
            found, flow = self._integrate(chart, p, times)
            if found.lost[-1] <= self.leak:
                return found
            if not flow.any():
                reason = f"{found.lost[-1]:.2g} of the probability is lost to rounding, above leak = {self.leak:g}"
                raise TruncationError(reason, place="fsp", mend="allow a larger leak")
            passed = flow > 0.01 * flow.max()
            caps = np.where(passed, np.ceil(GROWTH * caps + 1), caps).astype(np.int64)

    def _chart(self, start: Counts, caps: Counts) -> _Chart:
        """Every state below the caps that can be reached, with its transitions; start states come first."""
        numbers: dict[bytes, int] = {}
        found: list[Counts] = []
        fresh = _add(numbers, found, start)
        sources, targets, rates, outside, bad = [], [], [], [], []
        while len(fresh):
            first = len(numbers) - len(fresh)
            if len(numbers) > self.max_states:
                raise TruncationError(
                    f"more than max_states = {self.max_states} states can be reached below {caps.tolist()}",
                    place="fsp",
                    mend="raise max_states, allow a larger leak, or use ssa",
                )
            news = []
            for block in range(0, len(fresh), _BLOCK):
                here = fresh[block : block + _BLOCK]
                moves = self._moves(here)
                source = moves.source + first + block
                bad.append((moves.bad[0] + first + block, moves.bad[1]))
                within = (moves.target <= caps).all(axis=1)
                outside.append((source[~within], moves.rate[~within], moves.target[~within] > caps))
                sources.append(source[within])
                rates.append(moves.rate[within])
                targets.append(moves.target[within])
                news.append(moves.target[within])
            fresh = _add(numbers, found, np.concatenate(news))
        states = np.concatenate(found)
        positions = np.array([numbers[key] for key in _keys(np.concatenate(targets))], dtype=np.int64)
        source = np.concatenate(sources)
        away = [np.concatenate([part[k] for part in outside]) for k in range(3)]
        wrong = np.concatenate([b[0] for b in bad]), np.concatenate([b[1] for b in bad])
        return _Chart(states, source, positions, np.concatenate(rates), away[0], away[1], away[2], wrong)

    def _moves(self, states: Counts) -> _Moves:
        """Every firing from the states [N, S], events included, with its rate."""
        rates = self.model.propensities(states, self.theta)
        after = states[:, None, :] + self.model.change[None, :, :]
        below = (after < 0).any(axis=2)
        wrong = ~((rates >= 0) & (rates < np.inf)) | (below & (rates > 0))
        source, reaction = np.nonzero((rates > 0) & ~wrong)
        target = after[source, reaction].astype(np.float64)
        theta = np.broadcast_to(self.theta, (len(target), len(self.theta)))
        if self.model.network.events and len(target):
            jumps, same = Jumps(self.model), np.broadcast_to(self.theta, (len(states), len(self.theta)))
            here = jumps.triggers(states.astype(np.float64), same, 0.0)
            target, _ = jumps.settle(target, theta, here[source], 0.0)
        bad = np.nonzero(wrong)
        return _Moves(source, target.astype(np.int64), rates[source, reaction], bad)

    def _integrate(self, chart: _Chart, p: Array, times: Array) -> tuple[Reached, Array]:
        """The laws, and for every species the probability that left above its cap: [S]."""
        size = len(chart.states)
        out = np.bincount(chart.source, chart.rate, size) + np.bincount(chart.outer, chart.outer_rate, size)
        rate = float(out.max(initial=0.0))
        work = rate * float(times[-1]) * len(chart.rate)
        if work > self.max_work:
            raise TruncationError(
                f"integrating {size} states to t = {times[-1]:g} takes about {work:.1e} additions, "
                f"more than max_work = {self.max_work:.1e}",
                place="fsp",
                mend="raise max_work, or use ssa",
            )
        scale = 1.0 / rate if rate > 0 else 0.0
        inward = csr_array((chart.rate * scale, (chart.target, chart.source)), shape=(size, size))
        stays = 1.0 - out * scale
        schedule = Schedule.of(rate, times)
        now = np.zeros(size)
        now[: len(p)] = p
        laws, occupancy = np.zeros((len(times), size)), np.zeros(size)
        for n in range(schedule.products + 1):
            for k, weights in enumerate(schedule.weights):
                if weights.first <= n <= weights.last:
                    laws[k] += weights.values[n - weights.first] * now
            occupancy += now
            now = stays * now + inward @ now
        self._refuse(chart, occupancy + laws.sum(axis=0))
        lost = np.maximum(p.sum() - laws.sum(axis=1), 0.0)
        per_row = int(np.diff(inward.indptr).max(initial=0)) + 1
        bound = schedule.error + (schedule.products + 4) * (per_row + 12) * _EPSILON
        flow = (
            (chart.outer_rate * occupancy[chart.outer]) @ chart.over
            if len(chart.outer)
            else np.zeros(chart.states.shape[1])
        )
        return Reached(chart.states, laws, lost, float(bound), schedule.products), np.asarray(flow, dtype=np.float64)

    def _refuse(self, chart: _Chart, weight: Array) -> None:
        """RunError where probability reaches a state in which a law is negative or fires below zero."""
        states, reactions = chart.bad
        reached = np.nonzero(weight[states] > 0)[0]
        if not len(reached):
            return
        state, r = int(states[reached[0]]), int(reactions[reached[0]])
        network = self.model.network
        counts = zip(network.species_names, chart.states[state], strict=True)
        place = f"state ({', '.join(f'{n} = {c}' for n, c in counts)})"
        value = float(self.model.propensities(chart.states[state], self.theta)[r])
        name = network.reactions[r].name
        if value > 0:
            mend = "make its law zero where the reactants are too few (KX108)"
            raise RunError(f"reaction {name!r} would make a count negative", place=place, mend=mend)
        raise RunError(f"the propensity of reaction {name!r} is {value:g}", place=place, mend="mend its law")


@dataclass(frozen=True, eq=False)
class _Moves:
    """Transitions source -> target at a rate, and where (state, reaction) a law is no rate."""

    source: Counts
    target: Counts
    rate: Array
    bad: tuple[Counts, ...]


@dataclass(frozen=True, eq=False)
class _Chart:
    """States [N, S], transitions among them, those that lead over caps (`over` [L, S]), and forbidden laws."""

    states: Counts
    source: Counts
    target: Counts
    rate: Array
    outer: Counts
    outer_rate: Array
    over: NDArray[np.bool_]
    bad: tuple[Counts, Counts]


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
