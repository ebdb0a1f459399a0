"""Histories as a teacher over a box: the right conditionals, a gradient that is right on average."""

import itertools

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.errors import UnsupportedFeature
from kinetix.prompt import PromptEncoding
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.decoder import Shape, make_net
from kinetix.solvers.nets.first_order import FirstOrderMeans
from kinetix.solvers.nets.histories import draw_histories
from kinetix.solvers.nets.history_lessons import RARE, VECTORS, HistoryLessons, conditionals
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.teachers import Course, Plan
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace
from tests import exact

BOX = {"kon": (0.5, 2.0), "ksyn": (1.0, 8.0)}


def lessons(box=None, seconds=None, times=(0, 4)):
    network = exact.telegraph(gene=1)
    domain, model = Box.of(network, box or BOX, times), compile_network(network)
    layout = Layout.of(StateSpace.box([1, 40]))
    return HistoryLessons(Course(model, domain, layout, 11, seconds), Plan())


def products(seed, laws=2, histories=6, caps=(2, 3, 4)):
    """Random log-laws [laws, histories, cap] at every position; the first is sure of its value, as counts upstream."""
    generator = torch.Generator().manual_seed(seed)
    tables = [torch.log_softmax(2 * torch.randn(laws, histories, c, generator=generator), dim=-1) for c in caps]
    sure = torch.randint(0, caps[0], (laws, histories, 1), generator=generator)
    tables[0] = torch.where(sure == torch.arange(caps[0]), 0.0, -torch.inf)
    return tables


def test_the_conditionals_are_those_of_the_mean_of_the_products():
    """By the whole table of states, added up. Mutants: the last value forgotten; the prefix's own history alone."""
    tables, caps = products(0), (2, 3, 4)
    values, weight, targets = conditionals(tables, 4, np.random.default_rng(0))
    np.testing.assert_allclose(weight, 0.25)
    for law, row in itertools.product(range(2), range(4)):
        table = sum(np.einsum("i,j,k->ijk", *(t[law, k].exp().double().numpy() for t in tables)) for k in range(6))
        at, start = values[law, row].tolist(), 0
        for i, cap in enumerate(caps):
            part = table.sum(axis=tuple(range(i + 1, 3)))[tuple(at[:i])]
            np.testing.assert_allclose(targets[law, row, start : start + cap], part / part.sum(), rtol=1e-4, atol=1e-6)
            start += cap


def test_states_come_from_the_products():
    """Their frequencies over many draws, within 5 standard errors. Mutant: the value above the edge of its place."""
    tables, draws = products(3, laws=1), 4000
    rng, found = np.random.default_rng(2), np.zeros(tables[2].shape[-1])
    for _ in range(draws):
        values, _, _ = conditionals(tables, 1, rng)
        found[values[0, 0, 2]] += 1 / draws
    p = tables[2][0, 0].exp().numpy()
    np.testing.assert_array_less(np.abs(found - p), 5 * np.sqrt(p * (1 - p) / draws))


def test_histories_outside_the_window_are_left_out():
    """They have no value that the net knows, and neither weight nor part in the others' conditionals. Mutant: they
    are clipped to the edge, as the first value here."""
    tables = products(1)
    tables[0][:, 1] = -torch.inf
    _, weight, targets = conditionals(tables, 3, np.random.default_rng(0))
    np.testing.assert_allclose(weight, [[0.5, 0.0, 0.5]] * 2)
    assert targets.isfinite().all()
    some = [t[:, [0, 2, 3, 4, 5]] for t in tables]
    _, _, fewer = conditionals(some, 1, np.random.default_rng(0))
    np.testing.assert_allclose(targets[:, 0, :2], fewer[:, 0, :2], rtol=1e-5)


def test_the_loss_is_right_on_average():
    """Plus its entropy, the mean over many lessons is -E log q under the exact law: few histories and few prefixes
    bias nothing. Within 5 standard errors. Mutants: weights of a prefix's own history; one Poisson law of all means.
    """
    teacher, until, laws = lessons(), 1.5, 64
    model, encoding = teacher.course.model, teacher.course.box.encoding
    with seeded(4):
        net = make_net(Shape("film", 16, 1, 2), teacher.course.layout, encoding)
    context = torch.from_numpy(encoding.encode(model.theta, model.initial, np.array(until)).astype(np.float32))
    thetas, starts, times = np.tile(model.theta, (laws, 1)), np.tile(model.initial, (laws, 1)), np.full(laws, until)
    rng, found = np.random.default_rng(7), []
    for _ in range(40):
        counts, means = draw_histories(teacher.split, thetas, starts, times, 4, rng)
        values, _, targets = conditionals(teacher.tables(counts, means), 2, rng)
        with torch.no_grad():
            logs = torch.cat(net.log_conditionals(context.expand(laws, -1), values), dim=-1)
        found += (-(targets * logs).sum(dim=-1).mean(dim=-1)).tolist()
    law = exact.dense_law(model, [1, 40], until)
    states = torch.tensor(list(law))
    with torch.no_grad():
        own = net.log_prob(context.expand(len(states), -1), states).double().numpy()
    expected = -(np.array(list(law.values())) * own).sum()
    assert abs(np.mean(found) - expected) <= 5 * np.std(found) / np.sqrt(len(found))


def test_a_lesson():
    """The same chunk the same again, so that a run can go on; another for another number, also at a fixed time.

    Mutant: as many laws as there are times.
    """
    teacher = lessons(seconds=300.0)
    first, again, other = teacher.lesson(3), teacher.lesson(3), teacher.lesson(4)
    laws, number = first["values"].shape[:2]
    assert laws == VECTORS
    assert number > 1
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["context"], other["context"])
    assert first["targets"].sum(dim=-1).min() >= 2  # a law at each of two positions, scaled by 1 or more
    assert len(lessons(times=(4, 4)).lesson(0)["values"]) == VECTORS


def test_the_mean_count_follows_the_time_of_its_own_law():
    """The last position's targets have the mean that the linear equation gives at the law's own rates and time,
    within 5 standard errors. Mutants: contexts and histories in different orders; the draws' own times.
    """
    teacher = lessons(box={"ksyn": (1.0, 8.0)})
    encode, seen = PromptEncoding.encode, []

    def encoded(self, thetas, starts, times):
        seen.append((thetas, starts, times))
        return encode(self, thetas, starts, times)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PromptEncoding, "encode", encoded)
        found = teacher.lesson(0)
    (thetas, starts, times), top = seen[-1], teacher.course.layout.caps[1]
    means = FirstOrderMeans.of(teacher.course.model)
    expected = means(torch.from_numpy(thetas), torch.from_numpy(starts.astype(float)), torch.from_numpy(times))[:, 1]
    last = found["targets"][..., 2:]
    own = last @ torch.arange(top).float() / last.sum(dim=-1)
    ratio = own.mean(dim=-1).double() / expected
    assert abs(ratio.mean() - 1) <= 5 * ratio.std() / np.sqrt(len(ratio))
    assert np.corrcoef(own.mean(dim=-1), expected)[0, 1] > 0.8


def test_rare_species_weigh_as_much():
    """One over the mean, between 1 and `RARE`; a net that states the targets has a loss of 0 with the scales too.

    Mutants: the gene's mean for its messengers'; the entropy not scaled.
    """
    teacher = lessons()
    counts, means = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 0]]]), np.array([[[0.5], [0.1]], [[6.0], [4.0]]])
    found = teacher.scales(counts, means)
    assert found.shape == (2, 1, 43)
    np.testing.assert_allclose(found[:, 0, [0, 1, 2, 42]], [[2, 2, 1 / 0.3, 1 / 0.3], [RARE, RARE, 1, 1]], rtol=1e-6)
    lesson = teacher.lesson(0)
    itself = lesson["targets"] / torch.cat([p.sum(-1, keepdim=True).expand_as(p) for p in parts(lesson)], dim=-1)
    cross = -(torch.special.xlogy(lesson["targets"], itself).sum(dim=-1) * lesson["weight"]).sum(dim=-1)
    np.testing.assert_allclose(cross, lesson["entropy"], rtol=1e-4)
    assert lesson["targets"][..., 2:].sum(dim=-1).max() > 1


def test_weights_know_nothing_of_the_targets():
    """The weighed mean of a rare count over many lessons of one problem is the exact mean, within 5 standard errors.

    Mutant: weights by the histories that teach, which makes every mean too low.
    """
    teacher, laws, number, until = lessons(), 4000, 8, 0.1
    model = teacher.course.model
    theta = model.theta * np.where([n == "ksyn" for n in model.network.theta_names], 0.05, 1.0)
    thetas, starts, times = np.tile(theta, (laws, 1)), np.tile(model.initial, (laws, 1)), np.full(laws, until)
    counts, means = draw_histories(teacher.split, thetas, starts, times, 2 * number, np.random.default_rng(5))
    here = model.network.replace(parameters=dict(zip(model.network.theta_names, theta.tolist(), strict=True)))
    (expected,) = kx.solve(here, [until], solver="mean-field").mean("M")
    weight = teacher.scales(counts[:, number:], means[:, number:])[:, 0, 2].double().numpy()
    own = means[:, :number, 0].mean(axis=1)
    assert np.ptp(weight) > 1
    error = (weight * (own - expected)).std() / np.sqrt(laws)
    assert abs((weight * (own - expected)).mean()) < 5 * error
    same = teacher.scales(counts[:, :number], means[:, :number])[:, 0, 2].double().numpy()
    assert (same * (own - expected)).mean() < -5 * error  # what would go wrong


def parts(lesson):
    return lesson["targets"].split([2, lesson["targets"].shape[-1] - 2], dim=-1)


def test_a_model_with_nothing_downstream_is_refused():
    network = exact.autoregulation()
    domain, model = Box.of(network, {"ru": (1, 9)}, (0, 4)), compile_network(network)
    with pytest.raises(UnsupportedFeature, match="downstream"):
        HistoryLessons(Course(model, domain, Layout.of(StateSpace.box([1, 40])), 1), Plan())
    with pytest.raises(UnsupportedFeature, match="downstream"):  # what starts with molecules or may, is not
        lessons(box={"M": (0, 5)})


def test_a_net_learns_from_histories():
    """A gene's law over a box in 200 steps: nearer than 0.05 on average, by exact laws. Mutant: the net is taught the
    laws of other rates.
    """
    met = kx.MET(width=32, layers=1, teacher="histories", held_out=20)
    net = met.train(exact.telegraph(gene=1), times=(0, 4), box=BOX, budget_steps=200, seed=1)
    assert net.certificate["teacher"] == "histories"
    assert net.certificate["joint"]["mean"] < 0.05
