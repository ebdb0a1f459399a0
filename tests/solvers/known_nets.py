"""A "net" that states exact laws: what is built on nets can then be judged to the last digits."""

import numpy as np
import torch

from kinetix.network import ReactionNetwork
from kinetix.solvers.met import MET
from kinetix.solvers.nets.autoregressive import Autoregressive
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.trained_met import TrainedMET
from kinetix.space import StateSpace
from tests.exact import network


def colony(species=("X",), start=0, birth=2.0, death=0.5) -> ReactionNetwork:
    """Species that are born and die on their own, all with the same two rates."""
    reactions = [r for s in species for r in ((f"make_{s}", {}, {s: 1}, "birth"), (f"decay_{s}", {s: 1}, {}, "death"))]
    return network(dict.fromkeys(species, start), {"birth": birth, "death": death}, reactions, "colony")


class Known(Autoregressive):
    """Poisson births plus binomial survivors, species by species, read off the prompt's linear features."""

    def __init__(self, layout, encoding):
        super().__init__(layout)
        self.encoding = encoding
        self.precision = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def law(self, context, position):
        """Log-probabilities [B, cap]."""
        places = [a for a, _ in self.encoding.groups]
        low, high = torch.from_numpy(self.encoding.low), torch.from_numpy(self.encoding.high)
        values = [low[k] + (context[:, a] + 1) / 2 * (high[k] - low[k]) for k, a in enumerate(places[:-1])]
        time = (context[:, places[-1]] + 1) / 2 * self.encoding.times[1]
        birth, death = values[:2]
        first = values[2 + self.encoding.species.index(self.layout.species[position])][:, None, None].round()
        left = torch.exp(-death * time)[:, None, None].clamp(1e-12, 1 - 1e-12)
        mean = (birth / death)[:, None, None] * (1 - left)
        n = torch.arange(self.caps[position], dtype=torch.float64)
        born, kept = n[:, None] - n[None, :], n[None, :]
        survivors = torch.lgamma(first + 1) - torch.lgamma(kept + 1) - torch.lgamma((first - kept).clamp(min=0) + 1)
        survivors = survivors + kept * torch.log(left) + (first - kept) * torch.log1p(-left)
        births = born * torch.log(mean) - mean - torch.lgamma(born.clamp(min=0) + 1)
        return torch.logsumexp((survivors + births).masked_fill((born < 0) | (kept > first), -torch.inf), dim=-1)

    def logits(self, context, values):
        return [self.law(context, i)[:, None].expand(*values.shape[:2], -1) for i in range(values.shape[-1])]

    def begin(self, context):
        return context

    def advance(self, state, position, previous):
        distinct, back = torch.unique(state, dim=0, return_inverse=True)
        return self.law(distinct, position)[back], state


def known_net(species=("X",), *, birth=(1.0, 4.0), death=(0.25, 1.0), starts=(0, 30), until=5.0, cap=80):
    """A trained MET whose laws are exact (to the mass beyond `cap`): rates and every start in the box."""
    box = Box.of(colony(species), {"birth": birth, "death": death, **dict.fromkeys(species, starts)}, (0.0, until))
    layout = Layout.of(StateSpace.box([cap] * len(species)))
    return TrainedMET(box, Known(layout, box.encoding), MET(), 0)


def exact(n, first, birth, death, time):
    """The law of one species at counts n from `first`, by convolution."""
    from scipy.stats import binom, poisson

    left = np.exp(-death * time)
    kept = np.arange(first + 1)
    births = poisson.pmf(np.asarray(n)[..., None] - kept, birth / death * (1 - left))
    return births @ binom.pmf(kept, first, left)
