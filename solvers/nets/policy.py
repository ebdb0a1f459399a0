"""The published way to train MET: draw states from it, reward them by a set of trained VANs.

At a prompt (rates of VAN j, time t) the net draws n states; the reward of a state is
log P_VAN(n) - log P_MET(n), the baseline its mean over the draws. The gradient is that of
KL(MET || VAN). Plain policy gradients drop modes and are noisy; a VAN that speaks in the same order
of species also gives whole conditionals, and then the divergence can be summed exactly at every
position (`signal="kl"`), with no score function and far less noise.
Y. Liu, J. Wang, PNAS 121 (2024) e2317422121, doi:10.1073/pnas.2317422121.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetix.errors import SettingError

from .autoregressive import Autoregressive
from .budget import Budget, Record
from .early import first_of
from .learning import Settings
from .path_teacher import PathTeacher, Subjects
from .recurrent import Recurrent
from .teachers import Course
from .training import seeded, train

Signal = Literal["policy-gradient", "kl"]

CLIP = 20.0
"""Largest reward, in nats, of either sign."""

SHORT = 4
"""Most species that are drawn by passes over distinct prefixes."""

WORK, LEAST_LAWS, LEAST_DRAWS = 32_768, 16, 32
"""Counts that a step draws and weighs in all; where the species are many, fewer laws and draws, to these."""

ALONE = 64
"""Width of a VAN that teaches alone."""


def policy_gradient(log_p: Tensor, log_target: Tensor) -> Tensor:
    """Surrogate whose gradient is that of KL(p || target), from draws of p: two of [B, n, D] -> scalar.

    Log-probabilities of each position's value. A value's score is multiplied by the reward of its own and
    of the later positions only: those before it do not depend on it, and would add noise alone. The
    baseline is the mean over the draws.
    """
    gap = (log_p - log_target).detach()
    to_go = gap.flip(-1).cumsum(dim=-1).flip(-1).clamp(-CLIP, CLIP)
    return ((to_go - to_go.mean(dim=-2, keepdim=True)) * log_p).sum(dim=-1).mean()


def position_divergence(own: Sequence[Tensor], target: Sequence[Tensor], weight: Tensor) -> Tensor:
    """KL(own || target) of the conditionals at prefixes drawn from the net, summed over the positions.

    D tensors of log-probabilities [B, m, cap_i] each, at prefixes of weight [B, m] -> scalar. Zero
    only where the laws agree; the prefixes count as given, so no score function enters its gradient.
    """
    terms = [(p.exp() * (p - q).clamp(-CLIP, CLIP)).sum(dim=-1) for p, q in zip(own, target, strict=True)]
    return (torch.stack(terms).sum(dim=0) * weight).sum(dim=-1).mean()


@dataclass(frozen=True, eq=False)
class Draws:
    """States drawn from a net, `values` [B, n, D], with what it states about them.

    `prefixes` [B, m, D] are the distinct ones among them, `place` [B, n] the one of each state,
    `stated` the D log conditionals [B, m, cap_i] at those prefixes, with their gradients.
    """

    values: Tensor
    prefixes: Tensor
    place: Tensor
    stated: Sequence[Tensor]

    @classmethod
    def of(cls, net: Autoregressive, context: Tensor, number: int, generator: torch.Generator) -> Draws:
        """`number` draws at each context [B, C].

        Short chains are drawn by passes over distinct prefixes, far fewer than states; long ones one by one.
        """
        depth, batch = len(net.caps), len(context)
        whole = net.sample(context.repeat_interleave(number, dim=0), generator=generator) if depth > SHORT else None
        place = torch.zeros(batch, number, dtype=torch.int64, device=context.device)
        prefixes, columns = place.new_zeros(batch, 1, depth), []
        stated: Sequence[Tensor] = ()
        for i in range(depth):
            if whole is None or i + 1 == depth:
                with torch.set_grad_enabled(i + 1 == depth):
                    stated = net.log_conditionals(context, prefixes)
            drawn = _drawn(stated[i].detach().exp(), place, generator) if whole is None else whole[:, i].view_as(place)
            columns.append(drawn)
            if i + 1 < depth:
                prefixes, place = longer(prefixes, place, drawn, i)
        return cls(torch.stack(columns, dim=-1), prefixes, place, stated)

    def log_probs(self, conditionals: Sequence[Tensor]) -> Tensor:
        """Log-probabilities of each count by conditionals at the prefixes: D tensors [B, m, cap_i] -> [B, n, D]."""
        each = torch.arange(len(self.values), device=self.values.device)[:, None]
        return torch.stack([c[each, self.place, self.values[..., i]] for i, c in enumerate(conditionals)], dim=-1)

    @property
    def weight(self) -> Tensor:
        """The share of the states at each prefix: [B, m]."""
        counts = torch.zeros(self.prefixes.shape[:2], device=self.values.device)
        return counts.scatter_add_(1, self.place, torch.ones_like(self.place, dtype=counts.dtype)) / self.place.shape[1]


def longer(prefixes: Tensor, place: Tensor, drawn: Tensor, position: int) -> tuple[Tensor, Tensor]:
    """The distinct prefixes with one more value: rows [B, m, D], [B, n], [B, n] -> [B, m', D], places [B, n]."""
    batch, rows, _ = prefixes.shape
    base = int(drawn.max()) + 1
    owner = torch.arange(batch, device=place.device)[:, None]
    keys, back = torch.unique((owner * rows + place) * base + drawn, return_inverse=True)
    row, value = keys // base, keys % base
    context = row // rows
    counts = torch.bincount(context, minlength=batch)
    local = torch.arange(len(keys), device=place.device) - (counts.cumsum(0) - counts)[context]
    result = prefixes.new_zeros(batch, int(counts.max()), prefixes.shape[-1])
    result[context, local] = prefixes.reshape(batch * rows, -1)[row]
    result[context, local, position] = value
    return result, local[back]


def _drawn(p: Tensor, place: Tensor, generator: torch.Generator) -> Tensor:
    """One value for each state from the law at its prefix: [B, m, cap], [B, n] -> [B, n]."""
    edges = p.cumsum(dim=-1)
    rows = edges.gather(1, place[..., None].expand(-1, -1, p.shape[-1]))
    u = torch.rand(place.shape, generator=generator, device=place.device) * rows[..., -1]
    return torch.searchsorted(rows, u[..., None], right=True)[..., 0].clamp(max=p.shape[-1] - 1)


@dataclass(frozen=True)
class SetSettings:
    """How a set of VANs is made and used.

    `members` VANs of `width`, trained as one stack in `share` of a budget of seconds (or `steps` steps)
    on `paths` trajectories a block, at a peak rate `rate`; a step of the net weighs `laws` prompts by
    `draws` states each. Where only the time varies there is one problem, and one wider VAN for it.
    """

    signal: Signal = "policy-gradient"
    members: int = 480
    width: int = 32
    share: float = 0.4
    steps: int = 1000
    rate: float = 5e-3
    paths: int = 64
    points: int = 16
    blocks: int = 16
    laws: int = 64
    draws: int = 128

    def __post_init__(self) -> None:
        if self.signal not in {"policy-gradient", "kl"}:
            raise SettingError(f"unknown signal {self.signal!r}", place="van set", mend="use policy-gradient or kl")


@dataclass(frozen=True, eq=False)
class VANSet:
    """Trained VANs as one stack, each the law of its own rate vector and start at all times."""

    subjects: Subjects
    net: Recurrent
    record: Record

    def context(self, times: NDArray[np.float64]) -> Tensor:
        """One time a VAN: [B] -> [B, C]."""
        return self.subjects.clock_features(times).to(self.net.device)


def train_set(course: Course, subjects: Subjects, settings: SetSettings, budget: Budget, root: int) -> VANSet:
    """Train a VAN for every member of `subjects`, all at once, by maximum likelihood on exact trajectories."""
    members = len(subjects.thetas)
    with seeded(root):
        net = Recurrent(course.layout, context=subjects.clock.size, width=settings.width, members=members)
    net = net.to(course.device)
    teacher = PathTeacher(
        subjects, course.layout, root, paths=settings.paths, points=settings.points, blocks=settings.blocks, every=16
    )
    how = Settings(rate=settings.rate, clip=members**-0.5)
    record = train(net, teacher, budget, rng=np.random.default_rng(root), settings=how)
    return VANSet(subjects, net.requires_grad_(requires_grad=False), record)


class VANLessons:
    """Rewards from a set of VANs over the box; a `learning.Teacher` for MET. The set is trained when it is made."""

    def __init__(self, course: Course, settings: SetSettings | None = None) -> None:
        self.course, self.settings = course, settings or SetSettings()
        if not course.box.dimension:
            self.settings = replace(self.settings, members=1, width=max(self.settings.width, ALONE), paths=1024)
        rng = np.random.default_rng([course.root, 1])
        thetas, starts = course.box.at(rng.random((self.settings.members, course.box.dimension)))
        subjects = Subjects(course.model, thetas, starts, course.box.encoding.times)
        seconds = None if course.seconds is None else self.settings.share * course.seconds
        budget = Budget(cpu=seconds) if seconds is not None else Budget(steps=self.settings.steps)
        self.set = train_set(course, subjects, self.settings, budget, int(rng.integers(2**62)))
        laws, _ = self._sizes(len(course.layout.caps))
        self.some = self.set.net.chosen(range(min(laws, self.settings.members)))

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """The surrogate loss at `laws` prompts of the set; see `learning.Teacher`."""
        student, subjects, how = cast("Autoregressive", net), self.set.subjects, self.settings
        laws, number = self._sizes(len(student.caps))
        chosen = rng.permutation(how.members)[:laws]
        owner = np.repeat(chosen, max(1, laws // len(chosen)))
        times = self._times(len(owner), rng)
        features = self.course.box.encoding.encode(subjects.thetas[owner], subjects.starts[owner], times)
        prompt = torch.from_numpy(features.astype(np.float32)).to(self.course.device)
        draws = Draws.of(student, prompt, number, generator)
        with torch.no_grad():
            target = self._vans(chosen).log_conditionals(self.set.context(times), draws.prefixes)
        facts = {"batch": f"VANs {chosen[:4].tolist()} ..."}
        if how.signal == "kl":
            return position_divergence(draws.stated, target, draws.weight), facts
        return policy_gradient(draws.log_probs(draws.stated), draws.log_probs(target)), facts

    def state(self) -> Mapping[str, Any]:
        """Nothing: the set is trained again from its root."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to go back to."""

    def _sizes(self, depth: int) -> tuple[int, int]:
        """Laws of a step and draws of each: as set, or fewer where the species are many."""
        how = self.settings
        if depth <= SHORT:  # draws share their prefixes
            return how.laws, how.draws
        laws = min(how.laws, max(LEAST_LAWS, WORK // (how.draws * depth)))
        return laws, min(how.draws, max(LEAST_DRAWS, WORK // (laws * depth)))

    def _vans(self, chosen: NDArray[np.int64]) -> Recurrent:
        """The chosen VANs as one stack; one module is used again and again."""
        index = torch.from_numpy(chosen).to(self.course.device)
        weights = {name: tensor[index] for name, tensor in self.set.net.state_dict().items()}
        self.some.load_state_dict(weights, assign=True)
        return self.some

    def _times(self, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Half uniform, half log-uniform, in no order: [number]."""
        t0, t1 = self.course.box.encoding.times
        low, u = first_of((t0, t1)), rng.random(number)
        return np.where(rng.random(number) < 0.5, t0 + (t1 - t0) * (1 - u), low * (t1 / low) ** u)
