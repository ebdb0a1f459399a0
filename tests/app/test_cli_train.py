"""The verb train: a net saved with its certificate, Ctrl-C that can be gone on from, damage refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import kinetix as kx
from kinetix.app.cli_train import resume_command

Run = Callable[..., tuple[int, str, str]]

MODEL = "model bd\nspecies X = 0\nbirth: -> X; b\ndeath: X -> ; d*X\nb = 3; d = 1\nend\n"
BOX = "[box]\nb = [1, 5]\n"
SMALL = ["--width", "16", "--contexts", "16", "--batch", "8", "--held-out", "2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bd.txt").write_text(MODEL)
    (tmp_path / "box.toml").write_text(BOX)
    return tmp_path


def command(folder: Path, *options: str) -> list[str]:
    files = [str(folder / "bd.txt"), "--box", str(folder / "box.toml"), "--output", str(folder / "net")]
    return ["train", *files, "--until", "2", *SMALL, *options]


def test_a_net_is_trained_shown_and_asked(run: Run, folder: Path) -> None:
    code, out, err = run(*command(folder, "--budget-steps", "20", "--seed", "1"))
    assert (code, err) == (0, "")
    assert "trained 20 steps" in out
    assert "With 95 % confidence" in out
    code, out, _ = run("inspect", folder / "net", "--json")
    data = json.loads(out)["net"]
    assert code == 0
    assert data["box"] == {"b": [1, 5]}
    assert data["certificate"]["joint"]["mean"] > 0
    code, out, _ = run("solve", folder / "bd.txt", "--times", "1,2", "--solver", folder / "net", "--json")
    assert code == 0
    assert json.loads(out)["meta"]["certificate"]["contexts"] == 2


def test_a_box_that_varies_nothing_known_is_refused(run: Run, folder: Path) -> None:
    (folder / "box.toml").write_text("[box]\nbb = [1, 5]\n")
    code, out, err = run(*command(folder, "--budget-steps", "5"))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "box.toml: [box]: unknown name 'bb'; did you mean 'b'?" in err
    (folder / "box.toml").write_text("[box]\nb = [5, 1]\n")
    assert "box.toml: box: 'b' has low 5" in run(*command(folder, "--budget-steps", "5"))[2]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--budgte", "5"], "did you mean --budget"),
        (["--widht", "5"], "did you mean --width"),
        (["--budget", "0"], "budget"),
        (["--budget", "5", "--budget-cpu", "5"], "exactly one"),
        (["--width", "1"], "width"),
    ],
)
def test_misspelt_and_impossible_settings_are_refused(run: Run, folder: Path, options: list[str], word: str) -> None:
    code, out, err = run(*command(folder, *options))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert word in err
    assert not (folder / "net").exists()


def test_a_run_in_the_folder_is_not_overwritten(run: Run, folder: Path) -> None:
    assert run(*command(folder, "--budget-steps", "5", "--seed", "1"))[0] == 0
    code, _, err = run(*command(folder, "--budget-steps", "5", "--seed", "1"))
    assert code == 2
    assert "already holds a run" in err


def test_a_damaged_net_is_refused(run: Run, folder: Path) -> None:
    """A flipped bit. Mutant: the digest not looked at."""
    assert run(*command(folder, "--budget-steps", "5", "--seed", "1"))[0] == 0
    weights = folder / "net" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 4
    weights.write_bytes(bytes(data))
    for arguments in (
        ("inspect", folder / "net"),
        ("solve", folder / "bd.txt", "--times", "1", "--solver", folder / "net"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "weights.safetensors" in err


def test_a_resumed_run_keeps_the_seed_that_it_drew(run: Run, folder: Path) -> None:
    """Mutant: another one drawn, so that no run without a seed goes on."""
    first = json.loads(run(*command(folder, "--budget-steps", "5", "--json"))[1])
    code, out, _ = run(*command(folder, "--budget-steps", "5", "--json", "--resume"))
    assert code == 0
    assert json.loads(out)["seed"] == first["seed"]


def test_what_to_type_to_go_on_is_the_same_with_its_seed() -> None:
    assert resume_command(["train", "a b.xml", "--json"], 7) == "kinetix train 'a b.xml' --seed 7 --resume"
    assert resume_command(["train", "m", "--seed=3", "--resume"], 7) == "kinetix train m --seed=3 --resume"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_is_saved_and_goes_on_as_it_says(folder: Path, number: signal.Signals, code: int) -> None:
    """Mutant: the folder's message printed without `--seed`: the resumed run is refused as another run."""
    program = "import sys; from kinetix.app.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", program]
    child = subprocess.Popen(
        [*line, *command(folder, "--budget-steps", "150")], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    log = folder / "net" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (log.exists() and log.stat().st_size > 0):
        time.sleep(0.02)
    os.kill(child.pid, number)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err.count("\n")) == (code, "", 1), err
    found = re.search(r"go on with: kinetix (.*)$", err.strip())
    assert found is not None, err
    if number == signal.SIGTERM:
        return  # the rest is the same
    again = subprocess.run([*line, *shlex.split(found[1])], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "trained 150 steps" in again.stdout
    assert kx.open(folder / "net").box == {"b": (1, 5)}
