"""A trained VAN: a solver for its one problem, saved and read back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from kinetix.compiler import compile_network
from kinetix.distribution import Distribution, PointMass
from kinetix.errors import CheckpointError, SettingError, UnsupportedFeature
from kinetix.findings import Finding
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.prompt import PromptEncoding
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.space import StateSpace

from .autoregressive import Autoregressive
from .budget import Record
from .certificate import certify_times
from .checkpoint import Weights, save_net
from .decoder import Attention, Shape
from .early import EarlyTimeWarning, early, first_of
from .layout import Layout
from .net_law import NetLaw
from .observed import log_prob_observed
from .path_teacher import Subjects
from .recurrent import Recurrent
from .sealed import weights_digest
from .trained import OutsideBoxWarning, nearest_device, require_same, saved_window
from .training import seeded

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

LAYERS, HEADS = 2, 4
"""Of the transformer: blocks of encoder and decoder, heads of attention."""


class VANSettings(Protocol):
    """What a trained net asks of the settings (a dataclass) that it was trained with."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def mode(self) -> Literal["time-conditional", "stepped"]:
        """How the time is known."""
        ...

    @property
    def net(self) -> Literal["recurrent", "transformer"]:
        """The kind of net."""
        ...

    @property
    def width(self) -> int:
        """The length of its vectors."""
        ...

    @property
    def device(self) -> str:
        """Where it runs."""
        ...


def make_net(settings: VANSettings, layout: Layout, clock: PromptEncoding | None, members: int = 1) -> Autoregressive:
    """The net of the settings; `clock` tells the time, None where each of the `members` knows one time only."""
    if settings.net == "transformer":
        if clock is None or members != 1:
            raise UnsupportedFeature(
                "a stepped VAN is a stack of nets, and only recurrent ones stack", place="van", mend="net='recurrent'"
            )
        return Attention(Shape("attention", settings.width, LAYERS, HEADS), layout, clock.groups)
    return Recurrent(layout, context=0 if clock is None else clock.size, width=settings.width, members=members)


@dataclass(frozen=True, eq=False)
class TrainedVAN:
    """A trained net: a solver for its one problem, at any of its times (stepped: at those of `stored` only)."""

    network: ReactionNetwork
    net: Autoregressive
    settings: VANSettings
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
        return subjects_of(self.network, self.times)

    # answers -----------------------------------------------------------------------------------

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """The laws at the problem's times; a time outside the interval gets a warning, here and in `meta`."""
        started = time.process_time()
        start = self._start(problem, problem.theta[None])
        findings = []
        if reason := self._outside(problem.times[problem.times > 0]):
            warnings.warn(f"{reason}: a net is confidently wrong there", OutsideBoxWarning, stacklevel=2)
            findings.append(Finding("KX301", "warning", "times", reason, "train for longer, or use fsp or ssa"))
        if self.stored is None and (found := early(self.times, problem.times)):
            warnings.warn(found.reason, EarlyTimeWarning, stacklevel=2)
            findings.append(found)
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
                    found = log_prob_observed(net, context[None], rows, axes, names)
                one = found.cpu().numpy().astype(np.float64)
            result.append(np.repeat(one, len(batch), axis=0))
        return result

    def certified(self, record: Record, number: int) -> dict[str, Any]:
        """The certificate: distances to exact laws at `number` of its times."""
        low, t1 = first_of(self.times), self.times[1]
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

    def _at(self, t: float) -> tuple[Autoregressive, Tensor]:
        """The net and its context at a time."""
        device = self.net.device
        if self.stored is None:
            return self.net, self.subjects.clock_features(np.array([t]))[0].to(device)
        nearest = int(np.argmin(np.abs(self.stored - t)))
        if abs(self.stored[nearest] - t) > 1e-9 * t:
            known = ", ".join(f"{s:.6g}" for s in self.stored)
            raise SettingError(f"a stepped VAN has no law at time {t:g}", place="times", mend=f"there are {known}")
        return cast("Recurrent", self.net).chosen([nearest]), torch.zeros(0, device=device)

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


def subjects_of(network: ReactionNetwork, times: tuple[float, float]) -> Subjects:
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


def restored(
    network: ReactionNetwork,
    manifest: Mapping[str, Any],
    weights: Weights,
    make_settings: Callable[..., VANSettings],
) -> TrainedVAN:
    """The net of `TrainedVAN.manifest` and its weights; `make_settings` takes the saved settings by name."""
    saved = _Saved.model_validate(manifest)
    settings = make_settings(**saved.settings)
    if (settings.mode == "stepped") != bool(saved.stored):
        raise CheckpointError("the times of the steps do not fit the mode", place="manifest")
    stored = np.array(saved.stored) if saved.stored else None
    layout = Layout.of(saved_window(network, saved.lower, saved.shape))
    clock = subjects_of(network, saved.times).clock if stored is None else None
    members = 1 if stored is None else len(stored)
    with torch.device("meta"):
        sketch = make_net(settings, layout, clock, members)
    weights.check({name: tuple(tensor.shape) for name, tensor in sketch.state_dict().items()})
    with seeded(0):
        net = make_net(settings, layout, clock, members)
    weights.pour(net)
    net = net.to(nearest_device(settings.device)).eval()
    return TrainedVAN(network, net, settings, saved.seed, saved.times, stored, saved.certificate)
