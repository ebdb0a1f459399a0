"""The linear noise approximation: the mean field and Gaussian fluctuations about it, as means and covariances.

dC/dt = J C + C J' + S' diag(a) S with J the Jacobian of the rate equations and a the rates at the mean.
Exact where every law is of first order in the counts; elsewhere right in the limit of large volumes, for
one peak. Choose it for many species, where no window fits in memory.
N. G. van Kampen, Can. J. Phys. 39 (1961) 551, doi:10.1139/p61-056; J. Elf, M. Ehrenberg, Genome Res. 13
(2003) 2475, doi:10.1101/gr.1196503.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.core.relational import Relational

from kinetix import distribution
from kinetix.compiler import CompiledModel
from kinetix.constructs import require
from kinetix.distribution import Moments
from kinetix.errors import UnsupportedFeature
from kinetix.expressions import names_in
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution

from .mean_field import RTOL, require_tolerances, start_of
from .rates.course import MOST_STEPS, Course, Tolerances
from .rates.rate_equations import Flux, RateEquations, derivative

Array = NDArray[np.float64]

LARGEST = 80
"""Species up to which the covariances, a square of them, are followed."""

NEGATIVE = 1e-9
"""Share of the largest rate by which a rate may be below zero by rounding."""


@dataclass(frozen=True)
class LinearNoise:
    """Means and covariances by van Kampen's expansion, on `Reaction.law`.

    `rtol`, `atol` and `max_steps` as in `MeanField`; covariances have the tolerances of products of amounts.
    """

    rtol: float = RTOL
    atol: float | None = None
    max_steps: int = MOST_STEPS

    def __post_init__(self) -> None:
        require_tolerances("linear-noise", self.rtol, self.atol, self.max_steps)

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """Laws `Moments(mean [S], covariance [S, S])`; the covariance begins as that of the initial law.

        Raises UnsupportedFeature for events, rate rules, laws that switch on counts or have no derivative,
        and RunError, naming reaction, time and state, where a rate is negative or no finite number.
        """
        started = time.process_time()
        network = problem.model.network
        require(network, "linear-noise")
        problem.require_finite("linear-noise")
        equations = NoiseEquations(problem.model)
        equations.require_smooth()
        begin = np.concatenate([start_of(problem.initial), distribution.covariance(problem.initial)[equations.upper]])
        course = Course(equations, Tolerances(self.rtol, self.atol, self.max_steps), "linear-noise")
        run = course.run(begin, problem.theta, problem.times)
        laws = [Moments(means, spread) for means, spread in zip(*equations.moments(run.states), strict=True)]
        meta = provenance(self, network, started, end="finished", steps=run.steps)
        return Solution.of(problem, laws, meta=meta)


@dataclass(frozen=True)
class NoiseEquations:
    """Rate equations with those of the covariances: the state is means [S], then the upper triangle [U]."""

    model: CompiledModel

    @cached_property
    def mean(self) -> RateEquations:
        """The equations of the means alone."""
        return RateEquations(self.model)

    @cached_property
    def upper(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the upper triangle: [U], [U]."""
        rows, columns = np.triu_indices(len(self.names))
        return rows.astype(np.int64), columns.astype(np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """The species: S."""
        return self.model.network.species_names

    @property
    def fluxes(self) -> tuple[Flux, ...]:
        """Those of the means."""
        return self.mean.fluxes

    @property
    def derivatives(self) -> object:
        """Those of the means; they are always there."""
        return self.mean.derivatives

    def require_smooth(self) -> None:
        """Refuse networks too large, and laws that jump with the counts or have no derivative, by name."""
        if len(self.names) > LARGEST:
            reason = f"{len(self.names)} species have too many covariances for linear-noise, which follows {LARGEST}"
            raise UnsupportedFeature(reason, mend="use ssa, or mean-field")
        counted = set(self.names)
        for reaction in self.model.network.reactions:
            law, place = reaction.law, f"reaction {reaction.name!r}"
            steps = law.atoms(Relational, sympy.floor, sympy.ceiling, sympy.Mod)
            if jumping := sorted((s for s in steps if names_in(s) & counted), key=str):
                reason = f"its law switches on counts ({jumping[0]}), where noise is not linear"
                raise UnsupportedFeature(reason, place=place, mend="use ssa or mean-field")
            if any(derivative(law, name) is None for name in names_in(law) & counted):
                raise UnsupportedFeature("its law has no derivative", place=place, mend="use ssa or mean-field")
        if self.mean.derivatives is None:
            raise UnsupportedFeature("the laws are too large for their derivatives", mend="use ssa or mean-field")

    # states ----------------------------------------------------------------------------------

    def pack(self, start: Array, theta: Array) -> Array:
        """The state is the start itself: means and covariances, [n]."""
        return np.array(start)

    def amounts(self, state: Array) -> Array:
        """The means in states: [..., n] -> [..., S]."""
        return state[..., : len(self.names)]

    def theta(self, state: Array, theta: Array) -> Array:
        """Theta, which does not change: [..., n], [P] -> [..., P]."""
        return np.array(np.broadcast_to(theta, (*state.shape[:-1], len(theta))))

    def scales(self, state: Array, reach: Array) -> Array:
        """The size of what is followed, for absolute errors: variances are as large as means are: [n]."""
        return np.full(len(state), self.mean.scales(self.amounts(state), self.amounts(reach)).max(initial=0.0))

    def moments(self, states: Array) -> tuple[Array, Array]:
        """Means and covariances of states: [T, n] -> [T, S], [T, S, S]."""
        means = self.amounts(states)
        return means, np.stack([self._square(state) for state in states])

    # functions -------------------------------------------------------------------------------

    def slope(self, state: Array, theta: Array, time: float) -> Array:
        """The derivatives of means and covariances: [n]."""
        means, spread = self.amounts(state), self._square(state)
        rates = self.mean.rates(means, theta, time)
        if self._negative(rates).any():
            return np.full(len(state), np.nan)
        drift = self.mean.jacobian(means, theta, time) @ spread
        gather = self._gather
        change = drift + drift.T + (gather * rates) @ gather.T
        return np.concatenate([gather @ rates, change[self.upper]])

    def jacobian(self, state: Array, theta: Array, time: float) -> Array:
        """The derivative of the slope by the state, but for how covariances depend on means: [n, n].

        The part left out is strictly triangular, so that Newton's iteration needs one round more.
        """
        drift = self.mean.jacobian(self.amounts(state), theta, time)
        rows, columns = self.upper
        eye = np.eye(len(self.names))
        size, several = len(self.names), (rows != columns).astype(np.float64)
        result = np.zeros((len(state), len(state)))
        result[:size, :size] = drift
        i, j, k, m = rows[:, None], columns[:, None], rows[None, :], columns[None, :]
        one = drift[i, k] * eye[j, m] + eye[i, k] * drift[j, m]
        other = drift[i, m] * eye[j, k] + eye[i, m] * drift[j, k]
        result[size:, size:] = one + several * other
        return result

    def culprit(self, state: Array, theta: Array, time: float) -> tuple[str, str]:
        """The first channel whose rate is negative or not a finite number, by name, and the mend."""
        means = self.amounts(state)
        rates = self.mean.rates(means, theta, time)
        wrong = np.nonzero(self._negative(rates))[0]
        if len(wrong) and np.isfinite(rates).all():
            mend = "counts are too small for linear-noise; use fsp or ssa"
            return f"{self.fluxes[wrong[0]].label} is {rates[wrong[0]]:g}", mend
        return self.mean.culprit(means, theta, time)

    @staticmethod
    def _negative(rates: Array) -> NDArray[np.bool_]:
        """Rates below zero by more than rounding: [F]."""
        return np.asarray(rates < -NEGATIVE * np.abs(rates).max(initial=0.0))

    @cached_property
    def _gather(self) -> Array:
        return np.asarray(self.mean.gather @ np.eye(len(self.fluxes)))

    def _square(self, state: Array) -> Array:
        size, (rows, columns) = len(self.names), self.upper
        result = np.empty((size, size))
        result[rows, columns] = result[columns, rows] = state[size:]
        return result
