"""Groups of cells (replicates, conditions) with parameters of their own beside those that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import SettingError
from kinetix.inference.readings.reading import Drawn
from kinetix.inference.time_courses import Cells
from kinetix.problem import Problem
from kinetix.solver import Solver

from .contract import CellLikelihood

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Grouped:
    """The sum of the log-likelihoods of groups of cells, each under its own parameters.

    `members[g]` is the likelihood of a group and the places in `names` of what it uses, in its own order.
    `data` holds the cells of all groups. It answers as a `Likelihood` does.
    """

    names: tuple[str, ...]
    data: Cells
    members: Mapping[str, tuple[CellLikelihood, tuple[int, ...]]] = field(repr=False)

    def __call__(self, thetas: ArrayLike) -> Array:
        """Log-likelihoods of parameter vectors, in the order of `names`: [B, P] -> [B]."""
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        result, inside = np.full(len(values), -np.inf), self.inside(values)
        if inside.any():
            result[inside] = np.sum([f(values[inside][:, at]) for f, at in self._each], axis=0)
        return result

    def gradient(self, thetas: ArrayLike) -> tuple[Array, Array]:
        """Log-likelihoods and their derivatives by `names`: [B, P] -> [B], [B, P]."""
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        logs, slopes = np.zeros(len(values)), np.zeros(values.shape)
        for likelihood, places in self._each:
            log_p, rise = likelihood.gradient(values[:, places])
            logs += log_p
            slopes[:, places] += rise
        return logs, np.where(np.isfinite(logs)[:, None], slopes, np.nan)

    def by_row(self, thetas: ArrayLike) -> list[Array]:
        """Log-probabilities of the distinct rows of every group at every time, group by group: [B, U] each."""
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        return [log_p for f, at in self._each for log_p in f.by_row(values[:, at])]

    @property
    def units(self) -> tuple[tuple[str, int], ...]:
        """The rows of `by_row` in words, and how many cells of the group showed each."""
        return tuple(
            (f"{text} in group {group}", n)
            for group, (likelihood, _) in self.members.items()
            for text, n in likelihood.units
        )

    def inside(self, thetas: ArrayLike) -> NDArray[np.bool_]:
        """Whether parameter vectors can be weighed: [B, P] -> [B]."""
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        return np.asarray(np.all([f.inside(values[:, at]) for f, at in self._each], axis=0))

    def at(self, theta: ArrayLike) -> Problem:
        """The problem of the first group under one parameter vector: [P]."""
        likelihood, places = self._each[0]
        return likelihood.at(np.asarray(theta, dtype=np.float64)[places])

    def require_prior(self, prior: Mapping[str, Any]) -> None:
        """Refuse priors that a group's likelihood refuses."""
        for likelihood, places in self._each:
            local = {name: prior[self.names[i]] for name, i in zip(likelihood.names, places, strict=True)}
            likelihood.require_prior(local)

    def laws(self, theta: ArrayLike, *, rng: np.random.Generator) -> list[Drawn]:
        """The laws of the cells of all groups at every time of the data, under one parameter vector: [P]."""
        values = np.asarray(theta, dtype=np.float64)
        at_time: dict[float, list[tuple[Drawn, int]]] = {float(t): [] for t in self.data.times}
        for likelihood, places in self._each:
            cells = likelihood.data.cells_at.tolist()
            for t, law, n in zip(likelihood.data.times, likelihood.laws(values[places], rng=rng), cells, strict=True):
                at_time[float(t)].append((law, n))
        return [Shares(tuple(laws)) for laws in at_time.values()]

    def as_read(self, counts: Counts) -> Counts:
        """Counts of the data [..., D], those that the instrument cannot tell apart made equal."""
        return self._each[0][0].as_read(counts)

    @property
    def problem(self) -> Problem:
        """That of the first group."""
        return self._each[0][0].problem

    @property
    def solver(self) -> Solver:
        """The solver of all groups."""
        return self._each[0][0].solver

    @property
    def seed(self) -> int:
        """That of all groups."""
        return self._each[0][0].seed

    @property
    def _each(self) -> list[tuple[CellLikelihood, list[int]]]:
        return [(likelihood, list(places)) for likelihood, places in self.members.values()]


@dataclass(frozen=True, eq=False)
class Shares:
    """Whole sets of cells: of each law as many draws a set as its group has cells."""

    laws: tuple[tuple[Drawn, int], ...]

    def sample(self, n: int, *, rng: np.random.Generator) -> Counts:
        """Draws of n / cells sets, one set after another: [n, D]."""
        sets = n // sum(cells for _, cells in self.laws)
        parts = [law.sample(sets * cells, rng=rng).reshape(sets, cells, -1) for law, cells in self.laws]
        return np.concatenate(parts, axis=1).reshape(n, -1)


def own(name: str, group: str) -> str:
    """The name of one group's own parameter."""
    return f"{name}[{group}]"


def spread(prior: Mapping[str, Any], per_group: Sequence[str], groups: Sequence[str]) -> dict[str, Any]:
    """The prior with one entry a group for every name in `per_group`; names that fit no group are refused."""
    per_group = (per_group,) if isinstance(per_group, str) else tuple(per_group)
    if (per_group or any(n.endswith("]") for n in prior)) and not groups:
        mend = "read them with group=, the column of the groups"
        raise SettingError("parameters of groups are asked for, and the data have none", place="per_group", mend=mend)
    for name in per_group:
        if name not in prior:
            near = get_close_matches(name, list(prior), n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(prior)}"
            raise SettingError(f"{name!r} of every group has no prior", place="per_group", mend=mend)
    result: dict[str, Any] = {}
    for name, law in prior.items():
        label = name.partition("[")[2][:-1] if name.endswith("]") else None
        if label is not None and label not in groups:
            near = get_close_matches(label, groups, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(groups)}"
            raise SettingError(
                f"{name!r} is for the group {label!r}, which the data do not have", place="prior", mend=mend
            )
        result |= {own(name, g): law for g in groups if own(name, g) not in prior} if name in per_group else {name: law}
    return result


def of_group(prior: Mapping[str, Any], group: str) -> dict[str, str]:
    """What one group uses: the parameter of the model -> its name in the prior."""
    mine = {n.partition("[")[0]: n for n in prior if n.endswith(f"[{group}]")}
    return {name: mine.get(name, name) for name in dict.fromkeys(n.partition("[")[0] for n in prior)
            if name in mine or name in prior}  # fmt: skip
