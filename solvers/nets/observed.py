"""The probability a net gives to counts of some species, the others summed out exactly.

Species after the last observed one (in the net's order) drop out of the chain. Those before it are
enumerated. Every distinct prefix is weighed once, however many observations share it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.errors import SettingError, UnsupportedFeature

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


def _chain(net: Autoregressive, context: Tensor, prefixes: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Log P of prefixes of `length - 1` values [B, R] and the conditionals after them [B, R, cap]."""
    conditionals = net.log_conditionals(context, prefixes.expand(len(context), *prefixes.shape))[:length]
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
            mend="observe more species, or use fsp",
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
