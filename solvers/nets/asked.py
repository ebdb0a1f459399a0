"""Problems put to a net over a box: prompts for rates, starts and times, and what the net says to them.

A random initial law is a mixture over its starts; a problem outside the box that an exact twin
brings inside (see `symmetry`) is answered by that twin. All prompts go through the net together.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from kinetix.distribution import Distribution, PointMass
from kinetix.errors import SettingError
from kinetix.problem import Problem

from .autoregressive import Autoregressive
from .box import Box
from .mixture import Mixture, starts_of
from .net_law import HELD, NetLaw
from .observed import log_prob_by_time
from .trained import require_same

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Asked:
    """A net, its box, and the states [K, S] that the problems start from with their probabilities [K]."""

    net: Autoregressive
    domain: Box
    starts: Counts
    weights: Array

    @classmethod
    def of(cls, net: Autoregressive, domain: Box, problem: Problem) -> Asked:
        """A problem about this network with its frozen values; starts of a random law outside the box are refused."""
        require_same(domain.network, problem.model)
        domain.require_known_times(problem.times)
        if isinstance(problem.initial, PointMass):
            result = cls(net, domain, np.asarray(problem.initial.counts, dtype=np.int64)[None], np.ones(1))
        else:
            result = cls(net, domain, *starts_of(problem.initial))
        if reason := domain.frozen_differences(problem.theta, result.starts):
            raise SettingError(reason, place="net", mend="train a net with these values, or vary them in its box")
        if not isinstance(problem.initial, PointMass):
            inside = np.array([domain.encoding.times[1]])
            domain.require_inside(domain.at(np.full((1, domain.dimension), 0.5))[0], result.starts, inside)
        return result

    def from_states(self, states: Counts, weights: Array) -> Asked:
        """The same problems from other starts."""
        return replace(self, starts=states, weights=weights)

    def scales(self, thetas: Array, times: Array) -> Array:
        """The c of the twin that answers each problem, 1 for those answered as they are: [B, P], [T] -> [B, T]."""
        return self.domain.scaling.into(np.asarray(thetas, dtype=np.float64)[:, None], np.asarray(times))

    def outside(self, thetas: Array, times: Array) -> str | None:
        """Why problems, or their twins, are not all inside the box, or None: thetas [B, P], times [T]."""
        if len(times) == 0:
            return None
        c = self.scales(thetas, times)
        twins = self.domain.scaling.scaled(np.asarray(thetas)[:, None], c)
        if reason := self.domain.outside(twins, self.starts[0], np.asarray(times) / c):
            return reason
        return self.domain.outside(twins[0, 0], self.starts, np.asarray(times[:1]) / c[0, 0])

    def require_inside(self, thetas: Array, times: Array) -> None:
        """Refuse problems outside the box, naming the first quantity that is."""
        if reason := self.outside(thetas, times):
            raise SettingError(reason, place="box", mend="train over a wider box")
        if reason := self.domain.frozen_differences(thetas, self.starts):
            raise SettingError(reason, place="net")

    def contexts(self, thetas: Tensor, times: Array, c: Array) -> Tensor:
        """The prompts of every rate vector, time and start: [B, P], [T], [B, T] -> [B, T, K, C].

        `c` are the `scales`; differentiable in thetas.
        """
        encoding, like = self.domain.encoding, next(self.net.parameters())
        factor = torch.from_numpy(c).to(thetas.device)[..., None]
        varied = []
        for i in encoding.parameters:
            column = thetas[:, i, None, None].double()
            varied.append(column * factor if i in self.domain.scaling.parameters else column)
        varied += [torch.from_numpy(self.starts[:, s].astype(np.float64)).to(thetas.device) for s in encoding.species]
        clock = torch.from_numpy(np.asarray(times, dtype=np.float64)).to(thetas.device)[:, None] / factor
        shape = (len(thetas), len(times), len(self.starts))
        columns = [column.expand(shape) for column in encoding.columns(varied, clock, torch)]
        return torch.stack(columns, dim=-1).to(device=like.device, dtype=like.dtype)

    def law(self, contexts: Tensor, seed: int) -> Distribution:
        """The law at one time, from its prompts [K, C]."""
        if len(contexts) == 1 and self.weights[0] == 1:
            return NetLaw(self.net, contexts[0], seed)
        return Mixture(self.net, contexts, self.weights, seed)

    def weigh(self, thetas: Tensor, times: Array, counts: Sequence[Counts], axes: Sequence[int]) -> list[Tensor]:
        """Log-probabilities of the rows counts[k] [U_k, D] of the species at `axes`: one [B, U_k] a time."""
        c, starts = self.scales(thetas.detach().cpu().numpy(), times), len(self.starts)
        block = len(thetas) if starts == 1 else HELD // (starts * max(1, *(len(rows) for rows in counts)))
        parts = []
        for k in range(0, len(thetas), max(1, block)):
            some = slice(k, k + max(1, block))
            parts.append(self._weighed(self.contexts(thetas[some], times, c[some]), counts, axes))
        return [torch.cat(one) for one in zip(*parts, strict=True)]

    def slopes(
        self, thetas: Tensor, times: Array, counts: Sequence[Counts], axes: Sequence[int], parameters: Sequence[int]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """As `weigh`, with the derivatives by theta at `parameters` [K]: one [B, U_k] and one [B, U_k, K] a time.

        In forward mode: one pass a parameter, however many rows. NaN where a probability is 0.
        """
        columns = []
        for i in parameters:
            along = torch.zeros_like(thetas)
            along[:, i] = 1.0
            with forward_ad.dual_level(), sdpa_kernel(SDPBackend.MATH):  # the attention that goes forward
                found = self.weigh(_dual(thetas, along), times, counts, axes)
                columns.append([_tangent(one) for one in found])
        values = self.weigh(thetas, times, counts, axes)
        slopes = [
            torch.stack([column[k] for column in columns], dim=-1) if columns else v.new_zeros(*v.shape, 0)
            for k, v in enumerate(values)
        ]
        return values, [s.masked_fill(v.isinf()[..., None], torch.nan) for s, v in zip(slopes, values, strict=True)]

    def _weighed(self, contexts: Tensor, counts: Sequence[Counts], axes: Sequence[int]) -> list[Tensor]:
        by_start = contexts.transpose(1, 2)  # [B, K, T, C]
        names = self.domain.network.species_names
        found = log_prob_by_time(self.net, by_start.flatten(0, 1), counts, axes, names)
        if len(self.starts) == 1 and self.weights[0] == 1:
            return found
        log_weights = torch.from_numpy(np.log(self.weights)).to(contexts)[:, None]
        return [torch.logsumexp(log_p.reshape(*by_start.shape[:2], -1) + log_weights, dim=1) for log_p in found]


def _dual(values: Tensor, along: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, on the first use
        dual: Tensor = forward_ad.make_dual(values, along)  # type: ignore[no-untyped-call]
    return dual


def _tangent(values: Tensor) -> Tensor:
    found: Tensor = forward_ad.unpack_dual(values).tangent  # type: ignore[no-untyped-call]
    return found
