"""infer with sums, groups, a measurement and expressions from the command line; bad ones end in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kinetix as kx

Run = Callable[..., tuple[int, str, str]]

MODEL = "model bd\nspecies X = 0, Y = 0\nmake: -> X; b\nturn: X -> Y; d*X\ndrop: Y -> ; d*Y\nb = 3; d = 1\nend\n"
TOML = """
[prior]
scale = {log_uniform = [0.5, 20]}
seen = {uniform = [0.3, 0.7]}
Y = {integers = [0, 3]}
[derived]
b = "scale * d / 2"
[measurement]
capture = {all = "seen"}
background = {all = 0.5}
"""
SHORT = ("--ensembles", "2", "--walkers", "20", "--steps", "16", "--seed", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [f"2,{rng.poisson(m)},{rng.poisson(m)},{g}" for g, m in (("a", 2.0), ("b", 4.0)) for _ in range(20)]
    (tmp_path / "bd.txt").write_text(MODEL)
    (tmp_path / "prior.toml").write_text(TOML)
    (tmp_path / "cells.csv").write_text("\n".join(["time,n,m,rep", *rows]) + "\n")
    return tmp_path


def command(folder: Path, *options: object) -> list[object]:
    return ["infer", folder / "bd.txt", folder / "cells.csv", "--prior", folder / "prior.toml", *options]


COLUMNS = ("--column", "n+m=X+Y", "--group", "rep")


def test_everything_from_one_file_and_a_table(run: Run, folder: Path) -> None:
    """Mutants: the tables of the file left unread; the group column taken for counts."""
    (folder / "prior.toml").write_text(TOML.replace("all", "'n+m'"))
    options = (*COLUMNS, "--per-group", "scale", *SHORT, "--output", folder / "p.nc", "--json")
    code, out, _ = run(*command(folder, *options))
    assert code in (0, 3)  # so few steps need not converge
    told = json.loads(out)
    assert [row["name"] for row in told["posterior"]["parameters"]] == ["scale[a]", "scale[b]", "seen", "Y"]
    saved = kx.open(folder / "p.nc")
    assert (saved.data.sums, tuple(saved.data.groups)) == ({"n+m": ("X", "Y")}, ("a", "b"))
    assert saved.meta["question"]["measurement"] == {"capture": {"n+m": "seen"}, "background": {"n+m": 0.5}}
    assert saved.predictive is not None
    assert saved.mean()[0] < saved.mean()[1]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (TOML, "unknown observable in the measurement 'all'"),
        (TOML.replace("capture", "catpure"), "unknown part of a measurement 'catpure'; did you mean 'capture'"),
        (TOML.replace("scale * d / 2", "scale *"), "prior.toml: [derived] b: 'scale *' cannot be read"),
        (TOML.replace("scale =", "sclae ="), "prior.toml: [prior]: unknown name 'sclae'; did you mean 'scale'"),
        (TOML.replace("integers = [0, 3]", "uniform = [0, 3]").replace("all", "'n+m'"), "'Y' is a species"),
        (TOML.replace('"seen"}', "1.5}"), "the capture of 'all' is 1.5"),
        ("measurement = 3\n" + TOML.partition("[measurement]")[0], "[measurement] is no table"),
    ],
)  # fmt: skip
def test_bad_questions_end_in_one_line(run: Run, folder: Path, toml: str, words: str) -> None:
    (folder / "prior.toml").write_text(toml)
    code, out, err = run(*command(folder, *COLUMNS, *SHORT))
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert words in err


def test_bad_columns_and_groups_end_in_one_line(run: Run, folder: Path) -> None:
    for options, words in (
        (("--column", "n+m=X+X", "--group", "rep"), "'X' stands twice in a sum"),
        (("--column", "n=X", "--column", "m=X", "--group", "rep"), "both stand for 'X'"),
        (("--column", "n+k=X", "--group", "rep"), "the file has no column 'k'"),
        (("--column", "n+m=X+Z", "--group", "rep"), "'Z' is not a species"),
        (("--column", "n+m=X+Y", "--group", "repl"), "no column 'repl'; did you mean 'rep'"),
        ((*COLUMNS, "--per-group", "scales"), "'scales' of every group has no prior; did you mean 'scale'"),
        (("--column", "n+m=X+Y", "--column", "rep=none", "--per-group", "scale"), "the data have none"),
    ):
        code, out, err = run(*command(folder, *options, *SHORT))
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert words in err


def test_time_courses_from_the_command_line(run: Run, folder: Path) -> None:
    """A page and a file of a posterior of followed cells. Mutant: the cells read as snapshots."""
    rows = [f"{c},{t},{x}" for c, course in (("a", (3, 5, 4)), ("b", (2, 2, 6))) for t, x in enumerate(course, start=1)]
    (folder / "cells.csv").write_text("\n".join(["id,time,X", *rows]) + "\n")
    (folder / "prior.toml").write_text("[prior]\nb = {uniform = [1, 20]}\n")
    files = ("--output", folder / "p.nc", "--report", folder / "p.html")
    code, out, _ = run(*command(folder, "--cell", "id", *SHORT, *files, "--json"))
    assert code in (0, 3)
    assert json.loads(out)["posterior"]["cells"] == 2
    assert isinstance(kx.open(folder / "p.nc").data, kx.TimeCourses)
    code, _, err = run(*command(folder, "--cell", "id", "--time", "3", *SHORT))
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot all be seen at one time" in err
    code, _, err = run(*command(folder, "--cell", "name", *SHORT))
    assert (code, err.count("\n")) == (2, 1)
    assert "no column 'name'" in err
