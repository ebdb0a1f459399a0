"""The family of networks that the general model speaks of, as arrays of one size for all of them.

Up to ten reactions of mass action, with at most two reactants and products at will (bursts), and up to six species:
five, and the complement of a gene. Time is measured in units of the asked one, P(k, t) = P(k t, 1), so that a rate
is a pure number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from kinetix.compiler import CompiledModel
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.propensity import ArrayFunction, array_function
from kinetix.solvers.paths.laws import Law, laws_of

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
    """

    reactants: Integers
    rates: Array
    change: Integers
    starts: Integers
    species: Integers
    reactions: Integers

    def __len__(self) -> int:
        return len(self.rates)

    def __getitem__(self, chosen: ArrayLike | slice) -> Batch:
        """Some of the problems, in the order of the numbers or where the mask is true."""
        some = chosen if isinstance(chosen, slice) else np.asarray(chosen)
        return Batch(*(part[some] for part in self.parts))

    @property
    def parts(self) -> tuple[Any, ...]:
        """The arrays, in the order of the fields."""
        return self.reactants, self.rates, self.change, self.starts, self.species, self.reactions

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """Several batches as one."""
        return cls(*(np.concatenate(parts) for parts in zip(*(b.parts for b in batches), strict=True)))

    def faster(self, times: ArrayLike) -> Batch:
        """The same problems asked at other times, [N] in units of their own: rates times those."""
        rates = self.rates * np.asarray(times, dtype=np.float64)[:, None]
        return Batch(self.reactants, rates, self.change, self.starts, self.species, self.reactions)

    def reordered(self, species: Integers, reactions: Integers | None = None) -> Batch:
        """Species in another order, [N, S] old positions, padding last as before; reactions likewise [N, R]."""
        places = np.full((len(self), SPECIES + 1), SPECIES)
        np.put_along_axis(places[:, :SPECIES], species, np.arange(SPECIES)[None], axis=1)
        rows = np.arange(len(self))[:, None, None]
        reactants = np.sort(places[rows, self.reactants], axis=2)
        change = np.take_along_axis(self.change, species[:, None], axis=2)
        starts, rates = np.take_along_axis(self.starts, species, axis=1), self.rates
        if reactions is not None:
            reactants = np.take_along_axis(reactants, reactions[..., None], axis=1)
            change = np.take_along_axis(change, reactions[..., None], axis=1)
            rates = np.take_along_axis(rates, reactions, axis=1)
        return Batch(reactants, rates, change, starts, self.species, self.reactions)


@dataclass(frozen=True)
class Structure:
    """A network of the family: its laws taken apart, so that a batch of its problems is quick to make.

    `totals` {s: c}: laws read the complement c - n_s of a species that never passes c (a gene of one copy that is
    on or off); it stands as a species of its own behind the others. `coefficients` [R']: what is left of each law
    without its reactants.
    """

    model: CompiledModel
    reactants: tuple[tuple[int, ...], ...]
    totals: Mapping[int, int]
    coefficients: tuple[sympy.Expr, ...]

    @classmethod
    def of(cls, model: CompiledModel) -> Structure:
        """UnsupportedFeature, by name, where the network is not of the family."""
        totals: dict[int, int] = {}
        reactants, laws = [], laws_of(model.network)
        for reaction, law in zip(model.network.reactions, laws, strict=True):
            found = _reactants(law, len(model.network.species), totals)
            if found is None:
                text = sympy.sstr(law.coefficient * law.rest)
                reason = f"its law {text} is not one of mass action of at most second order"
                raise _unseen(reason, f"reaction {reaction.name!r}")
            reactants.append(found)
        result = cls(model, tuple(reactants), totals, tuple(law.coefficient for law in laws))
        result._require_size()
        result._require_totals()
        return result

    @property
    def change(self) -> Integers:
        """Of the model's species and the complements: [R', S']."""
        own = self.model.change
        return np.concatenate([own, *(-own[:, [s]] for s in self.totals)], axis=1)

    @cached_property
    def _coefficients(self) -> ArrayFunction:
        return array_function(self.coefficients, (), self.model.network.theta_names)

    def at(self, thetas: ArrayLike, starts: ArrayLike, times: ArrayLike) -> Batch:
        """Problems as a batch: theta [N, P], initial counts of the model's species [N, S'], finite times [N]."""
        theta, start = np.atleast_2d(np.asarray(thetas, dtype=np.float64)), np.atleast_2d(np.asarray(starts))
        start = np.concatenate([start, *(c - start[:, [s]] for s, c in self.totals.items())], axis=1)
        if (start < 0).any():
            raise SettingError("a start is negative, or above what its laws let a species reach", place="general")
        number, (reactions, species) = len(theta), self.change.shape
        rates, starts = np.zeros((number, REACTIONS)), np.zeros((number, SPECIES), dtype=np.int64)
        reactants = np.full((REACTIONS, 2), SPECIES)
        change = np.zeros((REACTIONS, SPECIES), dtype=np.int64)
        for r, (values, factors) in enumerate(zip(self._coefficients(*theta.T, 0.0), self.reactants, strict=True)):
            rates[:, r] = values
            reactants[r, : len(factors)] = factors
        change[:reactions, :species], starts[:, :species] = self.change, start
        sizes = np.full(number, species), np.full(number, reactions)
        batch = Batch(np.tile(reactants, (number, 1, 1)), rates, np.tile(change, (number, 1, 1)), starts, *sizes)
        return batch.faster(np.broadcast_to(np.asarray(times, dtype=np.float64), number))

    def _require_size(self) -> None:
        reactions, species = self.change.shape
        for what, number, most in (("species", species, SPECIES), ("reactions", reactions, REACTIONS)):
            if number > most:
                raise _unseen(f"it has {number} {what}, more than {most}")
        if np.abs(self.change).max(initial=0) > LARGEST_CHANGE:
            raise _unseen(f"a reaction changes a count by more than {LARGEST_CHANGE}")

    def _require_totals(self) -> None:
        """Whatever makes one more of a species must have its complement as a reactant."""
        own = len(self.model.network.species)
        for k, (s, total) in enumerate(self.totals.items()):
            for r, reaction in enumerate(self.model.network.reactions):
                if self.model.change[r, s] > self.reactants[r].count(own + k):
                    name = self.model.network.species_names[s]
                    raise _unseen(
                        f"it may raise {name!r} above the {total} of another law", f"reaction {reaction.name!r}"
                    )


def _reactants(law: Law, species: int, totals: dict[int, int]) -> tuple[int, ...] | None:
    """Species in the factors of a law, complements numbered from `species` on and noted; None for other laws."""
    if law.factors is None or len(law.factors) > 2:
        return None
    found = []
    for s in dict.fromkeys(f.species for f in law.factors):
        lines = sorted((f.slope, f.offset) for f in law.factors if f.species == s)
        if lines in ([(1.0, 0.0)], [(1.0, -1.0), (1.0, 0.0)]):
            found += [s] * len(lines)
        elif len(lines) == 1 and lines[0][0] == -1.0 and lines[0][1] == int(lines[0][1]) > 0:
            total = int(lines[0][1])
            if totals.setdefault(s, total) != total:
                return None
            found.append(species + list(totals).index(s))
        else:
            return None
    return tuple(sorted(found))


def _unseen(reason: str, place: str = "network") -> UnsupportedFeature:
    return UnsupportedFeature(
        f"{reason}, which the general model has not seen", place=place, mend="use fsp or ssa, or train a MET"
    )
