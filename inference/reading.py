"""From the law of the latent counts to the probabilities of the rows of a table: what a solver is asked, and the sums.

Rows that are counted exactly ask for their splits alone. Rows that were measured need the whole law of the latent
species, pushed through the matrices of the measurement: it is asked for on a box that grows until it holds the law.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Protocol

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kinetix.distribution import Distribution, Moments
from kinetix.errors import DataError, TruncationError, UnsupportedFeature

from .measurement import OPEN, Measurement
from .observables import LATENT, Limits, Observables, Splits
from .observations import Observations
from .readout import Readout

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Noise = Mapping[str, Array]
"""The parameters of the measurement by name: [B] each."""

Ask = Callable[[Sequence[Counts], NDArray[np.intp]], list[Any]]
"""Log-probabilities of latent rows, one list of states a time, under the vectors at some places: T of [b, V]."""

AskSlopes = Callable[[Sequence[Counts], NDArray[np.intp]], tuple[list[Any], list[Any]]]
"""The same with derivatives: T of [b, V], and T of [b, V, K]."""

Slopes = tuple[list[Array], list[Array]]
"""Log-probabilities, one [B, U_k] a time, and their derivatives, one [B, U_k, K] a time."""

HELD = 20_000_000
"""Probabilities that are held at once."""

GROWTH = 1.5
"""Boxes have caps on a ladder, so that one vector's box does not depend on the others'."""

PATIENCE = 8
"""Boxes that may hold no more of a law than the one before, until it is taken to be lost."""


Make = Callable[[Readout], Array]
"""A matrix from true counts to intervals of readings."""


class Drawn(Protocol):
    """A law to be drawn from."""

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Independent draws: [n, D]."""
        ...


class Reading(Protocol):
    """How the rows at every time follow from latent counts."""

    def of_law(self, k: int, law: Distribution, noise: Mapping[str, float]) -> Array:
        """Log-probabilities of the rows at time k under a law of all species: [U]."""
        ...

    def of_batch(self, ask: Ask, ks: Sequence[int], noise: Noise, vectors: int) -> list[Array]:
        """The same at the times `ks` under many parameter vectors: one [B, U_k] a time."""
        ...

    def slopes_of_law(self, k: int, law: Distribution, noise: Mapping[str, float], name: str) -> Array:
        """Derivatives of `of_law` by the parameter `name` of the measurement: [U]; NaN at probability 0."""
        ...

    def slopes_of_batch(self, ask: AskSlopes, ks: Sequence[int], noise: Noise, vectors: int) -> Slopes:
        """As `of_batch`, with derivatives by the K parameters that are asked about, then those in `noise`."""
        ...

    def drawn(self, law: Distribution, noise: Mapping[str, float]) -> Drawn:
        """The law of what is read under a law of all species, to be drawn from."""
        ...

    def as_read(self, counts: Counts) -> Counts:
        """Counts [..., D] of the table, those that the instrument cannot tell apart made equal."""
        ...


@dataclass(frozen=True, eq=False)
class Exact:
    """Rows that are counted exactly: the sum over their splits."""

    observables: Observables
    data: Observations
    limits: Limits | None

    @property
    def by_law(self) -> bool:
        """Whether sums are so large that laws are asked for, not their splits."""
        return self.limits is None and self.observables.are_wide(self.data.largest)

    @cached_property
    def splits(self) -> list[Splits]:
        """What the solver is asked about for the rows of every time."""
        return [self.observables.splits(counts, self.limits) for counts, _ in self.data.rows]

    def of_law(self, k: int, law: Distribution, noise: Mapping[str, float]) -> Array:
        """See `Reading`."""
        return np.asarray(self.observables.law(law).log_prob(self.data.rows[k][0]))

    def of_batch(self, ask: Ask, ks: Sequence[int], noise: Noise, vectors: int) -> list[Array]:
        """See `Reading`."""
        found = ask([self.splits[k].states for k in ks], np.arange(vectors))
        return [self.splits[k].gather(log_p) for k, log_p in zip(ks, found, strict=True)]

    def slopes_of_law(self, k: int, law: Distribution, noise: Mapping[str, float], name: str) -> Array:
        """Nothing is measured: 0."""
        return np.zeros(len(self.data.rows[k][0]))

    def slopes_of_batch(self, ask: AskSlopes, ks: Sequence[int], noise: Noise, vectors: int) -> Slopes:
        """See `Reading`."""
        logs, slopes = ask([self.splits[k].states for k in ks], np.arange(vectors))
        rises = [self.splits[k].gather_slopes(p, s) for k, p, s in zip(ks, logs, slopes, strict=True)]
        return [self.splits[k].gather(p) for k, p in zip(ks, logs, strict=True)], rises

    def drawn(self, law: Distribution, noise: Mapping[str, float]) -> Drawn:
        """See `Reading`."""
        return self.observables.law(law)

    def as_read(self, counts: Counts) -> Counts:
        """Exactly."""
        return counts


@dataclass(frozen=True, eq=False)
class Box:
    """All latent states from `low` to `high` [A], and which values of the observables they show."""

    low: Counts
    high: Counts
    observables: Observables

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Values of each latent species."""
        return tuple((self.high - self.low + 1).tolist())

    @cached_property
    def states(self) -> Counts:
        """The states [V, A], the last species fastest."""
        return np.stack(np.unravel_index(np.arange(math.prod(self.shape)), self.shape), axis=-1) + self.low

    @cached_property
    def values(self) -> tuple[Counts, ...]:
        """The values that each observable takes: D of [n_d]."""
        weights = self.observables.weights
        least, most = self.low @ weights, self.high @ weights
        return tuple(np.arange(a, b + 1, dtype=np.int64) for a, b in zip(least, most, strict=True))

    def shown(self, p: Array) -> Array:
        """Probabilities of the observables from those of the states: [B, V] -> [B, n_1, ..., n_D]."""
        sizes = [len(v) for v in self.values]
        if self.observables.plain:
            return p.reshape(len(p), *sizes)
        return np.asarray(p @ self._sum).reshape(len(p), *sizes)

    @cached_property
    def _sum(self) -> Any:
        seen = self.states @ self.observables.weights - self.low @ self.observables.weights
        place = np.ravel_multi_index(tuple(seen.T), tuple(len(v) for v in self.values))
        size = math.prod(len(v) for v in self.values)
        rows = np.arange(len(place))
        return scipy.sparse.csr_array((np.ones(len(place)), (rows, place)), shape=(len(place), size))


@dataclass(frozen=True, eq=False)
class Measured:
    """Rows read by an instrument: the whole law, pushed through the measurement.

    `limits` are those of a net, whose law ends there; None for a solver whose window grows with what is
    asked. Then at most `missing` of the probability is left outside the box, and that bounds the error.
    """

    observables: Observables
    data: Observations
    measurement: Measurement
    limits: Limits | None
    missing: float
    by_law: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.limits is not None:
            self._require_small(self.limits.high - self.limits.low + 1)
            self._refuse_beyond(self.limits)

    def of_law(self, k: int, law: Distribution, noise: Mapping[str, float]) -> Array:
        """See `Reading`."""
        if isinstance(law, Moments):
            return law.log_prob(self.data.rows[k][0])
        with np.errstate(divide="ignore"):
            return np.log(self._expected(k, law, [partial(self._matrix, d, noise=noise) for d in self._each]))

    def slopes_of_law(self, k: int, law: Distribution, noise: Mapping[str, float], name: str) -> Array:
        """See `Reading`."""
        matrices: list[Make] = [partial(self._matrix, d, noise=noise) for d in self._each]
        total = np.zeros(len(self._kinds[k][1]))
        for d in self._moved_by(name):
            changed = partial(self._slope, d, noise=noise, name=name)
            total += self._expected(k, law, [*matrices[:d], changed, *matrices[d + 1 :]])
        with np.errstate(divide="ignore", invalid="ignore"):
            return total / self._expected(k, law, matrices)

    def _expected(self, k: int, law: Distribution, matrices: Sequence[Make]) -> Array:
        """The expectation of the products of the matrices, row by row, under a law of all species: [U]."""
        latent, (kinds, index) = law.marginal(self.observables.axes), self._kinds[k]
        parts = []
        for rows in np.array_split(index, max(1, len(index) // 64)):

            def weighed(states: Counts, rows: Counts = rows) -> Array:
                seen, result = states @ self.observables.weights, np.ones((len(states), len(rows)))
                for d, intervals in enumerate(kinds):
                    distinct, back = np.unique(seen[:, d], return_inverse=True)
                    matrix = matrices[d](Readout(distinct, intervals))
                    result *= matrix[back.reshape(-1)][:, rows[:, d]]
                return result

            parts.append(latent.expect(weighed))
        return np.concatenate(parts)

    def of_batch(self, ask: Ask, ks: Sequence[int], noise: Noise, vectors: int) -> list[Array]:
        """See `Reading`."""
        found = [np.empty((vectors, len(self._kinds[k][1]))) for k in ks]

        def weigh(box: Box, which: NDArray[np.intp]) -> list[Array]:
            tables = [np.exp(t) for t in ask([box.states] * len(ks), which)]
            for result, k, table in zip(found, ks, tables, strict=True):
                with np.errstate(divide="ignore"):
                    result[which] = np.log(self.pushed(box, k, table, noise, which))
            return tables

        self.on_boxes(weigh, vectors, len(ks))
        return found

    def drawn(self, law: Distribution, noise: Mapping[str, float]) -> Drawn:
        """See `Reading`."""
        return Readings(self.observables.law(law), self, dict(noise))

    def as_read(self, counts: Counts) -> Counts:
        """Every count as the first of its interval."""
        columns = [self.measurement.as_read(name, counts[..., d]) for d, name in enumerate(self.observables.names)]
        return np.stack(columns, axis=-1)

    def slopes_of_batch(self, ask: AskSlopes, ks: Sequence[int], noise: Noise, vectors: int) -> Slopes:
        """See `Reading`."""
        found = [np.empty((vectors, len(self._kinds[k][1]))) for k in ks]
        rises: list[Array] = [np.empty((vectors, len(self._kinds[k][1]), 0)) for k in ks]

        def weigh(box: Box, which: NDArray[np.intp]) -> list[Array]:
            logs, slopes = ask([box.states] * len(ks), which)
            tables = [np.exp(t) for t in logs]
            for i, (k, table, slope) in enumerate(zip(ks, tables, slopes, strict=True)):
                changes = np.where(table[..., None] > 0, table[..., None] * slope, 0.0)
                p = self.pushed(box, k, table, noise, which)
                rows = [self.pushed(box, k, changes[..., j], noise, which) for j in range(changes.shape[-1])]
                rows += [self._pushed_slope(box, k, table, noise, which, name) for name in noise]
                if rises[i].shape[-1] != len(rows):
                    rises[i] = np.empty((*found[i].shape, len(rows)))
                with np.errstate(divide="ignore", invalid="ignore"):
                    found[i][which] = np.log(p)
                    if rows:
                        rises[i][which] = np.stack(rows, axis=-1) / p[..., None]
            return tables

        self.on_boxes(weigh, vectors, len(ks))
        return found, rises

    # boxes ---------------------------------------------------------------------------------------

    def on_boxes(self, weigh: Callable[[Box, NDArray[np.intp]], list[Array]], vectors: int, times: int) -> None:
        """Weigh all parameter vectors on boxes that hold their laws; `weigh` gives their tables, T of [b, V]."""
        if self.limits is not None:
            box = Box(self.limits.low, self.limits.high, self.observables)
            for some in _blocks(np.arange(vectors), box, times):
                weigh(box, some)
            return
        waiting, caps = np.arange(vectors), np.tile(self._first, (vectors, 1))
        before, still = np.full(vectors, np.inf), np.zeros(vectors, dtype=np.int64)
        while len(waiting):
            late = []
            for wanted in np.unique(caps[waiting], axis=0):
                self._require_small(wanted + 1)
                box = self._box(wanted)
                for some in _blocks(waiting[(caps[waiting] == wanted).all(axis=1)], box, times):
                    outside, faces = _outside(box, weigh(box, some))
                    left = outside > self.missing
                    still[some] += left & (outside > 0.999 * before[some]) & (outside < 0.5)
                    self._refuse_stuck(outside[still[some] > PATIENCE])
                    grows = faces > 1e-3 * self.missing
                    grows |= ~grows.any(axis=1, keepdims=True)
                    caps[some] = np.where(left[:, None] & grows, rung(caps[some] + 1), caps[some])
                    before[some] = outside
                    late.append(some[left])
            waiting = np.concatenate(late)

    def _refuse_stuck(self, outside: Array) -> None:
        if len(outside):
            raise TruncationError(
                f"{outside[0]:.2g} of the law are on no window of the solver, more than {self.missing:.2g}",
                place="measurement",
                mend="allow a larger window (max_states, caps) or a smaller leak",
            )

    @cached_property
    def _first(self) -> Counts:
        """The caps [A] of the first box: what was read, shared among the species of a sum, and some more."""
        caps = np.zeros(len(self.observables.axes), dtype=np.int64)
        for d in range(len(self.observables.names)):
            members = np.flatnonzero(self.observables.weights[:, d])
            ends = [np.where(kinds[d] == OPEN, 0, kinds[d]).max(initial=0) for kinds, _ in self._kinds]
            exact = len(members) == 1 and self.observables.names[d] not in self.measurement.observables
            caps[members] = np.maximum(caps[members], -(-int(max(ends)) // len(members)) + (0 if exact else 10))
        return rung(caps)

    def _box(self, caps: Counts) -> Box:
        key = tuple(caps.tolist())
        if key not in self._boxes:
            self._boxes[key] = Box(np.zeros_like(caps), caps, self.observables)
        return self._boxes[key]

    @cached_property
    def _boxes(self) -> dict[tuple[int, ...], Box]:
        return {}

    def _require_small(self, shape: Counts) -> None:
        if (size := math.prod(shape.tolist())) > LATENT:
            raise UnsupportedFeature(
                f"a measurement needs the whole law of what is observed, and {size:.2g} states are too many",
                place="measurement",
                mend=f"observe fewer species (at most {LATENT} states), or use a narrower law",
            )

    def _refuse_beyond(self, limits: Limits) -> None:
        """Readings that no state of a net's window can give."""
        most = limits.high @ self.observables.weights
        for d, name in enumerate(self.observables.names):
            if name in self.measurement.background:
                continue
            least = max(int(kinds[d][:, 0].max(initial=0)) for kinds, _ in self._kinds)
            if least > most[d]:
                raise DataError(
                    f"the count {least} of {name!r} is outside the net's window, which ends at {most[d]}",
                    place="data",
                    mend="train with caps= that hold the data",
                )

    # the push ------------------------------------------------------------------------------------

    @cached_property
    def _kinds(self) -> list[tuple[list[Counts], Counts]]:
        """Of every time, the distinct intervals of each observable and which of them each row shows: [U, D]."""
        result = []
        for counts, _ in self.data.rows:
            columns = [
                np.unique(self.measurement.intervals(name, counts[:, d]), axis=0, return_inverse=True)
                for d, name in enumerate(self.observables.names)
            ]
            index = np.column_stack([back.reshape(-1) for _, back in columns])
            result.append(([kinds for kinds, _ in columns], index))
        return result

    def pushed(self, box: Box, k: int, table: Array, noise: Noise, which: NDArray[np.intp]) -> Array:
        """Probabilities of the rows at time k from those of the states: [b, V] -> [b, U]."""
        index = self._kinds[k][1]
        shown = box.shown(table)
        if not self.measurement.parameters:
            return contracted(shown, self._matrices(box, k, {}), index)
        each = [{n: float(v[b]) for n, v in noise.items()} for b in which]
        return np.concatenate(
            [
                contracted(one[None], self._matrices(box, k, values), index)
                for one, values in zip(shown, each, strict=True)
            ]
        )

    def _pushed_slope(self, box: Box, k: int, table: Array, noise: Noise, which: NDArray[np.intp], name: str) -> Array:
        """The derivative of `pushed` by a parameter of the measurement: [b, U]."""
        index, result = self._kinds[k][1], np.zeros((len(which), len(self._kinds[k][1])))
        for i, (one, b) in enumerate(zip(box.shown(table), which, strict=True)):
            values = {n: float(v[b]) for n, v in noise.items()}
            matrices = self._matrices(box, k, values)
            for d in self._moved_by(name):
                changed = self._slope(d, self._readouts(box, k)[d], noise=values, name=name)
                result[i] += contracted(one[None], [*matrices[:d], changed, *matrices[d + 1 :]], index)[0]
        return result

    def _matrices(self, box: Box, k: int, noise: Mapping[str, float]) -> list[Array]:
        return [self._matrix(d, readout, noise) for d, readout in enumerate(self._readouts(box, k))]

    def _readouts(self, box: Box, k: int) -> list[Readout]:
        return [Readout(values, kinds) for values, kinds in zip(box.values, self._kinds[k][0], strict=True)]

    def numbers(self, d: int, noise: Mapping[str, float]) -> tuple[float | None, float | None]:
        """Capture and background of an observable, None where there is none."""
        name = self.observables.names[d]
        given = self.measurement.capture.get(name), self.measurement.background.get(name)
        capture, background = (noise[v] if isinstance(v, str) else v for v in given)
        return (None if capture is None else float(capture)), (None if background is None else float(background))

    def _matrix(self, d: int, readout: Readout, noise: Mapping[str, float]) -> Array:
        return readout.matrix(*self.numbers(d, noise))

    def _slope(self, d: int, readout: Readout, noise: Mapping[str, float], name: str) -> Array:
        """The derivative of the matrix of an observable by a parameter of the measurement."""
        observable, (capture, background) = self.observables.names[d], self.numbers(d, noise)
        result = np.zeros((len(readout.counts), len(readout.intervals)))
        if capture is not None and self.measurement.capture.get(observable) == name:
            result += readout.by_capture(capture, background)
        if background is not None and self.measurement.background.get(observable) == name:
            result += readout.by_background(capture, background)
        return result

    def _moved_by(self, name: str) -> list[int]:
        """The observables whose matrices depend on a parameter of the measurement."""
        given = self.measurement.capture, self.measurement.background
        return [d for d, o in enumerate(self.observables.names) if any(m.get(o) == name for m in given)]

    @property
    def _each(self) -> range:
        return range(len(self.observables.names))


@dataclass(frozen=True, eq=False)
class Readings:
    """What an instrument shows of draws of `law`, the law of the observables."""

    law: Distribution
    measured: Measured
    noise: Mapping[str, float]

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Independent readings: [n, D]."""
        counts = self.law.sample(n, rng=rng).copy()
        for d in range(counts.shape[1]):
            capture, background = self.measured.numbers(d, self.noise)
            if capture is not None:
                counts[:, d] = rng.binomial(counts[:, d], capture)
            if background is not None:
                counts[:, d] += rng.poisson(background, n)
        return self.measured.as_read(counts)


def contracted(shown: Array, matrices: Sequence[Array], index: Counts) -> Array:
    """Probabilities of rows from a law and a matrix an axis: [b, n_1, ...], D of [n_d, C_d], [U, D] -> [b, U]."""
    for matrix in matrices:
        shown = np.tensordot(shown, matrix, axes=(1, 0))
    return np.asarray(shown[(slice(None), *index.T)])


def rung(caps: Counts) -> Counts:
    """The least caps on the ladder that are as large: [A] -> [A]."""
    steps = np.arange(int(math.log(max(int(caps.max()), 1)) / math.log(GROWTH)) + 3)
    ladder = np.ceil(GROWTH**steps).astype(np.int64)
    return np.asarray(ladder[np.searchsorted(ladder, np.maximum(caps, 1))])


def _outside(box: Box, tables: Sequence[Array]) -> tuple[Array, Array]:
    """What is outside the box at the worst time [b], and how much lies on each upper face [b, A]."""
    faces = []
    for table in tables:
        whole = table.reshape(-1, *box.shape)
        axes = range(1, whole.ndim)
        faces.append(np.stack([whole.take(-1, axis=a).reshape(len(whole), -1).sum(axis=1) for a in axes], axis=1))
    return np.max([1.0 - t.sum(axis=1) for t in tables], axis=0), np.max(faces, axis=0)


def _blocks(which: NDArray[np.intp], box: Box, times: int) -> list[NDArray[np.intp]]:
    size = max(1, HELD // (math.prod(box.shape) * max(1, times)))
    return [which[k : k + size] for k in range(0, len(which), size)]
