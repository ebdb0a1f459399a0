"""Every solver of the catalogue against its own promise: a new entry is tested with no new test."""

import dataclasses
import json

import numpy as np
import pytest

from kinetix.compiler import compile_network
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.problem import Problem
from kinetix.solver import Solver
from kinetix.solvers.catalogue import CATALOGUE, Flagged, OfMoments, Statistical, Within, solver
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA
from tests import exact

NETWORKS = {
    "birth_death": (lambda: exact.birth_death(2.0, 0.5, 3), (25,), 1.3),
    "dimerisation": (exact.dimerisation, (5, 2), 2.0),
    "telegraph": (lambda: exact.telegraph(0.5, 1.0, 5.0), (1, 30), 2.0),
    "random": (lambda: exact.random_network(3), (18, 18), 1.0),
}
FIRST_ORDER = ("birth_death", "telegraph")
EVERY = pytest.mark.parametrize("name", CATALOGUE)


@EVERY
@pytest.mark.parametrize("case", NETWORKS)
def test_promise(name, case):
    build, upper, t = NETWORKS[case]
    entry = CATALOGUE[name]
    if isinstance(entry.promise, OfMoments) and case not in FIRST_ORDER:
        return  # it promises nothing here
    model = compile_network(build())
    law = exact.dense_law(model, upper, t)
    states, p = np.array(list(law)), np.array(list(law.values()))
    problem = Problem.of(model, [0.0, t])
    if isinstance(entry.promise, Statistical):
        solution = dataclasses.replace(entry.solver, paths=20_000).solve(problem, rng=np.random.default_rng(8))
        mean, second = p @ states, p @ states**2
        draws = solution.trajectories[:, 1]
        assert exact.worst_z(draws, mean, np.sqrt(second - mean**2)) < 5
        for axis in range(len(mean)):
            pmf = np.bincount(states[:, axis], p)
            assert exact.pooled_chi_squared(draws[:, axis], pmf) > 1e-4
    elif isinstance(entry.promise, OfMoments):
        solution = entry.solver.solve(problem, rng=np.random.default_rng(8))
        assert np.isfinite(solution.covariance()).all() == entry.promise.spread
        assert solution.error is None
        mean = p @ states / p.sum()
        spread = np.einsum("n,ni,nj", p, states - mean, states - mean) / p.sum()
        np.testing.assert_allclose(solution.mean()[1], mean, rtol=entry.promise.relative)
        if entry.promise.spread:
            np.testing.assert_allclose(solution.covariance()[1], spread, rtol=entry.promise.relative)
    elif isinstance(entry.promise, Flagged):
        solution = entry.solver.solve(problem, rng=np.random.default_rng(8))
        assert solution.error is None
        overlap = np.sqrt(p * np.exp(solution.log_prob(states, t))).sum()
        flag = solution.meta["trust"][0]["flag"]
        assert flag in {"good", "fair", "poor"}
        most = entry.promise.distance if flag == "good" else 0.3
        assert np.sqrt(max(0.0, 1 - overlap)) <= most
    else:
        assert isinstance(entry.promise, Within)
        solution = entry.solver.solve(problem, rng=np.random.default_rng(8))
        stated = np.exp(solution.log_prob(states, t))
        assert np.abs(p - stated).sum() / 2 <= entry.promise.variation
        assert solution.error is not None
        assert solution.error <= entry.promise.variation
    assert (solution.mean()[0] == model.initial).all()
    assert solution.times.tolist() == [0.0, t]


@EVERY
def test_a_network_can_be_checked_for_it(name):
    """Mutant seen to fail: a name missing in `constructs.RUNS`, which cannot ask the catalogue (it is a wing)."""
    assert exact.birth_death(1.0, 1.0, 0).check(solver=name).codes == ("KX111",)


@EVERY
def test_same_seed_same_answer_and_renamed_species_change_nothing(name):
    entry = CATALOGUE[name]
    plain = exact.network(
        {"A": 4, "B": 0}, {"k": 1.0, "u": 0.4}, [("f", {"A": 1}, {"B": 1}, "k"), ("b", {"B": 1}, {"A": 1}, "u")]
    )
    odd = exact.network(
        {"lambda": 4, "S": 0},
        {"time": 1.0, "e": 0.4},
        [("I", {"lambda": 1}, {"S": 1}, "time"), ("pi", {"S": 1}, {"lambda": 1}, "e")],
    )
    one, two = (entry.solver.solve(Problem.of(n, [0.7]), rng=np.random.default_rng(5)) for n in (plain, odd))
    assert np.array_equal(one.mean(), two.mean())
    again = entry.solver.solve(Problem.of(plain, [0.7]), rng=np.random.default_rng(5))
    assert np.array_equal(one.covariance(), again.covariance(), equal_nan=True)


@EVERY
def test_permuted_species_permute_the_law(name):
    entry = CATALOGUE[name]
    forward = exact.network(
        {"A": 4, "B": 1}, {"k": 1.0}, [("f", {"A": 1}, {"B": 2}, "k"), ("b", {"B": 2}, {"A": 1}, "k")]
    )
    backward = exact.network(
        {"B": 1, "A": 4}, {"k": 1.0}, [("f", {"A": 1}, {"B": 2}, "k"), ("b", {"B": 2}, {"A": 1}, "k")]
    )
    one, two = (entry.solver.solve(Problem.of(n, [0.5]), rng=np.random.default_rng(2)) for n in (forward, backward))
    assert np.allclose(one.mean(), two.mean()[:, ::-1], atol=1e-9)


@EVERY
def test_conservation_laws_hold_on_every_state_that_can_be(name):
    network = exact.network(
        {"E": 3, "X": 5, "C": 0, "Y": 0},
        {"f": 1.0, "b": 0.5, "c": 0.8},
        [
            ("bind", {"E": 1, "X": 1}, {"C": 1}, "f"),
            ("part", {"C": 1}, {"E": 1, "X": 1}, "b"),
            ("turn", {"C": 1}, {"E": 1, "Y": 1}, "c"),
        ],
    )
    solution = CATALOGUE[name].solver.solve(Problem.of(network, [0.4, 1.5]), rng=np.random.default_rng(1))
    laws = network.conservation_laws()
    assert len(laws) == 2
    totals = laws @ [3, 5, 0, 0]
    for k, t in enumerate((0.4, 1.5)):
        if isinstance(CATALOGUE[name].promise, OfMoments):
            np.testing.assert_allclose(solution.mean()[k] @ laws.T, totals, rtol=1e-9)
            with pytest.raises(UnsupportedFeature, match="no probabilities"):
                solution.sample(500, t)
            continue
        assert (solution.sample(500, t, seed=1) @ laws.T == totals).all()


@EVERY
def test_provenance_is_complete_and_plain(name):
    solution = CATALOGUE[name].solver.solve(Problem.of(exact.dimerisation(), [1.0]), rng=np.random.default_rng(1))
    meta = json.loads(json.dumps(dict(solution.meta)))
    assert {"solver", "settings", "fingerprint", "versions", "cpu_seconds", "findings"} <= set(meta)


@EVERY
def test_entries_are_solvers_with_words(name):
    entry = CATALOGUE[name]
    assert isinstance(entry.solver, Solver)
    assert dataclasses.is_dataclass(entry.solver)
    assert entry.when
    assert entry.when_not
    assert str(entry.promise)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(entry.solver, dataclasses.fields(entry.solver)[0].name, 1)


def test_solver_by_name():
    assert solver("ssa", paths=7) == SSA(paths=7)
    assert solver("fsp", leak=1e-6) == FSP(leak=1e-6)
    with pytest.raises(SettingError, match="unknown solver 'fps'; did you mean 'fsp'"):
        solver("fps")
    with pytest.raises(SettingError, match="ssa: unknown setting 'path'; did you mean 'paths'"):
        solver("ssa", path=3)
