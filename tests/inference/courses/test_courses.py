"""Time courses against brute force on small spaces and closed forms: hidden genes, sums, measurements, nets."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

import kinetix as kx
from kinetix.errors import DataError, KinetixError, SettingError, TruncationError, UnsupportedFeature
from kinetix.inference.courses.courses import CourseLikelihood
from kinetix.inference.courses.histories import Histories
from kinetix.inference.courses.propagation import Propagation
from kinetix.inference.data.measurement import Measurement
from kinetix.inference.time_courses import TimeCourses
from kinetix.master import MasterOperator
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA
from kinetix.space import StateSpace
from tests.exact import birth_death, dimerisation, telegraph
from tests.inference.readings.test_observables import LawByLaw, export
from tests.solvers.known_nets import exact, known_net

ROWS = [
    ("a", 0.5, 3),
    ("a", 1.0, 2),
    ("a", 3.0, 9),
    ("b", 1.0, 2),
    ("b", 1.5, 2),
    ("c", 2.0, 7),
    ("d", 0.5, 3),
    ("d", 1.0, 4),
]


def courses(rows=ROWS, species="X"):
    cells, times, *counts = zip(*rows, strict=True)
    return TimeCourses.from_counts(species, cells, times, np.column_stack(counts))


def by_hand(data, start, law):
    """The sum over cells of the logs of law(count, count before, gap)."""
    result = []
    for times, counts in data.courses:
        total, before, now = 0.0, start, 0.0
        for t, (n,) in zip(times, counts, strict=True):
            total += np.log(law(int(n), before, t - now)) if t > now else 0.0
            before, now = int(n), t
        result.append(total)
    return np.array(result)


def brute_force(problem, theta, data, upper, emission):
    """The forward algorithm with dense matrix exponentials on a box: `emission(row)` [N] for each state."""
    space = StateSpace.box(upper)
    generator = MasterOperator.of(problem.model, theta, space).sparse().toarray()
    start = np.zeros(space.size)
    start[space.index(problem.initial.counts)] = 1.0
    result = []
    for times, counts in data.courses:
        law, total, now = start, 0.0, 0.0
        for t, row in zip(times, counts, strict=True):
            law = (scipy.linalg.expm(generator * (t - now)) @ law) * emission(space.states(), row)
            total, now = total + np.log(law.sum()), t
            law = law / law.sum()
        result.append(total)
    return np.array(result)


# against closed forms ------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [FSP(), LawByLaw()], ids=["filtered", "chained"])
def test_birth_and_death_step_by_step(solver):
    """Mutants: cells weighed as snapshots; the time since 0 taken for the gap; a branch's past given to another."""
    data = courses()
    f = CourseLikelihood(solver, Problem.of(birth_death(4.0, 0.5, start=2), 1.0), data, ("birth", "death"))
    thetas = np.array([[4.0, 0.5], [7.0, 1.0]])
    for (birth, death), row in zip(thetas, f.by_row(thetas)[0], strict=True):
        expected = by_hand(data, 2, lambda n, m, gap, b=birth, d=death: exact(n, m, b, d, gap))
        assert row == pytest.approx(expected, abs=1e-6)
    assert f(thetas) == pytest.approx(f.by_row(thetas)[0].sum(axis=1))


def test_a_net_is_chained_from_every_row():
    """The same by a net whose box holds every count as a start; what leaves its box or times is refused."""
    net, data = known_net(("X",)), courses()
    f = CourseLikelihood(net, Problem.of(net.network, 1.0, initial={"X": 2}), data, ("birth",))
    for birth, row in zip((2.0, 3.0), f.by_row([[2.0], [3.0]])[0], strict=True):
        assert row == pytest.approx(by_hand(data, 2, lambda n, m, gap, b=birth: exact(n, m, b, 0.5, gap)), abs=1e-5)
    assert f([[5.0]]) == [-np.inf]
    far = courses([("a", 0.5, 31), ("a", 1.0, 30)])
    with pytest.raises(SettingError, match=r"X = 31 is followed on, outside the net's starts \[0, 30\]"):
        CourseLikelihood(net, f.problem, far, ("birth",))
    with pytest.raises(SettingError, match=r"seen again after 6, outside the net's training interval \[0, 5\]"):
        CourseLikelihood(net, f.problem, courses([("a", 0.5, 3), ("a", 6.5, 3)]), ("birth",))


def test_rows_at_time_zero_condition_on_the_start():
    data = courses([("a", 0.0, 2), ("a", 1.0, 3)])
    f = CourseLikelihood(FSP(), Problem.of(birth_death(4.0, 0.5, start=2), 1.0), data, ("X",))
    assert f([[2.0]]) == pytest.approx([np.log(exact(3, 2, 4.0, 0.5, 1.0))], abs=1e-6)
    assert f([[4.0]]) == [-np.inf]
    late = CourseLikelihood(FSP(), f.problem, courses([("a", 1.0, 3)]), ("X",))
    assert late([[6.0]]) == pytest.approx([np.log(exact(3, 6, 4.0, 0.5, 1.0))], abs=1e-6)


def test_cells_seen_at_time_zero_alone_and_only_once():
    data = courses([("a", 0.0, 2), ("b", 0.0, 2)])
    for solver in (FSP(), LawByLaw()):
        f = CourseLikelihood(solver, Problem.of(birth_death(4.0, 0.5, start=2), 1.0), data, ("birth",))
        assert f([[3.0]]) == [0.0]
    once = courses([("a", 1e-7, 2), ("b", 2e-7, 3)])
    f = CourseLikelihood(FSP(), f.problem, once, ("birth",))
    expected = by_hand(once, 2, lambda n, m, gap: exact(n, m, 4.0, 0.5, gap))
    assert f.by_row([[4.0]])[0][0] == pytest.approx(expected, abs=1e-6)


# against brute force -------------------------------------------------------------------------------


def test_a_hidden_gene_is_carried_along():
    """The telegraph model with the RNA seen. Mutants: the gene forgotten at every row; not renormalised."""
    problem = Problem.of(telegraph(ksyn=5.0), 1.0)
    f = CourseLikelihood(FSP(), problem, courses(species="M"), ("kon", "koff"))
    for kon, koff in ((0.5, 1.0), (0.1, 0.2)):
        theta = np.array([kon, koff, 5.0, 1.0])
        expected = brute_force(problem, theta, f.data, (1, 40), lambda x, row: x[:, 1] == row[0])
        assert f.by_row([[kon, koff]])[0][0] == pytest.approx(expected, abs=1e-6)


def test_a_measured_sum_is_filtered():
    """Nuclear and cytoplasmic RNA together, half of it seen. Mutant: the measured count taken for the true one."""
    problem = Problem.of(export(make=2.0), 1.0)
    data = courses(species={"total": ("N", "C")})
    f = CourseLikelihood(FSP(), problem, data, ("make", "seen"), 0, Measurement(capture={"total": "seen"}))
    for make, seen in ((2.0, 0.5), (5.0, 0.8)):
        expected = brute_force(
            problem, np.array([make, 0.7, 1.0]), data, (26, 26),
            lambda x, row, p=seen: scipy.stats.binom.pmf(row[0], x.sum(axis=1), p),
        )  # fmt: skip
        assert f.by_row([[make, seen]])[0][0] == pytest.approx(expected, abs=1e-5)


def test_species_that_follow_by_conservation_are_completed_in_chains():
    data = courses([("a", 1.0, 1), ("a", 2.0, 2), ("b", 2.0, 0), ("b", 2.5, 1)], species="D")
    problem = Problem.of(dimerisation(start=5), 1.0)
    filtered = CourseLikelihood(FSP(), problem, data, ("k",))
    chained = CourseLikelihood(LawByLaw(), problem, data, ("k",))
    assert filtered.by_row([[0.1], [0.4]])[0] == pytest.approx(chained.by_row([[0.1], [0.4]])[0], abs=1e-7)


def test_a_window_grows_for_what_the_start_does_not_foretell():
    """A cell far above the law of its start, and what follows. Mutant: the loss of a step not looked at."""
    data = courses([("a", 1.0, 25), ("a", 1.5, 31), ("a", 2.5, 30)])
    f = CourseLikelihood(FSP(), Problem.of(birth_death(4.0, 0.5, start=2), 1.0), data, ("birth",))
    found = f.by_row([[4.0]])[0][0]
    last = np.log(exact(31, 25, 4.0, 0.5, 0.5)) + np.log(exact(30, 31, 4.0, 0.5, 1.0))
    assert found == pytest.approx(np.log(exact(25, 2, 4.0, 0.5, 1.0)) + last, rel=1e-6)  # about 1e-14: digits are kept
    up = CourseLikelihood(FSP(), f.problem, courses([("a", 9.0, 25), ("a", 10.0, 25)]), ("birth",))
    both = np.log(exact(25, 2, 14.0, 0.5, 9.0)) + np.log(exact(25, 25, 14.0, 0.5, 1.0))
    small = StateSpace.box([26])  # as if the solver had guessed too little
    assert up._filter.log_prob(up.at([14.0]), {}) == pytest.approx([both], abs=1e-7)
    found, _, lost = up._filter._on(small, up.at([14.0]), {})
    assert (len(found), lost.tolist()) == (0, [True])
    with pytest.raises(TruncationError, match="a window of at least"):
        CourseLikelihood(FSP(max_states=30), f.problem, data, ("birth",))([[4.0]])


@pytest.mark.parametrize("gap", [1e-3, 0.5, 40.0])
def test_laws_move_alike_by_sums_and_by_powers(gap):
    """Against the exponential; and rare jumps keep their digits. Mutant: one halving forgotten."""
    problem = Problem.of(birth_death(4.0, 0.5), 1.0)
    operator = MasterOperator.of(problem.model, problem.theta, StateSpace.box([60]))
    move = Propagation(operator, 20)
    laws = np.eye(61)[:, [0, 20]]
    expected = scipy.linalg.expm(operator.sparse().toarray() * gap) @ laws
    none = np.zeros((0, 61, 2))
    (one, _), (many, _) = move(laws, none, gap, 1), Propagation(operator, 20)(laws, none, gap, 10**9)
    assert one == pytest.approx(expected, abs=1e-12)
    assert many == pytest.approx(one, rel=1e-9)
    assert np.log(one[20, 0]) == pytest.approx(np.log(exact(20, 0, 4.0, 0.5, gap)), abs=1e-8)


# histories and tables ------------------------------------------------------------------------------


def test_cells_share_what_they_have_in_common():
    tree = Histories.of(courses())
    assert [len(level.shown) for level in tree.levels] == [3, 3, 1]  # a and d begin alike
    assert tree.levels[0].gaps.tolist() == [0.5, 1.0, 2.0]
    assert tree.longest_jump() == 7
    regular = courses([("a", t, 1) for t in (0.1, 0.2, 0.3, 0.7, 0.8)])
    assert sorted({float(g) for level in Histories.of(regular).levels for g in level.gaps}) == [0.1, 0.4]


def test_a_table_of_courses_in_any_order(tmp_path):
    lines = [f"{t},{n},{c},{'u' if c in 'ab' else 'v'}" for c, t, n in reversed(ROWS)]
    (tmp_path / "cells.csv").write_text("\n".join(["time,X,id,rep", *lines]) + "\n")
    data = TimeCourses.read_csv(tmp_path / "cells.csv", cell="id", group="rep")
    assert (data.cells, data.distinct, int(data.cells_at.sum()), data.largest.tolist()) == (4, 4, 8, [9])
    assert data.groups["u"].digest == courses([r for r in ROWS if r[0] in "ab"]).digest
    alone = TimeCourses.read_csv(tmp_path / "cells.csv", cell="id", columns={"rep": None})
    assert alone.digest == courses().digest
    assert alone.digest != courses([*ROWS[:-1], ("d", 1.0, 5)]).digest
    swapped = [("b" if c == "a" and t == 1.0 else "a" if c == "b" and t == 1.0 else c, t, n) for c, t, n in ROWS]
    assert courses(swapped).snapshots.digest == courses().snapshots.digest
    assert str(alone) == "4 cells followed over 8 counts, species X, from cells.csv"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("cell,time,X\na,1,2\na,1,3\n", {}, "cells.csv: .*cell 'a' is there twice at time 1"),
        ("cell,time,X\na,inf,2\n", {}, "cannot be followed to time = inf"),
        ("cell,time,X\na,1,2.5\n", {}, "row 2, column 'X'"),
        ("cell,time,X\n,1,2\n", {}, "row 2, column 'cell': the label is empty"),
        ("id,time,X\na,1,2\n", {}, "no column 'cell'"),
        ("cell,time\na,1\n", {}, "no column holds counts"),
    ],
)
def test_courses_that_make_no_sense_are_refused(tmp_path, text, options, words):
    (tmp_path / "cells.csv").write_text(text)
    with pytest.raises(KinetixError, match=words):
        TimeCourses.read_csv(tmp_path / "cells.csv", **options)


def test_what_cannot_be_followed_is_refused_by_name():
    problem = Problem.of(telegraph(), 1.0)
    with pytest.raises(
        UnsupportedFeature, match="SSA chains laws from whole states, and 'Gu' is not observed; use fsp"
    ):
        CourseLikelihood(SSA(), problem, courses(species="M"), ("kon",))
    data = courses(species={"all": ("Gu", "M")})
    with pytest.raises(UnsupportedFeature, match="these are sums or measured"):
        CourseLikelihood(SSA(), problem, data, ("kon",))
    pulsed = kx.parse("species X = 0\nmake: -> X; k * (1 + time)\nk = 1\n")
    with pytest.raises(UnsupportedFeature, match=r"the same at all times, and .*make"):
        CourseLikelihood(FSP(), Problem.of(pulsed, 1.0), courses(), ("k",))
    with pytest.raises(DataError, match="'Q' is not a species"):
        CourseLikelihood(FSP(), problem, courses(species="Q"), ("kon",))


def test_courses_give_a_posterior_that_is_saved_and_read_back(tmp_path):
    """Decay alone: the survivors of every gap are binomial. Mutant: the courses stored as snapshots."""
    rng, rows = np.random.default_rng(4), []
    for c in range(30):
        n = 40
        for t in (1.0, 2.0, 3.0):
            n = rng.binomial(n, np.exp(-0.5))
            rows.append((str(c), t, n))
    data = courses(rows)
    model = birth_death(0.0, 0.3, start=40)
    posterior = kx.infer(
        model, data, prior={"death": kx.prior.uniform(0.05, 2.0)}, seed=1, ensembles=2, walkers=8, steps=40
    )
    grid = np.linspace(0.3, 0.8, 501)
    steps = [
        (m, int(n)) for _, counts in data.courses for m, n in zip([40, *counts[:-1, 0]], counts[:, 0], strict=True)
    ]
    m, n = np.array(steps).T
    log_p = scipy.stats.binom.logpmf(n[:, None], m[:, None], np.exp(-grid)).sum(axis=0)
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    assert posterior.mean()[0] == pytest.approx(mean, abs=0.25 * sd)
    checked = posterior.predict(kx.FSP(), rng=np.random.default_rng(0), draws=10)
    checked.save(tmp_path / "p.nc")
    back = kx.open(tmp_path / "p.nc")
    assert isinstance(back.data, TimeCourses)
    assert back.data.digest == data.digest
    assert repr(back) == repr(checked)
