"""Boxes: what varies, between what bounds; every impossible one is refused by name."""

from dataclasses import dataclass

import numpy as np
import pytest

from kinetix.errors import SettingError
from kinetix.solvers.nets.box import Box
from tests.exact import birth_death, network


@dataclass(frozen=True)
class Prior:
    low: float
    high: float
    log_scale: bool = False

    def bounds(self):
        return self.low, self.high


def telegraph():
    return network(
        {"G": 1, "Gs": 0, "M": 0},
        {"kon": 0.5, "koff": 0.2, "k": 5.0, "d": 1.0},
        [("off", {"G": 1}, {"Gs": 1}, "koff"), ("on", {"Gs": 1}, {"G": 1}, "kon"),
         ("tx", {"G": 1}, {"G": 1, "M": 1}, "k"), ("deg", {"M": 1}, {}, "d")],
        "telegraph",
    )  # fmt: skip


def test_points_are_even_and_frozen_values_stay():
    box = Box.of(birth_death(3.0, 0.2, 4), {"birth": (1, 20)}, (0, 10))
    thetas, starts = box.at([[0.0], [0.5], [1.0]])
    np.testing.assert_allclose(thetas, [[1.0, 0.2], [10.5, 0.2], [20.0, 0.2]])
    np.testing.assert_array_equal(starts, [[4]] * 3)


def test_log_priors_are_drawn_in_the_logarithm():
    box = Box.of(birth_death(), {"birth": Prior(0.01, 100.0, log_scale=True)}, (0, 10))
    assert box.at([[0.5]])[0][0, 0] == pytest.approx(1.0)


def test_counts_are_uniform_over_the_integers():
    box = Box.of(birth_death(), {"X": (2, 4)}, (0, 10))
    cube = (np.arange(3000) + 0.5)[:, None] / 3000
    assert np.bincount(box.at(cube)[1][:, 0]).tolist() == [0, 0, 1000, 1000, 1000]
    assert box.at([[1.0]])[1][0, 0] == 4


def test_a_point_prior_freezes():
    box = Box.of(birth_death(), {"birth": (1, 2), "death": Prior(0.5, 0.5)}, (0, 10))
    assert box.names == ("birth",)
    assert box.at([[0.0]])[0][0, 1] == 0.5


def test_a_species_follows_its_conservation_law():
    """Mutant: leave `completed` out, and G + Gs is 2 or 0."""
    for varied, follower in (("G", 1), ("Gs", 0)):
        box = Box.of(telegraph(), {varied: (0, 1)}, (0, 10))
        starts = box.at([[0.0], [1.0]])[1]
        assert starts[:, :2].sum(axis=1).tolist() == [1, 1]
        assert sorted(starts[:, follower].tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ({"brith": (0, 1)}, "did you mean 'birth'"),
        ({"birth": (2, 1)}, "not below"),
        ({"birth": (1, 1)}, "not below"),
        ({"birth": (-1, 1)}, "0 <= low"),
        ({"birth": 3.0}, "or a prior"),
        ({"birth": Prior(0, np.inf)}, "unbounded support"),
        ({"X": (0.5, 2)}, "whole numbers"),
    ],
)
def test_impossible_boxes_are_refused(box, message):
    with pytest.raises(SettingError, match=message):
        Box.of(birth_death(), box, (0, 10))


@pytest.mark.parametrize("box", [{}, {"birth": Prior(1.0, 1.0)}])
def test_the_time_alone_may_vary(box):
    """As in the paper's larger systems; one time and nothing else is refused. Mutant: prompts lose the rate vectors."""
    found = Box.of(birth_death(), box, (0, 10))
    thetas, starts = found.at(found.sobol(4))
    assert found.encoding.encode(thetas[:, None], starts[:, None], np.arange(1.0, 4)).shape[:2] == (4, 3)
    assert found.corners().shape == (1, 0)
    with pytest.raises(SettingError, match="not even the time"):
        Box.of(birth_death(), box, (10, 10))


def test_starts_off_the_conservation_laws_are_refused():
    with pytest.raises(SettingError, match="leave one of them out"):
        Box.of(telegraph(), {"G": (0, 1), "Gs": (0, 1)}, (0, 10))
    with pytest.raises(SettingError, match="below zero"):
        Box.of(telegraph(), {"G": (0, 2)}, (0, 10))


def test_outside_names_the_culprit():
    box = Box.of(birth_death(), {"birth": (1, 20), "X": (0, 5)}, (0, 10))
    theta = np.array([5.0, 0.01])
    assert box.outside(theta, np.array([3]), 1.0) is None
    assert "birth = 25" in box.outside([[5.0, 0.01], [25.0, 0.01]], np.array([3]), 1.0)
    assert "X = 6" in box.outside(theta, np.array([6]), 1.0)
    assert "time 11" in box.outside(theta, np.array([3]), [1.0, 11.0])


def test_frozen_differences_are_named():
    box = Box.of(telegraph(), {"k": (1, 9), "G": (0, 1)}, (0, 10))
    theta = np.array([0.5, 0.2, 3.0, 1.0])
    assert box.frozen_differences(theta, np.array([0, 1, 0])) is None
    assert "'Gs'" in box.frozen_differences(theta, np.array([0, 0, 0]))
    assert "'kon'" in box.frozen_differences(theta * 1.1, np.array([1, 0, 0]))


def test_times_are_half_uniform_half_logarithmic():
    box = Box.of(birth_death(), {"birth": (1, 2)}, (0, 10))
    times = box.draw_times(20_000, np.random.default_rng(0))
    assert times.min() > 0
    assert times.max() <= 10
    assert abs((times < 0.5).mean() - (0.5 * 0.05 + 0.5 * np.log(10) / np.log(200))) < 0.02
    assert Box.of(birth_death(), {"birth": (1, 2)}, (20, 20)).draw_times(12, np.random.default_rng(0)).tolist() == [20]
