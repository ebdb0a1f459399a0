"""`kinetix infer --output folder --resume`: killed in the middle, it ends with the posterior of a run that was not."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kinetix as kx

Run = Callable[..., tuple[int, str, str]]

MODEL = "model bd\nspecies X = 0\nbirth: -> X; b\ndeath: X -> ; d*X\nb = 3; d = 1\nend\n"
SIZE = ("--ensembles", "2", "--walkers", "8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    counts = np.random.default_rng(0).poisson(4.0, 30)
    (tmp_path / "bd.txt").write_text(MODEL)
    (tmp_path / "prior.toml").write_text("[prior]\nb = {log_uniform = [1, 30]}\n")
    (tmp_path / "cells.csv").write_text("\n".join(["time,X", *(f"0.7,{x}" for x in counts)]) + "\n")
    return tmp_path


def command(folder: Path, *options: object) -> list[object]:
    return ["infer", folder / "bd.txt", folder / "cells.csv", "--prior", folder / "prior.toml", *SIZE, *options]


def test_killed_and_resumed_without_a_seed_it_ends_with_the_same_posterior(run: Run, folder: Path) -> None:
    """The seed is that of the folder. Mutant seen to fail: a fresh seed, which is refused."""
    out = folder / "out"
    code = "import sys; from kinetix.inference.samplers import chain_store; chain_store.EVERY = 0.1\n"
    code += "from kinetix.app.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [str(w) for w in command(folder, "--steps", "5000", "--output", out, "--seed", "4")]
    process = subprocess.Popen([sys.executable, "-c", code, *words])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(out.glob("entry-*"))) < 3:
        time.sleep(0.02)
    process.kill()
    process.wait()
    ended, text, _ = run(*command(folder, "--steps", "60", "--output", out, "--resume"))
    assert ended == 3, text  # too few steps to have converged
    again, _, _ = run(*command(folder, "--steps", "60", "--output", folder / "p.nc", "--seed", "4"))
    assert again == 3
    found, whole = kx.open(out / "posterior.nc"), kx.open(folder / "p.nc")
    assert np.array_equal(found.draws, whole.draws)
    assert found.meta["seed"] == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--resume",), "no chains to go on with"),
        (("--output", "{}/p.nc", "--resume"), "give --output a folder"),
        (("--output", "{}/prior"), "a file, not a folder"),
        (("--output", "{}/none/out"), "there is no folder"),
        (("--output", "{}/p.txt"), "cannot write"),
    ],
)
def test_bad_outputs_are_one_line(run: Run, folder: Path, options: tuple[str, ...], said: str) -> None:
    (folder / "prior").write_text("x")
    code, out, err = run(*command(folder, *(o.format(folder) for o in options)))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
