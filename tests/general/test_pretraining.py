"""Pretraining as a long job: it learns, stops and goes on in the same bits, is saved and comes back."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.solvers.general.begin import Begin
from kinetix.solvers.general.lessons import Lessons
from kinetix.solvers.general.net import Size
from kinetix.solvers.general.panels import panel
from kinetix.solvers.general.pretrained import GeneralNetwork
from kinetix.solvers.general.pretraining import Pretraining
from kinetix.solvers.general.score import Case, Panels, hellinger
from kinetix.solvers.general.source import Source
from kinetix.solvers.nets.signals import Interrupted
from tests.solvers.far_device import FAR, far_device

TINY = Pretraining(
    size=Size(16, 1, 1), source=Source({"small": 1.0}, paths=16, times=2), block=16, blocks=2, every=4, watched={}
)


def flat(weights):
    return torch.cat([weights[name].reshape(-1) for name in sorted(weights)])


def bits(net):
    return flat(net.core.state_dict())


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


@pytest.fixture
def looked(monkeypatch):
    """The weights at the first step of every training, and the digests of the blocks that were looked at."""
    seen, loss = {"first": [], "blocks": []}, Lessons.loss

    def watching(self, net, rng, generator, step):
        if step == 0:
            seen["first"].append(flat(net.state_dict()))
        value, facts = loss(self, net, rng, generator, step)
        seen["blocks"].append(float(self.stock[min(self.stock)][0].tree.context.sum()))
        return value, facts

    monkeypatch.setattr(Lessons, "loss", watching)
    return seen


@pytest.mark.parametrize("finished", [True, False])
def test_a_further_training_begins_at_the_old_weights(tmp_path, looked, finished):
    """Mutants seen to fail: the weights not poured; the seed's data seen again; costs of the last leg alone."""
    if finished:
        old = TINY.train(budget_steps=8, seed=3, output=tmp_path / "old")
        expected, steps = bits(old), 8
        assert Begin.of(old).told == Begin.of(tmp_path / "old").told
    else:
        with pytest.raises(Interrupted):
            TINY.train(budget_steps=80, seed=3, output=tmp_path / "old", progress=interrupting)
        begin = Begin.of(tmp_path / "old")
        expected, steps = flat(begin.weights), begin.told["steps"]
        assert 5 <= steps < 80
    before = Begin.of(tmp_path / "old").told
    new = TINY.train(budget_steps=2, seed=3, output=tmp_path / "new", begin=tmp_path / "old")
    assert torch.equal(looked["first"][1], expected)
    assert looked["blocks"][0] != looked["blocks"][-1]
    assert new.settings["beginning"] == before
    training, spent = new.certificate["training"], new.certificate["training"]["all_legs"]
    assert (training["steps"], spent["steps"], spent["legs"]) == (2, steps + 2, 2)
    assert spent["cpu_seconds"] == pytest.approx(before["cpu_seconds"] + training["cpu_seconds"])
    third = TINY.train(budget_steps=2, seed=4, begin=tmp_path / "new")
    assert third.certificate["training"]["all_legs"]["steps"] == steps + 4


def test_a_further_training_is_resumed_without_the_old_one(tmp_path):
    """Mutant seen to fail: what it began from forgotten on resuming."""
    old = TINY.train(budget_steps=2, seed=3)
    whole = TINY.train(budget_steps=80, seed=5, begin=old)
    with pytest.raises(Interrupted):
        TINY.train(budget_steps=80, seed=5, begin=old, output=tmp_path / "run", progress=interrupting)
    with pytest.raises(kx.SettingError, match="another beginning;"):
        TINY.train(budget_steps=80, output=tmp_path / "run", resume=True, begin=TINY.train(budget_steps=1, seed=1))
    resumed = TINY.train(budget_steps=80, output=tmp_path / "run", resume=True)
    assert torch.equal(bits(whole), bits(resumed))
    assert resumed.settings["beginning"] == whole.settings["beginning"]


def test_a_beginning_that_does_not_fit_is_refused(tmp_path):
    old = TINY.train(budget_steps=1, seed=3)
    with pytest.raises(kx.SettingError, match=r"width=16.*width=24"):
        replace(TINY, size=Size(24, 1, 1)).train(budget_steps=1, seed=3, begin=old)
    with pytest.raises(kx.CheckpointError, match="does not say how it was trained"):
        Begin.of(replace(old, certificate={}))
    with pytest.raises(kx.CheckpointError, match="no such folder"):
        TINY.train(budget_steps=1, seed=3, begin=tmp_path / "nowhere")


def test_a_net_is_judged_wherever_it_is_trained():
    """On a device that refuses what a GPU refuses. Mutant seen to fail: the net itself handed to the panels."""
    judged = replace(TINY, watched={"small": 2})
    near = replace(judged, device="cpu").train(budget_steps=2, seed=1)
    with far_device() as name:
        net = replace(judged, device=name).train(budget_steps=2, seed=1)
        assert {weight.device for weight in net.core.parameters()} == {FAR}
    assert net.certificate["panels"] == pytest.approx(near.certificate["panels"], abs=1e-5)


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
