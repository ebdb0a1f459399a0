"""Probabilities of observed counts under many rate vectors, by laws that are no tables at finite times.

Those after infinite time, and those kept as lists of states; each rate vector on its own, on threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kinetix.listed import Listed
from kinetix.problem import Problem
from kinetix.solvers.parallel import Flag, run_all
from kinetix.space import StateSpace

from .frame import Start
from .picker import Picker
from .roaming import Roaming
from .stationary import Stationary, horizon, stationary
from .window import WindowMaker

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
T = TypeVar("T")


def stationary_maker(problem: Problem, theta: Array) -> WindowMaker:
    """The maker of windows for the law after infinite time under `theta` [P]."""
    maker = WindowMaker(problem.model, Start.of(problem.initial), theta, 1.0)
    return replace(maker, end=max(horizon(maker, theta), *problem.times[:-1], 0.0))


def stationary_probabilities(  # noqa: PLR0913 - the settings of a solver
    problem: Problem,
    thetas: Array,
    rows: Counts,
    axes: Sequence[int],
    *,
    least: Counts,
    leak: float,
    max_states: int,
    fixed: Mapping[int, int],
    threads: int | None,
) -> Array:
    """The probabilities of `rows` [U, D] after infinite time, on windows that hold `least` [S]: [B, U]."""
    pickers: dict[int, tuple[StateSpace, Picker]] = {}

    def picked(found: Stationary) -> Array:
        if id(found.space) not in pickers:  # the space is kept too, so that its id stays its own
            pickers[id(found.space)] = found.space, Picker.of(found.space, rows, axes)
        return pickers[id(found.space)][1](found.p)

    return np.stack(
        stationary_laws(
            problem, thetas, picked, least=least, leak=leak, max_states=max_states, fixed=fixed, threads=threads
        )
    )


def stationary_laws(
    problem: Problem,
    thetas: Array,
    keep: Callable[[Stationary], T],
    *,
    least: Counts,
    leak: float,
    max_states: int,
    fixed: Mapping[int, int],
    threads: int | None,
) -> list[T]:
    """`keep` of the laws after infinite time of every rate vector [B, P], on windows that hold `least` [S]."""

    def task(theta: Array, _: Flag) -> T:
        maker = stationary_maker(problem, theta)
        return keep(stationary(maker, theta, leak=leak, max_states=max_states, fixed=fixed, at_least=least))

    return run_all([partial(task, theta) for theta in thetas], threads, short=True)


def listed_probabilities(
    problem: Problem,
    thetas: Array,
    counts: Sequence[Counts],
    axes: Sequence[int],
    *,
    leak: float,
    max_states: int,
    max_work: float,
    threads: int | None,
) -> list[list[Array]]:
    """The probabilities of `counts[k]` [U_k, D] at each time by laws on lists of states: B of T of [U_k].

    Rows whose states are not on the list have 0: they are less likely than the error of the law.
    """
    start = Start.of(problem.initial)

    def task(theta: Array, flag: Flag) -> list[Array]:
        roaming = Roaming(problem.model, theta, leak, max_states, max_work)
        found = roaming.laws(start, problem.times, flag)
        laws = (Listed(c, p).marginal(axes) for c, p in zip(found.counts, found.laws, strict=True))
        return [np.exp(law.log_prob(rows)) for law, rows in zip(laws, counts, strict=True)]

    return run_all([partial(task, theta) for theta in thetas], threads)
