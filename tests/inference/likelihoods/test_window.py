"""Counts beyond a net's window are refused where the data are bound, with their row and column.

Mutants seen to fail: `>=` and `> high + 1` at the upper end, no lower end; the header not counted; places of all cells
in a group, and of all times at one time; the check taken out of Likelihood, and out of CourseLikelihood.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

import kinetix as kx
from kinetix.errors import DataError
from kinetix.inference.question import Question
from kinetix.space import StateSpace
from tests.inference.gamma_poisson import PRIOR, Poisson, network


@dataclass(frozen=True)
class Windowed(Poisson):
    """A net's face: a window and a box; it refuses to be asked, as the data have to be refused before."""

    window: StateSpace = field(default_factory=lambda: StateSpace.box([9], [1]))
    box: dict = field(default_factory=lambda: {"k": (0.0, 100.0)})

    def log_prob_batch(self, *asked, **named):
        raise AssertionError("the net was asked")


def bound(data):
    return Question.of(network(), data, PRIOR).likelihood(Windowed())


@pytest.mark.parametrize(("count", "row"), [(10, 4), (0, 4)])
def test_row_and_column_of_the_file_are_named(tmp_path, count, row):
    """Both ends of the window."""
    path = tmp_path / "cells.csv"
    path.write_text(f"time,X\n2,3\n1,9\n2,{count}\n1,1\n")
    with pytest.raises(DataError, match=rf"count {count} of 'X' is outside the net's window, 1 to 9") as refused:
        bound(kx.Observations.read_csv(path))
    assert refused.value.place == f"row {row}, column 'X'"
    assert refused.value.file == str(path)


def test_arrays_name_their_place():
    with pytest.raises(DataError) as refused:
        bound(kx.Observations.from_counts("X", [2.0, 1.0, 2.0], np.array([3, 4, 12])))
    assert refused.value.place == "counts[2, 0]"


def test_groups_name_the_row_of_the_whole_table(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("time,X,plate\n2,3,a\n2,4,b\n2,30,b\n")
    cells = kx.Observations.read_csv(path, group="plate")
    question = Question.of(network(), cells, PRIOR, per_group=["k"])
    with pytest.raises(DataError) as refused:
        question.likelihood(Windowed())
    assert refused.value.place == "row 4, column 'X'"


def test_every_row_of_a_time_course_is_judged():
    cells = kx.TimeCourses.from_counts("X", ["a", "a"], [1.0, 2.0], [3, 12])
    with pytest.raises(DataError, match="count 12 of 'X'"):
        bound(cells)


def test_what_lies_within_is_bound():
    """The ends belong to it."""
    bound(kx.Observations.from_counts("X", 2.0, np.array([1, 9])))
