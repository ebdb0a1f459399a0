"""Rates, starts and times for random structures, so that counts stay in range and all time scales occur.

Every species has a level, the count about which it should move, and a turnover; every reaction a flux; a rate is the
flux over its law at these levels. What takes molecules follows their turnover; what makes them makes up for it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from .family import SPECIES, Array, Batch, Integers
from .terms import saturation

Truth = NDArray[np.bool_]

HIGHEST_LEVEL = 0.4
"""Levels of molecules are log-uniform from the panel's lowest to this share of its limit."""

TURNOVER = 0.1, 10.0
"""Turnovers of molecules, and of the states of genes, are log-uniform, in a unit of time that drops out."""

SHARE = 0.2
"""Weights of reactions that take or make the same species are log-uniform from here to 1."""

SPREAD = 0.4
"""Every rate is multiplied by exp(SPREAD * normal) at the end: levels are no more than a guess."""

TIME = 0.1, 100.0
"""Asked times are log-uniform, in units of the mean, on a log scale, of the slowest and the fastest species' times."""

EMPTY = 0.4
"""Chance that a molecule starts with none; else log-uniform from 1 to `MOST_START` or half of the limit."""

MOST_START = 40

DIMINISHED = 0.1, 0.8
"""An autocatalytic rate is at most this share, from the first to the second, of the decay's."""

HALF = 0.2, 5.0
"""Counts at which saturating factors are a half are log-uniform, in units of the level."""

POWERS, FRACTIONAL = (0.3, 0.35, 0.15, 0.2), 0.2
"""Chances of the Hill coefficients 1, 2, 3, 4; and that of a fractional one, uniform between. An enzyme's is 1."""

LEAST_FACTOR = 0.05
"""Rates make up for saturating factors at their levels down to this."""


@dataclass(frozen=True, eq=False)
class Skeletons:
    """Structures of drafts as arrays of a batch; `states` [N, S, 2]: the two states of the gene a species belongs to,
    or (S, S) for molecules; `signs` [N, R]: 1 or -1 where a law has a regulator, and rises or falls with it, else 0.
    """

    reactants: Integers
    change: Integers
    states: Integers
    species: Integers
    reactions: Integers
    regulators: Integers
    signs: Integers

    def __getitem__(self, chosen: Truth) -> Skeletons:
        """Some of them."""
        return Skeletons(*(getattr(self, each.name)[chosen] for each in fields(self)))

    @property
    def batch(self) -> Batch:
        """As problems without rates and starts, whose Hill coefficients are 1."""
        rates, starts = np.zeros(self.change.shape[:2]), np.zeros((len(self.species), SPECIES), dtype=np.int64)
        return self.scaled(rates, starts, np.ones(rates.shape), np.ones(rates.shape))

    def scaled(self, rates: Array, starts: Integers, halves: Array, powers: Array) -> Batch:
        """As problems with these rates, starts, and halves and Hill coefficients > 0 of saturating factors."""
        read = self.signs != 0
        halves, powers = np.where(read, halves, 1.0), np.where(read, self.signs * powers, 0.0)
        sizes = self.species, self.reactions
        return Batch(self.reactants, rates, self.change, starts, *sizes, self.regulators, halves, powers)

    @property
    def molecules(self) -> Truth:
        """Species that are neither padding nor states of genes: [N, S]."""
        found: Truth = (self.states[..., 0] == SPECIES) & (np.arange(SPECIES) < self.species[:, None])
        return found

    @property
    def real(self) -> Truth:
        """Reactions that are no padding: [N, R]."""
        found: Truth = np.arange(self.change.shape[1]) < self.reactions[:, None]
        return found


def scaled(skeletons: Skeletons, limit: int, rng: np.random.Generator, lowest: float = 1.0) -> Batch:
    """Problems on these structures with rates, starts and times as the constants of this module say."""
    copies = _copies(skeletons, rng)
    levels = _levels(skeletons, copies, (lowest, HIGHEST_LEVEL * limit), rng)
    halves, powers = _saturating(skeletons, levels, rng)
    batch = skeletons.scaled(np.zeros_like(halves), np.zeros(levels[:, 1:].shape, dtype=np.int64), halves, powers)
    rates, turnover = _rates(skeletons, levels, _factors(batch, levels), rng)
    batch = replace(batch, rates=rates, starts=_starts(skeletons, copies, limit, rng))
    real = np.arange(SPECIES) < skeletons.species[:, None]
    moving = real & (turnover > 0)
    slow = np.where(moving, turnover, np.inf).min(axis=1)
    fast = np.where(moving, turnover, 0.0).max(axis=1)
    some = moving.any(axis=1)
    middle = np.sqrt(np.where(some, slow, 1.0) * np.where(some, fast, 1.0))
    return batch.faster(_log_uniform(rng, *TIME, len(rates)) / middle)


def _log_uniform(rng: np.random.Generator, low: float, high: float | Array, shape: int | tuple[int, ...]) -> Array:
    return np.asarray(low * (high / low) ** rng.random(shape))


def _copies(skeletons: Skeletons, rng: np.random.Generator) -> Integers:
    """Copies of each gene, at both its states: one, or two (0.25): [N, S], 0 at molecules."""
    number = len(skeletons.species)
    drawn = 1 + (rng.random((number, SPECIES + 1)) < 0.25)
    first = skeletons.states[..., 0]
    return np.where(first < SPECIES, np.take_along_axis(drawn, first, axis=1), 0)


def _levels(skeletons: Skeletons, copies: Integers, bounds: tuple[float, float], rng: np.random.Generator) -> Array:
    """Levels [N, S + 1]; a state of a gene has its share of the copies, from 0.1 to 0.9; 1 where nothing is."""
    number = len(copies)
    levels = np.ones((number, SPECIES + 1))
    drawn = _log_uniform(rng, *bounds, (number, SPECIES))
    share = np.take_along_axis(rng.uniform(0.1, 0.9, (number, SPECIES + 1)), skeletons.states[..., 0], axis=1)
    share = np.where(skeletons.states[..., 0] == np.arange(SPECIES), share, 1.0 - share)
    levels[:, :SPECIES] = np.where(copies > 0, copies * share, np.where(skeletons.molecules, drawn, 1.0))
    return levels


def _saturating(skeletons: Skeletons, levels: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Halves and Hill coefficients [N, R]; nothing is drawn where no law has a regulator."""
    shape = skeletons.signs.shape
    if not skeletons.signs.any():
        return np.ones(shape), np.ones(shape)
    halves = np.take_along_axis(levels, skeletons.regulators, axis=1) * _log_uniform(rng, *HALF, shape)
    whole = rng.choice(len(POWERS), size=shape, p=POWERS) + 1.0
    powers = np.where(rng.random(shape) < FRACTIONAL, rng.uniform(1.0, len(POWERS), shape), whole)
    taken = np.take_along_axis(np.pad(skeletons.change, ((0, 0), (0, 0), (0, 1))), skeletons.regulators[..., None], 2)
    return halves, np.where(taken[..., 0] < 0, 1.0, powers)


def _factors(batch: Batch, levels: Array) -> Array:
    """What the laws are at the levels, without their rates: [N, R]."""
    plain = np.take_along_axis(levels[:, None], batch.reactants, axis=2).prod(axis=2)
    if not batch.powers.any():
        return np.asarray(plain)
    level = np.take_along_axis(levels, batch.regulators, axis=1)
    factor = np.maximum(saturation(level, batch.halves, batch.powers), LEAST_FACTOR)
    return np.asarray(np.where(batch.powers != 0, plain * factor, plain))


def _rates(skeletons: Skeletons, levels: Array, factors: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rates [N, R] of laws that are `factors` times them, and what each species loses in a unit of time, as a share of
    its level [N, S].
    """
    change, own = skeletons.change, levels[:, :SPECIES]
    shape = change.shape[:2]
    genes = (skeletons.states[..., 0] < SPECIES)[:, None]
    molecules = skeletons.molecules[:, None]
    turnover = _log_uniform(rng, *TURNOVER, own.shape)
    weights = _log_uniform(rng, SHARE, 1.0, shape)
    taken = np.where(change < 0, (own * turnover)[:, None] / np.maximum(-change, 1), np.inf)
    by_gene = np.where((change < 0) & genes, own[:, None], np.inf).min(axis=2)
    switching = np.isfinite(by_gene)
    flux = np.where(switching, by_gene * _log_uniform(rng, *TURNOVER, shape), taken.min(axis=2) * weights)
    making = ~(change < 0).any(axis=2) & skeletons.real
    flux = np.where(making | ~skeletons.real, 0.0, flux)
    moved = np.where(switching[..., None], 0, change * molecules) * flux[..., None]
    lost, gained = -np.minimum(moved, 0).sum(axis=1), np.maximum(moved, 0).sum(axis=1)
    need = np.maximum(lost - gained, 0.1 * np.where(lost > 0, lost, own * turnover))
    made = np.where(making[..., None], change * molecules, 0)
    shares = np.where(made > 0, weights[..., None], 0.0)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    flux += (shares * need[:, None] / np.maximum(made, 1)).sum(axis=2)
    rates = flux / factors * np.exp(SPREAD * rng.standard_normal(shape))
    rates = _tamed(skeletons, rates, rng)
    lost = (np.maximum(-change, 0) * (rates * factors)[..., None]).sum(axis=1)
    return rates, lost / own


def _tamed(skeletons: Skeletons, rates: Array, rng: np.random.Generator) -> Array:
    """X -> 2 X no faster than a share of X -> 0."""
    first, second = skeletons.reactants[..., 0], skeletons.reactants[..., 1]
    alone = (first < SPECIES) & (second == SPECIES)
    places = np.arange(SPECIES) == first[..., None]
    only = (skeletons.change != 0).sum(axis=2) == 1
    own = (skeletons.change * places).sum(axis=2)
    decays = np.where(places & (alone & only & (own == -1))[..., None], rates[..., None], 0.0).sum(axis=1)
    decay = np.take_along_axis(np.pad(decays, ((0, 0), (0, 1))), first, axis=1)
    most = decay * rng.uniform(*DIMINISHED, rates.shape)
    return np.where(alone & only & (own > 0), np.minimum(rates, most), rates)


def _starts(skeletons: Skeletons, copies: Integers, limit: int, rng: np.random.Generator) -> Integers:
    """Initial counts [N, S]; molecules without which a reaction could never happen do not start with none."""
    number = len(copies)
    drawn = _log_uniform(rng, 1.0, float(min(MOST_START, limit // 2)) + 1.0, (number, SPECIES)).astype(np.int64)
    empty = rng.random((number, SPECIES)) < EMPTY
    off = rng.binomial(copies, 0.5)
    first, second = skeletons.states[..., 0], skeletons.states[..., 1]
    of_first = np.take_along_axis(np.pad(off, ((0, 0), (0, 1))), first, axis=1)
    genes = np.where(second == np.arange(SPECIES), copies - of_first, of_first)
    starts = np.where(skeletons.molecules, np.where(empty, 0, drawn), genes)
    dead = skeletons.molecules & ~_reached(skeletons, starts)
    pairs = (skeletons.reactants[..., 0] == skeletons.reactants[..., 1])[..., None]
    twice = (pairs & (np.arange(SPECIES) == skeletons.reactants[..., :1])).any(axis=1)
    alone = skeletons.molecules & twice & (starts == 1) & ~(skeletons.change > 0).any(axis=1)
    found: Integers = np.where(dead, np.maximum(drawn, 1 + twice), starts + alone)
    return found


def _reached(skeletons: Skeletons, starts: Integers) -> Truth:
    """Species that are there at the start or that reactions make, whose own factors are reached: [N, S]."""
    made = skeletons.change > 0
    there = np.concatenate([starts > 0, np.ones((len(starts), 1), dtype=bool)], axis=1)
    for _ in range(SPECIES):
        fires = np.take_along_axis(there[:, None], skeletons.reactants, axis=2).all(axis=2) & skeletons.real
        fires &= (skeletons.signs <= 0) | np.take_along_axis(there, skeletons.regulators, axis=1)
        there[:, :SPECIES] |= (fires[..., None] & made).any(axis=1)
    return there[:, :SPECIES]
