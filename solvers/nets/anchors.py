"""A few problems with exact laws, at which a net is looked at while it learns.

They are never trained on, and are others than those of its certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kinetix.compiler import compile_network
from kinetix.distribution import PointMass, Tabulated
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP

from .autoregressive import Autoregressive
from .box import Box
from .distance import hellinger
from .held_out import SEED, held_out
from .net_law import NetLaw

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

NUMBER = 8
"""Problems."""

LIKELY = 1e-9
"""States below this probability are left out: together they change no distance."""


@dataclass(frozen=True, eq=False)
class Anchors:
    """Contexts [B, C] with the likely states of their exact laws, [n_b, S] and [n_b] each."""

    contexts: NDArray[np.float32]
    states: tuple[Counts, ...]
    laws: tuple[Array, ...]

    @classmethod
    def of(cls, box: Box, number: int = NUMBER) -> Anchors:
        """Problems over a box whose laws fit in memory."""
        model, chosen, states, laws = compile_network(box.network), held_out(box, number, SEED + 1), [], []
        for c in chosen:
            problem = Problem(model, np.array([c.time]), c.theta, PointMass(c.start))
            exact = FSP(threads=1).solve(problem).laws[0]
            assert isinstance(exact, Tabulated)
            likely = np.nonzero(exact.p > LIKELY)[0]
            states.append(exact.space.states(likely))
            laws.append(exact.p[likely])
        features = [box.encoding.encode(c.theta, c.start, c.time) for c in chosen]
        return cls(np.array(features, dtype=np.float32), tuple(states), tuple(laws))

    def __call__(self, net: nn.Module) -> Mapping[str, float]:
        """The mean Hellinger distance of the joint laws, as "H"."""
        assert isinstance(net, Autoregressive)
        contexts = torch.from_numpy(self.contexts).to(next(net.parameters()).device)
        stated = [NetLaw(net, c).log_prob(s) for c, s in zip(contexts, self.states, strict=True)]
        return {"H": float(np.mean([hellinger(p, np.exp(q)) for p, q in zip(self.laws, stated, strict=True)]))}
