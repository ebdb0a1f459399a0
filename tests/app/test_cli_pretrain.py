"""`kinetix pretrain`: a config, a run that goes on, refusals by file and key."""

import json

import pytest

from kinetix.app.cli import main
from kinetix.solvers.general.config import read_config
from kinetix.solvers.general.pretraining import Pretraining
from kinetix.solvers.general.saved import GeneralNetwork

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
