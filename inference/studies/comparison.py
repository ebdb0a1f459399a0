"""Which model foretells cells best: leave-one-out cross-validation from posterior draws alone.

The log-probability of every cell under the posterior of all other cells, by Pareto-smoothed importance
sampling: A. Vehtari, A. Gelman, J. Gabry, Stat. Comput. 27 (2017) 1413. Equal cells are weighed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from kinetix.errors import DataError, SettingError
from kinetix.inference.diagnostics import pareto_smoothed
from kinetix.inference.posterior import Posterior
from kinetix.inference.question import Question
from kinetix.solver import Solver

Array = NDArray[np.float64]

PARETO = 0.7
"""Pareto k from which a cell's estimate is not to be trusted: the posterior leans on that cell."""

BATCH = 50
"""Draws that a solver is asked for at once."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The log-probability of U distinct cells, each foretold without itself: `elpd` [U], `pareto_k` [U], `repeats` [U].

    `fitted` [U] is the log-probability with the cell in the data; `cells` says when and what each was.
    """

    elpd: Array
    fitted: Array
    pareto_k: Array
    repeats: NDArray[np.int64]
    cells: tuple[str, ...]

    @property
    def total(self) -> float:
        """Summed over all cells."""
        return float(self.repeats @ self.elpd)

    @property
    def parameters(self) -> float:
        """The effective number of parameters: how much better cells are told that are in the data."""
        return float(self.repeats @ (self.fitted - self.elpd))

    @property
    def leaned_on(self) -> tuple[str, ...]:
        """Cells that the posterior leans on, so that it cannot be told how they would be foretold without them."""
        return tuple(cell for cell, k in zip(self.cells, self.pareto_k, strict=True) if not k < PARETO)


@dataclass(frozen=True)
class ModelRow:
    """A model: expected log-probability `elpd` of new cells like these, its distance from the best, standard errors."""

    name: str
    elpd: float
    se: float
    difference: float
    difference_se: float
    parameters: float
    leaned_on: tuple[str, ...]

    @property
    def as_good(self) -> bool:
        """Whether it cannot be told from the best: less than two standard errors, or less than 4, behind."""
        return self.difference <= max(4.0, 2 * self.difference_se)


@dataclass(frozen=True)
class Comparison:
    """Models of the same cells, the best first."""

    rows: tuple[ModelRow, ...]
    cells: int

    def __str__(self) -> str:
        head = f"{'model':<20}{'elpd':>12}{'se':>8}{'behind':>10}{'se':>8}{'parameters':>12}"
        lines = [f"models by what they foretell of {self.cells:,} cells (log-probability, leave-one-out)", head]
        for r in self.rows:
            numbers = f"{r.elpd:>12.1f}{r.se:>8.1f}{r.difference:>10.1f}{r.difference_se:>8.1f}{r.parameters:>12.1f}"
            lines.append(f"{r.name:<20}{numbers}" + ("" if not r.as_good or r is self.rows[0] else "  as good"))
        for r in self.rows:
            if r.leaned_on:
                shown = "; ".join(r.leaned_on[:3])
                lines.append(
                    f"NOT CERTAIN: {r.name} leans on {len(r.leaned_on)} distinct cells (Pareto k >= 0.7): {shown}"
                )
        return "\n".join(lines)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries."""
        names = ("name", "elpd", "se", "difference", "difference_se", "parameters")
        return [{n: getattr(r, n) for n in names} | {"leaned_on": list(r.leaned_on)} for r in self.rows]


def compare_models(
    posteriors: Mapping[str, Posterior], solvers: Mapping[str, Solver], *, rng: np.random.Generator, draws: int = 1000
) -> Comparison:
    """Models by the cells that each foretells without them; all must have been fitted to the same cells.

    `solvers` weigh the cells of each, at `draws` draws of its posterior.
    """
    if len(posteriors) < 2:
        raise SettingError("there is one model or none", place="models", mend="give two posteriors or more")
    if draws < 100:
        raise SettingError(f"draws is {draws}", place="models", mend="give 100 or more")
    first, *others = posteriors.items()
    for name, posterior in others:
        if posterior.data.digest != first[1].data.digest:
            reason = f"{name!r} and {first[0]!r} were fitted to different cells"
            raise DataError(reason, place="models", mend="fit all models to the same table")
    streams = rng.spawn(len(posteriors))
    found = {
        name: left_out(posterior, solvers[name], rng=stream, draws=draws)
        for (name, posterior), stream in zip(posteriors.items(), streams, strict=True)
    }
    best = max(found, key=lambda name: found[name].total)
    rows = sorted((_row(name, one, found[best]) for name, one in found.items()), key=lambda row: row.difference)
    return Comparison(tuple(rows), first[1].data.cells)


def left_out(posterior: Posterior, solver: Solver, *, rng: np.random.Generator, draws: int = 1000) -> LeftOut:
    """The leave-one-out log-probabilities of the cells of a posterior."""
    told = posterior.meta.get("question", {})
    asked = Question.again(posterior.network, posterior.data, posterior.prior, told).likelihood(solver)
    thetas = posterior.resample(draws, rng=rng)
    pieces = [asked.by_row(thetas[k : k + BATCH]) for k in range(0, draws, BATCH)]
    log_p = np.concatenate([np.concatenate(times, axis=0) for times in zip(*pieces, strict=True)], axis=1)
    elpd, k = np.array([_without(column) for column in log_p.T]).T
    cells, repeats = zip(*asked.units, strict=True)
    return LeftOut(elpd, logsumexp(log_p, axis=0) - np.log(draws), k, np.array(repeats), cells)


def _without(log_p: Array) -> tuple[float, float]:
    """The log-probability of a cell under the posterior without one such cell, and the Pareto k: [S] -> two numbers."""
    if not np.isfinite(log_p).all():
        return -np.inf, np.inf
    weights, k = pareto_smoothed(-log_p)
    with np.errstate(divide="ignore"):
        return float(logsumexp(log_p + np.log(weights))), (np.inf if np.isnan(k) else k)


def _row(name: str, one: LeftOut, best: LeftOut) -> ModelRow:
    behind = best.elpd - one.elpd
    return ModelRow(
        name,
        one.total,
        _error(one.elpd, one.repeats),
        float(one.repeats @ behind),
        _error(behind, one.repeats),
        one.parameters,
        one.leaned_on,
    )


def _error(values: Array, repeats: NDArray[np.int64]) -> float:
    """The standard error of a sum over cells, from their own spread."""
    n = int(repeats.sum())
    mean = float(repeats @ values) / n
    return float(np.sqrt(n * (repeats @ (values - mean) ** 2) / max(n - 1, 1)))
