"""Even draws of a net against its own table: marginals, means and covariances, and how fast they converge."""

import numpy as np
import pytest
import torch

from kinetix.solvers.nets import evenly
from kinetix.solvers.nets.autoregressive import FLOOR, Autoregressive
from kinetix.solvers.nets.decoder import DECODERS, Shape
from kinetix.solvers.nets.evenly import Evenly
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace

GROUPS = ((0, 2), (2, 5))


@pytest.fixture(params=["film", "attention"])
def net(request):
    """With weights enlarged, so that its species depend on each other and its contexts differ."""
    window = StateSpace.conserved(np.array([[1, 1, 1, 0]]), [1, 2, 3, 0], [6, 6, 6, 2])
    with seeded(4):
        made = DECODERS[request.param](Shape(request.param, 16, 2, 2), Layout.of(window), GROUPS)
        with torch.no_grad():
            for weight in made.parameters():
                weight.mul_(1.6)
    return made.eval()


@pytest.fixture
def contexts():
    return torch.randn(3, 5, generator=torch.Generator().manual_seed(1))


def told(net, contexts):
    """Exact marginals and moments of the values by enumeration."""
    tables = net.tables(contexts).double().numpy()
    values = np.indices(net.caps).reshape(len(net.caps), -1).T
    p = tables.reshape(len(contexts), -1)
    means = p @ values
    second = np.einsum("bn,ni,nj->bij", p, values, values)
    axes = range(1, 1 + len(net.caps))
    marginals = [tables.sum(axis=tuple(a for a in axes if a != i + 1)) for i in range(len(net.caps))]
    return marginals, means, second - means[:, :, None] * means[:, None]


def test_moments_and_marginals_are_those_of_the_table(net, contexts):
    """To 1/n^0.9 of 4,096 points, where random draws miss by 1/sqrt(n): 30 times as much.

    Mutants seen to fail: rows of another context; variances of values not centred; the same point at every position.
    """
    marginals, means, covariances = told(net, contexts)
    found = Evenly.of(net, contexts, 4096, seed=2)
    for a, b in zip(found.marginals, marginals, strict=True):
        np.testing.assert_allclose(a.numpy(), b, atol=1e-3)
    np.testing.assert_allclose(found.moments[0].numpy(), means, atol=3e-3)
    np.testing.assert_allclose(found.moments[1].numpy(), covariances, atol=1e-2)
    np.testing.assert_allclose(found.marginals[0].numpy(), marginals[0], atol=1e-6)  # the first needs no draws


def test_few_points_do_as_well_as_many_draws(net, contexts):
    """256 even points against 256 random draws, over 20 seeds: root mean squared errors of the means."""
    means = told(net, contexts)[1]
    even, random = [], []
    for seed in range(20):
        even.append(Evenly.of(net, contexts, 256, seed).moments[0].numpy() - means)
        many = contexts.repeat_interleave(256, dim=0)
        drawn = net.sample(many, generator=torch.Generator().manual_seed(seed)).reshape(3, 256, -1)
        random.append(drawn.double().mean(dim=1).numpy() - means)
    rms = [np.sqrt(np.mean(np.square(e), axis=(0, 1)))[1:] for e in (even, random)]
    assert (rms[0] < rms[1] / 4).all()


def test_only_states_of_the_window_are_met(net, contexts):
    values = Evenly.of(net, contexts, 1024, seed=3).values.reshape(-1, len(net.caps)).numpy()
    assert net.layout.window.contains(net.layout.counts(values)).all()


class Gaps(Autoregressive):
    """One species: the values 1 and 2 of 0 to 4, with probabilities 1/4 and 3/4."""

    def __init__(self):
        super().__init__(Layout.of(StateSpace.box([4])))

    def logits(self, context, values):
        raise NotImplementedError

    def begin(self, context):
        return context

    def advance(self, state, position, previous):
        return torch.tensor([[FLOOR, 0.0, np.log(3.0), FLOOR, FLOOR]]).float().repeat(len(state), 1), state


@pytest.mark.parametrize("place", [0.0, 1.0])
def test_at_the_ends_of_the_cube_a_value_of_probability_0_is_not_taken(place, monkeypatch):
    """Mutants seen to fail: places of exactly 0; the first value beyond the place."""
    monkeypatch.setattr(evenly, "cube", lambda number, dimension, _seed: np.full((number, dimension), place))
    assert Evenly.of(Gaps(), torch.zeros(1, 0), 2, 0).values.flatten().tolist() == [1 + int(place)] * 2
