"""Many rate vectors at once in torch: the same laws as compiled code and dense exponentials, within stated errors."""

import json

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.distribution import Sampled, Tabulated
from kinetix.errors import RunError, SettingError, TruncationError, UnsupportedFeature
from kinetix.expressions import TIME, symbol
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection import batched, quiet
from kinetix.solvers.projection.batched_operator import Operator, Split, room_of
from kinetix.solvers.projection.batched_sweep import LOOK
from kinetix.solvers.projection.devices import is_compiled, require_device, torch_device
from kinetix.solvers.projection.grid import Grid
from kinetix.space import StateSpace
from tests import exact
from tests.benchmarks import gpu_check

CPU = torch.device("cpu")
TORCH = FSP(device="torch:cpu")


def hill():
    """Laws that are no products: a repressed birth, and one with a rate under a condition."""
    x, y = symbol("X"), symbol("Y")
    laws = [
        ("make", {}, {"X": 1}, symbol("a") / (1 + (y / symbol("K")) ** 2)),
        ("turn", {"X": 1}, {"Y": 1}, sympy.Piecewise((symbol("c") * x, x < 6), (symbol("c") * x + symbol("d"), True))),
        ("die", {"Y": 1}, {}, symbol("d") * y),
    ]
    return exact.network({"X": 1, "Y": 0}, {"a": 4.0, "K": 2.5, "c": 1.0, "d": 0.7}, laws)


ZOO = {
    "telegraph": (exact.telegraph(), [0.5, 4.0]),
    "dimerisation": (exact.dimerisation(start=9), [1.0]),
    "autoregulation": (exact.autoregulation(), [0.0, 1.0, 6.0]),
    "gene_expression": (exact.gene_expression(), [3.0]),
    "hill": (hill(), [0.5, 3.0]),
    "cascade": (exact.cascade(3), [0.3]),
    "toggle": (exact.toggle_switch(), [0.3]),
    "still": (exact.network({"A": 4}, {}, []), [0.0, 5.0]),
}


def thetas_of(problem, n, seed=0, spread=0.4):
    noise = np.random.default_rng(seed).normal(size=(n, len(problem.theta)))
    return problem.theta * np.exp(spread * noise)


def close(logs, others, bounds):
    """Probabilities within the sum of what both may be wrong by."""
    for a, b in zip(logs, others, strict=True):
        assert np.abs(np.exp(a) - np.exp(b)).max() <= bounds


# the operator ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZOO)
def test_one_product_is_that_of_compiled_code(name):
    """I + Q / rate on a vector, for three rate vectors, on windows that cut the laws' reach.

    Mutants seen to fail: the target block not moved; the gain left out of the outflow.
    """
    network, _ = ZOO[name]
    model = compile_network(network)
    grid = Grid(model, FSP().window(Problem.of(network, [0.2]), model.theta[None], leak=1e-2))
    thetas = thetas_of(Problem.of(network, [1.0]), 3)
    room = room_of(grid, CPU)
    operator = Operator.of(room, torch.from_numpy(thetas))
    v = np.random.default_rng(1).random((3, *room.box))
    given_v, w = torch.from_numpy(v), torch.empty(v.shape, dtype=torch.float64)
    operator.into(given_v, w)()
    for b, theta in enumerate(thetas):
        rates = grid.rates(theta)
        flow = np.zeros((len(model.change), grid.space.size))
        for r in grid.moving:
            flow[r] = np.broadcast_to(rates.each[r], grid.space.shape).reshape(-1) * v[b].reshape(-1)
        change, states = -flow.sum(axis=0), grid.space.states()
        for r in grid.moving:
            target = grid.space.index(states + model.change[r])
            np.add.at(change, target[target >= 0], flow[r][target >= 0])
        rate = float(rates.outflow.max(initial=0.0))
        assert float(operator.rate[b]) == pytest.approx(rate, rel=1e-14)
        expected = v[b].reshape(-1) + (change / rate if rate else 0.0)
        assert np.allclose(w[b].numpy().reshape(-1), expected, rtol=0, atol=1e-14)


def test_mass_action_laws_are_tabulated_once():
    pairs = Split.of(exact.toggle_switch()).pairs
    assert all(pairs)
    found = Split.of(hill()).pairs
    assert [pair is None for pair in found] == [True, True, False]
    many = exact.network({"A": 30, "B": 30, "C": 0}, {"k": 0.01}, [("bind", {"A": 1, "B": 1}, {"C": 1}, "k")])
    grid = Grid(compile_network(many), StateSpace.box((30, 30, 30)))
    batch = room_of(grid, CPU).batch(torch.tensor([[0.01], [0.02]], dtype=torch.float64))
    assert batch.tables[0].shape == (1, 31, 31, 1) or batch.gains[0] is None
    square = exact.network({"A": 3, "B": 3}, {"k": 0.01}, [("bind", {"A": 1, "B": 1}, {}, "k")])
    wide = room_of(Grid(compile_network(square), StateSpace.box((9, 9))), CPU).batch(torch.ones(5, 1).double())
    assert wide.tables[0].shape == (1, 10, 10)
    assert wide.gains[0] is not None


# laws --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZOO)
def test_likelihoods_are_those_of_compiled_code(name):
    network, times = ZOO[name]
    problem = Problem.of(network, times)
    thetas, start = thetas_of(problem, 4, spread=0.2), problem.model.initial
    rows = [np.array([start, np.maximum(start - 1, 0), start + 1]) for _ in times]
    axes = list(range(len(start)))
    close(*(f.log_prob_batch(problem, thetas, rows, axes) for f in (TORCH, FSP())), 2.2e-9)
    one = [r[:, :1] for r in rows]
    close(*(f.log_prob_batch(problem, thetas, one, [0]) for f in (TORCH, FSP())), 2.2e-9)


@pytest.mark.parametrize("name", ZOO)
def test_solve_states_a_bound(name):
    network, times = ZOO[name]
    problem = Problem.of(network, times)
    fine = FSP(leak=1e-12).solve(problem)
    rough = FSP(leak=1e-5, device="torch:cpu").solve(problem)
    assert rough.error <= 1.1e-5
    assert set(rough.meta["methods"]) == {"uniformisation"}
    for k, law in enumerate(rough.laws):
        p = np.exp(fine.laws[k].log_prob(law.space.states()))
        assert np.abs(p - law.p).sum() + 1 - p.sum() <= 2 * rough.meta["error_by_time"][k] + 1e-11


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), t=st.sampled_from([0.05, 0.6, 2.0]))
def test_random_networks_against_dense_exponentials(seed, t):
    """Mutants seen to fail: the series cut at its mean; outflow without the reactions that leave."""
    network = exact.random_network(seed)
    solution = FSP(leak=1e-4, device="torch:cpu").solve(Problem.of(network, [t]))
    law = exact.dense_law(compile_network(network), (17, 17), t)
    states, p = np.array(list(law)), np.array(list(law.values()))
    stated = np.exp(solution.log_prob(states, t))
    integration = solution.error - solution.meta["lost_by_time"][0]
    beyond = max(1 - p.sum(), 0.0)  # what the oracle's own box lets out
    assert np.maximum(stated - p, 0.0).sum() <= integration + beyond + 1e-12
    assert np.maximum(p - stated, 0.0).sum() <= solution.error + beyond + 1e-12
    assert solution.error <= 1.01e-4


def test_the_answer_for_one_does_not_depend_on_the_others(monkeypatch):
    """Neighbours a thousand times faster, chunks of another size, another order; within the stated error."""
    problem = Problem.of(exact.telegraph(), [0.3, 2.0])
    thetas = thetas_of(problem, 40, spread=1.0)
    thetas[::7] *= 100.0
    rows = [np.arange(12)[:, None]] * 2
    together = TORCH.log_prob_batch(problem, thetas, rows, [1])
    for monkeyed in (2**17, 2**9):
        monkeypatch.setattr(batched, "CACHED", monkeyed)
        for b in (0, 3, 7, 39):
            alone = TORCH.log_prob_batch(problem, thetas[b : b + 1], rows, [1])
            close([t[b : b + 1] for t in together], alone, 2.2e-9)
        back = TORCH.log_prob_batch(problem, thetas[::-1], rows, [1])
        close([t[::-1] for t in together], back, 2.2e-9)


def test_laws_that_no_longer_change_end_the_sweep():
    """A hundred thousand products are not made, and what that leaves out is in the bound."""
    problem = Problem.of(exact.birth_death(4.0, 1.0), [20.0, 5_000.0])
    solution = TORCH.solve(problem)
    assert solution.meta["products"] < 5_000
    pmf = solution.marginal("X", 5_000.0)
    assert np.abs(pmf - exact.birth_death_pmf(4.0, 1.0, 0, 5_000.0, len(pmf))).sum() <= 2 * solution.error
    assert solution.error < 1.1e-9


def test_a_law_that_stands_from_the_start():
    """Seen at the first look, where the series of Poisson weights is at its highest. Mutant: one number skipped."""
    pmf = exact.birth_death_pmf(4.0, 1.0, 0, 60.0, 32)
    space = StateSpace.box((31,))
    for mean in (0.5 * LOOK, 1.0 * LOOK, 1.5 * LOOK):
        problem = Problem.of(exact.birth_death(4.0, 1.0), [mean / 35.0], initial=Tabulated(space, pmf))
        (((law,),), _) = TORCH.tables(problem, problem.theta[None], space)
        assert np.abs(law - pmf).sum() < 1e-9


def test_a_start_that_is_a_law():
    cells = Sampled(np.array([[1, 0], [1, 0], [0, 3]]))
    problem = Problem.of(exact.autoregulation(), [0.0, 1.0], initial=cells)
    a, b = TORCH.solve(problem), FSP().solve(problem)
    assert np.allclose(a.marginal("P", 0.0), [2 / 3, 0, 0, 1 / 3])
    assert np.allclose(a.marginal("P", 1.0)[:20], b.marginal("P", 1.0)[:20], atol=1e-9)


# windows -----------------------------------------------------------------------------------------


def test_who_loses_too_much_goes_on_with_a_wider_window(monkeypatch):
    """First windows hold the start and little more. Mutant: those that lost too much are kept."""
    problem = Problem.of(exact.telegraph(), [3.0])
    monkeypatch.setattr(
        "kinetix.solvers.projection.projector.Projector.guess", lambda self, theta, least=None: np.array([1, 3])
    )
    rows = [np.array([[0], [3]])]
    thetas = thetas_of(problem, 9, spread=1.0)
    found = TORCH.log_prob_batch(problem, thetas, rows, [1])
    monkeypatch.undo()
    close(found, FSP().log_prob_batch(problem, thetas, rows, [1]), 2.2e-9)


def test_one_fixed_window_as_compiled_code_has_it():
    problem, space = Problem.of(exact.telegraph(), [0.5, 2.0]), StateSpace.box((1, 15))
    thetas = thetas_of(problem, 5)
    (p, lost), (q, less) = (f.tables(problem, thetas, space) for f in (TORCH, FSP()))
    assert np.allclose(p, q, atol=1e-11)
    assert np.allclose(lost, less, atol=1e-11)


def test_limits_hold_for_each():
    problem = Problem.of(exact.telegraph(), [3.0])
    rows = [np.array([[0]])]
    thetas = np.array([problem.theta, problem.theta * [1, 1, 1000, 1]])
    for settings_ in ({"max_states": 500}, {"max_work": 1e4}):
        with pytest.raises(TruncationError, match=next(iter(settings_))):
            FSP(device="torch:cpu", **settings_).log_prob_batch(problem, thetas, rows, [1])
    with pytest.raises(TruncationError, match="raise caps"):
        FSP(device="torch:cpu", caps={"Gu": 1, "M": 4}).log_prob_batch(problem, thetas[:1], rows, [1])


# refusals ----------------------------------------------------------------------------------------


def test_laws_that_break_down_are_refused_where_probability_is():
    eat = exact.network({"A": 2, "B": 0}, {"k": 1.0}, [("eat", {"A": 1}, {"B": 1}, symbol("k"))])
    with pytest.raises(RunError, match="'eat' would make a count negative"):
        TORCH.solve(Problem.of(eat, [1.0]))
    down = exact.network({"A": 0}, {"k": 1.0}, [("up", {}, {"A": 1}, symbol("k") * (3 - symbol("A")))])
    assert np.isclose(TORCH.solve(Problem.of(down, [1.0])).mean("A")[0], 3 * (1 - np.exp(-1)))
    with pytest.raises(RunError, match="'up' is -"):
        TORCH.solve(Problem.of(down, [1.0], initial={"A": 5}))


def test_what_torch_does_not_do_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(quiet, "LARGE_BOX", 10)
    problem = Problem.of(exact.telegraph(), [1.0])
    late = Problem.of(exact.telegraph(), [np.inf])
    rows, theta = [np.array([[0]])], problem.theta[None]
    moving = Problem.of(exact.network({"A": 0}, {"k": 1.0}, [("up", {}, {"A": 1}, symbol("k") * (1 + TIME))]), [1.0])
    many = Problem.of(exact.cascade(6), [1.0])
    asked = {
        "stationary laws": [lambda: TORCH.solve(late), lambda: TORCH.log_prob_batch(late, theta, rows, [1])],
        "derivatives": [lambda: TORCH.log_prob_gradient_batch(problem, theta, rows, [1], [0])],
        "laws that move": [lambda: TORCH.solve(moving)],
        "lists of states": [
            lambda: TORCH.solve(many),
            lambda: TORCH.log_prob_batch(many, many.theta[None], [np.zeros((1, 1), dtype=np.int64)], [0]),
        ],
    }
    for what, calls in asked.items():
        for call in calls:
            with pytest.raises(UnsupportedFeature, match=f"{what} are for compiled code, not for device 'torch:cpu'"):
                call()


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "torch:", 3, None, "CPU"])
def test_names_that_are_no_device(name):
    with pytest.raises(SettingError, match="device is"):
        FSP(device=name)


def test_devices():
    for name in ("cpu", "auto", "cuda", "cuda:1", "torch:cpu", "torch:xpu"):
        require_device(name)
    for name in ("mps", "torch:mps"):
        with pytest.raises(SettingError, match="no numbers of 64 bits"):
            FSP(device=name)
    assert is_compiled("cpu")
    assert is_compiled("auto") is not torch.cuda.is_available()
    assert torch_device("torch:cpu") == CPU
    with pytest.raises(SettingError, match="is not there"):
        torch_device("torch:nonsense")
    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="device 'cuda' is not there"):
            FSP(device="cuda").solve(Problem.of(exact.telegraph(), [1.0]))


def test_a_posterior_by_torch():
    """The face of it: `infer` with the setting, and the answer says so."""
    counts = np.random.default_rng(0).poisson(6.0, 40)
    data = kx.Observations.from_counts("X", 2.0, counts)
    prior = {"birth": kx.prior.log_uniform(0.5, 50)}
    found = [
        kx.infer(
            exact.birth_death(3.0, 0.2), data, prior=prior, likelihood=f, seed=1, steps=16, walkers=8, exact_draws=0
        )
        for f in (TORCH, FSP())
    ]
    assert found[0].certified
    assert found[0].likelihood["settings"]["device"] == "torch:cpu"
    assert found[0].mean() == pytest.approx(found[1].mean(), rel=1e-3)


def test_the_check_of_a_gpu_runs_on_any_machine(tmp_path):
    """Its JSON, and its verdict. Mutant: laws that differ are not seen."""
    assert (
        gpu_check.main(["--device", "cpu", "--quick", "--parts", "operator", "--output", str(tmp_path / "gpu.json")])
        == 0
    )
    found = json.loads((tmp_path / "gpu.json").read_text())["operator"]
    assert found["agrees"]
    assert found["device"].startswith("cpu")
    for case in found["cases"].values():
        assert case["apart"] < 1e-10
        assert case["device_per_second"] > 0
