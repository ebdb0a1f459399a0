"""VAN on birth and death: it learns the exact law in both modes, comes back from disk, refuses what it cannot know."""

import signal
import warnings

import numpy as np
import pytest
import sympy
import torch
from scipy.integrate import quad
from scipy.stats import poisson

from kinetix.distribution import PointMass
from kinetix.errors import CheckpointError, RunError, SettingError, UnsupportedFeature
from kinetix.expressions import TIME, symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species
from kinetix.problem import Problem
from kinetix.solver import BatchSolver
from kinetix.solvers.nets.checkpoint import Weights, load_net
from kinetix.solvers.nets.distance import hellinger
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.path_teacher import PathTeacher
from kinetix.solvers.nets.recurrent import Recurrent
from kinetix.solvers.nets.sealed import pack
from kinetix.solvers.nets.stepping import Steps
from kinetix.solvers.nets.trained import OutsideBoxWarning
from kinetix.solvers.nets.trained_van import TrainedVAN, subjects_of
from kinetix.solvers.van import VAN, from_saved
from tests.exact import autoregulation, birth_death, birth_death_pmf, dense_law, telegraph

RNG = np.random.default_rng(0)
TIMES = (0.2, 0.5, 1.0, 2.0, 4.0)
STEPPED = {"mode": "stepped", "width": 16, "dt": 0.1, "grid": "geometric", "epochs_first": 300, "epochs": 40,
           "batch": 400, "step_rate": 1e-2}  # fmt: skip


def model_of(start=3):
    return birth_death(2.0, 0.8, start)


@pytest.fixture(scope="module")
def net():
    return VAN(width=32).train(model_of(), times=(0, 4), budget_steps=500, seed=1)


@pytest.fixture(scope="module")
def stepped():
    return VAN(**STEPPED).train(model_of(0), times=(0, 1.5), seed=1)


def distances(trained, times, start=3):
    """H of the laws at `times` to the closed form: binomial survivors and Poisson newcomers."""
    laws = trained.solve(Problem.of(trained.network, times), rng=RNG).laws
    tables = [law.table() for law in laws]
    return np.array(
        [hellinger(birth_death_pmf(2.0, 0.8, start, t, len(q)), q) for t, q in zip(times, tables, strict=True)]
    )


# learning --------------------------------------------------------------------------------------


def test_one_net_knows_all_times(net):
    """H to the closed form at five times; one step of training leaves ten times as much.

    Mutants: contexts of a block in reversed order; times of the prompt not scaled by the last one.
    """
    untrained = VAN(width=32, checked=0).train(model_of(), times=(0, 4), budget_steps=1, seed=1)
    assert distances(net, TIMES).mean() < 0.03
    assert distances(net, TIMES).max() < 0.06
    assert distances(untrained, TIMES).mean() > 0.3


def test_steps_follow_the_master_equation(stepped):
    """H at the last time, of a net that nobody showed a trajectory; the law of the first step is far from it.

    Mutants: every step starts from the point mass; the target without its inflow; grid not handed on.
    """
    assert distances(stepped, [1.5], 0)[0] < 0.03
    first = stepped.solve(Problem.of(stepped.network, stepped.stored[:1]), rng=RNG).laws[0].table()
    assert hellinger(birth_death_pmf(2.0, 0.8, 0, 1.5, len(first)), first) > 0.5


def test_two_species_with_a_gene():
    """The joint law against the dense exponential of the master equation. Mutant: species not in their own order."""
    network = autoregulation(ru=3.0, rb=6.0)
    trained = VAN(width=32, checked=2).train(network, times=(0, 4), budget_steps=400, seed=1)
    problem = Problem.of(network, [0.5, 3.0])
    for t, law in zip(problem.times, trained.solve(problem, rng=RNG).laws, strict=True):
        exact = dense_law(problem.model, [1, 30], t)
        q = np.exp(law.log_prob(np.array(list(exact))))
        assert hellinger(np.array(list(exact.values())), q) < 0.06
    assert trained.certificate["joint"]["max"] < 0.15
    assert set(trained.certificate["species"]) == {"Gu", "P"}


def test_training_is_a_function_of_its_seed():
    weights = [
        VAN(width=8, checked=0).train(model_of(), times=(0, 4), budget_steps=5, seed=s).weights() for s in (1, 1, 2)
    ]
    assert all(torch.equal(a, b) for a, b in zip(weights[0].values(), weights[1].values(), strict=True))
    assert not torch.equal(weights[0]["gates.weight"], weights[2]["gates.weight"])


def test_own_values_are_replaced_by_name():
    trained = VAN(width=8, checked=0).train(
        model_of(), times=(0, 4), parameters={"birth": 1.0}, initial={"X": 1}, budget_steps=2, seed=1
    )
    assert {p.name: p.value for p in trained.network.parameters}["birth"] == 1.0
    assert trained.network.species[0].initial == 1


def teacher_of(network, **settings):
    subjects = subjects_of(network, (0.0, 4.0))
    return PathTeacher(subjects, Layout.of(subjects.window(np.random.default_rng(0))), root=1, **settings)


def test_blocks_have_the_prefixes_that_a_step_should_weigh():
    """Large blocks are cut into parts of sixteen trajectories at least, small ones get up to four times the times."""
    teacher = teacher_of(telegraph())
    rows = teacher.block(0).rows
    assert teacher.fitted(rows) is teacher
    cut = teacher.fitted(rows // 2)
    assert (cut.paths, cut.parts) == (1024 * (rows // 2) // rows, 2)
    assert (teacher.fitted(0).paths, teacher.fitted(0).parts) == (16, 64)
    assert [teacher.fitted(n * rows).points for n in (2, 100)] == [32, 64]


def test_windows_of_small_counts_hold_the_law():
    """Mutant: 1.2 times the largest of the pilots alone, which adds one count to a few and loses 1e-4 a species."""
    for mean in (0.2, 0.8, 2.0):
        upper = teacher_of(birth_death(mean, 1.0, 0)).layout.window.upper[0]
        assert poisson.sf(upper, mean) < 2e-6
    assert teacher_of(telegraph()).layout.caps[0] == 2  # a gene's copies get no margin


def test_parts_of_a_run_are_different_trajectories_at_different_times():
    """Block b is the same whoever asks first. Mutants: every part has the first one's trajectories, or its times."""
    teacher, again = teacher_of(telegraph(), paths=16, parts=3), teacher_of(telegraph(), paths=16, parts=3)
    blocks = [teacher.block(k) for k in range(6)]
    assert torch.equal(again.block(5).context, blocks[5].context)
    assert torch.equal(again.block(5).levels[-1].weight, blocks[5].levels[-1].weight)
    times = np.concatenate([b.context[:, 0].numpy() for b in blocks])
    assert len(np.unique(times)) == len(times) == 6 * 16
    subjects, rng = teacher.subjects, np.random.default_rng([1, 0])
    whole = subjects.paths(subjects.draw_times(48, rng), 48, rng)
    for k, block in enumerate(blocks[:3]):
        own = teacher.layout.values(whole[0, 16 * k : 16 * k + 16, k::3])
        mean = (block.levels[-1].values * block.levels[-1].weight[:, None]).sum(dim=0)
        np.testing.assert_allclose(mean.numpy(), own.mean(axis=(0, 1)), rtol=1e-5)


def test_only_the_last_blocks_are_looked_at_and_kept():
    """Mutant: blocks drawn from all that were ever made, so that a long run keeps them all."""
    teacher = teacher_of(telegraph(), paths=16, points=4, blocks=3, every=1)
    net = Recurrent(teacher.layout, context=teacher.subjects.clock.size, width=4)
    rng = np.random.default_rng(0)
    seen = [teacher.loss(net, rng, torch.Generator(), step)[1]["batch"] for step in range(40)]
    numbers = [int(text.split()[1]) for text in seen]
    assert all(max(0, step - 2) <= n <= step for step, n in enumerate(numbers))
    assert len(teacher.stock) <= 4


def swinging():
    """Births at a rate a (1 + sin(2 t))."""
    a, m, x = map(symbol, ("a", "m", "X"))
    return ReactionNetwork(
        [Species("X", 0)],
        [Parameter("a", 6.0), Parameter("m", 1.0)],
        [Reaction("birth", {}, {"X": 1}, a * (1 + sympy.sin(2 * TIME))), Reaction("death", {"X": 1}, {}, m * x)],
    )


def test_rates_that_swing_with_the_time():
    """Births at a rate a (1 + sin(2 t)): Poisson with the mean of a linear equation, by trajectories alone.

    Mutant: trajectories that forget the time, as those of a model with constant laws.
    """
    network = swinging()
    trained = VAN(width=32, rate=1e-2, paths=256, checked=1).train(network, times=(0, 4), budget_steps=300, seed=1)
    for t in (0.8, 2.4, 3.9):
        mean = 6 * quad(lambda s, t=t: np.exp(s - t) * (1 + np.sin(2 * s)), 0, t)[0]
        law = trained.solve(Problem.of(network, [t]), rng=RNG).laws[0].table()
        assert hellinger(poisson.pmf(np.arange(len(law)), mean), law) < 0.06
    assert trained.certificate["joint"]["max"] < 0.2


def test_a_transformer_is_a_net_too(tmp_path):
    """It learns the joint law, comes back from disk, and needs the time told. Mutant: `_rows` keeps the old cache."""
    network = autoregulation(ru=3.0, rb=6.0)
    how = VAN(net="transformer", width=32, points=8, checked=0)
    trained = how.train(network, times=(0, 4), budget_steps=300, seed=1)
    problem = Problem.of(network, [0.5, 3.0])
    laws = trained.solve(problem, rng=RNG).laws
    for t, law in zip(problem.times, laws, strict=True):
        exact = dense_law(problem.model, [1, 30], t)
        q = np.exp(law.log_prob(np.array(list(exact))))
        assert hellinger(np.array(list(exact.values())), q) < 0.08
    trained.save(tmp_path)
    for law, again in zip(laws, load_net(tmp_path).solve(problem, rng=RNG).laws, strict=True):
        np.testing.assert_array_equal(law.table(), again.table())


# answers ---------------------------------------------------------------------------------------


def test_it_is_a_solver_and_says_how_good_it_is(net, stepped):
    assert isinstance(net, BatchSolver)
    solution = net.solve(Problem.of(net.network, [0.0, 2.0]), rng=RNG)
    assert solution.marginal("X", 0.0).tolist() == [0.0, 0.0, 0.0, 1.0]
    assert solution.mean("X")[1] == pytest.approx(2.5 + 0.5 * np.exp(-1.6), rel=0.05)
    assert solution.meta["certificate"] == net.certificate
    assert net.certificate["joint"]["mean"] < 0.05
    assert len(net.certificate["checked_times"]) == 8
    assert net.certificate["statement"].startswith(
        "The Hellinger distances of the joint law to the exact one are those"
    )
    assert "not a bound" in net.certificate["statement"]
    assert net.certificate["training"]["steps"] == 500
    assert (net.box, net.times, stepped.times[1]) == ({}, (0.0, 4.0), 1.5)
    assert set(stepped.certificate["checked_times"]) <= set(stepped.stored.tolist())


def test_batches_say_what_single_laws_say(net):
    problem = Problem.of(net.network, [0.0, 0.5, 2.0])
    rows = [np.array([[3], [2]]), np.array([[0], [4], [1]]), np.array([[5]])]
    answer = net.log_prob_batch(problem, np.tile(problem.theta, (2, 1)), rows, [0], rng=RNG)
    laws = net.solve(problem, rng=RNG).laws
    for found, law, counts in zip(answer, laws, rows, strict=True):
        assert found.shape == (2, len(counts))
        np.testing.assert_allclose(found, np.tile(law.log_prob(counts), (2, 1)), atol=1e-5)


def test_saved_and_loaded_it_says_the_same(net, stepped, tmp_path):
    """Mutant: `stored` forgotten, or the members of a stack in another order."""
    for name, trained, times in (("a", net, TIMES), ("b", stepped, stepped.stored[[0, 3, -1]])):
        trained.save(tmp_path / name)
        loaded = load_net(tmp_path / name)
        assert isinstance(loaded, TrainedVAN)
        assert (loaded.settings, loaded.seed, loaded.times) == (trained.settings, trained.seed, trained.times)
        assert loaded.certificate == trained.certificate
        problem = Problem.of(trained.network, times)
        for a, b in zip(trained.solve(problem, rng=RNG).laws, loaded.solve(problem, rng=RNG).laws, strict=True):
            np.testing.assert_array_equal(a.table(), b.table())


def test_damaged_manifests_are_refused(net, stepped):
    weights = Weights(pack(net.weights()), "weights")
    with pytest.raises(CheckpointError, match="steps do not fit the mode"):
        from_saved(net.network, {**net.manifest(), "stored": [1.0]}, weights)
    with pytest.raises(CheckpointError, match="window does not fit"):
        from_saved(net.network, {**net.manifest(), "shape": [4, 4]}, weights)
    with pytest.raises(CheckpointError, match="has the shape"):
        from_saved(net.network, {**net.manifest(), "shape": [4]}, weights)
    with pytest.raises(CheckpointError, match="has the shape"):
        from_saved(net.network, {**stepped.manifest(), "stored": [0.1]}, Weights(pack(stepped.weights()), "weights"))


def test_stopped_and_resumed_training_ends_in_the_same_bits(tmp_path):
    """Blocks are made again from (root, number). Mutant: blocks drawn from the run's own stream."""
    keywords = {"times": (0, 4), "budget_steps": 60}
    van = VAN(width=8, checked=0)
    whole = van.train(model_of(), seed=4, **keywords).weights()

    def stop(entry):
        if entry["step"] >= 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        van.train(model_of(), seed=4, output=tmp_path, progress=stop, **keywords)
    resumed = van.train(model_of(), output=tmp_path, resume=True, **keywords)
    assert resumed.seed == 4
    assert all(torch.equal(whole[name], weight) for name, weight in resumed.weights().items())


# refusals --------------------------------------------------------------------------------------


def test_other_rates_starts_models_and_laws_are_refused(net):
    for parameters, message in (({"birth": 2.1}, "birth = 2, not 2.1"), ({"death": 0.9}, "death = 0.8, not 0.9")):
        problem = Problem.of(net.network, [1.0], parameters=parameters)
        with pytest.raises(SettingError, match=message):
            net.solve(problem, rng=RNG)
        with pytest.raises(SettingError, match=message):
            net.log_prob_batch(Problem.of(net.network, [1.0]), problem.theta, [np.array([[1]])], [0], rng=RNG)
    with pytest.raises(SettingError, match=r"one start: \[3\], not \[4\]"):
        net.solve(Problem.of(model_of(4), [1.0]), rng=RNG)
    with pytest.raises(SettingError, match="another network"):
        net.solve(Problem.of(telegraph(), [1.0]), rng=RNG)
    law = net.solve(Problem.of(net.network, [1.0]), rng=RNG).laws[0]
    with pytest.raises(UnsupportedFeature, match="one initial state"):
        net.solve(Problem.of(net.network, [1.0], initial=law), rng=RNG)
    net.solve(Problem.of(net.network, [1.0], initial=PointMass(np.array([3]))), rng=RNG)


def test_other_times_are_warned_of_or_refused(net, stepped):
    late = Problem.of(net.network, [1.0, 4.5])
    with pytest.warns(OutsideBoxWarning, match=r"time 4.5 lies outside the training interval \[0, 4\]"):
        solution = net.solve(late, rng=RNG)
    assert [f["code"] for f in solution.meta["findings"]] == ["KX301"]
    with pytest.raises(SettingError, match=r"time 4\.5"):
        net.log_prob_batch(late, late.theta[None], [np.array([[1]])] * 2, [0], rng=RNG)
    between = Problem.of(stepped.network, [float(stepped.stored[3:5].mean())])
    with pytest.raises(SettingError, match="a stepped VAN has no law at time"):
        stepped.solve(between, rng=RNG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.solve(Problem.of(net.network, [0.0, 4.0]), rng=RNG)


def test_a_budget_stops_stepping_at_the_times_that_were_reached():
    how = VAN(**{**STEPPED, "epochs_first": 5, "epochs": 5, "checked": 0})
    trained = how.train(model_of(0), times=(0, 1.5), budget_steps=20, seed=1)
    assert len(trained.stored) == 4
    assert trained.times == (0.0, trained.stored[-1])
    assert "budget ended at time" in trained.certificate["training"]["notes"][0]
    with pytest.raises(RunError, match="before the first time"):
        how.train(model_of(0), times=(1.0, 1.5), budget_steps=20, seed=1)


def test_grids_reach_their_end():
    for grid in ("even", "geometric"):
        times = Steps(0.3, grid).times(2.0)
        assert (times[0], times[-1]) == (0.0, pytest.approx(2.0))
        assert (np.diff(times) > 0).all()
        assert np.diff(times).max() <= 0.3 + 1e-12
    assert np.diff(Steps(0.3, "geometric").times(2.0))[0] < 0.01


@pytest.mark.parametrize(
    ("settings", "keywords", "message"),
    [({"mode": "euler"}, {}, "unknown mode"), ({"grid": "odd"}, {}, "unknown grid"), ({"width": 0}, {}, "width is 0"),
     ({"rate": -1.0}, {}, "rate is -1"), ({"checked": -1}, {}, "checked is -1"), ({}, {"times": (2, 1)}, "interval"),
     ({"optimiser": "sgd"}, {}, "unknown optimiser"), ({"net": "film"}, {}, "unknown net"),
     ({"mode": "stepped", "net": "transformer"}, {}, "stack of recurrent"),
     ({}, {"budget": 1.0}, "exactly one"), ({}, {"resume": True}, "output folder"),
     ({"caps": {"Y": 3}}, {}, "'Y'"), ({"caps": {"X": 0}}, {}, "cap 0")],
)  # fmt: skip
def test_impossible_settings_are_refused(settings, keywords, message):
    with pytest.raises(SettingError, match=message):
        VAN(**settings).train(model_of(), **{"times": (0, 4), "budget_steps": 1, "seed": 1, **keywords})


def test_better_steps_refuse_laws_that_contain_the_time():
    with pytest.raises(UnsupportedFeature, match="constant in time"):
        VAN(mode="stepped", targets="short-time").train(swinging(), times=(0, 4), budget_steps=1, seed=1)


def test_caps_override_the_window():
    trained = VAN(width=8, checked=0, caps={"X": 40}).train(model_of(), times=(0, 4), budget_steps=1, seed=1)
    assert trained.window.upper == (40,)
