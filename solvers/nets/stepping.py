"""A VAN carried through time in small steps, as published: each step is fitted to the last one pushed by dt.

The target of a step is the Euler step ln (T P)(n) = ln P(n) + ln max(1 + dt e(n), 1e-30), where
e(n) is the local in- and outflow of the master equation; the net descends KL(P_new || T P) by
policy gradient, starting from the weights of the step before.

Known to be weak: explicit Euler is unstable beyond dt = 2 / (largest total propensity), the divergence
cannot leave a mode that it dropped, and hundreds of fits follow one another. It does well on
small systems with slow rates (birth and death); on a toggle switch the published runs need hours.
Y. Tang, J. Weng, P. Zhang, Nat. Mach. Intell. 5 (2023) 376, doi:10.1038/s42256-023-00632-8.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetix.compiler import CompiledModel
from kinetix.master import local_flow

from .autoregressive import Autoregressive
from .budget import Budget, Record
from .learning import Settings, Teacher
from .natural_gradient import NaturalGradient, Rewards, natural_step
from .path_teacher import move
from .policy import Draws, longer, policy_gradient
from .prefixes import PrefixTree, cross_entropy, prefix_tree
from .recurrent import Recurrent
from .short_time import ShortTime
from .training import threads, train

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
LogLaw = Callable[[Tensor], Tensor]

LEAST = 1e-30
"""Floor of 1 + dt e, and of the probability of a state that is not the start at time 0."""
PUSHED = 4096
"""States pushed by exact trajectories in a step."""
FORWARD_FIRST, FORWARD = 200, 60
"""Updates of a fit to them: for the first step, for each later one."""
STATES, ENOUGH = 600, 3e-3
"""Of a natural-gradient step: the states, fresh each time; the mean and variance of the reward that end it."""
NATURAL = NaturalGradient(step=0.3, damping=1e-2)
"""The first step; the k-th is 1 + k / 4 times shorter, so that the noise of the targets is averaged."""


@dataclass(frozen=True)
class Steps:
    """How to step: `dt`, `grid` "even" or "geometric" (steps grow from dt / 32 to dt, each by a quarter).

    `epochs_first` updates for the first step, which has to leave a point mass, `epochs` for each
    later one, of `batch` draws each at the learning rate `rate`; `optimiser`, `targets` and `start` as in `VAN`.
    """

    dt: float
    grid: Literal["even", "geometric"] = "even"
    epochs_first: int = 5000
    epochs: int = 100
    batch: int = 1000
    rate: float = 1e-3
    optimiser: Literal["adam", "natural"] = "adam"
    targets: Literal["euler", "short-time"] = "euler"
    start: Literal["previous", "forward-kl"] = "previous"

    def times(self, end: float) -> Array:
        """The grid from 0 to `end`, both included."""
        if self.grid == "even":
            return np.linspace(0.0, end, max(1, int(np.ceil(end / self.dt - 1e-9))) + 1)
        widths = [self.dt / 32]
        while sum(widths) < end:
            widths.append(min(1.25 * widths[-1], self.dt))
        grid = np.concatenate([[0.0], np.cumsum(widths)])
        return np.asarray(grid * (end / grid[-1]))


@dataclass(frozen=True)
class _Pushed:
    """Maximum likelihood on states that exact trajectories have pushed; see `learning.Teacher`."""

    tree: PrefixTree

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        return cross_entropy(cast("Autoregressive", net), self.tree), {"batch": "of pushed states"}

    def state(self) -> Mapping[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        pass


@dataclass(eq=False)
class StepTeacher:
    """One time step: `before` is ln P of counts [1, m, S] -> [1, m], the target is P pushed by `dt`."""

    model: CompiledModel
    theta: Tensor
    dt: float
    before: LogLaw
    batch: int
    now: float = 0.0
    targets: Literal["euler", "short-time"] = "euler"

    def target(self, counts: Tensor, generator: torch.Generator) -> Tensor:
        """Ln of the law after the step, of the kind that `targets` says: [m, S] -> [m]."""
        if self.targets == "short-time":
            return ShortTime(self.model, self.theta, self.dt, self.before)(counts, generator)
        return self.log_target(counts[None])[0]

    def log_target(self, counts: Tensor) -> Tensor:
        """Ln (T P) of states: [1, m, S] -> [1, m]."""
        flow = local_flow(self.model, self.theta[None], counts, self.before, self.now)
        return self.before(counts) + (1 + self.dt * flow).clamp(min=LEAST).log()

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """The policy-gradient surrogate of KL(net || T P); see `learning.Teacher`."""
        law = cast("Autoregressive", net)
        device = next(net.parameters()).device
        draws = Draws.of(law, torch.zeros(1, 0, device=device), self.batch, generator)
        states, place = longer(draws.prefixes, draws.place, draws.values[..., -1], len(law.caps) - 1)
        with torch.no_grad():
            counts = torch.from_numpy(law.layout.counts(states[0].cpu().numpy())).to(device)
            target = self.target(counts, generator)[None]
        stated = draws.log_probs(draws.stated).sum(dim=-1, keepdim=True)  # the target knows whole states only
        return policy_gradient(stated, target.float().gather(1, place)[..., None]), {
            "batch": f"of the step to {self.now + self.dt:g}"
        }

    def state(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to go back to."""


def steps(
    net: Recurrent, model: CompiledModel, theta: Array, start: Counts, grid: Array, how: Steps, rng: np.random.Generator
) -> Iterator[tuple[float, Mapping[str, Tensor], float]]:
    """Carry `net` along the `grid` from a point mass at `start` [S]: each time, its weights, the last smoothed loss."""
    before = point_mass(start)
    origin = np.asarray(start, dtype=np.int64)
    law: Recurrent | None = None
    for k, (now, then) in enumerate(itertools.pairwise(grid.tolist())):
        known = torch.from_numpy(theta).to(net.device)
        teacher = StepTeacher(model, known, then - now, before, how.batch, now, how.targets)
        loss = np.nan
        if how.start == "forward-kl" or how.optimiser == "natural":
            pushed = push(law, model, theta, origin, then - now, rng)
            tree = prefix_tree(torch.zeros(1, 0), [net.layout.values(pushed)])
            if how.start == "forward-kl" or k == 0:
                loss = _adam(net, _Pushed(tree), FORWARD_FIRST if k == 0 else FORWARD, 1e-2, rng).loss
            if how.optimiser == "natural" and k:  # a point mass has no scores to learn from
                loss = natural_fit(net, teacher, net.layout.values(pushed), how.epochs, rng)
        if how.optimiser == "adam":
            loss = _adam(net, teacher, how.epochs_first if k == 0 else how.epochs, how.rate, rng).loss
        weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        yield then, weights, loss
        law = net.chosen([0])
        before = of_net(law)


def _adam(net: Recurrent, teacher: Teacher, epochs: int, rate: float, rng: np.random.Generator) -> Record:
    settings = Settings(rate=rate, decay=0.0, warmup=0.0, guard_steps=max(epochs, 1))
    return train(net, teacher, Budget(steps=epochs), rng=rng, settings=settings)


def push(
    law: Recurrent | None, model: CompiledModel, theta: Array, start: Counts, dt: float, rng: np.random.Generator
) -> Counts:
    """Draws of the law (None: a point mass at `start` [S]) moved by exact trajectories over `dt`: [n, S]."""
    starts = np.tile(start, (PUSHED, 1))
    if law is not None:
        device = law.device
        generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        drawn = law.sample(torch.zeros(PUSHED, 0, device=device), generator=generator)
        starts = law.layout.counts(drawn.cpu().numpy())
    moved = move(model, np.array([dt]), np.tile(theta, (PUSHED, 1)), starts, rng)[:, 0]
    if law is not None:
        moved = moved[law.layout.window.contains(moved)]
    return moved


def natural_fit(net: Recurrent, teacher: StepTeacher, pushed: Counts, most: int, rng: np.random.Generator) -> float:
    """Natural-gradient steps at own draws and pushed states, half and half; the last variance of the rewards.

    Ends where fresh states find the mean and the variance of the reward small, or after `most` steps.
    """
    device = net.device
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    weight = torch.full((STATES,), 1.0 / STATES, device=device)
    found = Rewards(np.inf, np.inf)
    with threads(1):
        for k in range(most):
            own = net.sample(torch.zeros(STATES - STATES // 2, 0, device=device), generator=generator)
            others = torch.from_numpy(pushed[rng.integers(len(pushed), size=STATES // 2)]).to(device)
            values = torch.cat([own, others])
            counts = torch.from_numpy(net.layout.counts(values.cpu().numpy())).to(device)
            with torch.no_grad():
                target = teacher.target(counts, generator).float()
            found = natural_step(net, values, target, weight, replace(NATURAL, step=NATURAL.step / (1 + k / 4)))
            if abs(found.mean) < ENOUGH and found.variance < ENOUGH:
                break
    return found.variance


def point_mass(start: Counts) -> LogLaw:
    """The law at time 0, with the floor `LEAST` elsewhere so that the first step can see its surroundings."""
    origin = torch.from_numpy(np.asarray(start, dtype=np.int64))
    floor = float(np.log(LEAST))

    def log_prob(counts: Tensor) -> Tensor:
        least = torch.tensor(floor, dtype=torch.float64, device=counts.device)
        return torch.where((counts == origin.to(counts.device)).all(dim=-1), 0.0, least)

    return log_prob


def of_net(net: Recurrent) -> LogLaw:
    """Ln P of counts [1, m, S] by a net, -inf outside its window."""
    layout = net.layout

    def log_prob(counts: Tensor) -> Tensor:
        flat = counts.reshape(-1, counts.shape[-1]).cpu().numpy()
        inside = layout.window.contains(flat)
        result = torch.full((len(flat),), -torch.inf, dtype=torch.float64, device=counts.device)
        if inside.any():
            values = torch.from_numpy(layout.values(flat[inside])).to(counts.device)
            stated = net.log_prob(values.new_zeros(1, 0, dtype=torch.float32), values[None])[0]
            result[torch.from_numpy(inside).to(counts.device)] = stated.double()
        return result.reshape(counts.shape[:-1])

    return log_prob
