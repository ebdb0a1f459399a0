"""Studies: distances against closed forms, the floor against real sampling, same seeds same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

import kinetix as kx
from kinetix.app.answers import distances, generator, joint_distances, sampling_floor
from kinetix.app.verbs import compare
from kinetix.distribution import PointMass, Sampled, Tabulated
from kinetix.errors import SettingError
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action
from kinetix.space import StateSpace


def birth_death() -> ReactionNetwork:
    return ReactionNetwork(
        [Species("X")],
        [Parameter("b", 3.0), Parameter("d", 1.0)],
        [
            Reaction("birth", {}, {"X": 1}, mass_action("b", {})),
            Reaction("death", {"X": 1}, {}, mass_action("d", {"X": 1})),
        ],
        name="birth_death",
    )


def poissons(mean: float, top: int = 80) -> Tabulated:
    return Tabulated(StateSpace.box([top]), poisson.pmf(np.arange(top + 1), mean))


@pytest.mark.parametrize(("a", "b"), [(3.0, 4.0), (1.0, 20.0)])
def test_distances_are_those_of_poisson_laws(a: float, b: float) -> None:
    """H^2 = 1 - exp(-(sqrt a - sqrt b)^2 / 2). Mutant: the square root left out."""
    p, q = poissons(a), poissons(b)
    expected = np.sqrt(1 - np.exp(-((np.sqrt(a) - np.sqrt(b)) ** 2) / 2))
    variation = 0.5 * np.abs(p.p - q.p).sum()
    assert joint_distances(p, q) == pytest.approx((expected, variation), abs=1e-9)
    assert distances(p.p, q.p) == pytest.approx((expected, variation), abs=1e-9)


def test_mass_outside_the_reference_counts_in_total_variation() -> None:
    """Laws that share no state: both distances are 1. Mutant: `outside` dropped, 0.5."""
    p, q = PointMass(np.array([3])), Sampled(np.array([[5]] * 4))
    assert joint_distances(p, q) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("draws", [100, 10_000])
def test_the_floor_is_what_sampling_scores(draws: int) -> None:
    """Root mean square over 2,000 histograms, within 1 %. Mutant: the varying total of Poisson counts left in."""
    p = poissons(12.0).p
    found = np.random.default_rng(1).multinomial(draws, p / p.sum(), size=2000) / draws
    square = 1 - np.sqrt(found * p).sum(axis=1)
    assert sampling_floor(p, draws) == pytest.approx(np.sqrt(square.mean()), rel=0.01)


def test_a_study_puts_one_question_to_all() -> None:
    study = compare(
        birth_death(), [0.5, 2.0], solvers={"fsp": kx.FSP(), "ssa": kx.SSA(paths=4000)}, reference="fsp", seed=3
    )
    rows = study.rows()
    assert [(r["solver"], r["time"]) for r in rows] == [("ssa", 0.5), ("ssa", 2.0)]
    for row in rows:
        assert row["hellinger"] < 2 * row["floor"]
        assert row["worst_marginal_hellinger"] == pytest.approx(row["hellinger"], rel=1e-6)
    assert "ssa" in study.table()
    assert study.as_dict()["reference"] == "fsp"


def test_the_same_seed_gives_the_same_numbers_whatever_else_is_asked() -> None:
    """The stream of a solver depends on seed and name alone. Mutant: one generator handed round."""
    solvers = {"fsp": kx.FSP(), "a": kx.SSA(paths=500), "b": kx.SSA(paths=500)}
    both = compare(birth_death(), [1.0], solvers=solvers, seed=5)
    one = compare(birth_death(), [1.0], solvers={"fsp": kx.FSP(), "b": kx.SSA(paths=500)}, seed=5)
    assert both.joint("b")[0, 0] == one.joint("b")[0, 0]
    assert both.joint("b")[0, 0] != both.joint("a")[0, 0]
    assert generator(1, "a").random() != generator(2, "a").random()


def test_studies_need_two_solvers_and_a_known_reference() -> None:
    with pytest.raises(SettingError, match="two solvers"):
        compare(birth_death(), [1.0], solvers=["fsp"])
    with pytest.raises(SettingError, match="did you mean 'fsp'"):
        compare(birth_death(), [1.0], solvers=["fsp", "ssa"], reference="fps")


def test_the_report_of_a_study_is_one_page_that_loads_nothing(tmp_path: Path) -> None:
    study = compare(birth_death(), [0.5, 2.0], solvers={"fsp": kx.FSP(), "ssa": kx.SSA(paths=1000)}, seed=3)
    study.report(tmp_path / "study.html")
    page = (tmp_path / "study.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    for outside in ("http://", "https://", "<script", "javascript:"):
        assert outside not in page.replace("http://www.w3.org", "")
    assert "Hellinger" in page
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.html"]


def test_moments_have_no_distance_and_their_means_are_compared(tmp_path: Path) -> None:
    """Mutants: a distance of 0, or a refusal, where no probabilities are stated; means divided by those of the time."""
    solvers = ["fsp", "ssa", "mean-field", "linear-noise"]
    study = compare(birth_death(), [0.5, 2.0], solvers=solvers, reference="fsp", seed=3)
    rows = {(row["solver"], row["time"]): row for row in study.rows()}
    assert rows["ssa", 2.0]["hellinger"] > 0
    for name in ("mean-field", "linear-noise"):
        row = rows[name, 2.0]
        assert {row[key] for key in ("hellinger", "floor", "total_variation", "worst_marginal_hellinger")} == {None}
        assert row["worst_mean"] == "X"
        assert row["worst_mean_gap"] < 1e-7
    gap = abs(study.solutions["ssa"].mean()[0, 0] - study.solutions["fsp"].mean()[0, 0])
    assert rows["ssa", 0.5]["worst_mean_gap"] == pytest.approx(gap / study.solutions["fsp"].mean()[1, 0])
    text = study.table()
    assert "- not stated: an answer in moments alone" in text
    assert "nan" not in text
    study.report(tmp_path / "study.html")
    page = (tmp_path / "study.html").read_text()
    assert "not stated" in page
    assert "only their means are compared" in page


def test_a_study_measured_from_the_mean_field_compares_means_alone(tmp_path: Path) -> None:
    study = compare(birth_death(), [1.0], solvers=["mean-field", "fsp", "ssa"], seed=3)
    assert [row["hellinger"] for row in study.rows()] == [None, None]
    assert study.floor("ssa") is None
    study.report(tmp_path / "study.html")
    assert "largest difference of means" in (tmp_path / "study.html").read_text()
