"""A trained master equation transformer: a solver for every problem in its box, and what else it can be asked."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kinetix.distribution import Distribution
from kinetix.errors import SettingError
from kinetix.findings import Finding
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution
from kinetix.space import StateSpace

from .asked import Asked
from .autoregressive import Autoregressive
from .box import Box
from .chain import Chained
from .checkpoint import save_net
from .decoder import Shape
from .early import EarlyTimeWarning, early
from .layout import Layout
from .maps import MomentMap, grid_of, moments_over
from .sealed import weights_digest
from .trained import OutsideBoxWarning
from .training import threads

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


class NetSettings(Protocol):
    """What a trained net asks of the settings (a dataclass) that it was trained with."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def shape(self) -> Shape:
        """The size of the net."""
        ...

    def layout(self, window: StateSpace, network: ReactionNetwork) -> Layout:
        """The order in which the net speaks of the species of a window."""
        ...

    @property
    def means(self) -> bool:
        """Whether prompts tell exact means, where a network has them."""
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
    """A trained net: a solver for every problem in its box. `certificate` says how good it was found to be.

    `start` says how the general net was made that it was trained from, where it was (see `general.adapted`).
    """

    domain: Box
    net: Autoregressive
    settings: NetSettings
    seed: int
    certificate: Mapping[str, Any] = field(default_factory=dict)
    start: Mapping[str, Any] | None = None

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
    def stationary(self) -> bool:
        """Whether it knows the law at time = inf, and no other."""
        return self.domain.encoding.stationary

    @property
    def window(self) -> StateSpace:
        """The states that it knows."""
        return self.net.layout.window

    # answers -----------------------------------------------------------------------------------

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """The laws at the problem's times; outside the box with a warning, here and in `meta`.

        A random initial law is answered as a mixture over its starts. What an exact twin in the box answers
        (P(k, t) = P(c k, t / c)) counts as inside; `meta["symmetry"]` has the c of every time.
        """
        started = time.process_time()
        asked, theta = Asked.of(self.net, self.domain, problem), problem.theta[None]
        findings = []
        if reason := asked.outside(theta, problem.times[problem.times > 0]):
            warnings.warn(f"{reason}: a net is confidently wrong there", OutsideBoxWarning, stacklevel=2)
            findings.append(Finding("KX301", "warning", "box", reason, "train over a wider box, or use fsp or ssa"))
        c = asked.scales(theta, problem.times)
        if found := early(self.times, problem.times[c[0] == 1]):
            warnings.warn(found.reason, EarlyTimeWarning, stacklevel=2)
            findings.append(found)
        with torch.no_grad():
            contexts = asked.contexts(torch.from_numpy(theta), problem.times, c)[0]
        seed = int(rng.integers(2**62))
        laws = [
            problem.initial if t == 0 else asked.law(prompts, seed)
            for t, prompts in zip(problem.times, contexts, strict=True)
        ]
        meta = provenance(self.settings, problem.model.network, started, certificate=dict(self.certificate))
        meta["findings"] = [*meta["findings"], *(asdict(f) for f in findings)]
        if (c != 1).any():
            names = [self.network.theta_names[i] for i in self.domain.scaling.parameters]
            meta["symmetry"] = {"parameters": names, "scale": c[0].tolist()}
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

        Problems outside the box (that no exact twin brings inside) and counts outside the window are refused.
        """
        del rng
        asked, batch = self._asked_inside(problem, thetas)
        with torch.no_grad(), threads(self.threads):
            return _arrays(asked.weigh(batch, problem.times, counts, axes))

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

        The derivatives are those of the net's log-probabilities by theta at the places `parameters` [K],
        which the box must vary; NaN where a probability is 0.
        """
        del rng
        if still := [self.network.theta_names[i] for i in parameters if i not in self.domain.encoding.parameters]:
            raise SettingError(
                f"the net was trained with one value of {still[0]!r} and knows no derivative by it",
                place="net",
                mend=f"train with {still[0]!r} in the box",
            )
        asked, batch = self._asked_inside(problem, thetas)
        with torch.no_grad(), threads(self.threads):
            logs, slopes = asked.slopes(batch, problem.times, counts, axes, parameters)
        return _arrays(logs), _arrays(slopes)

    def log_prob_tensor(
        self, thetas: Tensor, counts: ArrayLike, time: float, axes: Sequence[int] | None = None
    ) -> Tensor:
        """The same at one time from the net's own start as a tensor [B, U], differentiable in `thetas` [B, P]."""
        asked, times = Asked(self.net, self.domain, self.domain.start[None], np.ones(1)), np.array([float(time)])
        asked.require_inside(thetas.detach().cpu().numpy(), times)
        species = range(len(self.network.species)) if axes is None else axes
        return asked.weigh(thetas, times, [np.asarray(counts)], species)[0]

    def moments(
        self,
        over: ArrayLike | Mapping[str, ArrayLike],
        time: float,
        species: str,
        *,
        initial: Mapping[str, float] | Distribution | None = None,
        floor: float = 3e-5,
        draws: int = 1000,
        seed: int = 0,
    ) -> MomentMap:
        """Moments of a species at one time over many rate vectors: a map; see `maps`.

        `over` are rate vectors [..., P], or a grid by name, {"kon": values, "koff": values}: [kon, koff]. The
        net's marginal is summed exactly where it can be; else `draws` are averaged, with their standard errors.
        Probabilities below `floor` times the largest are taken for the net's noise: they would rule the kurtosis.
        """
        problem = Problem.of(self.network, [time], initial=initial)
        thetas = grid_of(self.network, over, problem.theta)
        with threads(self.threads):
            return moments_over(Asked.of(self.net, self.domain, problem), thetas, time, species, draws, floor, seed)

    def chained(self, *, step: float | None = None, paths: int = 10_000, outside: float = 1e-3) -> Chained:
        """A solver that draws trajectories by chaining this net's laws, also beyond its times; see `chain`."""
        return Chained(self, step, paths, outside)

    # saving ------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write `weights.safetensors`, `manifest.json` and the model's text; `kinetix.open` reads them back."""
        save_net(self, folder)

    def manifest(self) -> Mapping[str, Any]:
        """Everything but weights and network, as plain values."""
        window, moments = self.window, self.domain.encoding.moments
        start = {} if self.start is None else {"start": dict(self.start)}
        return start | {
            "settings": asdict(self.settings),
            "seed": self.seed,
            "box": {name: list(bounds) for name, bounds in self.box.items()},
            "logarithmic": sorted(self.domain.logarithmic),
            "times": self.domain.told_times,
            "lower": list(window.lower),
            "shape": list(window.shape),
            "largest": None if moments is None else moments.largest.tolist(),
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
    def threads(self) -> int:
        """Threads of torch."""
        return self.settings.threads

    def _asked_inside(self, problem: Problem, thetas: Array) -> tuple[Asked, Tensor]:
        batch = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        asked = Asked.of(self.net, self.domain, problem)
        asked.require_inside(batch, problem.times)
        return asked, torch.from_numpy(batch)


def _arrays(tensors: Sequence[Tensor]) -> list[Array]:
    return [t.cpu().numpy().astype(np.float64) for t in tensors]
