"""Natural gradient in sample space: the Gram matrix against scores written down, steps against a known target."""

import numpy as np
import pytest
import torch

from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.natural_gradient import NaturalGradient, natural_step, rewards_of, score_gram
from kinetix.solvers.nets.recurrent import Recurrent
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace

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
