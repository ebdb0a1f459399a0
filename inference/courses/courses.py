"""The likelihood of time courses under any solver: filtering where there are windows, chained laws elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.constructs import constructs
from kinetix.distribution import Distribution, PointMass
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.inference.data.measurement import Measurement
from kinetix.inference.likelihood import Likelihood
from kinetix.inference.likelihoods.asked import Asked
from kinetix.inference.likelihoods.gradients import require_rates
from kinetix.inference.likelihoods.window import require_in_window
from kinetix.inference.readings.observables import Observables
from kinetix.inference.readings.reading import Drawn
from kinetix.inference.time_courses import TimeCourses
from kinetix.problem import Problem
from kinetix.solver import BatchSolver
from kinetix.space import StateSpace
from kinetix.structure import conservation_laws

from .filtering import Filter
from .histories import Histories, gaps_of

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CourseLikelihood(Asked):
    """Log-likelihoods of the time courses `data` as a function of the parameters `names` (see `Asked`).

    A solver that states windows (fsp) filters forward: hidden species are carried along. Any other (a net,
    trajectories) is chained: the law after each row starts from that row, which must tell the whole state.
    """

    data: TimeCourses
    _first: Likelihood = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for found in constructs(self.problem.model.network):
            reason = f"time courses need laws that are the same at all times, and {found.element}: {found.reason}"
            raise UnsupportedFeature(reason, place="data", mend="weigh the cells as snapshots")
        first = Likelihood(
            self.solver, self.problem, self.data.firsts, self.names, self.seed, self.measurement, self.derived
        )
        object.__setattr__(self, "names", first.names)
        object.__setattr__(self, "_first", first)
        if not self._filters:
            self._require_whole()
            if isinstance(window := getattr(self.solver, "window", None), StateSpace):
                require_in_window(self.data.snapshots, self._first.reading.observables, window)
            self._require_gaps()
            self._require_starts()

    # the function --------------------------------------------------------------------------------

    def __call__(self, thetas: ArrayLike) -> Array:
        """Log-likelihoods of parameter vectors, in the order of `names`: [B, P] -> [B]; -inf where impossible."""
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        result, inside = np.full(len(values), -np.inf), self.inside(values)
        if inside.any():
            (by_cell,) = self.by_row(values[inside])
            result[inside] = by_cell.sum(axis=1)
        return result

    def gradient(self, thetas: ArrayLike) -> tuple[Array, Array]:
        """Log-likelihoods and their derivatives by `names`, by tangents of the filter: [B, P] -> [B], [B, P].

        NaN where the log-likelihood is -inf; UnsupportedFeature for chained solvers and sampled initial counts.
        """
        if not self._filters:
            reason = f"the chained laws of {type(self.solver).__name__} have no derivatives here"
            raise UnsupportedFeature(reason, place="likelihood", mend="use fsp, or a sampler without gradients")
        require_rates(self._first)
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        logs, slopes = np.full(len(values), -np.inf), np.full(values.shape, np.nan)
        for b in np.flatnonzero(self.inside(values)):
            logs[b], slopes[b] = self._with_slopes(values[b : b + 1])
        slopes[~np.isfinite(logs)] = np.nan
        return logs, slopes

    def _with_slopes(self, values: Array) -> tuple[float, Array]:
        """For one parameter vector [1, P]."""
        parameters, theta_names = self._first.parameters, self.problem.model.network.theta_names
        moved = [name for name in parameters.moved if name in theta_names]
        noise = {n: float(parameters.values(n, values)[0]) for n in parameters.noise}
        problem = replace(self.problem, theta=parameters.theta(values)[0])
        places = [theta_names.index(name) for name in moved]
        logs, slopes = self._filter.slopes(problem, noise, places, parameters.noise)
        inner = np.stack([parameters.slopes(n, values)[0] for n in (*moved, *parameters.noise)])
        with np.errstate(invalid="ignore"):
            return float(logs.sum()), slopes.sum(axis=0) @ inner

    def by_row(self, thetas: ArrayLike) -> list[Array]:
        """The log-likelihood of every cell's course: [B, P] -> one [B, C]."""
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        result = np.empty((len(values), self.data.cells))
        for initial, which in self._first.starts(values):
            weigh = self._filtered if self._filters else self._chained
            result[which] = weigh(initial, values[which])
        return [result]

    @property
    def units(self) -> tuple[tuple[str, int], ...]:
        """The courses in words, each of one cell."""
        return tuple(
            (f"course {i + 1}, t = {times[0]:g} to {times[-1]:g}", 1) for i, (times, _) in enumerate(self.data.courses)
        )

    def at(self, theta: ArrayLike) -> Problem:
        """The problem under one parameter vector: [P]."""
        return replace(self._first.at(theta), times=self._later(self.data.times))

    def inside(self, thetas: ArrayLike) -> NDArray[np.bool_]:
        """Whether parameter vectors can be weighed: [B, P] -> [B]."""
        return self._first.inside(thetas)

    def require_prior(self, prior: Mapping[str, Any]) -> None:
        """Refuse a prior wider than a net's box, and one of initial counts that is not of counts."""
        self._first.require_prior(prior)

    def laws(self, theta: ArrayLike, *, rng: np.random.Generator) -> list[Drawn]:
        """The laws of what cells show at every time of the data, their past unknown: see `Likelihood.laws`."""
        return self._snapshots.laws(theta, rng=rng)

    def as_read(self, counts: Counts) -> Counts:
        """Counts of the data [..., D], those that the instrument cannot tell apart made equal."""
        return self._first.as_read(counts)

    # filtering -----------------------------------------------------------------------------------

    @property
    def _filters(self) -> bool:
        """Whether the solver states windows for a problem."""
        return callable(getattr(self.solver, "window", None)) and hasattr(self.solver, "leak")

    @cached_property
    def _filter(self) -> Filter:
        observables = Observables.of(self.data.snapshots, self.problem.model.network)
        solver, measurement = self.solver, self.measurement or Measurement()
        return Filter(solver, observables, measurement, Histories.of(self.data), self.data.times)  # type: ignore[arg-type]

    def _filtered(self, initial: Distribution, values: Array) -> Array:
        parameters = self._first.parameters
        noise = {n: parameters.values(n, values) for n in parameters.noise}
        problems = [replace(self.problem, theta=theta, initial=initial) for theta in parameters.theta(values)]
        each = [{n: float(v[b]) for n, v in noise.items()} for b in range(len(values))]
        return np.stack([self._filter.log_prob(p, some) for p, some in zip(problems, each, strict=True)])

    # chaining ------------------------------------------------------------------------------------

    def _chained(self, initial: Distribution, values: Array) -> Array:
        """The first row of every cell, then each from the one before: every distinct transition is asked for once."""
        firsts = self._first.by_row(values)
        result = np.empty((len(values), self.data.cells))
        for c, (times, counts) in enumerate(self.data.courses):
            k = int(np.searchsorted(self._first.data.times, times[0]))
            u = int(np.flatnonzero((self._first.data.rows[k][0] == counts[0]).all(axis=1))[0])
            result[:, c] = firsts[k][:, u]
        weighed = {
            key: log_p for start in self._transitions for key, log_p in self._from(start, initial, values).items()
        }
        for c, (times, counts) in enumerate(self.data.courses):
            for a, gap, b in zip(counts, self._gaps_of(times), counts[1:], strict=False):
                result[:, c] += weighed[tuple(a.tolist()), float(gap), tuple(b.tolist())]
        return result

    def _from(
        self, start: tuple[int, ...], initial: Distribution, values: Array
    ) -> dict[tuple[tuple[int, ...], float, tuple[int, ...]], Array]:
        """Log-probabilities [B] of all transitions that the data show from one row."""
        by_gap, theta = self._transitions[start], self._first.parameters.theta(values)
        gaps, axes = sorted(by_gap), list(self._first.reading.observables.axes)
        law = PointMass(self._state(start, initial))
        problem = replace(self.problem, times=np.array(gaps), initial=law)
        rows = [np.array(sorted(by_gap[gap]), dtype=np.int64) for gap in gaps]
        if isinstance(self.solver, BatchSolver):
            found = self.solver.log_prob_batch(problem, theta, rows, axes, rng=np.random.default_rng(self.seed))
        else:
            solved = [
                self.solver.solve(replace(problem, theta=t), rng=np.random.default_rng(self.seed)).laws for t in theta
            ]
            found = [np.stack([s[k].marginal(axes).log_prob(r) for s in solved]) for k, r in enumerate(rows)]
        return {
            (start, gap, tuple(row)): log_p[:, u]
            for gap, some, log_p in zip(gaps, rows, found, strict=True)
            for u, row in enumerate(some.tolist())
        }

    @cached_property
    def _transitions(self) -> dict[tuple[int, ...], dict[float, set[tuple[int, ...]]]]:
        """What follows on every row after every gap."""
        result: dict[tuple[int, ...], dict[float, set[tuple[int, ...]]]] = {}
        for times, counts in self.data.courses:
            for a, gap, b in zip(counts, self._gaps_of(times), counts[1:], strict=False):
                by_gap = result.setdefault(tuple(a.tolist()), {})
                by_gap.setdefault(float(gap), set()).add(tuple(b.tolist()))
        return result

    def _gaps_of(self, times: Array) -> Array:
        return gaps_of(times, float(self.data.times[-1]))

    def _state(self, row: Sequence[int], initial: Distribution) -> Counts:
        """The whole state of a row, species that are not observed by conservation from the start."""
        network = self.problem.model.network
        counts = np.zeros(len(network.species), dtype=np.int64)
        counts[list(self._first.reading.observables.axes)] = row
        space = self._by_conservation(initial)
        return np.asarray(space.offset + space.basis @ counts[list(space.free)], dtype=np.int64)

    def _by_conservation(self, initial: Distribution) -> StateSpace:
        laws = conservation_laws(self.problem.model.change)
        start = initial.counts if isinstance(initial, PointMass) else np.zeros(laws.shape[1], dtype=np.int64)
        return StateSpace.conserved(laws, start, np.zeros(laws.shape[1], dtype=np.int64).tolist())

    # refusals ------------------------------------------------------------------------------------

    def _require_whole(self) -> None:
        """UnsupportedFeature where a row does not tell the whole state."""
        name, network = type(self.solver).__name__, self.problem.model.network
        mend = "use fsp, which carries hidden species along"
        if self.measurement is not None or not self._first.reading.observables.plain:
            reason = f"{name} chains laws from exact counts of single species, and these are sums or measured"
            raise UnsupportedFeature(reason, place="data", mend=mend)
        free = self._by_conservation(self.problem.initial).free
        laws = len(network.species) - len(free)
        seen = self._first.reading.observables.axes
        if hidden := [network.species_names[s] for s in free if s not in seen]:
            reason = f"{name} chains laws from whole states, and {hidden[0]!r} is not observed"
            raise UnsupportedFeature(reason, place="data", mend=mend)
        if laws and not isinstance(self.problem.initial, PointMass):
            reason = f"{name} completes states by conservation from one start, not from a law"
            raise UnsupportedFeature(reason, place="initial", mend=mend)

    def _require_gaps(self) -> None:
        times = getattr(self.solver, "times", None)
        if times is None:
            return
        first, last = times
        if wrong := [float(g) for g in self.data.gaps if not first * (1 - 1e-9) <= g <= last * (1 + 1e-9)]:
            raise SettingError(
                f"a cell is seen again after {wrong[0]:g}, outside the net's training interval [{first:g}, {last:g}]",
                place="data",
                mend="train over times that hold the steps between the rows of a cell",
            )

    def _require_starts(self) -> None:
        """SettingError for rows that a net cannot start from."""
        box = getattr(self.solver, "box", None)
        if box is None or not isinstance(self.problem.initial, PointMass):
            return
        network, own = self.problem.model.network, self.problem.initial.counts
        starts = np.array([self._state(row, self.problem.initial) for row in self._transitions])
        if not len(starts):
            return
        for s in self._by_conservation(self.problem.initial).free:
            name = network.species_names[s]
            low, high = box.get(name, (own[s], own[s]))
            if (wrong := (starts[:, s] < low) | (starts[:, s] > high)).any():
                raise SettingError(
                    f"a cell with {name} = {starts[wrong][0, s]} is followed on, outside the net's starts "
                    f"[{low:g}, {high:g}]",
                    place="data",
                    mend=f"train with {name!r} in the box, over all counts of the data",
                )

    # inner ---------------------------------------------------------------------------------------

    @cached_property
    def _snapshots(self) -> Likelihood:
        data = self.data.snapshots
        return Likelihood(self.solver, self.problem, data, self.names, self.seed, self.measurement, self.derived)

    @staticmethod
    def _later(times: Array) -> Array:
        later = times[times > 0]
        return later if len(later) else np.ones(1)
