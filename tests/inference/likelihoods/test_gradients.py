"""Gradients of likelihoods against central differences and closed forms, for every way in which data are read."""

import numpy as np
import pytest
import scipy.stats
import sympy

from kinetix.errors import UnsupportedFeature
from kinetix.inference import priors
from kinetix.inference.courses.courses import CourseLikelihood
from kinetix.inference.data.measurement import Measurement
from kinetix.inference.likelihood import Likelihood
from kinetix.inference.observations import Observations
from kinetix.inference.question import Question
from kinetix.problem import Problem
from kinetix.solver import GradientSolver
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA
from tests.exact import birth_death, telegraph
from tests.inference.courses.test_courses import courses
from tests.inference.readings.test_observables import LawByLaw, export
from tests.solvers.known_nets import known_net

A, B = sympy.symbols("a b")
SNAPSHOTS = Observations.from_counts("X", [0.5, 0.5, 2.0, 2.0, 2.0], [1, 4, 6, 2, 2])


def differences(f, values, step=1e-4):
    """Central differences of the log-likelihood, of fourth order, in steps relative to the values."""
    values = np.asarray(values, dtype=float)
    result = np.empty(values.shape)
    for i in range(values.shape[1]):
        h = step * values[:, [i]] * (np.arange(values.shape[1]) == i)
        rise = 8 * (f(values + h) - f(values - h)) - (f(values + 2 * h) - f(values - 2 * h))
        result[:, i] = rise / (12 * step * values[:, i])
    return result


def check(f, values, tolerance=1e-5):
    logs, slopes = f.gradient(values)
    assert logs == pytest.approx(f(values), abs=1e-7)
    assert slopes == pytest.approx(differences(f, values), rel=tolerance, abs=tolerance)


def test_the_gradient_of_poisson_cells_in_closed_form():
    """Repeated rows count as often as they are seen. Mutants: repeats left out; columns in the model's order."""
    assert isinstance(FSP(), GradientSolver)
    f = Likelihood(FSP(), Problem.of(birth_death(), 1.0), SNAPSHOTS, ("death", "birth"))
    values = np.array([[1.0, 3.0], [0.5, 6.0]])
    logs, slopes = f.gradient(values)
    for (death, birth), log_p, slope in zip(values, logs, slopes, strict=True):
        expected, rise = 0.0, np.zeros(2)
        for t, rows in ((0.5, np.array([1, 4])), (2.0, np.array([6, 2, 2]))):
            left = np.exp(-death * t)
            mean = birth / death * (1 - left)
            by = np.array([birth * (left * t / death - (1 - left) / death**2), mean / birth])
            expected += scipy.stats.poisson.logpmf(rows, mean).sum()
            rise += by * (rows / mean - 1).sum()
        assert log_p == pytest.approx(expected, abs=1e-6)
        assert slope == pytest.approx(rise, abs=1e-5)
    check(f, values)


def test_sums_and_hidden_species():
    data = Observations.from_counts({"total": ("N", "C")}, [0.5, 0.5, 2.0, 2.0], [0, 3, 2, 9])
    check(Likelihood(FSP(), Problem.of(export(), 1.0), data, ("make", "move")), [[4.0, 0.7], [6.0, 0.3]])
    hidden = Observations.from_counts("M", 2.0, [0, 3, 10, 10])
    check(Likelihood(FSP(), Problem.of(telegraph(), 1.0), hidden, ("kon", "ksyn")), [[0.5, 20.0], [1.0, 8.0]])


def test_measurements_and_their_own_numbers():
    """Mutants: the matrices' derivatives exchanged; the law's derivative not measured."""
    measurement = Measurement(capture={"X": "seen"}, background={"X": "spots"})
    f = Likelihood(FSP(), Problem.of(birth_death(), 1.0), SNAPSHOTS, ("seen", "birth", "spots"), 0, measurement)
    check(f, [[0.4, 6.0, 0.5], [0.9, 3.0, 1.5]])
    data = Observations.from_counts(("M", "Gu"), 2.0, [[0, 0], [3, 1], [5, 0]])
    both = Measurement(capture={"M": "seen"}, saturation={"M": 5})
    check(Likelihood(FSP(), Problem.of(telegraph(ksyn=8.0), 1.0), data, ("kon", "seen"), 0, both), [[0.5, 0.3]])
    same = Measurement(capture={"X": "q"}, background={"X": "q"})  # one number in two places
    check(Likelihood(FSP(), Problem.of(birth_death(6.0, 1.0), 1.0), SNAPSHOTS, ("q",), 0, same), [[0.4], [0.8]])


def test_rows_at_time_zero_tell_of_the_measurement():
    data = Observations.from_counts("X", [0.0, 0.0, 1.0], [2, 1, 3])
    f = Likelihood(
        FSP(), Problem.of(birth_death(3.0, 1.0, start=5), 1.0), data, ("birth", "seen"), 0, Measurement({"X": "seen"})
    )
    check(f, [[3.0, 0.4], [5.0, 0.7]])


def test_expressions_by_the_chain_rule():
    """Also of the measurement. Mutant: the inner derivative left out."""
    derived = {"birth": A**2 / B, "death": sympy.exp(-B), "seen": 1 / (1 + A)}
    f = Likelihood(FSP(), Problem.of(birth_death(), 1.0), SNAPSHOTS, ("a", "b"), 0, Measurement({"X": "seen"}), derived)
    check(f, [[2.0, 0.7], [3.0, 0.4]])


def test_a_net_is_differentiated_in_its_prompt():
    net = known_net(("X", "Y"), cap=40)
    problem = Problem.of(net.network, 1.0, initial={"X": 3, "Y": 5})
    data = Observations.from_counts({"both": ("X", "Y")}, [0.7, 0.7, 3.0], [2, 9, 12])
    check(Likelihood(net, problem, data, ("birth", "death")), [[2.0, 0.5], [3.0, 0.8]], tolerance=1e-4)
    measured = Measurement(capture={"both": 0.5})
    check(Likelihood(net, problem, data, ("death", "birth"), 0, measured), [[0.5, 2.0]], tolerance=1e-4)


def test_every_group_moves_its_own():
    prior = {"birth": priors.uniform(0, 10), "death": priors.uniform(0.1, 2)}
    data = Observations.from_counts("X", [0.5, 0.5, 2, 2, 2], [1, 4, 6, 2, 2], groups=list("abbaa"))
    f = Question.of(birth_death(), data, prior, per_group=["birth"]).likelihood(FSP())
    check(f, [[3.0, 6.0, 1.0], [6.0, 3.0, 0.5]])


def test_where_nothing_is_possible_there_is_no_gradient():
    f = Likelihood(known_net(), Problem.of(known_net().network, 1.0), SNAPSHOTS, ("birth",))
    logs, slopes = f.gradient([[2.0], [9.0]])
    assert np.isfinite(logs).tolist() == np.isfinite(slopes[:, 0]).tolist() == [True, False]
    problem = Problem.of(birth_death(1.0, 1.0, start=2), 1.0)
    g = Likelihood(FSP(), problem, Observations.from_counts("X", 1.0, [1, 3]), ("birth",))
    assert np.isneginf(g.gradient([[0.0], [1.0]])[0]).tolist() == [True, False]
    assert np.isnan(g.gradient([[0.0], [1.0]])[1][:, 0]).tolist() == [True, False]


def test_what_has_no_derivative_is_refused_by_name():
    problem = Problem.of(birth_death(), 1.0)
    for solver in (SSA(), LawByLaw()):
        with pytest.raises(UnsupportedFeature, match=f"{type(solver).__name__} knows no derivatives"):
            Likelihood(solver, problem, SNAPSHOTS, ("birth",)).gradient([[1.0]])
    with pytest.raises(UnsupportedFeature, match="'X' is an initial count"):
        Likelihood(FSP(), problem, SNAPSHOTS, ("X", "birth")).gradient([[3.0, 1.0]])
    with pytest.raises(UnsupportedFeature, match="the chained laws of LawByLaw have no derivatives"):
        CourseLikelihood(LawByLaw(), problem, courses(), ("birth",)).gradient([[1.0]])
    with pytest.raises(UnsupportedFeature, match="'X' is an initial count"):
        CourseLikelihood(FSP(), problem, courses(), ("X",)).gradient([[1.0]])


def test_time_courses_by_tangents_of_the_filter():
    """Hidden gene, short and long steps, a measured sum and its number. Mutants: the tangents of the gene dropped at
    a row; the rates' own part left out; the rows' normalisation not differentiated."""
    problem = Problem.of(telegraph(ksyn=5.0), 1.0)
    check(CourseLikelihood(FSP(), problem, courses(species="M"), ("koff", "kon", "ksyn")), [[1.0, 0.5, 5.0]])
    check(CourseLikelihood(FSP(), problem, courses(species="M"), ("b",), 0, None, {"kon": B**2}), [[0.7], [1.0]])
    measured = CourseLikelihood(
        FSP(), Problem.of(birth_death(4.0, 0.5, start=2), 1.0), courses(), ("birth", "seen", "spots"), 0,
        Measurement(capture={"X": "seen"}, background={"X": "spots"}),
    )  # fmt: skip
    check(measured, [[4.0, 0.6, 0.3], [7.0, 0.9, 1.0]])
    many = courses([(str(c), 2.0 * j, (3 + c * j) % 7) for c in range(6) for j in range(1, 30)])  # by powers
    check(CourseLikelihood(FSP(), measured.problem, many, ("birth", "death")), [[2.0, 0.5]], tolerance=1e-4)
