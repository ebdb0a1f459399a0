"""What a solver is asked, and what its answer is asked: values go by name, counts are whole."""

import numpy as np
import pytest
import sympy

import kinetix as kx
from kinetix.errors import SettingError
from kinetix.expressions import symbol
from kinetix.problem import Problem

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
