"""What the windows of a model share, whatever its rates: conservation laws, bounds, barriers, starts.

Kept by value (model and start), so that the same question asked again finds it worked out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.distribution import Distribution, PointMass, Sampled, Tabulated
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.listed import Listed
from kinetix.network import ReactionNetwork
from kinetix.solvers.paths import native
from kinetix.solvers.paths.tabled import Kernel, tabled_kernel
from kinetix.space import StateSpace
from kinetix.structure import conservation_laws

from .grid import SMALL, Grid, grid_of

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

PATHS = 24
"""Pilot trajectories."""

LEVELS = 255
"""Barriers are looked for up to this count."""


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
class Frame:
    """A model and a start."""

    model: CompiledModel
    start: Start
    places: dict[tuple[int, ...], tuple[Grid, Array]] = field(default_factory=dict)

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

    @cached_property
    def least(self) -> Counts:
        """The largest counts of the start: [S]."""
        return np.asarray(self.start.counts.max(axis=0))

    @cached_property
    def kernel(self) -> Kernel | None:
        """The compiled kernel of the pilots; None where the model or the machine has none."""
        if not native.available():
            return None
        try:
            return tabled_kernel(self.model)
        except UnsupportedFeature:
            return None

    @cached_property
    def starts(self) -> Counts:
        """Where the pilots start: [PATHS, S]."""
        if self.start.fixed:
            return np.repeat(self.start.counts, PATHS, axis=0)
        draws = np.random.default_rng(0).choice(len(self.start.p), PATHS, p=self.start.p / self.start.p.sum())
        return self.start.counts[draws]

    @cached_property
    def barriers(self) -> dict[int, Counts]:
        """The counts that no reaction seems to pass, of each free species; kept by model and start."""
        network, laws = self.model.network, len(self.laws) > 0
        start = self.start.counts[0] if laws else self.start.counts[0] * 0
        key = (network.fingerprint, network.species_names, network.theta_names)
        return _barriers(_Barred(key, tuple(self.bounds.tolist()), tuple(start.tolist()), laws, self.model))

    def space(self, caps: Counts) -> StateSpace:
        """The window of counts 0 .. caps [S]."""
        if len(self.laws):
            return StateSpace.conserved(self.laws, self.start.counts[0], caps.tolist())
        return StateSpace.box(caps.tolist())

    def place(self, caps: Counts) -> tuple[Grid, Array]:
        """The grid of a window and the start on it [N], which is not to be written to; small ones are kept."""
        key = tuple(caps.tolist())
        if (found := self.places.get(key)) is not None:
            return found
        space = self.space(caps)
        made = grid_of(self.model, space), self.start.on(space)
        if space.size <= SMALL:
            if len(self.places) >= 64:
                self.places.clear()
            self.places[key] = made
        return made


@dataclass(frozen=True)
class _Key:
    """A model and a start, by value."""

    value: tuple[object, ...]
    frame: Frame = field(compare=False)


def frame_of(model: CompiledModel, start: Start) -> Frame:
    """The frame of a model and a start, kept for the next question about them."""
    network = model.network
    names = network.fingerprint, network.species_names, network.theta_names, network.propensities, model.theta.tobytes()
    value = (*names, start.counts.shape, start.counts.tobytes(), start.p.tobytes())
    return _kept(_Key(value, Frame(model, start)))


@lru_cache(maxsize=64)
def _kept(key: _Key) -> Frame:
    return key.frame


@dataclass(frozen=True)
class _Barred:
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
def _barriers(frame: _Barred) -> dict[int, Counts]:
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
