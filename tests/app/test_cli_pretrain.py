"""`kinetix pretrain`: a config, a run that goes on, refusals by file and key."""

import json
import os
import subprocess
import sys

import pytest

from kinetix.app.cli import main
from kinetix.solvers.general.config import read_config
from kinetix.solvers.general.pretrained import GeneralNetwork
from kinetix.solvers.general.pretraining import Pretraining

SMALL = """
[net]
width = 16
rounds = 1
blocks = 1
[source]
mixture = {small = 1.0}
paths = 8
times = 2
[training]
block = 16
blocks = 2
watched = {small = 2}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(SMALL)
    return path


def test_an_empty_file_means_the_settings_of_the_class(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert read_config(path).told() == Pretraining().told()


def test_it_trains_and_says_how_good_the_net_is(config, tmp_path, capsys):
    run = tmp_path / "run"
    command = ["pretrain", str(config), "--output", str(run), "--budget-steps", "3", "--seed", "1"]
    assert main(command) == 0
    assert "small median" in capsys.readouterr().out
    assert GeneralNetwork.open(run).core.size.width == 16
    assert main([*command, "--json", "--resume"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["certificate"]["training"]["steps"] == 3


def test_a_run_goes_on_with_its_own_seed(config, tmp_path, capsys):
    command = ["pretrain", str(config), "--output", str(tmp_path / "run"), "--budget-steps", "2", "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert main([*command, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == first["seed"]


def test_a_further_budget_goes_on_from_the_weights(config, tmp_path, capsys):
    command = ["pretrain", str(config), "--budget-steps", "3", "--seed", "1", "--output"]
    assert main([*command, str(tmp_path / "old")]) == 0
    assert "in all" not in capsys.readouterr().out
    assert main([*command, str(tmp_path / "new"), "--from", str(tmp_path / "old")]) == 0
    assert "in all, 6 steps" in capsys.readouterr().out
    assert GeneralNetwork.open(tmp_path / "new").settings["beginning"]["steps"] == 3
    assert main([*command, str(tmp_path / "more"), "--from", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_torchrun_trains_one_net_in_two_processes(config, tmp_path):
    """As typed on a machine of two; the first process alone prints, and a process alone may not go on."""
    kept = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    torchrun = ["torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]
    pretrain = ["kinetix", "pretrain", str(config), "--output", str(tmp_path / "run"), "--budget-steps", "3", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", *torchrun, "--local-addr=127.0.0.1", "-m", *pretrain],
        env=kept | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    net = GeneralNetwork.open(tmp_path / "run")
    assert told["certificate"]["training"]["steps"] == 3
    assert (net.settings["processes"], net.settings["seed"]) == (2, told["seed"])
    assert told["certificate"]["panels"] == net.certificate["panels"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[net]\nwidht = 3", "did you mean 'width'"),
        ("[nets]\nwidth = 3", "did you mean 'net'"),
        ("[net]\nwidth = 'a'", "[net] width"),
        ("[source]\nmixture = {hard = 1.0}", "unknown panels"),
        ("[net", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(text, said, tmp_path, capsys):
    path = tmp_path / "config.toml"
    path.write_text(text)
    assert main(["pretrain", str(path), "--output", str(tmp_path / "run"), "--budget-steps", "1"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_budget_is_asked_for(config, tmp_path, capsys):
    assert main(["pretrain", str(config), "--output", str(tmp_path / "run")]) == 2
    assert "--budget-cpu" in capsys.readouterr().err
