"""Finite state projection on a list of states that follows the law, for many species with low counts.

A box of sixteen species is out of reach where the law fills a millionth of it. Time is cut into
segments; the list grows where probability leaves it, until a segment loses no more than its share of
what may be lost, and states that hold almost nothing are dropped between segments. What was dropped
and what left is the probability missing at the end: the bound of the projection.
V. Wolf, R. Goel, M. Mateescu, T. Henzinger, BMC Syst. Biol. 4 (2010) 42, doi:10.1186/1752-0509-4-42.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kinetix.compiler import CompiledModel
from kinetix.errors import RunError, TruncationError
from kinetix.solvers.parallel import Flag

from .frame import Start
from .integration import METHODS, Flow, integrate
from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

PRODUCTS = 48.0
"""Value of rate * time of the first segment; each is up to twice as long as the last."""

FIRST = 1.0 / 256.0
"""The longest first segment, as a share of all."""

ROUNDS = 3
"""Rounds of growing the list after which a segment is halved."""

DROPPED = 0.1
"""Share of what may be lost that dropping states may take; the rest may leave the list."""

_MIX = np.random.default_rng(0x726F616D).integers(1, 2**62, (2, 4096), dtype=np.int64) * 2 + 1
"""Multipliers of the two keys of a state; a first key shared by two states of a list is seen and refused."""


@dataclass(frozen=True, eq=False)
class Listing:
    """Laws [T] as lists of states and probabilities, the bound on each, and what it took."""

    counts: list[Counts]
    laws: list[Array]
    error: Array
    lost: Array
    products: dict[str, int]
    largest: int


@dataclass(eq=False)
class Roaming:
    """The projection of one model at `theta` [P] from a start."""

    model: CompiledModel
    theta: Array
    leak: float
    max_states: int
    max_work: float
    products: dict[str, int] = field(default_factory=lambda: dict.fromkeys(METHODS, 0))
    work: float = 0.0
    largest: int = 0

    def laws(self, start: Start, times: Array, flag: Flag) -> Listing:
        """The laws at `times` [T]."""
        states, p, now, added, end = start.counts, start.p, 0.0, 0.0, float(times[-1])
        whole, span, found = float(p.sum()), 0.0, Listing([], [], np.zeros(len(times)), np.zeros(len(times)), {}, 0)
        for k, t in enumerate(times):
            while now < t and not flag[0]:
                rate = float(self.model.propensities(states, self.theta).sum(axis=1).max(initial=0.0))
                span = min(2.0 * span or min(FIRST * end, PRODUCTS / rate), t - now) if rate > 0 else t - now
                states, p, error, span = self._segment(states, p, span, end, flag)
                now, added = now + span, added + error
                now = t if t - now < 1e-12 * t else now
            lost = max(whole - float(p.sum()), 0.0)
            found.counts.append(states)
            found.laws.append(p)
            found.lost[k], found.error[k] = lost, lost + added
        return Listing(found.counts, found.laws, found.error, found.lost, self.products, self.largest)

    def _segment(
        self, states: Counts, p: Array, span: float, end: float, flag: Flag
    ) -> tuple[Counts, Array, float, float]:
        """The law after a segment, what integration adds to the error, and the segment's length."""
        rounds = 0
        while True:
            allowed = self.leak * span / end
            links = _Links.of(self.model, self.theta, states)
            flow = self._integrated(links, p, span, end, (1 - DROPPED) * allowed, flag)
            law = flow.laws[-1]
            lost = float(p.sum() - law.sum())
            if not flow.stopped and lost <= (1 - DROPPED) * allowed + float(flow.error[-1]):
                links.refuse(flow.occupancy + law)
                kept = _without_least(law, DROPPED * allowed)
                return states[kept], law[kept], float(flow.error[-1]), span
            fresh = links.fresh(flow.occupancy + law * (span / 16.0), 1e-3 * allowed)
            fresh = _with_next(self.model, self.theta, states, fresh)
            if not len(fresh):
                raise TruncationError(f"{lost:.2g} is lost to rounding", place="fsp", mend="allow a larger leak")
            if len(states) + len(fresh) > self.max_states:
                reason = f"the law needs a list of at least {len(states) + len(fresh)} states"
                raise TruncationError(
                    f"{reason}, more than max_states = {self.max_states}",
                    place="fsp",
                    mend="raise max_states, allow a larger leak, or use ssa",
                )
            states, p = np.concatenate((states, fresh)), np.concatenate((p, np.zeros(len(fresh))))
            self.largest, rounds = max(self.largest, len(states)), rounds + 1
            span = 0.5 * span if rounds % ROUNDS == 0 else span

    def _integrated(self, links: _Links, p: Array, span: float, end: float, lost: float, flag: Flag) -> Flow:
        rate = float(links.outflow.max(initial=0.0))
        terms = Terms.of_sparse(links.generator, rate)
        share = 0.05 * self.leak * span / end
        flow = integrate(terms, rate, p, np.array([span]), lost_at_most=lost, tolerance=max(share, 1e-14), control=flag)
        for name, number in flow.products.items():
            self.products[name] += number
        self.work += flow.work * len(links.generator.data)
        if self.work > self.max_work:
            raise TruncationError(
                f"more than max_work = {self.max_work:.1e} additions on {len(p)} states",
                place="fsp",
                mend="raise max_work, or use ssa",
            )
        return flow


@dataclass(frozen=True, eq=False)
class _Links:
    """The generator [N, N] of a list, its outflow [N], and the transitions [L] that leave the list."""

    model: CompiledModel
    states: Counts
    rates: Array
    generator: csr_array
    outflow: Array
    source: Counts
    reaction: Counts

    @classmethod
    def of(cls, model: CompiledModel, theta: Array, states: Counts) -> _Links:
        """The transitions of a model from every state of a list [N, S]."""
        raw = model.propensities(states, theta)
        rates = np.where((raw > 0) & (raw < np.inf), raw, 0.0)
        for r, change in enumerate(model.change):
            lacking = (states[:, change < 0] < -change[change < 0]).any(axis=1)
            rates[lacking, r] = 0.0
        source, reaction = np.nonzero(rates)
        value, place, size = rates[source, reaction], _after(states, model.change, source, reaction), len(states)
        inner, outflow = place >= 0, rates.sum(axis=1)
        rows, columns = np.append(place[inner], np.arange(size)), np.append(source[inner], np.arange(size))
        generator = csr_array((np.append(value[inner], -outflow), (rows, columns)), shape=(size, size))
        return cls(model, states, raw, generator, outflow, source[~inner], reaction[~inner])

    def fresh(self, occupancy: Array, enough: float) -> Counts:
        """The states off the list that receive most, all but those that receive `enough` together: [M, S]."""
        target = self.states[self.source] + self.model.change[self.reaction]
        flow = self.rates[self.source, self.reaction] * occupancy[self.source]
        keys, first, place = np.unique(_keys(target)[0], return_index=True, return_inverse=True)
        received = np.bincount(place.reshape(-1), flow, len(keys))
        order = np.argsort(received)
        least = np.searchsorted(np.cumsum(received[order]), enough)
        return target[first[order[min(least, max(len(order) - 1, 0)) :]]]

    def refuse(self, weight: Array) -> None:
        """RunError where probability [N] is in a state whose laws are no rates, or would fire below zero."""
        bad = ~((self.rates >= 0) & (self.rates < np.inf))
        for r in np.nonzero((self.model.change < 0).any(axis=1))[0].tolist():
            bad[:, r] |= ((self.states + self.model.change[r]) < 0).any(axis=1) & (self.rates[:, r] > 0)
        bad &= (weight > 0)[:, None]
        if bad.any():
            row, which = (int(v[0]) for v in np.nonzero(bad))
            name, value = self.model.network.reactions[which].name, float(self.rates[row, which])
            counts = zip(self.model.network.species_names, self.states[row].tolist(), strict=True)
            place = f"state ({', '.join(f'{n} = {c}' for n, c in counts)})"
            raise RunError(f"reaction {name!r} has the propensity {value:g} there", place=place, mend="mend its law")


def _with_next(model: CompiledModel, theta: Array, states: Counts, fresh: Counts) -> Counts:
    """The new states and where they lead to, off the list [N, S]: [M, S] -> [K, S]."""
    if not len(fresh):
        return fresh
    source, reaction = np.nonzero(model.propensities(fresh, theta) > 0)
    target = fresh[source] + model.change[reaction]
    target = np.concatenate((fresh, target[(target >= 0).all(axis=1)]))
    _, first = np.unique(_keys(target)[0], return_index=True)
    target = target[np.sort(first)]
    still = np.zeros((1, target.shape[1]), dtype=np.int64)
    place = _after(states, still, np.arange(len(target)), np.zeros(len(target), dtype=np.int64), target)
    return target[place < 0]


def _keys(states: Counts) -> Counts:
    """Two keys of 64 bits for each state, linear in the counts: [N, S] -> [2, N]."""
    return np.asarray(_MIX[:, : states.shape[1]] @ states.T)


def _after(states: Counts, change: Counts, source: Counts, reaction: Counts, origin: Counts | None = None) -> Counts:
    """The place in the list where each transition leads, or -1: [L]; it starts in `origin` (default the list)."""
    keys, steps = _keys(states), _keys(change)
    begin = keys if origin is None else _keys(origin)
    order = np.argsort(keys[0])
    if (np.diff(keys[0][order]) == 0).any():
        raise RunError("two states share a key", place="fsp", mend="report this model")
    with np.errstate(over="ignore"):
        wanted = begin[:, source] + steps[:, reaction]
    place = order[np.minimum(np.searchsorted(keys[0][order], wanted[0]), len(order) - 1)]
    return np.where((keys[:, place] == wanted).all(axis=0), place, -1)


def _without_least(law: Array, spare: float) -> NDArray[np.bool_]:
    """The places [N] left when the least likely states, `spare` in all, are dropped; one stays at least."""
    order = np.argsort(law)
    gone = order[: min(int(np.searchsorted(np.cumsum(law[order]), spare)), len(law) - 1)]
    kept = np.ones(len(law), dtype=np.bool_)
    kept[gone] = False
    return kept
