"""Every solver by name, with its promise and when (not) to choose it.

The test battery reads this table: a new solver is one frozen dataclass with `solve` and one line
here, and is tested against its promise with no new test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, NamedTuple

from kinetix.errors import SettingError
from kinetix.solver import Solver

from .fsp import FSP
from .general_model import General
from .linear_noise import LinearNoise
from .mean_field import MeanField
from .ssa import SSA
from .tau_leaping import TauLeaping


@dataclass(frozen=True)
class Statistical:
    """Right in law: its draws pass z-tests and chi-squared tests against the exact law at any number."""

    def __str__(self) -> str:
        return "exact in law, with sampling error"


@dataclass(frozen=True)
class Within:
    """Its laws lie within `variation` of the exact ones in total variation, as `Solution.error` says."""

    variation: float

    def __str__(self) -> str:
        return f"within {self.variation:g} in total variation, proven in every answer"


@dataclass(frozen=True)
class Leaping(Statistical):
    """Right in law where it does not leap; where it does, means and standard deviations within `relative`."""

    relative: float

    def __str__(self) -> str:
        return f"exact in law where it does not leap, else means and sd within {self.relative:.0%}; with sampling error"


@dataclass(frozen=True)
class OfMoments:
    """Its means, and covariances where `spread`, lie within `relative` of the exact ones in networks of first order."""

    relative: float
    spread: bool

    def __str__(self) -> str:
        what = "means and covariances" if self.spread else "means"
        exact = "exact where every law is of first order in the counts"
        return f"{what} only, {exact} (to {self.relative:g}), elsewhere the limit of large counts"


@dataclass(frozen=True)
class Flagged:
    """Approximate, and says of every answer how far off it may be: of those flagged "good" a `share` lies within the
    Hellinger `distance`, as measured on problems that the flag was not made with.
    """

    distance: float
    share: float

    def __str__(self) -> str:
        return f"approximate; of answers flagged good, {self.share:.0%} lie within {self.distance:g} (Hellinger)"


Promise = Statistical | Within | OfMoments | Flagged


class Entry(NamedTuple):
    """One line of the catalogue."""

    solver: Solver
    promise: Promise
    when: str
    when_not: str


CATALOGUE: Mapping[str, Entry] = MappingProxyType(
    {
        "ssa": Entry(
            SSA(),
            Statistical(),
            "any model of any size; trajectories themselves are wanted",
            "probabilities below 1e-3 are wanted, or counts are so high that each path has billions of events",
        ),
        "tau-leaping": Entry(
            TauLeaping(),
            Leaping(0.02),
            "trajectories at counts of many thousands, where every path has millions of events",
            "counts are low: it is then no faster than ssa, and gives the same",
        ),
        "fsp": Entry(
            FSP(),
            Within(1e-8),
            "the window of likely counts fits in memory (up to about four species): fastest and exact",
            "many species or high counts: more than a few million states",
        ),
        "mean-field": Entry(
            MeanField(),
            OfMoments(1e-6, spread=False),
            "deterministic time courses: rate rules, fractions, large counts, what SBML tools call a simulation",
            "noise or probabilities are wanted, or counts are small and laws curved: even the means are then wrong",
        ),
        "linear-noise": Entry(
            LinearNoise(),
            OfMoments(1e-6, spread=True),
            "means and covariances of many species in milliseconds; laws of first order, or large counts",
            "probabilities are wanted, or counts are small and laws curved, or the law has two peaks",
        ),
        "general": Entry(
            General(),
            Flagged(0.05, 0.95),
            "a first look at many different networks of four or five species; mass action, Hill and enzymatic laws",
            "up to three species, where fsp is exact in milliseconds; the answer matters, and its flag is not good",
        ),
    }
)


def solver(name: str, **settings: Any) -> Solver:
    """The solver of that name, with its settings; misspelt names and settings are refused with a near miss."""
    if name not in CATALOGUE:
        raise SettingError(f"unknown solver {name!r}", mend=_near(name, list(CATALOGUE)))
    kind = type(CATALOGUE[name].solver)
    known = [field.name for field in fields(kind) if field.init]  # type: ignore[arg-type] # a solver is a dataclass
    for setting in settings:
        if setting not in known:
            raise SettingError(f"unknown setting {setting!r}", place=name, mend=_near(setting, known))
    made: Solver = kind(**settings)
    return made


def _near(given: str, known: list[str]) -> str:
    near = get_close_matches(given, known, n=1) or get_close_matches(given.lower(), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
