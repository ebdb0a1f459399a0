"""What cells could tell: Fisher information of the parameters, by time and by what is observed.

The expected information of one cell is the mean of the squared slope of its log-probability, summed over
all counts it may show; slopes are exact sensitivities of the laws. M. Komorowski, M. Costa, D. Rand, M. Stumpf,
PNAS 108 (2011) 8645; Z. Fox, B. Munsky, PLoS Comput. Biol. 15 (2019) e1006365. All of it is for relative
changes of parameters (their logarithms), so that parameters with other units compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.distribution import Distribution, Tabulated
from kinetix.errors import SettingError, require_known
from kinetix.listed import Listed
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.solver import GradientSolver, Solver

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

RARE = 1e-14
"""The least probability of counts that are summed over."""

BLIND = 1.0
"""The relative standard deviation from which a direction of parameters counts as not identified."""

VAGUE = 1.0
"""The relative standard deviation of what is known before, where times are ranked by what they add."""


@dataclass(frozen=True, eq=False)
class Fisher:
    """The information of one cell: `per_cell` [O, T, K, K], by observable, time and pair of parameters.

    The first of the `observables` is all observed species at once, the others are single species. `cells` [T]
    is the design; everything is about relative changes of the `parameters` at their values `theta` [K].
    """

    parameters: tuple[str, ...]
    theta: Array
    times: Array
    cells: Counts
    observables: tuple[tuple[str, ...], ...]
    per_cell: Array

    @property
    def information(self) -> Array:
        """The information of all cells of the design: [K, K]."""
        return np.asarray(np.tensordot(self.cells.astype(float), self.per_cell[0], axes=1))

    def sd(self, information: Array | None = None) -> Array:
        """Relative standard deviations that no unbiased estimate undercuts (Cramér-Rao): [K]; inf where there is none.

        Of the design, or of another `information`.
        """
        return _bounds(self.information if information is None else information)

    def alone(self) -> Array:
        """The same were all cells of the design seen at one time, by one observable: [O, T, K]."""
        total = float(self.cells.sum())
        return np.array([[_bounds(total * one) for one in row] for row in self.per_cell])

    def directions(self) -> tuple[tuple[float, dict[str, float]], ...]:
        """Combinations of parameters and how well the design fixes them, the worst first.

        Each is a relative standard deviation with the exponents of a product of parameters (a unit vector).
        """
        values, vectors = np.linalg.eigh(self.information)
        with np.errstate(divide="ignore"):
            sds = np.where(values > 1e-12 * max(values[-1], 1e-300), 1 / np.sqrt(np.maximum(values, 1e-300)), np.inf)
        signed = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
        return tuple(
            (float(s), dict(zip(self.parameters, v.tolist(), strict=True))) for s, v in zip(sds, signed.T, strict=True)
        )

    def blind(self) -> tuple[dict[str, float], ...]:
        """The directions that the design does not identify: known to no better than a factor of about three."""
        return tuple(direction for sd, direction in self.directions() if sd >= BLIND)

    def gains(self) -> Array:
        """What as many cells again would add, were they all seen at one time, by one observable: [O, T].

        In nats: half the growth of the log-determinant of the information, with a vague prior (D-optimality).
        """
        known, total = self.information + np.eye(len(self.parameters)) / VAGUE**2, float(self.cells.sum())
        base = np.linalg.slogdet(known)[1]
        return np.array(
            [[0.5 * (np.linalg.slogdet(known + total * one)[1] - base) for one in row] for row in self.per_cell]
        )

    def __str__(self) -> str:
        """Bounds of the design, directions that it leaves open, and what single times and observables could tell."""
        head = f"{int(self.cells.sum()):,} cells at {len(self.times)} times, {_named(self.observables[0])}"
        lines = [f"{head}: relative standard deviations of at least"]
        lines += [f"  {name:<16} {_percent(s)}" for name, s in zip(self.parameters, self.sd(), strict=True)]
        for direction in self.blind():
            lines.append(f"not identified: {product_of(direction)}")
        width = max(12, *(len(_named(o)) for o in self.observables)) + 2
        lines.append("what as many cells again would add at one time (nats)")
        lines.append(f"{'time':>10}" + "".join(f"{_named(o):>{width}}" for o in self.observables))
        for k, t in enumerate(self.times):
            lines.append(f"{t:>10.4g}" + "".join(f"{g:>{width}.3f}" for g in self.gains()[:, k]))
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "parameters": dict(zip(self.parameters, self.theta.tolist(), strict=True)),
            "times": self.times.tolist(),
            "cells": self.cells.tolist(),
            "observables": [list(o) for o in self.observables],
            "per_cell": self.per_cell.tolist(),
            "sd": dict(zip(self.parameters, self.sd().tolist(), strict=True)),
            "directions": [{"sd": s, "exponents": d} for s, d in self.directions()],
            "gains": self.gains().tolist(),
        }


def fisher(
    network: ReactionNetwork,
    times: ArrayLike,
    *,
    solver: Solver,
    species: Sequence[str] | None = None,
    cells: int | Sequence[int] = 1,
    parameters: Sequence[str] | None = None,
    values: Mapping[str, float] | None = None,
) -> Fisher:
    """The information in `cells` (one number, or one a time) at `times` about `parameters` (all by default).

    `species` are what is counted (all by default); `values` of parameters, else the model's own. The solver
    must know the slopes of its laws.
    """
    if not isinstance(solver, GradientSolver):
        reason = f"{type(solver).__name__} knows no derivatives of its laws"
        raise SettingError(reason, place="fisher", mend="use fsp")
    seen = tuple(network.species_names if species is None else species)
    require_known(seen, network.species_names, "species")
    problem = Problem.of(network, times, parameters=values)
    names = network.theta_names if parameters is None else tuple(parameters)
    require_known(names, network.theta_names, "parameter")
    places = [network.theta_names.index(name) for name in names]
    theta = problem.theta[places]
    if not names or (theta == 0).any():
        zero = next((n for n, v in zip(names, theta, strict=True) if v == 0), None)
        reason = "no parameter is asked about" if zero is None else f"{zero!r} is 0: nothing is relative to it"
        raise SettingError(reason, place="fisher", mend="name parameters that are not 0")
    count = np.asarray(cells)
    if count.dtype.kind not in "iu" or (count < 0).any() or count.shape not in {(), problem.times.shape}:
        raise SettingError(f"cells is {cells!r}", place="cells", mend="give one whole number, or one a time")
    observables = (seen, *((name,) for name in seen)) if len(seen) > 1 else (seen,)
    laws = solver.solve(problem, rng=np.random.default_rng(0)).laws
    found = np.stack([_information(problem, solver, laws, o, places) for o in observables])
    at = np.broadcast_to(count, problem.times.shape).astype(np.int64)
    return Fisher(names, theta, problem.times, at, observables, found * np.outer(theta, theta))


def _information(
    problem: Problem, solver: GradientSolver, laws: Sequence[Distribution], seen: Sequence[str], places: Sequence[int]
) -> Array:
    """The information of one cell at every time of the problem: [T, K, K]."""
    axes = [problem.model.network.species_names.index(name) for name in seen]
    later = problem.times > 0  # at time 0 the cells are where they are put
    found = np.zeros((len(problem.times), len(places), len(places)))
    if not later.any():
        return found
    rows = [_support(law.marginal(axes)) for law, after in zip(laws, later, strict=True) if after]
    asked = Problem(problem.model, problem.times[later], problem.theta, problem.initial)
    logs, slopes = solver.log_prob_gradient_batch(asked, problem.theta[None], rows, axes, places)
    for k, log_p, slope in zip(np.flatnonzero(later), logs, slopes, strict=True):
        p = np.exp(log_p[0])
        kept = (p > RARE) & np.isfinite(slope[0]).all(axis=1)
        found[k] = np.einsum("n,ni,nj->ij", p[kept], slope[0][kept], slope[0][kept])
    return found


def _support(law: Distribution) -> Counts:
    """The counts that a law may show: [N, D]."""
    if isinstance(law, Tabulated):
        return law.space.states(np.flatnonzero(law.p > RARE))
    if isinstance(law, Listed):
        return law.counts[law.p > RARE]
    raise SettingError(f"the counts of a {type(law).__name__} cannot be listed", place="fisher", mend="use fsp")


def _bounds(information: Array) -> Array:
    """Roots of the diagonal of the inverse; inf for parameters in a direction without information: [K]."""
    values, vectors = np.linalg.eigh(information)
    open_ = values <= 1e-12 * max(float(values[-1]), 1e-300)
    variance = (vectors[:, ~open_] ** 2 / values[~open_]).sum(axis=1)
    lost = (vectors[:, open_] ** 2).sum(axis=1) > 1e-12
    return np.where(lost, np.inf, np.sqrt(variance))


def product_of(direction: Mapping[str, float]) -> str:
    """The exponents of a direction as a product of powers, the largest being 1; small ones are left out."""
    largest = max(map(abs, direction.values()))
    parts = [(name, e / largest) for name, e in direction.items() if abs(e) > 0.05 * largest]
    return " * ".join(name if abs(e - 1) < 0.005 else f"{name}^{e:.2g}" for name, e in parts)


def _named(seen: Sequence[str]) -> str:
    return " and ".join(seen) if len(seen) < 4 else f"{len(seen)} species"


def _percent(sd: float) -> str:
    return f"{100 * sd:.3g} %" if np.isfinite(sd) else "unbounded"
