"""VAN, the variational autoregressive network: one net for the law of one problem.

"time-conditional" (the one to use): the time is told to the net, which learns from exact
trajectories by maximum likelihood, all times at once and nothing enumerated. "stepped": as
published, a net a time step, each fitted to the one before pushed by the master equation
(`stepping`); kept for comparison, it is slow and fails on fast or switching systems.
Choose a VAN where the window of states is too large for fsp and probabilities, not draws, are
wanted; otherwise fsp is exact and ssa cheaper.
D. Wu, L. Wang, P. Zhang, Phys. Rev. Lett. 122 (2019) 080602, doi:10.1103/PhysRevLett.122.080602;
Y. Tang, J. Weng, P. Zhang, Nat. Mach. Intell. 5 (2023) 376, doi:10.1038/s42256-023-00632-8.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from kinetix.compiler import compile_network
from kinetix.constructs import require
from kinetix.distribution import Distribution, PointMass
from kinetix.errors import CheckpointError, RunError, SettingError, UnsupportedFeature
from kinetix.findings import Finding
from kinetix.network import ReactionNetwork, require_known
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.space import StateSpace

from .nets.certificate import certify_times
from .nets.checkpoint import Weights, save_net
from .nets.layout import Layout
from .nets.net_law import NetLaw
from .nets.observed import log_prob_observed
from .nets.path_teacher import PathTeacher, Subjects
from .nets.recurrent import Recurrent
from .nets.run_folder import RunFolder
from .nets.sealed import weights_digest
from .nets.stepping import Steps, steps
from .nets.trained import OutsideBoxWarning, require_same, saved_window, seed_of
from .nets.training import Budget, Progress, Record, Settings, seeded, threads, train

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

ROWS = 4096
"""Prefixes that a block of trajectories should have, for a step of a few milliseconds."""


@dataclass(frozen=True)
class VAN:
    """Settings of a net for one problem; `train` makes the net.

    `mode` "time-conditional" or "stepped"; `width` of the recurrent unit; `caps` species -> largest
    count of the window (default: 1.2 times the largest of pilot runs). Time-conditional: peak learning
    `rate`, `paths` trajectories a block at about `points` times, up to `blocks` blocks. Stepped, with
    the published values: `dt` (default: a hundredth of the last time), `grid` "even" or "geometric"
    (short steps at first), `epochs_first` and `epochs` updates a step of `batch` draws at `step_rate`.
    `checked` times at which the net is compared with exact laws for its certificate.
    """

    mode: Literal["time-conditional", "stepped"] = "time-conditional"
    width: int = 64
    caps: Mapping[str, int] | None = None
    rate: float = 3e-3
    paths: int = 1024
    points: int = 16
    blocks: int = 256
    dt: float | None = None
    grid: Literal["even", "geometric"] = "even"
    epochs_first: int = 5000
    epochs: int = 100
    batch: int = 1000
    step_rate: float = 1e-3
    checked: int = 8

    def __post_init__(self) -> None:
        if self.mode not in {"time-conditional", "stepped"}:
            raise SettingError(f"unknown mode {self.mode!r}", place="van", mend="use time-conditional or stepped")
        if self.grid not in {"even", "geometric"}:
            raise SettingError(f"unknown grid {self.grid!r}", place="van", mend="use even or geometric")
        for name in ("width", "paths", "points", "blocks", "epochs_first", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}", place="van", mend="use a whole number >= 1")
        if self.checked < 0:
            raise SettingError(f"checked is {self.checked}", place="van", mend="use a whole number >= 0")
        for name in ("rate", "step_rate", "dt"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise SettingError(f"{name} is {value}", place="van", mend="use a number > 0")

    def train(  # noqa: PLR0913 - the face of api.md
        self,
        network: ReactionNetwork,
        *,
        times: Sequence[float],
        parameters: Mapping[str, float] | None = None,
        initial: Mapping[str, float] | None = None,
        budget: float | None = None,
        budget_cpu: float | None = None,
        budget_steps: int | None = None,
        seed: int | None = None,
        output: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> TrainedVAN:
        """Train for one rate vector and start (the network's own, but for those given by name).

        Exactly one budget: wall seconds, CPU seconds or steps; trajectories count, the certificate does
        not. A stepped VAN needs none: then it goes through all its steps, else it stops where the
        budget ends, and knows the times up to there. `output` is a folder for the net (time-conditional
        training also writes checkpoints there, and `resume` goes on from them).
        """
        if len(times) != 2 or not 0 <= times[0] <= times[1] < np.inf or times[1] <= 0:
            raise SettingError(f"times {times} are not an interval 0 <= t0 <= t1, t1 > 0", place="times")
        own = network.replace(parameters=parameters, initial=initial)
        require(own, "van")
        subjects = _subjects(own, (float(times[0]), float(times[1])))
        given = any(v is not None for v in (budget, budget_cpu, budget_steps))
        clock = Budget(budget, budget_cpu, budget_steps) if given or self.mode == "time-conditional" else None
        if resume and (self.mode == "stepped" or output is None):
            raise SettingError("only a time-conditional run with an output folder can be resumed", place="van")
        with ExitStack() as stack:
            folder = stack.enter_context(RunFolder(Path(output))) if output is not None else None
            seed = seed_of(folder if resume else None) if seed is None else int(seed)
            job = _Job(self, subjects, seed, progress)
            if clock is None or self.mode == "stepped":
                net, interval, stored, record = job.stepped(clock)
            else:
                net, record = job.conditional(clock, folder, resume)
                interval, stored = subjects.times, None
            trained = TrainedVAN(own, net, self, seed, interval, stored)
            trained = replace(trained, certificate=trained.certified(record))
            if output is not None:
                trained.save(output)
        return trained


@dataclass(frozen=True, eq=False)
class _Job:
    """One training."""

    settings: VAN
    subjects: Subjects
    seed: int
    progress: Progress | None

    def layout(self, rng: np.random.Generator) -> Layout:
        """The window of pilot runs, with the user's caps."""
        window = self.subjects.window(rng)
        names, caps = self.subjects.model.network.species_names, dict(self.settings.caps or {})
        require_known(caps, names, "species")
        shape = list(window.shape)
        for name, cap in caps.items():
            if names.index(name) not in window.free or cap < 1:
                raise SettingError(
                    f"{name!r} cannot have the cap {cap}", place="caps", mend="use free species, cap >= 1"
                )
            shape[window.free.index(names.index(name))] = int(cap) + 1
        layout = Layout.of(StateSpace(window.free, window.lower, tuple(shape), window.offset, window.basis))
        if not layout.caps:
            raise UnsupportedFeature("no species varies freely in this model", place="van", mend="solve it with fsp")
        return layout

    def conditional(self, clock: Budget, folder: RunFolder | None, resume: bool) -> tuple[Recurrent, Record]:
        """The time-conditional net."""
        how, rng = self.settings, np.random.default_rng(self.seed)
        roots = [int(r) for r in rng.integers(2**62, size=3)]
        layout = self.layout(np.random.default_rng(roots[0]))
        with seeded(roots[1]):
            net = Recurrent(layout, context=self.subjects.clock.size, width=how.width)
        teacher = PathTeacher(
            self.subjects, layout, roots[2], paths=how.paths, points=how.points, blocks=how.blocks, every=8
        ).fitted(ROWS)
        told = {
            "settings": asdict(how),
            "times": list(self.subjects.times),
            "model": self.subjects.model.network.fingerprint,
            "budget": [clock.wall, clock.cpu, clock.steps],
            "seed": self.seed,
        }
        identity = json.dumps(told, sort_keys=True)
        record = train(
            net, teacher, clock, rng=rng, settings=Settings(rate=how.rate),
            folder=folder, identity=identity, resume=resume, progress=self.progress,
        )  # fmt: skip
        return net, record

    def stepped(self, clock: Budget | None) -> tuple[Recurrent, tuple[float, float], Array, Record]:
        """The published way: nets at the times of a grid, as one stack; the interval; the times; the record."""
        how, rng, watch = self.settings, np.random.default_rng(self.seed), Budget(steps=1)
        layout = self.layout(np.random.default_rng(int(rng.integers(2**62))))
        with seeded(int(rng.integers(2**62))), threads(1):
            net = Recurrent(layout, width=how.width)
        t0, t1 = self.subjects.times
        plan = Steps(how.dt or t1 / 100, how.grid, how.epochs_first, how.epochs, how.batch, how.step_rate)
        grid, model, updates, loss = plan.times(t1), self.subjects.model, 0, np.nan
        stored: list[float] = []
        weights: list[Mapping[str, Tensor]] = []
        for reached, state, loss in steps(net, model, model.theta, model.initial, grid, plan, rng):
            updates += how.epochs if updates else how.epochs_first
            if reached >= t0:
                stored.append(reached)
                weights.append(state)
            if self.progress is not None:
                self.progress({"fraction": reached / t1, "loss": loss, "step": float(updates)})
            if clock is not None and clock.fraction(updates) >= 1:
                break
        if not stored:
            raise RunError(f"the budget ended before the first time {t0:g} was reached", mend="give a larger budget")
        stack = Recurrent(layout, width=how.width, members=len(stored))
        stack.load_state_dict({name: torch.cat([w[name] for w in weights]) for name in weights[0]})
        notes = () if stored[-1] == grid[-1] else (f"the budget ended at time {stored[-1]:g} of {t1:g}",)
        record = Record(updates, float(loss), watch.wall_seconds, watch.cpu_seconds, notes)
        return stack, (t0, stored[-1]), np.array(stored), record


@dataclass(frozen=True, eq=False)
class TrainedVAN:
    """A trained net: a solver for its one problem, at any of its times (stepped: at those of `stored` only)."""

    network: ReactionNetwork
    net: Recurrent
    settings: VAN
    seed: int
    times: tuple[float, float]
    stored: Array | None = None
    certificate: Mapping[str, Any] = field(default_factory=dict)

    kind = "van"

    @property
    def box(self) -> Mapping[str, tuple[float, float]]:
        """Nothing is varied."""
        return {}

    @property
    def window(self) -> StateSpace:
        """The states that it knows."""
        return self.net.layout.window

    @property
    def subjects(self) -> Subjects:
        """The problem that it was trained for."""
        return _subjects(self.network, self.times)

    # answers -----------------------------------------------------------------------------------

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """The laws at the problem's times; a time outside the interval gets a warning, here and in `meta`."""
        started = time.process_time()
        start = self._start(problem, problem.theta[None])
        findings = []
        if reason := self._outside(problem.times[problem.times > 0]):
            warnings.warn(f"{reason}: a net is confidently wrong there", OutsideBoxWarning, stacklevel=2)
            findings.append(Finding("KX301", "warning", "times", reason, "train for longer, or use fsp or ssa"))
        seed = int(rng.integers(2**62))
        laws: list[Distribution] = [
            PointMass(start) if t == 0 else NetLaw(*self._at(float(t)), seed) for t in problem.times
        ]
        meta = provenance(self.settings, problem.model.network, started, certificate=dict(self.certificate))
        meta["findings"] = [*meta["findings"], *(asdict(f) for f in findings)]
        return Solution.of(problem, laws, meta=meta)

    def log_prob_batch(
        self,
        problem: Problem,
        thetas: Array,
        counts: Sequence[Counts],
        axes: Sequence[int],
        *,
        rng: np.random.Generator,
    ) -> list[Array]:
        """Log-probabilities of observed counts; see `kinetix.solver.BatchSolver`.

        Rate vectors other than its own, times outside its interval and counts outside its window are refused.
        """
        del rng
        batch = np.atleast_2d(thetas)
        start = self._start(problem, batch)
        if reason := self._outside(problem.times):
            raise SettingError(reason, place="times", mend="train for longer")
        result, names = [], self.network.species_names
        for t, rows in zip(problem.times, counts, strict=True):
            if t == 0:
                one = np.where((np.asarray(rows) == start[list(axes)]).all(axis=-1), 0.0, -np.inf)[None]
            else:
                net, context = self._at(float(t))
                with torch.no_grad():
                    one = log_prob_observed(net, context[None], rows, axes, names).numpy().astype(np.float64)
            result.append(np.repeat(one, len(batch), axis=0))
        return result

    def certified(self, record: Record) -> dict[str, Any]:
        """The certificate: distances to exact laws at a few of its times."""
        t0, t1 = self.times
        low, number = max(t0, t1 / 200), self.settings.checked
        times = np.geomspace(low, t1, number) if low < t1 else np.array([t1] * min(number, 1))
        if self.stored is not None:
            some = np.linspace(0, len(self.stored) - 1, min(number, len(self.stored)))
            times = self.stored[np.unique(some.round().astype(np.int64))]
        return certify_times(
            self.network,
            self.net.layout,
            times.tolist(),
            lambda c: NetLaw(*self._at(c.time)),
            teacher="trajectories" if self.stored is None else "master equation, step by step",
            record=record,
        )

    def _at(self, t: float) -> tuple[Recurrent, Tensor]:
        """The net and its context at a time."""
        if self.stored is None:
            return self.net, self.subjects.clock_features(np.array([t]))[0]
        nearest = int(np.argmin(np.abs(self.stored - t)))
        if abs(self.stored[nearest] - t) > 1e-9 * t:
            known = ", ".join(f"{s:.6g}" for s in self.stored)
            raise SettingError(f"a stepped VAN has no law at time {t:g}", place="times", mend=f"there are {known}")
        return self.net.chosen([nearest]), torch.zeros(0)

    def _outside(self, times: Array) -> str | None:
        t0, t1 = self.times
        wrong = [float(t) for t in times if not t0 * (1 - 1e-9) <= t <= t1 * (1 + 1e-9)]
        return f"time {wrong[0]:g} lies outside the training interval [{t0:g}, {t1:g}]" if wrong else None

    def _start(self, problem: Problem, thetas: Array) -> Counts:
        """The initial counts of a problem that is this net's own; others are refused."""
        require_same(self.network, problem.model)
        model, mend = compile_network(self.network), "train a VAN for these values, or a MET for many"
        for name, own, column in zip(self.network.theta_names, model.theta, thetas.T, strict=True):
            if wrong := [float(v) for v in column if not np.isclose(v, own, rtol=1e-9, atol=0)]:
                raise SettingError(f"a VAN knows one rate vector: {name} = {own:g}, not {wrong[0]:g}", mend=mend)
        if not isinstance(problem.initial, PointMass):
            raise UnsupportedFeature("a net answers for one initial state, not for a law", place="initial")
        if (problem.initial.counts != model.initial).any():
            at = problem.initial.counts.tolist()
            raise SettingError(f"a VAN knows one start: {model.initial.tolist()}, not {at}", place="initial", mend=mend)
        return problem.initial.counts

    # saving ------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write `weights.safetensors`, `manifest.json` and the model's text; `kinetix.open` reads them back."""
        save_net(self, folder)

    def manifest(self) -> Mapping[str, Any]:
        """Everything but weights and network, as plain values."""
        return {
            "settings": asdict(self.settings),
            "seed": self.seed,
            "times": list(self.times),
            "stored": None if self.stored is None else self.stored.tolist(),
            "lower": list(self.window.lower),
            "shape": list(self.window.shape),
            "certificate": dict(self.certificate),
        }

    def weights(self) -> Mapping[str, Tensor]:
        """The weights by name."""
        return dict(self.net.state_dict())

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, as the manifest on disk has it."""
        return weights_digest(self.weights())


def _subjects(network: ReactionNetwork, times: tuple[float, float]) -> Subjects:
    """The one problem of a network with its own values."""
    model = compile_network(network)
    return Subjects(model, model.theta[None], model.initial[None], times)


class _Saved(BaseModel):
    """The schema of a manifest, bounded before anything is made."""

    model_config = ConfigDict(extra="forbid")
    settings: dict[str, Any]
    seed: int
    times: tuple[float, float]
    stored: list[float] | None = Field(max_length=10**6)
    lower: list[int] = Field(max_length=4096)
    shape: list[int] = Field(max_length=4096)
    certificate: dict[str, Any]


def from_saved(network: ReactionNetwork, manifest: Mapping[str, Any], weights: Weights) -> TrainedVAN:
    """The net of `TrainedVAN.manifest` and its weights."""
    saved = _Saved.model_validate(manifest)
    settings = VAN(**saved.settings)
    if (settings.mode == "stepped") != bool(saved.stored):
        raise CheckpointError("the times of the steps do not fit the mode", place="manifest")
    stored = np.array(saved.stored) if saved.stored else None
    layout = Layout.of(saved_window(network, saved.lower, saved.shape))
    size = {
        "context": _subjects(network, saved.times).clock.size if stored is None else 0,
        "width": settings.width,
        "members": 1 if stored is None else len(stored),
    }
    with torch.device("meta"):
        sketch = Recurrent(layout, **size)
    weights.check({name: tuple(tensor.shape) for name, tensor in sketch.state_dict().items()})
    with seeded(0):
        net = Recurrent(layout, **size)
    weights.pour(net)
    return TrainedVAN(network, net.eval(), settings, saved.seed, saved.times, stored, saved.certificate)
