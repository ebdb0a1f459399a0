"""MET on small systems: it learns the exact law, answers as a solver, and refuses what it cannot know."""

import signal
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import poisson

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.errors import SettingError
from kinetix.problem import Problem
from kinetix.solver import BatchSolver
from kinetix.solvers.fsp import FSP
from kinetix.solvers.met import MET
from kinetix.solvers.nets.distance import hellinger
from kinetix.solvers.nets.early import EarlyTimeWarning
from kinetix.solvers.nets.held_out import held_out
from kinetix.solvers.nets.trained import OutsideBoxWarning
from tests.exact import autoregulation, birth_death, network

RNG = np.random.default_rng(0)
SMALL = {"width": 32, "layers": 2, "contexts": 64, "held_out": 0, "means": False}
"""Birth and death have to be learnt: prompts that tell the means would leave nothing to do."""
BIRTH = {"birth": (1.0, 4.0), "death": (0.5, 1.0)}
GENE = {"su": (0.5, 2.0), "sb": (0.0, 0.1), "ru": (1.0, 4.0), "Gu": (0, 1)}


def telegraph():
    return network(
        {"G": 1, "Gs": 0, "M": 0},
        {"kon": 0.5, "koff": 0.2, "k": 5.0, "d": 1.0},
        [("off", {"G": 1}, {"Gs": 1}, "koff"), ("on", {"Gs": 1}, {"G": 1}, "kon"),
         ("tx", {"G": 1}, {"G": 1, "M": 1}, "k"), ("deg", {"M": 1}, {}, "d")],
        "telegraph",
    )  # fmt: skip


@pytest.fixture(scope="module")
def birth_net():
    return MET(**SMALL).train(birth_death(2.0, 0.8), times=(0, 10), box=BIRTH, budget_steps=300, seed=1)


@pytest.fixture(scope="module")
def gene_net():
    return MET(**SMALL).train(autoregulation(ru=3.0, rb=6.0), times=(0, 5), box=GENE, budget_steps=40, seed=1)


def birth_distances(net):
    """H of the net's laws to the closed form, at 40 held-out contexts."""
    model, result = compile_network(net.network), []
    for c in held_out(net.domain, 40, seed=99):
        law = net.solve(
            Problem.of(model, [c.time], parameters=dict(zip(("birth", "death"), c.theta, strict=False))), rng=RNG
        ).laws[0]
        q = law.table()
        mean = c.theta[0] / c.theta[1] * -np.expm1(-c.theta[1] * c.time)
        result.append(hellinger(poisson.pmf(np.arange(len(q)), mean), q))
    return np.array(result)


def test_birth_death_is_learned(birth_net):
    """H against the Poisson law; an untrained net of the same size is tenfold worse.

    Mutants: times shifted by one in the lessons; the loss without its prefix weights.
    """
    untrained = MET(**SMALL).train(birth_death(2.0, 0.8), times=(0, 10), box=BIRTH, budget_steps=1, seed=1)
    trained = birth_distances(birth_net)
    assert trained.mean() < 0.03
    assert trained.max() < 0.1
    assert birth_distances(untrained).mean() > 0.3


@pytest.mark.parametrize("settings", [{"decoder": "attention", "heads": 2}, {"teacher": "trajectories"}])
def test_other_decoders_and_teachers_learn_too(settings):
    met = MET(**{**SMALL, **settings})
    net = met.train(birth_death(2.0, 0.8), times=(0, 10), box=BIRTH, budget_steps=150, seed=1)
    assert birth_distances(net).mean() < 0.08
    assert net.certificate["teacher"] == settings.get("teacher", "fsp")


def test_autoregulation_with_starts_learns_the_joint_law():
    """Two species, prefixes, varied starts. Mutant: a chunk's tables made from another start than its prompt."""
    met = MET(width=64, layers=2, contexts=256, held_out=20)
    net = met.train(autoregulation(ru=3.0, rb=6.0), times=(0, 5), box=GENE, budget_steps=400, seed=2)
    joint = net.certificate["joint"]
    assert joint["mean"] < 0.05
    assert joint["max"] < 0.15
    assert set(net.certificate["species"]) == {"Gu", "P"}
    assert "95 % confidence" in net.certificate["statement"]
    assert net.certificate["training"]["cpu_seconds"] > 0


def test_it_is_a_solver_and_says_where_it_comes_from(birth_net):
    assert isinstance(birth_net, BatchSolver)
    solution = birth_net.solve(Problem.of(birth_net.network, [0.0, 2.0]), rng=RNG)
    assert solution.marginal("X", 0.0).tolist() == [1.0]
    assert solution.mean("X")[1] == pytest.approx(2.5 * (1 - np.exp(-1.6)), rel=0.05)
    assert solution.error is None
    assert solution.meta["certificate"] == birth_net.certificate
    assert solution.sample(5, 2.0, seed=1).shape == (5, 1)
    assert birth_net.box == BIRTH
    assert birth_net.times == (0.0, 10.0)


def test_batches_say_what_single_laws_say(gene_net):
    """Every set of observed species, against sums over the whole table. Mutant: forget the hidden gene."""
    thetas = np.tile(compile_network(gene_net.network).theta, (3, 1))
    thetas[:, 0] = [0.6, 1.0, 1.9]
    problem = Problem.of(gene_net.network, [1.0, 4.0])
    for axes in ([0], [1], [0, 1], [1, 0]):
        rows = np.array([[0, 3], [1, 0], [1, 7]])[:, axes]
        answer = gene_net.log_prob_batch(problem, thetas, [rows, rows[:2]], axes, rng=RNG)
        assert [a.shape for a in answer] == [(3, 3), (3, 2)]
        for b, theta in enumerate(thetas):
            solution = gene_net.solve(Problem(problem.model, problem.times, theta, problem.initial), rng=RNG)
            for k, law in enumerate(solution.laws):
                expected = law.marginal(axes).log_prob(rows[: len(answer[k][b])])
                np.testing.assert_allclose(answer[k][b], expected, atol=1e-4)


def test_times_weighed_together_or_apart_say_the_same(gene_net, monkeypatch):
    """Mutant: the places of one time taken for those of the next."""
    thetas = np.tile(compile_network(gene_net.network).theta, (2, 1))
    problem = Problem.of(gene_net.network, [0.5, 1.0, 4.0])
    rows = [np.array([[0, 3], [1, 0]]), np.array([[1, 7]]), np.array([[1, 0], [0, 3], [1, 2]])]
    together = gene_net.log_prob_batch(problem, thetas, rows, [0, 1], rng=RNG)
    monkeypatch.setattr("kinetix.solvers.nets.observed.SHARED", 0)
    for one, other in zip(together, gene_net.log_prob_batch(problem, thetas, rows, [0, 1], rng=RNG), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_observing_a_dependent_species():
    net = MET(**SMALL).train(telegraph(), times=(0, 5), box={"kon": (0.3, 5.0)}, budget_steps=5, seed=1)
    problem = Problem.of(net.network, [2.0])
    solution = net.solve(problem, rng=RNG)
    rows = np.array([[0, 2], [1, 2], [1, 0]])
    for axes in ([1, 2], [0, 2], [1], [0]):
        some = rows[:, : len(axes)]
        (answer,) = net.log_prob_batch(problem, problem.theta[None], [some], axes, rng=RNG)
        np.testing.assert_allclose(answer[0], solution.laws[0].marginal(axes).log_prob(some), atol=1e-4)
    (answer,) = net.log_prob_batch(problem, problem.theta[None], [np.array([[1, 1, 0]])], [0, 1, 2], rng=RNG)
    assert answer[0, 0] == -np.inf


def test_gradients_with_respect_to_rates(gene_net):
    theta = torch.tensor(compile_network(gene_net.network).theta[None], dtype=torch.float64).requires_grad_()
    rows = [[1, 3], [0, 4]]
    value = gene_net.log_prob_tensor(theta, rows, 3.0)
    (answer,) = gene_net.log_prob_batch(
        Problem.of(gene_net.network, [3.0]), theta.detach().numpy(), [np.array(rows)], [0, 1], rng=RNG
    )
    np.testing.assert_allclose(value.detach().numpy(), answer, atol=1e-5)
    value.sum().backward()
    for k in range(3):
        step = torch.zeros(1, 5, dtype=torch.float64)
        step[0, k] = 5e-3 * theta[0, k].detach()
        up, down = (gene_net.log_prob_tensor(theta.detach() + s, rows, 3.0).sum() for s in (step, -step))
        assert float(((up - down) / (2 * step[0, k])).detach()) == pytest.approx(
            float(theta.grad[0, k]), rel=0.05, abs=0.02
        )


def test_times_before_those_it_was_taught_at_are_warned_of(birth_net):
    """A pulse may be over by then. Mutant: the bound at a thousandth."""
    assert birth_net.times[1] == 10
    with pytest.warns(EarlyTimeWarning, match=r"time 0.04 comes before 0.05"):
        solution = birth_net.solve(Problem.of(birth_net.network, [0.0, 0.04, 1.0]), rng=RNG)
    assert [f["code"] for f in solution.meta["findings"]] == ["KX304"]
    with warnings.catch_warnings():
        assert not birth_net.solve(Problem.of(birth_net.network, [0.0, 0.05]), rng=RNG).meta["findings"]


def test_an_early_pulse_is_in_the_window():
    """All over at a thousandth of the interval. Mutant: pilots that look from a two-hundredth on."""
    network = kx.parse("species A = 200, B = 0; A -> B; 300*A; B -> ; d*B; d = 30")
    net = kx.MET(width=8, layers=1, contexts=8, batch=4, held_out=0, teacher="trajectories").train(
        network, times=(0, 20), box={"d": (10, 60)}, budget_steps=2, seed=1
    )
    law = kx.solve(network, [0.02], parameters={"d": 10.0}).marginal("B", 0.02)
    assert law[net.window.upper[1] + 1 :].sum() < 1e-3


def test_outside_its_box_it_warns_or_refuses(birth_net):
    """The corner is no twin of any problem inside: see test_symmetry for those that are."""
    problem = Problem.of(birth_net.network, [1.0], parameters={"birth": 4.5, "death": 0.5})
    with pytest.warns(OutsideBoxWarning, match=r"birth = 4.5 lies outside the training box \[1, 4\]"):
        solution = birth_net.solve(problem, rng=RNG)
    assert [f["code"] for f in solution.meta["findings"]] == ["KX301"]
    with pytest.raises(SettingError, match=r"birth = 4\.5"):
        birth_net.log_prob_batch(problem, problem.theta[None], [np.array([[1]])], [0], rng=RNG)
    late = Problem.of(birth_net.network, [11.0], parameters={"birth": 4.0})
    with pytest.raises(SettingError, match="time 11"):
        birth_net.log_prob_batch(late, late.theta[None], [np.array([[1]])], [0], rng=RNG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        birth_net.solve(Problem.of(birth_net.network, [0.0, 10.0], parameters={"birth": 4.0}), rng=RNG)


def test_counts_outside_the_window_are_refused(birth_net):
    problem = Problem.of(birth_net.network, [1.0])
    with pytest.raises(SettingError, match="count 500 of 'X' is outside the net's window"):
        birth_net.log_prob_batch(problem, problem.theta[None], [np.array([[500]])], [0], rng=RNG)


def test_other_models_and_other_frozen_values_are_refused(birth_net, gene_net):
    with pytest.raises(SettingError, match="another network"):
        birth_net.solve(Problem.of(autoregulation(), [1.0]), rng=RNG)
    changed = network(
        {"X": 0}, {"birth": 2.0, "death": 0.8}, [("make", {}, {"X": 2}, "birth"), ("decay", {"X": 1}, {}, "death")]
    )
    with pytest.raises(SettingError, match="another network"):
        birth_net.solve(Problem.of(changed, [1.0]), rng=RNG)
    with pytest.raises(SettingError, match="'rb' is 7"):
        gene_net.solve(Problem.of(autoregulation(ru=3.0, rb=7.0), [1.0]), rng=RNG)
    with pytest.raises(SettingError, match="'X' starts at 3"):
        birth_net.solve(Problem.of(birth_death(2.0, 0.8, 3), [1.0]), rng=RNG)
    law = FSP().solve(Problem.of(birth_net.network, [1.0]), rng=RNG).laws[0]
    with pytest.raises(SettingError, match="'X' starts at"):
        birth_net.solve(Problem.of(birth_net.network, [1.0], initial=law), rng=RNG)
    birth_net.solve(Problem.of(birth_death(3.0, 0.9), [1.0]), rng=RNG)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"width": 2}, "width is 2"), ({"decoder": "gru"}, "film or attention"), ({"teacher": "ssa"}, "unknown teacher"),
     ({"decoder": "attention", "width": 30}, "multiple of heads"), ({"means": "no"}, "means is .no."),
     ({"device": "abacus"}, "'abacus' is not there")],
)  # fmt: skip
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        MET(**settings).train(birth_death(), times=(0, 1), box={"birth": (0, 1)}, budget_steps=1, seed=1)


def test_caps_override_the_window():
    net = MET(**SMALL, caps={"X": 40}).train(birth_death(), times=(0, 5), box={"birth": (0, 1)}, budget_steps=1, seed=1)
    assert net.window.upper == (40,)
    with pytest.raises(SettingError, match="did you mean"):
        MET(**SMALL, caps={"XX": 40}).train(birth_death(), times=(0, 5), box={"birth": (0, 1)}, budget_steps=1, seed=1)


def test_training_is_a_function_of_its_seed():
    keywords = {"times": (0, 10), "box": BIRTH, "budget_steps": 5}
    weights = [MET(**SMALL).train(birth_death(), seed=s, **keywords).weights() for s in (1, 1, 2)]
    assert all(torch.equal(a, b) for a, b in zip(weights[0].values(), weights[1].values(), strict=True))
    assert not torch.equal(weights[0]["heads.0.linear.weight"], weights[2]["heads.0.linear.weight"])


def test_stopped_and_resumed_training_ends_in_the_same_bits(tmp_path):
    """Lessons are made again from (root, number). Mutant: forget `made` on restoring."""
    keywords = {"times": (0, 10), "box": BIRTH, "budget_steps": 60, "seed": 4}
    met = MET(**{**SMALL, "contexts": 16})
    whole = met.train(birth_death(), **keywords).weights()

    def stop(entry):
        if entry["step"] >= 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        met.train(birth_death(), output=tmp_path, progress=stop, **keywords)
    del keywords["seed"]
    resumed = met.train(birth_death(), output=tmp_path, resume=True, **keywords).weights()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("setting", [{"width": "a"}, {"width": 2.5}, {"rate": "a"}, {"rate": 0}, {"threads": 0}])
def test_settings_of_another_kind_are_refused_by_name(setting):
    with pytest.raises(SettingError, match=f"^met: {next(iter(setting))} is "):
        MET(**setting)
