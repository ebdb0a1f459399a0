"""Exact means in the prompts of first-order networks, and nets that start from them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import poisson

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.problem import Problem
from kinetix.solvers.nets import box as box_module
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.decoder import Shape, make_net
from kinetix.solvers.nets.first_order import FirstOrderMeans
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.mean_anchor import MeanAnchored
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace
from tests import exact

INSIDE = {"k0": (0.5, 4.0), "d": (0.5, 2.0)}


def rows(*values):
    return [torch.tensor(v, dtype=torch.float64) for v in values]


def steps(species):
    """Birth into a line of species, each turning into the next, the last lost: independent Poisson variables."""
    names = [f"S{i}" for i in range(species)]
    laws = [("birth", {}, {names[0]: 1}, "k0")]
    laws += [(f"turn{i}", {a: 1}, {b: 1}, "d") for i, (a, b) in enumerate(pairwise(names))]
    laws.append(("loss", {names[-1]: 1}, {}, "d"))
    return exact.network(dict.fromkeys(names, 0), {"k0": 2.0, "d": 1.0}, laws, "steps")


@pytest.mark.parametrize("network", [exact.gene_expression(), exact.telegraph(), exact.birth_death(), steps(3)])
def test_the_means_are_those_of_the_exact_law(network):
    """Against the projected law, for other rates and starts than the model's own, one with no time gone.

    Mutants seen to fail: the constant part of a law taken as a slope; starts left out; A not transposed.
    """
    model, rng = compile_network(network), np.random.default_rng(3)
    thetas = model.theta * rng.uniform(0.6, 1.5, (3, len(model.theta)))
    starts, times = model.initial + rng.integers(0, 3, (3, len(model.initial))), [0.0, 0.3, 1.0]
    found = FirstOrderMeans.of(model)(*rows(thetas, starts, times)).numpy()
    np.testing.assert_allclose(found[0], starts[0], atol=1e-12)
    for k in (1, 2):
        here = network.replace(
            parameters=dict(zip(network.theta_names, thetas[k].tolist(), strict=True)),
            initial=dict(zip(network.species_names, starts[k].tolist(), strict=True)),
        )
        law = kx.FSP(leak=1e-12).solve(Problem.of(here, [times[k]]))
        np.testing.assert_allclose(found[k], law.mean()[0], rtol=1e-7, atol=1e-8)


def test_laws_that_are_not_linear_have_none():
    time = exact.network(
        {"A": 2}, {"k": 1.0}, [("out", {"A": 1}, {}, kx.expressions.TIME * kx.expressions.symbol("A"))]
    )
    for network in (exact.dimerisation(start=4), exact.autoregulation(), exact.toggle_switch(), time):
        assert FirstOrderMeans.of(compile_network(network)) is None


def test_their_slopes_are_those_of_finite_differences():
    model = compile_network(exact.gene_expression())
    means = FirstOrderMeans.of(model)
    theta, start, time = rows(model.theta[None], model.initial[None].astype(float), [0.7])
    theta.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: means(t, start, time), theta)


def test_slopes_of_features_are_finite_where_a_species_never_comes():
    """Mutant seen to fail: the root of a mean of exactly 0."""
    network = exact.network(
        {"X": 0, "Never": 0}, {"k": 1.0}, [("birth", {}, {"X": 1}, "k"), ("loss", {"X": 1}, {}, "k")]
    )
    code = Box.of(network, {"k": (0.5, 2.0)}, (0, 5), means=True).encoding
    varied = [torch.tensor([1.0], dtype=torch.float64, requires_grad=True)]
    columns = code.columns(varied, torch.tensor([2.0], dtype=torch.float64), torch)
    torch.stack([c.sum() for c in columns]).sum().backward()
    assert torch.isfinite(varied[0].grad).all()


def test_prompts_tell_them_where_they_are_known():
    """Mutants seen to fail: features told for followers of a varied start; for the stationary law."""
    plain, told = (Box.of(steps(2), INSIDE, (0, 5), means=m) for m in (False, True))
    assert told.encoding.size == plain.encoding.size + 4
    thetas, starts = told.at(told.sobol(64))
    features = told.encoding.encode(thetas, starts, np.full(64, 2.0))
    assert np.abs(features).max() <= 1.01
    np.testing.assert_array_equal(
        features[:, : plain.encoding.size], plain.encoding.encode(thetas, starts, np.full(64, 2.0))
    )
    assert Box.of(steps(2), INSIDE, (np.inf, np.inf), means=True).encoding.moments is None
    assert Box.of(exact.autoregulation(), {"ru": (1, 2)}, (0, 5), means=True).encoding.moments is None
    laws = [("on", {"Off": 1}, {"On": 1}, "k0"), ("off", {"On": 1}, {"Off": 1}, "d")]
    gene = Box.of(exact.network({"On": 0, "Off": 2}, {"k0": 1.0, "d": 1.0}, laws), {"On": (0, 2)}, (0, 5), means=True)
    assert gene.followers
    assert gene.encoding.moments is None


@pytest.mark.parametrize("decoder", ["film", "attention"])
def test_an_untaught_net_states_the_poisson_laws(decoder):
    """With its own heads at 0 the net is the product of Poisson laws, drawn or weighed, at any prompt.

    Mutants seen to fail: columns of the next species; the factorial left out; the anchor left out of `advance`.
    """
    box = Box.of(steps(3), INSIDE, (0, 5), means=True)
    layout = Layout.of(StateSpace.box((30, 30, 30)), [2, 0])
    with seeded(1):
        net = make_net(Shape(decoder, 16, 1, 2), layout, box.encoding)
    assert isinstance(net, MeanAnchored)
    with torch.no_grad():
        for name, weight in net.inner.named_parameters():
            if name.startswith("heads"):
                weight.zero_()
    theta, start = np.array([3.0, 0.8]), np.zeros(3, dtype=int)
    context = torch.from_numpy(box.encoding.encode(theta, start, 1.7).astype(np.float32))[None]
    (mean,) = FirstOrderMeans.of(compile_network(steps(3)))(
        *rows(theta[None], start[None].astype(float), [1.7])
    ).numpy()
    states = np.random.default_rng(0).poisson(mean, (50, 3))
    expected = poisson.logpmf(states, mean).sum(axis=1)
    found = net.log_prob(context.expand(50, -1), torch.from_numpy(layout.values(states)))
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=2e-4)
    draws = net.sample(context.expand(20_000, -1), generator=torch.Generator().manual_seed(5)).numpy()
    order = list(layout.species)
    assert np.abs((draws.mean(axis=0) - mean[order]) / np.sqrt(mean[order] / 20_000)).max() < 4.5


def test_a_gene_that_is_on_or_off_starts_from_its_odds():
    """A Bernoulli law, not a Poisson one cut at 1."""
    network = exact.telegraph()
    box = Box.of(network, {network.theta_names[-1]: (0.5, 4.0)}, (0, 5), means=True)
    window = StateSpace.conserved(
        network.conservation_laws(), compile_network(network).initial, [1, 1, 40][: len(network.species)]
    )
    layout = Layout.of(window)
    with seeded(1):
        net = make_net(Shape("film", 16, 1, 2), layout, box.encoding)
    with torch.no_grad():
        for name, weight in net.inner.named_parameters():
            if name.startswith("heads"):
                weight.zero_()
    thetas, starts = box.at(np.array([[0.4]]))
    context = torch.from_numpy(box.encoding.encode(thetas, starts, np.array([1.3])).astype(np.float32))
    (mean,) = FirstOrderMeans.of(compile_network(network))(*rows(thetas, starts.astype(float), [1.3])).numpy()
    first = net.log_conditionals(context, torch.zeros(1, 1, dtype=torch.int64))[0].exp()[0].detach().numpy()
    assert layout.caps[0] == 2
    assert first[1] == pytest.approx(mean[layout.species[0]], abs=1e-5)


def test_means_beyond_all_numbers_are_not_told():
    """Mutant seen to fail: the features of an infinite mean."""
    growth = exact.network({"X": 1}, {"k": 1.0}, [("double", {"X": 1}, {"X": 2}, "k")])
    assert Box.of(growth, {"k": (0.1, 1)}, (0, 5), means=True).encoding.moments is not None
    assert Box.of(growth, {"k": (0.1, 200)}, (0, 5), means=True).encoding.moments is None


def test_a_trained_one_comes_back_and_has_slopes(tmp_path, monkeypatch):
    """Saved and opened it says the same; its slopes by the rates are those of finite differences.

    Mutants seen to fail: a net that is opened scales its means anew; settings without `means`.
    """
    net = kx.MET(teacher="trajectories", width=16, layers=1, held_out=0).train(
        steps(2), times=(0, 4), box=INSIDE, budget_steps=60, seed=2
    )
    assert net.certificate["told"].endswith("exact means")
    net.save(tmp_path / "net")
    monkeypatch.setattr(box_module, "SCALES", 2)
    back = kx.open(tmp_path / "net")
    assert isinstance(back.net, MeanAnchored)
    problem, theta = Problem.of(steps(2), [2.0]), np.array([[1.5, 1.1]])
    counts, rng = [np.array([[0, 1], [2, 0], [3, 3]])], np.random.default_rng(0)
    values = [n.log_prob_batch(problem, theta, counts, [0, 1], rng=rng)[0] for n in (net, back)]
    np.testing.assert_array_equal(values[0], values[1])
    slopes = net.log_prob_gradient_batch(problem, theta, counts, [0, 1], parameters=[0, 1], rng=rng)[1][0]
    for i in (0, 1):
        moved = np.repeat(theta, 2, axis=0)
        moved[:, i] += [-2e-2, 2e-2]
        down, up = net.log_prob_batch(problem, moved, counts, [0, 1], rng=rng)[0]
        np.testing.assert_allclose(slopes[0, :, i], (up - down) / 4e-2, atol=2e-2)
