"""The same question put to several solvers: distances to a reference, seconds, and the floor of sampling.

A histogram of n draws lies away from its own law too: its expected Hellinger distance is the
floor, without which a distance of a sampling solver means nothing. Solvers that state moments alone
have no distance; their means are compared, as those of all others are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Distribution, Moments, PointMass, Sampled, Tabulated
from kinetix.errors import SettingError, UnsupportedFeature, require_known
from kinetix.problem import Problem
from kinetix.solution import Solution
from kinetix.solver import Solver, require_times

Array = NDArray[np.float64]

DISTANCES = ("hellinger", "floor", "total_variation", "worst_species", "worst_marginal_hellinger")
"""What a row says of a solver that states probabilities."""

SMALL = 40.0
"""Expected counts below which the square root is averaged over the Poisson law itself."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers of several solvers to one problem; `reference` names the one that the others are measured from."""

    problem: Problem
    solutions: Mapping[str, Solution]
    reference: str
    seed: int

    @classmethod
    def of(cls, problem: Problem, solvers: Mapping[str, Solver], *, reference: str, seed: int) -> Self:
        """Solve with each; the randomness of a solver depends on the seed and its name alone."""
        if len(solvers) < 2:
            raise SettingError("a study needs two solvers", place="solvers", mend="name at least two, as fsp,ssa")
        require_known([reference], tuple(solvers), "solver as reference")
        for solver in solvers.values():
            require_times(solver, problem)
        solutions = {
            name: solver.solve(problem, rng=generator(seed, name)).with_meta(seed=seed)
            for name, solver in solvers.items()
        }
        return cls(problem, solutions, reference, seed)

    def __repr__(self) -> str:
        """One line; `print(study.table())` has the numbers."""
        return (
            f"<Study: {', '.join(self.solutions)} at {len(self.problem.times)} times, measured from {self.reference}>"
        )

    @property
    def others(self) -> tuple[str, ...]:
        """The solvers that are measured."""
        return tuple(name for name in self.solutions if name != self.reference)

    def measured(self, name: str) -> bool:
        """Whether the solver has distances: it and the reference state probabilities, not moments alone."""
        both = (*self.solutions[name].laws, *self.solutions[self.reference].laws)
        return not any(isinstance(law, Moments) for law in both)

    def mean_gaps(self, name: str) -> Array:
        """Differences of means from the reference's, as shares of its largest mean over time: [T, S].

        Of a species that is never there in the reference, the difference itself.
        """
        means, reference = self.solutions[name].mean(), self.solutions[self.reference].mean()
        largest = np.abs(reference).max(axis=0)
        return np.asarray(np.abs(means - reference) / np.where(largest > 0, largest, 1.0))

    def joint(self, name: str) -> Array:
        """Hellinger distance and total variation of the joint law at every time: [T, 2]."""
        pairs = zip(self.solutions[self.reference].laws, self.solutions[name].laws, strict=True)
        return np.array([joint_distances(p, q) for p, q in pairs])

    def marginal(self, name: str, species: str) -> Array:
        """The same of the marginal law of one species: [T, 2]."""
        axis = self.solutions[name].species.index(species)
        pairs = zip(self.solutions[self.reference].laws, self.solutions[name].laws, strict=True)
        return np.array([distances(p.marginal([axis]).table(), q.marginal([axis]).table()) for p, q in pairs])

    def floor(self, name: str) -> Array | None:
        """What exact draws, as many as `name` made, would score on average: [T]; None for solvers that state laws."""
        paths = self.solutions[name].trajectories
        if paths is None or not self.measured(name):
            return None
        return np.array([sampling_floor(_table(law)[1], len(paths)) for law in self.solutions[self.reference].laws])

    def rows(self) -> list[dict[str, Any]]:
        """One row a solver and time, the worst marginal and mean named; None where a distance is not stated."""
        result = []
        for name in self.others:
            gaps, names = self.mean_gaps(name), self.solutions[name].species
            stated = self._distances(name) if self.measured(name) else None
            for k, time in enumerate(self.problem.times):
                worst = int(np.argmax(gaps[k]))
                result.append(
                    {
                        "solver": name,
                        "time": float(time),
                        **(dict.fromkeys(DISTANCES) if stated is None else stated[k]),
                        "worst_mean": names[worst],
                        "worst_mean_gap": float(gaps[k, worst]),
                    }
                )
        return result

    def _distances(self, name: str) -> list[dict[str, Any]]:
        """What a solver that states probabilities is measured by, one entry a time."""
        joint, floor = self.joint(name), self.floor(name)
        each = {s: self.marginal(name, s) for s in self.solutions[name].species}
        result = []
        for k in range(len(self.problem.times)):
            worst = max(each, key=lambda s: float(each[s][k, 0]))
            floor_here = None if floor is None else float(floor[k])
            row = (float(joint[k, 0]), floor_here, float(joint[k, 1]), worst, float(each[worst][k, 0]))
            result.append(dict(zip(DISTANCES, row, strict=True)))
        return result

    def seconds(self) -> dict[str, float]:
        """CPU seconds of every solver."""
        return {name: float(s.meta.get("cpu_seconds", float("nan"))) for name, s in self.solutions.items()}

    def table(self) -> str:
        """The study as text."""
        head = f"{'solver':<14}{'time':>10}{'H joint':>11}{'floor':>11}{'TV joint':>11}{'worst H':>11}  species"
        head += f"{'worst mean':>20}"
        lines = [f"distances to {self.reference}, seed {self.seed}", head]
        for row in self.rows():
            numbers = (row[key] for key in ("hellinger", "floor", "total_variation", "worst_marginal_hellinger"))
            told = "".join("          -" if value is None else f"{value:>11.2e}" for value in numbers)
            mean = f"{row['worst_mean_gap']:.2e} {row['worst_mean']}"
            lines.append(f"{row['solver']:<14}{row['time']:>10g}{told}  {row['worst_species'] or '-':<7}{mean:>20}")
        if not all(self.measured(name) for name in self.others):
            lines.append(
                "- not stated: an answer in moments alone has no probabilities to measure, its means are compared"
            )
        lines.append(f"worst mean: the largest difference of means, as a share of the largest mean of {self.reference}")
        seconds = ", ".join(f"{name} {value:.3g}" for name, value in self.seconds().items())
        return "\n".join([*lines, f"CPU seconds: {seconds}"])

    def as_dict(self) -> dict[str, Any]:
        """The study as plain data."""
        return {
            "reference": self.reference,
            "seed": self.seed,
            "rows": self.rows(),
            "cpu_seconds": self.seconds(),
            "error": {name: s.error for name, s in self.solutions.items()},
            "meta": {name: dict(s.meta) for name, s in self.solutions.items()},
        }


def generator(seed: int, name: str) -> np.random.Generator:
    """The generator of one solver in a study."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def joint_distances(reference: Distribution, other: Distribution) -> tuple[float, float]:
    """Hellinger distance and total variation of two joint laws, summed over the support of the reference."""
    states, p = _table(reference)
    q = np.exp(other.log_prob(states))
    return _distances(p, q, max(0.0, 1.0 - float(q.sum())))


def distances(p: Array, q: Array) -> tuple[float, float]:
    """Hellinger distance and total variation of two laws on the counts 0, 1, ..."""
    size = max(len(p), len(q))
    return _distances(np.pad(p, (0, size - len(p))), np.pad(q, (0, size - len(q))), 0.0)


def sampling_floor(p: Array, draws: int) -> float:
    """The root mean square Hellinger distance between a law and the histogram of so many of its own draws."""
    expected = draws * p[p > 0]
    root = np.where(expected < SMALL, np.interp(expected, *_mean_root()), _mean_root_large(expected))
    square = 1.0 - float((np.sqrt(p[p > 0] / draws) * root).sum())
    return float(np.sqrt(max(0.0, square - 1 / (8 * draws))))  # Poisson counts have a total that varies; draws do not


@cache
def _mean_root() -> tuple[Array, Array]:
    """E sqrt(X) of Poisson counts over a grid of small means."""
    from scipy.stats import poisson

    grid, counts = np.linspace(0.0, SMALL, 4001), np.arange(int(SMALL + 12 * np.sqrt(SMALL)))
    return grid, np.asarray(np.sqrt(counts) @ poisson.pmf(counts[:, None], grid[None, :]))


def _mean_root_large(mean: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(mean > 0, np.sqrt(mean) * (1 - 1 / (8 * mean) - 7 / (128 * mean**2)), 0.0))


def _distances(p: Array, q: Array, outside: float) -> tuple[float, float]:
    hellinger = np.sqrt(max(0.0, 1.0 - float(np.sqrt(p * q).sum())))
    return float(hellinger), 0.5 * (float(np.abs(p - q).sum()) + outside)


def _table(law: Distribution) -> tuple[NDArray[np.int64], Array]:
    """The states that carry probability [N, S] and their probabilities [N]."""
    tabulate = getattr(law, "tabulated", None)
    table = tabulate() if tabulate is not None else law
    if isinstance(table, Tabulated):
        support = np.nonzero(table.p > 0)[0]
        return table.space.states(support), table.p[support]
    if isinstance(table, Sampled):
        states, repeats = np.unique(table.counts, axis=0, return_counts=True)
        return states, repeats / len(table.counts)
    if isinstance(table, PointMass):
        return table.counts[None, :], np.ones(1)
    raise UnsupportedFeature(f"a {type(law).__name__} has no table to measure from", mend="use fsp as the reference")
