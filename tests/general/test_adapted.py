"""The general net adapted to one network over a box: it begins as the general net, learns, and is kept."""

import dataclasses
import json
import signal

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.errors import CheckpointError, SettingError, UnsupportedFeature
from kinetix.problem import Problem
from kinetix.solvers.general.adapted import Adaptation, AdaptedNet, largest_counts
from kinetix.solvers.general.answer import answer
from kinetix.solvers.general.net import Core, GeneralNet, Size
from kinetix.solvers.general.pretrained import GeneralNetwork
from kinetix.solvers.general.prompt import Extent, Prompted, read, rows
from kinetix.solvers.met import MET
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.net_law import NetLaw
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace
from tests import exact
from tests.general.test_answer import ENZYME

RNG = np.random.default_rng(0)
BOXES = {
    "birth_death": (exact.birth_death(2.0, 0.8), {"birth": (0.5, 3.0)}),
    "autoregulation": (exact.autoregulation(ru=3.0, rb=6.0), {"su": (0.0, 2.0), "sb": (0.0, 0.1), "rb": (1.0, 9.0)}),
    "telegraph": (exact.telegraph(ksyn=6.0), {"kon": (0.2, 2.0), "ksyn": (1.0, 9.0)}),
    "dimerisation": (exact.dimerisation(start=9), {"k": (0.05, 0.5)}),
    "enzyme": (ENZYME, {"a": (0.1, 1.0), "S": (10, 12)}),
}
GENE, GENE_BOX = exact.autoregulation(ru=3.0, rb=6.0), {"su": (0.5, 2.0), "sb": (0.0, 0.1), "ru": (1.0, 4.0)}
SMALL = {"contexts": 64, "held_out": 0, "rate": 4e-3}


@pytest.fixture(scope="module")
def general():
    with seeded(5):
        core = Core(Size(width=16, rounds=2, blocks=1)).eval()
    return GeneralNetwork(core, {"seed": 5}, {})


@pytest.fixture(scope="module")
def gene_net(general):
    return MET(**SMALL).train(GENE, times=(0, 5), box=GENE_BOX, budget_steps=30, seed=1, start=general)


def begun(general, name, first=()):
    network, box = BOXES[name]
    return Adaptation.of(general, Box.of(network, box, (0, 4)), first)


@pytest.mark.parametrize("name", BOXES)
def test_before_it_learns_it_states_what_the_general_net_states(general, name):
    """At points of the box, in the order of species that the single problem asks for.

    Mutants seen to fail: every varied rate taken for the first; a start that is not completed by conservation.
    """
    first = begun(general, name)
    domain, structure = first.encoding.domain, first.encoding.structure
    thetas, starts = domain.at(domain.sobol(4, seed=3))
    for theta, start in zip(thetas, starts, strict=True):
        law = answer(general.core, structure, theta, start, 1.3)
        order = Prompted.of(structure.at(theta, start, [1.3])).order[0]
        own = Adaptation.made(general.core, domain, structure, order.tolist(), "")
        context = torch.from_numpy(own.encoding.encode(theta, start, 1.3)).float()
        with seeded(1):
            net = AdaptedNet(own.encoding, law.net.plan)
        counts = law.sample(100, rng=np.random.default_rng(1))
        np.testing.assert_allclose(NetLaw(net, context).log_prob(counts), law.log_prob(counts), atol=1e-4)


@pytest.mark.parametrize("name", BOXES)
def test_padding_that_is_left_out_changes_nothing(general, name):
    """Mutant seen to fail: the last reaction left out with it."""
    first = begun(general, name)
    thetas, starts = first.domain.at(first.domain.sobol(4))
    prompt = Prompted.of(first.encoding.structure.at(thetas, starts, np.ones(4))).prompt
    extent, net = first.encoding.extent, GeneralNet(first.layout(StateSpace.box((3,) * len(starts[0]))), general.core)
    narrow, wide = read(rows(prompt, extent).float(), extent), read(rows(prompt).float())
    one, two = (net.beginning(p, general.core.encoded(p)).known.value for p in (narrow, wide))
    size = extent.species
    assert extent != Extent()
    np.testing.assert_allclose(one.begun.detach(), two.begun[:, :size].detach(), atol=1e-5)
    np.testing.assert_allclose(one.gates.detach(), two.gates[:, :size, :size].detach(), atol=1e-4)
    np.testing.assert_allclose(one.rows, two.rows[:, :size, :size], atol=1e-6)


def test_the_window_holds_what_is_asked_of_it(general):
    """Also where the net speaks of other species freely than the window did. Mutant: caps in the network's order."""
    network, _ = BOXES["enzyme"]
    window = StateSpace.conserved(network.conservation_laws(), [12, 3, 0, 0], [9, 2, 3, 7])
    assert largest_counts(window)[list(window.free)].tolist() == list(window.upper)
    layout = begun(general, "enzyme").layout(window)
    states = window.states()[window.admissible()]
    assert layout.window.contains(states).all()


def test_species_that_data_show_come_first(general):
    for s in range(4):
        first = begun(general, "enzyme", [s])
        assert first.encoding.order[0] == s
        net = first.net(StateSpace.conserved(ENZYME.conservation_laws(), [12, 3, 0, 0], [12, 3, 3, 12]))
        assert net.layout.species[0] == s


def test_it_learns_and_leaves_the_general_net_as_it_was(general):
    """The joint law of two species over a box. Mutants seen to fail: the general net's own weights trained; a place in
    the box that changes nothing.
    """
    before = {name: tensor.clone() for name, tensor in general.core.state_dict().items()}
    keywords = {"times": (0, 5), "box": GENE_BOX, "seed": 2, "start": general}
    met = MET(contexts=256, held_out=10)
    first = met.train(GENE, budget_steps=1, **keywords).certificate["joint"]["mean"]
    net = met.train(GENE, budget_steps=60, **keywords)
    assert first > 0.02
    assert net.certificate["joint"]["mean"] < 0.012
    assert all(torch.equal(before[name], tensor) for name, tensor in general.core.state_dict().items())
    assert net.certificate["teacher"] == "fsp"
    assert net.weights()["shift.4.weight"].abs().max() > 0
    encoder = {k: v for k, v in net.weights().items() if ".core.rounds" in k or ".core.of_" in k}
    assert encoder
    assert all(torch.equal(before[k.removeprefix("net.core.")], v) for k, v in encoder.items())


@pytest.mark.parametrize("teacher", ["fsp", "trajectories"])
def test_where_only_the_time_varies(general, teacher):
    """Mutant seen to fail: problems counted by their times alone."""
    net = MET(**SMALL, teacher=teacher).train(GENE, times=(0, 2), box={}, budget_steps=2, seed=1, start=general)
    solution = kx.solve(GENE, [0.5, 2.0], solver=net)
    np.testing.assert_allclose([law.table().sum() for law in solution.laws], 1.0, atol=1e-4)


def test_batches_say_what_single_laws_say(gene_net):
    """Mutant: contexts of one time for all."""
    thetas = np.tile(compile_network(GENE).theta, (3, 1))
    thetas[:, 0] = [0.6, 1.0, 1.9]
    problem = Problem.of(gene_net.network, [1.0, 4.0])
    for axes in ([0], [1], [0, 1]):
        counts = np.array([[0, 3], [1, 0], [1, 7]])[:, axes]
        found = gene_net.log_prob_batch(problem, thetas, [counts, counts[:2]], axes, rng=RNG)
        for b, theta in enumerate(thetas):
            solution = gene_net.solve(Problem(problem.model, problem.times, theta, problem.initial), rng=RNG)
            for k, law in enumerate(solution.laws):
                expected = law.marginal(axes).log_prob(counts[: len(found[k][b])])
                np.testing.assert_allclose(found[k][b], expected, atol=1e-4)


def test_derivatives_by_rates_are_those_of_the_log_probabilities(gene_net):
    """Both modes of torch against differences of what the net states, wider than those that it takes itself.

    Mutants seen to fail: differences not divided by their whole width; the slope along the next parameter (backward);
    none at all (forward).
    """
    thetas = np.tile(compile_network(GENE).theta, (2, 1))
    thetas[:, :3] = [[0.9, 0.03, 2.0], [1.7, 0.07, 3.1]]
    problem, counts = Problem.of(gene_net.network, [1.0, 3.0]), [np.array([[0, 3], [1, 0], [1, 7]])] * 2
    logs, slopes = gene_net.log_prob_gradient_batch(problem, thetas, counts, [0, 1], [0, 1, 2])
    for k in range(3):
        step = np.zeros_like(thetas)
        step[:, k] = 0.005 * thetas[:, k]
        up, down = (
            gene_net.log_prob_batch(problem, t, counts, [0, 1], rng=RNG) for t in (thetas + step, thetas - step)
        )
        for j in range(2):
            expected = (up[j] - down[j]) / (2 * step[:, k, None])
            np.testing.assert_allclose(slopes[j][..., k], expected, rtol=0.02, atol=3e-3 / thetas[0, k])
    theta = torch.tensor(thetas).requires_grad_()
    value = gene_net.log_prob_tensor(theta, counts[1], 3.0)
    np.testing.assert_allclose(value.detach(), logs[1], atol=1e-5)
    value.sum().backward()
    expected = slopes[1].sum(axis=1)
    np.testing.assert_allclose(theta.grad[:, :3] * theta.detach()[:, :3], expected * thetas[:, :3], atol=2e-3)


def test_the_start_and_rates_of_zero_are_answered(gene_net):
    problem = Problem.of(gene_net.network, [0.0, 2.0], parameters={"sb": 0.0})
    solution = gene_net.solve(problem, rng=RNG)
    assert solution.marginal("P", 0.0).tolist() == [1.0]
    assert solution.laws[1].tabulated().p.sum() == pytest.approx(1.0, abs=1e-5)
    (found,) = gene_net.log_prob_batch(problem, problem.theta[None], [np.array([[1, 2]])] * 2, [0, 1], rng=RNG)[1:]
    assert np.isfinite(found).all()


def test_what_is_saved_comes_back(gene_net, general, tmp_path):
    """Mutants seen to fail: the order found anew; the net's own size in place of the saved one."""
    gene_net.save(tmp_path)
    told = json.loads((tmp_path / "manifest.json").read_text())["content"]["net"]["start"]
    assert told["size"] == dataclasses.asdict(general.core.size)
    assert len(told["digest"]) == 64
    other = kx.open(tmp_path)
    assert other.digest == gene_net.digest
    assert other.start == gene_net.start
    problem = Problem.of(gene_net.network, [2.5], parameters={"su": 1.1})
    counts = [np.array([[0, 3], [1, 0], [1, 7]])]
    one, two = (
        net.log_prob_batch(problem, problem.theta[None], counts, [0, 1], rng=RNG)[0] for net in (gene_net, other)
    )
    np.testing.assert_array_equal(one, two)


def test_a_manifest_that_does_not_fit_is_refused(gene_net):
    domain = Box.of(GENE, GENE_BOX, (0, 5))
    for change in ({"order": [0] * 6}, {"most": [1]}):
        with pytest.raises(CheckpointError, match="do not fit"):
            Adaptation.kept({**gene_net.start, **change}, domain)


def test_stopped_and_resumed_adaptation_ends_in_the_same_bits(general, tmp_path):
    keywords = {"times": (0, 5), "box": GENE_BOX, "budget_steps": 12, "seed": 4, "start": general}
    whole = MET(**SMALL).train(GENE, **keywords).weights()

    def stop(entry):
        if entry["step"] >= 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        MET(**SMALL).train(GENE, output=tmp_path, progress=stop, **keywords)
    with pytest.raises(SettingError, match="start"):
        MET(**SMALL).train(GENE, output=tmp_path, resume=True, **{**keywords, "start": None})
    resumed = MET(**SMALL).train(GENE, output=tmp_path, resume=True, **keywords).weights()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_verb_of_the_general_net_is_the_same_training(general, tmp_path, monkeypatch):
    monkeypatch.setattr("kinetix.solvers.met.certify", lambda *_, **told: {"teacher": told["teacher"]})
    keywords = {"times": (0, 5), "box": GENE_BOX, "budget_steps": 2, "seed": 1}
    net = general.adapt(GENE, teacher="fsp", **keywords)
    assert net.settings == MET(teacher="fsp")
    general.save(tmp_path)
    other = MET(teacher="fsp").train(GENE, start=tmp_path, **keywords)
    assert other.digest == net.digest


def test_what_the_general_net_cannot_be_turned_to_is_refused_by_name(general):
    cases = [
        (exact.schloegl(), {"c": (100.0, 120.0)}, (0, 4), "has not seen"),
        (exact.birth_death(), {"birth": (0.1, 1.0)}, (np.inf, np.inf), "finite times"),
        (exact.birth_death(), {"birth": (0.1, 1.0)}, (0, 4), "'X' may reach 601 values"),
    ]
    for network, box, times, reason in cases:
        met = MET(**SMALL, teacher="fsp", caps={"X": 600})
        with pytest.raises(UnsupportedFeature, match=reason):
            met.train(network, times=times, box=box, budget_steps=1, start=general)
    for start in ("nothing/of/the/kind", 3):
        with pytest.raises(SettingError, match="start is"):
            MET(**SMALL).train(GENE, times=(0, 5), box=GENE_BOX, budget_steps=1, start=start)
