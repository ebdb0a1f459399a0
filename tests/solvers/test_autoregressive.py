"""Nets are laws: exactly normalised, zero where no state is, and they draw what they weigh."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from kinetix.errors import UnsupportedFeature
from kinetix.solvers.nets.decoder import DECODERS, Shape
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.net_law import NetLaw
from kinetix.solvers.nets.spline_head import SplineHead
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace

GROUPS = ((0, 2), (2, 5))
KINDS = ("film", "attention")


def triangle():
    """A + B + C = 6, and a free D with few values: C is dependent, and A + B <= 6 must be masked."""
    return StateSpace.conserved(np.array([[1, 1, 1, 0]]), [1, 2, 3, 0], [6, 6, 6, 2])


def net_of(kind, window, seed=0):
    with seeded(seed):
        return DECODERS[kind](Shape(kind, 16, 2, 2), Layout.of(window), GROUPS)


def contexts(n, seed=1):
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))


def test_layout_puts_few_values_first_and_drops_what_is_determined():
    layout = Layout.of(triangle())
    assert layout.species == (3, 0, 1)
    assert layout.caps == (3, 7, 7)
    counts = np.array([[1, 2, 3, 0], [0, 6, 0, 2]])
    np.testing.assert_array_equal(layout.counts(layout.values(counts)), counts)


def test_tables_go_to_window_order_and_back():
    layout = Layout.of(StateSpace.box([4, 1, 2], [2, 0, 0]))
    p = np.random.default_rng(0).random((2, layout.window.size))
    own = layout.table_in_own_order(p)
    assert own.shape == (2, 2, 3, 3)
    np.testing.assert_array_equal(layout.table_in_window_order(own), p)
    state = layout.window.states([5])[0]
    assert own[(1, *layout.values(state))] == p[1, 5]


def test_laws_bounded_from_both_sides_are_refused():
    with pytest.raises(UnsupportedFeature, match="both sides"):
        Layout.of(StateSpace.conserved(np.array([[1, 0, 1, 0], [-1, 0, 0, 1]]), [1, 0, 3, 0], [9, 9, 9, 9]))


@pytest.mark.parametrize("kind", KINDS)
def test_normalised_and_zero_off_the_states(kind):
    """Mutant: drop the mask in `_normalised`, and inadmissible cells carry mass."""
    net = net_of(kind, triangle())
    table = net.tables(contexts(3), rows=5).double().numpy()
    np.testing.assert_allclose(table.sum(axis=(1, 2, 3)), 1.0, atol=1e-5)
    p = net.layout.table_in_window_order(table)
    admissible = net.layout.window.admissible()
    assert not admissible.all()
    assert p[:, ~admissible].max() == 0.0
    assert p[:, admissible].min() > 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_agrees_with_the_table(kind):
    net, context = net_of(kind, triangle()), contexts(2)
    table = net.tables(context).numpy()
    law = NetLaw(net, context[1])
    states = net.layout.window.states()[net.layout.window.admissible()]
    expected = [np.log(table[(1, *v)]) for v in net.layout.values(states)]
    np.testing.assert_allclose(law.log_prob(states), expected, atol=1e-4)
    assert law.log_prob([7, 0, -1, 0]) == -np.inf


@pytest.mark.parametrize("kind", KINDS)
def test_a_position_reads_only_what_comes_before_it(kind):
    """Mutant: attention without its causal mask."""
    net, context = net_of(kind, StateSpace.box([3, 4, 5])), contexts(4)
    values = torch.tensor([[0, 1, 2]]).repeat(4, 1)
    before = net.log_conditionals(context, values)
    values[:, 1:] = torch.tensor([4, 5])
    after = net.log_conditionals(context, values)
    for i in (0, 1):
        torch.testing.assert_close(before[i], after[i])
    assert (before[2] - after[2]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_cached_steps_state_the_same_logits(kind):
    net, context = net_of(kind, triangle()), contexts(6)
    values = net.sample(context, generator=torch.Generator().manual_seed(3))
    raw = net.logits(context, values[:, None])
    state, previous = net.begin(context), None
    for i in range(3):
        step, state = net.advance(state, i, previous)
        torch.testing.assert_close(step, raw[i][:, 0], atol=1e-5, rtol=1e-4)
        previous = values[:, i]


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_the_law(kind):
    """Pooled chi-squared of 20,000 draws, p > 1e-4 (false alarms: 2 in 10,000 for the two nets)."""
    net, context = net_of(kind, triangle()), contexts(1)[0]
    law, n = NetLaw(net, context), 20_000
    states = net.layout.window.states()[net.layout.window.admissible()]
    drawn = net.layout.window.index(law.sample(n, rng=np.random.default_rng(5)))
    assert drawn.min() >= 0
    observed = np.bincount(drawn, minlength=net.layout.window.size)[net.layout.window.index(states)]
    expected = n * np.exp(law.log_prob(states))
    often = expected >= 5
    statistic = ((observed - expected)[often] ** 2 / expected[often]).sum()
    assert chi2.sf(statistic, often.sum() - 1) > 1e-4


def test_marginals_moments_and_dependent_species():
    net, context = net_of("film", triangle()), contexts(1)[0]
    law = NetLaw(net, context)
    mean = law.expect(lambda x: x.astype(float))
    assert mean[:3].sum() == pytest.approx(6.0, abs=1e-5)
    pmf = law.marginal([2]).table()
    assert pmf.sum() == pytest.approx(1.0, abs=1e-5)
    assert (pmf * np.arange(len(pmf))).sum() == pytest.approx(mean[2], abs=1e-5)


def test_many_values_get_splines_that_are_still_normalised():
    net = net_of("film", StateSpace.box([1, 700]))
    assert isinstance(net.heads[1], SplineHead)
    np.testing.assert_allclose(net.tables(contexts(2)).sum(dim=(1, 2)).numpy(), 1.0, atol=1e-5)


def test_large_windows_answer_by_draws():
    net, context = net_of("film", StateSpace.box([150, 150, 150])), contexts(1)[0]
    law = NetLaw(net, context)
    assert law.tabulated() is None
    assert law.marginal([0]).table().sum() == pytest.approx(1.0)
