"""The family of networks that the general model speaks of, as arrays of one size for all of them.

Up to ten reactions with at most two reactants, products at will (bursts) and perhaps one saturating factor (see
`terms`; a sum of such laws counts as several reactions), and up to six species: five, and the complement of a gene.
Time is measured in units of the asked one, P(k, t) = P(k t, 1), so that a rate is a pure number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .terms import saturation

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SPECIES, REACTIONS = 6, 10
"""Most species, complements (see `Structure`) among them, and reactions."""

LARGEST_CHANGE = 10
"""Most copies of a species that one reaction makes or takes."""


@dataclass(frozen=True, eq=False)
class Batch:
    """N problems, padded to S = `SPECIES` and R = `REACTIONS`.

    `reactants` [N, R, 2]: the species of the two factors of a law, S for none; `rates` [N, R]: the law is
    rate * n_i * n_j, or rate * n_i * (n_i - 1) where i = j, in events per asked time, 0 in padding; `change`
    [N, R, S]; `starts` [N, S], 0 in padding; `species` [N] and `reactions` [N]: how many are real, first.
    `regulators` [N, R]: the species n of a law's saturating factor 1 / (1 + (half / n)^power), S for none; `halves`
    [N, R], 1 for none; `powers` [N, R], 0 for none.
    """

    reactants: Integers
    rates: Array
    change: Integers
    starts: Integers
    species: Integers
    reactions: Integers
    regulators: Integers
    halves: Array
    powers: Array

    def __len__(self) -> int:
        return len(self.rates)

    def __getitem__(self, chosen: ArrayLike | slice) -> Batch:
        """Some of the problems, in the order of the numbers or where the mask is true."""
        some = chosen if isinstance(chosen, slice) else np.asarray(chosen)
        return Batch(*(part[some] for part in self.parts))

    @property
    def parts(self) -> tuple[Any, ...]:
        """The arrays, in the order of the fields."""
        return tuple(getattr(self, each.name) for each in fields(self))

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """Several batches as one."""
        return cls(*(np.concatenate(parts) for parts in zip(*(b.parts for b in batches), strict=True)))

    def faster(self, times: ArrayLike) -> Batch:
        """The same problems asked at other times, [N] in units of their own: rates times those."""
        return replace(self, rates=self.rates * np.asarray(times, dtype=np.float64)[:, None])

    def propensities(self, counts: Integers) -> Array:
        """Events per asked time in states [N, n, S] of each problem: [N, n, R]; of no meaning at counts below 0."""
        shape = (*counts.shape[:2], REACTIONS)
        n = np.concatenate([counts, np.ones((*shape[:2], 1), dtype=np.int64)], axis=2).astype(np.float64)

        def of(species: Integers) -> Array:
            return np.take_along_axis(n, np.broadcast_to(species[:, None], shape), axis=2)

        first, second = self.reactants[..., 0], self.reactants[..., 1]
        same = (first == second) & (first < SPECIES)
        law = self.rates[:, None] * of(first) * (of(second) - same[:, None])
        if not self.powers.any():
            return np.asarray(law)
        factor = saturation(np.maximum(of(self.regulators), 0.0), self.halves[:, None], self.powers[:, None])
        return np.asarray(np.where((self.powers != 0)[:, None], law * factor, law))

    def reordered(self, species: Integers, reactions: Integers | None = None) -> Batch:
        """Species in another order, [N, S] old positions, padding last as before; reactions likewise [N, R]."""
        places = np.full((len(self), SPECIES + 1), SPECIES)
        np.put_along_axis(places[:, :SPECIES], species, np.arange(SPECIES)[None], axis=1)
        rows = np.arange(len(self))[:, None, None]
        old = self if reactions is None else self._with_reactions(reactions)
        return replace(
            old,
            reactants=np.sort(places[rows, old.reactants], axis=2),
            change=np.take_along_axis(old.change, species[:, None], axis=2),
            starts=np.take_along_axis(old.starts, species, axis=1),
            regulators=np.take_along_axis(places, old.regulators, axis=1),
        )

    def _with_reactions(self, order: Integers) -> Batch:
        tables = ("reactants", "change", "rates", "regulators", "halves", "powers")
        found = {}
        for name in tables:
            values = getattr(self, name)
            found[name] = np.take_along_axis(values, order if values.ndim == 2 else order[..., None], axis=1)
        return replace(self, **found)
