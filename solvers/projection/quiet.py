"""The projection of networks whose laws are constant in time: windows, lists of states, limits, derivatives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from kinetix.constructs import require
from kinetix.distribution import Tabulated
from kinetix.errors import SettingError, TruncationError, UnsupportedFeature, require_known
from kinetix.listed import Listed
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.solvers.drive import is_driven
from kinetix.solvers.parallel import Flag, run_all
from kinetix.space import StateSpace

from .devices import COMPILED, is_compiled, require_device, torch_device
from .estimate import Estimate, estimate
from .frame import Start
from .grid import grid_of
from .picker import Picker
from .projector import Law, Projector
from .roaming import Roaming
from .sensitivity import derivatives
from .stationary import Stationary, stationary, verified
from .weighing import listed_probabilities, stationary_laws, stationary_maker, stationary_probabilities

if TYPE_CHECKING:
    from .batched import Batched

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
T = TypeVar("T")

_NEEDS = {Real: "give a number", Integral: "give a whole number >= 1"}


MANY_SPECIES, LARGE_BOX = 6, 100_000
"""Free species and states of a first box from which a law is kept as a list of states."""


@dataclass(frozen=True)
class QuietProjection:
    """The fields of `FSP`, which says what each of them is, and its answers where nothing moves the laws."""

    stationary: ClassVar[bool] = True
    """It knows the law at time = inf."""

    leak: float = 1e-9
    max_states: int = 1_000_000
    caps: Mapping[str, int] | None = None
    max_work: float = 1e11
    threads: int | None = None
    device: str = COMPILED

    def __post_init__(self) -> None:
        for name, kind in (("leak", Real), ("max_states", Integral), ("max_work", Real)):
            if not isinstance(getattr(self, name), kind):
                raise SettingError(f"{name} is {getattr(self, name)!r}", place="fsp", mend=_NEEDS[kind])
        if self.threads is not None and (not isinstance(self.threads, Integral) or self.threads < 1):
            raise SettingError(f"threads is {self.threads!r}", place="fsp", mend="give a whole number >= 1")
        if not isinstance(self.caps, Mapping | None):
            raise SettingError(f"caps is {self.caps!r}", place="fsp", mend="give a mapping species -> largest count")
        for name, cap in (self.caps or {}).items():
            if isinstance(cap, bool) or not isinstance(cap, Real) or not float(cap).is_integer() or cap < 0:
                raise SettingError(f"the cap of {name!r} is {cap!r}", place="fsp", mend="give a whole number >= 0")
        if not 1e-13 <= self.leak < 1:
            raise SettingError(f"leak is {self.leak}", place="fsp", mend="give a probability from 1e-13 to below 1")
        require_device(self.device)
        if self.max_states < 1:
            raise SettingError(f"max_states is {self.max_states}", place="fsp", mend="give a whole number >= 1")

    def solve(self, problem: Problem, *, rng: np.random.Generator | None = None) -> Solution:
        """The laws on the window, or on lists of states; see `FSP.solve`."""
        require(problem.model.network, "fsp")
        if np.isinf(problem.times[-1]):
            return self._with_limit(problem)
        started = time.process_time()
        projector = self._engine(problem)
        many = self._has_many(projector)
        if many and projector.maker.space(projector.guess(problem.theta)).size > LARGE_BOX:
            return self._on_a_list(problem, projector.maker.start)
        try:
            found = self._law(projector, problem.theta, _nothing(problem))
        except TruncationError:
            if not many:
                raise
            return self._on_a_list(problem, projector.maker.start)
        bound = found.lost + found.bound + max(1.0 - float(projector.maker.start.p.sum()), 0.0)
        names, space = problem.model.network.species_names, found.space
        meta = provenance(
            self,
            problem.model.network,
            started,
            error_by_time=bound.tolist(),
            lost_by_time=found.lost.tolist(),
            states=space.size,
            upper={names[s]: u for s, u in zip(space.free, space.upper, strict=True)},
            products=sum(found.products.values()),
            methods=dict(found.products),
        )
        return Solution.of(problem, [Tabulated(space, p) for p in found.laws], error=float(bound.max()), meta=meta)

    def log_prob_batch(
        self,
        problem: Problem,
        thetas: Array,
        counts: Sequence[Counts],
        axes: Sequence[int],
        *,
        rng: np.random.Generator | None = None,
    ) -> list[Array]:
        """Log-probabilities of observed counts under many parameter vectors; see `FSP.log_prob_batch`."""
        require(problem.model.network, "fsp")
        values = np.asarray(thetas, dtype=np.float64)
        finite = problem.times[np.isfinite(problem.times)]
        found: list[Array] = []
        if len(finite):
            found = self._probabilities(replace(problem, times=finite), values, counts[: len(finite)], axes)
        if len(finite) < len(problem.times):
            self._require_compiled("stationary laws")
            fixed, least = self._fixed(problem.model.network), _observed(problem, counts[-1:], axes)
            limit = stationary_probabilities(
                problem,
                values,
                counts[-1],
                axes,
                least=least,
                leak=self.leak,
                max_states=self.max_states,
                fixed=fixed,
                threads=self.threads,
            )
            found.append(limit)
        with np.errstate(divide="ignore"):
            return [np.log(p) for p in found]

    def _probabilities(
        self, problem: Problem, thetas: Array, counts: Sequence[Counts], axes: Sequence[int]
    ) -> list[Array]:
        """Probabilities of observed counts at finite times: one [B, U_k] a time."""
        least, projector = _observed(problem, counts, axes), self.projector(problem)
        if not self._has_many(projector):
            return self._on_boxes(projector, thetas, least, counts, axes)
        large = [projector.maker.space(projector.guess(theta)).size > LARGE_BOX for theta in thetas]
        boxes, lists = np.flatnonzero(~np.array(large)), np.flatnonzero(large)
        found = [np.empty((len(thetas), len(rows))) for rows in counts]
        try:
            _put(found, boxes, self._on_boxes(projector, thetas[boxes], least, counts, axes) if len(boxes) else [])
        except TruncationError:  # of one of them: a list may still be short enough
            lists = np.arange(len(thetas))
        if len(lists):
            self._require_compiled("laws kept as lists of states")
            by_vector = listed_probabilities(
                problem,
                thetas[lists],
                counts,
                axes,
                leak=self.leak,
                max_states=self.max_states,
                max_work=self.max_work,
                threads=self.threads,
            )
            _put(found, lists, [np.stack(column) for column in zip(*by_vector, strict=True)])
        return found

    def _on_boxes(
        self, projector: Projector, thetas: Array, least: Counts, counts: Sequence[Counts], axes: Sequence[int]
    ) -> list[Array]:
        """The same by windows that hold `least` [S]."""
        if not is_compiled(self.device):
            return self._batched(projector).probabilities(thetas, least, counts, axes)
        pickers: dict[int, tuple[StateSpace, list[Picker]]] = {}

        def weighed(law: Law) -> list[Array]:
            if id(law.space) not in pickers:  # the space is kept too, so that its id stays its own
                pickers[id(law.space)] = law.space, [Picker.of(law.space, rows, axes) for rows in counts]
            return [picker(p) for picker, p in zip(pickers[id(law.space)][1], law.laws, strict=True)]

        return [np.stack(column) for column in zip(*projector.adapted(thetas, least, weighed), strict=True)]

    def log_prob_gradient_batch(
        self,
        problem: Problem,
        thetas: Array,
        counts: Sequence[Counts],
        axes: Sequence[int],
        parameters: Sequence[int],
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[list[Array], list[Array]]:
        """As `log_prob_batch`, with derivatives: one [B, U_k] and one [B, U_k, K] a time.

        The derivatives are those of the log-probabilities by theta at the places `parameters` [K], by forward
        sensitivities on the same windows; NaN where a probability is 0.
        """
        self._require_compiled("derivatives")
        values, which = np.asarray(thetas, dtype=np.float64), list(parameters)
        least = _observed(problem, counts, axes)
        projector = self.projector(problem)
        spaces = projector.adapted(values, least, lambda law: law.space)

        def task(space: StateSpace, theta: Array, _: Flag) -> list[tuple[Array, Array]]:
            grid, start = grid_of(problem.model, space), projector.maker.start.on(space)
            laws, slopes = derivatives(grid, theta, start, problem.times, which)
            pickers = [Picker.of(space, rows, axes) for rows in counts]
            return [(m(laws[k]), np.stack([m(s[k]) for s in slopes], axis=-1)) for k, m in enumerate(pickers)]

        tasks = [partial(task, space, theta) for space, theta in zip(spaces, values, strict=True)]
        found = list(zip(*run_all(tasks, self.threads), strict=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = [np.log(np.stack([p for p, _ in column])) for column in found]
            return logs, [np.stack([s / p[:, None] for p, s in column]) for column in found]

    def estimate(self, problem: Problem) -> Estimate:
        """States, memory and seconds that `solve` will take on "cpu", before any of it; see `Estimate`."""
        projector = self.projector(problem)
        return estimate(projector, problem.theta, list_above=LARGE_BOX if self._has_many(projector) else np.inf)

    def _with_limit(self, problem: Problem) -> Solution:
        """The laws at the finite times, and the stationary one, whose error is proven where nothing can leave."""
        self._require_compiled("stationary laws")
        started, finite = time.process_time(), problem.times[:-1]
        network, laws, errors = problem.model.network, [], []
        if len(finite):
            first = self.solve(replace(problem, times=finite))
            laws, errors = list(first.laws), list(first.meta["error_by_time"])
        maker = stationary_maker(problem, problem.theta)
        most, fixed = self.max_states, self._fixed(network)
        found = stationary(maker, problem.theta, leak=self.leak, max_states=most, fixed=fixed)
        found = verified(maker, problem.theta, found, max_states=most, fixed=fixed)
        missing = max(1.0 - float(maker.start.p.sum()), 0.0)
        errors.append(None if found.error is None else found.error + missing)
        told = {"leak": found.leak, "residual": found.residual, "estimate": found.estimate}
        meta = provenance(self, network, started, error_by_time=errors, states=found.space.size, stationary=told)
        error = None if errors[-1] is None else float(max(errors))
        return Solution.of(problem, [*laws, Tabulated(found.space, found.p)], error=error, meta=meta)

    def _on_a_list(self, problem: Problem, start: Start) -> Solution:
        """The laws on lists of states; see `roaming`."""
        self._require_compiled("laws kept as lists of states")
        started = time.process_time()
        roaming = Roaming(problem.model, problem.theta, self.leak, self.max_states, self.max_work)
        (found,) = run_all([partial(roaming.laws, start, problem.times)], self.threads)
        bound = found.error + max(1.0 - float(start.p.sum()), 0.0)
        meta = provenance(
            self,
            problem.model.network,
            started,
            error_by_time=bound.tolist(),
            lost_by_time=found.lost.tolist(),
            states=found.largest,
            products=sum(found.products.values()),
            methods=dict(found.products),
        )
        laws = [Listed(counts, p) for counts, p in zip(found.counts, found.laws, strict=True)]
        return Solution.of(problem, laws, error=float(bound.max()), meta=meta)

    def _fixed(self, network: ReactionNetwork) -> dict[int, int]:
        caps = self.caps or {}
        require_known(caps, network.species_names, "species")
        return {network.species_names.index(name): cap for name, cap in caps.items()}

    def window(self, problem: Problem, thetas: Array, *, leak: float | None = None) -> StateSpace:
        """The union, over parameter vectors [B, P] and all times, of windows that lose at most `leak`."""
        projector = replace(self, leak=self.leak if leak is None else leak).projector(problem)
        caps = projector.adapted(np.asarray(thetas, dtype=np.float64), _nothing(problem), lambda law: law.caps)
        return projector.maker.space(np.max(caps, axis=0))

    def stationary_laws(self, problem: Problem, thetas: Array, keep: Callable[[Stationary], T]) -> list[T]:
        """`keep` of the laws after infinite time under every parameter vector [B, P], each on its own window."""
        require(problem.model.network, "fsp")
        self._require_compiled("stationary laws")
        return stationary_laws(
            problem,
            np.asarray(thetas, dtype=np.float64),
            keep,
            least=_nothing(problem),
            leak=self.leak,
            max_states=self.max_states,
            fixed=self._fixed(problem.model.network),
            threads=self.threads,
        )

    def tables(self, problem: Problem, thetas: Array, space: StateSpace) -> tuple[Array, Array]:
        """The laws on one fixed window: [B, P] -> p [B, T, N] and the probability lost by the last time [B]."""
        projector = self.projector(problem)
        engine = projector if is_compiled(self.device) else self._batched(projector)
        laws = engine.on(space, np.asarray(thetas, dtype=np.float64))
        return laws, np.maximum(projector.maker.start.p.sum() - laws[:, -1].sum(axis=-1), 0.0)

    def projector(self, problem: Problem) -> Projector:
        """The engine for one problem with these settings."""
        require(problem.model.network, "fsp")
        if is_driven(problem.model):
            raise UnsupportedFeature(
                "only laws and likelihoods are known of models with events or laws that switch", place="fsp"
            )
        problem.require_finite("this question to fsp")
        return self._engine(problem)

    def _has_many(self, projector: Projector) -> bool:
        """Whether the free species are so many that a law may be kept as a list of states."""
        species = len(projector.maker.frame.least)
        if self.caps or species < MANY_SPECIES:
            return False
        return len(projector.maker.space(np.zeros(species, dtype=np.int64)).free) >= MANY_SPECIES

    def holding(self, problem: Problem, least: Counts) -> Law | None:
        """The law on a window that holds the counts `least` [S]; None where it may be kept as a list of states."""
        projector = self._engine(problem)
        return None if self._has_many(projector) else self._law(projector, problem.theta, least)

    def _law(self, projector: Projector, theta: Array, least: Counts) -> Law:
        """The law of one parameter vector on an adapted window that holds the counts `least` [S]."""
        if is_compiled(self.device):
            return projector.adapted(theta[None, :], least, lambda law: law)[0]
        return self._batched(projector).laws(theta[None, :], least)[0]

    def _batched(self, projector: Projector) -> Batched:
        from .batched import Batched

        return Batched(projector, torch_device(self.device))

    def _require_compiled(self, what: str) -> None:
        """UnsupportedFeature for what torch does not do here."""
        if not is_compiled(self.device):
            reason = f"{what} are for compiled code, not for device {self.device!r}"
            raise UnsupportedFeature(reason, place="fsp", mend="use device='cpu'")

    def _engine(self, problem: Problem) -> Projector:
        return Projector.of(
            problem,
            leak=self.leak,
            max_states=self.max_states,
            max_work=self.max_work,
            fixed=self._fixed(problem.model.network),
            threads=self.threads,
        )


def _nothing(problem: Problem) -> Counts:
    return np.zeros(len(problem.model.network.species), dtype=np.int64)


def _observed(problem: Problem, counts: Sequence[Counts], axes: Sequence[int]) -> Counts:
    """The largest observed counts [S], 0 where a species is not observed."""
    least = _nothing(problem)
    for rows in counts:
        least[list(axes)] = np.maximum(least[list(axes)], np.max(rows, axis=0, initial=0))
    return least


def _put(found: Sequence[Array], places: Counts, columns: Sequence[Array]) -> None:
    """Fill the rows at `places` [K] of `found`, one [B, U_k] a time, with one [K, U_k] a time."""
    for whole, part in zip(found, columns, strict=False):
        whole[places] = part
