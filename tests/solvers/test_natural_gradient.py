"""Natural gradient in sample space: the Gram matrix against scores written down, steps against a known target."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.stats import poisson

from kinetix.compiler import compile_network
from kinetix.problem import Problem
from kinetix.solvers.nets.distance import hellinger
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.natural_gradient import NaturalGradient, natural_step, rewards_of, score_gram
from kinetix.solvers.nets.recurrent import Recurrent
from kinetix.solvers.nets.short_time import ShortTime
from kinetix.solvers.nets.training import seeded
from kinetix.solvers.van import VAN
from kinetix.space import StateSpace
from tests.exact import birth_death, birth_death_pmf

TRIANGLE = StateSpace.conserved(np.array([[1, 1, 1, 0]]), [1, 2, 3, 0], [6, 6, 6, 2])
"""A + B + C = 6 and a free D: C is dependent, A + B <= 6 is masked."""


def net_of(window, width=6, seed=0):
    with seeded(seed):
        net = Recurrent(Layout.of(window), width=width)
        for weight in net.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
    return net


def states_of(net, n, seed=0):
    return net.sample(torch.zeros(n, 0), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("window", "width"), [(TRIANGLE, 12), (TRIANGLE, 2), (StateSpace.box([3, 4]), 6)])
def test_the_gram_matrix_is_that_of_the_scores(window, width):
    """Both ways of the tied gates. Mutants: no bias; the last value's features left out; pairs i = j alone."""
    net = net_of(window, width)
    values = states_of(net, 9)
    scores = []
    for state in values:
        log_p = net.log_prob(torch.zeros(1, 0), state[None])[0]
        grads = torch.autograd.grad(log_p, list(net.parameters()), allow_unused=True)
        scores.append(torch.cat([g.flatten() for g in grads if g is not None]))
    expected = torch.stack(scores) @ torch.stack(scores).T
    trace = net.trace(values)
    torch.testing.assert_close(trace.log_p, net.log_prob(torch.zeros(1, 0), values[None])[0])
    torch.testing.assert_close(score_gram(net, values, trace), expected, rtol=1e-4, atol=1e-4)


def test_one_whole_step_makes_the_wanted_change():
    """For a small reward, log P moves by minus the centred reward. Mutants: scores not centred; no root of weights."""
    net = net_of(StateSpace.box([3, 4]), width=24)
    values = torch.unique(states_of(net, 60), dim=0)
    with torch.no_grad():
        before = net.log_prob(torch.zeros(1, 0), values[None])[0]
    weight = torch.rand(len(values), generator=torch.Generator().manual_seed(1))
    weight /= weight.sum()
    target = before + 0.01 * torch.randn(len(values), generator=torch.Generator().manual_seed(2)) + 3.0
    target -= torch.log((before.exp() * (target - before).exp()).sum() / before.exp().sum()) - 3.0
    natural_step(net, values, target, weight, NaturalGradient(step=1.0, damping=1e-9))
    with torch.no_grad():
        after = net.log_prob(torch.zeros(1, 0), values[None])[0]
    found = rewards_of(after, target, weight)
    assert found.variance < 0.01 * rewards_of(before, target, weight).variance


def test_it_finds_another_law_of_the_same_window():
    """KL to a known target falls a hundred times in forty steps, from its own draws alone."""
    net, other = net_of(TRIANGLE, 12), net_of(TRIANGLE, 12, seed=5)
    every = torch.cartesian_prod(*(torch.arange(c) for c in net.caps))
    every = every[torch.from_numpy((net.layout.counts(every.numpy()) >= 0).all(axis=-1))]

    def divergence():
        with torch.no_grad():
            p, q = (n.log_prob(torch.zeros(1, 0), every[None])[0].double() for n in (net, other))
        return float((q.exp() * (q - p)).sum())

    first = divergence()
    for k in range(40):
        values = states_of(net, 200, seed=k)
        with torch.no_grad():
            target = other.log_prob(torch.zeros(1, 0), values[None])[0]
        last = natural_step(net, values, target, torch.full((200,), 1 / 200), NaturalGradient())
    assert first > 0.1
    assert divergence() < 0.01 * first
    assert abs(last.mean) < 0.05
    assert last.variance < 0.05


def test_a_net_at_one_time_says_the_same():
    """Mutant: the start of the unit without what the context adds."""
    with seeded(0):
        net = Recurrent(Layout.of(TRIANGLE), context=3, width=8)
        for weight in net.parameters():
            weight.data += 0.5 * torch.randn_like(weight)
    context = torch.tensor([0.3, -1.0, 2.0])
    values = states_of(net.at(context), 20)
    at, whole = net.at(context).log_prob(torch.zeros(1, 0), values[None]), net.log_prob(context[None], values[None])
    torch.testing.assert_close(at, whole)


# stepping --------------------------------------------------------------------------------------


def chain_law(p, dt):
    """The law of births at 2 and deaths at 0.8 n after `dt`, by the matrix exponential."""
    n = np.arange(len(p))
    generator = np.diag(np.full(len(p) - 1, 2.0), -1) + np.diag(0.8 * n[1:], 1)
    return expm((generator - np.diag(generator.sum(axis=0))) * dt) @ p


@pytest.mark.parametrize(("mean", "dt"), [(2.5, 0.5), (1.0, 0.5), (8.0, 0.2)])
def test_short_time_targets_are_those_of_the_matrix_exponential(mean, dt):
    """From near rest, below and above it, states that the law before hardly knows included.

    Mutants: weights without exp(e t) on the last stretch; tempered rates not paid back; ratios upside down.
    """
    model = compile_network(birth_death(2.0, 0.8, 0))
    p = np.maximum(poisson.pmf(np.arange(80), mean), 1e-300)
    table = torch.from_numpy(np.log(p))
    target = ShortTime(model, torch.from_numpy(model.theta), dt, lambda x: table[x[..., 0]], paths=4000)
    states = torch.arange(0, 12)[:, None]
    with torch.no_grad():
        found = target(states, torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose(found, np.log(chain_law(p, dt)[:12]), atol=0.12)


WAYS = {
    "natural": {"start": "forward-kl", "optimiser": "natural", "targets": "short-time", "epochs": 12},
    "adam": {"start": "forward-kl", "targets": "short-time", "epochs_first": 30, "epochs": 30, "batch": 300},
}


@pytest.mark.parametrize("name", WAYS)
def test_better_steps_reach_the_law_in_few(name):
    """A few large steps, with no table of states. Mutants: pushed states of the step before; `before` never renewed."""
    van = VAN(mode="stepped", width=16, dt=0.5, grid="geometric", step_rate=1e-2, checked=0, **WAYS[name])
    trained = van.train(birth_death(2.0, 0.8, 0), times=(0, 1.5), seed=1)
    law = trained.solve(Problem.of(trained.network, [1.5]), rng=np.random.default_rng(0)).laws[0].table()
    assert len(trained.stored) < 16
    assert hellinger(birth_death_pmf(2.0, 0.8, 0, 1.5, len(law)), law) < 0.03
