"""A user's network as one of the family: its laws are taken apart once, and batches of its problems quick to make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike

from kinetix.compiler import CompiledModel
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.expressions import symbol
from kinetix.propensity import ArrayFunction, array_function
from kinetix.solvers.paths.laws import Factor

from .family import LARGEST_CHANGE, REACTIONS, SPECIES, Array, Batch, Integers
from .terms import Term, terms_of


@dataclass(frozen=True)
class Structure:
    """A network of the family, taken apart.

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
        rows: list[int] = []
        reactants: list[tuple[int, ...]] = []
        for r, law in enumerate(network.propensities):
            told = terms_of(law, counted)
            found = [_reactants(term.factors, len(network.species), totals) for term in told or ()]
            if told is None or None in found:
                reason = "is not one of mass action of at most second order, with one Hill or enzymatic factor"
                raise _unseen(f"its law {sympy.sstr(law)} {reason}", f"reaction {network.reactions[r].name!r}")
            terms += told
            rows += [r] * len(told)
            reactants += [each for each in found if each is not None]
        result = cls(model, totals, tuple(terms), tuple(rows), tuple(reactants))
        result._require_size()
        result._require_totals()
        return result

    @property
    def change(self) -> Integers:
        """Of the model's species and the complements: [R', S']."""
        own = self.model.change[list(self.rows)]
        return np.concatenate([own, *(-own[:, [s]] for s in self.totals)], axis=1)

    @cached_property
    def _numbers(self) -> ArrayFunction:
        """Coefficients, levels, halves and powers of all terms, from theta."""
        told = [part for t in self.terms for part in (t.coefficient, t.level, t.half, t.power)]
        return array_function(told, (), self.model.network.theta_names)

    def at(self, thetas: ArrayLike, starts: ArrayLike, times: ArrayLike) -> Batch:
        """Problems as a batch: theta [N, P], initial counts of the model's species [N, S'], finite times [N].

        SettingError for rates that are negative or no numbers, and saturating factors whose half or power is not
        > 0; UnsupportedFeature where a reaction takes what its law lets be missing.
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
            rates[:, r], level, half, power = next(told), next(told), next(told), next(told)
            reactants[r, : len(factors)] = factors
            self._require_rates(r, rates[:, r])
            if term.regulator is not None:
                self._require_saturation(r, level, half, power)
                regulators[r], halves[:, r] = term.regulator, np.abs(half)
                powers[:, r] = power if term.rises else -power
        change[:reactions, :species], starts[:, :species] = self.change, start
        sizes = np.full(number, species), np.full(number, reactions)
        tables = (np.tile(table, (number, *[1] * table.ndim)) for table in (reactants, change, regulators))
        reactants, change, regulators = tables
        batch = Batch(reactants, rates, change, starts, *sizes, regulators, halves, powers)
        return batch.faster(np.broadcast_to(np.asarray(times, dtype=np.float64), number))

    def _name(self, r: int) -> str:
        return f"reaction {self.model.network.reactions[self.rows[r]].name!r}"

    def _require_rates(self, r: int, rates: Array) -> None:
        """Numbers >= 0; and no reaction that happens takes what its law lets be missing."""
        if not ((rates >= 0) & np.isfinite(rates)).all():
            raise SettingError("a term of its law has no finite rate >= 0", place=self._name(r))
        own, term = self.model.change[self.rows[r]], self.terms[r]
        if not rates.any() or any(s >= len(own) for s in self.reactants[r]):  # what reads a complement may be safe
            return
        for s in np.flatnonzero(own < 0).tolist():
            if self.reactants[r].count(s) + (term.rises and term.regulator == s) < -own[s]:
                name = self.model.network.species_names[s]
                raise _unseen(f"it takes more of {name!r} than its law needs", self._name(r))

    def _require_saturation(self, r: int, *numbers: Any) -> None:
        """Level and power real and > 0; the half (the third) real and not 0."""
        level, half, power = (np.asarray(number) for number in numbers)
        real = all(np.isrealobj(number) and np.isfinite(number).all() for number in (level, half, power))
        if not (real and (level > 0).all() and (power > 0).all() and (half != 0).all()):
            reason = "a saturating factor needs a half-saturation count and a Hill coefficient > 0"
            raise SettingError(reason, place=self._name(r))

    def _require_size(self) -> None:
        reactions, species = self.change.shape
        for what, number, most in (("species", species, SPECIES), ("reactions", reactions, REACTIONS)):
            if number > most:
                raise _unseen(f"it has {number} {what}, more than {most}")
        if np.abs(self.change).max(initial=0) > LARGEST_CHANGE:
            raise _unseen(f"a reaction changes a count by more than {LARGEST_CHANGE}")

    def _require_totals(self) -> None:
        """Whatever makes one more of a species must have its complement as a reactant."""
        network, own = self.model.network, self.model.change[list(self.rows)]
        for k, (s, total) in enumerate(self.totals.items()):
            for r in range(len(self.rows)):
                if own[r, s] > self.reactants[r].count(len(network.species) + k):
                    reason = f"it may raise {network.species_names[s]!r} above the {total} of another law"
                    raise _unseen(reason, self._name(r))


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
