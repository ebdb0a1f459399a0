"""What is asked of a posterior: a network, cells, priors, and what ties them. One value makes every likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sympy

from kinetix.expressions import from_tree, number, symbol, to_tree
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.solver import Solver

from .courses.courses import CourseLikelihood
from .data.measurement import Measurement
from .likelihood import Likelihood
from .likelihoods.contract import CellLikelihood
from .likelihoods.groups import Grouped, of_group, spread
from .priors import from_table, split_fixed
from .time_courses import Cells, TimeCourses
from .unknowns.parameters import expressions
from .unknowns.prior_base import Prior


@dataclass(frozen=True, eq=False)
class Question:
    """`prior` names what is sampled or set: parameters, initial counts, what measurement and expressions use.

    Names in `per_group` get a parameter of their own in every group of the data, `name[group]`.
    """

    network: ReactionNetwork
    data: Cells
    prior: Mapping[str, Prior]
    measurement: Measurement | None = None
    derived: Mapping[str, sympy.Expr] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        network: ReactionNetwork,
        data: Cells,
        prior: Mapping[str, Any],
        *,
        measurement: Measurement | None = None,
        derived: Mapping[str, Any] | None = None,
        per_group: Sequence[str] = (),
    ) -> Question:
        """The question in the user's words: priors as in TOML files, numbers as expressions."""
        given = spread(from_table(prior), per_group, tuple(data.groups))
        return cls(network, data, given, measurement, expressions(derived))

    @cached_property
    def free(self) -> dict[str, Prior]:
        """What is sampled."""
        return split_fixed(self.prior)[0]

    def likelihood(self, solver: Solver, *, seed: int = 0) -> CellLikelihood:
        """The likelihood of the sampled names, in the order of the priors, under a solver."""
        if not any(name.endswith("]") for name in self.prior):
            return self._likelihood(self.data, self.prior, solver, seed)
        names, members = tuple(self.free), {}
        for group, cells in self.data.groups.items():
            used = of_group(self.prior, group)
            mine = self._likelihood(cells, {name: self.prior[n] for name, n in used.items()}, solver, seed)
            members[group] = mine, tuple(names.index(used[name]) for name in mine.names)
        return Grouped(names, self.data, members)

    def _likelihood(self, data: Cells, prior: Mapping[str, Prior], solver: Solver, seed: int) -> CellLikelihood:
        free, fixed = split_fixed(prior)
        measurement = None if self.measurement is None else self.measurement.filled(fixed)
        inputs = {symbol(name): number(value) for name, value in fixed.items()}
        derived = {name: expression.xreplace(inputs) for name, expression in self.derived.items()}
        used = {s.name for e in self.derived.values() for s in e.free_symbols}
        used |= set(self.measurement.parameters) if self.measurement is not None else set()
        own = (*self.network.theta_names, *self.network.species_names)
        set_ = {name: value for name, value in fixed.items() if name in own or name not in used}
        starts = {name: set_.pop(name) for name in list(set_) if name in self.network.species_names}
        problem = Problem.of(self.network, data.times, parameters=set_, initial=starts or None)
        if isinstance(data, TimeCourses):
            return CourseLikelihood(solver, problem, data, tuple(free), seed, measurement, derived)
        return Likelihood(solver, problem, data, tuple(free), seed, measurement, derived)

    def told(self) -> dict[str, Any]:
        """What ties network, cells and priors together, as plain values; `again` reads it back."""
        measurement = {} if self.measurement is None else self.measurement.as_dict()
        return {"measurement": measurement, "derived": {n: to_tree(e) for n, e in self.derived.items()}}

    @classmethod
    def again(
        cls, network: ReactionNetwork, data: Cells, prior: Mapping[str, Prior], told: Mapping[str, Any]
    ) -> Question:
        """The question of a stored posterior."""
        measurement = Measurement(**told["measurement"]) if told.get("measurement") else None
        derived = {name: from_tree(tree) for name, tree in told.get("derived", {}).items()}
        return cls(network, data, prior, measurement, derived)
