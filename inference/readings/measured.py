"""Rows read by an instrument: the whole law of the latent species, pushed through the matrices of the measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Distribution, Moments
from kinetix.errors import DataError
from kinetix.inference.data.measurement import OPEN, Measurement
from kinetix.inference.data.readout import Readout, matrix_of, numbers_of, slope_of
from kinetix.inference.observations import Observations

from .latent_boxes import Box, Boxes, require_small
from .observables import Limits, Observables
from .reading import Ask, AskSlopes, Drawn, Noise, Slopes

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

Make = Callable[[Readout], Array]
"""A matrix from true counts to intervals of readings."""


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
            require_small(self.limits.high - self.limits.low + 1)
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

        self._boxes.each(weigh, vectors, len(ks))
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

        self._boxes.each(weigh, vectors, len(ks))
        return found, rises

    # inner ---------------------------------------------------------------------------------------

    @cached_property
    def _boxes(self) -> Boxes:
        return Boxes(self.observables, self.limits, self._first, self.missing)

    @cached_property
    def _first(self) -> Counts:
        """The caps [A] of the first box: what was read, shared among the species of a sum, and some more."""
        caps = np.zeros(len(self.observables.axes), dtype=np.int64)
        for d in range(len(self.observables.names)):
            members = np.flatnonzero(self.observables.weights[:, d])
            ends = [np.where(kinds[d] == OPEN, 0, kinds[d]).max(initial=0) for kinds, _ in self._kinds]
            exact = len(members) == 1 and self.observables.names[d] not in self.measurement.observables
            caps[members] = np.maximum(caps[members], -(-int(max(ends)) // len(members)) + (0 if exact else 10))
        return caps

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

    def _matrix(self, d: int, readout: Readout, noise: Mapping[str, float]) -> Array:
        return matrix_of(self.measurement, self.observables.names[d], readout, noise)

    def _slope(self, d: int, readout: Readout, noise: Mapping[str, float], name: str) -> Array:
        return slope_of(self.measurement, self.observables.names[d], readout, noise, name)

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
        for d, name in enumerate(self.measured.observables.names):
            capture, background = numbers_of(self.measured.measurement, name, self.noise)
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
