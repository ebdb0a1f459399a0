"""The picture of a network: species in round boxes, reactions in square ones, what only regulates dashed.

Numbers stand where more or less than one molecule is taken or made; events are dotted, and written
out below. Names are never read as mathematics.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from .definition import NetworkDefinition
from .errors import SettingError
from .expressions import names_in
from .layout import Array, places
from .structure import graph as stoichiometry_graph
from .style import BLUE, INK, PURPLE, SOFT, VERMILION, folded, label, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PICTURES = (".png", ".svg", ".pdf", ".jpg")
"""Endings of the pictures that `draw` writes."""

FONT = 8.5
MARGIN, LINE, LARGEST = 0.35, 0.19, 60.0
MOST_DOTS = 2e7
COLOURS = {"species": BLUE, "reaction": VERMILION, "event": PURPLE}
LOOKS: Mapping[str, tuple[str, str]] = {
    "reactant": ("solid", INK),
    "product": ("solid", INK),
    "modifier": ("dashed", SOFT),
    "trigger": ("dashed", PURPLE),
    "sets": ("dotted", PURPLE),
}
"""The line and colour of each kind of edge."""


def draw(network: NetworkDefinition, path: Path) -> None:
    """Write the picture; SettingError for an ending that names no kind of picture."""
    if path.suffix.lower() not in PICTURES:
        mend = f"end it with one of {', '.join(PICTURES)}"
        raise SettingError(f"{path.suffix or 'no ending'!r} is no kind of picture", file=str(path), mend=mend)
    graph = _with_events(network)
    texts = {node: folded(node[1]) for node in graph}
    sizes = {node: _size(texts[node], node[0]) for node in graph}
    at = places(nx.Graph(graph), sizes)
    notes = [label(str(event), 110) for event in network.events[:8]]
    with style():
        figure, axes = _canvas(at, sizes, notes)
        patches = {node: _box(axes, node, at[node], sizes[node], texts[node]) for node in graph}
        for a, b, data in graph.edges(data=True):
            bend = 0.17 if graph.has_edge(b, a) else 0.0
            _arrow(axes, (at[a], at[b]), (patches[a], patches[b]), data, bend)
        figure.text(MARGIN / 2 / figure.get_figwidth(), 1 - 0.22 / figure.get_figheight(), label(network.name, 60))
        area = figure.get_figwidth() * figure.get_figheight()
        figure.savefig(path, dpi=min(150, (MOST_DOTS / area) ** 0.5))


def _with_events(network: NetworkDefinition) -> nx.MultiDiGraph:
    """The stoichiometry graph and a node for each event, joined to the species in its trigger and those it sets."""
    graph = stoichiometry_graph(network)
    counted = set(network.species_names)
    for event in network.events:
        node = ("event", event.name)
        graph.add_node(node, bipartite="event")
        for name in sorted(names_in(event.trigger) & counted):
            graph.add_edge(("species", name), node, role="trigger")
        for name in sorted(set(event.assignments) & counted):
            graph.add_edge(node, ("species", name), role="sets")
    return graph


def _size(text: str, kind: str) -> tuple[float, float]:
    """Width and height in inches of the box around a label."""
    rows = text.split("\n")
    width, height = 0.081 * max(map(len, rows)) + 0.16, 0.155 * len(rows) + 0.13
    if kind == "species":  # a circle, or wider with round ends
        return max(width + 0.08, height + 0.12), height + 0.12
    return max(width, height), height


def _canvas(
    at: Mapping[Hashable, Array], sizes: Mapping[Hashable, tuple[float, float]], notes: list[str]
) -> tuple[Any, Axes]:
    """A figure in which one unit is one inch, with the notes below."""
    corners = [at[node] + np.array(sizes[node]) / 2 for node in at] or [np.ones(2)]
    width, height = np.max(corners, axis=0)
    below = LINE * len(notes) + (0.15 if notes else 0)
    needed = max(0.068 * max((len(n) for n in notes), default=0), 2.5)
    shift = max(needed - width, 0) / 2
    extent = (width + 2 * shift + 2 * MARGIN, height + below + 2 * MARGIN + 0.3)
    scale = min(1.0, LARGEST / max(extent))
    figure = new_figure(extent[0] * scale, extent[1] * scale)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1 - 0.3 / extent[1]))
    axes.set(xlim=(-MARGIN - shift, width + shift + MARGIN), ylim=(-MARGIN - below, height + MARGIN))
    axes.set_axis_off()
    for i, note in enumerate(notes):
        axes.text(-shift, -0.25 - LINE * i, note, fontsize=FONT - 1, color=PURPLE, va="center")
    return figure, axes


def _box(axes: Axes, node: tuple[str, str], at: Array, size: tuple[float, float], text: str) -> Any:
    from matplotlib.patches import FancyBboxPatch

    kind, (width, height) = node[0], size
    colour = COLOURS[kind]
    rounding = height / 2 if kind == "species" else 0.1
    shape = "square,pad=0" if kind == "reaction" else f"round,pad=0,rounding_size={rounding}"
    look: dict[str, Any] = {"facecolor": "white", "edgecolor": colour, "linewidth": 1.3, "zorder": 2}
    look |= {"linestyle": "dotted"} if kind == "event" else {}
    corner = (float(at[0]) - width / 2, float(at[1]) - height / 2)
    patch = FancyBboxPatch(corner, width, height, boxstyle=shape, **look)
    axes.add_patch(patch)
    axes.text(
        float(at[0]),
        float(at[1]),
        text,
        ha="center",
        va="center",
        fontsize=FONT,
        color=colour,
        zorder=3,
        linespacing=1.05,
    )
    return patch


def _arrow(axes: Axes, ends: tuple[Array, Array], boxes: tuple[Any, Any], data: Mapping[str, Any], bend: float) -> None:
    from matplotlib.patches import FancyArrowPatch

    line, colour = LOOKS[data["role"]]
    look: dict[str, Any] = {"linestyle": line, "color": colour, "linewidth": 1.0, "mutation_scale": 11, "zorder": 1}
    look |= {"patchA": boxes[0], "patchB": boxes[1], "shrinkA": 1, "shrinkB": 2, "arrowstyle": "-|>"}
    start, stop = ((float(end[0]), float(end[1])) for end in ends)
    axes.add_patch(FancyArrowPatch(start, stop, connectionstyle=f"arc3,rad={bend}", **look))
    amount = data.get("stoichiometry", 1)
    if amount != 1:
        text = label(f"{amount:g}" if isinstance(amount, int | float) else str(amount), 14)
        frame = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}
        place: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": FONT - 0.5, "zorder": 4}
        axes.text(*_middle(ends, boxes, bend), text, color=INK, bbox=frame, **place)


def _middle(ends: tuple[Array, Array], boxes: tuple[Any, Any], bend: float) -> tuple[float, float]:
    """The middle of what is seen of an arrow, a little nearer to its tail, off its head."""
    a, b = ends
    line = b - a
    seen = []
    for box, sign in zip(boxes, (1, -1), strict=True):
        half = np.array([box.get_bbox().width, box.get_bbox().height]) / 2
        with np.errstate(divide="ignore"):
            reach = float(np.min(half / np.abs(line)))
        seen.append(reach if sign > 0 else 1 - reach)
    t = seen[0] + 0.42 * (seen[1] - seen[0])
    place = a + t * line + 2 * t * (1 - t) * bend * np.array([line[1], -line[0]])
    return float(place[0]), float(place[1])
