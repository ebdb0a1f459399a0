"""Pictures are files that open, and names are never read as markup."""

from pathlib import Path

import numpy as np
import pytest

from kinetix.distribution import Moments, PointMass
from kinetix.errors import SettingError
from kinetix.events import Event
from kinetix.expressions import TIME, symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species
from kinetix.problem import Problem
from kinetix.solution import Solution

MODEL = ReactionNetwork(
    [Species("G_on", 1), Species("M", 3)],
    [Parameter("k", 2.0)],
    [Reaction("make", {}, {"M": 1}, symbol("k") * symbol("G_on"))],
    name="a $broken^{ name",
)


def test_the_graph_is_drawn(tmp_path: Path) -> None:
    MODEL.draw(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_no_box_lies_over_another() -> None:
    """Mutant seen to fail: boxes left where the layout put their middles."""
    import networkx as nx

    from kinetix.layout import places

    graph = nx.Graph(nx.gnm_random_graph(30, 45, seed=2))
    sizes = dict.fromkeys(graph, (1.5, 0.4))
    at = places(graph, sizes)
    assert min(min(place) for place in at.values()) >= 0
    for a in graph:
        for b in graph:
            assert a == b or abs(at[a][0] - at[b][0]) > 1.5 or abs(at[a][1] - at[b][1]) > 0.4


def test_events_and_amounts_are_drawn(tmp_path: Path) -> None:
    """The text of an SVG is outlines, so the file is only opened; its look was judged by eye."""
    network = ReactionNetwork(
        [Species("A_long_name_of_a_molecule", 3), Species("B", 0), Species("alone", 0)],
        [Parameter("k", 2)],
        [
            Reaction("r", {"A_long_name_of_a_molecule": 1.5}, {"B": 2}, symbol("k")),
            Reaction("s", {}, {"B": TIME}, symbol("B")),
        ],
        events=[Event("feed", TIME > 3, {"B": symbol("k"), "k": 3}), Event("stop", symbol("B") > 3, {})],
        name="$x$ \n<&>",
    )
    network.draw(tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    ReactionNetwork([], [Parameter("k", 2)], []).draw(tmp_path / "none.pdf")
    assert (tmp_path / "none.pdf").exists()


def test_latex_has_rules_rates_and_events() -> None:
    x, k = symbol("X"), symbol("k_1%")
    network = ReactionNetwork(
        [Species("X", 3)],
        [Parameter("k_1%", 2)],
        [Reaction("r", {"X": 2}, {"X": k + 1}, k * TIME)],
        variables={"n": 2 * x},
        rate_rules={"k_1%": -k},
        events=[Event("feed", TIME > 3, {"X": k, "k_1%": x})],
    )
    text = network.to_latex()
    assert r"2\mathrm{X} &\rightarrow& \left(\mathrm{k\_1\%} + 1\right)\,\mathrm{X} & \mathrm{k\_1\%} t" in text
    assert r"\mathrm{n} &=& 2 \mathrm{X}" in text
    assert r"\dfrac{d\mathrm{k\_1\%}}{dt} &=& - \mathrm{k\_1\%}" in text
    assert r"\mathrm{feed}\colon & \text{at } t > 3 & \mathrm{X} \leftarrow \mathrm{k\_1\%}" in text
    assert text.count(r"\begin{array}") == text.count(r"\end{array}") == 4


def test_the_solution_is_plotted(tmp_path: Path) -> None:
    problem = Problem.of(MODEL, [1.0, 2.0])
    solution = Solution.of(problem, [PointMass(np.array([1, 3])), PointMass(np.array([1, 4]))])
    figure = solution.plot("M", tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    assert [axis.get_xlabel() for axis in figure.axes] == ["time", "count"]


def test_latex_names_are_upright_and_escaped() -> None:
    assert r"\varnothing &\rightarrow& \mathrm{M} & \mathrm{G\_on} \mathrm{k}" in MODEL.to_latex()


def test_unknown_kinds_of_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"'\.xyz' is no kind of picture; end it with one of \.png"):
        MODEL.draw(tmp_path / "a.xyz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("times", "spread"), [([1.0, 2.0], None), ([1.0], None), ([1.0, 2.0], np.eye(2)), ([1.0], np.eye(2))]
)
def test_moments_are_plotted_without_marginals(tmp_path: Path, times: list[float], spread: np.ndarray | None) -> None:
    """Mutants: a marginal asked of an answer that has none; a band of NaN; a mean below 0 with a band that hides it."""
    problem = Problem.of(MODEL, times)
    solution = Solution.of(problem, [Moments(np.array([1.0, -3.5]), spread) for _ in times])
    figure = solution.plot(path=tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = figure.axes
    assert axes.get_ylabel() == ("mean count" if spread is None else "count, mean ± sd")
    assert len(axes.collections) == (0 if spread is None else 2 if len(times) > 1 else 1)
