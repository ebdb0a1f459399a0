"""The master equation of many rate vectors on one window, in torch: shifts, multiplies and adds on [B, *box].

A law that is a function of the rates times one of the counts is tabulated once a window; any other is
evaluated for every rate vector, on the axes of its own species only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

import numpy as np
import sympy
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.errors import UnsupportedFeature
from kinetix.expressions import names_in, symbol
from kinetix.network import ReactionNetwork
from kinetix.propensity import array_function

from .grid import Grid

Array = NDArray[np.float64]
Slices = tuple[slice, ...]

WIDE = 0.25
"""A tabulated law on more than this share of the states is not multiplied out for every rate vector."""


@dataclass(frozen=True, eq=False)
class Split:
    """The laws of a network as products `gain` (of rates) * `table` (of counts); None where one is no such product."""

    pairs: tuple[tuple[sympy.Expr, sympy.Expr] | None, ...]

    @classmethod
    def of(cls, network: ReactionNetwork) -> Split:
        """By the factors that each law is written as."""
        species, theta = [symbol(n) for n in network.species_names], set(network.theta_names)
        pairs: list[tuple[sympy.Expr, sympy.Expr] | None] = []
        for law in network.propensities:
            gain, table = sympy.sympify(law, strict=True).as_independent(*species, as_Add=False)
            pairs.append(None if names_in(table) & theta else (gain, table))
        return cls(tuple(pairs))


@dataclass(frozen=True, eq=False)
class Batch:
    """The propensities of B rate vectors on a window, where a law breaks down 0.

    For each moving reaction a `gain` [B, 1, ...] (or None for 1) and a `table` [1 or B, *open], of which
    the propensity is the product; `broken` [1 or B, *open] are the places where the law breaks down.
    """

    gains: list[Tensor | None]
    tables: list[Tensor]
    broken: list[Tensor]
    outflow: Tensor

    @property
    def rate(self) -> Tensor:
        """The largest rate of leaving a state: [B]."""
        return self.outflow.flatten(1).amax(dim=1)

    def is_reached(self, weight: Tensor) -> Tensor:
        """Whether probability [B, *box] is where a law breaks down: [B]."""
        result = torch.zeros(len(weight), dtype=torch.bool, device=weight.device)
        for bad in self.broken:
            result |= ((weight > 0) & bad).flatten(1).any(dim=1)
        return result


@dataclass(frozen=True, eq=False)
class Room:
    """A window on a device: what is the same for all rate vectors."""

    grid: Grid
    device: torch.device

    @property
    def box(self) -> tuple[int, ...]:
        """The shape of the window, at least one axis."""
        return self.grid.space.shape or (1,)

    @cached_property
    def columns(self) -> list[Tensor]:
        """The counts of every species on open axes: S of [1, *open]."""
        return [self._put(np.asarray(c)) for c in self.grid.columns]

    @cached_property
    def split(self) -> Split:
        """The laws as products, where they are."""
        return Split.of(self.grid.model.network)

    @cached_property
    def tables(self) -> dict[int, Tensor]:
        """The factors of counts [1, *open] of the laws that are products, by reaction."""
        network, held = self.grid.model.network, [r for r, pair in enumerate(self.split.pairs) if pair]
        laws = [pair[1] for pair in self.split.pairs if pair]
        with np.errstate(all="ignore"):
            found = array_function(laws, network.species_names, ())(*self.grid.columns, 0.0) if laws else []
        return {r: self._put(np.asarray(value, dtype=np.float64)) for r, value in zip(held, found, strict=True)}

    @cached_property
    def missing(self) -> Tensor | None:
        """Where there is no state: [1, *open]."""
        return None if self.grid.missing is None else self._put(self.grid.missing)

    @cached_property
    def below(self) -> list[Tensor | None]:
        """Where each reaction would make a count negative: [1, *open]."""
        return [None if short is None else self._put(short) for short in self.grid.below]

    @cached_property
    def blocks(self) -> dict[int, tuple[Slices, Slices]]:
        """For each moving reaction where it stays in the window: the block that it leaves, and the one it comes to."""
        result, free = {}, list(self.grid.space.free)
        for r in self.grid.moving:
            source = self.grid.staying[r]
            moves = self.grid.model.change[r][free].tolist()
            target = tuple(slice(s.start + c, s.stop + c) for s, c in zip(source, moves, strict=True))
            result[r] = (slice(None), *source), (slice(None), *target)
        return result

    def batch(self, thetas: Tensor) -> Batch:
        """The propensities under `thetas` [B, P]."""
        raw = self._laws(thetas)
        outflow = torch.zeros((len(thetas), *self.box), dtype=thetas.dtype, device=thetas.device)
        gains, tables, broken = [], [], []
        for r in self.grid.moving:
            gain, table, bad = self._sound(r, *raw[r])
            gains.append(gain)
            tables.append(table)
            broken += [] if bad is None else [bad]
            if gain is None:
                outflow += table
            else:
                outflow.addcmul_(gain, table)
        return Batch(gains, tables, broken, outflow)

    def _laws(self, thetas: Tensor) -> dict[int, tuple[Tensor | None, Tensor]]:
        """For each reaction a gain [B, 1, ...] or None, and a table [1 or B, *open]."""
        network, ones = self.grid.model.network, (1,) * len(self.box)
        columns = [c.reshape(-1, *ones) for c in thetas.unbind(1)]
        zero = torch.zeros((), dtype=thetas.dtype, device=thetas.device)
        result: dict[int, tuple[Tensor | None, Tensor]] = {}
        for names, arguments, chosen in (
            ((), columns, list(self.tables)),
            (network.species_names, [*self.columns, *columns], [r for r, p in enumerate(self.split.pairs) if not p]),
        ):
            laws = [pair[0] if (pair := self.split.pairs[r]) else network.propensities[r] for r in chosen]
            for r, value in zip(chosen, _evaluated(laws, names, network, [*arguments, zero]), strict=True):
                full = torch.as_tensor(value, dtype=thetas.dtype, device=thetas.device)
                full = full.reshape((1,) * (1 + len(ones) - full.ndim) + tuple(full.shape))
                result[r] = (full, self.tables[r]) if r in self.tables else (None, full)
        return result

    def _sound(self, r: int, gain: Tensor | None, table: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """A law with 0 where there is no state or it breaks down, and the places of the latter, if any."""
        raw = table if gain is None else gain * table
        if self.missing is not None:
            raw = torch.where(self.missing, 0.0, raw)
        bad = ~((raw >= 0) & (raw < torch.inf))
        if (short := self.below[r]) is not None:
            bad = bad | (short & (raw > 0))
        if bool(bad.any()):
            return None, torch.where(bad, 0.0, raw), bad
        if gain is None or prod(table.shape[1:]) <= WIDE * prod(self.box):
            return None, raw, None
        return gain, table if self.missing is None else torch.where(self.missing, 0.0, table), None

    def _put(self, values: NDArray[np.generic]) -> Tensor:
        """An array on open axes, with one for the rate vectors before them: [1, *open]."""
        axes = len(self.box)
        whole = np.ascontiguousarray(values).reshape((1,) * (1 + axes - values.ndim) + values.shape)
        return torch.from_numpy(whole.copy()).to(self.device)


@lru_cache(maxsize=32)
def room_of(grid: Grid, device: torch.device) -> Room:
    """The room of a kept grid, kept too."""
    return Room(grid, device)


def _evaluated(
    laws: Sequence[sympy.Expr], species: Sequence[str], network: ReactionNetwork, arguments: Sequence[Tensor]
) -> Sequence[Tensor | float]:
    if not laws:
        return []
    try:
        made = array_function(laws, species, network.theta_names, backend="torch")
        return list(made(*arguments))
    except (NameError, TypeError, NotImplementedError, AttributeError, ValueError) as problem:
        reason = f"a law of this model has no form in torch: {problem}"
        raise UnsupportedFeature(reason, place="fsp", mend="use device='cpu'") from problem


@dataclass(frozen=True, eq=False)
class Operator:
    """I + Q / rate of B rate vectors on a window; `rate` [B]."""

    room: Room
    batch: Batch
    rate: Tensor
    stay: Tensor
    scaled: list[tuple[Tensor | None, Tensor]]

    @classmethod
    def of(cls, room: Room, thetas: Tensor) -> Operator:
        """Of rate vectors [B, P]; the outflow of the batch is written over."""
        batch = room.batch(thetas)
        rate, ones = batch.rate, (1,) * len(room.box)
        scale = torch.where(rate > 0, 1.0 / rate, 0.0).reshape(-1, *ones)
        scaled: list[tuple[Tensor | None, Tensor]] = []
        for gain, table in zip(batch.gains, batch.tables, strict=True):
            scaled.append((None, table * scale) if gain is None else (gain * scale, table))
        stay = batch.outflow.mul_(-scale).add_(1.0).clamp_(min=0.0)  # 1 - outflow / rate may round below 0
        return cls(room, batch, rate, stay, scaled)

    @property
    def additions(self) -> int:
        """The most roundings of a place in one product, besides those of its factors."""
        return 1 + 2 * len(self.scaled)

    def into(self, v: Tensor, w: Tensor) -> Callable[[], None]:
        """The step that writes (I + Q / rate) v into w, [B, *box] both; views are made once."""
        views = []
        scratch = torch.empty_like(v if any(gain is not None for gain, _ in self.scaled) else v[:0])
        for r, (gain, table) in zip(self.room.grid.moving, self.scaled, strict=True):
            source, target = self.room.blocks[r]
            block = tuple(slice(None) if n == 1 else s for s, n in zip(source, table.shape, strict=True))
            views.append((w[target], table[block], v[source], gain, scratch[source]))

        def step() -> None:
            torch.mul(self.stay, v, out=w)
            for to, factor, given, gain, held in views:
                if gain is None:
                    to.addcmul_(factor, given)
                else:
                    to.addcmul_(factor, torch.mul(given, gain, out=held))

        return step
