"""The window of a finite state projection: a first guess from pilot trajectories, then wider faces.

A window is a box of counts 0 .. cap of every species; species that conservation laws determine are
taken out when the start is one state. The sink judges a window, so a poor guess costs time only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.distribution import Distribution, PointMass, Sampled, Tabulated
from kinetix.errors import SettingError
from kinetix.listed import Listed
from kinetix.network import ReactionNetwork
from kinetix.solvers.paths import lockstep
from kinetix.solvers.paths.kernels import trajectory_kernel
from kinetix.space import StateSpace
from kinetix.structure import conservation_laws

from .grid import Rates

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

PATHS = 24
STEPS = 4_000
GRID = 24
"""Pilot trajectories, the events allowed to each, and the times between 0 and the end they are seen at."""

GENE = 3
"""Counts up to this one are those of genes and the like: their axes are short."""

LEVELS = 255
"""Barriers are looked for up to this count."""

ROOT = (0x6B696E65746978, 0x77696E646F77)
"""The pilots' root is fixed: the window is a function of the problem alone."""


@dataclass(frozen=True, eq=False)
class Start:
    """The law at time 0 as weighed states: counts [M, S], p [M]."""

    counts: Counts
    p: Array

    @classmethod
    def of(cls, initial: Distribution) -> Start:
        """The states that carry probability."""
        if isinstance(initial, PointMass):
            return cls(np.asarray(initial.counts, dtype=np.int64)[None, :], np.ones(1))
        if isinstance(initial, Tabulated):
            held = np.nonzero(initial.p > 0)[0]
            return cls(initial.space.states(held), initial.p[held])
        if isinstance(initial, Listed):
            return cls(initial.counts, initial.p)
        if isinstance(initial, Sampled):
            counts, repeats = np.unique(initial.counts, axis=0, return_counts=True)
            return cls(counts, repeats / len(initial.counts))
        table = initial.table()
        counts = np.argwhere(table > 0)
        return cls(counts, table[tuple(counts.T)])

    @property
    def fixed(self) -> bool:
        """Whether all probability is on one state."""
        return len(self.counts) == 1

    def on(self, space: StateSpace) -> Array:
        """The law on a window: [N]; refuses a window that does not hold the start."""
        position = space.index(self.counts)
        if (position < 0).any():
            outside = self.counts[int(np.argmin(position))].tolist()
            raise SettingError(f"the window does not hold the start {outside}", place="window", mend="widen it")
        return np.bincount(position, weights=self.p, minlength=space.size).astype(np.float64)


@dataclass(frozen=True, eq=False)
class WindowMaker:
    """Windows for one model, start and time span; `theta` [P] tells which laws can be zero."""

    model: CompiledModel
    start: Start
    theta: Array
    end: float

    @cached_property
    def laws(self) -> Counts:
        """The conservation laws that can be used: [L, S]."""
        laws = _conserved(self.model.network)
        return laws if self.start.fixed else laws[:0]

    @cached_property
    def bounds(self) -> Array:
        """The largest count that the conservation laws allow: [S], inf where they say nothing."""
        bounds = np.full(self.start.counts.shape[1], np.inf)
        for law in _conserved(self.model.network):
            if (law >= 0).all():
                held = law > 0
                bounds[held] = np.minimum(bounds[held], (self.start.counts @ law).max() // law[held])
        fixed = ~(self.model.change != 0).any(axis=0)
        bounds[fixed] = np.minimum(bounds[fixed], self.start.counts.max(axis=0)[fixed])
        return bounds

    def space(self, caps: Counts) -> StateSpace:
        """The window of counts 0 .. caps [S]."""
        if len(self.laws):
            return StateSpace.conserved(self.laws, self.start.counts[0], caps.tolist())
        return StateSpace.box(caps.tolist())

    def guess(self, theta: Array, at_least: Counts, *, compiled: bool = False) -> Counts:
        """Caps [S] that should hold the law: what pilots reach and a margin, cut at counts never passed."""
        seen = np.maximum(self._pilot(theta, compiled=compiled), at_least)
        spread = 5.5 if (seen > GENE).sum() <= 1 else 4.0  # on one axis room is cheap, a second window is not
        caps = rounded_up(np.ceil(seen + spread * np.sqrt(seen) + 4).astype(np.int64))
        caps = np.minimum(caps, self.bounds).astype(np.int64)
        return np.maximum(self._cut(caps, seen), at_least)

    @cached_property
    def _starts(self) -> Counts:
        """Where the pilots start: [PATHS, S]."""
        if self.start.fixed:
            return np.repeat(self.start.counts, PATHS, axis=0)
        draws = np.random.default_rng(0).choice(len(self.start.p), PATHS, p=self.start.p / self.start.p.sum())
        return self.start.counts[draws]

    def _pilot(self, theta: Array, *, compiled: bool) -> Counts:
        """The largest counts [S] that a few trajectories show."""
        starts = self._starts
        times = np.linspace(0.0, self.end, GRID + 1)
        thetas = np.tile(theta, (PATHS, 1))
        out = np.repeat(starts[:, None, :], len(times), axis=1)
        control, report, when = np.zeros(1, dtype=np.int64), np.zeros(3 + starts.shape[1], dtype=np.int64), np.zeros(1)
        if compiled:
            low, high = (np.uint64(word) for word in ROOT)
            budget = 20 * STEPS
            trajectory_kernel(self.model)(times, thetas, starts, 0, low, high, budget, control, out, report, when)
        else:
            lockstep.run(self.model, times, thetas, starts, 0, ROOT, STEPS, control, out, report, when)
        return np.asarray(np.maximum(out.max(axis=(0, 1)), self.start.counts.max(axis=0)))

    def _cut(self, caps: Counts, seen: Counts) -> Counts:
        """Caps lowered to the least count, from `seen` on, that no reaction seems to pass."""
        result = caps.copy()
        for s, barred in self._barriers.items():
            beyond = barred[(barred >= seen[s]) & (barred < caps[s])]
            if len(beyond):
                result[s] = beyond[0]
        return result

    @cached_property
    def _barriers(self) -> dict[int, Counts]:
        """The counts that no reaction seems to pass, of each free species; kept by model and start."""
        network, laws = self.model.network, len(self.laws) > 0
        start = self.start.counts[0] if laws else self.start.counts[0] * 0
        key = (network.fingerprint, network.species_names, network.theta_names)
        return _barriers(_Frame(key, tuple(self.bounds.tolist()), tuple(start.tolist()), laws, self.model))

    def wider(self, caps: Counts, rates: Rates, occupancy: Array, leak: float) -> Counts:
        """Caps after moving out the faces through which probability left: [S]."""
        space, held = rates.grid.space, occupancy.reshape(rates.grid.space.shape)
        flow = np.zeros(len(space.free))
        for axis, s in enumerate(space.free):
            for change, rate in zip(self.model.change, rates.each, strict=True):
                if change[s] > 0:
                    face = (slice(None),) * axis + (slice(max(space.shape[axis] - change[s], 0), None),)
                    flow[axis] += (np.broadcast_to(rate, space.shape)[face] * held[face]).sum()
        result, target = caps.copy(), leak / (4 * max(len(space.free), 1))
        for axis in np.nonzero(flow > min(target, 0.5 * flow.max(initial=0.0)))[0].tolist():
            s = space.free[axis]
            profile = held.sum(axis=tuple(a for a in range(len(space.free)) if a != axis))
            further = caps[s] + _extension(profile, float(flow[axis]), target)
            result[s] = min(rounded_up(np.array([further]))[0], self.bounds[s])
        return result


@dataclass(frozen=True)
class _Frame:
    """What barriers depend on: a model, bounds [S], and a start [S] where conservation laws are used."""

    key: tuple[object, ...]
    bounds: tuple[float, ...]
    start: tuple[int, ...]
    conserved: bool
    model: CompiledModel = field(compare=False)


def _conserved(network: ReactionNetwork) -> Counts:
    """The conservation laws [L, S], kept by what they depend on."""
    change = network.stoichiometry
    return _conservation_laws(change.shape, change.tobytes())


@lru_cache(maxsize=256)
def _conservation_laws(shape: tuple[int, int], data: bytes) -> Counts:
    return conservation_laws(np.frombuffer(data, dtype=np.int64).reshape(shape))


@lru_cache(maxsize=256)
def _barriers(frame: _Frame) -> dict[int, Counts]:
    """For each free species the counts (up to LEVELS) that no reaction passes in any of some random states.

    A barrier seen in error costs time only: the sink shows it and the face is moved.
    """
    model, rng = frame.model, np.random.default_rng(1)
    theta = np.where(model.theta != 0, model.theta, 1.0)
    tops = np.minimum(frame.bounds, LEVELS).astype(np.int64)
    laws = _conserved(model.network)
    space = StateSpace.conserved(laws, frame.start, tops.tolist()) if frame.conserved else StateSpace.box(tops.tolist())
    result = {}
    for axis, s in enumerate(space.free):
        levels = np.repeat(np.arange(tops[s] + 1), 64)
        spread = rng.choice(np.array([0, 1, 1, 2, 3, 5, 10, 30, 100]), (len(levels), len(space.free)))
        local = np.minimum(spread, np.array(space.shape) - 1)
        local[:, axis] = levels
        counts = local @ space.basis.T + space.offset
        held = (counts >= 0).all(axis=1)
        rates = np.where(held[:, None], model.propensities(np.maximum(counts, 0), theta), 0.0)
        passed = np.zeros(int(tops[s]) + 1, dtype=np.bool_)
        for r in np.nonzero(model.change[:, s] > 0)[0]:
            sources = np.unique(levels[rates[:, r] > 0])
            for jump in range(int(model.change[r, s])):
                passed[np.minimum(sources + jump, tops[s])] = True
        result[s] = np.nonzero(~passed)[0]
    return result


def _extension(profile: Array, flow: float, target: float) -> int:
    """How far to move a face: the profile's decay near it continued until the flow falls to the target."""
    width = len(profile)
    back = max(1, min(width - 1, 3 + width // 10))
    near, far = float(profile[-1]), float(profile[-1 - back]) if width > 1 else 0.0
    most = width + 8
    if not 0 < near < far:
        return most
    decay = np.log(far / near) / back
    return int(np.clip(np.ceil(1.4 * np.log(max(flow / target, 2.0)) / decay), 3 + width // 8, most))


def rounded_up(caps: Counts) -> Counts:
    """Caps on a grid of eight steps an octave, so that near parameters share a window: [S]."""
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(caps + 1, 1))) - 3, 0)
    return np.asarray(np.ceil((caps + 1) / step) * step - 1, dtype=np.int64)
