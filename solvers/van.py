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
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.constructs import require
from kinetix.errors import RunError, SettingError, UnsupportedFeature, require_known
from kinetix.network import ReactionNetwork
from kinetix.space import StateSpace

from .nets.autoregressive import Autoregressive
from .nets.budget import Budget, Record
from .nets.checkpoint import Weights
from .nets.interval import interval_of
from .nets.layout import Layout
from .nets.learning import Settings
from .nets.path_teacher import PathTeacher, Subjects
from .nets.recurrent import Recurrent
from .nets.run_folder import RunFolder
from .nets.stepping import Steps, steps
from .nets.trained import device_of, seed_of
from .nets.trained_van import TrainedVAN, make_net, restored, subjects_of
from .nets.training import Progress, seeded, threads, train

Array = NDArray[np.float64]

ROWS = 4096
"""Prefixes that a block of trajectories should have, for a step of a few milliseconds."""

CHOICES = {
    "mode": ("time-conditional", "stepped"),
    "net": ("recurrent", "transformer"),
    "grid": ("even", "geometric"),
    "optimiser": ("adam", "natural"),
    "targets": ("euler", "short-time"),
    "start": ("previous", "forward-kl"),
}
"""The settings that are one word of a few."""


@dataclass(frozen=True)
class VAN:
    """Settings of a net for one problem; `train` makes the net.

    `mode` "time-conditional" or "stepped"; `net` "recurrent" or, time-conditional only, "transformer" (slower at
    few species); `width` of its vectors; `caps` species -> largest count of the window (default: 1.2 times the
    largest of pilot runs, three more at least). Time-conditional: peak learning `rate`, `paths` trajectories a
    run at about `points` times a block; a step looks at one of the last `blocks` blocks, and new ones are drawn all
    the time. Stepped, with the published values: `dt` (default: a hundredth of the last time), `grid` "even" or
    "geometric" (short steps at first), `epochs_first` and `epochs` updates a step of `batch` draws at
    `step_rate`. Other ways, for laws constant in time: `start` "forward-kl" fits each step to
    states pushed by exact trajectories first, which keeps the support; `optimiser` "natural" then takes up
    to `epochs` natural-gradient steps; `targets` "short-time" are averages over backward paths instead of Euler
    steps. `checked` times at which the net is compared with exact laws for its certificate; `device` "auto", "cpu",
    "cuda" ...
    """

    mode: Literal["time-conditional", "stepped"] = "time-conditional"
    net: Literal["recurrent", "transformer"] = "recurrent"
    width: int = 64
    caps: Mapping[str, int] | None = None
    rate: float = 3e-3
    paths: int = 1024
    points: int = 16
    blocks: int = 64
    dt: float | None = None
    grid: Literal["even", "geometric"] = "even"
    epochs_first: int = 5000
    epochs: int = 100
    batch: int = 1000
    step_rate: float = 1e-3
    optimiser: Literal["adam", "natural"] = "adam"
    targets: Literal["euler", "short-time"] = "euler"
    start: Literal["previous", "forward-kl"] = "previous"
    checked: int = 8
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                mend = f"use {' or '.join(known)}"
                raise SettingError(f"unknown {name} {getattr(self, name)!r}", place="van", mend=mend)
        if self.mode == "stepped" and self.net != "recurrent":
            raise SettingError("a stepped VAN is a stack of recurrent nets", place="net", mend="use net='recurrent'")
        for name in ("width", "paths", "points", "blocks", "epochs_first", "epochs", "batch"):
            self._require_whole(name, 1)
        self._require_whole("checked", 0)
        if not isinstance(self.caps, Mapping | None):
            raise SettingError(f"caps is {self.caps!r}", place="van", mend="give a mapping species -> largest count")
        for name in ("rate", "step_rate", "dt"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Real) and 0 < float(value) < np.inf):
                raise SettingError(f"{name} is {value!r}", place="van", mend="use a number > 0")

    def _require_whole(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise SettingError(f"{name} is {value!r}", place="van", mend=f"use a whole number >= {least}")

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
        since, until = interval_of(times)
        if not 0 <= since <= until < np.inf or until <= 0:
            raise SettingError(f"times {times} are not an interval 0 <= t0 <= t1, t1 > 0", place="times")
        own = network.replace(parameters=parameters, initial=initial)
        require(own, "van")
        self._require_steps(own)
        subjects = subjects_of(own, (since, until))
        given = any(v is not None for v in (budget, budget_cpu, budget_steps))
        clock = Budget(budget, budget_cpu, budget_steps) if given or self.mode == "time-conditional" else None
        if resume and (self.mode == "stepped" or output is None):
            raise SettingError("only a time-conditional run with an output folder can be resumed", place="van")
        with ExitStack() as stack:
            folder = stack.enter_context(RunFolder(Path(output))) if output is not None else None
            seed = seed_of(folder if resume else None, seed)
            job = _Job(self, subjects, seed, progress)
            net: Autoregressive
            if clock is None or self.mode == "stepped":
                net, interval, stored, record = job.stepped(clock)
            else:
                net, record = job.conditional(clock, folder, resume)
                interval, stored = subjects.times, None
            trained = TrainedVAN(own, net, self, seed, interval, stored)
            trained = replace(trained, certificate=trained.certified(record, self.checked))
            if output is not None:
                trained.save(output)
        return trained

    def _require_steps(self, network: ReactionNetwork) -> None:
        """Refuse what the chosen way of stepping cannot do."""
        better = (self.start, self.optimiser, self.targets) != ("previous", "adam", "euler")
        if self.mode == "stepped" and better and network.depends_on_time:
            raise UnsupportedFeature(
                "pushed states and short-time targets need laws that are constant in time",
                place="van",
                mend="use mode='time-conditional', or stepping as published",
            )


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

    def conditional(self, clock: Budget, folder: RunFolder | None, resume: bool) -> tuple[Autoregressive, Record]:
        """The time-conditional net."""
        how, rng = self.settings, np.random.default_rng(self.seed)
        roots = [int(r) for r in rng.integers(2**62, size=3)]
        layout = self.layout(np.random.default_rng(roots[0]))
        with seeded(roots[1]):
            net = make_net(how, layout, self.subjects.clock).to(device_of(how.device))
        teacher = PathTeacher(
            self.subjects, layout, roots[2], paths=how.paths, points=how.points, blocks=how.blocks
        ).fitted(ROWS)
        if clock.steps is None:
            teacher = teacher.paced(net)
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
            net = cast("Recurrent", make_net(how, layout, None).to(device_of(how.device)))
        t0, t1 = self.subjects.times
        plan = Steps(how.dt or t1 / 100, how.grid, how.epochs_first, how.epochs, how.batch, how.step_rate,
                     how.optimiser, how.targets, how.start)  # fmt: skip
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
        stack = cast("Recurrent", make_net(how, layout, None, members=len(stored)).to(net.device))
        stack.load_state_dict({name: torch.cat([w[name] for w in weights]) for name in weights[0]})
        notes = () if stored[-1] == grid[-1] else (f"the budget ended at time {stored[-1]:g} of {t1:g}",)
        record = Record(updates, float(loss), watch.wall_seconds, watch.cpu_seconds, notes)
        return stack, (t0, stored[-1]), np.array(stored), record


def from_saved(network: ReactionNetwork, manifest: Mapping[str, Any], weights: Weights) -> TrainedVAN:
    """The net of `TrainedVAN.manifest` and its weights."""
    return restored(network, manifest, weights, VAN)
