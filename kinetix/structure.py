"""The stoichiometry graph and what follows from it: changes, conservation laws, dependencies."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from .definition import NetworkDefinition
from .errors import UnsupportedFeature
from .expressions import names_in


def graph(network: NetworkDefinition) -> nx.MultiDiGraph:
    """The bipartite graph of species and reactions.

    Nodes carry `bipartite` ("species" or "reaction"); reaction nodes are ("reaction", name) and
    species nodes ("species", name), so that a species and a reaction may share a name. Edges carry
    `role` ("reactant", "product" or "modifier") and, but for modifiers, `stoichiometry`.
    """
    result = nx.MultiDiGraph(name=network.name)
    result.add_nodes_from((("species", s.name) for s in network.species), bipartite="species")
    counted = set(network.species_names)
    for reaction in network.reactions:
        node = ("reaction", reaction.name)
        result.add_node(node, bipartite="reaction", propensity=reaction.propensity)
        for name, m in reaction.reactants.items():
            result.add_edge(("species", name), node, role="reactant", stoichiometry=m)
        for name, m in reaction.products.items():
            result.add_edge(node, ("species", name), role="product", stoichiometry=m)
        for name in sorted((names_in(reaction.propensity) & counted) - set(reaction.reactants)):
            result.add_edge(("species", name), node, role="modifier")
    return result


def change_matrix(network: NetworkDefinition) -> NDArray[np.int64]:
    """The net change of every species by every reaction: [R, S]; fractional ones are refused (KX105)."""
    position = {name: i for i, name in enumerate(network.species_names)}
    change = np.zeros((len(network.reactions), len(position)), dtype=np.int64)
    for row, reaction in zip(change, network.reactions, strict=True):
        for sign, side in ((-1, reaction.reactants), (1, reaction.products)):
            for name, amount in side.items():
                if not isinstance(amount, int):
                    raise UnsupportedFeature(
                        f"reaction {reaction.name!r} takes or makes {amount} of {name!r}, no whole number (KX105)"
                    )
                row[position[name]] += sign * amount
    return change


def conservation_laws(change: NDArray[np.int64]) -> NDArray[np.int64]:
    """A basis of the integer weights w with change @ w = 0, in reduced form: [R, S] -> [L, S].

    Exact elimination over the rationals on sparse rows; each law is primitive and, where it can
    be, non-negative.
    """
    species = change.shape[1]
    pivots: dict[int, dict[int, Fraction]] = {}  # pivot species -> its row, in reduced echelon form
    for reaction in np.unique(change, axis=0):
        row = {int(s): Fraction(int(reaction[s])) for s in np.nonzero(reaction)[0]}
        for pivot in [s for s in row if s in pivots]:
            _subtract(row, pivots[pivot], row[pivot])
        if not row:
            continue
        pivot = min(row)
        scale = row[pivot]
        row = {s: value / scale for s, value in row.items()}
        for other in pivots.values():
            if pivot in other:
                _subtract(other, row, other[pivot])
        pivots[pivot] = row
    laws = np.zeros((species - len(pivots), species), dtype=np.int64)
    for law, free in zip(laws, (s for s in range(species) if s not in pivots), strict=True):
        weights = {free: Fraction(1)} | {p: -row[free] for p, row in pivots.items() if free in row}
        whole = lcm(*(w.denominator for w in weights.values()))
        common = gcd(*(int(w * whole) for w in weights.values()))
        for s, w in weights.items():
            law[s] = int(w * whole) // common
    return _made_positive(laws)


def dependent_species(laws: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Species that the laws determine from the others with whole coefficients: index -> its law [S].

    Every returned law has weight 1 on its own species and 0 on the other dependent ones, so that
    `counts[s] = total - sum of the others' weighted counts`.
    """
    rows = [law.copy() for law in laws]
    pivots: dict[int, int] = {}  # row -> the species it determines
    for k in range(len(rows)):
        candidates = [int(s) for s in np.nonzero(np.abs(rows[k]) == 1)[0] if s not in pivots.values()]
        if not candidates:
            continue
        s = candidates[-1]
        rows[k] = rows[k] * rows[k][s]
        for j in range(len(rows)):
            if j != k and rows[j][s]:
                rows[j] = rows[j] - rows[j][s] * rows[k]
        pivots[k] = s
    return {s: rows[k] for k, s in pivots.items()}


def dependencies(network: NetworkDefinition) -> tuple[tuple[int, ...], ...]:
    """For every reaction, the reactions whose propensity reads a species that it changes."""
    readers: dict[str, set[int]] = {name: set() for name in network.species_names}
    for index, reaction in enumerate(network.reactions):
        for name in names_in(reaction.propensity) & readers.keys():
            readers[name].add(index)
    names = network.species_names
    return tuple(
        tuple(sorted(set().union(*(readers[names[s]] for s in np.nonzero(row)[0])))) for row in change_matrix(network)
    )


def _subtract(row: dict[int, Fraction], other: dict[int, Fraction], factor: Fraction) -> None:
    for s, value in other.items():
        left = row.get(s, Fraction(0)) - factor * value
        if left:
            row[s] = left
        else:
            row.pop(s, None)


def _made_positive(laws: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same span with each law made non-negative by adding others, where one addition does it."""
    result = [law if law.sum() >= 0 else -law for law in laws]
    for k, law in enumerate(result):
        if (law >= 0).all():
            continue
        for j, other in enumerate(result):
            if j == k or (other < 0).any():
                continue
            lacking = law < 0
            if (other[lacking] == 0).any():
                continue
            times = int(np.max(-(law[lacking] // other[lacking])))
            if ((law + times * other) >= 0).all():
                result[k] = law + times * other
                break
    return np.array(result, dtype=np.int64).reshape(len(laws), laws.shape[1])
