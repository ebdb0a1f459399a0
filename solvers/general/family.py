"""The family of networks that the general model speaks of, as arrays of one size for all of them.

Up to ten reactions with at most two reactants, products at will (bursts) and perhaps one saturating factor (see
`terms`; a sum of such laws counts as several reactions), and up to six species: five, and the complement of a gene.
Time is measured in units of the asked one, P(k, t) = P(k t, 1), so that a rate is a pure number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from kinetix.compiler import CompiledModel
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.expressions import symbol
from kinetix.propensity import ArrayFunction, array_function
from kinetix.solvers.paths.laws import Factor

from .terms import Term, saturation, terms_of

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

    @classmethod
    def mass_action(
        cls, reactants: Integers, rates: Array, change: Integers, starts: Integers, species: Integers,
        reactions: Integers,
    ) -> Batch:  # fmt: skip
        """Problems without saturating factors."""
        none, shape = np.full(rates.shape, SPECIES), rates.shape
        return cls(reactants, rates, change, starts, species, reactions, none, np.ones(shape), np.zeros(shape))

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
        return np.where((self.powers != 0)[:, None], law * factor, law)

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


@dataclass(frozen=True)
class Structure:
    """A network of the family: its laws taken apart, so that a batch of its problems is quick to make.

    `totals` {s: c}: laws read the complement c - n_s of a species that never passes c (a gene of one copy that is
    on or off); it stands as a species of its own behind the others. Every one of R' terms is a reaction of the batch:
    `rows` [R'] are the network's reactions that they belong to, `reactants` [R'] the species of their factors.
    """

    model: CompiledModel
    totals: Mapping[int, int]
    terms: tuple[Term, ...]
    rows: tuple[int, ...]
    reactants: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, model: CompiledModel) -> Structure:
        """UnsupportedFeature, by name, where the network is not of the family."""
        network, totals = model.network, dict[int, int]()
        counted = {symbol(name): s for s, name in enumerate(network.species_names)}
        terms: list[Term] = []
        rows, reactants = [], []
        for r, law in enumerate(network.propensities):
            for term in terms_of(law, counted) or [None]:
                found = None if term is None else _reactants(term.factors, len(network.species), totals)
                if term is None or found is None:
                    reason = "is not one of mass action of at most second order, with one Hill or enzymatic factor"
                    raise _unseen(f"its law {sympy.sstr(law)} {reason}", f"reaction {network.reactions[r].name!r}")
                terms.append(term)
                rows.append(r)
                reactants.append(found)
        result = cls(model, totals, tuple(terms), tuple(rows), tuple(reactants))
        result._require_size()
        result._require_taken()
        result._require_totals()
        return result

    @property
    def change(self) -> Integers:
        """Of the model's species and the complements: [R', S']."""
        own = self.model.change[list(self.rows)]
        return np.concatenate([own, *(-own[:, [s]] for s in self.totals)], axis=1)

    @cached_property
    def _numbers(self) -> ArrayFunction:
        """Coefficients, halves and powers of all terms, from theta."""
        told = [part for t in self.terms for part in (t.coefficient, t.half, t.power)]
        return array_function(told, (), self.model.network.theta_names)

    def at(self, thetas: ArrayLike, starts: ArrayLike, times: ArrayLike) -> Batch:
        """Problems as a batch: theta [N, P], initial counts of the model's species [N, S'], finite times [N].

        SettingError for rates that are negative, and saturating factors without a half or a power > 0.
        """
        theta, start = np.atleast_2d(np.asarray(thetas, dtype=np.float64)), np.atleast_2d(np.asarray(starts))
        start = np.concatenate([start, *(c - start[:, [s]] for s, c in self.totals.items())], axis=1)
        if (start < 0).any():
            raise SettingError("a start is negative, or above what its laws let a species reach", place="general")
        number, (reactions, species) = len(theta), self.change.shape
        rates, starts = np.zeros((number, REACTIONS)), np.zeros((number, SPECIES), dtype=np.int64)
        reactants, regulators = np.full((REACTIONS, 2), SPECIES), np.full(REACTIONS, SPECIES)
        halves, powers = np.ones((number, REACTIONS)), np.zeros((number, REACTIONS))
        change = np.zeros((REACTIONS, SPECIES), dtype=np.int64)
        told = iter(self._numbers(*theta.T, 0.0))
        for r, (term, factors) in enumerate(zip(self.terms, self.reactants, strict=True)):
            rates[:, r], halves[:, r], powers[:, r] = next(told), next(told), next(told)
            reactants[r, : len(factors)] = factors
            regulators[r] = SPECIES if term.regulator is None else term.regulator
            self._require_numbers(r, rates[:, r], halves[:, r], powers[:, r])
        change[:reactions, :species], starts[:, :species] = self.change, start
        sizes = np.full(number, species), np.full(number, reactions)
        tables = (np.tile(table, (number, *[1] * table.ndim)) for table in (reactants, change, regulators))
        reactants, change, regulators = tables
        batch = Batch(reactants, rates, change, starts, *sizes, regulators, halves, powers)
        return batch.faster(np.broadcast_to(np.asarray(times, dtype=np.float64), number))

    def _require_numbers(self, r: int, rates: Array, halves: Array, powers: Array) -> None:
        term = self.terms[r]
        name = self.model.network.reactions[self.rows[r]].name
        if not (rates >= 0).all():
            raise SettingError("a term of its law has no rate >= 0", place=f"reaction {name!r}")
        right = term.regulator is None or (halves > 0) & ((powers > 0) == term.rises) & (powers != 0)
        if not np.all(right & np.isfinite(halves) & np.isfinite(powers)):
            reason = "a saturating factor needs a half-saturation count and a Hill coefficient > 0"
            raise SettingError(reason, place=f"reaction {name!r}")

    def _require_size(self) -> None:
        reactions, species = self.change.shape
        for what, number, most in (("species", species, SPECIES), ("reactions", reactions, REACTIONS)):
            if number > most:
                raise _unseen(f"it has {number} {what}, more than {most}")
        if np.abs(self.change).max(initial=0) > LARGEST_CHANGE:
            raise _unseen(f"a reaction changes a count by more than {LARGEST_CHANGE}")

    def _require_taken(self) -> None:
        """No reaction takes what its law lets be missing."""
        own = self.model.change[list(self.rows)]
        for r, s in np.argwhere(own < 0).tolist():
            needed = self.reactants[r].count(s) + (self.terms[r].rises and self.terms[r].regulator == s)
            if needed < -own[r, s]:
                network = self.model.network
                reason = f"it takes more of {network.species_names[s]!r} than its law needs"
                raise _unseen(reason, f"reaction {network.reactions[self.rows[r]].name!r}")

    def _require_totals(self) -> None:
        """Whatever makes one more of a species must have its complement as a reactant."""
        network, own = self.model.network, self.model.change[list(self.rows)]
        for k, (s, total) in enumerate(self.totals.items()):
            for r, row in enumerate(self.rows):
                if own[r, s] > self.reactants[r].count(len(network.species) + k):
                    reason = f"it may raise {network.species_names[s]!r} above the {total} of another law"
                    raise _unseen(reason, f"reaction {network.reactions[row].name!r}")


def _reactants(factors: Sequence[Factor], species: int, totals: dict[int, int]) -> tuple[int, ...] | None:
    """The species of factors, complements numbered from `species` on and noted; None where they are others."""
    if len(factors) > 2:
        return None
    found = []
    for s in dict.fromkeys(f.species for f in factors):
        lines = sorted((f.slope, f.offset) for f in factors if f.species == s)
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
