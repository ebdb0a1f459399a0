"""`kinetix infer-many`: a model for every column, one table out, exit code 3 where one is not to be trusted."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Run = Callable[..., tuple[int, str, str]]

MODEL = "model b\nspecies X = 0\nbirth: -> X; b\nb = 3\nend\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [f"{a},{b}" for a, b in zip(rng.poisson(3, 20), rng.poisson(8, 20), strict=True)]
    (tmp_path / "b.txt").write_text(MODEL)
    (tmp_path / "prior.toml").write_text("[prior]\nb = {log_uniform = [0.5, 30]}\n")
    (tmp_path / "cells.csv").write_text("\n".join(["abc,xyz", *rows]) + "\n")
    return tmp_path


def command(folder: Path, *options: object) -> list[object]:
    words = ["infer-many", folder / "b.txt", folder / "cells.csv", "--prior", folder / "prior.toml", "--time", "1"]
    return [*words, "--species", "X", "--output", folder / "out", "--ensembles", "2", "--walkers", "4", *options]


def test_every_column_is_a_row(run: Run, folder: Path) -> None:
    """Mutants seen to fail: 0 whatever was found; --resume not handed on."""
    code, text, _ = run(*command(folder, "--steps", "40", "--seed", "1", "--json"))
    told = json.loads(text)
    assert code == 3  # forty steps of four walkers have not converged, and say so
    assert [row["name"] for row in told["rows"]] == ["abc", "xyz"]
    assert "NOT CONVERGED" in told["rows"][0]["verdict"]
    rows = list(csv.DictReader((folder / "out" / "rates.csv").read_text().splitlines()))
    assert float(rows[0]["b mean"]) == told["rows"][0]["b mean"] < float(rows[1]["b mean"])
    code, again, _ = run(*command(folder, "--steps", "40", "--resume", "--json"))
    assert json.loads(again)["rows"] == told["rows"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--step", "40"), "did you mean --steps"),
        (("--species", "Y"), "'Y'"),
        (("--output", "{}/prior.toml"), "a file, not a folder"),
        (("--time", "late"), "late"),
    ],
)
def test_bad_input_is_one_line(run: Run, folder: Path, options: tuple[str, ...], said: str) -> None:
    code, out, err = run(*command(folder, "--steps", "16", *(o.format(folder) for o in options)))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
