"""Measurement models against closed forms: thinned Poisson and negative binomial laws, background, bins, saturation."""

import pickle

import numpy as np
import pytest
import scipy.stats

import kinetix as kx
from kinetix.distribution import Tabulated
from kinetix.errors import DataError, SettingError, TruncationError, UnsupportedFeature
from kinetix.inference.data.measurement import OPEN, Measurement
from kinetix.inference.data.readout import Readout
from kinetix.inference.likelihood import Likelihood
from kinetix.inference.observations import Observations
from kinetix.inference.readings.latent_boxes import rung
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA
from kinetix.space import StateSpace
from tests.exact import birth_death, network, telegraph
from tests.inference.readings.test_observables import LawByLaw, export, means
from tests.solvers.known_nets import exact, known_net

SOLVERS = pytest.mark.parametrize("solver", [FSP(), LawByLaw()], ids=lambda s: type(s).__name__)
ROWS = [0, 1, 3, 7]


def rows_of(measurement, counts=ROWS, solver=None, model=None, time=2.0, names=("birth",), values=((6.0,),), by="X"):
    data = Observations.from_counts(by, time, counts)
    f = Likelihood(solver or FSP(), Problem.of(model or birth_death(6.0, 1.0), 1.0), data, names, 0, measurement)
    return f.by_row(values)[0]


def mean(birth, t=2.0):
    return birth * (1 - np.exp(-t))


@SOLVERS
def test_a_thinned_poisson_law_is_poisson(solver):
    """Mutants: the capture applied to the counts; its complement taken; the box cut at the largest reading."""
    found = rows_of(Measurement(capture={"X": 0.3}), solver=solver, values=[[6.0], [60.0]])
    for birth, row in zip((6.0, 60.0), found, strict=True):
        assert row == pytest.approx(scipy.stats.poisson.logpmf(ROWS, 0.3 * mean(birth)), abs=1e-6)


@SOLVERS
def test_a_thinned_negative_binomial_law_is_negative_binomial(solver):
    """Immigration and autocatalysis (Kendall 1948): r = k/a, and a thinned one has the mean scaled."""
    model = network(
        {"X": 0},
        {"k": 2.0, "a": 0.8, "d": 1.0},
        [("in", {}, {"X": 1}, "k"), ("copy", {"X": 1}, {"X": 2}, "a"), ("out", {"X": 1}, {}, "d")],
    )
    found = rows_of(Measurement(capture={"X": 0.4}), solver=solver, model=model, names=("k",), values=[[2.0]])
    growth = np.exp(-0.2 * 2.0)
    beta = 0.8 * (growth - 1) / (0.8 * growth - 1.0)
    thin = 0.4 * beta / (1 - beta + 0.4 * beta)
    assert found[0] == pytest.approx(scipy.stats.nbinom.logpmf(ROWS, 2.0 / 0.8, 1 - thin), abs=1e-6)


@SOLVERS
def test_background_adds_poisson_counts(solver):
    found = rows_of(Measurement(background={"X": 1.5}), solver=solver)
    assert found[0] == pytest.approx(scipy.stats.poisson.logpmf(ROWS, mean(6.0) + 1.5), abs=1e-6)
    both = rows_of(Measurement(capture={"X": 0.3}, background={"X": 1.5}), solver=solver)
    assert both[0] == pytest.approx(scipy.stats.poisson.logpmf(ROWS, 0.3 * mean(6.0) + 1.5), abs=1e-6)


@SOLVERS
def test_numbers_of_the_measurement_are_parameters_like_others(solver):
    """One value a vector. Mutant: those of the first vector used for all."""
    values = np.array([[6.0, 0.3, 0.0], [6.0, 0.9, 2.0], [9.0, 1.0, 0.5]])
    measurement = Measurement(capture={"X": "seen"}, background={"X": "spots"})
    found = rows_of(measurement, solver=solver, names=("birth", "seen", "spots"), values=values)
    for (birth, seen, spots), row in zip(values, found, strict=True):
        assert row == pytest.approx(scipy.stats.poisson.logpmf(ROWS, seen * mean(birth) + spots), abs=1e-6)


def test_numbers_that_no_measurement_has_are_impossible():
    data = Observations.from_counts("X", 2.0, ROWS)
    measurement = Measurement(capture={"X": "seen"}, background={"X": "spots"})
    f = Likelihood(FSP(), Problem.of(birth_death(6.0, 1.0), 1.0), data, ("seen", "spots"), 0, measurement)
    assert np.isneginf(f([[1.1, 1.0], [-0.1, 1.0], [0.5, -1.0], [0.5, np.nan], [0.5, 1.0]])).tolist() == [True] * 4 + [
        False
    ]


@SOLVERS
def test_bins_and_saturation_are_sums_of_the_law(solver):
    """The last bin is open. Mutants: an end left out; the open bin closed."""
    law = scipy.stats.poisson(mean(6.0))
    found = rows_of(Measurement(bins={"X": [0, 2, 5]}), [0, 1, 2, 4, 5, 400], solver=solver)
    low, middle, high = law.cdf(1), law.cdf(4) - law.cdf(1), law.sf(4)
    assert np.exp(found[0]) == pytest.approx([low, low, middle, middle, high, high], abs=1e-8)
    found = rows_of(Measurement(saturation={"X": 5}), [0, 4, 5, 9], solver=solver)
    assert np.exp(found[0]) == pytest.approx([law.pmf(0), law.pmf(4), law.sf(4), law.sf(4)], abs=1e-8)
    whole = Measurement(capture={"X": 0.5}, background={"X": 1.0}, saturation={"X": 5})
    law = scipy.stats.poisson(0.5 * mean(6.0) + 1.0)
    assert np.exp(rows_of(whole, [4, 5], solver=solver)[0]) == pytest.approx([law.pmf(4), law.sf(4)], abs=1e-8)


@SOLVERS
def test_two_observables_each_by_its_own_matrix_beside_one_that_is_exact(solver):
    """Brute force over the joint law. Mutants: the matrices exchanged; the exact one thinned too."""
    problem = Problem.of(telegraph(), 2.0)
    law = FSP().solve(problem).laws[0]
    data = Observations.from_counts(("M", "Gu"), 2.0, [[0, 0], [3, 1], [5, 0]])
    f = Likelihood(solver, problem, data, ("kon",), 0, Measurement(capture={"M": 0.2}))
    m = np.arange(200)
    p = [np.exp(law.log_prob(np.column_stack([np.full(200, g), m]))) for g in (0, 1)]
    expected = [p[g] @ scipy.stats.binom.pmf(y, m, 0.2) for y, g in ((0, 0), (3, 1), (5, 0))]
    assert f.by_row([[0.5]])[0][0] == pytest.approx(np.log(expected), abs=1e-6)


@SOLVERS
def test_a_measured_sum_beside_a_part_counted_exactly(solver):
    """Independent Poisson parts: the rest of the total is thinned too. Mutant: the parts thinned apart."""
    data = Observations.from_counts({"total": ("N", "C"), "n": "N"}, 2.0, [[2, 3], [5, 4]])
    measurement = Measurement(capture={"total": 0.5})
    f = Likelihood(solver, Problem.of(export(), 1.0), data, ("make",), 0, measurement)
    nuclear, outside = means(4.0, 0.7, 1.0, 2.0)
    c = np.arange(80)
    expected = [
        scipy.stats.poisson.pmf(n, nuclear)
        * (scipy.stats.poisson.pmf(c, outside) @ scipy.stats.binom.pmf(y, n + c, 0.5))
        for y, n in ((2, 3), (5, 4))
    ]
    assert f.by_row([[4.0]])[0][0] == pytest.approx(np.log(expected), abs=1e-6)


def test_at_time_zero_the_start_is_measured():
    data = Observations.from_counts("X", 0.0, [0, 2, 5])
    model = birth_death(6.0, 1.0, start=5)
    f = Likelihood(FSP(), Problem.of(model, 1.0), data, ("seen",), 0, Measurement(capture={"X": "seen"}))
    for seen, row in zip((0.3, 0.8), f.by_row([[0.3], [0.8]])[0], strict=True):
        assert row == pytest.approx(scipy.stats.binom.logpmf([0, 2, 5], 5, seen))
    beyond = Observations.from_counts("X", 0.0, [6])
    with pytest.raises(DataError, match="time 0 contradict the start"):
        Likelihood(FSP(), Problem.of(model, 1.0), beyond, ("birth",), 0, Measurement(capture={"X": 0.5}))


def test_the_law_after_infinite_time_is_measured_too():
    found = rows_of(Measurement(capture={"X": 0.3}), time=np.inf)
    assert found[0] == pytest.approx(scipy.stats.poisson.logpmf(ROWS, 0.3 * 6.0), abs=1e-6)


def test_laws_that_move_are_measured_and_summed():
    """Production until time 1, and two kinds of molecules counted together by a camera that sees a third."""
    model = kx.parse("species X = 0, Y = 0\nmake: -> X; k * piecewise(1, time < 1, 0)\nturn: X -> Y; X\nk = 9\n")
    data = Observations.from_counts({"all": ("X", "Y")}, [0.5, 3.0, 3.0], [1, 2, 4])
    f = Likelihood(FSP(), Problem.of(model, 1.0), data, ("k",), 0, Measurement(capture={"all": 0.3}))
    for k, early, late in zip((9.0, 4.0), *f.by_row([[9.0], [4.0]]), strict=True):
        assert early == pytest.approx(scipy.stats.poisson.logpmf([1], 0.3 * 0.5 * k), abs=1e-6)
        assert late == pytest.approx(scipy.stats.poisson.logpmf([2, 4], 0.3 * k), abs=1e-6)
    exactly = Likelihood(FSP(), f.problem, data, ("k",)).by_row([[9.0]])
    assert exactly[1][0] == pytest.approx(scipy.stats.poisson.logpmf([2, 4], 9.0), abs=1e-6)


def test_a_law_far_above_its_readings_is_held_whole():
    """Few molecules seen of many: the box grows until it holds the law. Mutant: the first box taken for all."""
    found = rows_of(Measurement(capture={"X": 0.01}), values=[[500.0], [6.0]])
    assert found[0] == pytest.approx(scipy.stats.poisson.logpmf(ROWS, 0.01 * mean(500.0)), abs=1e-6)
    assert found[1] == pytest.approx(rows_of(Measurement(capture={"X": 0.01}))[0], abs=1e-12)  # on its own


def test_readings_far_above_the_law_widen_the_window():
    """No reading is cut off: 60 counts where the law has 5 are improbable, not impossible."""
    found = rows_of(Measurement(capture={"X": 0.5}), [60])
    assert np.isfinite(found).all()
    with pytest.raises(TruncationError):
        rows_of(Measurement(capture={"X": 0.5}), [3], solver=FSP(caps={"X": 8}))


def test_trajectories_are_measured_by_their_histogram():
    solver = SSA(paths=4000)
    found = rows_of(Measurement(capture={"X": 0.3}), solver=solver)
    p = scipy.stats.poisson.pmf(ROWS, 0.3 * mean(6.0))
    assert (np.abs(np.exp(found[0]) - p) < 5 * np.sqrt(p / 4000)).all()


def test_a_net_is_measured_on_its_window():
    """Exact laws in a net's dress, two species, one thinned with an inferred probability."""
    net = known_net(("X", "Y"), cap=40)
    problem = Problem.of(net.network, 1.0, initial={"X": 3, "Y": 5})
    data = Observations.from_counts(("Y", "X"), 0.7, [[2, 1], [4, 6]])
    measurement = Measurement(capture={"Y": "seen"}, background={"X": 0.5})
    f = Likelihood(net, problem, data, ("birth", "seen"), 0, measurement)
    n, noise = np.arange(41), scipy.stats.poisson.pmf
    for (birth, seen), row in zip(((2.0, 0.3), (3.5, 0.9)), f.by_row([[2.0, 0.3], [3.5, 0.9]])[0], strict=True):
        laws = exact(n, 3, birth, 0.5, 0.7), exact(n, 5, birth, 0.5, 0.7)
        expected = [
            (laws[1] @ scipy.stats.binom.pmf(y, n, seen)) * sum(laws[0][x - k] * noise(k, 0.5) for k in range(x + 1))
            for y, x in ((2, 1), (4, 6))
        ]
        assert row == pytest.approx(np.log(expected), abs=1e-6)
    beyond = Observations.from_counts(("Y", "X"), 0.7, [[41, 6]])
    with pytest.raises(DataError, match="41 of 'Y' is outside the net's window, which ends at 40"):
        Likelihood(net, problem, beyond, ("birth",), 0, Measurement(capture={"Y": 0.3}))
    wide = known_net(("X", "Y"), cap=2000)
    with pytest.raises(UnsupportedFeature, match=r"needs the whole law of what is observed, and 4e.06 states"):
        Likelihood(wide, Problem.of(wide.network, 1.0), data, ("birth",), 0, Measurement(capture={"Y": 0.3}))


# the matrix ----------------------------------------------------------------------------------------

INTERVALS = np.array([[0, 0], [3, 3], [2, 6], [7, OPEN], [1, OPEN]])


@pytest.mark.parametrize("capture", [None, 0.0, 0.35, 1.0])
@pytest.mark.parametrize("background", [None, 0.0, 2.5, 40.0])
def test_the_matrix_against_sums_of_its_definition(capture, background):
    """Also in the tails, relative. Mutant: the last row of the background closed."""
    counts = np.array([0, 1, 5, 60])
    found = Readout(counts, INTERVALS).matrix(capture, background)
    read = np.arange(400)
    for x, row in zip(counts, found, strict=True):
        seen = scipy.stats.binom.pmf(np.arange(x + 1), x, 1.0 if capture is None else capture)
        law = np.convolve(seen, scipy.stats.poisson.pmf(read, background or 0.0))[:400]
        expected = [law[low : min(high, 399) + 1].sum() for low, high in INTERVALS]
        assert row == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_derivatives_of_the_matrix_are_those_of_differences():
    counts, step = np.array([0, 1, 5, 60]), 1e-6
    readout = Readout(counts, INTERVALS)
    for capture, background in ((0.35, None), (0.35, 2.5), (0.9, 0.1)):
        rise = readout.matrix(capture + step, background) - readout.matrix(capture - step, background)
        assert readout.by_capture(capture, background) == pytest.approx(rise / (2 * step), abs=1e-7)
    for capture in (None, 0.35):
        rise = readout.matrix(capture, 2.5 + step) - readout.matrix(capture, 2.5 - step)
        assert readout.by_background(capture, 2.5) == pytest.approx(rise / (2 * step), abs=1e-7)


def test_caps_stand_on_a_ladder():
    assert rung(np.array([0, 1, 2, 7, 100])).tolist() == [1, 1, 2, 8, 130]
    assert (rung(rung(np.arange(300))) == rung(np.arange(300))).all()


# refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"capture": {"M": 0.0}}, "capture of 'M' is 0.0; give a probability above 0"),
        ({"capture": {"M": 1.5}}, "capture of 'M' is 1.5"),
        ({"capture": {"M": " "}}, "capture of 'M'"),
        ({"capture": 0.5}, "not given by observable"),
        ({"background": {"M": -1}}, "background of 'M' is -1; give a mean"),
        ({"background": {"M": np.inf}}, "background of 'M'"),
        ({"bins": {"M": [1, 2]}}, "bins of 'M' .* rising whole numbers from 0"),
        ({"bins": {"M": [0, 2, 2]}}, "bins of 'M'"),
        ({"bins": {"M": [0]}}, "bins of 'M'"),
        ({"bins": {"M": "012"}}, "bins of 'M'"),
        ({"bins": {"M": [0, 2]}, "saturation": {"M": 3}}, "not both"),
        ({"saturation": {"M": 0.5}}, "saturation of 'M'"),
    ],
)
def test_impossible_measurements_are_refused_by_name(given, words):
    with pytest.raises(SettingError, match=words):
        Measurement(**given)


def test_names_of_measurements_are_checked():
    with pytest.raises(SettingError, match="unknown observable in the measurement 'x'; there are: X"):
        rows_of(Measurement(capture={"x": 0.5}))
    with pytest.raises(SettingError, match="'seen' of the measurement has no prior"):
        rows_of(Measurement(capture={"X": "seen"}))
    with pytest.raises(SettingError, match="did you mean 'seen'"):
        rows_of(Measurement(capture={"X": "seen"}), names=("seem",))


def test_measurements_are_plain_values():
    given = Measurement(capture={"M": 0.5, "P": "q"}, bins={"M": np.array([0, 3])})
    assert given.parameters == ("q",)
    assert Measurement(**given.as_dict()).as_dict() == {"capture": {"M": 0.5, "P": "q"}, "bins": {"M": [0, 3]}}
    assert pickle.loads(pickle.dumps(given)).as_dict() == given.as_dict()
    assert given.filled({"q": 0.25, "other": 1.0}).capture == {"M": 0.5, "P": 0.25}
    assert given.as_read("M", np.array([2, 3, 50])).tolist() == [0, 3, 3]


def test_laws_that_lose_mass_are_weighed_without_making_it_up():
    """A table of half the mass gives half the probabilities: nothing is renormalised."""
    half = Tabulated(StateSpace.box([1]), np.array([0.25, 0.25]))
    data = Observations.from_counts("X", 2.0, [0, 1])
    measurement = Measurement(capture={"X": 0.5})
    f = Likelihood(FSP(), Problem.of(birth_death(), 1.0), data, ("birth",), 0, measurement)
    assert np.exp(f.reading.of_law(0, half, {})) == pytest.approx([0.375, 0.125])
