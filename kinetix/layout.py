"""Places for the boxes of a picture of a graph: near what they are joined to, none over another.

Several layouts are tried, and the one with the fewest lines through boxes and across each other is taken.
T. Kamada, S. Kawai, Inf. Process. Lett. 31 (1989) 7, doi:10.1016/0020-0190(89)90102-6.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pairs = NDArray[np.int64]
"""Edges as two indices of nodes: [edges, 2]."""

EDGE = 1.15
"""Inches between the middles of joined boxes, about."""
GAP = 0.42
"""Inches between boxes, at least."""
TRIES = 300
"""Layouts that are tried, times the nodes in each."""
_SMALL, _LARGE = 60, 400


def places(graph: nx.Graph, sizes: Mapping[Hashable, tuple[float, float]]) -> dict[Hashable, Array]:
    """The middle of each node's box, in inches, from (0, 0) up; `sizes` are width and height: node -> [2]."""
    nodes = list(graph)
    if not nodes:
        return {}
    index = {node: i for i, node in enumerate(nodes)}
    edges = np.array([(index[a], index[b]) for a, b in graph.edges if a != b], dtype=np.int64).reshape(-1, 2)
    boxes = np.array([sizes[node] for node in nodes], dtype=np.float64)
    spread = [_apart(_scaled(at, edges, boxes), boxes) for at in _candidates(graph, nodes)]
    best = min(spread, key=lambda at: _trouble(at, edges, boxes)) if len(spread) > 1 else spread[0]
    best = best - (best - boxes / 2).min(axis=0)
    return dict(zip(nodes, best, strict=True))


def _candidates(graph: nx.Graph, nodes: Sequence[Hashable]) -> Iterator[Array]:
    """Layouts to choose from: many of a small graph, one of a large."""
    parts = [graph.subgraph(c) for c in nx.connected_components(graph)]
    tries = max(3, min(20, TRIES // len(graph))) if len(graph) <= _LARGE else 1
    for seed in range(tries):
        at: dict[Hashable, Array] = {}
        offset = 0.0
        for part in sorted(parts, key=len, reverse=True):
            found = _one(part, seed)
            width = np.sqrt(len(part))
            at |= {node: place * width + [offset + width, 0.0] for node, place in found.items()}
            offset += 2.2 * width
        yield np.array([at[node] for node in nodes])


def _one(part: nx.Graph, seed: int) -> dict[Hashable, Array]:
    """A connected part within the unit square about 0."""
    if len(part) == 1:
        return dict.fromkeys(part, np.zeros(2))
    start = nx.spring_layout(part, seed=seed, iterations=50 if len(part) <= _LARGE else 15)
    if len(part) > _SMALL or seed % 3 == 2:
        return dict(start)
    found: dict[Hashable, Array] = nx.kamada_kawai_layout(part, pos=start if seed else None)
    return found


def _scaled(at: Array, edges: Pairs, boxes: Array) -> Array:
    """Turned so that the longer way lies across, and stretched to the edge length."""
    middle = at - at.mean(axis=0)
    _, _, axes = np.linalg.svd(middle, full_matrices=False)
    turned = middle @ axes.T if axes.shape == (2, 2) else middle
    if not len(edges):
        return np.asarray(turned * EDGE * 2)
    lengths = np.linalg.norm(turned[edges[:, 0]] - turned[edges[:, 1]], axis=1)
    wide = 1 + float(np.median(boxes[:, 0])) / 2
    return np.asarray(turned * (EDGE * np.array([wide, 1.0]) / max(float(np.median(lengths)), 1e-9)))


def _apart(at: Array, boxes: Array) -> Array:
    """Push boxes that overlap away from each other along the shorter way."""
    at = at + np.random.default_rng(0).normal(scale=1e-3, size=at.shape)
    least = (boxes[:, None] + boxes[None, :]) / 2 + GAP
    for _ in range(200 if len(at) <= _LARGE else 3):
        delta = at[:, None] - at[None, :]
        over = least - np.abs(delta)
        over[np.arange(len(at)), np.arange(len(at))] = 0
        hit = (over > 1e-6).all(axis=2)
        if not hit.any():
            break
        across = hit & (over[..., 0] <= over[..., 1])
        push = np.zeros_like(delta)
        push[..., 0] = np.where(across, over[..., 0] * np.sign(delta[..., 0]), 0)
        push[..., 1] = np.where(hit & ~across, over[..., 1] * np.sign(delta[..., 1]), 0)
        at = at + 0.5 * push.sum(axis=1)
    return at


def _trouble(at: Array, edges: Pairs, boxes: Array) -> float:
    """Lines through foreign boxes count 4, crossings 1, and long lines a little."""
    if not len(edges):
        return 0.0
    a, b = at[edges[:, 0]], at[edges[:, 1]]
    steps = np.linspace(0.05, 0.95, 19)[:, None, None]
    points = a + steps * (b - a)  # [steps, edges, 2]
    near = np.abs(points[:, :, None] - at) < boxes / 2 + 0.05
    inside = np.asarray(near.all(axis=3).any(axis=0))  # [edges, nodes]
    inside[np.arange(len(edges))[:, None], edges] = False
    ends = edges[:, :, None, None] == edges.T[None, None]
    shared = ends.any(axis=(1, 2))
    crossing = (_side(a, b, a) * _side(a, b, b) < 0) & (_side(a, b, a).T * _side(a, b, b).T < 0) & ~shared
    length = np.linalg.norm(b - a, axis=1)
    return float(4 * inside.sum() + crossing.sum() / 2 + 0.1 * (length / EDGE).sum())


def _side(a: Array, b: Array, points: Array) -> Array:
    """On which side of each line each point lies: [lines, points]."""
    line, to = (b - a)[:, None], points[None] - a[:, None]
    side: Array = line[..., 0] * to[..., 1] - line[..., 1] * to[..., 0]
    return side
