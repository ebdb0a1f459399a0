"""Many questions at once: a scan over parameter values, and how moments answer to small changes of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.compiler import CompiledModel, compile_network
from kinetix.errors import SettingError, require_known
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.solution import Solution
from kinetix.solver import Solver

from .choice import seed_of, solver_of

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scan:
    """Answers on a grid: `values` of each scanned name, and one solution a point, the last name fastest."""

    times: Array
    values: Mapping[str, Array]
    solutions: tuple[Solution, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values of each scanned name."""
        return tuple(len(v) for v in self.values.values())

    def mean(self, name: str) -> Array:
        """The mean of a named quantity over the grid: [..., T]."""
        return np.stack([s.mean(name) for s in self.solutions]).reshape(*self.shape, -1)

    def std(self, name: str) -> Array:
        """Its standard deviation: [..., T]."""
        return np.stack([s.std(name) for s in self.solutions]).reshape(*self.shape, -1)

    @property
    def error(self) -> float | None:
        """The worst proven bound over the grid, or None where one point has none."""
        errors = [s.error for s in self.solutions]
        return None if any(e is None for e in errors) else max(e for e in errors if e is not None)

    def plot(self, name: str, path: str | Path | None = None) -> Any:
        """Mean and a band of one standard deviation against the first scanned name, at the last time; a Figure."""
        from .figures import plot_scan

        label = f"{name} at t = {self.times[-1]:g}"
        return plot_scan(self.values, self.mean(name)[..., -1], self.std(name)[..., -1], label, path)

    def __repr__(self) -> str:
        over = ", ".join(f"{name} ({len(v)})" for name, v in self.values.items())
        return f"<Scan over {over} at {len(self.times)} times>"


def scan(
    network: ReactionNetwork,
    times: ArrayLike,
    over: Mapping[str, ArrayLike],
    *,
    solver: Solver | str = "fsp",
    seed: int | None = None,
    **settings: Any,
) -> Scan:
    """The answers at `times` on the grid of the values in `over`: parameters or initial counts by name.

    Every point of the grid is solved with the same seed, so that sampling solvers move together.
    """
    chosen, number = solver_of(solver, settings), seed_of(seed)
    grid = {name: np.atleast_1d(np.asarray(values, dtype=np.float64)) for name, values in over.items()}
    if not grid or any(v.ndim != 1 or not len(v) for v in grid.values()):
        raise SettingError("there is nothing to scan over", place="scan", mend='give over={"k": [0.1, 1.0]}')
    model, solutions = compile_network(network), []
    for point in itertools.product(*grid.values()):
        problem = _problem(model, times, dict(zip(grid, map(float, point), strict=True)))
        solutions.append(chosen.solve(problem, rng=np.random.default_rng(number)).with_meta(seed=number))
    return Scan(solutions[0].times, grid, tuple(solutions))


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """Derivatives of means [T, S, P] and variances [T, S, P] with respect to parameters.

    `uncertainty` [T, S, P] is how far the derivative of the mean may be off: the difference between two step widths.
    """

    times: Array
    species: tuple[str, ...]
    parameters: tuple[str, ...]
    means: Array
    variances: Array
    uncertainty: Array

    def table(self) -> str:
        """The derivative of every mean with respect to every parameter, at the last time."""
        width = max(map(len, self.species))
        head = " " * width + "".join(f"{p:>14}" for p in self.parameters)
        rows = [
            f"{name:<{width}}" + "".join(f"{value:>14.5g}" for value in row)
            for name, row in zip(self.species, self.means[-1], strict=True)
        ]
        return "\n".join([head, *rows])


_WIDTH = 2e-3
"""Relative step of the differences: their error is of fourth order in it."""


def sensitivities(
    network: ReactionNetwork,
    times: ArrayLike,
    parameters: Sequence[str] | None = None,
    *,
    solver: Solver | str | None = None,
) -> Sensitivities:
    """How means and variances answer to each parameter (all by default), by differences of fourth order.

    The solver must answer without noise: fsp (by default, with a small leak), mean-field or linear-noise.
    """
    names = tuple(parameters) if parameters is not None else tuple(p.name for p in network.parameters)
    require_known(names, network.theta_names, "parameter")
    chosen = solver_of("fsp", {"leak": 1e-12}) if solver is None else solver_of(solver)
    if hasattr(chosen, "paths"):
        reason = "differences of sampled answers are noise"
        raise SettingError(reason, place="sensitivities", mend="use fsp, mean-field or linear-noise")
    model = compile_network(network)
    values = dict(zip(network.theta_names, model.theta.tolist(), strict=True))
    moments = _Moments(model, times, chosen)
    centre = moments.at({})
    fine: list[tuple[Array, Array]] = []
    wide: list[tuple[Array, Array]] = []
    for name in names:
        for store, width in ((fine, _WIDTH), (wide, 2 * _WIDTH)):
            step = width * (abs(values[name]) or 1.0)
            store.append(_difference([moments.at({name: values[name] + k * step}) for k in (-2, -1, 1, 2)], step))
    means, variances = (np.stack([d[k] for d in fine], axis=-1) for k in (0, 1))
    unsure = np.abs(means - np.stack([d[0] for d in wide], axis=-1))
    return Sensitivities(centre[2], network.species_names, names, means, variances, unsure)


@dataclass(frozen=True, eq=False)
class _Moments:
    model: CompiledModel
    times: ArrayLike
    solver: Solver

    def at(self, parameters: Mapping[str, float]) -> tuple[Array, Array, Array]:
        """Means [T, S], variances [T, S] and times [T]."""
        solution = self.solver.solve(_problem(self.model, self.times, parameters), rng=np.random.default_rng(0))
        return solution.mean(), solution.std() ** 2, solution.times


def _difference(points: list[tuple[Array, Array, Array]], step: float) -> tuple[Array, Array]:
    """The derivative at the middle of values at -2, -1, 1, 2 steps, of means and variances."""
    first, second, third, fourth = points
    return (
        (first[0] - 8 * second[0] + 8 * third[0] - fourth[0]) / (12 * step),
        (first[1] - 8 * second[1] + 8 * third[1] - fourth[1]) / (12 * step),
    )


def _problem(model: CompiledModel, times: ArrayLike, point: Mapping[str, float]) -> Problem:
    """The problem with parameters, or initial counts, by name."""
    network = model.network
    require_known(point, (*network.theta_names, *network.species_names), "parameter or species")
    starts = {name: value for name, value in point.items() if name in network.species_names}
    rates = {name: value for name, value in point.items() if name not in starts}
    return Problem.of(model, times, parameters=rates, initial=starts or None)
