"""What a solver is: a bag of settings with one verb, and its batched sibling for likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .problem import Problem
from .solution import Solution

Array = NDArray[np.float64]


@runtime_checkable
class Solver(Protocol):
    """Anything that can say how the counts are distributed."""

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """The laws at the problem's times."""
        ...


def require_times(solver: Solver, problem: Problem) -> None:
    """SettingError, naming the solver, when it is asked for the stationary law and knows none."""
    if not getattr(solver, "stationary", False):
        problem.require_finite(type(solver).__name__)


@runtime_checkable
class BatchSolver(Solver, Protocol):
    """A solver that weighs the same observed counts under many parameter vectors at once."""

    def log_prob_batch(
        self,
        problem: Problem,
        thetas: Array,
        counts: Sequence[NDArray[np.int64]],
        axes: Sequence[int],
        *,
        rng: np.random.Generator,
    ) -> list[Array]:
        """Log-probabilities of observed counts.

        `thetas` [B, P] replace `problem.theta`; `counts[k]` [U_k, D] are distinct rows observed at
        `problem.times[k]` of the D species at `axes`, the others summed out. Returns one [B, U_k]
        a time.
        """
        ...


@runtime_checkable
class GradientSolver(BatchSolver, Protocol):
    """A batch solver that knows how its probabilities change with the parameters."""

    def log_prob_gradient_batch(
        self,
        problem: Problem,
        thetas: Array,
        counts: Sequence[NDArray[np.int64]],
        axes: Sequence[int],
        parameters: Sequence[int],
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[list[Array], list[Array]]:
        """As `log_prob_batch`, with derivatives by theta at the places `parameters` [K].

        Returns one [B, U_k] and one [B, U_k, K] a time; NaN where a probability is 0.
        """
        ...
