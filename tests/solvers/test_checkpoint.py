"""Trained nets on disk: the same bits back, the order kept, and damage of any kind refused by name."""

import json
import shutil

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.errors import CheckpointError
from kinetix.solvers.met import MET
from kinetix.solvers.nets.checkpoint import MODEL, WEIGHTS
from kinetix.solvers.nets.sealed import MANIFEST, pack
from tests.exact import ROOT, autoregulation

BOX = {"su": (0.5, 2.0), "sb": (0.0, 0.1), "ru": (1.0, 4.0), "P": (0, 4)}  # neither sorted nor in the model's order
SMALL = {"width": 16, "layers": 1, "contexts": 16, "held_out": 8}


@pytest.fixture(scope="module", params=["film", "attention"])
def net(request):
    return MET(decoder=request.param, heads=2, **SMALL).train(
        autoregulation(ru=3.0, rb=6.0), times=(0, 5), box=BOX, budget_steps=20, seed=3
    )


@pytest.fixture(scope="module")
def saved(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets") / "net"
    net.save(folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "net")


def test_the_same_bits_come_back(net, saved):
    loaded = kx.open(saved)
    assert (loaded.digest, loaded.seed, loaded.settings, loaded.times) == (
        net.digest,
        net.seed,
        net.settings,
        net.times,
    )
    assert (loaded.box, loaded.certificate) == (net.box, net.certificate)
    assert loaded.network.fingerprint == net.network.fingerprint
    problem = kx.Problem.of(net.network, [0.5, 5.0], parameters={"su": 1.1, "ru": 2.0}, initial={"P": 2})
    rows = np.array([[0, 3], [1, 0], [1, 5]])
    answers = [n.log_prob_batch(problem, problem.theta[None], [rows, rows], [0, 1], rng=None) for n in (net, loaded)]
    np.testing.assert_array_equal(*answers)


def test_the_box_keeps_the_order_of_the_model(net, saved):
    """Mutant seen to fail: the order of the manifest's JSON, which is the alphabet's."""
    names = [*net.network.theta_names, *net.network.species_names]
    assert list(kx.open(saved).box) == [name for name in names if name in BOX]


def test_the_folder_can_be_read_by_people_and_by_other_tools(net, saved):
    from safetensors.torch import load_file

    assert {p.name for p in saved.iterdir()} == {WEIGHTS, MODEL, MANIFEST}
    assert kx.parse((saved / MODEL).read_text()).fingerprint == net.network.fingerprint
    content = json.loads((saved / MANIFEST).read_text())
    assert content["files"][WEIGHTS]["sha256"] == net.digest
    assert content["content"]["net"]["certificate"]["contexts"] == SMALL["held_out"]
    weights = load_file(saved / WEIGHTS)
    assert all(torch.equal(weights[name], tensor) for name, tensor in net.weights().items())


def test_any_changed_byte_is_refused(copy):
    """200 places of every file, one bit each. Mutant seen to fail: the digest of the model's text not looked at."""
    rng = np.random.default_rng(0)
    for path in sorted(copy.iterdir()):
        whole = path.read_bytes()
        for place in rng.integers(len(whole), size=200):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << int(rng.integers(8)))]) + whole[place + 1 :])
            with pytest.raises(CheckpointError):
                kx.open(copy)
        path.write_bytes(whole)
    kx.open(copy)


@pytest.mark.parametrize("name", [WEIGHTS, MODEL, MANIFEST])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "longer", "folder"])
def test_lost_and_cut_files_are_named(copy, name, damage):
    path = copy / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "longer": whole + b"x"}[damage])
    with pytest.raises(CheckpointError) as refused:
        kx.open(copy)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_weights_of_another_net_are_refused(net, copy):
    """A manifest sealed anew around other weights: shapes and values are looked at, not only digests."""
    from kinetix.solvers.nets import sealed

    content, files = sealed.read_sealed(copy, "kinetix-net-1")
    first = next(iter(net.weights()))
    for change, why in (
        (lambda t: torch.zeros(3, 3), "has the shape"),
        (lambda t: torch.full_like(t, torch.nan), "NaN or infinite"),
    ):
        weights = {n: change(t) if n == first else t for n, t in net.weights().items()}
        sealed.write_sealed(copy, "kinetix-net-1", content, {**files, WEIGHTS: pack(weights)})
        with pytest.raises(CheckpointError, match=why):
            kx.open(copy)


def test_nothing_is_pickled():
    """Weights are safetensors and manifests JSON: reading a file never runs code."""
    for path in (ROOT / "solvers").glob("*.py"):
        text = path.read_text()
        assert not any(word in text for word in ("import pickle", "torch.load(", "torch.save(", "allow_pickle=True")), (
            path
        )
