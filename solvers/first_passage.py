"""When a condition on the counts is first met: the law of that time, with a bound on its error.

Nothing leaves a state where the condition holds; the probability found there by time t is that of a
first passage by then, and the rest, less what left the window, has not passed.
N. G. van Kampen, Stochastic Processes in Physics and Chemistry, 3rd ed., North-Holland 2007, ch. XII.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import SettingError
from kinetix.problem import Problem

from .fsp import FSP

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Condition = Callable[[Counts], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class FirstPassage:
    """The law of the time at which a condition first holds.

    `passed` [T] is the probability that it held by each of `times`, `survival` [T] that it did not;
    both are within `error` [T] of the exact values.
    """

    times: Array
    passed: Array
    survival: Array
    error: Array

    def quantile(self, q: float) -> float:
        """The time by which a share q has passed, between the times asked for (linear); NaN beyond the last."""
        if not 0 < q < 1:
            raise SettingError(f"q is {q}", place="quantile", mend="give a probability between 0 and 1")
        return float(np.interp(q, self.passed, self.times, left=np.nan, right=np.nan))


def first_passage(problem: Problem, condition: Condition, *, solver: FSP | None = None) -> FirstPassage:
    """When the counts first meet `condition`, a function of counts [N, S] -> [N] bool in species order."""
    projector = replace((solver or FSP()).projector(problem), absorbing=condition)
    nothing = np.zeros(len(problem.model.network.species), dtype=np.int64)
    (found,) = projector.adapted(problem.theta[None, :], nothing, lambda law: law)
    states, laws = found.space.states(), found.laws
    missing = max(1.0 - float(projector.maker.start.p.sum()), 0.0)
    held = np.asarray(condition(states), dtype=np.bool_)
    if held.shape != (len(states),):
        reason = f"the condition gives the shape {held.shape} for {len(states)} states"
        raise SettingError(reason, place="first_passage", mend="return one truth value a state")
    return FirstPassage(
        problem.times, laws[:, held].sum(axis=1), laws[:, ~held].sum(axis=1), found.lost + found.bound + missing
    )
