"""What is observed of a state: some species, and sums of species that an experiment cannot tell apart.

The probability of a sum is that of all its splits together. Solvers are asked about the splits, states of the
species that are added (the latent ones); their probabilities are then added up, row by row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.distribution import Distribution, PointMass, Sampled, Tabulated
from kinetix.errors import DataError, UnsupportedFeature
from kinetix.inference.observations import Observations
from kinetix.listed import Listed
from kinetix.network import ReactionNetwork
from kinetix.space import StateSpace

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

WIDE = 50_000
"""Largest window of latent counts that is made to hold every split of the data."""

LATENT = 2_000_000
"""Most splits, over all rows and times, that a solver is asked about."""


@dataclass(frozen=True, eq=False)
class Observables:
    """D observables over A latent species: those at `axes` of the network, added up as `weights` [A, D] say (0, 1)."""

    names: tuple[str, ...]
    axes: tuple[int, ...]
    weights: Counts

    @classmethod
    def of(cls, data: Observations, network: ReactionNetwork) -> Observables:
        """Those of `data`; names that `network` does not have are refused."""
        data.require_species(network)
        places = [[network.species_names.index(part) for part in parts] for parts in data.parts]
        axes = tuple(dict.fromkeys(s for some in places for s in some))
        weights = np.array([[int(s in some) for some in places] for s in axes], dtype=np.int64)
        return cls(data.species, axes, weights.reshape(len(axes), len(places)))

    @property
    def plain(self) -> bool:
        """Whether every observable is a species by itself, in the order of `axes`."""
        return self.weights.shape[0] == self.weights.shape[1] and bool((self.weights == np.eye(len(self.axes))).all())

    def law(self, law: Distribution) -> Distribution:
        """The law of the observables under a law of all species: [S] -> [D]."""
        if self.plain:
            return law.marginal(self.axes)
        if isinstance(law, PointMass):
            return PointMass(law.counts[list(self.axes)] @ self.weights)
        if isinstance(law, Sampled):
            return Sampled(law.counts[:, list(self.axes)] @ self.weights)
        latent = law.marginal(self.axes)
        if isinstance(latent, Tabulated):
            latent = Listed(latent.space.states(), latent.p)
        if isinstance(latent, Listed):
            held = latent.p > 0
            return Listed(latent.counts[held] @ self.weights, latent.p[held]).marginal(range(len(self.names)))
        return Summed(latent, self)

    def are_wide(self, largest: Counts) -> bool:
        """Whether a window that holds all splits of the sums `largest` [D] is larger than the law is likely to need."""
        needed = np.max(np.where(self.weights > 0, largest, 0), axis=1)
        return not self.plain and math.prod(int(n) + 1 for n in needed) > WIDE

    def splits(self, rows: Counts, limits: Limits | None = None) -> Splits:
        """All latent states that show each of the `rows` [U, D], within `limits`.

        DataError for a row that no state shows; UnsupportedFeature where there are too many.
        """
        if self.plain:
            return Splits(np.asarray(rows, dtype=np.int64), np.arange(len(rows)))
        self._require_few(rows)
        found = [self._splits(row, limits) for row in np.asarray(rows, dtype=np.int64)]
        for row, states in zip(rows, found, strict=True):
            if len(states) == 0:
                self._refuse(row, limits)
        lengths = np.array([len(states) for states in found], dtype=np.int64)
        return Splits(np.concatenate(found), np.cumsum(lengths) - lengths)

    # inner ---------------------------------------------------------------------------------------

    @cached_property
    def _order(self) -> list[tuple[int, list[int], list[int]]]:
        """Observables, those of fewest species first: which, latent species known by then, those it settles."""
        known: set[int] = set()
        result = []
        for d in sorted(range(len(self.names)), key=lambda d: int(self.weights[:, d].sum())):
            members = np.flatnonzero(self.weights[:, d]).tolist()
            result.append((d, [a for a in members if a in known], [a for a in members if a not in known]))
            known.update(members)
        return result

    def _splits(self, row: Counts, limits: Limits | None) -> Counts:
        """The latent states [M, A] that show one row [D]."""
        states = np.zeros((1, len(self.axes)), dtype=np.int64)
        for d, known, new in self._order:
            rest = row[d] - states[:, known].sum(axis=1)
            if not new:
                states = states[rest == 0]
                continue
            parts = [
                _filled(states[rest == left], new, compositions(int(left), len(new)))
                for left in np.unique(rest)
                if left >= 0
            ]
            states = np.concatenate([states[:0], *parts])
            if limits is not None:
                inside = (states[:, new] >= limits.low[new]) & (states[:, new] <= limits.high[new])
                states = states[inside.all(axis=1)]
        return states

    def _require_few(self, rows: Counts) -> None:
        many = sum(
            math.prod(math.comb(int(row[d]) + len(new) - 1, len(new) - 1) for d, _, new in self._order if new)
            for row in rows
        )
        if many > LATENT:
            d = int(np.argmax(self.weights.sum(axis=0)))
            raise UnsupportedFeature(
                f"the sum {self.names[d]!r} of {int(self.weights[:, d].sum())} species has {many:.2g} splits at the "
                f"counts of the data, more than {LATENT}",
                place="data",
                mend="write a model with one species for the sum, or observe its parts",
            )

    def _refuse(self, row: Counts, limits: Limits | None) -> None:
        shown = dict(zip(self.names, np.asarray(row).tolist(), strict=True))
        if limits is None:
            raise DataError(f"no state shows {shown}: a part is larger than its sum", place="data")
        raise DataError(
            f"cells with {shown} are outside the net's window",
            place="data",
            mend="train with caps= that hold the data",
        )


@dataclass(frozen=True, eq=False)
class Limits:
    """The least and the largest count of each latent species: [A], [A]."""

    low: Counts
    high: Counts

    @classmethod
    def of(cls, window: StateSpace, axes: Sequence[int]) -> Limits:
        """Those of a window; species that follow by conservation range over what the others imply."""
        basis, top = window.basis[list(axes)], np.array(window.shape, dtype=np.int64) - 1
        least = window.offset[list(axes)] + basis @ np.array(window.lower, dtype=np.int64)
        low, high = least + np.minimum(basis, 0) @ top, least + np.maximum(basis, 0) @ top
        return cls(np.maximum(low, 0).astype(np.int64), high.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Splits:
    """Latent `states` [V, A], those of one row after another: those of row u begin at `begins[u]`."""

    states: Counts
    begins: Counts

    def gather(self, log_p: Array) -> Array:
        """Log-probabilities of the rows from those of the states: [..., V] -> [..., U]."""
        if len(self.begins) == len(self.states):
            return log_p
        return np.asarray(np.logaddexp.reduceat(log_p, self.begins, axis=-1))

    def gather_slopes(self, log_p: Array, slopes: Array) -> Array:
        """Derivatives of `gather(log_p)` from those of the states: [B, V], [B, V, K] -> [B, U, K]; NaN at P = 0."""
        if len(self.begins) == len(self.states):
            return slopes
        lengths = np.diff(np.append(self.begins, len(self.states)))
        total = np.repeat(self.gather(log_p), lengths, axis=-1)
        with np.errstate(invalid="ignore"):
            share = np.exp(log_p - total)[..., None]  # NaN where all of a row are impossible
        parts = np.where(share > 0, share * np.where(share > 0, slopes, 0.0), 0.0 * share)
        return np.asarray(np.add.reduceat(parts, self.begins, axis=1))


@dataclass(frozen=True, eq=False)
class Summed:
    """The law of observables [D] that add up species, from the `law` of those [A]."""

    latent: Distribution
    observables: Observables

    @property
    def dimension(self) -> int:
        """D."""
        return len(self.observables.names)

    def log_prob(self, counts: ArrayLike) -> Array:
        """Natural log of the probability, over all splits: [..., D] -> [...]."""
        x = np.asarray(counts, dtype=np.int64)
        splits = self.observables.splits(x.reshape(-1, x.shape[-1]))
        return splits.gather(self.latent.log_prob(splits.states)).reshape(x.shape[:-1])

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Independent draws: [n, D]."""
        return self.latent.sample(n, rng=rng) @ self.observables.weights

    def expect(self, f: Callable[[Counts], Array]) -> Array:
        """The expectation of a function of the observables."""
        return self.latent.expect(lambda x: f(x @ self.observables.weights))

    def marginal(self, axes: Sequence[int]) -> Distribution:
        """The law of fewer observables."""
        chosen, whole = list(axes), self.observables
        weights = whole.weights[:, chosen]
        needed = np.flatnonzero(weights.any(axis=1)).tolist()
        some = Observables(tuple(whole.names[d] for d in chosen), tuple(whole.axes[a] for a in needed), weights[needed])
        return Summed(self.latent.marginal(needed), some)

    def table(self) -> Array:
        """Dense probabilities from count 0."""
        latent = self.latent.table()
        states = np.stack(np.unravel_index(np.arange(latent.size), latent.shape), axis=-1) @ self.observables.weights
        shape: tuple[Any, ...] = tuple(states.max(axis=0) + 1)
        flat = np.ravel_multi_index(tuple(states.T), shape)
        return np.asarray(np.bincount(flat, latent.ravel(), minlength=math.prod(shape)).reshape(shape))


def compositions(total: int, parts: int) -> Counts:
    """All ways to write `total` as an ordered sum of `parts` counts: [M, parts]."""
    if parts == 1:
        return np.array([[total]], dtype=np.int64)
    first = np.arange(total + 1, dtype=np.int64)
    if parts == 2:
        return np.column_stack([first, total - first])
    blocks = [np.insert(compositions(total - a, parts - 1), 0, a, axis=1) for a in range(total + 1)]
    return np.concatenate(blocks)


def _filled(states: Counts, new: list[int], values: Counts) -> Counts:
    """Every state with every row of values at the places `new`: [M, A], [N, k] -> [M * N, A]."""
    result = np.repeat(states, len(values), axis=0)
    result[:, new] = np.tile(values, (len(states), 1))
    return result
