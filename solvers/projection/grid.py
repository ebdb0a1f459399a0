"""A window as open axes: every rate law is evaluated on its own species only, not on all states.

What does not depend on the rates (which reactions leave through which face, where a count would be
negative) is worked out once a window and kept, since likelihoods ask for the same windows again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.errors import RunError
from kinetix.propensity import ArrayFunction, array_function
from kinetix.space import StateSpace

from .flat import Flat
from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

SMALL = 4_096
"""Windows up to this size are one row: all tables fit in the cache as they are."""

ROW = (48, 8_192)
"""The least and the largest length of a row in larger windows."""

SAME = 1e-15
"""A table is a product of two factors when it agrees with them to this relative precision."""


@dataclass(frozen=True, eq=False)
class Rates:
    """Propensities of one parameter vector on a grid: for each reaction an array that broadcasts to its shape.

    Where there is no state, or the law breaks down, they are 0; `broken` holds the latter places with
    what the law says there. Small windows have them all in one `table` [R, N] too.
    """

    grid: Grid
    each: list[Array]
    broken: list[tuple[int, Mask, Array]]
    table: Array | None = None

    @cached_property
    def outflow(self) -> Array:
        """The rate of leaving every state: [N]."""
        if self.table is not None:
            return np.asarray(self.table.sum(axis=0))
        total = np.zeros(self.grid.space.shape)
        for r in self.grid.moving:
            total += self.each[r]
        return total.reshape(-1)

    def let_go(self) -> Array:
        """The outflow, to be written over."""
        found = self.outflow
        del self.__dict__["outflow"]
        return found

    def stopped(self, where: Mask) -> Rates:
        """The same with nothing leaving the states at `where` [N]."""
        mask = np.asarray(where, dtype=np.bool_).reshape(self.grid.space.shape)
        each = [np.where(mask, 0.0, rate) for rate in self.each]
        broken = [(r, bad & ~mask, raw) for r, bad, raw in self.broken]
        table = None if self.table is None else np.array(each).reshape(self.table.shape)
        return Rates(self.grid, each, broken, table)

    def refuse(self, reached: Array) -> None:
        """Raise RunError, naming reaction and state, when probability [N] reached a broken place."""
        for r, bad, raw in self.broken:
            held = np.broadcast_to(bad, self.grid.space.shape).reshape(-1) & (reached > 0)
            if held.any():
                position = int(np.argmax(held))
                self.grid.raise_broken(r, position, float(np.broadcast_to(raw, self.grid.space.shape).flat[position]))


@dataclass(frozen=True, eq=False)
class Grid:
    """What of a model on a window is the same for all rates."""

    model: CompiledModel
    space: StateSpace

    @cached_property
    def columns(self) -> tuple[Array, ...]:
        """The counts of every species, on the axes that they depend on: S arrays."""
        space, axes = self.space, len(self.space.shape)
        local = [
            (np.arange(n, dtype=np.int64) + low).reshape([-1 if a == axis else 1 for a in range(axes)])
            for axis, (n, low) in enumerate(zip(space.shape, space.lower, strict=True))
        ]
        result = []
        for offset, weights in zip(space.offset.tolist(), space.basis.tolist(), strict=True):
            column = np.full((1,) * axes, offset, dtype=np.int64)
            for w, axis in zip(weights, local, strict=True):
                if w:
                    column = column + w * axis
            result.append(column.astype(np.float64))
        return tuple(result)

    @cached_property
    def missing(self) -> Mask | None:
        """Where there is no state because a dependent count is negative, or None when nowhere."""
        gone: Mask | None = None
        for column in self.columns:
            if column.min(initial=0.0) < 0:
                gone = column < 0 if gone is None else gone | (column < 0)
        return gone

    @cached_property
    def below(self) -> list[Mask | None]:
        """For each reaction the states where it would make a count negative, or None when there are none."""
        result: list[Mask | None] = []
        for change in self.model.change:
            found: Mask | None = None
            for s in np.nonzero(change < 0)[0]:
                short = self.columns[s] < -change[s]
                if short.any():
                    found = short if found is None else found | short
            result.append(found)
        return result

    @cached_property
    def steps(self) -> Counts:
        """The flat distance that each reaction moves a state: [R]."""
        return np.array([self.space.step(row) for row in self.model.change], dtype=np.int64)

    @cached_property
    def moving(self) -> list[int]:
        """The reactions that change the state at all."""
        return [r for r, change in enumerate(self.model.change) if change.any()]

    @cached_property
    def staying(self) -> list[tuple[slice, ...]]:
        """For each reaction the block of positions from which it stays between the faces."""
        result = []
        for change in self.model.change:
            moves = change[list(self.space.free)].tolist()
            result.append(
                tuple(
                    slice(min(max(-c, 0), n), max(n - max(c, 0), 0))
                    for c, n in zip(moves, self.space.shape, strict=True)
                )
            )
        return result

    def rates(self, theta: Array) -> Rates:
        """The propensities under `theta` [P]."""
        with np.errstate(all="ignore"):
            raw = self._laws(*self.columns, *theta, 0.0)
        if (small := self._table(raw)) is not None:
            return small
        each, broken = [], []
        for r, law in enumerate(raw):
            rate = np.asarray(law, dtype=np.float64)
            rate = rate.reshape((1,) * (len(self.space.shape) - rate.ndim) + rate.shape)
            if self.missing is not None:
                rate = np.where(self.missing, 0.0, rate)
            bad: Mask | None = None
            if not (rate.min() >= 0 and rate.max() < np.inf):
                bad = ~((rate >= 0) & (rate < np.inf))
            short = self.below[r]
            if short is not None and (over := short & (rate > 0)).any():
                bad = over if bad is None else bad | over
            if bad is not None:
                broken.append((r, bad, rate))
                rate = np.where(bad, 0.0, rate)
            each.append(rate)
        return Rates(self, each, broken)

    def _table(self, raw: Sequence[Array]) -> Rates | None:
        """The propensities of a small window in one table, unless a law breaks down somewhere."""
        if self.space.size > SMALL or not self.moving:
            return None
        table = np.empty((len(raw), *self.space.shape))
        for row, law in zip(table, raw, strict=True):
            row[...] = law
        flat = table.reshape(len(raw), -1)
        if self.missing is not None:
            table *= ~self.missing
        if not (flat.min() >= 0 and flat.max() < np.inf) or flat.take(self.flat.below).any():
            return None
        if len(self.moving) < len(raw):
            flat[~self.model.change.any(axis=1)] = 0.0
        return Rates(self, list(table), [], flat)

    @cached_property
    def flat(self) -> Flat:
        """What the terms share, in a window of up to SMALL states."""
        return Flat.of(self.space, self.steps, self.staying, self.below, self.missing)

    @cached_property
    def _laws(self) -> ArrayFunction:
        network = self.model.network
        return array_function(network.propensities, network.species_names, network.theta_names)

    def raise_broken(self, r: int, position: int, value: float) -> None:
        """Raise RunError for reaction r at a position where its propensity is `value`."""
        name, state = self.model.network.reactions[r].name, self.space.states(position)
        counts = zip(self.model.network.species_names, state.tolist(), strict=True)
        place = f"state ({', '.join(f'{n} = {c}' for n, c in counts)})"
        if value > 0 and ((state + self.model.change[r]) < 0).any():
            mend = "make its law zero where the reactants are too few (KX108)"
            raise RunError(f"reaction {name!r} would make a count negative", place=place, mend=mend)
        raise RunError(f"the propensity of reaction {name!r} is {value:g}", place=place, mend="mend its law")

    # terms -----------------------------------------------------------------------------------

    @cached_property
    def split(self) -> int:
        """The number of axes that make rows; the others run inside a row."""
        shape = self.space.shape
        if self.space.size <= SMALL:
            return 0
        fits = [k for k in range(len(shape)) if ROW[0] <= prod(shape[k:]) <= ROW[1]]
        return fits[0] if fits else len(shape) - 1

    def terms(self, rates: Rates, rate: float, *, keep: bool = True) -> Terms:
        """The matrix I + Q / rate of the propensities; `rate` at least the largest outflow, which is let go or kept."""
        scale = 1.0 / rate if rate > 0 else 0.0
        stay = rates.outflow * -scale if keep else rates.let_go()
        if not keep:
            stay *= -scale
        stay += 1.0
        if rates.table is not None:
            return self.flat.terms(rates.table, stay, scale)
        return self._built(rates.each, stay, scale)

    def terms_of(self, slopes: list[Array], rate: float) -> Terms:
        """The derivative of I + Q / rate, from those of the propensities, which may be negative."""
        scale, outflow = 1.0 / rate if rate > 0 else 0.0, np.zeros(self.space.shape)
        for r in self.moving:
            outflow += slopes[r]
        return self._built(slopes, outflow.reshape(-1) * -scale, scale)

    def _built(self, each: list[Array], stay: Array, scale: float) -> Terms:
        bands = max(self.space.shape[: self.split], default=1)
        builder = _Builder(self.space.size, prod(self.space.shape[self.split :]), self.order, bands)
        for r in self.moving:
            if each[r].any():
                self._add(builder, r, each[r])
        return builder.terms(stay, scale)

    @cached_property
    def order(self) -> Counts:
        """Row numbers with the shortest axes running fastest: a row's neighbours are then still in the cache."""
        outer = self.space.shape[: self.split]
        rows = np.arange(prod(outer), dtype=np.int64).reshape(outer)
        return np.ascontiguousarray(rows.transpose(np.argsort([-n for n in outer], kind="stable")).reshape(-1))

    def _add(self, builder: _Builder, r: int, rate: Array) -> None:
        """The part of a reaction that stays in the window."""
        shape, k, block = self.space.shape, self.split, self.staying[r]
        outer, inner = shape[:k], shape[k:]
        step = int(self.steps[r])
        back = int(self.model.change[r][list(self.space.free[:k])] @ self.space.strides[:k]) // builder.inner
        pair = _factors(rate, k) if k else (np.ones(()), rate)
        if pair is None:
            table = np.zeros(shape)
            table[block] = np.broadcast_to(rate, shape)[block]
            builder.whole(table.reshape(-1), step, back)
            return
        gain, factor = np.zeros(outer), np.zeros(inner)
        if step == back * builder.inner and pair[1].size == 1:
            pair = pair[0] * pair[1].item(), np.ones(())
        gain[block[:k]] = np.broadcast_to(pair[0], outer)[block[:k]]
        factor[block[k:]] = np.broadcast_to(pair[1], inner)[block[k:]]
        builder.product(gain.reshape(-1), factor.reshape(-1), step, back)


def _factors(rate: Array, k: int) -> tuple[Array, Array] | None:
    """The factors of a rate over the first k axes and the others, or None when it is no such product."""
    outer, inner = rate.shape[:k], rate.shape[k:]
    table = rate.reshape(prod(outer), prod(inner))
    row, place = divmod(int(np.argmax(np.abs(table))), table.shape[1])
    gain, factor = table[:, place] / table[row, place], table[row]
    if 1 not in table.shape and (np.abs(table - gain[:, None] * factor) > SAME * np.abs(table)).any():
        return None
    return gain.reshape(outer), factor.reshape(inner)


@dataclass(eq=False)
class _Builder:
    """Collects terms; those of a one-row window that share a step are added up."""

    size: int
    inner: int
    order: Counts
    bands: int
    gains: list[Array] = field(default_factory=list)
    tables: list[Array] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    backs: list[int] = field(default_factory=list)

    def whole(self, table: Array, step: int, back: int) -> None:
        """A term with a factor of its own at every position it leads from: [N]."""
        self._put(np.ones(self.size // self.inner), table, step, back)

    def product(self, gain: Array, factor: Array, step: int, back: int) -> None:
        """A term with a factor of the row it leads from [N / inner] and one of the place in the row [inner]."""
        if self.size == self.inner and step in self.steps:
            self.tables[self.steps.index(step)] += gain[0] * factor
        else:
            self._put(gain, factor, step, back)

    def _put(self, gain: Array, table: Array, step: int, back: int) -> None:
        self.gains.append(gain)
        self.tables.append(table)
        self.steps.append(step)
        self.backs.append(back)

    def terms(self, stay: Array, scale: float) -> Terms:
        """The terms, with factors stored so that the place they lead to finds them."""
        count, n = len(self.steps), self.inner
        plain = [len(table) == n and bool((table == 1.0).all()) for table in self.tables]
        order = sorted(range(count), key=lambda r: not plain[r])
        self.gains, self.tables = [self.gains[r] for r in order], [self.tables[r] for r in order]
        self.steps, self.backs = [self.steps[r] for r in order], [self.backs[r] for r in order]
        step, back = np.array(self.steps, dtype=np.int64), np.array(self.backs, dtype=np.int64)
        pool, base, stride = [], np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        at = 0
        for r, table in enumerate(self.tables):
            whole = len(table) > n
            reach = int(step[r]) if whole else int(step[r] - back[r] * n)
            margin = abs(reach)
            pool += [np.zeros(margin), table, np.zeros(margin)]
            base[r] = at + margin - reach + (back[r] * n if whole else 0)
            stride[r] = n if whole else 0
            at += len(table) + 2 * margin
        rows = self.order, self.bands
        gains = np.array(self.gains).reshape(count, self.size // n) * scale
        factors, pad = np.concatenate([*pool, np.zeros(0)]), int(np.abs(step).max(initial=0))
        none = np.zeros(0, dtype=np.int64)
        return Terms(stay, gains, factors, base, stride, back, step, n, pad, sum(plain), *rows, none, none, np.zeros(0))


# kept windows ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Key:
    """A window of a model, by value."""

    value: tuple[object, ...]
    model: CompiledModel = field(compare=False)
    space: StateSpace = field(compare=False)


def grid_of(model: CompiledModel, space: StateSpace) -> Grid:
    """The grid of a window, kept for the next question about the same model."""
    network = model.network
    names = network.fingerprint, network.species_names, network.theta_names, network.propensities
    frame = space.free, space.lower, space.shape, space.offset.tobytes(), space.basis.tobytes()
    value = (*names, *frame)
    return _kept(_Key(value, model, space))


@lru_cache(maxsize=128)
def _kept(key: _Key) -> Grid:
    return Grid(key.model, key.space)
