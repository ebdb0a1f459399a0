"""Likelihoods against closed forms; refusals before anything is sampled."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats

from kinetix.distribution import Tabulated
from kinetix.errors import DataError, RunError, SettingError
from kinetix.inference import priors
from kinetix.inference.likelihood import Likelihood
from kinetix.inference.observations import Observations
from kinetix.problem import Problem
from kinetix.solution import Solution
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA
from kinetix.space import StateSpace
from tests.exact import autoregulation, birth_death, birth_death_pmf


@dataclass(frozen=True)
class PoissonSolver:
    """Birth and death from 0 in closed form, one law at a time."""

    def solve(self, problem, *, rng):
        birth, death = problem.theta
        laws = [
            Tabulated(StateSpace.box([200]), birth_death_pmf(birth, death, 0, t, 201) if t else np.eye(201)[0])
            for t in problem.times
        ]
        return Solution.of(problem, laws)


@dataclass(frozen=True)
class PoissonNet(PoissonSolver):
    """The same for many parameter vectors, with the box and times of a net."""

    box = {"birth": (0.1, 10.0), "death": (0.1, 2.0)}  # noqa: RUF012
    times = (0.0, 5.0)
    answer: float | None = None

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        mean = [thetas[:, 0] / thetas[:, 1] * (1 - np.exp(-thetas[:, 1] * t)) for t in problem.times]
        if self.answer is not None:
            return [np.full((len(thetas), len(c)), self.answer) for c in counts]
        return [scipy.stats.poisson.logpmf(c[:, 0], m[:, None]) for c, m in zip(counts, mean, strict=True)]


def cells(times=(0.5, 2.0)):
    rng = np.random.default_rng(1)
    counts = np.concatenate([rng.poisson(3 * t, 40) for t in times])
    return Observations.from_counts("X", np.repeat(times, 40), counts)


def by_hand(data, birth, death):
    total = 0.0
    for k, t in enumerate(data.times):
        pmf = birth_death_pmf(birth, death, 0, t, 201)
        total += np.log(pmf[data.counts(k)[:, 0]]).sum()
    return total


THETAS = np.array([[3.0, 1.0], [5.0, 0.5]])


@pytest.mark.parametrize("solver", [PoissonSolver(), PoissonNet(), FSP()], ids=lambda s: type(s).__name__)
def test_every_cell_counts_once(solver):
    """Sum over cells, whatever the solver. Mutant: multiplicities left out."""
    data = cells()
    f = Likelihood(solver, Problem.of(birth_death(), 1.0), data, ("birth", "death"))
    assert f(THETAS) == pytest.approx([by_hand(data, *t) for t in THETAS], rel=1e-8)
    rows = f.by_row(THETAS)
    assert [r.shape for r in rows] == [(2, len(c)) for c, _ in data.rows]


def test_names_in_any_order_and_the_others_as_in_the_problem():
    data = cells()
    problem = Problem.of(birth_death(), 1.0, parameters={"death": 0.5})
    f = Likelihood(PoissonNet(), problem, data, ("birth",))
    assert f([[4.0]]) == pytest.approx([by_hand(data, 4.0, 0.5)])
    g = Likelihood(PoissonNet(), problem, data, ("death", "birth"))
    assert g([[0.7, 4.0]]) == pytest.approx([by_hand(data, 4.0, 0.7)])


def test_observed_species_in_another_order_the_rest_summed_out():
    network = autoregulation()
    problem = Problem.of(network, 2.0)
    theta = problem.theta[None, :2]
    law = FSP().solve(problem).laws[0]
    one = Likelihood(FSP(), problem, Observations.from_counts("P", 2.0, [7]), ("su", "sb"))(theta)
    assert one[0] == pytest.approx(law.marginal([1]).log_prob([7]), abs=1e-7)
    two = Likelihood(FSP(), problem, Observations.from_counts(("P", "Gu"), 2.0, [[7, 1]]), ("su", "sb"))(theta)
    assert two[0] == pytest.approx(law.log_prob([1, 7]), abs=1e-7)


def test_time_zero_is_the_start():
    later = cells()
    data = Observations.from_counts(
        "X",
        np.concatenate([[0.0, 0.0], np.repeat(later.times, 40)]),
        np.concatenate([[[0], [0]], later.counts(0), later.counts(1)]),
    )
    problem = Problem.of(birth_death(), 1.0)
    f = Likelihood(PoissonNet(), problem, data, ("birth", "death"))
    assert f(THETAS) == pytest.approx(Likelihood(PoissonNet(), problem, later, ("birth", "death"))(THETAS))
    assert [r.shape[0] for r in f.by_row(THETAS)] == [2, 2, 2]
    only = Observations.from_counts("X", 0.0, [0, 0])
    assert Likelihood(PoissonNet(), problem, only, ("birth",))([[3.0]]) == [0.0]
    with pytest.raises(DataError, match="time 0 contradict the start"):
        Likelihood(PoissonNet(), problem, Observations.from_counts("X", 0.0, [0, 3]), ("birth",))


def test_box_edges_reject():
    """Outside the box -inf, and the net is not asked there. Mutant: parameters clamped to the box."""
    f = Likelihood(PoissonNet(), Problem.of(birth_death(), 1.0), cells(), ("birth", "death"))
    assert f([[11.0, 1.0], [3.0, 1.0]])[0] == -np.inf
    assert np.isfinite(f([[11.0, 1.0], [3.0, 1.0]])[1])
    assert (f([[11.0, 1.0]]) == -np.inf).all()


def test_impossible_counts_are_minus_infinity():
    problem = Problem.of(birth_death(), 1.0, initial={"X": 2})
    data = Observations.from_counts("X", 1.0, [1, 3])
    f = Likelihood(FSP(), problem, data, ("birth", "death"))
    assert np.isneginf(f([[0.0, 1.0], [1.0, 1.0]])).tolist() == [True, False]


def test_likelihood_of_trajectories_is_a_function_of_the_parameters():
    f = Likelihood(SSA(paths=2000), Problem.of(birth_death(), 1.0), cells((0.5,)), ("birth", "death"), seed=3)
    assert f([[3.0, 1.0]]) == f([[3.0, 1.0]])


@pytest.mark.parametrize("answer", [np.nan, 0.5])
def test_a_solver_that_answers_nonsense_stops_the_run(answer):
    f = Likelihood(PoissonNet(answer), Problem.of(birth_death(), 1.0), cells(), ("birth", "death"))
    with pytest.raises(RunError, match=r"log-probability .* at birth = 3, death = 1"):
        f(THETAS)


def test_refusals_of_names_and_times():
    problem, names = Problem.of(birth_death(), 1.0), ("birth", "death")
    with pytest.raises(SettingError, match="did you mean 'birth'"):
        Likelihood(PoissonNet(), problem, cells(), ("brith",))
    with pytest.raises(DataError, match="'Y' is not a species"):
        Likelihood(PoissonNet(), problem, Observations.from_counts("Y", 1.0, [1]), names)
    with pytest.raises(DataError, match="stationary law, which PoissonNet does not know"):
        Likelihood(PoissonNet(), problem, Observations.from_counts("X", np.inf, [1]), names)
    with pytest.raises(SettingError, match=r"time 6 lie outside the net's training interval \[0, 5\]"):
        Likelihood(PoissonNet(), problem, cells((2.0, 6.0)), names)


@dataclass(frozen=True)
class LawByLaw:
    """FSP asked law by law."""

    stationary = True

    def solve(self, problem, *, rng):
        return FSP().solve(problem)


@pytest.mark.parametrize("solver", [FSP(), LawByLaw()], ids=lambda s: type(s).__name__)
def test_cells_of_the_stationary_law(solver):
    """Beside a start and a finite time, in one batch and law by law. Mutant: the rows of the last two times swapped."""
    data = Observations.from_counts("X", [0.0, 0.5, 0.5, np.inf, np.inf], [[0], [1], [4], [3], [9]])
    f = Likelihood(solver, Problem.of(birth_death(), 1.0), data, ("birth", "death"))
    expected = []
    for birth, death in THETAS:
        mean = birth / death
        early = scipy.stats.poisson.logpmf([1, 4], mean * (1 - np.exp(-0.5 * death))).sum()
        expected.append(early + scipy.stats.poisson.logpmf([3, 9], mean).sum())
    assert f(THETAS) == pytest.approx(expected, rel=1e-8)


def test_priors_wider_than_the_box_are_refused():
    """Bounded: any excess; unbounded: more than 1e-3 of the mass outside."""
    f = Likelihood(PoissonNet(), Problem.of(birth_death(), 1.0), cells(), ("birth", "death"))
    death = priors.uniform(0.1, 2.0)
    f.require_prior({"birth": priors.log_uniform(0.1, 10.0), "death": death})
    f.require_prior({"birth": priors.log_normal(0.0, 0.5), "death": death})
    with pytest.raises(SettingError, match=r"'birth' reaches over \[0.1, 11\], beyond .* \[0.1, 10\]"):
        f.require_prior({"birth": priors.uniform(0.1, 11.0), "death": death})
    with pytest.raises(SettingError, match=r"0\.021 of its mass outside"):
        f.require_prior({"birth": priors.log_normal(0.0, 1.0), "death": death})
    Likelihood(FSP(), f.problem, f.data, f.names).require_prior({"birth": priors.uniform(0, 1e6), "death": death})
    narrow = Likelihood(NarrowNet(), f.problem, f.data, f.names)
    with pytest.raises(SettingError, match="'death' has a prior, but the net was trained with one value"):
        narrow.require_prior({"birth": priors.uniform(1, 2), "death": death})


class NarrowNet(PoissonNet):
    box = {"birth": (0.1, 10.0)}  # noqa: RUF012
