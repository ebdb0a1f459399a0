"""The law a short time later, at given states: weighted paths that run backwards under the law before.

(exp(Q dt) P)(n) is an average over paths that go back from n. They take each reaction r backwards at
the rate a_r(n - v_r) P(n - v_r) / P(n), as the process does seen in reverse; what is left to average is
exp(integral of the local flow e), which is 1 where P stands still: little noise, and no enumeration.
Rates far above the rate of leaving (P hardly knows n) are tempered, which the weights pay back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kinetix.compiler import CompiledModel
from kinetix.master import flows

LogLaw = Callable[[Tensor], Tensor]

EXCESS = 2.0
"""A backward rate exceeds the rate of leaving by at most this over the time step."""


@dataclass(frozen=True)
class ShortTime:
    """ln (exp(Q dt) P)(n) for P = `before`, by `paths` backward paths a state. `theta` [P]; constant laws."""

    model: CompiledModel
    theta: Tensor
    dt: float
    before: LogLaw
    paths: int = 4

    def __call__(self, counts: Tensor, generator: torch.Generator) -> Tensor:
        """[m, S] -> [m]."""
        states = counts.repeat_interleave(self.paths, dim=0)
        log_p = self.before(states[None])[0].double()
        first, weight = log_p.clone(), torch.zeros_like(log_p)
        left = torch.full_like(log_p, self.dt)
        going = torch.arange(len(states), device=states.device)
        while len(going):
            inflow, leave, befores, stated = self._rates(states[going], log_p[going])
            total = inflow.sum(dim=-1)
            rate = torch.minimum(total, leave + EXCESS / self.dt)
            wait = torch.empty_like(total).exponential_(generator=generator) / rate.clamp(min=1e-300)
            stay = torch.minimum(wait, left[going])
            weight[going] += (rate - leave) * stay
            left[going] -= stay
            jumped = left[going] > 0
            going = going[jumped]
            if not len(going):
                break
            weight[going] += torch.log(total[jumped] / rate[jumped])
            reaction = torch.multinomial(inflow[jumped], 1, generator=generator)[:, 0]
            each = torch.arange(len(going), device=states.device)
            states[going] = befores[jumped][each, reaction]
            log_p[going] = stated[jumped][each, reaction]
        ways = weight.reshape(-1, self.paths)
        mean = torch.logsumexp(ways, dim=-1) - math.log(self.paths)
        return first.reshape(-1, self.paths)[:, 0] + mean

    def _rates(self, states: Tensor, log_p: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Backward rates [n, R], rate of leaving [n], predecessors [n, R, S] and ln P of these [n, R]."""
        inflow, befores, exists, leave = flows(self.model, self.theta[None], states[None])
        befores = befores[0].clamp(min=0)
        stated = self.before(befores.reshape(1, -1, befores.shape[-1]))[0].double().reshape(befores.shape[:-1])
        possible = exists[0] & (inflow[0] > 0) & stated.isfinite()
        ratio = (stated - log_p[:, None]).clamp(max=60.0).exp()
        return torch.where(possible, inflow[0] * ratio, 0.0), leave[0], befores, stated
