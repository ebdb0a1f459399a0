"""MET, the master equation transformer: one net for a family of problems.

Trained over a box of rates, initial counts and times, it states the law of the counts for any
problem in the box in one forward pass. Choose it when many laws of one network are needed (rate
inference, maps over parameters); for one law, fsp or ssa is cheaper. Y. Liu, J. Wang, PNAS 121
(2024) e2317422121, doi:10.1073/pnas.2317422121.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from kinetix.compiler import compile_network
from kinetix.constructs import require
from kinetix.distribution import Distribution, PointMass
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.findings import Finding
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.space import StateSpace

from .nets.autoregressive import Autoregressive
from .nets.box import Box
from .nets.certificate import certify
from .nets.checkpoint import Weights, save_net
from .nets.decoder import Shape, make_net
from .nets.layout import Layout
from .nets.net_law import NetLaw
from .nets.net_window import choose
from .nets.observed import log_prob_by_time, log_prob_observed
from .nets.run_folder import RunFolder
from .nets.sealed import weights_digest
from .nets.teachers import Course, Plan
from .nets.trained import OutsideBoxWarning, device_of, require_same, saved_window, seed_of
from .nets.training import Budget, Progress, Record, Settings, seeded, threads, train

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
TeacherName = Literal["auto", "fsp", "trajectories", "van"]


@dataclass(frozen=True)
class MET:
    """Settings of a net over a box; `train` makes the net.

    `decoder` "film" or "attention" with `width`, `layers` and `heads`; `teacher` "fsp" (exact soft
    targets), "trajectories", "van" (as published: a set of `vans` is trained in 40 % of the budget, then
    rewards the net by the `signal` "policy-gradient", or by "kl", which is less noisy) or "auto" (fsp
    where it fits); `contexts` rate vectors in the teacher's pool, `batch` laws a step,
    `rate` the peak learning rate, `caps` species -> largest count of the window (default: found),
    `held_out` contexts of the certificate, `device` "auto", "cpu", "cuda" ..., `threads` of torch.
    """

    decoder: Literal["film", "attention"] = "film"
    width: int = 128
    layers: int = 3
    heads: int = 4
    teacher: TeacherName = "auto"
    vans: int = 480
    signal: Literal["policy-gradient", "kl"] = "policy-gradient"
    contexts: int = 2048
    batch: int = 64
    rate: float = 4e-3
    caps: Mapping[str, int] | None = None
    held_out: int = 100
    device: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        for name, least, most in (
            ("width", 8, 4096), ("layers", 1, 64), ("heads", 1, 64), ("contexts", 8, 10**6), ("vans", 1, 10**5),
            ("batch", 1, 10**5), ("held_out", 0, 10**4), ("threads", 1, 1024),
        ):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or not least <= value <= most:
                raise SettingError(f"{name} is {value!r}", place="met", mend=f"use {least} to {most}")
        if not isinstance(self.rate, int | float) or not 0 < self.rate < 1:
            raise SettingError(f"rate is {self.rate!r}", place="met", mend="use a number between 0 and 1")
        if self.decoder not in {"film", "attention"}:
            raise SettingError(f"unknown decoder {self.decoder!r}", place="met", mend="use film or attention")
        if self.teacher not in {"auto", "fsp", "trajectories", "van"}:
            raise SettingError(
                f"unknown teacher {self.teacher!r}", place="met", mend="use auto, fsp, trajectories, van"
            )
        if self.signal not in {"policy-gradient", "kl"}:
            raise SettingError(f"unknown signal {self.signal!r}", place="met", mend="use policy-gradient or kl")
        if self.decoder == "attention" and self.width % self.heads:
            raise SettingError(f"width {self.width} is not a multiple of heads {self.heads}", place="met")

    @property
    def shape(self) -> Shape:
        """The size of the net."""
        return Shape(self.decoder, self.width, self.layers, self.heads)

    def train(  # noqa: PLR0913 - the face of api.md
        self,
        network: ReactionNetwork,
        *,
        times: Sequence[float],
        box: Mapping[str, Any],
        budget: float | None = None,
        budget_cpu: float | None = None,
        budget_steps: int | None = None,
        seed: int | None = None,
        output: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> TrainedMET:
        """Train over `box` (name -> (low, high) or a bounded prior) and the interval `times`.

        Exactly one budget: wall seconds, CPU seconds or steps; the teacher's time counts, the
        certificate's does not. A species in the box means its initial count. With `output`, checkpoints,
        metrics and the net itself are written to that folder; `resume` goes on from there.
        """
        clock = Budget(budget, budget_cpu, budget_steps)
        require(network, "met")
        domain = Box.of(network, box, times)
        with ExitStack() as stack:
            folder = stack.enter_context(RunFolder(Path(output))) if output is not None else None
            seed = seed_of(folder if resume else None) if seed is None else int(seed)
            net, record, teacher = self._trained(domain, clock, seed, folder, resume, progress)
            certificate = certify(net, domain, self.held_out, teacher=teacher, record=record)
            trained = TrainedMET(domain, net, self, seed, certificate)
            if output is not None:
                trained.save(output)
        return trained

    def _identity(self, domain: Box, clock: Budget, seed: int) -> str:
        """What a resumed run must have in common with the one it goes on with, as JSON."""
        told = {
            "settings": asdict(self),
            "box": {name: list(bounds) for name, bounds in domain.bounds.items()},
            "times": list(domain.encoding.times),
            "model": domain.network.fingerprint,
            "budget": [clock.wall, clock.cpu, clock.steps],
            "seed": seed,
        }
        return json.dumps(told, sort_keys=True)

    def _trained(
        self, domain: Box, clock: Budget, seed: int, folder: RunFolder | None, resume: bool, progress: Progress | None
    ) -> tuple[Autoregressive, Record, str]:
        rng = np.random.default_rng(seed)
        roots = [int(r) for r in rng.integers(2**62, size=3)]
        model = compile_network(domain.network)
        window, teacher, make = choose(model, domain, self.teacher, self.caps, roots[0])
        layout = Layout.of(window)
        if not layout.caps:
            raise UnsupportedFeature("no species varies freely in this model", place="met", mend="solve it with fsp")
        with seeded(roots[1]):
            net = make_net(self.shape, layout, domain.encoding.groups).to(device_of(self.device))
        seconds = clock.wall if clock.wall is not None else clock.cpu
        plan = Plan(contexts=self.contexts, batch=self.batch, vans=self.vans, signal=self.signal)
        lessons = make(Course(model, domain, layout, roots[2], seconds), plan)
        identity = self._identity(domain, clock, seed)
        settings = Settings(rate=self.rate, threads=self.threads)
        record = train(
            net, lessons, clock, rng=rng, settings=settings,
            folder=folder, identity=identity, resume=resume, progress=progress,
        )  # fmt: skip
        return net, record, teacher


@dataclass(frozen=True, eq=False)
class TrainedMET:
    """A trained net: a solver for every problem in its box. `certificate` says how good it was found to be."""

    domain: Box
    net: Autoregressive
    settings: MET
    seed: int
    certificate: Mapping[str, Any] = field(default_factory=dict)

    kind = "met"

    @property
    def network(self) -> ReactionNetwork:
        """The network it was trained for, with the frozen values."""
        return self.domain.network

    @property
    def box(self) -> Mapping[str, tuple[float, float]]:
        """Name -> (low, high) of everything that was varied."""
        return self.domain.bounds

    @property
    def times(self) -> tuple[float, float]:
        """The interval of times."""
        return self.domain.encoding.times

    @property
    def window(self) -> StateSpace:
        """The states that it knows."""
        return self.net.layout.window

    # answers -----------------------------------------------------------------------------------

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """The laws at the problem's times; outside the box with a warning, here and in `meta`."""
        started = time.process_time()
        start = self._start(problem)
        findings = []
        if reason := self.domain.outside(problem.theta, start, problem.times[problem.times > 0]):
            warnings.warn(f"{reason}: a net is confidently wrong there", OutsideBoxWarning, stacklevel=2)
            findings.append(Finding("KX301", "warning", "box", reason, "train over a wider box, or use fsp or ssa"))
        context = self._context(problem.theta, start, problem.times)
        seed = int(rng.integers(2**62))
        laws: list[Distribution] = [
            PointMass(start) if t == 0 else NetLaw(self.net, row, seed)
            for t, row in zip(problem.times, context, strict=True)
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
        """Log-probabilities of observed counts under many rate vectors; see `kinetix.solver.BatchSolver`.

        Problems outside the box and counts outside the window are refused.
        """
        del rng
        start = self._start(problem)
        self.domain.require_inside(np.atleast_2d(thetas)[:, None, :], start, problem.times)
        if reason := self.domain.frozen_differences(thetas, start):
            raise SettingError(reason, place="net")
        context = self._context(np.atleast_2d(thetas)[:, None, :], start, problem.times)
        with torch.no_grad(), threads(self.settings.threads):
            found = log_prob_by_time(self.net, context, counts, axes, self.network.species_names)
        return [log_p.cpu().numpy().astype(np.float64) for log_p in found]

    def log_prob_tensor(
        self, thetas: Tensor, counts: ArrayLike, time: float, axes: Sequence[int] | None = None
    ) -> Tensor:
        """The same at one time as a tensor [B, U], differentiable in `thetas` [B, P]."""
        encoding = self.domain.encoding
        start = torch.as_tensor(self.domain.start, dtype=torch.float64)
        self.domain.require_inside(thetas.detach().cpu().numpy(), self.domain.start, time)
        varied = [thetas[:, i].double() for i in encoding.parameters] + [start[i] for i in encoding.species]
        columns = encoding.columns(varied, torch.tensor(float(time), dtype=torch.float64), torch)
        context = torch.stack([c.expand(len(thetas)) for c in columns], dim=-1).float().to(self._device)
        species = range(len(self.network.species)) if axes is None else axes
        return log_prob_observed(self.net, context, np.asarray(counts), species, self.network.species_names)

    # saving ------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write `weights.safetensors`, `manifest.json` and the model's text; `kinetix.open` reads them back."""
        save_net(self, folder)

    def manifest(self) -> Mapping[str, Any]:
        """Everything but weights and network, as plain values."""
        window = self.window
        return {
            "settings": asdict(self.settings),
            "seed": self.seed,
            "box": {name: list(bounds) for name, bounds in self.box.items()},
            "logarithmic": sorted(self.domain.logarithmic),
            "times": list(self.times),
            "lower": list(window.lower),
            "shape": list(window.shape),
            "certificate": dict(self.certificate),
        }

    def weights(self) -> Mapping[str, Tensor]:
        """The weights by name."""
        return dict(self.net.state_dict())

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, as the manifest on disk has it."""
        return weights_digest(self.weights())

    # inner -------------------------------------------------------------------------------------

    @property
    def _device(self) -> torch.device:
        return next(self.net.parameters()).device

    def _context(self, thetas: ArrayLike, start: Counts, times: ArrayLike) -> Tensor:
        features = self.domain.encoding.encode(thetas, start, times)
        return torch.from_numpy(features.astype(np.float32)).to(self._device)

    def _start(self, problem: Problem) -> Counts:
        """The initial counts of a problem that is about this network, with its frozen values."""
        require_same(self.network, problem.model)
        if not isinstance(problem.initial, PointMass):
            raise UnsupportedFeature("a net answers for one initial state, not for a law", place="initial")
        if reason := self.domain.frozen_differences(problem.theta, problem.initial.counts):
            raise SettingError(reason, place="net", mend="train a net with these values, or vary them in its box")
        return problem.initial.counts


class _Saved(BaseModel):
    """The schema of a manifest, bounded before anything is made."""

    model_config = ConfigDict(extra="forbid")
    settings: dict[str, Any]
    seed: int
    box: dict[str, tuple[float, float]]
    logarithmic: list[str]
    times: tuple[float, float]
    lower: list[int] = Field(max_length=4096)
    shape: list[int] = Field(max_length=4096)
    certificate: dict[str, Any]


@dataclass(frozen=True)
class _Bounds:
    """Bounds of a saved box in the form of a prior, so that its scale is kept."""

    low: float
    high: float
    log_scale: bool

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


def from_saved(network: ReactionNetwork, manifest: Mapping[str, Any], weights: Weights) -> TrainedMET:
    """The net of `TrainedMET.manifest` and its weights."""
    saved = _Saved.model_validate(manifest)
    settings = MET(**saved.settings)
    order = [*network.theta_names, *network.species_names, *saved.box]  # JSON has sorted the names
    box = {name: _Bounds(*saved.box[name], name in saved.logarithmic) for name in order if name in saved.box}
    domain = Box.of(network, box, saved.times)
    layout = Layout.of(saved_window(network, saved.lower, saved.shape))
    with torch.device("meta"):
        sketch = make_net(settings.shape, layout, domain.encoding.groups)
    weights.check({name: tuple(tensor.shape) for name, tensor in sketch.state_dict().items()})
    with seeded(0):
        net = make_net(settings.shape, layout, domain.encoding.groups)
    weights.pour(net)
    return TrainedMET(domain, net.to(device_of(settings.device)).eval(), settings, saved.seed, saved.certificate)
