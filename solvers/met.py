"""MET, the master equation transformer: one net for a family of problems.

Trained over a box of rates, initial counts and times, it states the law of the counts for any
problem in the box in one forward pass. Choose it when many laws of one network are needed (rate
inference, maps over parameters); for one law, fsp or ssa is cheaper. Y. Liu, J. Wang, PNAS 121
(2024) e2317422121, doi:10.1073/pnas.2317422121.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kinetix.compiler import compile_network
from kinetix.constructs import require
from kinetix.errors import SettingError, UnsupportedFeature, require_known
from kinetix.network import ReactionNetwork
from kinetix.space import StateSpace

from .nets.anchors import Anchors
from .nets.autoregressive import Autoregressive
from .nets.box import Box
from .nets.budget import Budget, Record
from .nets.certificate import certify
from .nets.checkpoint import Weights
from .nets.decoder import Shape, make_net
from .nets.layout import Layout
from .nets.learning import Settings
from .nets.net_window import choose
from .nets.run_folder import RunFolder
from .nets.saved_met import restored
from .nets.teachers import Course, Plan
from .nets.trained import device_of, seed_of
from .nets.trained_met import TrainedMET
from .nets.training import Progress, seeded, train

if TYPE_CHECKING:
    from .general.adapted import Adaptation
    from .general.saved import GeneralWeights

HEAVY = 1500.0
"""Prefixes, over all positions, from which orthogonal steps cost less than they gain."""


@dataclass(frozen=True)
class MET:
    """Settings of a net over a box; `train` makes the net.

    `decoder` "film" or "attention" with `width`, `layers` and `heads`; `teacher` "fsp" (exact soft
    targets), "histories" (soft targets too: exact histories of the species upstream, with the Poisson laws that those
    downstream have given these), "trajectories", "van" (as published: a set of `vans` is trained in 40 % of the
    budget, then rewards the net by the `signal` "policy-gradient", or by "kl", which is less noisy), several joined by
    "+", which take turns, or "auto" (fsp where laws are few and cheap enough; else histories where at least half of
    the species are downstream of others; else trajectories);
    `contexts` rate vectors in the pool of exact laws, `batch` of these (or VANs) a step,
    `rate` the peak learning rate, `optimiser` "adamw", "orthogonal" (steps of `nets.descent` for hidden
    matrices) or "auto" (orthogonal where a step weighs enough to pay for them), `caps` species -> largest
    count of the window (default: found), `observed` the species that data will show: the net speaks of them
    first, so that the others are summed out exactly at no cost, `means` whether prompts of first-order networks tell
    the exact means (`nets.first_order`), `held_out` contexts of the certificate,
    `device` "auto", "cpu", "cuda" ..., `threads` of torch.
    """

    decoder: Literal["film", "attention"] = "film"
    width: int = 128
    layers: int = 3
    heads: int = 4
    teacher: str = "auto"
    vans: int = 480
    signal: Literal["policy-gradient", "kl"] = "policy-gradient"
    contexts: int = 8192
    batch: int = 64
    rate: float = 4e-3
    optimiser: Literal["auto", "adamw", "orthogonal"] = "auto"
    caps: Mapping[str, int] | None = None
    observed: tuple[str, ...] = ()
    means: bool = True
    held_out: int = 100
    device: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", _names(self.observed))
        for name, least, most in (
            ("width", 8, 4096), ("layers", 1, 64), ("heads", 1, 64), ("contexts", 8, 10**6), ("vans", 1, 10**5),
            ("batch", 1, 10**5), ("held_out", 0, 10**4), ("threads", 1, 1024),
        ):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or not least <= value <= most:
                raise SettingError(f"{name} is {value!r}", place="met", mend=f"use {least} to {most}")
        if not isinstance(self.caps, Mapping | None):
            raise SettingError(f"caps is {self.caps!r}", place="met", mend="give a mapping species -> largest count")
        if not isinstance(self.means, bool):
            raise SettingError(f"means is {self.means!r}", place="met", mend="use True or False")
        if not isinstance(self.rate, int | float) or not 0 < self.rate < 1:
            raise SettingError(f"rate is {self.rate!r}", place="met", mend="use a number between 0 and 1")
        if self.decoder not in {"film", "attention"}:
            raise SettingError(f"unknown decoder {self.decoder!r}", place="met", mend="use film or attention")
        named = self.teacher.split("+") if isinstance(self.teacher, str) else []
        known = set(named) <= {"fsp", "histories", "trajectories", "van"} and len(set(named)) == len(named)
        if not (self.teacher == "auto" or (named and known)):
            mend = "use auto, fsp, histories, trajectories, van, or several joined by +"
            raise SettingError(f"unknown teacher {self.teacher!r}", place="met", mend=mend)
        if self.optimiser not in {"auto", "adamw", "orthogonal"}:
            raise SettingError(
                f"unknown optimiser {self.optimiser!r}", place="met", mend="use auto, adamw or orthogonal"
            )
        if self.signal not in {"policy-gradient", "kl"}:
            raise SettingError(f"unknown signal {self.signal!r}", place="met", mend="use policy-gradient or kl")
        if self.decoder == "attention" and self.width % self.heads:
            raise SettingError(f"width {self.width} is not a multiple of heads {self.heads}", place="met")

    @property
    def shape(self) -> Shape:
        """The size of the net."""
        return Shape(self.decoder, self.width, self.layers, self.heads)

    def layout(self, window: StateSpace, network: ReactionNetwork) -> Layout:
        """The order in which the net speaks of the species of a window."""
        require_known(self.observed, network.species_names, "species")
        return Layout.of(window, [network.species_names.index(name) for name in self.observed])

    def train(  # noqa: PLR0913 - the face of api.md
        self,
        network: ReactionNetwork,
        *,
        times: Sequence[float],
        box: Mapping[str, Any],
        budget: float | None = None,
        budget_cpu: float | None = None,
        budget_steps: int | None = None,
        start: str | Path | GeneralWeights | None = None,
        seed: int | None = None,
        output: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> TrainedMET:
        """Train over `box` (name -> (low, high) or a bounded prior) and the interval `times`.

        `times=(inf, inf)` trains on stationary laws alone, taught by exact ones. Exactly one budget: wall
        seconds, CPU seconds or steps; the teacher's time counts, the certificate's does not. A species in the
        box means its initial count. `start` is the general net to begin from, in place of nothing: "general" (that
        of the package), the folder of another, or a net. Its size and prompts then take the place of `decoder`,
        `width`, `layers`, `heads` and `means`, and "auto" steps are orthogonal where laws are exact. With `output`,
        checkpoints, metrics and the net itself are written to that folder; `resume` goes on from there.
        """
        clock = Budget(budget, budget_cpu, budget_steps)
        if resume and output is None:
            raise SettingError("only a run with an output folder can be resumed", place="met", mend="give output=")
        require(network, "met")
        domain = Box.of(network, box, times, means=self.means and start is None)
        begun = None if start is None else self._begun(start, domain)
        domain = domain if begun is None else begun.domain
        with ExitStack() as stack:
            folder = stack.enter_context(RunFolder(Path(output))) if output is not None else None
            seed = seed_of(folder if resume else None, seed)
            net, record, teacher = self._trained(domain, begun, clock, seed, folder, resume, progress)
            certificate = certify(net, domain, self.held_out, teacher=teacher, record=record)
            told = None if begun is None else begun.told(net.layout.window)
            trained = TrainedMET(domain, net, self, seed, certificate, told)
            if output is not None:
                trained.save(output)
        return trained

    def _begun(self, start: str | Path | GeneralWeights, domain: Box) -> Adaptation:
        """The general net turned to a box."""
        from .general.adapted import Adaptation, opened

        require_known(self.observed, domain.network.species_names, "species")
        first = [domain.network.species_names.index(name) for name in self.observed]
        return Adaptation.of(opened(start), domain, first)

    def _identity(self, domain: Box, begun: Adaptation | None, clock: Budget, seed: int) -> str:
        """What a resumed run must have in common with the one it goes on with, as JSON."""
        told = {
            "settings": asdict(self),
            "box": {name: list(bounds) for name, bounds in domain.bounds.items()},
            "times": list(domain.encoding.times),
            "model": domain.network.fingerprint,
            "budget": [clock.wall, clock.cpu, clock.steps],
            "seed": seed,
        }
        if begun is not None:
            told["start"] = begun.digest
        return json.dumps(told, sort_keys=True)

    def _trained(
        self, domain: Box, begun: Adaptation | None, clock: Budget, seed: int,
        folder: RunFolder | None, resume: bool, progress: Progress | None,
    ) -> tuple[Autoregressive, Record, str]:  # fmt: skip
        rng = np.random.default_rng(seed)
        roots = [int(r) for r in rng.integers(2**62, size=3)]
        model = compile_network(domain.network)
        seconds = clock.wall if clock.wall is not None else clock.cpu
        window, teacher, make = choose(model, domain, self.teacher, self.caps, roots[0], seconds)
        layout = self.layout(window, domain.network) if begun is None else begun.layout(window)
        if not layout.caps:
            raise UnsupportedFeature("no species varies freely in this model", place="met", mend="solve it with fsp")
        with seeded(roots[1]):
            net = make_net(self.shape, layout, domain.encoding) if begun is None else begun.net(window)
            net = net.to(device_of(self.device))
        plan = Plan(contexts=self.contexts, batch=self.batch, vans=self.vans, signal=self.signal)
        lessons = make(Course(model, domain, layout, roots[2], seconds, device=net.device), plan)
        identity = self._identity(domain, begun, clock, seed)
        exact = begun is not None and teacher == "fsp"  # noise of trajectories is more than these steps bear
        heavy = exact or float(getattr(lessons, "work", 0.0)) >= HEAVY
        orthogonal = self.optimiser == "orthogonal" or (self.optimiser == "auto" and heavy)
        settings = Settings(rate=self.rate, threads=self.threads, orthogonal_steps=orthogonal)
        record = train(
            net, lessons, clock, rng=rng, settings=settings,
            folder=folder, identity=identity, resume=resume, progress=progress,
            judge=Anchors.of(domain) if "fsp" in teacher and (progress or folder) else None,
        )  # fmt: skip
        return net, record, teacher


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise SettingError(f"observed is {given!r}", place="met", mend="give distinct names of species")
    return names


def from_saved(network: ReactionNetwork, manifest: Mapping[str, Any], weights: Weights) -> TrainedMET:
    """The net of `TrainedMET.manifest` and its weights."""
    return restored(network, manifest, weights, MET)
