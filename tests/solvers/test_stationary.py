"""Stationary laws by projection: against closed forms, and limits that depend on the start."""

import numpy as np
import pytest
import scipy.stats

import kinetix as kx
from kinetix.errors import SettingError, TruncationError
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from tests import exact


def distance(pmf, reference):
    size = max(len(pmf), len(reference))
    return np.abs(np.pad(pmf, (0, size - len(pmf))) - np.pad(reference, (0, size - len(reference)))).sum()


def test_birth_and_death_is_poisson():
    solution = kx.solve(exact.birth_death(20.0, 1.0), [1.0, np.inf], solver="fsp")
    assert distance(solution.marginal("X", np.inf), scipy.stats.poisson.pmf(np.arange(120), 20.0)) < 1e-8
    assert np.isclose(solution.mean("X")[0], 20 * (1 - np.exp(-1)), atol=1e-7)
    assert solution.error is None
    assert solution.meta["error_by_time"][1] is None
    assert solution.meta["error_by_time"][0] < 1e-8
    assert solution.meta["stationary"]["leak"] <= 1e-9
    assert solution.meta["stationary"]["residual"] < 1e-12


def test_telegraph_is_beta_poisson():
    pmf = FSP().solve(Problem.of(exact.telegraph(), [np.inf])).marginal("M", np.inf)
    assert distance(pmf, exact.beta_poisson_pmf(0.5, 1.0, 20.0, 120)) < 1e-8


def test_it_is_where_late_laws_go():
    """Schlögl's slow switching, and a window that starts far from the law."""
    for network, late in ((exact.autoregulation(), 60.0), (exact.gene_expression(), 20_000.0)):
        solution = FSP().solve(Problem.of(network, [late, np.inf]))
        a, b = (law.table() for law in solution.laws)
        shape = np.maximum(a.shape, b.shape)
        a, b = (np.pad(x, [(0, int(n) - m) for n, m in zip(shape, x.shape, strict=True)]) for x in (a, b))
        assert np.abs(a - b).sum() < 1e-7


def test_a_slow_switch_is_waited_for():
    """On and off at 1e-7 of the fast rate."""
    solution = FSP().solve(Problem.of(exact.telegraph(kon=2e-7, koff=1e-7, ksyn=10.0), [np.inf]))
    assert abs(solution.mean("Gu")[0] - 2 / 3) < 1e-6


def test_the_limit_depends_on_the_start_where_there_are_two():
    """X dies or doubles, both for good: from X = 1 the share that ends at 0 is 3/4, at 2 it is 1/4."""
    network = exact.network(
        {"X": 1, "Y": 0},
        {"d": 3.0, "u": 1.0},
        [("die", {"X": 1}, {}, "d"), ("turn", {"X": 1}, {"Y": 1}, "u")],
    )
    solution = FSP().solve(Problem.of(network, [np.inf]))
    assert np.allclose(solution.marginal("Y", np.inf), [0.75, 0.25], atol=1e-9)


def test_conserved_totals_are_kept():
    pmf = FSP().solve(Problem.of(exact.dimerisation(start=6), [np.inf])).joint(("A", "D"), np.inf)
    late = FSP().solve(Problem.of(exact.dimerisation(start=6), [200.0])).joint(("A", "D"), 200.0)
    assert np.allclose(pmf, late, atol=1e-9)


def test_what_has_no_limit_and_who_knows_none_is_refused():
    with pytest.raises(TruncationError, match="stationary law needs a window"):
        FSP(max_states=3_000).solve(Problem.of(exact.birth_death(1.0, 0.0), [np.inf]))
    for name in ("ssa", "mean-field"):
        with pytest.raises(SettingError, match="knows no law at time = inf; use fsp"):
            kx.solve(exact.birth_death(), [1.0, np.inf], solver=name)
    for times in ([np.inf, 1.0], [np.nan], [1.0, np.inf, np.inf]):
        with pytest.raises(SettingError, match="finite"):
            Problem.of(exact.birth_death(), times)
    with pytest.raises(SettingError, match="knows no law at time = inf"):
        Problem.of(exact.birth_death(), [np.inf]).require_finite("ssa")
    with pytest.raises(SettingError, match="knows no law at time = inf"):
        FSP().window(Problem.of(exact.birth_death(), [np.inf]), np.array([[0.1, 0.01]]))
