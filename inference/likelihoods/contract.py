"""What samplers and checks ask of a likelihood of cells, and what a likelihood asks of priors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.inference.readings.reading import Drawn
from kinetix.problem import Problem
from kinetix.solver import Solver

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


class Bounded(Protocol):
    """What a prior tells about where it lives."""

    def bounds(self) -> tuple[float, float]:
        """Its support."""
        ...

    def mass(self, low: float, high: float) -> float:
        """Its probability of [low, high]."""
        ...


class CellLikelihood(Protocol):
    """What samplers and checks ask of a likelihood of cells, whatever the cells are (see `Likelihood`)."""

    @property
    def names(self) -> tuple[str, ...]:
        """The sampled parameters, P of them."""
        ...

    @property
    def data(self) -> Any:
        """The cells."""
        ...

    @property
    def problem(self) -> Problem:
        """The model, and what is not sampled."""
        ...

    @property
    def solver(self) -> Solver:
        """What weighs them."""
        ...

    @property
    def seed(self) -> int:
        """Of solvers that draw at random."""
        ...

    def __call__(self, thetas: ArrayLike) -> Array:
        """Log-likelihoods: [B, P] -> [B]."""
        ...

    def gradient(self, thetas: ArrayLike) -> tuple[Array, Array]:
        """Log-likelihoods and their derivatives by `names`: [B, P] -> [B], [B, P]; UnsupportedFeature without."""
        ...

    def by_row(self, thetas: ArrayLike) -> list[Array]:
        """The same apart, row by row (or cell by cell, of time courses)."""
        ...

    @property
    def units(self) -> tuple[tuple[str, int], ...]:
        """What the columns of `by_row`, one list after another, are about, and how many cells there are of each."""
        ...

    def at(self, theta: ArrayLike) -> Problem:
        """The problem under one parameter vector: [P]."""
        ...

    def inside(self, thetas: ArrayLike) -> NDArray[np.bool_]:
        """Whether parameter vectors can be weighed: [B, P] -> [B]."""
        ...

    def require_prior(self, prior: Mapping[str, Any]) -> None:
        """Refuse priors that lead where the solver does not answer."""
        ...

    def laws(self, theta: ArrayLike, *, rng: np.random.Generator) -> list[Drawn]:
        """The laws of what is read at every time of the data, under one parameter vector: [P]."""
        ...

    def as_read(self, counts: Counts) -> Counts:
        """Counts of the data [..., D], those that the instrument cannot tell apart made equal."""
        ...
