"""The recurrent net is a law, alone and in a stack; the tree of prefixes says what single states say."""

import numpy as np
import pytest
import torch

from kinetix.errors import UnsupportedFeature
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.prefixes import cross_entropy, prefix_tree
from kinetix.solvers.nets.recurrent import Recurrent
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace
from tests.exact import pooled_chi_squared

TRIANGLE = StateSpace.conserved(np.array([[1, 1, 1, 0]]), [1, 2, 3, 0], [6, 6, 6, 2])
"""A + B + C = 6 and a free D: C is dependent, A + B <= 6 is masked."""
BOX = StateSpace.box([2, 1, 3])


def net_of(window, members=1, context=3, seed=0):
    """A net with weights far from their start, so that every one of them matters."""
    with seeded(seed):
        net = Recurrent(Layout.of(window), context=context, width=8, members=members)
        for weight in net.parameters():
            weight.data += 0.5 * torch.randn_like(weight)
    return net.requires_grad_(requires_grad=False)


def contexts(n, size=3, seed=1):
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("window", [TRIANGLE, BOX])
@pytest.mark.parametrize("members", [1, 3])
def test_normalised_and_zero_off_the_states(window, members):
    """Mutant: no log_softmax in `_normalised`."""
    net = net_of(window, members)
    values = torch.cartesian_prod(*(torch.arange(c) for c in net.caps))
    p = net.log_prob(contexts(6), values.expand(6, -1, -1)).double().exp().numpy()
    np.testing.assert_allclose(p.sum(axis=-1), 1.0, rtol=1e-5)
    states = net.layout.counts(values.numpy())
    assert (p[:, (states < 0).any(axis=-1)] == 0).all()
    assert (p[:, (states >= 0).all(axis=-1)] > 0).all()


@pytest.mark.parametrize("window", [TRIANGLE, BOX])
def test_draws_follow_the_stated_law(window):
    """Mutant: `advance` returns the hidden vector of before, so that draws forget a species."""
    net = net_of(window)
    n, context = 20_000, contexts(1)
    draws = net.sample(context.expand(n, -1), generator=torch.Generator().manual_seed(3)).numpy()
    pmf = net.tables(context).double().numpy()[0].reshape(-1)
    flat = np.ravel_multi_index(draws.T, net.caps)
    assert pooled_chi_squared(flat, pmf / pmf.sum()) > 1e-4


def test_a_position_reads_only_what_stands_before_it():
    """Mutant: `logits` feeds values[..., i] to position i."""
    net = net_of(BOX)
    values = torch.tensor([[[1, 2, 3]]])
    own = net.log_conditionals(contexts(1), values)
    for i in range(3):
        changed = values.clone()
        changed[..., i:] = 0
        assert torch.equal(net.log_conditionals(contexts(1), changed)[i], own[i])
        if i < 2:
            assert not torch.equal(net.log_conditionals(contexts(1), changed)[i + 1], own[i + 1])


def test_members_of_a_stack_are_strangers():
    """Mutant: the table of symbols without its offset, so that all members read the first one's."""
    net = net_of(BOX, members=3)
    values = torch.randint(0, 2, (6, 5, 3), generator=torch.Generator().manual_seed(0))
    context = contexts(6)
    together = net.log_prob(context, values)
    for j in (2, 0, 1):
        some = slice(2 * j, 2 * j + 2)
        torch.testing.assert_close(net.chosen([j]).log_prob(context[some], values[some]), together[some])
    swapped = net.chosen([2, 0]).log_prob(context[[4, 5, 0, 1]], values[[4, 5, 0, 1]])
    torch.testing.assert_close(swapped, together[[4, 5, 0, 1]])
    assert not torch.allclose(net.log_prob(context.flip(0), values.flip(0)).flip(0), together)


def test_a_net_without_context():
    net = net_of(BOX, context=0)
    p = net.tables(torch.zeros(2, 0))
    torch.testing.assert_close(p[0], p[1])
    assert float(p[0].sum()) == pytest.approx(1.0, rel=1e-5)


def test_too_many_values_are_refused():
    with pytest.raises(UnsupportedFeature, match="5001 values"):
        net_of(StateSpace.box([1, 5000]))


@pytest.mark.parametrize("members", [1, 3])
def test_the_tree_of_prefixes_says_what_single_states_say(members):
    """Value and gradient, with contexts of unequal numbers of states.

    Mutants: shares of a context not divided by its number of states; `_even` places shifted by one.
    """
    net, rng = net_of(BOX, members).requires_grad_(), np.random.default_rng(0)
    context = contexts(2 * members)
    states = [rng.integers(0, net.caps, (3 + 4 * b, 3)) for b in range(2 * members)]
    tree = prefix_tree(context, states, members=members)
    assert all(float(level.weight.sum()) == pytest.approx(1.0) for level in tree.levels)
    loss = cross_entropy(net, tree)
    found = torch.autograd.grad(loss, list(net.parameters()))
    direct = torch.zeros(())
    for b, (row, rows) in enumerate(zip(context, states, strict=True)):
        member = net if members == 1 else net.chosen([b // 2])
        direct = direct - member.log_prob(row[None], torch.from_numpy(rows)[None]).mean() / (2 * members)
    assert float(loss.detach()) == pytest.approx(float(direct.detach()), rel=1e-5)
    if members == 1:
        for one, other in zip(found, torch.autograd.grad(direct, list(net.parameters())), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert tree.rows < sum(len(s) for s in states) * 3
