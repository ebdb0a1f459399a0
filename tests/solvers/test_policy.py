"""The published signal of MET: its gradient is that of the divergence, and VANs teach by it."""

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from kinetix.compiler import compile_network
from kinetix.errors import SettingError
from kinetix.solvers.met import MET
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.distance import hellinger
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.policy import Draws, SetSettings, VANLessons, policy_gradient, position_divergence
from kinetix.solvers.nets.recurrent import Recurrent
from kinetix.solvers.nets.teachers import Course
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace
from tests.exact import birth_death, pooled_chi_squared

BOX = {"birth": (1.0, 4.0), "death": (0.5, 1.0)}


def net_of(upper, seed=0, noise=0.5):
    with seeded(seed):
        net = Recurrent(Layout.of(StateSpace.box(upper)), context=2, width=4)
        for weight in net.parameters():
            weight.data += noise * torch.randn_like(weight)
    return net


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def every_state(net, context):
    values = torch.cartesian_prod(*(torch.arange(c) for c in net.caps)).reshape(-1, len(net.caps))
    return values.expand(len(context), *values.shape)


def exact_divergence(net, other, context):
    """KL(net || other), all states enumerated, the mean over contexts."""
    values = every_state(net, context)
    log_p = net.log_prob(context, values)
    return (log_p.exp() * (log_p - other.log_prob(context, values).detach())).sum(dim=-1).mean()


def flat_gradient(loss, net):
    return torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, list(net.parameters()))]).double().numpy()


def test_the_surrogate_has_the_gradient_of_the_divergence():
    """Every weight's gradient within its sampling error, against the divergence over all states.

    The batch mean as baseline shrinks the expectation by (n - 1) / n. Mutants: the gap not detached; no
    baseline; rewards cut at 1 nat.
    """
    net, other, n, chunks = net_of([1, 2]), net_of([1, 2], seed=5), 32, 60
    context, g = torch.tensor([[0.3, -1.0], [1.2, 0.5]]), generator()
    found = []
    for _ in range(chunks):
        draws = Draws.of(net, context.repeat(200, 1), n, g)
        target = other.log_conditionals(context.repeat(200, 1), draws.prefixes)
        found.append(flat_gradient(policy_gradient(draws.log_probs(draws.stated), draws.log_probs(target)), net))
    found = np.array(found) * n / (n - 1)
    exact = flat_gradient(exact_divergence(net, other, context), net)
    error = found.std(axis=0, ddof=1) / np.sqrt(chunks)
    moved = error > 1e-7
    z = (found.mean(axis=0) - exact)[moved] / error[moved]
    assert moved.sum() > 50
    assert np.abs(z).max() < 5
    assert np.abs(exact[moved] / error[moved]).max() > 30  # the errors are small enough to tell
    np.testing.assert_allclose(exact[~moved], 0.0, atol=1e-5)


def test_divergence_by_positions_is_the_divergence():
    """With every prefix at its exact weight. Mutants: KL(target || own); positions not weighed."""
    net, other, context = net_of([1, 2, 3]), net_of([1, 2, 3], seed=5), torch.tensor([[0.3, -1.0]])
    prefixes = every_state(net, context)
    prefixes = prefixes[:, prefixes[0, :, -1] == 0]
    own, target = net.log_conditionals(context, prefixes), other.log_conditionals(context, prefixes)
    weight = sum(c.gather(-1, prefixes[..., i : i + 1])[..., 0] for i, c in enumerate(own[:-1])).exp()
    found = position_divergence(own, target, weight)
    assert float(found.detach()) == pytest.approx(float(exact_divergence(net, other, context).detach()), rel=1e-5)
    assert float(position_divergence(own, own, weight).detach()) == 0.0


@pytest.mark.parametrize("upper", [[7], [1, 3], [1, 1, 2, 1, 3]])
def test_draws_follow_the_net_and_know_their_probabilities(upper):
    """Short chains by passes over prefixes, long ones one by one.

    Mutants: `_drawn` reads the row of another state; `longer` numbers rows across contexts (seen with few
    draws, where contexts differ in their prefixes).
    """
    net = net_of(upper).requires_grad_(requires_grad=False)
    context = torch.tensor([[0.3, -1.0], [1.2, 0.5]])
    few = Draws.of(net, context, 5, generator())
    torch.testing.assert_close(few.log_probs(few.stated).sum(dim=-1), net.log_prob(context, few.values))
    draws = Draws.of(net, context, 20_000, generator())
    torch.testing.assert_close(draws.log_probs(draws.stated).sum(dim=-1), net.log_prob(context, draws.values))
    torch.testing.assert_close(draws.weight.sum(dim=1), torch.ones(2))
    tables = net.tables(context).double().numpy().reshape(2, -1)
    for values, p in zip(draws.values.numpy(), tables, strict=True):
        assert pooled_chi_squared(np.ravel_multi_index(values.T, net.caps), p / p.sum()) > 1e-4


@pytest.fixture(scope="module")
def lessons():
    network = birth_death(2.0, 0.8)
    model, box = compile_network(network), Box.of(network, BOX, (0, 10))
    course = Course(model, box, Layout.of(StateSpace.box([24])), root=3)
    return VANLessons(course, SetSettings(members=12, steps=400, width=16, laws=4))


def test_a_set_learns_each_of_its_problems(lessons):
    """Each VAN against its own Poisson law; the VAN of a neighbour is far. Mutant: contexts of one member only."""
    thetas, own, neighbour = lessons.set.subjects.thetas, [], []
    for j in range(12):
        for t in (0.5, 2.0, 8.0):
            q = lessons.set.net.chosen([j]).tables(lessons.set.context(np.array([t]))).numpy()[0]
            for k, result in ((j, own), ((j + 1) % 12, neighbour)):
                mean = thetas[k, 0] / thetas[k, 1] * -np.expm1(-thetas[k, 1] * t)
                result.append(hellinger(poisson.pmf(np.arange(25), mean), q))
    assert np.mean(own) < 0.06
    assert np.mean(neighbour) > 0.15


def test_the_rewards_of_a_step_are_those_of_the_chosen_vans(lessons):
    """Mutant: the first VANs of the set whatever was chosen."""
    chosen, times = np.array([7, 2, 11, 5]), np.array([1.0, 0.2, 9.0, 3.0])
    values = torch.arange(25).reshape(1, 25, 1).expand(4, -1, -1)
    found = lessons._vans(chosen).log_prob(lessons.set.context(times), values)
    for row, j, t in zip(found, chosen, times, strict=True):
        one = lessons.set.net.chosen([j]).log_prob(lessons.set.context(np.array([t])), values[:1])[0]
        torch.testing.assert_close(row, one)


@pytest.mark.parametrize("signal", ["policy-gradient", "kl"])
def test_met_learns_from_vans(signal):
    """H against Poisson laws at held-out contexts, where an untrained net has 0.5."""
    met = MET(width=32, layers=2, teacher="van", vans=12, signal=signal, batch=16, held_out=30, means=False)
    net = met.train(birth_death(2.0, 0.8), times=(0, 10), box=BOX, budget_steps=300, seed=1)
    assert net.certificate["teacher"] == "van"
    assert net.certificate["joint"]["mean"] < 0.05
    untrained = MET(width=32, layers=2, held_out=30, means=False).train(
        birth_death(2.0, 0.8), times=(0, 10), box=BOX, budget_steps=1, seed=1
    )
    assert untrained.certificate["joint"]["mean"] > 0.3


def test_unknown_signals_are_refused():
    with pytest.raises(SettingError, match="unknown signal 'reinforce'"):
        MET(teacher="van", signal="reinforce")
    with pytest.raises(SettingError, match="unknown signal"):
        SetSettings(signal="reinforce")
