"""The numbered examples: short, on the public names alone, and each writes its figure and its tables."""

import ast
import math
import re
import subprocess
import sys

import pytest

import kinetix as kx
from tests.exact import ROOT

FOLDER = ROOT / "examples"
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
MODULES = {"numpy", "pathlib", "scipy.stats", "time", "plotting", "kinetix"}
PNG = b"\x89PNG\r\n\x1a\n"


def tables(folder, number):
    """The tables of an example by file name: rows of cells, the head first."""
    found = {}
    for path in sorted(folder.glob(f"{number}_*.md")):
        lines = path.read_text().strip().splitlines()
        found[path.stem] = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return found


def check(table):
    """Every row has the columns of the head; numbers are finite, distances between 0 and 1."""
    head, rule, *rows = table
    assert rows
    assert set(rule) == {"---"}
    for row in rows:
        assert len(row) == len(head)
        for name, cell in zip(head, row, strict=True):
            number = float(cell) if re.fullmatch(r"[-+\d.einfa]+", cell) and cell != "-" else None
            assert number is None or math.isfinite(number), (name, row)
            assert number is None or not re.match(r"H\b", name) or 0 <= number <= 1, (name, row)


def test_every_number_is_one_example():
    """A number for each, and no figure or table of an example that is gone. Mutants: a second 09; a left table."""
    numbers = [script.name[:2] for script in SCRIPTS]
    assert len(SCRIPTS) >= 6
    assert len(set(numbers)) == len(numbers)
    assert {path.name[:2] for path in (FOLDER / "figures").glob("[0-9][0-9]_*")} <= set(numbers)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_each_is_short_and_uses_public_names(script):
    """At most 60 lines; kinetix only as kx, by the names of its front door. Mutants: a line more; kx.solvers.fsp."""
    text = script.read_text()
    assert len(text.splitlines()) <= 60
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert {name.name for name in node.names} <= MODULES
        if isinstance(node, ast.ImportFrom):
            assert node.module in MODULES - {"kinetix"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kx":
            assert node.attr in kx.__all__


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_the_readme_shows_what_each_makes(script):
    """Its figure is there and small, its tables parse, every decimal number of its line stands in one of them."""
    figure = FOLDER / "figures" / f"{script.stem}.png"
    assert figure.read_bytes().startswith(PNG)
    assert figure.stat().st_size < 150_000
    written = tables(FOLDER / "figures", script.name[:2])
    assert script.stem in written
    for table in written.values():
        check(table)
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| [`{script.stem}"))
    cells = {cell for table in written.values() for row in table for cell in row}
    for number in re.findall(r"\d+\.\d+", line):
        assert any(cell == number or rounded(cell, number) for cell in cells), number


def rounded(cell, number):
    """Whether the cell, rounded to as many decimals, is the number."""
    try:
        return f"{abs(float(cell)):.{len(number.split('.')[1])}f}" == number
    except ValueError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_each_runs(script, tmp_path):
    """As a sketch: a figure, and tables that parse."""
    command = [sys.executable, str(script), "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=600)
    assert (tmp_path / f"{script.stem}.png").read_bytes().startswith(PNG)
    written = tables(tmp_path, script.name[:2])
    assert script.stem in written
    for table in written.values():
        check(table)
