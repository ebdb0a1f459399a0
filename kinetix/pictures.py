"""Pictures and typeset forms of a network, and the quick plot of a solution (matplotlib inside)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from .distribution import Moments
from .errors import SettingError
from .expressions import symbol
from .network import ReactionNetwork, require_known
from .style import BLUE, CYCLE, SOFT, VERMILION, label, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .solution import Solution

PICTURES = (".png", ".svg", ".pdf", ".jpg")
"""Endings of the pictures that `draw` writes."""


def to_latex(network: ReactionNetwork) -> str:
    """An `array` of reactions and propensities; names are set in upright type."""
    names = [*network.species_names, *network.theta_names, *network.variables]
    upright = {symbol(name): rf"\mathrm{{{_escaped(name)}}}" for name in names}

    def side(counts: Any) -> str:
        terms = [(str(m) if m != 1 else "") + upright[symbol(name)] for name, m in counts.items()]
        return " + ".join(terms) or r"\varnothing"

    rows = [
        rf"{side(r.reactants)} &\rightarrow& {side(r.products)} & {sympy.latex(r.propensity, symbol_names=upright)}"
        for r in network.reactions
    ]
    return "\\begin{array}{rcll}\n" + " \\\\\n".join(rows) + "\n\\end{array}"


def draw(network: ReactionNetwork, path: Path) -> None:
    """Write the bipartite graph: circles are species, squares are reactions, dashed edges only regulate."""
    import networkx as nx

    if path.suffix.lower() not in PICTURES:
        mend = f"end it with one of {', '.join(PICTURES)}"
        raise SettingError(f"{path.suffix or 'no ending'!r} is no kind of picture", file=str(path), mend=mend)
    graph = network.graph()
    place = nx.kamada_kawai_layout(nx.Graph(graph)) if len(graph) <= 60 else nx.spring_layout(nx.Graph(graph), seed=1)
    size = 3.5 + 1.1 * np.sqrt(len(graph))
    with style():
        figure = new_figure(size, size)
        axes = figure.add_subplot()
        for kind, shape, colour, area in (("species", "o", BLUE, 900), ("reaction", "s", VERMILION, 420)):
            nodes = [n for n, data in graph.nodes(data=True) if data["bipartite"] == kind]
            look: dict[str, Any] = {"node_shape": shape, "edgecolors": colour, "node_size": area}
            nx.draw_networkx_nodes(graph, place, nodelist=nodes, node_color="white", ax=axes, **look)
            for node in nodes:
                x, y = place[node]
                axes.text(x, y, node[1], ha="center", va="center", fontsize=8, color=colour)
        for role, dashes in (("reactant", "solid"), ("product", "solid"), ("modifier", "dashed")):
            edges = [(a, b) for a, b, data in graph.edges(data=True) if data["role"] == role]
            bent = {"connectionstyle": "arc3,rad=0.08", "arrows": True, "arrowsize": 12, "node_size": 900}
            nx.draw_networkx_edges(
                nx.DiGraph(graph), place, edgelist=edges, style=dashes, edge_color=SOFT, ax=axes, **bent
            )
        axes.set_title(label(network.name, 60))
        axes.set_axis_off()
        figure.savefig(path, dpi=150)


def plot_solution(solution: Solution, species: str | None, path: str | Path | None) -> Figure:
    """Means with a band of one sd over time (when there are two times or more) and the last marginals.

    Of answers that state moments alone, the means, with the band where an sd is stated.
    """
    require_known([species] if species else [], solution.species, "species")
    names = [species] if species else list(solution.species)[:4]
    draws: list[Callable[[Axes, Solution, list[str]], None]] = [_over_time] if len(solution.times) > 1 else []
    if not any(isinstance(law, Moments) for law in solution.laws):
        draws.append(_last_marginals)
    with style():
        figure = new_figure(9 if len(draws) > 1 else 5, 3.4)
        for axes, draw_panel in zip(
            figure.subplots(1, max(1, len(draws)), squeeze=False)[0], draws or [_bars], strict=True
        ):
            draw_panel(axes, solution, names)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure


def _over_time(axes: Axes, solution: Solution, names: list[str]) -> None:
    """Means, with the band of one sd where it is stated; a band that begins at 0 or above stays there."""
    stated = bool(np.isfinite(solution.std()).all())
    for colour, name in zip(CYCLE, names, strict=False):
        mean = solution.mean(name)
        axes.plot(solution.times, mean, color=colour, label=label(name))
        if stated:
            sd = solution.std(name)
            low = np.maximum(mean - sd, np.minimum(mean, 0))
            axes.fill_between(solution.times, low, mean + sd, color=colour, alpha=0.18, lw=0)
    axes.set(xlabel="time", ylabel="count, mean ± sd" if stated else "mean count")
    axes.legend()


def _last_marginals(axes: Axes, solution: Solution, names: list[str]) -> None:
    last = float(solution.times[-1])
    for colour, name in zip(CYCLE, names, strict=False):
        pmf = solution.marginal(name, last)
        axes.step(np.arange(len(pmf)), pmf, where="mid", color=colour, label=label(name))
    axes.set(xlabel="count", ylabel="probability", title=f"t = {last:g}")
    axes.legend()


def _bars(axes: Axes, solution: Solution, names: list[str]) -> None:
    """Moments at one time: a bar a species, with its sd where it is stated."""
    means, sds = (np.array([values(name)[-1] for name in names]) for values in (solution.mean, solution.std))
    stated = bool(np.isfinite(sds).all())
    axes.bar([label(name) for name in names], means, yerr=sds if stated else None, color=CYCLE[: len(names)], width=0.6)
    axes.set(ylabel="count, mean ± sd" if stated else "mean count", title=f"t = {solution.times[-1]:g}")


def _escaped(name: str) -> str:
    return name.replace("\\", "").replace("_", r"\_")
