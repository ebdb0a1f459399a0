"""Random networks of the family, drawn fresh for ever, from a distribution that is stated here.

A structure begins with a motif (see `motifs`) by the panel's weights, or with a template on the hard panel and one with
a saturating law on the regulated one, and grows by further motifs that take part with its molecules until it has its
species, a number between the panel's, and at least a number of reactions that is uniform from 1 to the panel's most.
Then what would only grow is degraded, and other molecules now and then (0.25 where something makes them, 0.5 where
nothing does); what has more reactions than allowed, or a template by accident, is drawn again. Rates, starts (a gene
has one copy, or two (0.25)) and times are those of `scales`. Pilot paths leave out what counts beyond the panel's limit
on the way, what fires too often, and what hardly moves. Species and reactions are numbered in random order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType

import numpy as np

from kinetix.errors import SettingError
from kinetix.solvers.paths.streams import draw_root

from .canonical import held_out as is_held_out
from .canonical import signature
from .drafts import Dice, Draft, has_template
from .family import REACTIONS, SPECIES, Array, Batch
from .motifs import MOTIFS, TEMPLATES
from .paths import Paths, simulate
from .scales import Skeletons, Truth, scaled

WEIGHTS: Mapping[str, float] = MappingProxyType({
    "production": 1.5,
    "burst": 1.0,
    "degradation": 0.5,
    "conversion": 1.0,
    "reversible": 1.0,
    "catalysis": 1.0,
    "translation": 1.5,
    "dimer": 1.5,
    "complexing": 1.5,
    "switch": 1.5,
    "binding": 2.0,
    "gene_production": 1.0,
    "autocatalysis": 0.5,
    "recruitment": 0.7,
    "annihilation": 0.7,
})  # fmt: skip
"""How often each motif of mass action is tried."""

REGULATION: Mapping[str, float] = MappingProxyType({
    "regulated_production": 2.0,
    "regulated_translation": 1.5,
    "saturated_decay": 1.0,
    "enzymatic_conversion": 1.0,
    "regulated_conversion": 0.7,
})  # fmt: skip
"""And each motif with a Hill law or an enzyme's."""

PILOTS, MOST_EVENTS, LEAST_EVENTS = 8, 20_000, 1.0
"""Pilot paths of a network; the events allowed to each; the fewest, on average, for something to happen."""

TRIES = 40
"""Motifs that are tried for one structure before another one is begun."""

ROUND = 2048
"""Most structures that are drawn before pilots judge them."""

MOST_EMPTY = 300
"""Rounds of which nothing is left, one after another, before a panel is held for impossible."""


@dataclass(frozen=True)
class Panel:
    """Which networks: own species (low, high), a gene counting as one; most reactions; the count that pilots may not
    pass; weights of motifs; templates, one of which, if any, each network begins with; or motifs that it does so with
    (`first`); the `lowest` level of its molecules, in counts (see `scales`).
    """

    species: tuple[int, int]
    reactions: int
    limit: int = 63
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    templates: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    lowest: float = 1.0

    def __post_init__(self) -> None:
        low, high = self.species
        least = 4 if self.templates else 1
        if not least <= low <= high < SPECIES:
            raise SettingError(f"species are {self.species}", place="panel", mend=f"give {least} <= low <= high <= 5")
        if not (3 if "repression" not in self.templates else 8) <= self.reactions <= REACTIONS:
            raise SettingError(f"most reactions are {self.reactions}", place="panel", mend=f"at most {REACTIONS}")
        if unknown := sorted({*self.weights, *self.first} - {*MOTIFS}) + sorted({*self.templates} - {*TEMPLATES}):
            raise SettingError(f"unknown motifs {unknown}", place="panel", mend=f"use {', '.join(MOTIFS)}")
        if not (all(w >= 0 for w in self.weights.values()) and sum(self.weights.values()) > 0):
            raise SettingError("weights must be >= 0, and not all 0", place="panel")
        if not 4 <= self.limit < 2**15:
            raise SettingError(f"the limit of counts is {self.limit}", place="panel", mend="give one from 4 to 32767")

    @property
    def running(self) -> tuple[list[str], list[float]]:
        """The motifs, and the running sums of their weights."""
        return list(self.weights), list(accumulate(self.weights.values()))


SMALL = Panel((1, 3), 6)
LARGE = Panel((4, 5), 10)
HARD = Panel((4, 5), 10, templates=("enzyme", "repression"))
COUNTS127 = Panel((1, 5), 10, limit=127)
COUNTS220 = Panel((1, 4), 8, limit=220, lowest=8.0)
REGULATED = Panel((1, 5), 10, weights={**WEIGHTS, **REGULATION}, first=tuple(REGULATION))


@dataclass
class Tally:
    """What became of all that was drawn, by name, and the events of the pilots of what was kept, a path."""

    structures: int = 0
    unfinished: int = 0
    other_side: int = 0
    drawn: int = 0
    too_high: int = 0
    too_many: int = 0
    still: int = 0
    kept: int = 0
    events: list[Array] = field(default_factory=list)

    def __str__(self) -> str:
        """One line, shares of what each step was given."""
        parts = [f"{self.unfinished / max(self.structures, 1):.3f} of structures not finished"]
        parts += [f"{name.replace('_', ' ')} {getattr(self, name) / max(self.drawn, 1):.3f}" for name in
                  ("too_high", "too_many", "still", "kept")]  # fmt: skip
        return ", ".join(parts)


def draw(
    rng: np.random.Generator, number: int, panel: Panel, *, held_out: bool = False, tally: Tally | None = None
) -> Batch:
    """`number` networks of a panel: those with structures that training may see, or those that are held out (see
    `canonical.held_out`); networks with a template all belong to the hard panel, and `held_out` says nothing there.

    `tally` counts what is left out on the way. SettingError for panels of which nothing comes up.
    """
    dice, notes = Dice(rng), tally or Tally()
    found: list[Batch] = []
    missing, empty = number, 0
    while missing > 0:
        if empty == MOST_EMPTY:
            raise SettingError("no network of the panel comes up", place="panel", mend="give more motifs, or more room")
        batch = _round(rng, dice, min(ROUND, 2 * missing + 16), panel, held_out, notes)[:missing]
        missing -= len(batch)
        empty = 0 if len(batch) else empty + 1
        found.append(batch)
    return shuffled(Batch.joined(found), rng) if found else _round(rng, dice, 1, panel, held_out, notes)[:0]


def shuffled(batch: Batch, rng: np.random.Generator) -> Batch:
    """Species and reactions in random order, each network's own; padding last."""
    orders = [
        np.argsort(rng.random((len(batch), most)) + (np.arange(most) >= size[:, None]), axis=1)
        for most, size in ((SPECIES, batch.species), (REACTIONS, batch.reactions))
    ]
    return batch.reordered(*orders)


def _round(rng: np.random.Generator, dice: Dice, tries: int, panel: Panel, held_out: bool, notes: Tally) -> Batch:
    """What is left of so many structures."""
    drafts = [draft for _ in range(tries) if (draft := _structure(panel, dice)) is not None]
    skeletons = assembled(drafts)
    notes.structures += tries
    notes.unfinished += tries - len(drafts)
    if not panel.templates:
        right = np.array([is_held_out(name) == held_out for name in signature(skeletons.batch)], dtype=np.bool_)
        notes.other_side += int((~right).sum())
        skeletons = skeletons[right]
    batch = scaled(skeletons, panel.limit, rng, panel.lowest)
    found = simulate(
        batch, np.ones((len(batch), 1)), PILOTS, draw_root(rng), most_events=MOST_EVENTS, most_count=panel.limit
    )
    return batch[_judged(found, notes)]


def _judged(found: Paths, notes: Tally) -> Truth:
    """Which networks the pilots let pass."""
    still = found.done & (found.events < LEAST_EVENTS * PILOTS)
    notes.drawn += len(still)
    notes.too_high += int(found.too_high.sum())
    notes.too_many += int(found.too_many.sum())
    notes.still += int(still.sum())
    good: Truth = found.done & ~still
    notes.kept += int(good.sum())
    notes.events.append(found.events[good] / PILOTS)
    return good


def _structure(panel: Panel, dice: Dice) -> Draft | None:
    """One structure, or None where it has no room for what it needs, or holds a template that it should not."""
    draft = Draft(dice.between(*panel.species), panel.reactions)
    least = dice.between(1, panel.reactions)
    if panel.templates:
        TEMPLATES[dice.pick(panel.templates)](draft, dice)
    if panel.first:
        MOTIFS[dice.pick(panel.first)](draft, dice)
    keys, sums = panel.running
    for _ in range(TRIES):
        if draft.free == 0 and len(draft.reactions) >= least:
            break
        if draft.tried(MOTIFS[dice.weighed(keys, sums)], dice) and draft.room == 0:
            break
    if draft.free > 0 or not draft.closed(dice):
        return None
    return draft if panel.templates or not has_template(draft.reactions) else None


def assembled(drafts: list[Draft]) -> Skeletons:
    """Drafts as arrays."""
    number = len(drafts)
    reactants = np.full((number, REACTIONS, 2), SPECIES)
    change = np.zeros((number, REACTIONS, SPECIES), dtype=np.int64)
    states = np.full((number, SPECIES, 2), SPECIES)
    factors = [(n, r, k, s) for n, draft in enumerate(drafts) for r, reaction in enumerate(draft.reactions)
               for k, s in enumerate(reaction.reactants)]  # fmt: skip
    changes = [(n, r, s, c) for n, draft in enumerate(drafts) for r, reaction in enumerate(draft.reactions)
               for s, c in reaction.change]  # fmt: skip
    read = [(n, r, *reaction.regulator) for n, draft in enumerate(drafts)
            for r, reaction in enumerate(draft.reactions) if reaction.regulator]  # fmt: skip
    genes = [(n, s, *gene) for n, draft in enumerate(drafts) for gene in draft.genes for s in gene]
    n, r, k, s = np.array(factors, dtype=np.int64).reshape(-1, 4).T
    reactants[n, r, k] = s
    n, r, s, c = np.array(changes, dtype=np.int64).reshape(-1, 4).T
    change[n, r, s] = c
    regulators, signs = np.full((number, REACTIONS), SPECIES), np.zeros((number, REACTIONS), dtype=np.int64)
    n, r, s, sign = np.array(read, dtype=np.int64).reshape(-1, 4).T
    regulators[n, r], signs[n, r] = s, sign
    n, s, first, second = np.array(genes, dtype=np.int64).reshape(-1, 4).T
    states[n, s, 0], states[n, s, 1] = first, second
    sizes = np.array([(draft.size, len(draft.reactions)) for draft in drafts], dtype=np.int64).reshape(-1, 2)
    return Skeletons(reactants, change, states, sizes[:, 0], sizes[:, 1], regulators, signs)
