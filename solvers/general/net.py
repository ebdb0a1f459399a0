"""The general net: reads any network of the family, states the law of its counts species by species.

Species and reactions pass messages along the stoichiometry (J. Gilmer et al., ICML 2017), with the same weights
everywhere, so that no order is seen. Every conditional begins as two laws of Katz's family about the mean and the
spread that the moments state (see `law`); the net moves these and adds corrections by the count itself and by its
distance from the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinetix.solvers.nets.autoregressive import FLOOR, Autoregressive
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.prefixes import Shared

from .law import OUTPUTS, CountLaw
from .prompt import FAINT, OF_EDGE, OF_REACTION, OF_SPECIES, Prompt, read

JITTER = 1e-4
"""Added to scaled variances, so that what is certain has a variance too."""

SMALL = 16
"""Counts below this are told by a vector each."""

OF_COUNT, OF_CONDITION = 4, 5
"""Features of a count, and of what the regression says."""


@dataclass(frozen=True)
class Size:
    """`width` of all vectors, `rounds` of messages, `blocks` of every prediction."""

    width: int = 96
    rounds: int = 3
    blocks: int = 2


class Known(NamedTuple):
    """Of every context: what was read, what each species begins its prediction with and adds to its token [B, S, d],
    the gates between pairs, the regression.
    """

    prompt: Prompt
    begun: Tensor
    own: Tensor
    gates: Tensor
    rows: Tensor
    spread: Tensor


class State(NamedTuple):
    """Of every row: its context, the counts of the species so far, their coordinates on the lattice, their surprises
    and tokens, the conditional mean of the next.
    """

    known: Shared[Known]
    which: Tensor
    counts: Tensor
    coordinates: Tensor
    surprises: Tensor
    tokens: Tensor
    mean: Tensor


def _mlp(size: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, width), nn.SiLU(), nn.Linear(width, width))


class _Round(nn.Module):
    """Messages from species to reactions and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out, self.back = (nn.Linear(width, width) for _ in range(2))
        self.edge_out, self.edge_back = (nn.Linear(OF_EDGE, width, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.reaction, self.species = (_mlp(2 * width, width) for _ in range(2))

    def forward(self, species: Tensor, reactions: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        h, g = self.norms[0](species), self.norms[1](reactions)
        sent = (self.out(h)[:, :, None] * self.edge_out(edges)).sum(dim=1)
        reactions = reactions + self.reaction(torch.cat([g, sent], dim=-1))
        answered = (self.back(self.norms[1](reactions))[:, None] * self.edge_back(edges)).sum(dim=2)
        return species + self.species(torch.cat([h, answered], dim=-1)), reactions


class Core(nn.Module):
    """All weights: those of the encoder and of the predictions."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width = size.width
        self.size = size
        self.of_species, self.of_reactions = _mlp(OF_SPECIES, width), _mlp(OF_REACTION, width)
        self.rounds = nn.ModuleList(_Round(width) for _ in range(size.rounds))
        self.norm = nn.LayerNorm(width)
        self.left, self.right = nn.Linear(width, width), nn.Linear(width, width)
        self.pair = nn.Linear(2, width)
        self.small = nn.Embedding(SMALL + 1, width)
        self.count, self.own = nn.Linear(OF_COUNT, width), nn.Linear(width, width)
        self.begin, self.condition = nn.Linear(width, width), nn.Linear(OF_CONDITION, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(size.blocks + 1))
        self.blocks = nn.ModuleList(_mlp(width, width) for _ in range(size.blocks))
        self.head = nn.Linear(width, OUTPUTS)
        self.law = CountLaw()
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()

    @property
    def encoder(self) -> tuple[nn.Module, ...]:
        """The parts that read prompts."""
        return self.of_species, self.of_reactions, self.rounds, self.norm

    def encoded(self, prompt: Prompt) -> Tensor:
        """A vector for every species of every prompt: [B, S, d]."""
        species, reactions = self.of_species(prompt.species), self.of_reactions(prompt.reactions)
        for one in self.rounds:
            species, reactions = one(species, reactions, prompt.edges)
        vectors: Tensor = self.norm(species)
        return vectors


class Stepwise(Autoregressive):
    """A net that weighs states as it draws them: with the state of `begin` and `advance`."""

    def logits(self, context: Tensor, values: Tensor) -> list[Tensor]:
        """Teacher-forced raw logits; see `Autoregressive.logits`."""
        batch, states, length = values.shape
        flat = values.reshape(batch * states, length)
        raw, state = self.advance(self.begin(context), 0, None)
        found = [raw[:, None].expand(-1, states, -1)]  # nothing comes before: the same for all states
        spread = torch.arange(batch, device=values.device).repeat_interleave(states)
        state = State(state.known, spread, *(part[spread] for part in state[2:]))
        for i in range(1, length):
            raw, state = self.advance(state, i, flat[:, i - 1])
            found.append(raw.reshape(batch, states, -1))
        return found[:length]


class GeneralNet(Stepwise):
    """The net on the windows of a layout, whose positions are the species in the prompt's order."""

    def __init__(self, layout: Layout, core: Core) -> None:
        super().__init__(layout)
        self.core = core

    def begin(self, context: Tensor) -> State:
        """What the net knows of every context, and no counts yet."""
        prompt = read(context)
        return self.beginning(prompt, self.core.encoded(prompt))

    def beginning(self, prompt: Prompt, vectors: Tensor) -> State:
        """The same of prompts, with or without padding, and the `vectors` [B, S, d] that the encoder makes of them."""
        core = self.core
        eye = torch.eye(prompt.means.shape[1], device=vectors.device)
        factor, failed = torch.linalg.cholesky_ex(prompt.fano + JITTER * eye)
        factor = torch.where((failed == 0)[:, None, None], factor, eye)
        diagonal = factor.diagonal(dim1=1, dim2=2)
        rows = factor / diagonal[:, None]
        pairs = core.pair(torch.stack([rows.clamp(-3, 3), prompt.fano.clamp(-3, 3)], dim=-1))
        gates = core.left(vectors)[:, :, None] * core.right(vectors)[:, None] + pairs
        known = Shared(Known(prompt, core.begin(vectors), core.own(vectors), gates, rows, diagonal**2))
        which = torch.arange(len(vectors), device=vectors.device)
        none = prompt.means[:, :0]
        return State(known, which, none, none, none, vectors[:, :0], prompt.means[:, 0])

    def advance(self, state: State, position: int, previous: Tensor | None) -> tuple[Tensor, State]:
        """Take in the last count, then predict the next."""
        if previous is not None:
            state = self.take(state, position - 1, previous)
        return self.predict(state, position, self.caps[position]), state

    def predict(self, state: State, position: int, cap: int) -> Tensor:
        """Raw logits of the count of the species at a position of the prompt: [rows, cap]."""
        core, known, which = self.core, state.known.value, state.which
        mean, spread = state.mean, known.spread[which, position]
        whole = known.prompt.means[which, position]
        features = [torch.log(whole + 1e-3) / 5, torch.log(spread + 0.03) / 2]
        shift = (mean - whole) / torch.sqrt(whole * spread + 0.5)
        features += [shift.clamp(-4, 4), torch.tanh(shift), torch.log1p(mean.clamp(min=0.0)) / 3]
        h = known.begun[which, position] + core.condition(torch.stack(features, dim=-1))
        if position:
            h = h + (known.gates[which, position, :position] * state.tokens).sum(dim=1)
        for norm, block in zip(core.norms, core.blocks, strict=False):
            h = h + block(norm(h))
        raw = core.law(core.head(core.norms[-1](h)), mean, whole, spread, cap)
        return self._possible(raw, state, position)

    def take(self, state: State, last: int, value: Tensor) -> State:
        """Take in the count [rows] of the species at position `last`."""
        core, known, which = self.core, state.known.value, state.which
        prompt, count = known.prompt, value.to(known.own.dtype)
        known_count = count.clamp(min=0)  # what follows from counts that cannot be may be negative
        root = torch.sqrt(prompt.means + FAINT)[which]
        surprise = (count - state.mean) / root[:, last]
        surprises = torch.cat([state.surprises, surprise[:, None]], dim=1)
        mean = state.mean
        if last + 1 < prompt.means.shape[1]:
            shift = (known.rows[which, last + 1, : last + 1] * surprises).sum(dim=1)
            mean = prompt.means[which, last + 1] + root[:, last + 1] * shift
        scaled = surprise / torch.sqrt(known.spread[which, last] + 0.05)
        off = (count - prompt.means[which, last]) / torch.sqrt(prompt.means[which, last] + 1)
        features = [scaled.clamp(-5, 5), off.clamp(-5, 5), torch.log1p(known_count) / 3, (count == 0).float()]
        token = core.count(torch.stack(features, dim=-1)) + core.small(known_count.long().clamp(max=SMALL))
        token = functional.silu(token + known.own[which, last])
        counts = torch.cat([state.counts, count[:, None]], dim=1)
        base, step = self._base(state, last)
        coordinate = torch.where(step > 0, (count - base) / step.clamp(min=1), 0.0)
        coordinates = torch.cat([state.coordinates, coordinate[:, None]], dim=1)
        tokens = torch.cat([state.tokens, token[:, None]], dim=1)
        return State(state.known, which, counts, coordinates, surprises, tokens, mean)

    def _base(self, state: State, position: int) -> tuple[Tensor, Tensor]:
        """One of the counts [rows] that the lattice has after the counts before, and its steps, 0 for none."""
        prompt, which = state.known.value.prompt, state.which
        basis = prompt.basis[which, position]
        base = prompt.starts[which, position] + (basis[:, :position] * state.coordinates).sum(dim=1)
        return base, basis[:, position]

    def _possible(self, raw: Tensor, state: State, position: int) -> Tensor:
        """The logits, with FLOOR at counts that the lattice, a sum that never grows, or padding forbid."""
        prompt, which = state.known.value.prompt, state.which
        if self._is_free(prompt, position):
            return raw
        weights = prompt.weights[which]  # [rows, L, S]
        left = prompt.sums[which] - (weights[..., :position] * state.counts[:, None]).sum(dim=-1)
        most = torch.where(weights[..., position] > 0, left / weights[..., position].clamp(min=1), torch.inf)
        base, step = (part[:, None] for part in self._base(state, position))
        k = torch.arange(raw.shape[-1], device=raw.device, dtype=raw.dtype)
        reached = torch.where(step > 0, torch.remainder(k - base, step.clamp(min=1)) == 0, k == base)
        good = reached & (k <= most.amin(dim=1, keepdim=True)) & (k >= prompt.least[which, position, None])
        good = torch.where(good.any(dim=1, keepdim=True), good, reached)  # what came before cannot be
        return torch.where(good, raw, FLOOR)

    @staticmethod
    def _is_free(prompt: Prompt, position: int) -> bool:
        """Whether every count of the species at a position is possible in all prompts, whatever came before."""
        bound = prompt.weights[..., position].any() | prompt.least[:, position].any()
        return not bool(bound | (prompt.basis[:, position, position] != 1).any())
