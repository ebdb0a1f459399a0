"""The likelihood of single-cell counts under any solver.

The sum over cells of the log-probability of each cell's counts, distinct rows weighed once. Solvers
that weigh many parameter vectors at once (`kinetix.solver.BatchSolver`) are asked in one batch; any
other is asked law by law. Likelihoods from trajectories are histograms: good for comparison only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import DataError, RunError, SettingError
from kinetix.network import require_known
from kinetix.problem import Problem
from kinetix.solver import BatchSolver, Solver
from kinetix.space import StateSpace

from .observables import Limits, Observables, Splits
from .observations import Observations

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

OUTSIDE = 1e-3
"""The most prior mass that may lie outside a net's box, for priors of unbounded support."""


class Bounded(Protocol):
    """What a prior tells about where it lives."""

    def bounds(self) -> tuple[float, float]:
        """Its support."""
        ...

    def mass(self, low: float, high: float) -> float:
        """Its probability of [low, high]."""
        ...


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Log-likelihoods of `data` as a function of the parameters `names`, the others as in `problem`.

    `problem` gives model, theta and initial law; its own times are not used. `seed` makes answers of
    solvers that draw at random a fixed function of the parameters. Data the solver cannot answer for
    are refused here, before any sampling: SettingError or DataError.
    """

    solver: Solver
    problem: Problem
    data: Observations
    names: tuple[str, ...]
    seed: int = 0
    _box: Mapping[str, tuple[float, float]] = field(init=False, repr=False)
    _observables: Observables = field(init=False, repr=False)

    def __post_init__(self) -> None:
        network = self.problem.model.network
        require_known(self.names, network.theta_names, "parameter")
        object.__setattr__(self, "_observables", Observables.of(self.data, network))
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "_box", dict(getattr(self.solver, "box", {})))
        self._refuse_times()
        self._refuse_impossible_starts()
        _ = self._splits  # sums that no state shows, or that are too many, are refused here

    # the function --------------------------------------------------------------------------------

    def __call__(self, thetas: ArrayLike) -> Array:
        """Log-likelihoods of parameter vectors, in the order of `names`: [B, P] -> [B].

        -inf where the data are impossible or the vector lies outside a net's box (edges reject).
        RunError when the solver answers NaN or more than 1.
        """
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        result = np.full(len(values), -np.inf)
        inside = self.inside(values)
        if inside.any():
            total = np.zeros(int(inside.sum()))
            for log_p, (_, repeats) in zip(self.by_row(values[inside]), self.data.rows, strict=True):
                total += np.sum(log_p * repeats, axis=1)
            result[inside] = total
        return result

    def by_row(self, thetas: ArrayLike) -> list[Array]:
        """Log-probabilities of the distinct rows at every time of the data: [B, P] -> T of [B, U_k].

        Vectors outside a net's box are refused by the net.
        """
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        later = iter(self._solved(self._full(values)))
        result = [
            np.tile(self._log_start(counts), (len(values), 1)) if t == 0 else next(later)
            for t, (counts, _) in zip(self.data.times, self.data.rows, strict=True)
        ]
        for log_p in result:
            self._refuse_nonsense(log_p, values)
        return result

    def at(self, theta: ArrayLike) -> Problem:
        """The problem under one parameter vector, in the order of `names`: [P]."""
        return replace(self.problem, theta=self._full(np.atleast_2d(np.asarray(theta, dtype=np.float64)))[0])

    def inside(self, thetas: ArrayLike) -> NDArray[np.bool_]:
        """Whether parameter vectors lie in the net's box: [B, P] -> [B]; all do for solvers without a box."""
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        result = np.ones(len(values), dtype=bool)
        for i, name in enumerate(self.names):
            low, high = self._box.get(name, (-np.inf, np.inf))
            result &= (values[:, i] >= low) & (values[:, i] <= high)
        return result

    # refusals ------------------------------------------------------------------------------------

    def require_prior(self, prior: Mapping[str, Bounded]) -> None:
        """Refuse a prior wider than the box a net was trained over: SettingError."""
        if not hasattr(self.solver, "box"):
            return
        for name in self.names:
            if name not in self._box:
                raise SettingError(
                    f"{name!r} has a prior, but the net was trained with one value of it",
                    place="prior",
                    mend=f"train with {name!r} in the box, or fix it",
                )
            _require_within(name, prior[name], *self._box[name])

    def _refuse_times(self) -> None:
        if not np.isfinite(self.data.times).all() and not getattr(self.solver, "stationary", False):
            raise DataError(
                f"the data are for t = inf, the stationary law, which {type(self.solver).__name__} does not know",
                place="time",
                mend="use fsp, or read them with a late finite time, after which the law no longer changes",
            )
        times = getattr(self.solver, "times", None)
        if times is None:
            return
        first, last = times
        if wrong := [float(t) for t in self._later if not first * (1 - 1e-9) <= t <= last * (1 + 1e-9)]:
            raise SettingError(
                f"data at time {wrong[0]:g} lie outside the net's training interval [{first:g}, {last:g}]",
                place="data",
                mend="train over times that hold the data",
            )

    def _refuse_impossible_starts(self) -> None:
        for t, (counts, _) in zip(self.data.times, self.data.rows, strict=True):
            if t == 0 and not np.isfinite(log_p := self._log_start(counts)).all():
                row = counts[int(np.argmin(np.isfinite(log_p)))].tolist()
                raise DataError(
                    f"cells with {dict(zip(self.data.species, row, strict=True))} at time 0 contradict the start",
                    place="data",
                    mend="correct the initial counts of the model, or leave time 0 out",
                )

    def _refuse_nonsense(self, log_p: Array, thetas: Array) -> None:
        wrong = np.isnan(log_p) | (log_p > 1e-6)
        if wrong.any():
            b = int(np.argmax(wrong.any(axis=1)))
            where = ", ".join(f"{n} = {v:g}" for n, v in zip(self.names, thetas[b], strict=True))
            raise RunError(
                f"{type(self.solver).__name__} gave the log-probability {log_p[b][wrong[b]][0]:g} at {where}",
                place="likelihood",
            )

    # inner ---------------------------------------------------------------------------------------

    def _full(self, values: Array) -> Array:
        """All parameters of the model, those sampled set to `values`: [B, P] -> [B, all]."""
        result = np.tile(self.problem.theta, (len(values), 1))
        result[:, self._positions] = values
        return result

    @cached_property
    def _positions(self) -> list[int]:
        return [self.problem.model.network.theta_names.index(n) for n in self.names]

    @cached_property
    def _splits(self) -> list[Splits]:
        """What the solver is asked about for the rows of every time."""
        window = getattr(self.solver, "window", None)
        limits = Limits.of(window, self._observables.axes) if isinstance(window, StateSpace) else None
        return [self._observables.splits(counts, limits) for counts, _ in self.data.rows]

    @cached_property
    def _later(self) -> Array:
        """The times of the data after 0."""
        times = np.asarray(self.data.times, dtype=np.float64)
        return times[times > 0]

    def _log_start(self, counts: Counts) -> Array:
        return self._observables.law(self.problem.initial).log_prob(counts)

    def _solved(self, thetas: Array) -> Sequence[Array]:
        """Log-probabilities of the rows after time 0, from the solver: [B, P] -> one [B, U_k] a time."""
        if len(self._later) == 0:
            return []
        splits = [s for t, s in zip(self.data.times, self._splits, strict=True) if t > 0]
        problem = replace(self.problem, times=self._later)
        found = asked(self.solver, problem, thetas, [s.states for s in splits], self._observables.axes, self.seed)
        return [s.gather(log_p) for s, log_p in zip(splits, found, strict=True)]


def asked(
    solver: Solver, problem: Problem, thetas: Array, rows: Sequence[Counts], axes: Sequence[int], seed: int
) -> list[Array]:
    """Log-probabilities of `rows[k]` [V_k, A] of the species at `axes` from any solver: one [B, V_k] a time."""
    if isinstance(solver, BatchSolver):
        return solver.log_prob_batch(problem, thetas, rows, list(axes), rng=np.random.default_rng(seed))
    laws = [solver.solve(replace(problem, theta=theta), rng=np.random.default_rng(seed)).laws for theta in thetas]
    return [np.stack([law[k].marginal(axes).log_prob(c) for law in laws]) for k, c in enumerate(rows)]


def _require_within(name: str, prior: Bounded, low: float, high: float) -> None:
    start, end = prior.bounds()
    slack = 1e-9 * (high - low)
    if np.isfinite([start, end]).all():
        if start < low - slack or end > high + slack:
            raise SettingError(
                f"the prior of {name!r} reaches over [{start:g}, {end:g}], beyond the training box [{low:g}, {high:g}]",
                place="prior",
                mend="narrow the prior, or train over a wider box",
            )
        return
    if (outside := 1.0 - prior.mass(low, high)) > OUTSIDE:
        raise SettingError(
            f"the prior of {name!r} has {outside:.2g} of its mass outside the training box [{low:g}, {high:g}]",
            place="prior",
            mend=f"at most {OUTSIDE:g} may lie outside: narrow the prior, or train over a wider box",
        )
