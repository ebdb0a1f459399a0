"""Nets judged by histories: the same figures as by exact laws, to the noise that they state."""

from itertools import pairwise

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.solvers.nets import against_histories, certificate
from kinetix.solvers.nets.against_histories import log_law
from kinetix.solvers.nets.certificate import judged
from kinetix.solvers.nets.downstream import Downstream
from kinetix.solvers.nets.held_out import held_out
from kinetix.solvers.nets.histories import draw_histories
from kinetix.solvers.nets.net_law import NetLaw
from tests import exact

BOX = {"kon": (0.5, 2.0), "ksyn": (1.0, 8.0)}


@pytest.fixture(scope="module")
def gene_net():
    """A net of a gene's messengers that has learned little."""
    return kx.MET(width=16, layers=1, held_out=0, rate=1e-3).train(
        exact.telegraph(gene=1), times=(0, 4), box=BOX, budget_steps=15, seed=1
    )


def figures(net, monkeypatch, table, number=6):
    monkeypatch.setattr(certificate, "TABLE", table)

    def law(c):
        features = net.domain.encoding.encode(c.theta, c.start, c.time).astype(np.float32)
        return NetLaw(net.net, torch.from_numpy(features))

    return judged(net.network, held_out(net.domain, number), law, net.net.layout)


def test_figures_are_those_by_exact_laws(gene_net, monkeypatch):
    """KL within 5 standard errors; squares of distances within the noise of the histories and of the net's average.

    Mutants: the gene's own state not asked; a Poisson law of the mean of the means; the factorial left out; states
    drawn from the histories that the law is the mean over.
    """
    right, found = figures(gene_net, monkeypatch, 10**6), figures(gene_net, monkeypatch, 0)
    assert "joint" in right
    assert "joint" not in found
    assert right["joint"]["mean"] > 0.05
    assert abs(found["kl_per_sample"]["mean"] - right["kl_per_sample"]["mean"]) < 5 * found["kl_error"]
    for name, h in found["species"].items():
        assert h["noise"] < 0.01
        assert h["max"] ** 2 == pytest.approx(right["species"][name]["max"] ** 2, abs=0.03 * h["max"])
        assert h["floor"] == pytest.approx(right["species"][name]["floor"], rel=0.4)
    assert found["against"].startswith("means over 10000 histories")


def test_few_histories_are_corrected_for_their_noise():
    """Log P of states by 60 histories, 2,000 times over: its mean is the exact one's within 5 standard errors; 10 of
    them lie between with and without the correction. Mutant: no correction.
    """
    model, number = compile_network(exact.telegraph(gene=1)), 2000
    law = exact.dense_law(model, [1, 60], 2.0)
    states = np.array([[0, 0], [1, 3], [0, 9], [1, 15]])
    split, rng = Downstream.of(model, [1]), np.random.default_rng(0)
    thetas, starts = np.tile(model.theta, (number, 1)), np.tile(model.initial, (number, 1))
    counts, means = draw_histories(split, thetas, starts, np.full(number, 2.0), 60, rng)
    found = np.array([log_law(split, states, c, m)[0] for c, m in zip(counts, means, strict=True)])
    gap = found - np.log([law[tuple(s)] for s in states.tolist()])
    np.testing.assert_array_less(np.abs(gap.mean(axis=0)), 5 * gap.std(axis=0) / np.sqrt(number))


@pytest.mark.parametrize("few", [False, True])
def test_the_certificate_says_it(monkeypatch, few):
    """A gene and a line of six: too many states for a table, and most are downstream. Twenty histories are too few to
    know what a state's probability is. Mutant: whatever they tell is taken for it.
    """
    names = ["A", "B", "C", "D", "E", "F"]
    lines = [f"  {a} -> {b}; c*{a}" for a, b in pairwise(names)]
    text = [
        "model line",
        "  species G = 1, " + ", ".join(f"{n} = 0" for n in names),
        "  -> G; a*(1 - G)",
        "  G -> ; a*G",
    ]
    network = kx.parse("\n".join([*text, "  G -> G + A; k*G", *lines, "  F -> ; c*F", "  a = 1; k = 6; c = 2", "end"]))
    monkeypatch.setattr(certificate, "TABLE", 1000)
    if few:
        monkeypatch.setattr(against_histories, "HISTORIES", 20)
    net = kx.MET(width=16, layers=1, held_out=3).train(network, times=(0, 3), box={"k": (3, 9)}, budget_steps=3, seed=1)
    assert net.certificate["against"].startswith(f"means over {20 if few else 10000} histories")
    if few:
        assert "kl_per_sample" not in net.certificate
        assert "No figure for the joint law" in net.certificate["statement"]
    else:
        assert net.certificate["kl_per_sample"]["mean"] > 5 * net.certificate["kl_error"] > 0
        assert "nats against the net (standard error" in net.certificate["statement"]
    assert set(net.certificate["species"]) == {"G", *names}
