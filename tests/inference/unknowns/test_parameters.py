"""Initial counts, expressions and numbers of the measurement as parameters; each against a closed form."""

import numpy as np
import pytest
import scipy.stats
import sympy

import kinetix as kx
from kinetix.errors import DataError, SettingError
from kinetix.inference import priors
from kinetix.inference.data.measurement import Measurement
from kinetix.inference.likelihood import Likelihood
from kinetix.inference.log_posterior import LogPosterior
from kinetix.inference.observations import Observations
from kinetix.inference.question import Question
from kinetix.inference.unknowns.parameters import Parameters, expressions
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from tests.exact import birth_death, dimerisation
from tests.inference.readings.test_observables import LawByLaw
from tests.solvers.known_nets import exact, known_net

A, B = sympy.symbols("a b")


def law(counts, start, birth, death, t):
    return np.log(exact(np.asarray(counts), int(start), birth, death, t))


# initial counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [FSP(), LawByLaw()], ids=lambda s: type(s).__name__)
def test_every_vector_has_its_own_start(solver):
    """Mutants: the model's own start used; starts in the order of the distinct ones, not of the vectors."""
    data = Observations.from_counts("X", [0.5, 0.5, 2.0], [9, 14, 11])
    f = Likelihood(solver, Problem.of(birth_death(4.0, 0.5), 1.0), data, ("X", "birth"))
    values = np.array([[20.0, 4.0], [3.0, 6.0], [20.0, 5.0], [0.0, 4.0]])
    for (start, birth), early, late in zip(values, *f.by_row(values), strict=True):
        assert early == pytest.approx(law([9, 14], start, birth, 0.5, 0.5), abs=1e-6)
        assert late == pytest.approx(law([11], start, birth, 0.5, 2.0), abs=1e-6)
    assert f.at([20.0, 4.0]).initial.counts.tolist() == [20]


def test_starts_that_are_no_counts_are_impossible():
    data = Observations.from_counts("X", 1.0, [5])
    f = Likelihood(FSP(), Problem.of(birth_death(4.0, 0.5), 1.0), data, ("X",))
    assert np.isneginf(f([[3.5], [-1.0], [np.nan], [3.0]])).tolist() == [True, True, True, False]


def test_cells_at_time_zero_tell_the_start():
    data = Observations.from_counts("X", 0.0, [5, 5])
    f = Likelihood(FSP(), Problem.of(birth_death(4.0, 0.5), 1.0), data, ("X",))
    assert f([[5.0], [4.0]]).tolist() == [0.0, -np.inf]


def test_a_start_is_a_prompt_value_of_a_net():
    """In the box, outside it, and one that the net does not vary."""
    net = known_net(("X",), cap=80)
    data = Observations.from_counts("X", 0.7, [9, 14])
    f = Likelihood(net, Problem.of(net.network, 1.0), data, ("X", "birth"))
    values = np.array([[20.0, 2.0], [3.0, 3.0], [30.0, 2.0], [31.0, 2.0]])
    expected = [law([9, 14], s, b, 0.5, 0.7).sum() for s, b in values[:3]]
    assert f(values)[:3] == pytest.approx(expected, abs=1e-5)
    assert f(values)[3] == -np.inf
    rate = priors.uniform(1.0, 4.0)
    f.require_prior({"X": priors.integers(0, 30), "birth": rate})
    with pytest.raises(SettingError, match=r"'X' reaches over \[0, 31\], beyond the training box \[0, 30\]"):
        f.require_prior({"X": priors.integers(0, 31), "birth": rate})


def test_a_continuous_prior_of_a_count_is_refused():
    f = Likelihood(FSP(), Problem.of(birth_death(), 1.0), Observations.from_counts("X", 1.0, [5]), ("X",))
    with pytest.raises(SettingError, match=r"'X' is a species: .*write X = \{integers = \[low, high\]\}"):
        LogPosterior(f, {"X": priors.uniform(0, 10)})


def test_a_start_that_is_a_whole_law_is_not_sampled_too():
    problem = Problem.of(birth_death(), 1.0, initial=FSP().solve(Problem.of(birth_death(), 1.0)).laws[0])
    with pytest.raises(SettingError, match="initial counts are sampled, and the start is a whole law"):
        Likelihood(FSP(), problem, Observations.from_counts("X", 1.0, [5]), ("X",))


def test_a_prior_of_counts_is_one_and_walks_on_real_numbers():
    """The density of u over the cell of a count is the count's probability. Mutant: the Jacobian of a half cell."""
    prior = priors.integers(3, 7)
    u = np.linspace(-40, 40, 400_001)
    density = np.exp(prior.log_density(prior.from_unconstrained(u)) + prior.log_jacobian(u))
    values = prior.from_unconstrained(u)
    held = [density[values == n].sum() * (u[1] - u[0]) for n in range(3, 8)]
    assert held == pytest.approx([0.2] * 5, abs=1e-4)
    assert prior.from_unconstrained(prior.to_unconstrained(np.arange(3, 8))).tolist() == [3, 4, 5, 6, 7]
    assert np.isneginf(prior.log_density([2.0, 8.0, 4.5])).all()
    assert [prior.mass(3, 7), prior.mass(4, 5.5), prior.mass(5.2, 5.8), prior.mass(0, 3)] == [1.0, 0.4, 0.0, 0.2]
    drawn = prior.sample(np.random.default_rng(0), 20_000)
    assert scipy.stats.chisquare(np.bincount(drawn.astype(int))[3:]).pvalue > 1e-4
    assert priors.from_table({"X": {"integers": [3, 7]}}) == {"X": prior}
    assert priors.from_table(priors.to_table({"X": prior})) == {"X": prior}
    for low, high, words in ((3.5, 7, "whole"), (3, 3, "no choice")):
        with pytest.raises(SettingError, match=words):
            priors.integers(low, high)


def test_an_unknown_initial_count_is_found():
    """The chains' shares of every count are those of the sum over all counts. Mutant: the start never moved."""
    counts = np.random.default_rng(5).binomial(9, np.exp(-0.6), 6)
    data = Observations.from_counts("X", 1.2, counts)
    model = birth_death(0.0, 0.5, start=40)
    posterior = kx.infer(model, data, prior={"X": kx.prior.integers(0, 30)}, seed=2, walkers=8, steps=250)
    support = np.arange(31)
    weight = np.exp([scipy.stats.binom.logpmf(counts, n, np.exp(-0.6)).sum() for n in support])
    weight /= weight.sum()
    shares = np.bincount(posterior.flat[:, 0].astype(int), minlength=31) / len(posterior.flat)
    error = np.sqrt(weight * (1 - weight) / posterior.diagnostics["X"]["ess_bulk"])
    assert (np.abs(shares - weight) < 5 * error + 1e-3).all()
    checked = posterior.predict(kx.FSP(), rng=np.random.default_rng(0), draws=20)
    assert not checked.predictive.misfits()


# expressions ---------------------------------------------------------------------------------------


def test_derived_parameters_follow_the_sampled_ones():
    """Of rates, of a start, of the measurement, with a fixed rate in the expression."""
    data = Observations.from_counts("X", 2.0, [1, 4])
    problem = Problem.of(birth_death(4.0, 0.5), 1.0)
    derived = {"birth": A * sympy.Symbol("death"), "X": 2 * B, "seen": B / 10}
    f = Likelihood(FSP(), problem, data, ("a", "b"), 0, Measurement(capture={"X": "seen"}), derived)
    found = f.by_row([[8.0, 3.0], [4.0, 7.0]])[0]
    n = np.arange(120)
    for (a, b), row in zip(((8.0, 3.0), (4.0, 7.0)), found, strict=True):
        p = exact(n, int(2 * b), 0.5 * a, 0.5, 2.0)
        expected = [p @ scipy.stats.binom.pmf(y, n, b / 10) for y in (1, 4)]
        assert row == pytest.approx(np.log(expected), abs=1e-6)
    assert f([[8.0, 2.3]]) == [-np.inf]  # twice 2.3 is no count


def test_a_conserved_total_may_be_kept_by_an_expression():
    problem = Problem.of(dimerisation(start=5), 1.0)
    f = Likelihood(
        FSP(), problem, Observations.from_counts("D", 1.0, [1]), ("D",), 0, None, {"A": 9 - 2 * sympy.Symbol("D")}
    )
    assert f.parameters.starts(np.array([[2.0], [0.0]])).tolist() == [[5, 2], [9, 0]]
    assert np.isfinite(f([[2.0]])).all()
    assert f([[5.0]]) == [-np.inf]


def test_slopes_of_expressions_are_exact():
    p = Parameters(("a", "b"), Problem.of(birth_death(), 1.0), {"birth": A**2 / B, "death": sympy.exp(-B)})
    values = np.array([[2.0, 3.0], [1.0, 0.5]])
    assert p.slopes("birth", values) == pytest.approx(np.array([[4 / 3, -4 / 9], [4.0, -4.0]]))
    assert p.slopes("death", values) == pytest.approx(np.array([[0.0, -np.exp(-3)], [0.0, -np.exp(-0.5)]]))


@pytest.mark.parametrize(
    ("names", "derived", "words"),
    [
        (("a",), {"brith": A}, "did you mean 'birth'"),
        (("a", "birth"), {"birth": A}, "'birth' has a prior and an expression"),
        (("a",), {"birth": A * B}, "expression of 'birth' uses the unknown name 'b'.*give it a prior"),
        (("a",), {"birth": A, "death": sympy.Symbol("birth")}, "expression of 'death' uses the unknown name 'birth'"),
        (("a", "c"), {"birth": A}, "unknown parameter 'c'"),
    ],
)
def test_expressions_that_lead_nowhere_are_refused(names, derived, words):
    with pytest.raises(SettingError, match=words):
        Parameters(names, Problem.of(birth_death(), 1.0), derived)


def test_expressions_are_trees_not_text():
    assert expressions({"k": 2}) == {"k": 2}
    for wrong, words in (("a/b", "is text"), (None, "is no expression"), (kx.expressions.TIME, "contains the time")):
        with pytest.raises(SettingError, match=words):
            expressions({"k": wrong})


def test_a_box_holds_what_the_expressions_make():
    """Judged by draws of the prior before anything is sampled, and edges reject."""
    net = known_net(("X",))
    data = Observations.from_counts("X", 0.7, [9, 14])
    f = Likelihood(net, Problem.of(net.network, 1.0), data, ("a",), 0, None, {"birth": 2 * A})
    assert np.isneginf(f([[0.4], [1.0], [2.1]])).tolist() == [True, False, True]
    f.require_prior({"a": priors.uniform(0.5, 2.0)})
    with pytest.raises(SettingError, match=r"'birth' has 0\.25 of its mass outside the training box \[1, 4\]|has 0\.2"):
        f.require_prior({"a": priors.uniform(0.5, 2.5)})


def test_text_is_parsed_at_the_door_and_set_values_go_everywhere():
    data = Observations.from_counts("X", 2.0, np.random.default_rng(1).poisson(3.0, 40))
    prior = {"ratio": kx.prior.uniform(0.1, 30), "scale": 0.5, "seen": 0.8, "X": 0.0}
    posterior = kx.infer(
        birth_death(4.0, 0.5, start=7),
        data,
        prior=prior,
        derived={"birth": "ratio * scale * death"},
        measurement=kx.Measurement(capture={"X": "seen"}),
        seed=1,
        walkers=8,
        steps=60,
    )
    likelihood = Question.again(posterior.network, data, posterior.prior, posterior.meta["question"]).likelihood(FSP())
    mean = 0.8 * 9.0 * 0.5 * (1 - np.exp(-1.0))
    assert likelihood([[9.0]])[0] == pytest.approx(
        scipy.stats.poisson.logpmf(data.counts(0)[:, 0], mean).sum(), abs=1e-5
    )
    for text in ("ratio /", "mass_action(ratio)", "ratio; x = 2", "__import__('os')", "x -> y"):
        with pytest.raises(SettingError, match="derived 'birth'"):
            kx.infer(birth_death(), data, prior=prior, derived={"birth": text}, seed=1)
    with pytest.raises(SettingError, match="unknown parameter 'sceen'"):
        kx.infer(birth_death(), data, prior={"birth": kx.prior.uniform(0, 9), "sceen": 0.8}, seed=1)


# groups --------------------------------------------------------------------------------------------


def replicates():
    times = [0.5, 0.5, 2.0, 2.0, 2.0]
    return Observations.from_counts("X", times, [1, 4, 6, 2, 2], groups=["a", "b", "b", "a", "a"])


def test_groups_are_read_and_told_apart(tmp_path):
    lines = "time,X,rep\n0.5,1,a\n0.5,4,b\n2,6,b\n2,2,a\n2,2,a\n"
    (tmp_path / "cells.csv").write_text(lines)
    data = Observations.read_csv(tmp_path / "cells.csv", group="rep")
    assert (data.cells, tuple(data.groups), data.groups["b"].counts(1).tolist()) == (5, ("a", "b"), [[6]])
    assert data.digest == replicates().digest
    assert data.digest != Observations.from_counts("X", [0.5, 0.5, 2, 2, 2], [1, 4, 6, 2, 2]).digest
    (tmp_path / "hole.csv").write_text("time,X,rep\n0.5,1,a\n0.5,4,\n")
    with pytest.raises(DataError, match="row 3, column 'rep': the label is empty"):
        Observations.read_csv(tmp_path / "hole.csv", group="rep")
    with pytest.raises(SettingError, match="no column 'repl'; did you mean 'rep'"):
        Observations.read_csv(tmp_path / "cells.csv", group="repl")


def poisson(counts, birth, death, t):
    return scipy.stats.poisson.logpmf(counts, birth / death * (1 - np.exp(-death * t))).sum()


def test_the_likelihood_is_the_sum_over_groups_each_with_its_own_parameter():
    """Mutants: the first group's parameter used for all; the cells of all groups counted in each."""
    prior = {"birth": priors.uniform(0, 10), "death": priors.uniform(0.1, 2)}
    asked = Question.of(birth_death(), replicates(), prior, per_group=["birth"])
    assert tuple(asked.free) == ("birth[a]", "birth[b]", "death")
    f = asked.likelihood(FSP())
    expected = [
        poisson([1], a, d, 0.5) + poisson([2, 2], a, d, 2.0) + poisson([4], b, d, 0.5) + poisson([6], b, d, 2.0)
        for a, b, d in ((3.0, 6.0, 1.0), (6.0, 3.0, 0.5))
    ]
    assert f([[3.0, 6.0, 1.0], [6.0, 3.0, 0.5]]) == pytest.approx(expected, abs=1e-6)
    assert [r.shape for r in f.by_row([[3.0, 6.0, 1.0]])] == [(1, 1), (1, 1), (1, 1), (1, 1)]
    shared = Question.of(birth_death(), replicates(), prior).likelihood(FSP())
    assert isinstance(shared, Likelihood)  # nothing differs: the cells are weighed together
    assert shared([[3.0, 1.0]]) == pytest.approx(f([[3.0, 3.0, 1.0]]), abs=1e-8)


def test_one_group_alone_may_have_its_own_or_a_set_value():
    prior = {"birth": priors.uniform(0, 10), "birth[b]": 6.0, "death": 1.0}
    asked = Question.of(birth_death(), replicates(), prior)
    f = asked.likelihood(FSP())
    expected = poisson([1], 3, 1, 0.5) + poisson([2, 2], 3, 1, 2.0) + poisson([4], 6, 1, 0.5) + poisson([6], 6, 1, 2.0)
    assert f.names == ("birth",)
    assert f([[3.0]]) == pytest.approx([expected], abs=1e-6)


def test_starts_and_measurements_may_differ_between_groups():
    prior = {"X": priors.integers(0, 9), "seen": priors.uniform(0.1, 1)}
    measurement = Measurement(capture={"X": "seen"})
    asked = Question.of(birth_death(0.0, 0.5), replicates(), prior, measurement=measurement, per_group=("X", "seen"))
    f = asked.likelihood(FSP())
    assert f.names == ("X[a]", "X[b]", "seen[a]", "seen[b]")
    found = f([[8.0, 9.0, 0.5, 0.9]])[0]
    kept = np.exp(-0.5 * np.array([0.5, 2.0]))
    expected = scipy.stats.binom.logpmf([1], 8, 0.5 * kept[0]) + 2 * scipy.stats.binom.logpmf(2, 8, 0.5 * kept[1])
    expected += scipy.stats.binom.logpmf(4, 9, 0.9 * kept[0]) + scipy.stats.binom.logpmf(6, 9, 0.9 * kept[1])
    assert found == pytest.approx(expected[0], abs=1e-6)


@pytest.mark.parametrize(
    ("prior", "per_group", "words"),
    [
        ({"birth": 1.0}, ["brith"], "'brith' of every group has no prior; did you mean 'birth'"),
        ({"birth[c]": 1.0}, [], "for the group 'c', which the data do not have; there are: a, b"),
        ({"rate[a]": 1.0, "birth": 2.0}, [], "unknown parameter 'rate'"),
    ],
)
def test_groups_that_are_not_there_are_refused(prior, per_group, words):
    with pytest.raises(SettingError, match=words):
        Question.of(birth_death(), replicates(), prior, per_group=per_group).likelihood(FSP())


def test_parameters_of_groups_need_groups():
    data = Observations.from_counts("X", 1.0, [1])
    for prior, per_group in (({"birth": 1.0}, ["birth"]), ({"birth[a]": 1.0}, [])):
        with pytest.raises(SettingError, match="the data have none; read them with group="):
            Question.of(birth_death(), data, prior, per_group=per_group)


def test_two_replicates_from_chains_to_disk_and_back(tmp_path):
    """Poisson cells under a gamma posterior each, and the predictive check draws every group from its own law."""
    rng = np.random.default_rng(8)
    counts = np.concatenate([rng.poisson(3.0, 80), rng.poisson(9.0, 40)])
    data = Observations.from_counts("X", 12.0, counts, groups=["a"] * 80 + ["b"] * 40)
    posterior = kx.infer(
        birth_death(1.0, 1.0), data, prior={"birth": kx.prior.uniform(0, 30)}, per_group=["birth"], seed=3, walkers=8,
        steps=120,
    )  # fmt: skip
    for i, (mine, n) in enumerate(((counts[:80], 80), (counts[80:], 40))):
        sd = np.sqrt(mine.sum() + 1) / n
        assert posterior.mean()[i] == pytest.approx((mine.sum() + 1) / n, abs=0.3 * sd)
        assert posterior.sd()[i] == pytest.approx(sd, rel=0.15)
    checked = posterior.predict(kx.FSP(), rng=np.random.default_rng(0), draws=25)
    assert not checked.predictive.misfits()
    checked.save(tmp_path / "p.nc")
    back = kx.open(tmp_path / "p.nc")
    assert back.data.digest == data.digest
    assert not back.predict(kx.FSP(), rng=np.random.default_rng(0), draws=5).predictive.misfits()


def test_what_is_weighed_is_told_unit_by_unit():
    """As many units as columns of `by_row`, in the same order, with as many cells in all as there are."""
    prior = {"birth": priors.uniform(0, 10)}
    for asked in (
        Question.of(birth_death(), replicates(), prior),
        Question.of(birth_death(), replicates(), prior, per_group=["birth"]),
    ):
        f = asked.likelihood(FSP())
        columns = np.concatenate(f.by_row(np.full((1, len(f.names)), 3.0)), axis=1)[0]
        assert sum(n * c for (_, n), c in zip(f.units, columns, strict=True)) == pytest.approx(
            f([[3.0] * len(f.names)])[0]
        )
        assert sum(n for _, n in f.units) == 5
    assert f.units[1] == ("{'X': 2} at t = 2 in group a", 2)


def test_few_cells_are_warned_about_and_a_count_may_well_be_zero():
    """Ten counts a parameter, groups' own parameters among them; the end 0 of a count is no edge of the prior."""
    data = Observations.from_counts("X", 1.0, np.zeros(19, dtype=int))
    prior = {"birth": kx.prior.uniform(0, 9), "X": kx.prior.integers(0, 5)}
    posterior = kx.infer(birth_death(1.0, 0.1), data, prior=prior, seed=1, ensembles=2, walkers=8, steps=20)
    found = {(f.code, f.element): f.reason for f in posterior.check()}
    assert "19 counts of cells for 2 parameters" in found["KX208", "data"]
    assert ("KX202", "X") not in found
    more = Observations.from_counts("X", 1.0, np.zeros(20, dtype=int))
    posterior = kx.infer(birth_death(1.0, 0.1), more, prior=prior, seed=1, ensembles=2, walkers=8, steps=20)
    assert "KX208" not in posterior.check().codes


def test_a_count_that_the_data_settle_is_no_chain_that_stands_still():
    """Cells at time 0 show the start. Mutants: its chains judged by the counts (R-hat of a constant); walkers that
    start in the middle of a count, where moves along their differences can leave no count for another."""
    data = Observations.from_counts("X", [0.0, *[1.0] * 30], [5, *[6] * 30])
    prior = {"birth": kx.prior.uniform(0.1, 10), "X": kx.prior.integers(0, 9)}
    posterior = kx.infer(birth_death(2.0, 0.5, start=1), data, prior=prior, seed=1, walkers=8, steps=150)
    assert (posterior.draws[:, :, 1] == 5).all()
    assert posterior.diagnostics["X"]["rhat"] < 1.1
    assert posterior.diagnostics["X"]["ess_bulk"] > 50
    u = np.linspace(-30, 30, 1001)
    assert (np.abs(prior["X"].walked(u) - prior["X"].from_unconstrained(u)) <= 0.5 + 1e-12).all()
