"""Log-likelihoods of snapshots: cells counted at several times, none of them followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.distribution import Distribution, PointMass
from kinetix.errors import DataError, RunError, SettingError
from kinetix.inference.observations import Observations
from kinetix.inference.readings.measured import Measured
from kinetix.inference.readings.observables import Limits, Observables
from kinetix.inference.readings.reading import Drawn, Exact
from kinetix.inference.readings.wide_sums import laws_that_reach
from kinetix.inference.unknowns.parameters import Parameters
from kinetix.problem import Problem
from kinetix.solver import BatchSolver
from kinetix.space import StateSpace

from .asked import Asked
from .contract import Bounded
from .window import require_in_window

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

OUTSIDE = 1e-3
"""The most prior mass that may lie outside a net's box, for priors of unbounded support."""


JUDGED = 10_000
"""Draws of the prior by which expressions are judged."""


@dataclass(frozen=True, eq=False)
class Snapshots(Asked):
    """Log-likelihoods of snapshots, without their derivatives; see `Likelihood`."""

    data: Observations
    parameters: Parameters = field(init=False, repr=False)
    reading: Exact | Measured = field(init=False, repr=False)
    _box: Mapping[str, tuple[float, float]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        put, network = object.__setattr__, self.problem.model.network
        put(self, "names", tuple(self.names))
        noise = () if self.measurement is None else self.measurement.parameters
        put(self, "parameters", Parameters(self.names, self.problem, self.derived, noise))
        put(self, "_box", dict(getattr(self.solver, "box", {})))
        self._refuse_times()
        put(self, "reading", self._read(Observables.of(self.data, network)))
        self._refuse_impossible_starts()

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
        result = [np.empty((len(values), len(counts))) for counts, _ in self.data.rows]
        for initial, which in self.starts(values):
            for k, log_p in self._weighed(initial, values[which]).items():
                result[k][which] = log_p
        for log_p in result:
            self.refuse_nonsense(log_p, values)
        return result

    @property
    def units(self) -> tuple[tuple[str, int], ...]:
        """The distinct rows of `by_row` in words, and how many cells showed each."""
        return tuple(
            (f"{dict(zip(self.data.species, row, strict=True))} at t = {t:g}", int(n))
            for t, (rows, repeats) in zip(self.data.times.tolist(), self.data.rows, strict=True)
            for row, n in zip(rows.tolist(), repeats, strict=True)
        )

    def at(self, theta: ArrayLike) -> Problem:
        """The problem under one parameter vector, in the order of `names`: [P]."""
        values = np.atleast_2d(np.asarray(theta, dtype=np.float64))
        ((initial, _),) = self.starts(values)
        return replace(self.problem, theta=self.parameters.theta(values)[0], initial=initial)

    def laws(self, theta: ArrayLike, *, rng: np.random.Generator) -> list[Drawn]:
        """The laws of what is read at every time of the data, to be drawn from, under one parameter vector: [P]."""
        values = np.atleast_2d(np.asarray(theta, dtype=np.float64))
        noise = {n: float(self.parameters.values(n, values)[0]) for n in self.parameters.noise}
        problem = self.at(values[0])
        start = [problem.initial] * int(0 in self.data.times)
        later = self.solver.solve(replace(problem, times=self._later), rng=rng).laws if len(self._later) else ()
        return [self.reading.drawn(law, noise) for law in (*start, *later)]

    def as_read(self, counts: Counts) -> Counts:
        """Counts of the data [..., D], those that the instrument cannot tell apart made equal."""
        return self.reading.as_read(counts)

    def inside(self, thetas: ArrayLike) -> NDArray[np.bool_]:
        """Whether parameter vectors [B, P] can be weighed: [B].

        They lie in the net's box (solvers without one have no bounds), and what follows from them is possible.
        """
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        result = self.parameters.possible(values)
        for name in self.parameters.moved:
            low, high = self._box.get(name, (-np.inf, np.inf))
            moved = self.parameters.values(name, values)
            result &= (moved >= low) & (moved <= high)
        if self.measurement is not None:
            result &= self.measurement.possible({n: self.parameters.values(n, values) for n in self.parameters.noise})
        return result

    # refusals ------------------------------------------------------------------------------------

    def require_prior(self, prior: Mapping[str, Bounded]) -> None:
        """Refuse a prior wider than the box a net was trained over, and one of initial counts that is not of counts."""
        for name in self.names:
            if name in self.parameters.counts and not getattr(prior[name], "whole", False):
                raise SettingError(
                    f"{name!r} is a species: its prior is one of initial counts, which are whole",
                    place="prior",
                    mend=f"write {name} = {{integers = [low, high]}}",
                )
        if not hasattr(self.solver, "box"):
            return
        for name in self.parameters.moved:
            if name not in self._box:
                raise SettingError(
                    f"{name!r} has a prior, but the net was trained with one value of it",
                    place="prior",
                    mend=f"train with {name!r} in the box, or fix it",
                )
            if name in self.names:
                _require_within(name, prior[name], *self._box[name])
        if self.derived:
            self._require_derived_within(prior)

    def _require_derived_within(self, prior: Mapping[str, Any]) -> None:
        """Refuse expressions that lead outside the net's box, judged by draws of the prior."""
        rng = np.random.default_rng(0)
        draws = np.column_stack([prior[name].sample(rng, JUDGED) for name in self.names])
        for name in self.derived:
            if name not in self._box:
                continue
            low, high = self._box[name]
            values = self.parameters.values(name, draws)
            if (outside := 1.0 - float(((values >= low) & (values <= high)).mean())) > OUTSIDE:
                raise SettingError(
                    f"the expression of {name!r} has {outside:.2g} of its mass outside the training box "
                    f"[{low:g}, {high:g}]",
                    place="prior",
                    mend="narrow the priors, or train over a wider box",
                )

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
        if 0 not in self.data.times or self.parameters.counts or self.parameters.noise:
            return
        log_p, counts = self.reading.of_law(0, self.problem.initial, {}), self.data.rows[0][0]
        if not np.isfinite(log_p).all():
            row = counts[int(np.argmin(np.isfinite(log_p)))].tolist()
            raise DataError(
                f"cells with {dict(zip(self.data.species, row, strict=True))} at time 0 contradict the start",
                place="data",
                mend="correct the initial counts of the model, or leave time 0 out",
            )

    def refuse_nonsense(self, log_p: Array, thetas: Array) -> None:
        """RunError where what a solver gave for parameter vectors [B, P] is no log-probability: [B, U]."""
        wrong = np.isnan(log_p) | (log_p > 1e-6)
        if wrong.any():
            b = int(np.argmax(wrong.any(axis=1)))
            where = ", ".join(f"{n} = {v:g}" for n, v in zip(self.names, thetas[b], strict=True))
            raise RunError(
                f"{type(self.solver).__name__} gave the log-probability {log_p[b][wrong[b]][0]:g} at {where}",
                place="likelihood",
            )

    # inner ---------------------------------------------------------------------------------------

    def _read(self, observables: Observables) -> Exact | Measured:
        """How the rows follow from latent counts; sums that no state shows, or too many, are refused here."""
        window = getattr(self.solver, "window", None)
        limits = Limits.of(window, observables.axes) if isinstance(window, StateSpace) else None
        if self.measurement is None:
            if isinstance(window, StateSpace):
                require_in_window(self.data, observables, window)
            exact = Exact(observables, self.data, limits)
            if not exact.by_law:
                _ = exact.splits
            return exact
        self.measurement.require_observables(self.data.species)
        start = float(self.problem.initial.expect(lambda x: np.ones(len(x))))
        missing = 3 * float(getattr(self.solver, "leak", 0.0)) + max(0.0, 1.0 - start) + 1e-12
        return Measured(observables, self.data, self.measurement, limits, missing)

    @cached_property
    def _later(self) -> Array:
        """The times of the data after 0."""
        times = np.asarray(self.data.times, dtype=np.float64)
        return times[times > 0]

    def starts(self, values: Array) -> list[tuple[Distribution, NDArray[np.intp]]]:
        """The distinct initial laws, each with the vectors [B, P] that have it."""
        if not self.parameters.counts:
            return [(self.problem.initial, np.arange(len(values)))]
        distinct, back = np.unique(self.parameters.starts(values), axis=0, return_inverse=True)
        return [(PointMass(start), np.flatnonzero(back.reshape(-1) == i)) for i, start in enumerate(distinct)]

    def _weighed(self, initial: Distribution, values: Array) -> dict[int, Array]:
        """Log-probabilities of the rows at every time k from one start: [B, P] -> [B, U_k] each."""
        noise = {n: self.parameters.values(n, values) for n in self.parameters.noise}
        result = {}
        if 0 in self.data.times:
            result[0] = self._of_laws(0, [initial] * len(values), noise)
        if len(self._later) == 0:
            return result
        first = len(self.data.times) - len(self._later)
        thetas, ks = self.parameters.theta(values), range(first, len(self.data.times))
        problem = replace(self.problem, times=self._later, initial=initial)
        if isinstance(self.solver, BatchSolver) and not self.reading.by_law:
            solver, axes = self.solver, list(self.reading.observables.axes)

            def ask(rows: Sequence[Counts], which: NDArray[np.intp]) -> list[Array]:
                return solver.log_prob_batch(problem, thetas[which], rows, axes, rng=np.random.default_rng(self.seed))

            return result | dict(zip(ks, self.reading.of_batch(ask, ks, noise, len(values)), strict=True))
        reach = self.reading.observables, np.asarray(self.data.largest), self.seed
        laws = [
            laws_that_reach(self.solver, replace(problem, theta=theta), *reach)
            if self.reading.by_law
            else self.solver.solve(replace(problem, theta=theta), rng=np.random.default_rng(self.seed)).laws
            for theta in thetas
        ]
        return result | {k: self._of_laws(k, [law[k - first] for law in laws], noise) for k in ks}

    def _of_laws(self, k: int, laws: Sequence[Distribution], noise: Mapping[str, Array]) -> Array:
        if len(laws) > 1 and not noise and all(law is laws[0] for law in laws):
            return np.tile(self.reading.of_law(k, laws[0], {}), (len(laws), 1))
        each = [{n: float(v[b]) for n, v in noise.items()} for b in range(len(laws))]
        return np.stack([self.reading.of_law(k, law, some) for law, some in zip(laws, each, strict=True)])


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
