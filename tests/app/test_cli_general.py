"""The general model at the command line: its folder inspected, asked, and as the start of a training."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kinetix.solvers.general.net import Core, Size
from kinetix.solvers.general.pretrained import GeneralNetwork
from kinetix.solvers.nets.training import seeded

Run = Callable[..., tuple[int, str, str]]

MODEL = "model bd\nspecies X = 0\nbirth: -> X; b\ndeath: X -> ; d*X\nb = 3; d = 1\nend\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bd.txt").write_text(MODEL)
    (tmp_path / "box.toml").write_text("[box]\nb = [1, 5]\n")
    with seeded(1):
        core = Core(Size(width=16, rounds=1, blocks=1)).eval()
    GeneralNetwork(core, {"seed": 1}, {"panels": {"small median": 0.2}}).save(tmp_path / "general")
    return tmp_path


def test_it_is_inspected_and_asked(run: Run, folder: Path) -> None:
    """Mutant seen to fail: a folder read as that of a net for one network."""
    code, out, _ = run("inspect", folder / "general")
    assert code == 0
    assert "general net" in out
    assert "panels.small median 0.2" in out
    code, out, _ = run("inspect", folder / "general", "--json")
    assert json.loads(out)["net"]["certificate"] == {"panels": {"small median": 0.2}}
    code, out, _ = run("solve", folder / "bd.txt", "--times", "1", "--solver", folder / "general", "--json")
    assert code == 0
    meta = json.loads(out)["meta"]
    assert [one["flag"] for one in meta["trust"]] == ["unknown"]
    assert meta["solver"] == "General"
    code, out, _ = run("solve", folder / "bd.txt", "--times", "1", "--solver", folder / "general")
    assert "to be trusted: unknown, since" in out
    code, out, err = run("report", folder / "general", "--output", folder / "page.html")
    assert (code, out) == (2, "")
    assert "there is no report of a GeneralNetwork; see its certificate with `kinetix inspect`" in err


def test_its_answers_say_how_far_to_trust_them(run: Run, folder: Path) -> None:
    """That of the package, at times early and late. Mutant seen to fail: the least distance for the worst."""
    asked = ["solve", folder / "bd.txt", "--times", "0.5,2", "--solver", "general", "--seed", "1"]
    trust = json.loads(run(*asked, "--json")[1])["meta"]["trust"]
    first, second = (one["distance"] for one in trust)
    assert first != second
    worst = f"{max(first, second):.2g} (Hellinger) off, at t = {0.5 if first > second else 2}"
    code, out, _ = run(*asked)
    assert code == 0
    assert f"to be trusted: 2 good; at worst about {worst}\n" in out


def test_a_training_begins_from_it(run: Run, folder: Path) -> None:
    """Mutant seen to fail: the option not handed on."""
    files = [str(folder / "bd.txt"), "--box", str(folder / "box.toml"), "--output", str(folder / "net")]
    rest = ["--until", "2", "--contexts", "16", "--batch", "8", "--held-out", "2", "--budget-steps", "3", "--seed", "1"]
    code, _, err = run("train", *files, *rest, "--start", folder / "general")
    assert (code, err) == (0, "")
    assert json.loads((folder / "net" / "manifest.json").read_text())["content"]["net"]["start"]["size"]["width"] == 16
    code, _, err = run("train", *files, *rest, "--start", folder / "nowhere")
    assert code == 2
    assert "nowhere" in err
