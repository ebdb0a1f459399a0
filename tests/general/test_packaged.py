"""The weights that come with kinetix: whole, small, told how they were made, and worth what they are said to be."""

import json

import numpy as np

import kinetix as kx
from kinetix.solvers.general.config import read_config
from kinetix.solvers.general.packaged import FOLDER
from kinetix.solvers.general.score import examined, hellinger
from kinetix.solvers.general.trust import Scale, signs_of

MOST_BYTES = 20e6


def test_they_are_told_in_full():
    """Weights of at most 20 MB with a manifest; settings, seed, log and licence beside them."""
    net = kx.general()
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < MOST_BYTES
    assert "Apache License" in (FOLDER / "LICENSE").read_text()
    made = read_config(FOLDER / "config.toml")
    told = net.settings["pretraining"]
    assert {name: value for name, value in made.told().items() if name in told} == told
    assert isinstance(net.settings["seed"], int)
    log = [json.loads(line) for line in (FOLDER / "log.jsonl").read_text().splitlines()]
    assert len(log) > 10
    assert log[-1]["fraction"] == 1.0
    assert log[-1]["small median"] == net.certificate["panels"]["small median"]
    assert net.certificate["training"]["cpu_seconds"] > 3000


def test_they_are_worth_what_is_said():
    """Fresh networks of held-out structures: the median within twice the certificate's, and flags that are right.

    Of 14 small problems the median of log distances (sd about 0.9) errs by 0.3 in 68 %, so that twice is more than two
    standard errors; good ones may be wrong in one of twenty. Mutants seen to fail: the weights of the head halved; a
    scale that calls all answers good.
    """
    net = kx.general()
    batch, cases = examined({"small": 14, "large": 10}, 77)
    distances = hellinger(net.core, cases)
    assert np.median(distances[:14]) < 2 * net.certificate["panels"]["small median"]
    scale = Scale.of(net.certificate)
    good = scale(signs_of(net.core, batch)) <= scale.good
    assert good.sum() >= 5
    assert (distances[good] > 0.05).sum() <= 1 + 0.05 * good.sum()
