"""Trajectories from a net that knows P(n', dt | n): drawn step by step, the end of one the start of the next.

Choose it for joint laws at several times (correlations, switching times) and for times beyond the
training interval. The law stated at each time is not the histogram of the paths but the net's own
law given the states one step before, weighed by the paths that are there, so that it stays smooth
(D. Blackwell, Ann. Math. Statist. 18 (1947) 105, doi:10.1214/aoms/1177730497). Errors of the net add
up over steps where the law forgets slowly: few long steps are best.
Y. Liu, J. Wang, PNAS 121 (2024) e2317422121, draw ensembles of birth and death in this way.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from kinetix.compiler import compile_network
from kinetix.distribution import Distribution
from kinetix.errors import RunError, SettingError, UnsupportedFeature
from kinetix.findings import Finding
from kinetix.problem import Problem
from kinetix.provenance import provenance
from kinetix.solution import Solution

from .asked import Asked
from .autoregressive import Autoregressive
from .box import Box
from .mixture import Mixture
from .training import threads

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_STEPS = 100_000
"""Steps of one ensemble."""


class Stepper(Protocol):
    """What a chain asks of a trained net."""

    @property
    def domain(self) -> Box:
        """Its box."""
        ...

    @property
    def net(self) -> Autoregressive:
        """The law itself."""
        ...

    @property
    def threads(self) -> int:
        """Threads of torch."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of its weights."""
        ...

    @property
    def certificate(self) -> Mapping[str, Any]:
        """How good it was found to be."""
        ...


@dataclass(frozen=True, eq=False)
class Chained:
    """A solver that chains the laws of `net`: `paths` trajectories, in steps of at most `step` (default: the longest).

    A path that ends a step outside the net's box of starts goes on from the nearest start inside, which
    is counted and said; more than the share `outside` of the paths stops the run.
    """

    net: Stepper
    step: float | None = None
    paths: int = 10_000
    outside: float = 1e-3

    def __post_init__(self) -> None:
        if not isinstance(self.paths, int | np.integer) or not 1 <= self.paths <= 10**8:
            raise SettingError(f"paths is {self.paths!r}", place="chained", mend="use a whole number >= 1")
        if not isinstance(self.outside, int | float) or not 0 <= self.outside <= 1:
            raise SettingError(f"outside is {self.outside!r}", place="chained", mend="use a share from 0 to 1")
        if self.step is not None and (not isinstance(self.step, int | float) or not 0 < self.step < np.inf):
            raise SettingError(f"step is {self.step!r}", place="chained", mend="use a time > 0")
        domain = self.net.domain
        model = compile_network(domain.network)
        if domain.encoding.stationary:
            raise UnsupportedFeature("a net of stationary laws knows no steps in time", place="chained")
        if domain.network.depends_on_time or domain.network.events:
            raise UnsupportedFeature("laws with the explicit time do not chain: a step is not like another")
        moves = np.nonzero((model.change != 0).any(axis=0))[0]
        known = {*domain.encoding.species, *domain.followers}
        if still := [domain.network.species_names[s] for s in moves if s not in known]:
            raise UnsupportedFeature(
                f"the net knows one start of {', '.join(still)} only, so no step can follow the first",
                place="chained",
                mend=f"train with the initial counts of {', '.join(still)} in the box",
            )

    @property
    def box(self) -> Mapping[str, tuple[float, float]]:
        """That of the net."""
        return self.net.domain.bounds

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """Trajectories [n, T, S] at the problem's times, and the smooth law at each; refuses rates outside the box."""
        started = time.process_time()
        problem.require_finite("a chained net")
        asked = Asked.of(self.net.net, self.net.domain, problem)
        run = _Run(self, problem, asked, rng)
        with threads(self.net.threads):
            laws, paths = run.go()
        meta = provenance(None, problem.model.network, started, certificate=dict(self.net.certificate))
        settings = {"step": self.step, "paths": self.paths, "outside": self.outside, "net": self.net.digest}
        meta |= {"solver": "Chained", "settings": settings, "steps": run.steps, "left_box": run.left()}
        if run.gone.any():
            found = Finding("KX302", "warning", "box", run.reason(), "train over more starts, or take longer steps")
            meta["findings"] = [*meta["findings"], asdict(found)]
        return Solution.of(problem, laws, meta=meta, trajectories=paths)


class _Run:
    """One ensemble on its way: distinct states with their weights, and which of them each path is in."""

    def __init__(self, chain: Chained, problem: Problem, asked: Asked, rng: np.random.Generator) -> None:
        self.chain, self.problem, self.asked, self.rng = chain, problem, asked, rng
        self.theta = torch.from_numpy(problem.theta[None])
        self.generator = torch.Generator(next(asked.net.parameters()).device).manual_seed(int(rng.integers(2**62)))
        self.place = rng.choice(len(asked.starts), chain.paths, p=asked.weights / asked.weights.sum())
        self.gone = np.zeros(chain.paths, dtype=bool)
        self.extreme: dict[str, int] = {}
        self.steps = 0

    def go(self) -> tuple[list[Distribution], Counts]:
        """The law at every time, and the paths [n, T, S]."""
        times, laws = self.problem.times, []
        paths = np.zeros((self.chain.paths, len(times), len(self.asked.starts[0])), dtype=np.int64)
        now = 0.0
        longest = self.chain.step or self.asked.domain.encoding.times[1]
        if (number := float(np.ceil(np.diff(times, prepend=0.0) / longest - 1e-9).sum())) > MOST_STEPS:
            raise SettingError(f"{number:.3g} steps are too many", place="chained", mend="use a longer step")
        for k, t in enumerate(times):
            law: Distribution = self.problem.initial
            many = int(np.ceil((t - now) / longest - 1e-9))
            for _ in range(many):
                law = self._step((float(t) - now) / many, first=self.steps == 0)
            now = float(t)
            paths[:, k] = self.asked.starts[self.place]
            laws.append(law if many == 0 else self._kept(law, paths[:, k]))
        return laws, paths

    def _step(self, length: float, *, first: bool) -> Mixture:
        """Send every path one step on; the mixture that they were drawn from."""
        if not first:
            self._bring_inside()
        times = np.array([length])
        self.asked.require_inside(self.problem.theta[None], times)
        with torch.no_grad():
            c = self.asked.scales(self.problem.theta[None], times)
            contexts = self.asked.contexts(self.theta, times, c)[0, 0]
        law = Mixture(self.asked.net, contexts, self.asked.weights)
        device, layout = contexts.device, self.asked.net.layout
        blocks = (self.place[k : k + 8192] for k in range(0, len(self.place), 8192))
        drawn = [
            self.asked.net.sample(contexts[torch.from_numpy(b).to(device)], generator=self.generator) for b in blocks
        ]
        states, self.place = _distinct(layout.counts(torch.cat(drawn).cpu().numpy()))
        self.asked = self.asked.from_states(states, np.bincount(self.place) / len(self.place))
        self.steps += 1
        return law

    def _bring_inside(self) -> None:
        """Send states outside the box of starts to the nearest inside, and count their paths."""
        domain, states = self.asked.domain, self.asked.starts.copy()
        for s in domain.encoding.species:
            name = domain.network.species_names[s]
            low, high = (int(v) for v in domain.bounds[name])
            beyond = (states[:, s] < low) | (states[:, s] > high)
            if beyond.any():
                far = states[beyond, s]
                worst = int(far[np.argmax(np.maximum(far - high, low - far))])
                before = self.extreme.get(name, worst)
                self.extreme[name] = max(before, worst) if worst > high else min(before, worst)
                self.gone |= beyond[self.place]
                states[:, s] = np.clip(states[:, s], low, high)
        if self.gone.mean() > self.chain.outside:
            raise RunError(
                self.reason(), place="chained", mend="train over more starts, take longer steps, or raise outside="
            )
        if (states != self.asked.starts).any():
            merged, back = _distinct(domain.completed(states))
            self.place = back[self.place]
            self.asked = self.asked.from_states(merged, np.bincount(self.place) / len(self.place))

    def left(self) -> dict[str, Any]:
        """What is said of paths that left the box."""
        return {"share": float(self.gone.mean()), "limit": self.chain.outside, "extreme": dict(self.extreme)}

    def reason(self) -> str:
        """The same in words."""
        far = ", ".join(f"{name} = {n}" for name, n in self.extreme.items())
        return f"{100 * self.gone.mean():.3g} % of the paths left the box of starts (as far as {far})"

    def _kept(self, law: Distribution, draws: Counts) -> Distribution:
        assert isinstance(law, Mixture)
        return Mixture(law.net, law.contexts, law.weights, draws=draws)


def _distinct(states: Counts) -> tuple[Counts, Counts]:
    """The distinct rows [K, S] and which of them each is [n]."""
    rows, place = np.unique(states, axis=0, return_inverse=True)
    return rows, place.reshape(-1)
