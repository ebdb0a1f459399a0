"""The mean field: amounts that follow the rate equations, with events and rate rules.

Choose it for what SBML tools call a simulation, for models with fractions and rate rules, and for large
counts. It states means only: exact where every law is of first order in the counts, otherwise the limit of
large volumes (T. G. Kurtz, J. Chem. Phys. 57 (1972) 2976, doi:10.1063/1.1678692), which may miss even the
mean where counts are small.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetix import distribution
from kinetix.constructs import require
from kinetix.distribution import Distribution, Fractional, Moments
from kinetix.errors import SettingError
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution

from .rates.course import MOST_STEPS, Course, Tolerances
from .rates.rate_equations import RateEquations

Array = NDArray[np.float64]

RTOL = 1e-9
"""Relative error allowed to a step: means are then right to about 1e-7 (the exact ones of first-order networks are)."""


@dataclass(frozen=True)
class MeanField:
    """The rate equations by LSODA, on `Reaction.law`, the laws as written.

    `rtol` and `atol` bound the error of a step, relative and in amounts (default: 1e-6 * rtol of the
    largest amount, so that amounts in any unit are served); `max_steps` allowed to a run.
    """

    rtol: float = RTOL
    atol: float | None = None
    max_steps: int = MOST_STEPS

    def __post_init__(self) -> None:
        require_tolerances("mean-field", self.rtol, self.atol, self.max_steps)

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """The amounts at every time; `std()` and `covariance()` are NaN: the mean field does not state them.

        A time at which an event happens shows the values after it. `meta` counts the steps and lists
        the events with their times. Raises UnsupportedFeature for what no rate equation says, and
        RunError, naming reaction, time and state, where a rate is no finite number.
        """
        started = time.process_time()
        network = problem.model.network
        require(network, "mean-field")
        problem.require_finite("mean-field")
        equations = RateEquations(problem.model)
        course = Course(equations, Tolerances(self.rtol, self.atol, self.max_steps), "mean-field")
        run = course.run(start_of(problem.initial), problem.theta, problem.times)
        meta = provenance(self, network, started, end="finished", steps=run.steps, events=run.events)
        laws = [Moments(amounts) for amounts in equations.amounts(run.states)]
        return Solution.of(problem, laws, meta=meta, thetas=run.thetas if network.changing else None)


def start_of(law: Distribution) -> Array:
    """The amounts that a law over starts begins with, its means: [S]."""
    return law.amounts.astype(np.float64) if isinstance(law, Fractional) else distribution.mean(law)


def require_tolerances(solver: str, rtol: float, atol: float | None, max_steps: int) -> None:
    """Refuse tolerances and budgets that no integrator can work with."""
    for name, value, most in (("rtol", rtol, 1.0), ("atol", atol, np.inf)):
        if value is not None and not (isinstance(value, int | float | np.number) and 0 < value < most):
            raise SettingError(f"{name} is {value!r}", place=solver, mend="give a small number > 0, as 1e-9")
    if rtol < 1e-13:
        raise SettingError(f"rtol is {rtol!r}, finer than doubles", place=solver, mend="give 1e-13 or more")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int | np.integer) or max_steps < 1:
        raise SettingError(f"max_steps is {max_steps!r}", place=solver, mend="give a whole number >= 1")
