"""Values that were worked out from others when a model was read, and so do not follow them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import networkx as nx


def worked_out(assigned: Iterable[str], uses: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Every name of `assigned` whose value needed others, and these; `uses` says what each formula needs itself."""
    graph = nx.DiGraph((name, used) for name, all_used in uses.items() for used in all_used)
    needed = {name: frozenset(nx.descendants(graph, name)) for name in assigned if name in graph}
    return {name: sources for name, sources in needed.items() if sources}
