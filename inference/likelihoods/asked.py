"""What every likelihood of cells is made of: a solver, a problem, cells, and the names that are sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy

from kinetix.inference.data.measurement import Measurement
from kinetix.problem import Problem
from kinetix.solver import Solver


@dataclass(frozen=True, eq=False)
class Asked:
    """`data` seen through `measurement` under `solver`, as a function of `names`, the others as in `problem`.

    `problem` gives model, theta and initial law; its own times are not used. A name is a parameter of the
    model, a species (its initial count), a parameter of the `measurement`, or one that the expressions in
    `derived` use to make those (see `Parameters`). `seed` makes answers of solvers that draw at random a
    fixed function of the parameters.
    """

    solver: Solver
    problem: Problem
    data: Any
    names: tuple[str, ...]
    seed: int = 0
    measurement: Measurement | None = None
    derived: Mapping[str, sympy.Expr] = field(default_factory=dict)
