"""What is sampled, and what a model needs: rates, initial counts, numbers of the measurement, expressions of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from kinetix.distribution import PointMass
from kinetix.elements import MOST
from kinetix.errors import SettingError, require_known
from kinetix.expressions import TIME, names_in, number, symbol
from kinetix.problem import Problem
from kinetix.propensity import array_function

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parameters:
    """P sampled `names` and what follows from them; everything else is as in `problem`.

    A name is a parameter of the model, a species (its initial count, a whole number), a parameter of the
    measurement (`noise`), or stands in one of the `derived` expressions only. Those give parameters, initial
    counts or numbers of the measurement as functions of sampled names and the model's fixed parameters.
    """

    names: tuple[str, ...]
    problem: Problem
    derived: Mapping[str, sympy.Expr] = field(default_factory=dict)
    noise: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        network = self.problem.model.network
        set_apart = [
            n
            for n, own, now in zip(network.theta_names, self.problem.model.theta, self.problem.theta, strict=True)
            if own != now
        ]
        network.warn_of_stale((*self.names, *self.derived, *set_apart))
        made = (*network.theta_names, *network.species_names, *self.noise)
        require_known(self.derived, made, "parameter")
        inputs = [n for e in self.derived.values() for n in sorted(names_in(e))]
        require_known(self.names, (*made, *(n for n in inputs if n not in self.derived)), "parameter")
        for target, expression in self.derived.items():
            if target in self.names:
                raise SettingError(
                    f"{target!r} has a prior and an expression", place="derived", mend="leave one of them out"
                )
            known = [n for n in (*self.names, *network.theta_names) if n not in self.derived]
            try:
                require_known(sorted(names_in(expression)), known, "name")
            except SettingError as problem:
                reason = f"the expression of {target!r} uses the {problem.reason}"
                raise SettingError(reason, place="derived", mend=f"{problem.mend} (give it a prior)") from None
        for name in self.noise:
            if name not in (*self.names, *self.derived, *network.theta_names):
                mend = "give it one, or a number in the measurement"
                raise SettingError(f"{name!r} of the measurement has no prior", place="prior", mend=mend)
        if self.counts and not isinstance(self.problem.initial, PointMass):
            mend = "give the initial counts by name"
            raise SettingError("initial counts are sampled, and the start is a whole law", place="initial", mend=mend)

    @cached_property
    def counts(self) -> tuple[str, ...]:
        """The species whose initial count is sampled or derived."""
        species = self.problem.model.network.species_names
        return tuple(n for n in (*self.names, *self.derived) if n in species)

    @property
    def moved(self) -> tuple[str, ...]:
        """Everything of the model that a sampled vector changes, sampled or derived."""
        network = self.problem.model.network
        return tuple(n for n in (*self.names, *self.derived) if n in (*network.theta_names, *network.species_names))

    def values(self, name: str, vectors: Array) -> Array:
        """The value of a name, sampled, derived or fixed, under sampled vectors [B, P]: [B]."""
        if name in self.names:
            return np.asarray(vectors[:, self.names.index(name)])
        network = self.problem.model.network
        if name not in self.derived:
            return np.full(len(vectors), self.problem.theta[network.theta_names.index(name)])
        return self._evaluated(self.derived[name], vectors)

    def theta(self, vectors: Array) -> Array:
        """All parameters of the model: [B, P] -> [B, all]."""
        result = np.tile(self.problem.theta, (len(vectors), 1))
        for place, name in self._places:
            result[:, place] = self.values(name, vectors)
        return result

    def starts(self, vectors: Array) -> Counts:
        """The initial counts, where any are sampled: [B, P] -> [B, S]."""
        species = self.problem.model.network.species_names
        initial: Any = self.problem.initial
        result = np.tile(np.asarray(initial.counts, dtype=np.int64), (len(vectors), 1))
        for name in self.counts:
            result[:, species.index(name)] = np.round(self.values(name, vectors)).astype(np.int64)
        return result

    def possible(self, vectors: Array) -> NDArray[np.bool_]:
        """Whether all that follows from sampled vectors is a number, and every initial count one: [B, P] -> [B]."""
        result = np.isfinite(vectors).all(axis=1)
        for name in self.derived:
            result &= np.isfinite(self.values(name, vectors))
        for name in self.counts:
            value = self.values(name, vectors)
            with np.errstate(invalid="ignore"):
                whole = np.abs(value - np.round(value)) <= 1e-9 * np.maximum(1.0, np.abs(value))
            result &= whole & (value >= 0) & (value < MOST)
        return np.asarray(result)

    def slopes(self, name: str, vectors: Array) -> Array:
        """The derivatives of a name by the sampled ones: [B, P] -> [B, P]."""
        result = np.zeros_like(vectors, dtype=np.float64)
        if name in self.names:
            result[:, self.names.index(name)] = 1.0
        elif name in self.derived:
            inputs = names_in(self.derived[name])
            for i, other in enumerate(self.names):
                if other in inputs:
                    result[:, i] = self._evaluated(sympy.diff(self.derived[name], symbol(other)), vectors)
        return result

    @cached_property
    def _places(self) -> list[tuple[int, str]]:
        theta = self.problem.model.network.theta_names
        return [(theta.index(n), n) for n in (*self.names, *self.derived) if n in theta]

    def _evaluated(self, expression: sympy.Expr, vectors: Array) -> Array:
        inputs = sorted(names_in(expression))
        function = array_function([expression], (), inputs)
        with np.errstate(all="ignore"):
            (value,) = function(*(self.values(n, vectors) for n in inputs), 0.0)
        return np.broadcast_to(np.asarray(value, dtype=np.float64), (len(vectors),))


def expressions(derived: Mapping[str, Any] | None) -> dict[str, sympy.Expr]:
    """Derived parameters as trees: numbers are taken; text is parsed at the door, by `kinetix.infer`, not here."""
    result: dict[str, sympy.Expr] = {}
    for name, given in (derived or {}).items():
        if isinstance(given, str):
            mend = "give a sympy expression; kinetix.infer reads text"
            raise SettingError(f"{given!r} is text, not an expression", place=f"derived {name!r}", mend=mend)
        expression = number(given) if isinstance(given, int | float) else given
        if not isinstance(expression, sympy.Expr):
            raise SettingError(f"{given!r} is no expression", place=f"derived {name!r}", mend="write kon/ratio")
        if expression.has(TIME):
            raise SettingError("it contains the time, and a parameter is one number", place=f"derived {name!r}")
        result[name] = expression
    return result


def local_names(names: Sequence[str], group: str, shared: Sequence[str]) -> tuple[str, ...]:
    """The sampled names that one group uses, in order: shared ones, and its own with the group in brackets."""
    return tuple(n for n in names if n in shared or n.endswith(f"[{group}]"))
