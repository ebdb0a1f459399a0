"""Histories of the species upstream as the teacher of a net over a box: soft targets, nothing enumerated.

Given a history, the counts downstream are independent Poisson variables (`downstream`). A law is therefore the mean
over histories of a product: the counts upstream as they were found, Poisson laws downstream. The net is shown prefixes
of states drawn from such a mean over a few histories, with its exact conditionals after them. The cross-entropy is
linear in the law that is taught, and the mean over histories is right on average: so is the gradient, however few they
are. It has much less noise than that of single states: D. Blackwell, Ann. Math. Stat. 18 (1947) 105.

With so little noise a rare species can be learned as exactly as the others, if it counts as much: the KL of a position
is weighed by one over the mean count there. That mean is one over other histories: by the same ones, laws that came out
low would weigh more, and every mean would be learned too low.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.compiler import CompiledModel
from kinetix.errors import UnsupportedFeature

from .box import Box
from .downstream import Downstream
from .histories import draw_histories
from .path_lessons import prefixes_of_a_step
from .teachers import Course, Plan, SoftLessons

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

VECTORS, HISTORIES, OTHERS = 64, 128, 32
"""Rate vectors of a chunk, each at a time of its own; histories of each that teach, and others that say what weighs."""

MOST = 32
"""Most prefixes of a law."""

EVERY = 4
"""Steps between new chunks, as far as time allows."""

RARE = 20.0
"""Most that the position of a rare species weighs; others weigh 1."""


class HistoryLessons(SoftLessons):
    """Soft targets from histories; of the law restricted to the window, as all that a net can state."""

    def __init__(self, course: Course, plan: Plan) -> None:
        split = split_of(course.model, course.box)
        if not split.species:
            raise UnsupportedFeature(
                "no species of this model is downstream of the others (see `nets.downstream`)",
                place="met",
                mend='use teacher "trajectories"',
            )
        super().__init__(course, replace(plan, chunk=VECTORS, first=4 * VECTORS, every=EVERY))
        self.split = split
        depth = len(course.layout.caps)
        self._prefixes = int(np.clip(round(prefixes_of_a_step(course) / (plan.batch * depth)), 1, MOST))

    @property
    def work(self) -> float:
        """Every law of a batch with its prefixes, each at all positions."""
        return float(self.plan.batch * self._prefixes * len(self.course.layout.caps))

    def lesson(self, number: int) -> dict[str, Tensor]:
        """The laws of a chunk, from fresh histories."""
        rng, thetas, starts, _ = self.draw(number)
        times = np.resize(self.course.box.draw_times(len(thetas), rng), len(thetas))
        counts, means = draw_histories(self.split, thetas, starts, times, HISTORIES + OTHERS, rng)
        tables = self.tables(counts[:, :HISTORIES], means[:, :HISTORIES])
        values, weight, targets = conditionals(tables, self._prefixes, rng)
        features = self.course.box.encoding.encode(thetas, starts, times)
        scale = self.scales(counts[:, HISTORIES:], means[:, HISTORIES:])
        entropy = -(weight * (scale * torch.special.xlogy(targets, targets)).sum(dim=-1)).sum(dim=-1)
        targets = scale * targets
        context = torch.from_numpy(features.astype(np.float32))
        return {"context": context, "values": values, "weight": weight, "targets": targets, "entropy": entropy}

    def tables(self, counts: Counts, means: Array) -> list[Tensor]:
        """Log-laws of the value at every position given each history: D tensors [N, K, cap_i]."""
        layout, result = self.course.layout, []
        found = layout.values(counts)
        for i, (s, cap, lower) in enumerate(zip(layout.species, layout.caps, layout.lower.tolist(), strict=True)):
            if s in self.split.species:
                mean = torch.from_numpy(means[..., self.split.species.index(s)]).float()[..., None]
                n = torch.arange(lower, lower + cap, dtype=torch.float32)
                logs = torch.log_softmax(torch.special.xlogy(n, mean) - torch.lgamma(n + 1), dim=-1)
            else:
                at = torch.from_numpy(found[..., i])
                logs = torch.where(at[..., None] == torch.arange(cap), 0.0, -torch.inf)
            result.append(logs)
        return result

    def scales(self, counts: Counts, means: Array) -> Tensor:
        """What the KL of each position weighs, by the mean over histories [N, K, S], [N, K, D]: [N, 1, sum of caps]."""
        every = counts.astype(np.float64)
        every[..., list(self.split.species)] = means
        weight = 1 / np.maximum(every.mean(axis=1)[:, list(self.course.layout.species)], 1 / RARE)
        caps = torch.tensor(self.course.layout.caps)
        return torch.from_numpy(np.maximum(weight, 1.0).astype(np.float32)).repeat_interleave(caps, dim=1)[:, None]


def split_of(model: CompiledModel, box: Box) -> Downstream:
    """The species downstream in every problem of a box."""
    varied = set(box.encoding.species) | set(box.followers)
    return Downstream.of(model, [s for s, n in enumerate(box.start.tolist()) if n == 0 and s not in varied])


def conditionals(tables: list[Tensor], number: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """States of laws that are means of K products, [N, K, cap_i] each, with the conditionals on the way to them.

    Returns values [N, number, D], their weights [N, number] and targets [N, number, sum of caps]. State k is drawn
    from the product k; products without a possible value are left out.
    """
    inside = torch.stack([logs.amax(dim=-1) > -torch.inf for logs in tables]).all(dim=0)
    weight = inside[:, :number] / inside[:, :number].sum(dim=-1, keepdim=True).clamp(min=1)
    belief = torch.where(inside, 0.0, -torch.inf)[:, None].expand(-1, number, -1)
    values, targets = [], []
    for logs in tables:
        p = logs.exp()
        targets.append(torch.softmax(belief, dim=-1).nan_to_num() @ p)
        own = p[:, :number].cumsum(dim=-1)
        places = torch.from_numpy(rng.random((*weight.shape, 1))).float() * own[..., -1:]
        value = (own <= places).sum(dim=-1).clamp(max=logs.shape[-1] - 1)
        belief = belief + logs.gather(2, value[:, None].expand(-1, logs.shape[1], -1)).transpose(1, 2)
        values.append(value)
    return torch.stack(values, dim=-1), weight, torch.cat(targets, dim=-1)
