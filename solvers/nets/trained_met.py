"""A trained master equation transformer: a solver for every problem in its box, saved and read back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from kinetix.distribution import Distribution, PointMass
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.findings import Finding
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.space import StateSpace

from .autoregressive import Autoregressive
from .box import Box
from .checkpoint import Weights, save_net
from .decoder import Shape, make_net
from .layout import Layout
from .net_law import NetLaw
from .observed import log_prob_by_time, log_prob_observed
from .sealed import weights_digest
from .trained import OutsideBoxWarning, device_of, require_same, saved_window
from .training import seeded, threads

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


class NetSettings(Protocol):
    """What a trained net asks of the settings (a dataclass) that it was trained with."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def shape(self) -> Shape:
        """The size of the net."""
        ...

    @property
    def device(self) -> str:
        """Where it runs."""
        ...

    @property
    def threads(self) -> int:
        """Threads of torch."""
        ...


@dataclass(frozen=True, eq=False)
class TrainedMET:
    """A trained net: a solver for every problem in its box. `certificate` says how good it was found to be."""

    domain: Box
    net: Autoregressive
    settings: NetSettings
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


def restored(
    network: ReactionNetwork,
    manifest: Mapping[str, Any],
    weights: Weights,
    make_settings: Callable[..., NetSettings],
) -> TrainedMET:
    """The net of `TrainedMET.manifest` and its weights; `make_settings` takes the saved settings by name."""
    saved = _Saved.model_validate(manifest)
    settings = make_settings(**saved.settings)
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
