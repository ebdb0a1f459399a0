"""Laws on windows that hold sums of the data: for sums so large that asking about every split costs more.

The solver's own window holds the law; where a sum of the data lies beyond it, the window is widened in proportion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Distribution, Tabulated
from kinetix.errors import TruncationError
from kinetix.problem import Problem
from kinetix.solver import Solver
from kinetix.space import StateSpace

from .observables import Limits, Observables

Counts = NDArray[np.int64]

MARGIN = 1.05
"""How much further than the data a widened window reaches."""


def laws_that_reach(
    solver: Solver, problem: Problem, observables: Observables, largest: Counts, seed: int
) -> Sequence[Distribution]:
    """The laws at the times of `problem`, on windows that can show counts up to `largest` [D] of the observables.

    Raises TruncationError where a window does not reach so far and cannot be widened.
    """
    laws = solver.solve(problem, rng=np.random.default_rng(seed)).laws
    short = [law.space for law in laws if isinstance(law, Tabulated) and _short(law.space, observables, largest).any()]
    if not short:
        return laws
    tables = getattr(solver, "tables", None)
    space = widened(max(short, key=lambda s: s.size), observables, largest)
    most = getattr(solver, "max_states", 0)
    if tables is None or space.size > most or not np.isfinite(problem.times).all():
        d = int(np.argmax(_short(short[0], observables, largest)))
        raise TruncationError(
            f"a window that reaches the sum {largest[d]} of {observables.names[d]!r} has {space.size} states",
            place="data",
            mend=f"raise max_states (it is {most})" if tables else "use fsp, whose windows can be widened",
        )
    found, _ = tables(problem, problem.theta[None], space)
    return [Tabulated(space, p) for p in found[0]]


def widened(space: StateSpace, observables: Observables, largest: Counts) -> StateSpace:
    """The window with the axes of all sums that fall short grown by the same factor, a little beyond `largest` [D]."""
    shape = np.array(space.shape, dtype=np.int64)
    reach = _reach(space, observables)
    for d in np.flatnonzero(reach < largest):
        members = [observables.axes[a] for a in np.flatnonzero(observables.weights[:, d])]
        for s in members:
            if s in space.free:
                i = space.free.index(s)
                shape[i] = max(shape[i], int(np.ceil(space.shape[i] * MARGIN * (largest[d] + 1) / (reach[d] + 1))))
    return replace(space, shape=tuple(shape.tolist()))


def _reach(space: StateSpace, observables: Observables) -> Counts:
    """The largest count of every observable on a window: [D]."""
    return np.asarray(Limits.of(space, observables.axes).high @ observables.weights)


def _short(space: StateSpace, observables: Observables, largest: Counts) -> NDArray[np.bool_]:
    return np.asarray(_reach(space, observables) < largest)
