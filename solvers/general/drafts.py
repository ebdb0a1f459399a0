"""Structures of random networks in the making: species with parts to play, reactions, what still has to be closed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from .family import SPECIES

T = TypeVar("T")

Regulator: TypeAlias = tuple[int, int]
"""The species of a law's saturating factor, and 1 where it rises with its count, -1 where it falls."""


class Reaction(NamedTuple):
    """The species of the factors of the law, in order; species and their changes, in order; the regulator, if any."""

    reactants: tuple[int, ...]
    change: tuple[tuple[int, int], ...]
    regulator: Regulator | None = None


BLOCK = 65536
"""Random numbers that are drawn at once."""


class Dice:
    """Quick choices, one at a time, from a generator's uniform numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.left: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self.left:
            self.left = self.rng.random(BLOCK).tolist()
        return self.left.pop()

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self.uniform() < p

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, all alike."""
        return low + int(self.uniform() * (high - low + 1))

    def pick(self, values: Sequence[T]) -> T:
        """One of them, all alike."""
        return values[int(self.uniform() * len(values))]

    def weighed(self, keys: Sequence[str], sums: Sequence[float]) -> str:
        """A key, by its weight, of which the running sums are given."""
        return keys[min(bisect_right(sums, self.uniform() * sums[-1]), len(keys) - 1)]


@dataclass(eq=False)
class Draft:
    """A structure that motifs add to.

    `own`: the species that are asked for, a gene counting as one though its two states stand as two; `most`: reactions.
    """

    own: int
    most: int
    size: int = 0
    molecules: list[int] = field(default_factory=list)
    genes: list[tuple[int, int]] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)

    @property
    def free(self) -> int:
        """Own species that are still to come."""
        return self.own - len(self.molecules) - len(self.genes)

    def add(self, reactants: Sequence[int], change: Mapping[int, int], regulator: Regulator | None = None) -> None:
        """One more reaction, unless it is there."""
        made = Reaction(tuple(sorted(reactants)), tuple(sorted(change.items())), regulator)
        if made not in self.reactions:
            self.reactions.append(made)

    def new(self) -> int:
        """A new molecule."""
        self.molecules.append(self.size)
        self.size += 1
        return self.size - 1

    def gene(self) -> tuple[int, int]:
        """A new gene, as its two states."""
        self.genes.append((self.size, self.size + 1))
        self.size += 2
        return self.genes[-1]

    def old(self, dice: Dice) -> int:
        """A molecule that is there, or the first one."""
        return dice.pick(self.molecules) if self.molecules else self.new()

    def any(self, dice: Dice, *but: int) -> int:
        """A molecule beside some: a new one as a rule while there is room for one, or where no other is there."""
        others = [s for s in self.molecules if s not in but]
        return dice.pick(others) if others and not (self.free > 0 and dice.chance(0.7)) else self.new()

    def tried(self, motif: Callable[[Draft, Dice], None], dice: Dice) -> bool:
        """Add a motif, or nothing where it would be too much or says nothing new."""
        before = len(self.molecules), len(self.genes), len(self.reactions), self.size
        motif(self, dice)
        if self.free >= 0 and self.size <= SPECIES and len(self.reactions) > before[2] and self.room >= 0:
            return True
        del self.molecules[before[0] :], self.genes[before[1] :], self.reactions[before[2] :]
        self.size = before[3]
        return False

    @property
    def room(self) -> int:
        """Reactions that can still come, beside the decays of molecules that would only grow."""
        rise, fall = self.sides()
        return self.most - len(self.reactions) - len(rise - fall)

    def sides(self) -> tuple[set[int], set[int]]:
        """Molecules that some reaction makes, and those that some reaction takes alone; genes as they switch aside."""
        rise: set[int] = set()
        fall: set[int] = set()
        for taken, made in self._moved():
            rise |= made
            if len(taken) == 1:
                fall |= taken
        return rise, fall

    def decay(self, s: int) -> None:
        """The species is degraded."""
        self.add((s,), {s: -1})

    def closed(self, dice: Dice) -> bool:
        """Degrade what would only grow, and other molecules now and then; whether there was room for it."""
        rise, fall = self.sides()
        for s in self.molecules:
            needs = 1.0 if s in rise and s not in fall else 0.25 if s in rise else 0.5
            if dice.chance(needs) and (needs == 1.0 or len(self.reactions) < self.most):
                self.decay(s)
        while open_ones := sorted(self._fed() - self._drained()):
            self.decay(dice.pick(open_ones))
        return len(self.reactions) <= self.most

    def _moved(self) -> list[tuple[frozenset[int], frozenset[int]]]:
        """Molecules that each reaction takes and makes, but where a gene changes its state."""
        sides = [_sides(reaction.change) for reaction in self.reactions]
        if not self.genes:
            return sides
        genes = {s for gene in self.genes for s in gene}
        return [(taken, made) for taken, made in sides if genes.isdisjoint(taken) and genes.isdisjoint(made)]

    def _fed(self) -> set[int]:
        """Molecules that come from nothing, from catalysts or genes, or from such molecules."""
        fed: set[int] = set()
        moved = self._moved()
        for _ in self.molecules:
            fed |= {s for taken, made in moved if not taken or taken & fed for s in made}
        return fed

    def _drained(self) -> set[int]:
        """Molecules that can be degraded, or turned into such molecules only, without one of another kind: a partner
        may be used up.
        """
        drained: set[int] = set()
        moved = self._moved()
        for _ in self.molecules:
            drained |= {s for taken, made in moved if len(taken) == 1 and made <= drained for s in taken}
        return drained


@cache
def _sides(change: tuple[tuple[int, int], ...]) -> tuple[frozenset[int], frozenset[int]]:
    """Species that become fewer, and more."""
    return frozenset(s for s, c in change if c < 0), frozenset(s for s, c in change if c > 0)


def has_template(reactions: Sequence[Reaction]) -> bool:
    """Whether there is a template that is never trained on (see `motifs.TEMPLATES`).

    Enzymatic: a complex that is made of E and S and falls apart into E and another P. Mutual: two genes, each
    of which is bound by another molecule that the other gene makes, whether that turns it on or off; whatever has
    two states and no others is a gene here.
    """
    return _is_enzymatic(reactions) or _is_mutual(reactions)


def _is_enzymatic(reactions: Sequence[Reaction]) -> bool:
    sides = [_sides(reaction.change) for reaction in reactions]
    made = [(s, lost) for lost, gained in sides if len(lost) == 2 and len(gained) == 1 for s in gained]
    split = [(s, gained) for lost, gained in sides if len(lost) == 1 and len(gained) == 2 for s in lost]
    return any(s == q and len(a & b) == 1 for s, a in made for q, b in split)


def _is_mutual(reactions: Sequence[Reaction]) -> bool:
    bound = [found for reaction in reactions for found in _bound(reaction)]
    if len(bound) < 2:
        return False
    bound = [(gene, p) for gene, p in bound if all(_keeps(gene, r.change) for r in reactions)]
    makes = {gene: _made(reactions, gene) for gene, _ in bound}
    return any(
        p != q and not gene & other and p in makes[other] and q in makes[gene]
        for k, (gene, p) in enumerate(bound)
        for other, q in bound[:k]
    )


def _bound(reaction: Reaction) -> list[tuple[frozenset[int], int]]:
    """The two states of what is bound, and what binds it, in G0 + P -> G1, P consumed or not, in all readings."""
    reactants, change, _ = reaction
    moved, ups = dict(change), [s for s, c in change if c > 0]
    if len(reactants) != 2 or len(ups) != 1 or ups[0] in reactants:
        return []
    return [
        (frozenset((g, ups[0])), p)
        for g, p in (reactants, reactants[::-1])
        if g != p and moved in ({g: -1, ups[0]: 1}, {g: -1, p: -1, ups[0]: 1})
    ]


def _keeps(gene: frozenset[int], change: Iterable[tuple[int, int]]) -> bool:
    """Whether the total of two states stays."""
    return sum(c for s, c in change if s in gene) == 0


def _made(reactions: Sequence[Reaction], gene: frozenset[int]) -> set[int]:
    """Molecules that a state of a gene makes while it stays as it is."""
    return {
        s
        for reactants, change, _ in reactions
        if gene.intersection(reactants) and not any(s in gene for s, _ in change)
        for s, c in change
        if c > 0
    }
