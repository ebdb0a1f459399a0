"""The probability a net gives to counts of some species, the others summed out exactly.

Species after the last observed one (in the net's order) drop out of the chain. Those before it are
enumerated. Every distinct prefix is weighed once, however many observations share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.space import StateSpace

from .autoregressive import Autoregressive
from .layout import Layout

Counts = NDArray[np.int64]

CELLS = 250_000
"""Logits that are held at once: few enough to stay near the processor."""

SHARED = 4
"""Rows weighed for a row asked for, up to which all times go through the net together."""

HIDDEN = 200_000
"""Most combinations of unobserved species that are summed over."""


def log_prob_observed(
    net: Autoregressive, context: Tensor, counts: Counts, axes: Sequence[int], names: Sequence[str]
) -> Tensor:
    """Log P of the rows `counts` [U, D'] of the species at `axes`, for every context [B, C]: [B, U].

    Counts that the window does not hold are refused, by the name of the species.
    """
    layout = net.layout
    rows = np.asarray(counts, dtype=np.int64).reshape(-1, len(axes))
    _require_in_window(layout, rows, axes, names)
    values, possible = _completions(layout, rows, axes)  # [U, M, L], [U, M]
    length = values.shape[-1]
    if length == 0:
        return context.new_zeros(len(context), len(rows))
    flat = values.reshape(-1, length)
    heads, place = np.unique(flat[:, :-1], axis=0, return_inverse=True)
    prefixes = np.zeros((len(heads), len(layout.caps)), dtype=np.int64)
    prefixes[:, : length - 1] = heads
    where = torch.from_numpy(place.reshape(-1)).to(context.device)
    last = torch.from_numpy(flat[:, -1]).to(context.device)
    barred = torch.from_numpy(~possible).to(context.device)
    block = max(1, CELLS // max(1, len(prefixes) * max(layout.caps), len(flat)))
    parts = []
    for some in torch.split(context, block):
        chain, final = _chain(net, some, torch.from_numpy(prefixes).to(context.device), length)
        joint = (chain[:, where] + final[:, where, last]).reshape(len(some), *possible.shape)
        parts.append(torch.logsumexp(joint.masked_fill(barred, -torch.inf), dim=-1))
    return torch.cat(parts)


def log_prob_by_time(
    net: Autoregressive, context: Tensor, counts: Sequence[Counts], axes: Sequence[int], names: Sequence[str]
) -> list[Tensor]:
    """Log P of the rows `counts[k]` [U_k, D'] at time k of every context [B, T, C]: one [B, U_k] a time.

    Times that share most of their rows are weighed in one pass of the net, over the rows of all.
    """
    rows = [np.asarray(c, dtype=np.int64).reshape(-1, len(axes)) for c in counts]
    distinct, place = np.unique(np.concatenate(rows), axis=0, return_inverse=True)
    if len(distinct) * len(rows) > SHARED * sum(map(len, rows)):
        return [log_prob_observed(net, context[:, k], r, axes, names) for k, r in enumerate(rows)]
    whole = log_prob_observed(net, context.flatten(0, 1), distinct, axes, names).reshape(*context.shape[:2], -1)
    places = np.split(place.reshape(-1), np.cumsum([len(r) for r in rows])[:-1])
    return [whole[:, k, torch.from_numpy(at).to(whole.device)] for k, at in enumerate(places)]


@dataclass(frozen=True, eq=False)
class Marginal:
    """What it takes to tabulate the species at `axes`: all prefixes up to the last species that they need."""

    layout: Layout
    axes: tuple[int, ...]

    @cached_property
    def length(self) -> int:
        """Positions that are enumerated: L."""
        needed = np.nonzero(self._weights.any(axis=0))[0]
        return int(needed[-1]) + 1 if len(needed) else 0

    @cached_property
    def many(self) -> int:
        """Prefixes of L - 1 values: M, as a Python number, however large."""
        return int(np.prod([int(c) for c in self.layout.caps[: max(self.length - 1, 0)]], dtype=object))

    @cached_property
    def space(self) -> StateSpace:
        """The counts of the species at `axes` that there can be."""
        top = np.array(self.layout.caps, dtype=np.int64) - 1
        least = self._offset + np.minimum(self._weights, 0) @ top
        most = self._offset + np.maximum(self._weights, 0) @ top
        return StateSpace.box(np.maximum(most, 0).tolist(), np.maximum(least, 0).tolist())

    def tables(self, net: Autoregressive, context: Tensor) -> Tensor:
        """The probabilities over `space` of every context: [B, C] -> [B, N]."""
        if self.length == 0:
            return context.new_ones(len(context), 1)
        prefixes = torch.from_numpy(self._prefixes).to(context.device)
        places = torch.from_numpy(self._places(self._prefixes)).to(context.device)
        rows = max(1, CELLS // sum(self.layout.caps))
        result = context.new_zeros(len(context), self.space.size + 1)
        with torch.no_grad():
            for k in range(0, len(prefixes), rows):
                heads, cells = prefixes[k : k + rows], places[k : k + rows].reshape(-1)
                for some in torch.split(torch.arange(len(context)), max(1, rows // len(heads))):
                    chain, final = _chain(net, context[some], heads, self.length)
                    result[some] = result[some].index_add(1, cells, (chain[..., None] + final).exp().flatten(1))
        return result[:, : self.space.size]

    def after(self, net: Autoregressive, context: Tensor, values: Tensor) -> NDArray[np.float64]:
        """The probabilities over `space` after given values of the species before: [1, C], [n, D] -> [n, N].

        Averaged over draws of the net they are its marginal, with less noise than a histogram.
        """
        heads, back = np.unique(self._heads(values), axis=0, return_inverse=True)
        p, place = self._following(net, context.expand(len(heads), -1), heads)
        result = np.zeros((len(heads), self.space.size + 1))
        np.add.at(result, (np.arange(len(heads))[:, None], place), p)
        return np.asarray(result[back.reshape(-1), :-1])

    def averaged(self, net: Autoregressive, contexts: Tensor, which: Counts, values: Tensor) -> NDArray[np.float64]:
        """The mean over draws `values` [n, D] at `contexts[which]` of the laws `after` what comes before: [N]."""
        if self.length == 0:
            return np.ones(1)
        keyed = np.column_stack([which, self._heads(values)])
        distinct, repeats = np.unique(keyed, axis=0, return_counts=True)
        total, rows = np.zeros(self.space.size + 1), max(1, CELLS // sum(self.layout.caps[: self.length]))
        for block in (slice(k, k + rows) for k in range(0, len(distinct), rows)):
            prompts = contexts[torch.from_numpy(distinct[block, 0]).to(contexts.device)]
            p, place = self._following(net, prompts, distinct[block, 1:])
            total += np.bincount(place.ravel(), (repeats[block, None] * p).ravel(), minlength=len(total))
        return np.asarray(total[:-1] / len(values))

    def _heads(self, values: Tensor) -> Counts:
        """The values that come before the last needed one, zeros behind: [n, D] -> [n, D]."""
        heads: Counts = values.cpu().numpy().copy()
        heads[:, self.length - 1 :] = 0
        return heads

    def _following(self, net: Autoregressive, prompts: Tensor, heads: Counts) -> tuple[NDArray[np.float64], Counts]:
        """The law of the last needed value after each head under its prompt, and where in `space` each value leads.

        [m, C], [m, D] -> [m, cap], [m, cap].
        """
        some = torch.from_numpy(heads[:, : self.length]).to(prompts.device)
        with torch.no_grad():
            p = net.log_conditionals(prompts, some)[-1].exp().double().cpu().numpy()
        return np.asarray(p), self._places(heads)

    @cached_property
    def _weights(self) -> Counts:
        """Of every species at `axes`, how it follows from the values: [A, D]."""
        weights: Counts = self.layout.window.basis[list(self.axes)][:, list(self.layout.order)]
        return weights

    @cached_property
    def _offset(self) -> Counts:
        return np.asarray(self.layout.window.offset[list(self.axes)] + self._weights @ self.layout.lower)

    @cached_property
    def _prefixes(self) -> Counts:
        """All values of the positions before the last needed one, zeros behind: [M, D]."""
        last, caps = self.length - 1, self.layout.caps
        prefixes = np.zeros((self.many, len(caps)), dtype=np.int64)
        if last:
            prefixes[:, :last] = np.stack(np.unravel_index(np.arange(self.many), caps[:last]), axis=-1)
        return prefixes

    def _places(self, prefixes: Counts) -> Counts:
        """The place in `space` of each prefix with each last value, N for no state: [M, D] -> [M, cap]."""
        values = np.arange(self.layout.caps[self.length - 1])[:, None] * self._weights[:, self.length - 1]
        place = self.space.index((prefixes @ self._weights.T + self._offset)[:, None] + values)
        return np.where(place < 0, self.space.size, place)


def _chain(net: Autoregressive, context: Tensor, prefixes: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Log P of prefixes of `length - 1` values [B, R] and the conditionals after them [B, R, cap]."""
    conditionals = net.log_conditionals(context, prefixes[:, :length].expand(len(context), -1, -1))
    total = context.new_zeros(len(context), len(prefixes))
    for i, c in enumerate(conditionals[:-1]):
        total = total + c.gather(-1, prefixes[:, i].expand(len(context), -1)[..., None])[..., 0]
    return total, conditionals[-1]


def _completions(layout: Layout, rows: Counts, axes: Sequence[int]) -> tuple[Counts, NDArray[np.bool_]]:
    """Values of the first L positions that agree with each observed row: [U, M, L]; which of the M do: [U, M]."""
    dependent = [s for s in axes if s not in layout.window.free]
    reads = np.asarray(layout.window.basis[dependent][:, list(layout.order)].any(axis=0))
    needed = [i for i, s in enumerate(layout.species) if s in axes or reads[i]]
    length = max(needed, default=-1) + 1
    hidden = [i for i in range(length) if layout.species[i] not in axes]
    sizes = [layout.caps[i] for i in hidden]
    many = int(np.prod(sizes, dtype=object)) if sizes else 1
    if many * len(rows) > 100 * HIDDEN or many > HIDDEN:
        raise UnsupportedFeature(
            f"summing out the unobserved species takes {many} terms for each observation",
            place="net",
            mend="observe more species, train with observed= those, or use fsp",
        )
    values = np.zeros((len(rows), many, length), dtype=np.int64)
    if hidden:
        values[..., hidden] = np.stack(np.unravel_index(np.arange(many), sizes), axis=-1)
    for i in range(length):
        if layout.species[i] in axes:
            values[..., i] = (rows[:, list(axes).index(layout.species[i])] - layout.lower[i])[:, None]
    possible = np.ones(values.shape[:2], dtype=bool)
    if dependent:
        padded = np.zeros((*values.shape[:2], len(layout.caps)), dtype=np.int64)
        padded[..., :length] = values
        implied = layout.counts(padded)
        for s in dependent:
            possible &= implied[..., s] == rows[:, list(axes).index(s)][:, None]
    return values, possible


def _require_in_window(layout: Layout, rows: Counts, axes: Sequence[int], names: Sequence[str]) -> None:
    for position, s in enumerate(layout.species):
        if s in axes:
            column = rows[:, list(axes).index(s)]
            low, high = int(layout.lower[position]), int(layout.lower[position]) + layout.caps[position] - 1
            if wrong := [int(v) for v in column if not low <= v <= high]:
                raise SettingError(
                    f"the count {wrong[0]} of {names[s]!r} is outside the net's window, {low} to {high}",
                    place="data",
                    mend="train with caps= that hold the data",
                )
