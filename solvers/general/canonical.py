"""Names for structures that do not depend on the order of species and reactions, and a split by them.

Exact: species are told apart by the parts that they play, refined until nothing changes, and where several stay
alike each of them is tried (B. D. McKay, Congressus Numerantium 30 (1981) 45). Six species need no more.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import numpy as np

from .family import SPECIES, Batch

ONE_IN = 10
"""One structure in so many is held out of training."""

Part: TypeAlias = tuple[int, int, int]
"""A species of a reaction, how often it is a factor of the law (more by `RISES` or `FALLS` where a saturating factor
reads it), and its change."""

RISES, FALLS = 16, 32

Form: TypeAlias = tuple[tuple[Part, ...], ...]
"""The reactions, each as its parts in the order of their species."""


def signature(batch: Batch) -> list[str]:
    """The name of each problem's structure, 32 hexadecimal digits: factors of laws and changes, neither numbers nor
    starts nor times. Networks have the same one if and only if they differ in the order of species and reactions.
    """
    roles = np.where(batch.powers > 0, RISES, np.where(batch.powers < 0, FALLS, 0))
    tables = (batch.reactants, batch.change, batch.regulators, roles)
    rows = zip(*(table.tolist() for table in tables), strict=True)
    sizes = zip(batch.species.tolist(), batch.reactions.tolist(), strict=True)
    return [_name([table[:r] for table in given], s) for given, (s, r) in zip(rows, sizes, strict=True)]


def held_out(name: str) -> bool:
    """Whether the structure of this signature belongs to the panels and is never trained on: one in `ONE_IN`."""
    return int(name[:12], 16) % ONE_IN == 0


def _name(tables: list[Any], species: int) -> str:
    """That of one structure, from its rows of reactants, changes, regulators and their roles."""
    reactions = []
    for factors, row, regulator, role in zip(*tables, strict=True):
        parts = {s: [0, row[s]] for s in range(species) if row[s]}
        for s in factors:
            if s < SPECIES:
                parts.setdefault(s, [0, 0])[0] += 1
        if role:
            parts.setdefault(regulator, [0, 0])[0] += role
        reactions.append(tuple((s, m, c) for s, (m, c) in parts.items()))
    form = _canonical(reactions, [0] * species)
    return hashlib.sha256(repr((species, form)).encode()).hexdigest()[:32]


def _canonical(reactions: list[tuple[Part, ...]], colours: list[int]) -> Form:
    """The least form over all orders of the species that these colours, refined, leave open."""
    colours = _refined(reactions, colours)
    if max(colours, default=-1) == len(colours) - 1:
        return tuple(sorted(tuple(sorted((colours[s], m, c) for s, m, c in parts)) for parts in reactions))
    alike = min(c for c in colours if colours.count(c) > 1)
    found = []
    for s, colour in enumerate(colours):
        if colour == alike:
            first = [2 * c + 1 for c in colours]
            first[s] -= 1
            found.append(_canonical(reactions, first))
    return min(found)


def _refined(reactions: list[tuple[Part, ...]], colours: list[int]) -> list[int]:
    """Colours 0, 1, ... that tell species apart by their own and by their parts in reactions, until none is new."""
    number = -1
    while True:
        roles: list[list[tuple[int, int, tuple[tuple[int, int, int], ...]]]] = [[] for _ in colours]
        for parts in reactions:
            whole = tuple(sorted((colours[s], m, c) for s, m, c in parts))
            for s, m, c in parts:
                roles[s].append((m, c, whole))
        keys = [(colour, tuple(sorted(role))) for colour, role in zip(colours, roles, strict=True)]
        ranked = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        colours = [ranked[key] for key in keys]
        if len(ranked) in (number, len(colours)):
            return colours
        number = len(ranked)
