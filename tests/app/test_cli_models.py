"""The verbs about models on real files: what goes in comes out, and every bad input is one line and code 2."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kinetix as kx
from tests.exact import ROOT

Run = Callable[..., tuple[int, str, str]]

TELEGRAPH = """
model telegraph
  species G = 1, Gs = 0, M = 0
  on:  G -> Gs; mass_action(koff)
  off: Gs -> G; mass_action(kon)
  tx:  G -> G + M; mass_action(ktx)
  deg: M -> ; dm*M
  kon = 0.4; koff = 0.6; ktx = 5; dm = 1
end
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "telegraph.txt"
    path.write_text(TELEGRAPH)
    return path


def refused(result: tuple[int, str, str], *words: str) -> None:
    """Code 2, nothing on stdout, one line on stderr that holds the words."""
    code, out, err = result
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert "traceback" not in err
    for word in words:
        assert word in err, err


# models -------------------------------------------------------------------------------------------------


def test_inspect_says_what_given_times_would_cost(run: Run, model: Path) -> None:
    code, out, _ = run("inspect", model, "--times", "1,10")
    assert code == 0
    assert "advice: fsp: " in out
    advice = json.loads(run("inspect", model, "--times", "1,10", "--json")[1])["advice"]
    assert advice["solver"] == "fsp"
    assert {"ssa", "mean-field"} <= {option["solver"] for option in advice["options"]}


def test_inspect_shows_reactions_laws_and_fingerprint(run: Run, model: Path) -> None:
    code, out, _ = run("inspect", model)
    assert code == 0
    assert "G + Gs = 1" in out
    assert f"fingerprint {kx.load(model).fingerprint}" in out
    assert "mass action, order 1" in out
    data = json.loads(run("inspect", model, "--json")[1])["model"]
    assert data["species"] == {"G": 1, "Gs": 0, "M": 0}
    assert data["parameters"]["ktx"] == 5


def test_check_ends_with_2_on_errors_only(run: Run, model: Path, tmp_path: Path) -> None:
    """Mutant: warnings count as errors."""
    assert run("check", model)[0] == 0
    (tmp_path / "unused.txt").write_text(TELEGRAPH.replace("dm = 1", "dm = 1; spare = 3"))
    code, out, _ = run("check", tmp_path / "unused.txt")
    assert code == 0
    assert "KX109" in out
    data = json.loads(run("check", tmp_path / "unused.txt", "--json")[1])
    assert data["counts"]["warning"] == 1


@pytest.mark.parametrize("ending", ["xml", "ant", "txt"])
def test_converted_models_are_the_same_model(run: Run, model: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"copy.{ending}"
    code, out, err = run("convert", model, target)
    assert (code, err) == (0, "")
    assert str(target) in out
    assert kx.load(target).fingerprint == kx.load(model).fingerprint


def test_models_become_pictures_and_latex(run: Run, model: Path, tmp_path: Path) -> None:
    assert run("convert", model, tmp_path / "m.tex")[0] == 0
    assert run("convert", model, tmp_path / "m.png")[0] == 0
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    refused(run("convert", model, tmp_path / "m.doc"), "m.doc", ".xml")


# solve ----------------------------------------------------------------------------------------------------


def test_solve_writes_means_and_deviations_by_ending(run: Run, model: Path, tmp_path: Path) -> None:
    """Against the exact mean of M: the gene is a two-state chain. Mutant: sd columns before means."""
    code, out, err = run("solve", model, "--times", "0:4:5", "--output", tmp_path / "run.csv")
    assert (code, err) == (0, "")
    assert "total variation error" in out
    rows = list(csv.reader((tmp_path / "run.csv").read_text().splitlines()))
    assert rows[0] == ["time", "G-mean", "Gs-mean", "M-mean", "G-sd", "Gs-sd", "M-sd"]
    table = np.array(rows[1:], dtype=float)
    gene = 0.4 + 0.6 * np.exp(-table[:, 0])
    assert np.allclose(table[:, 1], gene, atol=1e-7)
    assert np.allclose(table[:, 4], np.sqrt(gene * (1 - gene)), atol=1e-6)
    assert np.allclose(table[:, 3], 5 * (0.4 * (1 - np.exp(-table[:, 0])) + 0.6 * table[:, 0] * np.exp(-table[:, 0])))


def test_solve_takes_values_starts_and_settings(run: Run, model: Path, tmp_path: Path) -> None:
    options = ["--solver", "ssa", "--paths", "400", "--seed", "1", "--set", "dm=0.5", "--initial", "M=40"]
    code, _, _ = run("solve", model, "--times", "1,2", *options, "--output", tmp_path / "a.nc")
    assert code == 0
    solution = kx.open(tmp_path / "a.nc")
    assert solution.trajectories.shape == (400, 2, 3)
    assert solution.meta["settings"]["paths"] == 400
    assert abs(solution.mean("M")[0] - (40 * np.exp(-0.5) + 3)) < 2
    again = json.loads(run("solve", model, "--times", "1,2", *options, "--json")[1])
    assert again["mean"] == solution.mean().tolist()
    assert again["ok"] is True


def test_solve_draws(run: Run, model: Path, tmp_path: Path) -> None:
    assert run("solve", model, "--times", "0:4:5", "--output", tmp_path / "m.png", "--species", "M")[0] == 0
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


def test_compare_measures_distances(run: Run, model: Path, tmp_path: Path) -> None:
    page = tmp_path / "study.html"
    code, out, _ = run("compare", model, "--times", "1,3", "--solvers", "fsp,ssa", "--seed", "2", "--report", page)
    assert code == 0
    assert "distances to fsp" in out
    assert page.read_text().startswith("<!DOCTYPE html>")
    refused(run("compare", model, "--times", "1", "--solvers", "fsp,sssa"), "did you mean 'ssa'")


def test_compare_takes_the_settings_of_each_solver_and_names_for_them(run: Run, model: Path) -> None:
    options = ["--solvers", "fsp,few=ssa,many=ssa,leap=tau-leaping", "--few.paths", "500", "--many.paths=50_000"]
    code, out, _ = run("compare", model, "--times", "2", *options, "--fsp.max-states", "9000", "--seed", "3", "--json")
    assert code == 0
    study = json.loads(out)["study"]
    floors = {row["solver"]: row["floor"] for row in study["rows"]}
    assert list(floors) == ["few", "many", "leap"]
    # The expected squared Hellinger distance of a histogram goes as one over its number of draws.
    assert floors["few"] / floors["many"] == pytest.approx(10, rel=0.25)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--ssa.pahts", "5"], ["--ssa.pahts", "did you mean --ssa.paths?"]),
        (["--paths", "5"], ["--paths", "did you mean --ssa.paths?", "fsp, ssa"]),
        (["--few.paths", "5"], ["--few.paths", "--solver.setting", "fsp, ssa"]),
        (["--ssa.paths", "many"], ["--ssa.paths", "'many' is not a number"]),
        (["--ssa.paths"], ["--ssa.paths", "has no value"]),
        (["--solvers", "fsp,fsp"], ["'fsp' is given twice"]),
        (["--solvers", "fsp,few="], ["'few=' is no solver"]),
    ],
)
def test_compare_refuses_by_name(run: Run, model: Path, options: list[str], words: list[str]) -> None:
    refused(run("compare", model, "--times", "1", *options), *words)


# bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--solver", "ssa", "--pahts", "5"], ["--pahts", "did you mean --paths"]),
        (["--slover", "ssa"], ["--slover", "did you mean --solver"]),
        (["--solver", "sssa"], ["did you mean 'ssa'"]),
        (["--solver", "met"], ["train one"]),
        (["--solver", "ssa", "--paths", "many"], ["--paths", "'many' is not a number"]),
        (["--solver", "ssa", "--paths", "-3"], ["paths"]),
        (["--solver", "ssa", "--paths"], ["--paths", "has no value"]),
        (["--set", "kno=1"], ["did you mean 'kon'"]),
        (["--set", "kon"], ["--set", "NAME=VALUE"]),
        (["--initial", "N=3"], ["species 'N'", "G, Gs, M"]),
        (["--initial", "M=3.7"], ["M", "3.7"]),
        (["--seed", "-1"], ["seed"]),
        (["--seed", "x"], ["seed"]),
        (["--output", "run.doc"], ["run.doc", ".csv"]),
        (["--output", "nowhere/run.csv"], ["nowhere"]),
        (["--solver", "absent/"], ["absent: there is no such folder", "check the path"]),
        (["--law", "atuo"], ["auto"]),
        (["--format", "smbl"], ["sbml"]),
    ],
)
def test_misspelt_options_names_and_values_are_refused(
    run: Run, model: Path, options: list[str], words: list[str]
) -> None:
    refused(run("solve", model, "--times", "1", *options), *words)
    code, out, _ = run("solve", model, "--json", "--times", "1", *options)
    assert (code, json.loads(out)["exit_code"]) == (2, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("species A = 1\nr: A -> ; k*B\nk = 1\n", ["'B'", "line 2"]),
        ("species A = 1\nr: A -> ; k*A\n", ["'k'"]),
        ("species A = 1\nr: A -> ; k*A*\nk = 1\n", ["line 2"]),
    ],
)
def test_unknown_names_and_broken_text_name_file_and_place(
    run: Run, tmp_path: Path, text: str, words: list[str]
) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    for verb in ("inspect", "check"):
        refused(run(verb, path), "bad.txt", *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not xml", []),
        ("<?xml version='1.0'?><html/>", []),
        ("<sbml xmlns='http://www.sbml.org/sbml/level3/version1/core' level='3' version='1'><model>", []),
    ],
)
def test_unreadable_sbml_names_the_file(run: Run, tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "bad.xml"
    path.write_text(text)
    refused(run("solve", path, "--times", "1"), "bad.xml", *words)


def test_a_run_that_must_stop_ends_with_1(run: Run, model: Path) -> None:
    code, out, err = run("solve", model, "--times", "100", "--solver", "ssa", "--max-events", "5", "--seed", "1")
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_a_full_disk_or_a_closed_folder_ends_with_4(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: OSError falls through to code 1."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "run.csv")

    monkeypatch.setattr("kinetix.app.cli_solve.write_solution", full)
    code, out, err = run("solve", model, "--times", "1", "--output", "run.csv")
    assert (code, out) == (4, "")
    assert err == "kinetix: run.csv: No space left on device\n"


def test_the_import_report_is_printed_and_in_the_json(run: Run) -> None:
    path = ROOT / "tests" / "data" / "hostile" / "h42_deterministic_square_law.xml"
    for verb in ("inspect", "check"):
        code, out, _ = run(verb, path)
        assert code == 0
        assert "r         mass action, order 2  -           yes        KX102     X**2*k -> X*k*(X - 1)" in out
    _, out, _ = run("check", path, "--json")
    (line,) = json.loads(out)["import_report"]
    assert line == {
        "reaction": "r",
        "law": "X**2*k",
        "propensity": "X*k*(X - 1)",
        "split_from": None,
        "converted": True,
        "mass_action": True,
        "order": 2,
        "codes": ["KX102"],
    }
    _, out, _ = run("inspect", path, "--json")
    assert json.loads(out)["model"]["import_report"] == [line]


def test_what_is_for_the_mean_field_alone_is_shown_and_exits_2(run: Run) -> None:
    for name, code in (("h29_noninteger_stoichiometry", "KX105"), ("h32_noninteger_initial_amount", "KX106")):
        path = ROOT / "tests" / "data" / "hostile" / f"{name}.xml"
        assert run("inspect", path)[0] == run("inspect", path, "--json")[0] == 0
        exit_code, out, _ = run("check", path)
        assert (exit_code, f"{code} error" in out) == (2, True)
        assert run("check", path, "--solver", "mean-field")[0] == 0
        refused(run("solve", path, "--times", "1", "--solver", "ssa"), code)


def test_the_scale_is_a_number_or_the_units_of_the_file(run: Run) -> None:
    path = ROOT / "tests" / "data" / "biomodels" / "BIOMD0000000010.xml"
    prints = {
        run("check", path, "--scale", scale, "--json")[1].split('"fingerprint"')[1]
        for scale in ("units", "6.02214076e14")
    }
    assert len(prints) == 1
    refused(run("check", path, "--scale", "unit"), "option --scale", "'unit' is not a number")
