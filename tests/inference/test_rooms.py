"""The rooms of inference stand on one line: whatever a file imports stands to its left.

Mutant seen to fail: `from kinetix.inference.sampling import told` written into `readings/reading.py`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2] / "inference"
FILES = [p for p in sorted(HOME.rglob("*.py")) if p.name != "__init__.py"]
LINE = [
    "data",
    "observations",
    "time_courses",
    "readings",
    "unknowns",
    "priors",
    "likelihoods",
    "likelihood",
    "courses",
    "question",
    "log_posterior",
    "diagnostics",
    "posteriors",
    "posterior",
    "samplers",
    "sampling",
    "studies",
    "calibration",
]
BACK = {  # what runs back up
    ("posteriors", "posterior"),  # the methods of Posterior call them, and they are given one
    ("likelihoods", "likelihood"),  # for its type
}


def station(path: Path) -> str:
    return path.relative_to(HOME).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The stations that a file imports, its own left out."""
    top = path.parent == HOME
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        parts = (node.module or "").split(".")
        if node.level and top:
            yield parts[0]
        elif parts[:2] == ["kinetix", "inference"]:
            yield from parts[2:3] or (name.name for name in node.names)


def test_every_station_has_its_place() -> None:
    assert {station(p) for p in FILES} == set(LINE)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOME)))
def test_imports_go_to_the_left(path: Path) -> None:
    mine = station(path)
    for other in imported(path):
        assert other != mine, f"{path.name} imports its own room by its full name"
        assert LINE.index(other) < LINE.index(mine) or (mine, other) in BACK, f"{mine} imports {other}"


@pytest.mark.parametrize("room", sorted({p.parent for p in FILES} - {HOME}), ids=lambda p: p.name)
def test_a_room_says_what_lives_there(room: Path) -> None:
    words = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    assert words is not None
    assert len(words.split()) > 30
    assert 3 <= len(list(room.glob("*.py"))) - 1 <= 12
