"""Recurrent net: a gated recurrent unit that reads the species one by one; one VAN, or many at once.

The net of a VAN. Several independent VANs are trained as one stack: every weight carries a leading
axis of members, so that one batched product serves them all. M members read M * k contexts, those
of the first member first.
K. Cho et al., arXiv:1406.1078 (the unit); Y. Tang, J. Weng, P. Zhang, Nat. Mach. Intell. 5 (2023)
376, doi:10.1038/s42256-023-00632-8 (its use for the master equation).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from kinetix.errors import UnsupportedFeature

from .autoregressive import Autoregressive
from .layout import Layout

FEATURES = 3
"""Numbers that describe a count beside its learned vector: n / N, sqrt and log of it."""
LARGEST_CAP = 4096
"""Values of one species that a categorical head can still learn."""


class Recurrent(Autoregressive):
    """`members` independent laws over a layout, each given a context of `context` numbers (may be 0).

    A layout with more than `LARGEST_CAP` values of one species is refused (UnsupportedFeature). The
    state after a prefix is the hidden vector [B, width]. Weights start from torch's own stream:
    make the net inside `training.seeded`.
    """

    def __init__(self, layout: Layout, *, context: int = 0, width: int = 32, members: int = 1) -> None:
        super().__init__(layout)
        if max(self.caps, default=0) > LARGEST_CAP:
            raise UnsupportedFeature(
                f"a species has {max(self.caps)} values, more than the {LARGEST_CAP} that a recurrent net can learn",
                place="van",
                mend="train a MET, whose heads for large counts are mixtures, or use ssa",
            )
        self.context, self.width, self.members = context, width, members
        depth = max(len(self.caps), 1)
        self.read = _Stack(members, context, width) if context else None
        self.again = _Stack(members, width, width) if context else None
        self.start = nn.Parameter(torch.zeros(members, 1, width))
        self.gates = _Stack(members, width, 3 * width)
        self.place = nn.Parameter(0.1 * torch.randn(members, depth, 3 * width))
        self.symbols = nn.ParameterList([0.1 * torch.randn(members, cap, 3 * width) for cap in self.caps[:-1]])
        self.numbers = nn.ParameterList([0.5 * torch.randn(members, FEATURES, 3 * width) for _ in self.caps[:-1]])
        self.heads = nn.ModuleList([_Stack(members, width, cap, gain=0.1) for cap in self.caps])
        for i, cap in enumerate(self.caps[:-1]):
            self.register_buffer(f"features{i}", _features(cap), persistent=False)

    # the three verbs of the base -----------------------------------------------------------------

    def logits(self, context: Tensor, values: Tensor) -> list[Tensor]:
        """Teacher-forced raw logits: [B, C], [B, n, D] -> D tensors [B, n, cap_i]."""
        batch, draws = values.shape[:2]
        hidden = self._cell(self.begin(context), 0, None)
        result = [self._head(hidden, 0)[:, None].expand(batch, draws, -1)]
        hidden = hidden[:, None].expand(batch, draws, -1).reshape(batch * draws, self.width)
        for i in range(1, values.shape[-1]):
            hidden = self._cell(hidden, i, values[..., i - 1].reshape(-1))
            result.append(self._head(hidden, i).reshape(batch, draws, -1))
        return result

    def begin(self, context: Tensor) -> Tensor:
        """The hidden vector before the first species: [B, C] -> [B, width]."""
        start = self.start.expand(-1, len(context) // self.members, -1)
        if self.read is not None and self.again is not None:
            rows = context.reshape(self.members, -1, self.context)
            start = start + self.again(functional.silu(self.read(rows)))
        return start.reshape(len(context), self.width)

    def advance(self, state: Any, position: int, previous: Tensor | None) -> tuple[Tensor, Tensor]:
        """Raw logits of `position` [B, cap] and the hidden vector [B, width] behind them."""
        hidden = self._cell(state, position, previous)
        return self._head(hidden, position), hidden

    def trace(self, values: Tensor) -> Trace:
        """Log P of states [B, D] and everything between, of a net of one member without context."""
        assert self.members == 1 and not self.context  # noqa: PT018 - both or it is another net
        states = [self.start[0].expand(len(values), -1)]
        gates, inputs, logits, terms = [], [], [], []
        for i in range(len(self.caps)):
            h = states[-1][None]
            gates.append(self.gates(h))
            inputs.append(self._input(i, values[:, i - 1] if i else None).expand_as(gates[-1]).clone())
            states.append(self._mixed(h, inputs[-1], gates[-1])[0])
            logits.append(self._head(states[-1], i))
            conditional = self._normalised(logits[-1], i, values)
            terms.append(conditional.gather(-1, values[:, i : i + 1])[:, 0])
        log_p = torch.stack(terms).sum(dim=0)
        return Trace(log_p, states, gates, inputs, logits)

    def at(self, context: Tensor) -> Recurrent:
        """The net of one member at one context [C], as a net without context: the same law, weights of its own."""
        with torch.device("meta"):
            result = Recurrent(self.layout, width=self.width, members=1)
        weights = {n: t.clone() for n, t in self.state_dict().items() if not n.startswith(("read.", "again."))}
        weights["start"] = self.begin(context[None]).detach()[None].clone()
        result.load_state_dict(weights, assign=True)
        return result.to(self.device)

    def value_features(self, position: int) -> Tensor:
        """What describes each value of a position beside its learned vector: [cap, FEATURES]."""
        return self.get_buffer(f"features{position}")

    # members -------------------------------------------------------------------------------------

    def chosen(self, members: Sequence[int] | NDArray[np.int64]) -> Recurrent:
        """A net of some of the members, in that order, with weights of its own."""
        index = torch.as_tensor(np.asarray(members, dtype=np.int64), device=self.device)
        with torch.device("meta"):
            result = Recurrent(self.layout, context=self.context, width=self.width, members=len(index))
        result.load_state_dict({name: tensor[index] for name, tensor in self.state_dict().items()}, assign=True)
        return result.to(self.device)

    # the unit ------------------------------------------------------------------------------------

    def _cell(self, hidden: Tensor, position: int, previous: Tensor | None) -> Tensor:
        """One step of the unit: hidden [B, width], the value before [B] -> the next hidden [B, width]."""
        h = hidden.reshape(self.members, -1, self.width)
        return self._mixed(h, self._input(position, previous), self.gates(h)).reshape(-1, self.width)

    def _input(self, position: int, previous: Tensor | None) -> Tensor:
        """What place and value say to the gates: [M, k or 1, 3 width]."""
        x = self.place[:, position, None]
        return x if previous is None else x + self._symbol(position - 1, previous.reshape(self.members, -1))

    @staticmethod
    def _mixed(h: Tensor, x: Tensor, gates: Tensor) -> Tensor:
        """The next hidden vectors from those before, the input and the gates: [M, k, width]."""
        reset_x, update_x, new_x = x.chunk(3, dim=-1)
        reset_h, update_h, new_h = gates.chunk(3, dim=-1)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return new + update * (h - new)

    def _symbol(self, position: int, previous: Tensor) -> Tensor:
        """What a value says to the gates: [M, k] -> [M, k, 3 width], by one table of all its values."""
        table = self.symbols[position] + self.value_features(position) @ self.numbers[position]
        cap = self.caps[position]
        first = torch.arange(self.members, device=previous.device)[:, None] * cap
        return functional.embedding(previous + first, table.reshape(self.members * cap, -1))

    def _head(self, hidden: Tensor, position: int) -> Tensor:
        h = hidden.reshape(self.members, -1, self.width)
        logits: Tensor = self.heads[position](h)
        return logits.reshape(len(hidden), -1)


class Trace(NamedTuple):
    """Log P of B states [B] and what it came from.

    Hidden vectors before and after each position (D + 1 of [B, width]), outputs of the gates and inputs to
    them (D of [1, B, 3 width], in the graph), raw logits (D of [B, cap_i]).
    """

    log_p: Tensor
    states: list[Tensor]
    gates: list[Tensor]
    inputs: list[Tensor]
    logits: list[Tensor]


class _Stack(nn.Module):
    """One linear map a member: [M, k, inside] -> [M, k, outside]."""

    def __init__(self, members: int, inside: int, outside: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(gain * inside**-0.5 * torch.randn(members, inside, outside))
        self.bias = nn.Parameter(torch.zeros(members, 1, outside))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


def _features(cap: int) -> Tensor:
    """Three numbers for each of the values 0 .. cap - 1, each in 0 .. 1: [cap, 3]."""
    n, most = np.arange(cap), max(cap - 1, 1)
    features = np.stack([n / most, np.sqrt(n / most), np.log1p(n) / np.log1p(most)], axis=-1)
    return torch.from_numpy(features.astype(np.float32))
