"""What a solver is asked, and what its answer is asked: values go by name, counts are whole."""

from collections.abc import Callable

import numpy as np
import pytest
import sympy

import kinetix as kx
from kinetix.errors import SettingError, StaleValueWarning
from kinetix.expressions import symbol
from kinetix.inference.unknowns.parameters import Parameters
from kinetix.problem import Problem
from kinetix.solvers.nets.box import Box

NETWORK = kx.ReactionNetwork(
    [kx.Species("X", 3)], [kx.Parameter("k", 1.0)], [kx.Reaction("die", {"X": 1}, {}, kx.mass_action("k", {"X": 1}))]
)


@pytest.mark.parametrize("place", ["parameters", "initial"])
def test_values_that_have_no_names_are_refused(place: str) -> None:
    with pytest.raises(SettingError, match=f"^{place}: .*by name"):
        Problem.of(NETWORK, [1.0], **{place: [1.0]})  # type: ignore[arg-type]


@pytest.mark.parametrize("solver", [kx.FSP(), kx.SSA(paths=50)])
def test_the_law_of_a_fraction_is_refused_and_of_whole_floats_is_not(solver: kx.Solver) -> None:
    """Mutant: `astype(int64)`, by which 2.7 molecules have the probability of 2."""
    solution = kx.solve(NETWORK, [1.0], solver=solver, seed=1)
    with pytest.raises(SettingError, match=r"2\.7 is not a whole number"):
        solution.log_prob([[1.0], [2.7]], 1.0)
    with pytest.raises(SettingError, match=r"2\.7 is not a whole number"):
        solution.log_prob({"X": [2.7]}, 1.0)
    np.testing.assert_array_equal(solution.log_prob([[2.0]], 1.0), solution.log_prob([[2]], 1.0))


def test_an_answer_shows_itself_in_one_line() -> None:
    """Mutant: the dataclass's own `repr`, which prints the network and every table."""
    shown = repr(kx.solve(NETWORK, [1.0, 2.0]))
    assert shown.startswith("<Solution: model by FSP, 1 species at 2 times, total variation error <= ")
    assert "no proven bound" in repr(kx.solve(NETWORK, [1.0], solver="ssa", paths=5, seed=1))


def test_a_joint_law_is_that_of_a_pair() -> None:
    """Mutant: the letters of a string taken for species, so that `joint("X", t)` is a marginal."""
    solution = kx.solve(NETWORK, [1.0])
    for wrong in ("X", ("X",), ("X", "X", "X")):
        with pytest.raises(SettingError, match="not a pair"):
            solution.joint(wrong, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "seed", "name"), [(-1, 1, "n"), (2.5, 1, "n"), ("3", 1, "n"), (3, "a", "seed")])
def test_draws_are_counted_in_whole_numbers(n: object, seed: object, name: str) -> None:
    solution = kx.solve(NETWORK, [1.0])
    with pytest.raises(SettingError, match=f"^sample: {name} is "):
        solution.sample(n, 1.0, seed=seed)  # type: ignore[arg-type]
    assert solution.sample(np.int64(4), 1.0, seed=1).shape == (4, 1)


def test_one_trajectory_has_no_sd() -> None:
    """Mutant: the spread about its own mean, 0."""
    one = kx.solve(NETWORK, [1.0, 2.0], solver="ssa", paths=1, seed=1)
    assert np.isnan(one.std()).all()
    assert np.isnan(one.covariance("X")).all()
    assert np.isfinite(one.mean()).all()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: kx.solve("model.xml", [1.0]), "'model.xml' is no reaction network; read one"),  # type: ignore[arg-type]
        (lambda: kx.parse(None), "parse: None is no text"),  # type: ignore[arg-type]
        (lambda: kx.load(3), "load: 3 is no path"),  # type: ignore[arg-type]
        (lambda: kx.ReactionNetwork(["X"], [], []), "'X' is no Species"),  # type: ignore[list-item]
        (lambda: kx.Reaction("decay", {"X": 1}, {}, "k*X"), "law 'k\\*X' of reaction 'decay' is no expression"),  # type: ignore[arg-type]
        (lambda: kx.mass_action("k", {"X": -2}), "mass action of -2 molecules of 'X'"),
        (lambda: kx.mass_action("k", {"X": 1.5}), "mass action of 1.5 molecules of 'X'"),
        (lambda: kx.solve(NETWORK, [[1.0, 2.0]]), "times are one list of numbers"),
        (lambda: kx.solve(NETWORK, []), "no output time is given"),
        (lambda: kx.solve(NETWORK, [1.0], solver="SSA"), "did you mean 'ssa'"),
        (lambda: kx.solve(NETWORK, [1.0]).log_prob({}, 1.0), "no species is named"),
        (lambda: kx.FSP(caps={"X": 2.5}), "the cap of 'X' is 2.5"),  # type: ignore[dict-item]
        (lambda: kx.FSP(caps={"X": -1}), "the cap of 'X' is -1"),
        (lambda: kx.VAN(width=1.5), "van: width is 1.5"),  # type: ignore[arg-type]
        (lambda: kx.VAN(rate="a"), "van: rate is 'a'"),  # type: ignore[arg-type]
        (lambda: kx.VAN(caps=3), "van: caps is 3"),  # type: ignore[arg-type]
        (lambda: kx.MET(caps=3), "met: caps is 3"),  # type: ignore[arg-type]
        (lambda: kx.prior.uniform("a", 1), "uniform with low = a"),
    ],
)
def test_what_cannot_be_asked_is_named(ask: Callable[[], object], words: str) -> None:
    with pytest.raises(kx.KinetixError, match=words):
        ask()


def test_a_whole_start_mends_a_fractional_one() -> None:
    """Mutant: the model's own start judged, whatever the question says."""
    network = NETWORK.replace(initial={"X": 1.5})
    with pytest.raises(kx.UnsupportedFeature, match=r"starts at 1\.5"):
        kx.solve(network, [1.0])
    assert kx.solve(network, [1.0], initial={"X": 2}).mean()[0, 0] == pytest.approx(2 * np.exp(-1), rel=1e-6)
    with pytest.raises(kx.UnsupportedFeature, match=r"starts at 2\.5"):
        kx.solve(network, [1.0], initial={"X": 2.5})


STALE = kx.parse("species X = 10; k = 0.1; k2 = 10*k; z := 3*k; k3 = z; -> X; k3; X -> ; k2*X; unused = k")


@pytest.mark.parametrize(
    "change",
    [
        lambda values: Problem.of(STALE, [1.0], parameters=values),
        lambda values: STALE.replace(parameters=values),
        lambda values: Box.of(STALE, {name: (0.5 * v, v) for name, v in values.items()}, (0, 1)),
        lambda values: Parameters(tuple(values), Problem.of(STALE, [1.0])),
    ],
)
def test_values_worked_out_from_what_is_changed_are_warned_of(change: Callable[[dict[str, float]], object]) -> None:
    """What no law reads is not. Mutant: what needs the changed value through a rule alone forgotten."""
    with pytest.warns(StaleValueWarning) as told:
        change({"k": 0.2})
    assert [str(w.message).split()[0] for w in told] == ["'k2'", "'k3'"]
    change({"k": 0.2, "k2": 2.0, "k3": 1.0})  # a warning would be an error
    change({"k2": 2.0})
    assert STALE.with_parts(name="other").worked_out == STALE.worked_out


def test_expressions_and_fixed_values_do_not_go_stale() -> None:
    """In an inference. Mutant: sampled names alone looked at."""
    Parameters(("k",), Problem.of(STALE, [1.0]), {"k2": 10 * symbol("k"), "k3": 3 * symbol("k")})
    fixed = Problem.of(STALE, [1.0], parameters={"k2": 5.0, "k3": 7.0})
    Parameters(("k",), fixed)


def test_an_empty_text_is_no_model() -> None:
    for text in ("", "# nothing\n", "model m\nend\n"):
        with pytest.raises(kx.ModelError, match="there is no model in it"):
            kx.parse(text)


def test_a_study_shows_itself_in_one_line() -> None:
    study = kx.compare(NETWORK, [1.0], solvers=["fsp", "ssa"], seed=1)
    assert repr(study) == "<Study: fsp, ssa at 1 times, measured from fsp>"


def test_conditions_on_counts_and_parameters_are_asked_of_many_states() -> None:
    """Mutant seen to fail: `And` by `logical_and.reduce`, which cannot stack a number beside an array."""
    x, k = symbol("X"), symbol("k")
    law = sympy.Piecewise((2 * k, sympy.And(x > 1, k > 0.5)), (k, sympy.Or(x > 0, k < 0)), (0, True))
    model = kx.compile_network(
        kx.ReactionNetwork([kx.Species("X", 1)], [kx.Parameter("k", 1.0)], [kx.Reaction("r", {}, {"X": 1}, law)])
    )
    assert model.propensities([[0], [1], [2]], [1.0])[:, 0].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"times": "soon"}, "times"),
        ({"times": None}, "times"),
        ({"parameters": {"k": "fast"}}, "parameter 'k'"),
        ({"parameters": {"k": [1, 2]}}, "parameter 'k'"),
        ({"initial": {"X": "many"}}, "initial 'X'"),
        ({"initial": {"X": [1, 2]}}, "initial 'X'"),
    ],
)
def test_numbers_that_are_none_are_refused_where_they_stand(asked: dict[str, object], place: str) -> None:
    """Seen to fail: what numpy says of them."""
    with pytest.raises(SettingError, match=f"^{place}: "):
        Problem.of(NETWORK, **{"times": [1.0], **asked})  # type: ignore[arg-type]


def test_an_initial_law_of_other_species_is_refused() -> None:
    """Seen to fail: one count broadcast over two species, or an IndexError."""
    one = kx.solve(NETWORK, [1.0]).laws[0]
    two = kx.ReactionNetwork([kx.Species("X", 3), kx.Species("Y", 1)], NETWORK.parameters, NETWORK.reactions)
    with pytest.raises(SettingError, match="one of 1 species, not of 2"):
        Problem.of(two, [1.0], initial=one)
