"""Which species are Poisson variables once the history of all others is known, and how a molecule of one moves on.

A species is *downstream* where it starts empty, its molecules are made one by one at rates that read only the
species upstream, and each turns into others or decays on its own, at constant rates. Given the history of the species
upstream, the counts downstream are then independent Poisson variables: those of molecules that move independently of
each other (T. Jahnke, W. Huisinga, J. Math. Biol. 54 (2007) 1, doi:10.1007/s00285-006-0034-x) and are made by a Poisson
process with a known rate (D. R. Cox, J. R. Stat. Soc. B 17 (1955) 129). Upstream are a gene's states, say,
downstream its messengers and all that they turn into.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import sympy
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.compiler import CompiledModel
from kinetix.expressions import TIME, symbol

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

OCTAVES, CELLS = 12, 16
"""Ages are tabulated in cells that double in length from octave to octave; cells of an octave."""


@dataclass(frozen=True, eq=False)
class Downstream:
    """The downstream `species` [D] of a model, and what happens to them, by reaction.

    `made`: (reaction, place of the species made). `moves`: (reaction, place, place of what it turns into, or None).
    Places are those in `species`.
    """

    model: CompiledModel
    species: tuple[int, ...]
    made: tuple[tuple[int, int], ...]
    moves: tuple[tuple[int, int, int | None], ...]

    @classmethod
    def of(cls, model: CompiledModel, empty: Collection[int]) -> Downstream:
        """The most species that are downstream, of those (by index) that are `empty` at time 0 in every problem."""
        found = _fixpoint(model, set(empty))
        species = tuple(sorted(found))
        place = {s: k for k, s in enumerate(species)}
        made, moves = [], []
        for r, change in enumerate(model.change):
            gone = [place[s] for s in species if change[s] < 0]
            came = [place[s] for s in species if change[s] > 0]
            if gone:
                moves.append((r, gone[0], came[0] if came else None))
            elif came:
                made.append((r, came[0]))
        return cls(model, species, tuple(made), tuple(moves))

    @property
    def upstream(self) -> tuple[int, ...]:
        """The reactions that change species upstream."""
        own = {r for r, *_ in (*self.made, *self.moves)}
        return tuple(r for r, change in enumerate(self.model.change) if change.any() and r not in own)

    def most_of(self, species: Collection[int]) -> bool:
        """Whether at least half of some species are downstream."""
        return bool(self.species) and 2 * len(set(self.species) & set(species)) >= len(species)

    def ages(self, thetas: Array, times: Array) -> Ages:
        """Where molecules of every age are, up to each of the times [N], at rate vectors [N, P]."""
        depth, sources = len(self.species), sorted({k for _, k in self.made})
        unit = np.zeros((depth, self.model.change.shape[1]))
        unit[np.arange(depth), list(self.species)] = 1.0
        rates = self.model.propensities(unit, thetas[:, None])  # [N, D, R]
        generator = np.zeros((len(thetas), depth + len(sources), depth + len(sources)))
        for r, place, to in self.moves:
            generator[:, place, place] -= rates[:, place, r]
            if to is not None:
                generator[:, to, place] += rates[:, place, r]
        for k, place in enumerate(sources):
            generator[:, place, depth + k] = 1.0
        return Ages.of(
            torch.from_numpy(generator * times[:, None, None]), depth, [sources.index(k) for _, k in self.made]
        )


@dataclass(frozen=True, eq=False)
class Ages:
    """For N problems the mean time that a molecule has spent at each place by an age, which is told as a share of the
    problem's time.

    `spent` [N, G, D, Q] at the ages `nodes` [G], `there` its slopes; Q kinds of molecules are made, and `sources` are
    the kinds made by the reactions of `Downstream.made`.
    """

    nodes: Array
    spent: Array
    there: Array
    sources: tuple[int, ...]

    @classmethod
    def of(cls, generator: Tensor, depth: int, sources: list[int]) -> Ages:
        """From generators [N, D + Q, D + Q]: those of a molecule's moves, and unit inflows behind."""
        finest = 2.0**-OCTAVES
        moved = torch.linalg.matrix_exp(generator * (finest / CELLS))
        state = torch.eye(generator.shape[1], dtype=generator.dtype)[:, depth:].expand(len(generator), -1, -1)
        nodes, states = [0.0], [state]
        for octave in range(OCTAVES + 1):
            length = finest * 2.0 ** max(octave - 1, 0)
            for k in range(CELLS):
                state = moved @ state
                states.append(state)
                nodes.append((length if octave else 0.0) + length * (k + 1) / CELLS)
            if octave:
                moved = moved @ moved
        every = torch.stack(states, dim=1)  # [N, G, D + Q, Q]
        slopes = (generator[:, None] @ every)[:, :, :depth]
        return cls(np.array(nodes), every[:, :, :depth].numpy(), slopes.numpy(), tuple(sources))

    def __call__(self, problems: Counts, age: Array) -> Array:
        """Of some of the problems [n] the mean time spent by ages [n], shares of the time: [n, D, Q].

        Cubic between the nodes.
        """
        cell = np.clip(np.searchsorted(self.nodes, age, side="right") - 1, 0, len(self.nodes) - 2)
        length = self.nodes[cell + 1] - self.nodes[cell]
        t = ((age - self.nodes[cell]) / length)[:, None, None]
        rise = t * t * (3 - 2 * t)
        left, right = self.spent[problems, cell], self.spent[problems, cell + 1]
        bends = (t - 1) * self.there[problems, cell] + t * self.there[problems, cell + 1]
        return np.asarray(left + rise * (right - left) + t * (t - 1) * length[:, None, None] * bends)


def _fixpoint(model: CompiledModel, found: set[int]) -> set[int]:
    """Take species out until what is left moves as it must."""
    network = model.network
    symbols = [symbol(name) for name in network.species_names]
    if any(law.has(TIME) for law in network.propensities):
        return set()
    while True:
        wrong: set[int] = set()
        for law, change in zip(network.propensities, model.change, strict=True):
            read = {s for s in found if symbols[s] in law.free_symbols}
            touched = {s for s in found if change[s]}
            others = any(change[s] for s in range(len(change)) if s not in found)
            if not _fits(law, change, read, touched, others=others, symbols=symbols):
                wrong |= read or touched
        if not wrong:
            return found
        found = found - wrong


def _fits(
    law: sympy.Expr, change: Counts, read: set[int], touched: set[int], *, others: bool, symbols: list[sympy.Symbol]
) -> bool:
    """Whether a reaction leaves the species in `touched` downstream."""
    if not read:
        return not touched or (len(touched) == 1 and not others and all(change[s] == 1 for s in touched))
    if not touched and not others:
        return True
    (s, *more) = read
    slope = sympy.diff(law, symbols[s])
    alone = not more and not slope.free_symbols & set(symbols) and sympy.expand(law - slope * symbols[s]) == 0
    ends = sorted(int(change[k]) for k in touched)
    return alone and not others and change[s] == -1 and ends in ([-1], [-1, 1])
