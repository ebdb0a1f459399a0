"""Pictures are files that open, and names are never read as markup."""

from pathlib import Path

import numpy as np
import pytest

from kinetix.distribution import Moments, PointMass
from kinetix.errors import SettingError
from kinetix.expressions import symbol
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
