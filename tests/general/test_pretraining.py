"""Pretraining as a long job: it learns, stops and goes on in the same bits, is saved and comes back."""

import json
import signal

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.solvers.general.net import Size
from kinetix.solvers.general.panels import panel
from kinetix.solvers.general.pretraining import Pretraining
from kinetix.solvers.general.saved import GeneralNetwork
from kinetix.solvers.general.score import Case, Panels, hellinger
from kinetix.solvers.general.source import Source
from kinetix.solvers.nets.signals import Interrupted

TINY = Pretraining(
    size=Size(16, 1, 1), source=Source({"small": 1.0}, paths=16, times=2), block=16, blocks=2, every=4, watched={}
)


def bits(net):
    return torch.cat([weight.reshape(-1) for weight in net.core.state_dict().values()])


def interrupting(entry):
    """Ctrl-C, as soon as a training has done a few steps."""
    if entry["step"] >= 5:
        signal.raise_signal(signal.SIGINT)


def test_a_run_that_was_stopped_ends_in_the_same_bits(tmp_path):
    """Mutant seen to fail: chunks that depend on when they are asked for."""
    whole = TINY.train(budget_steps=80, seed=3)
    with pytest.raises(Interrupted):
        TINY.train(budget_steps=80, seed=3, output=tmp_path / "run", progress=interrupting)
    steps = [int(path.name.removeprefix("step-")) for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert 5 <= max(steps) < 80
    resumed = TINY.train(budget_steps=80, seed=3, output=tmp_path / "run", resume=True)
    assert torch.equal(bits(whole), bits(resumed))
    back = GeneralNetwork.open(tmp_path / "run")
    assert torch.equal(bits(whole), bits(back))
    assert back.settings["pretraining"] == json.loads(json.dumps(TINY.told()))


def test_another_seed_is_another_net():
    assert not torch.equal(bits(TINY.train(budget_steps=3, seed=1)), bits(TINY.train(budget_steps=3, seed=2)))


@pytest.mark.slow
def test_a_minute_of_training_beats_the_anchor_on_networks_never_seen():
    """The median distance on a panel falls below that of the untaught net, which states what the moments say."""
    net = Pretraining(source=Source({"small": 1.0}), watched={}).train(budget_cpu=90, seed=1)
    cases = [Case.of(question) for question in panel("small", 60, 5)]
    taught = hellinger(net.core, cases)
    with torch.no_grad():
        net.core.head.weight.zero_()
        net.core.head.bias.zero_()
    assert np.median(taught) < np.median(hellinger(net.core, cases))


def test_panels_judge_while_training(tmp_path):
    judged = Pretraining(size=Size(16, 1, 1), source=TINY.source, block=16, blocks=2, watched={"small": 3})
    net = judged.train(budget_steps=2, seed=1, output=tmp_path / "run")
    scores = net.certificate["panels"]
    assert set(scores) == {"small median", "small mean"}
    again = Panels.of({"small": 3}, 20_231_023)(net.core)
    assert again["small mean"] == pytest.approx(scores["small mean"], abs=1e-6)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["small mean"] == pytest.approx(scores["small mean"], abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"block": 0}, "block is 0"), ({"rate": 2.0}, "rate is 2.0"), ({"watched": {"tiny": 3}}, "unknown panels")],
)
def test_impossible_settings_are_refused(settings, reason):
    with pytest.raises(kx.SettingError, match=reason):
        Pretraining(**settings)


def test_damage_is_seen(tmp_path):
    """Mutant seen to fail: weights poured without a look at their digest."""
    TINY.train(budget_steps=1, seed=1, output=tmp_path / "run")
    file = tmp_path / "run" / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(kx.CheckpointError):
        GeneralNetwork.open(tmp_path / "run")
