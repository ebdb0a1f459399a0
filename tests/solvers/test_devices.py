"""Nets on a device that is not the CPU: trained, asked, saved and read back there, with the CPU's answers.

No GPU is needed: see `far_device` for one that every machine has. Its arithmetic is the CPU's, so equal seeds give
equal numbers (to the order in which attention sums). What only a real one shows is in `benchmarks/gpu_check.py`.
"""

import json
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch

import kinetix
from kinetix.errors import SettingError
from kinetix.problem import Problem
from kinetix.solvers.met import MET
from kinetix.solvers.nets import path_lessons, policy, stepping
from kinetix.solvers.nets.trained import device_of, nearest_device
from kinetix.solvers.nets.training import seeded
from kinetix.solvers.van import VAN
from tests.benchmarks import gpu_check, gpu_check_nets
from tests.exact import autoregulation, network
from tests.solvers.far_device import FAR, NAME, far_device

MAKERS = {
    "van": lambda device: trained_van(device, points=4),
    "van, transformer": lambda device: trained_van(device, net="transformer", width=8, points=4),
    "van, stepped": lambda device: trained_van(device, mode="stepped", epochs_first=3, epochs=2, batch=20, dt=0.5),
    "van, stepped well": lambda device: trained_van(
        device, mode="stepped", epochs=2, dt=0.5, start="forward-kl", optimiser="natural", targets="short-time"
    ),
    "met, film": lambda device: trained_met(device, decoder="film"),
    "met, attention": lambda device: trained_met(device, decoder="attention"),
    "met, film on trajectories": lambda device: trained_met(device, teacher="trajectories"),
    "met, attention on trajectories": lambda device: trained_met(device, decoder="attention", teacher="trajectories"),
    "met, rewarded": lambda device: trained_met(device, teacher="van", vans=4),
    "met, summed": lambda device: trained_met(device, teacher="van", vans=4, signal="kl"),
    "met, masked": lambda device: trained_met(device, model=cycle(), box={"k": (0.5, 2.0)}),
}
"""Every way to train a net, for a few steps."""


PLANTED = {
    "loss_apart": ("_trained", lambda found: (found[0] * 1.01, found[1])),
    "log_prob_apart": ("_weighed", lambda found: (found[0] + 0.01, found[1])),
    "standard_errors_apart": ("_drawn", lambda found: (found[0] + (found[0][:, :1] > 0), found[1])),
    "slope_apart": ("_slopes", lambda found: found + 0.1),
}
"""Figure of the GPU check -> the function whose second answer is spoilt, and how."""


def cycle():
    """Three species whose sum stays: the second one's values depend on the first, and the third is left out."""
    return network(
        {"A": 4, "B": 0, "C": 0},
        {"k": 1.0},
        [("ab", {"A": 1}, {"B": 1}, "k"), ("bc", {"B": 1}, {"C": 1}, "k"), ("ca", {"C": 1}, {"A": 1}, "k")],
    )


def trained_van(device, **settings):
    steps = None if settings.get("mode") == "stepped" else 3
    how = VAN(**settings, checked=1, device=device)
    return how.train(autoregulation(), times=(0, 1.0), budget_steps=steps, seed=1)


def trained_met(device, model=None, box=None, **settings):
    how = MET(**settings, width=16, layers=1, contexts=16, held_out=2, device=device)
    box = box or {"ru": (4.0, 12.0)}
    return how.train(model or autoregulation(), times=(0, 1.0), box=box, budget_steps=3, seed=1)


def answers(net):
    """Loss, log-probabilities, draws and a table: numbers."""
    problem = Problem.of(net.network, [1.0])
    law = net.solve(problem, rng=np.random.default_rng(1)).laws[0]
    drawn = law.sample(40, rng=np.random.default_rng(2))
    axes = range(problem.model.change.shape[1])
    weighed = net.log_prob_batch(problem, problem.theta[None], [drawn], axes, rng=np.random.default_rng(3))
    return net.certificate["training"]["loss"], drawn, law.log_prob(drawn), law.marginal([0]).table(), weighed[0]


@pytest.mark.parametrize("how", MAKERS)
def test_a_net_trained_elsewhere_gives_the_same_answers(how, tmp_path, monkeypatch):
    """Also after a visit to the disk. Mutants: each `device=` or `.to(...)` of `solvers/nets` left out."""
    for name, few in {"FORWARD_FIRST": 2, "FORWARD": 2, "PUSHED": 64, "STATES": 60}.items():
        monkeypatch.setattr(stepping, name, few)
    monkeypatch.setattr(path_lessons, "VECTORS", 8)
    monkeypatch.setattr(path_lessons, "TIMES", 3)
    monkeypatch.setattr(policy, "SetSettings", partial(policy.SetSettings, steps=3))
    here = answers(MAKERS[how]("cpu"))
    with far_device() as name:
        net = MAKERS[how](name)
        assert {t.device for t in net.net.state_dict().values()} == {FAR}
        there = answers(net)
        net.save(tmp_path / "net")
        again = kinetix.open(tmp_path / "net")
        assert {t.device for t in again.net.state_dict().values()} == {FAR}
        back = answers(again)
    for a, b, c in zip(here, there, back, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(c, b)


def test_what_else_a_net_is_asked_works_elsewhere():
    """Maps, weights as tensors with derivatives, chained trajectories: as on the CPU."""
    found = {}
    for name in ("cpu", NAME):
        with far_device() if name == NAME else nullcontext():
            net = trained_met(name, box={"ru": (4.0, 12.0), "P": (0, 4)}, caps={"P": 12})
            problem = Problem.of(net.network, [1.0])
            rows = np.array([[1, 2], [0, 3]])
            tensor = net.log_prob_tensor(torch.from_numpy(problem.theta[None]), rows, 1.0)
            moments = net.moments({"ru": [5.0, 8.0]}, 0.5, "P")
            found[name] = [tensor.detach().cpu().numpy(), moments.mean]
    for a, b in zip(found["cpu"], found[NAME], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", ["van", "met"])
def test_the_check_of_a_gpu_finds_nets_alike(part, monkeypatch):
    """Its verdict on the far device, its speeds, and numbers that JSON can hold."""
    monkeypatch.setattr(gpu_check_nets, "_slopes", lambda solver, values: np.zeros(1))  # no forward mode over there
    with far_device() as name:
        found = gpu_check.PARTS[part](name, quick=True)
    json.dumps(found, allow_nan=False)
    assert found["agrees"]
    assert found["device"].startswith(NAME)
    for case in found["cases"].values():
        assert all(speed > 0 for side in ("cpu", "device") for speed in case[side].values())


@pytest.mark.parametrize("figure", PLANTED)
def test_the_check_of_a_gpu_sees_what_differs(figure, monkeypatch):
    """One side is spoilt: the losses, the log-probabilities, the draws or the derivatives of the second net."""
    name, spoil = PLANTED[figure]
    whole, calls = getattr(gpu_check_nets, name), []

    def second(*asked):
        calls.append(name)
        return whole(*asked) if len(calls) % 2 else spoil(whole(*asked))

    monkeypatch.setattr(gpu_check_nets, name, second)
    make = partial(gpu_check_nets._met, "film", "exact laws", quick=True)
    found = gpu_check_nets._case(lambda where: make(where=where), torch.device("cpu"), gpu_check_nets.Work.of(True))
    assert not found["agrees"]
    tolerances = {"loss_apart": 1e-3, "log_prob_apart": 1e-4, "standard_errors_apart": 5, "slope_apart": 1e-3}
    assert [k for k, most in tolerances.items() if found[k] > most] == [figure]


def test_the_far_device_refuses_what_a_gpu_refuses():
    """Else the tests above would see nothing."""
    with far_device() as name:
        x = torch.ones(2, 3).to(name)
        refused = {
            "two devices": lambda: x + torch.ones(2, 3),
            "two devices ": lambda: torch.nn.functional.embedding(torch.zeros(2, dtype=torch.int64), x),
            "numpy": x.numpy,
            "generator of the CPU": lambda: torch.multinomial(x, 1, generator=torch.Generator().manual_seed(1)),
            "not there for": lambda: x.long() @ x.long().T,
        }
        for reason, task in refused.items():
            with pytest.raises(RuntimeError, match=reason.strip()):
                task()
        assert (x[torch.tensor([1])] * 2).cpu().tolist() == [[2.0, 2.0, 2.0]]  # places may lie on the CPU


def test_a_device_that_is_not_there_is_refused_by_name(tmp_path):
    """Before training; a net that was trained on one is read back onto the CPU."""
    for name in ("cuda:99", "cpux", "meta"):
        with pytest.raises(SettingError, match=name):
            device_of(name)
        assert nearest_device(name).type == "cpu"
    with pytest.raises(SettingError, match="cuda:99"):
        trained_van("cuda:99")
    with far_device() as name:
        net = trained_van(name, points=4)
        net.save(tmp_path / "net")
    found = kinetix.open(tmp_path / "net")
    assert found.net.device.type == "cpu"
    assert found.digest


def test_making_a_net_leaves_the_streams_of_gpus_alone(monkeypatch):
    """Torch's own `manual_seed` would seed them all. Mutant: it is called."""
    called = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", called.append)
    with seeded(3):
        first = torch.rand(2)
    with seeded(3):
        assert torch.equal(first, torch.rand(2))
    assert not called
