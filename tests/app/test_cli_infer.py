"""The verb infer: posterior, page and verdict; every bad input is one line that names file, place and mend."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kinetix as kx

Run = Callable[..., tuple[int, str, str]]

MODEL = "model bd\nspecies X = 0\nbirth: -> X; b\ndeath: X -> ; d*X\nb = 3; d = 1\nend\n"
PRIOR = "[prior]\nb = {log_uniform = [1, 30]}\n"
TRUTH, TIMES, EACH = 8.0, (0.5, 3.0), 40
FAST = ("--ensembles", "2", "--walkers", "64", "--steps", "40", "--seed", "1")
SHORT = ("--ensembles", "2", "--walkers", "32", "--steps", "16", "--seed", "1")


def write(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [f"{t},{x}" for t in TIMES for x in rng.poisson(TRUTH * (1 - np.exp(-t)), EACH)]
    (folder / "bd.txt").write_text(MODEL)
    (folder / "prior.toml").write_text(PRIOR)
    (folder / "truth.toml").write_text(f"[truth]\nb = {TRUTH}\n")
    (folder / "cells.csv").write_text("\n".join(["time,X", *rows]) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net that has hardly learned: good enough to be asked, not to be believed."""
    place = write(tmp_path_factory.mktemp("net"))
    settings = kx.MET(width=16, contexts=32, batch=16, held_out=2)
    trained = settings.train(kx.load(place / "bd.txt"), times=(0, 3), box={"b": (1, 30)}, budget_steps=30, seed=1)
    trained.save(place / "net")
    return place / "net"


def command(folder: Path, *options: object) -> list[object]:
    return ["infer", folder / "bd.txt", folder / "cells.csv", "--prior", folder / "prior.toml", *options]


# what comes out -----------------------------------------------------------------------------------------


def test_rates_are_inferred_saved_reported_and_told(run: Run, folder: Path) -> None:
    """Against the conjugate law (the gamma of shape sum, rate sum of 1 - e^-t). Mutants: death taken for free;
    the posterior saved without its new cells; a page about other draws."""
    files = ("--output", folder / "p.nc", "--report", folder / "p.html", "--truth", folder / "truth.toml")
    code, out, err = run(*command(folder, *FAST, *files, "--json"))
    assert (code, err, out.count("\n")) == (0, "", 1)
    told = json.loads(out)
    assert (told["ok"], told["output"], told["report"]) == (True, str(folder / "p.nc"), str(folder / "p.html"))
    saved = kx.open(folder / "p.nc")
    (row,) = told["posterior"]["parameters"]
    assert (row["name"], row["mean"]) == ("b", saved.mean()[0])
    shape, rate = saved.data.counts(0).sum() + saved.data.counts(1).sum(), EACH * sum(1 - np.exp(-t) for t in TIMES)
    assert abs(row["mean"] - shape / rate) < 5 * row["mcse"]
    assert saved.meta["seed"] == told["posterior"]["meta"]["seed"] == 1
    assert saved.predictive is not None
    page = (folder / "p.html").read_text()
    assert page.count("<img") == 4
    for words in ("Rates of bd", "the likelihood is exact", f"{row['mean']:.4g}", "true value", "kinetix infer"):
        assert words in page


def test_chains_that_did_not_converge_say_so_above_the_numbers(run: Run, folder: Path) -> None:
    """Mutant: exit code 0 whatever the chains say."""
    code, out, err = run(*command(folder, *SHORT))
    assert (code, err) == (3, "")
    lines = out.split("\n")
    assert lines[0] == "Not to be trusted yet: the chains have not converged."
    assert lines[1].startswith("NOT CONVERGED: R-hat ")
    assert lines[2].split()[:3] == ["parameter", "mean", "sd"]
    assert lines[3].startswith("b ")
    assert "from cells.csv; likelihood FSP" in out


def test_cells_that_the_model_cannot_explain_are_named(run: Run, folder: Path) -> None:
    """Every other cell is empty. Mutant: no new cells drawn: the misfit is seen by nobody."""
    rows = ["time,X", *(f"3,{x}" for x in [0, 8, 9, 7] * 15)]
    (folder / "cells.csv").write_text("\n".join(rows))
    code, out, _ = run(*command(folder, *SHORT))
    assert code == 3
    assert "KX204 warning P(0) of X at t = 3: observed 0.25" in out


def test_tables_without_header_take_columns_and_a_time(run: Run, folder: Path) -> None:
    (folder / "cells.csv").write_text("8.0\n9.0\n7.0\n")
    code, out, _ = run(*command(folder, *SHORT, "--no-header", "--column", "0=X", "--time", "3"))
    assert code == 3
    assert "3 cells at time 3, species X" in out


# nets ---------------------------------------------------------------------------------------------------


def test_a_net_is_gated_by_the_exact_likelihood(run: Run, folder: Path, net: Path) -> None:
    """The gate is shown and decides. Mutant: the net's own draws believed."""
    code, out, err = run(*command(folder, *SHORT, "--likelihood", net, "--report", folder / "p.html", "--json"))
    assert (code, err) == (3, "")
    found = json.loads(out)["posterior"]
    assert found["likelihood"]["solver"] == "TrainedMET"
    assert found["gate"]["exact"] == "FSP"
    assert found["gate"]["evaluations"] >= 50
    assert found["trusted"] is False
    page = (folder / "p.html").read_text()
    assert "The net at these rates" in page
    assert "Pareto k" in page


def test_a_net_that_nothing_exact_was_asked_about_is_not_certified(run: Run, folder: Path, net: Path) -> None:
    """Mutant: --exact none taken for a certificate."""
    code, out, err = run(*command(folder, *SHORT, "--likelihood", net, "--exact", "none"))
    assert (code, err) == (3, "")
    assert "the net is not certified at these rates" in out.split("\n")[0]
    assert any(line.startswith("NOT CERTIFIED") and "no exact solver was asked" in line for line in out.split("\n"))


def test_a_net_is_no_member_beside_itself(run: Run, folder: Path, net: Path) -> None:
    """Mutant: the option read and not handed on."""
    same = ("--likelihood", net, "--exact", "none", "--member", net)
    refused(run(*command(folder, *SHORT, *same)), "a net is given twice", "a seed of its own")


def test_a_prior_beyond_the_training_box_is_refused(run: Run, folder: Path, net: Path) -> None:
    (folder / "prior.toml").write_text("[prior]\nb = {log_uniform = [1, 40]}\n")
    refused(
        run(*command(folder, *SHORT, "--likelihood", net)), "prior.toml: ", "'b'", "[1, 40]", "training box [1, 30]"
    )


@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json"])
def test_a_damaged_net_is_refused(run: Run, folder: Path, net: Path, name: str) -> None:
    """A flipped bit in the middle. Mutant: the digest not looked at."""
    copy = folder / "copy"
    copy.mkdir()
    for path in net.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 4
    (copy / name).write_bytes(bytes(data))
    refused(run(*command(folder, *SHORT, "--likelihood", copy)), name)


# bad input ----------------------------------------------------------------------------------------------


def refused(found: tuple[int, str, str], *words: str) -> None:
    """One line on stderr with all of the words, nothing on stdout, exit code 2."""
    code, out, err = found
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("kinetix: ")
    assert "Traceback" not in err
    for word in words:
        assert word in err, err


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("time,X\n1,4\n1,3.7\n", ["row 3", "column 'X'", "3.7", "whole"]),
        ("time,X\n1,4\n1,-2\n", ["row 3", "column 'X'", "-2"]),
        ("time,X\n1,4\n1,2,5\n", ["row 3", "3 fields"]),
        ("time,X\n1,4\n1\n", ["row 3", "1 field"]),
        ("time,X\n1,4\n1,\n", ["row 3", "column 'X'", "empty"]),
        ("time,X\n1,4\n1,four\n", ["row 3", "column 'X'", "'four'"]),
        ("time,Y\n1,4\n", ["column 'Y'", "not a species of 'bd'", "map the column"]),
        ("X\n4\n", ["time"]),
        ("time,X\n", ["no cells"]),
        ("", ["empty"]),
    ],
)
def test_tables_that_are_no_counts_are_refused(run: Run, folder: Path, rows: str, words: list[str]) -> None:
    (folder / "cells.csv").write_text(rows)
    refused(run(*command(folder, *SHORT)), "cells.csv: ", *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[prior]\nbb = {uniform = [1, 30]}\n", ["prior.toml: [prior]: ", "'bb'", "did you mean 'b'"]),
        ("[prior]\nb = {log_unifrom = [1, 30]}\n", ["prior.toml: ", "b", "log_unifrom", "did you mean 'log_uniform'"]),
        ("[prior]\nb = {uniform = [30, 1]}\n", ["prior.toml: ", "b"]),
        ("[prior]\nb = {uniform = [1]}\n", ["prior.toml: ", "b"]),
        ("[prior]\nb = 3\n", ["no parameter is free"]),
        ("[pior]\nb = {uniform = [1, 30]}\n", ["prior.toml: ", "[pior]", "did you mean [prior]"]),
        ("b = \n", ["prior.toml: ", "not TOML", "line 1"]),
    ],
)
def test_priors_that_are_none_are_refused(run: Run, folder: Path, text: str, words: list[str]) -> None:
    (folder / "prior.toml").write_text(text)
    refused(run(*command(folder, *SHORT)), *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--walker", "8"], ["unknown option --walker", "did you mean --walkers"]),
        (["--outptu", "p.nc"], ["--outptu", "did you mean --output"]),
        (["--walkers", "7"], ["walkers", "7", "even"]),
        (["--walkers", "many"], ["--walkers", "'many'"]),
        (["--likelihood", "fps"], ["'fps'", "did you mean 'fsp'"]),
        (["--likelihood", "met"], ["trained", "kinetix train"]),
        (["--likelihood", "nowhere/net"], ["nowhere/net"]),
        (["--exact", "fps"], ["'fps'", "did you mean 'fsp'"]),
        (["--output", "p.csv"], ["p.csv", "--output", ".nc"]),
        (["--report", "no/folder/p.html"], ["no/folder", "make it first"]),
        (["--column", "X"], ["--column", "FILE=SPECIES"]),
        (["--set", "bb=3"], ["'bb'"]),
        (["--seed", "-1"], ["seed"]),
    ],
)
def test_options_that_cannot_be_meant_are_refused(run: Run, folder: Path, options: list[str], words: list[str]) -> None:
    refused(run(*command(folder, *options)), *words)


@pytest.mark.parametrize("name", ["bd.txt", "cells.csv", "prior.toml"])
def test_files_that_are_not_there_are_refused(run: Run, folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(run(*command(folder, *SHORT)), name, "there is no such", "check the path")
