"""The motifs that random networks are made of, each as a function that adds it to a draft.

Every motif but the first of a network takes part with a molecule that is already there (`Draft.old`), so that all
species hang together. Its other molecules are new ones as a rule while there is room (`Draft.any`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .drafts import Dice, Draft

Motif = Callable[[Draft, Dice], None]

BURST = 2, 10
"""Copies that a burst makes."""


def production(draft: Draft, dice: Dice) -> None:
    """0 -> X."""
    draft.add((), {draft.old(dice): 1})


def burst(draft: Draft, dice: Dice) -> None:
    """0 -> b X, or G1 -> G1 + b X of a gene that is there: b from 2 to 10, small ones more often."""
    low, high = BURST
    copies = min(high, int(low * (high / low + 0.25) ** dice.uniform()))
    source = (dice.pick(dice.pick(draft.genes)),) if draft.genes and dice.chance(0.5) else ()
    draft.add(source, {draft.old(dice): copies})


def degradation(draft: Draft, dice: Dice) -> None:
    """X -> 0."""
    draft.decay(draft.old(dice))


def conversion(draft: Draft, dice: Dice) -> None:
    """X -> Y."""
    x, y = _pair(draft, dice)
    draft.add((x,), {x: -1, y: 1})


def reversible(draft: Draft, dice: Dice) -> None:
    """X <-> Y."""
    x, y = _pair(draft, dice)
    draft.add((x,), {x: -1, y: 1})
    draft.add((y,), {x: 1, y: -1})


def catalysis(draft: Draft, dice: Dice) -> None:
    """Y -> Y + X."""
    y, x = _pair(draft, dice)
    draft.add((y,), {x: 1})


def translation(draft: Draft, dice: Dice) -> None:
    """Y -> Y + X and X -> 0, and Y -> 0 where something makes Y."""
    y = draft.old(dice)
    x = draft.any(dice, y)
    draft.add((y,), {x: 1})
    draft.decay(x)
    if y in draft.sides()[0]:
        draft.decay(y)


def dimer(draft: Draft, dice: Dice) -> None:
    """2 X <-> Y, or one way (0.3)."""
    x, y = _pair(draft, dice)
    draft.add((x, x), {x: -2, y: 1})
    if dice.chance(0.7):
        draft.add((y,), {x: 2, y: -1})


def complexing(draft: Draft, dice: Dice) -> None:
    """X + Y <-> Z, or one way (0.3)."""
    x, y = _pair(draft, dice)
    z = draft.any(dice, x, y)
    if dice.chance(0.33):
        x, z = z, x
    draft.add((x, y), {x: -1, y: -1, z: 1})
    if dice.chance(0.7):
        draft.add((z,), {x: 1, y: 1, z: -1})


def switch(draft: Draft, dice: Dice) -> None:
    """A gene G0 <-> G1 with G1 -> G1 + X, and a leak G0 -> G0 + X (0.3)."""
    off, on = draft.gene()
    x = draft.old(dice)
    draft.add((off,), {off: -1, on: 1})
    draft.add((on,), {off: 1, on: -1})
    _makes(draft, dice, on, off, x)


def binding(draft: Draft, dice: Dice) -> None:
    """A gene G0 + P -> G1, G1 -> G0, with P consumed and set free (0.5) or not, that makes P (0.5) or another X.

    It is made in the free state (0.5) or in the bound one, with a leak in the other (0.3).
    """
    free, bound = draft.gene()
    p = draft.old(dice)
    _binds(draft, free, bound, p, consumed=dice.chance(0.5))
    x = p if dice.chance(0.5) else draft.any(dice, p)
    active, other = (free, bound) if dice.chance(0.5) else (bound, free)
    _makes(draft, dice, active, other, x)


def gene_production(draft: Draft, dice: Dice) -> None:
    """G1 -> G1 + X of a gene that is there, for another X."""
    if draft.genes:
        draft.add((dice.pick(dice.pick(draft.genes)),), {draft.any(dice): 1})


def autocatalysis(draft: Draft, dice: Dice) -> None:
    """X -> 2 X, and the decay of X, which is stronger."""
    x = draft.old(dice)
    draft.add((x,), {x: 1})
    draft.decay(x)


def recruitment(draft: Draft, dice: Dice) -> None:
    """X + Y -> 2 Y."""
    x, y = _pair(draft, dice)
    draft.add((x, y), {x: -1, y: 1})


def annihilation(draft: Draft, dice: Dice) -> None:
    """X + Y -> 0."""
    x, y = _pair(draft, dice)
    draft.add((x, y), {x: -1, y: -1})


def regulated_production(draft: Draft, dice: Dice) -> None:
    """0 -> X or a burst of it (0.2) by a Hill law of any molecule, X (0.4) or another, that activates or represses."""
    x = draft.old(dice)
    regulator = x if dice.chance(0.4) else draft.any(dice, x)
    copies = dice.between(2, 5) if dice.chance(0.2) else 1
    draft.add((), {x: copies}, (regulator, _sign(dice)))


def regulated_translation(draft: Draft, dice: Dice) -> None:
    """Y -> Y + X or, of a gene that is there, G1 -> G1 + X, by a Hill law of a molecule but Y; the decay of X."""
    x = draft.old(dice)
    source = dice.pick(dice.pick(draft.genes)) if draft.genes and dice.chance(0.5) else draft.any(dice, x)
    draft.add((source,), {x: 1}, (draft.any(dice, source), _sign(dice)))
    draft.decay(x)


def saturated_decay(draft: Draft, dice: Dice) -> None:
    """X -> 0 at V x / (K + x)."""
    x = draft.old(dice)
    draft.add((), {x: -1}, (x, 1))


def enzymatic_conversion(draft: Draft, dice: Dice) -> None:
    """X -> Y at V x / (K + x), or E V x / (K + x) with a molecule E (0.5)."""
    x, y = _pair(draft, dice)
    enzymes = (draft.any(dice, x, y),) if dice.chance(0.5) else ()
    draft.add(enzymes, {x: -1, y: 1}, (x, 1))


def regulated_conversion(draft: Draft, dice: Dice) -> None:
    """X -> Y, or X -> 0 (0.3), by a Hill law of another molecule, at X times a factor that rises or falls."""
    if dice.chance(0.3):
        x, made = draft.old(dice), {}
    else:
        x, y = _pair(draft, dice)
        made = {y: 1}
    draft.add((x,), {x: -1, **made}, (draft.any(dice, x), _sign(dice)))


def enzyme(draft: Draft, _: Dice) -> None:
    """The template E + S <-> C -> E + P."""
    e, s, c, p = (draft.new() for _ in range(4))
    draft.add((e, s), {e: -1, s: -1, c: 1})
    draft.add((c,), {e: 1, s: 1, c: -1})
    draft.add((c,), {e: 1, p: 1, c: -1})


def repression(draft: Draft, dice: Dice) -> None:
    """The template of two genes, free to make P1 and P2, each of which binds and stops the other gene."""
    genes, proteins = (draft.gene(), draft.gene()), (draft.new(), draft.new())
    consumed = dice.chance(0.5)
    for k, (free, bound) in enumerate(genes):
        _binds(draft, free, bound, proteins[1 - k], consumed=consumed)
        draft.add((free,), {proteins[k]: 1})
        draft.decay(proteins[k])


MOTIFS: Mapping[str, Motif] = MappingProxyType({
    "production": production,
    "burst": burst,
    "degradation": degradation,
    "conversion": conversion,
    "reversible": reversible,
    "catalysis": catalysis,
    "translation": translation,
    "dimer": dimer,
    "complexing": complexing,
    "switch": switch,
    "binding": binding,
    "gene_production": gene_production,
    "autocatalysis": autocatalysis,
    "recruitment": recruitment,
    "annihilation": annihilation,
    "regulated_production": regulated_production,
    "regulated_translation": regulated_translation,
    "saturated_decay": saturated_decay,
    "enzymatic_conversion": enzymatic_conversion,
    "regulated_conversion": regulated_conversion,
})  # fmt: skip
"""All that training sees, by name."""

TEMPLATES: Mapping[str, Motif] = MappingProxyType({"enzyme": enzyme, "repression": repression})
"""What training never sees: whole templates, held out for the hard panel."""


def _sign(dice: Dice) -> int:
    """A regulator activates or represses."""
    return 1 if dice.chance(0.5) else -1


def _pair(draft: Draft, dice: Dice) -> tuple[int, int]:
    """A molecule that is there and another one, in any order."""
    x = draft.old(dice)
    y = draft.any(dice, x)
    return (x, y) if dice.chance(0.5) else (y, x)


def _binds(draft: Draft, free: int, bound: int, p: int, *, consumed: bool) -> None:
    taken, back = ({p: -1}, {p: 1}) if consumed else ({}, {})
    draft.add((free, p), {free: -1, bound: 1, **taken})
    draft.add((bound,), {free: 1, bound: -1, **back})


def _makes(draft: Draft, dice: Dice, active: int, other: int, x: int) -> None:
    """A gene makes X in its active state, and leaks in the other (0.3)."""
    draft.add((active,), {x: 1})
    if dice.chance(0.3):
        draft.add((other,), {x: 1})
