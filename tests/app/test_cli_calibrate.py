"""The verb calibrate: verdict, table, picture and exit code; runs that go on; bad input in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import kinetix as kx

Run = Callable[..., tuple[int, str, str]]

MODEL = "model bd\nspecies X = 0\nbirth: -> X; b\ndeath: X -> ; d*X\nb = 3; d = 1\nend\n"
FAST = ("--runs", "20", "--cells", "10", "--times", "0.5,1", "--seed", "1")
WALK = ("--ensembles", "2", "--walkers", "4", "--steps", "30")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bd.txt").write_text(MODEL)
    (tmp_path / "prior.toml").write_text("[prior]\nb = {log_uniform = [1, 30]}\n")
    return tmp_path


def command(folder: Path, *options: object) -> list[object]:
    return ["calibrate", folder / "bd.txt", "--prior", folder / "prior.toml", *options]


def test_the_whole_line_from_trajectories_to_ranks(run: Run, folder: Path) -> None:
    """Cells by trajectories, posteriors by fsp: calibrated, kept, and the same when taken up again.

    Mutants seen to fail: --seed not handed on; --resume neither.
    """
    out = folder / "runs"
    code, text, _ = run(*command(folder, *FAST, *WALK, "--output", out))
    assert code == 0, text
    assert "CALIBRATED: 20 runs" in text
    assert (out / "ranks.png").stat().st_size > 1000
    before = json.loads((out / "calibration.json").read_text())
    again = command(folder, "--runs", "21", "--cells", "10", "--times", "0.5,1", *WALK, "--output", out)
    code, text, _ = run(*again, "--resume", "--json")
    told = json.loads(text)["calibration"]
    assert code == 0
    assert told["ranks"]["b"][:20] == before["ranks"]["b"]
    assert (told["runs"], told["meta"]["seed"]) == (21, 1)


def test_a_sampler_that_lies_ends_with_3(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant seen to fail: 0 whatever was found."""
    from kinetix.inference.calibration import Calibration

    monkeypatch.setattr(Calibration, "faults", ("b: planted",))
    code, text, _ = run(*command(folder, *FAST, *WALK))
    assert code == 3
    assert text.startswith("NOT CALIBRATED")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--resume",), "no folder to go on with"),
        (("--step", "40"), "did you mean --steps"),
        (("--species", "Y"), "'Y'"),
        (("--simulator", "mean-field"), "moments"),
        (("--jobs", "0"), "jobs"),
        (("--output", "{}/prior.toml"), "a file, not a folder"),
    ],
)
def test_bad_input_is_one_line(run: Run, folder: Path, options: tuple[str, ...], said: str) -> None:
    code, out, err = run(*command(folder, *FAST, *(o.format(folder) for o in options)))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_the_front_door_has_it() -> None:
    network = kx.parse(MODEL)
    found = kx.calibrate(
        network,
        prior={"b": kx.prior.log_uniform(1, 30)},
        times=[1.0],
        cells=10,
        runs=20,
        seed=2,
        ensembles=2,
        walkers=4,
        steps=20,
    )
    assert found.runs == 20
    assert found.meta["simulator"]["solver"] == "SSA"
