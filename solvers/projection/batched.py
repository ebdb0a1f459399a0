"""Many rate vectors at once in torch: shared windows, one sweep for all, for the finite state projection on a GPU.

Rate vectors whose windows are alike share one; within it they are taken in order of rate * time, so many
at a time as fit in memory. Who loses too much goes on with a wider window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.errors import TruncationError
from kinetix.space import StateSpace

from .batched_operator import Operator, Room, room_of
from .batched_sweep import Swept, sweep
from .grid import grid_of
from .picker import Picker
from .projector import Law, Projector

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
T = TypeVar("T")

ALIKE, SMALL = 2, 512
"""A window is shared when that makes it at most so many times larger than a rate vector's own, or this small."""

SPREAD, BASE = 1.5, 64.0
"""Rate vectors go together when the largest rate * time is at most so many times the least, and this more."""

CACHED = 2**16
"""Places of all windows together that are taken at once on a CPU: its caches hold them."""

PILOTS = 128
"""The most rate vectors of a batch whose windows are guessed by pilots of their own."""

SHARE = 0.6
"""The share of a GPU's free memory that is used."""


@dataclass(frozen=True, eq=False)
class Shared:
    """Laws [T, B, N] on one window, of the rate vectors at `members` [B]; what each lost by each time [B, T].

    `bound` [B] is what the integration can add to that.
    """

    space: StateSpace
    caps: Counts
    members: Counts
    laws: Tensor
    lost: Array
    bound: Array
    products: int


@dataclass(frozen=True, eq=False)
class Batched:
    """The limits, start and windows of a projector, with the integration on a device of torch."""

    projector: Projector
    device: torch.device

    def laws(self, thetas: Array, at_least: Counts) -> list[Law]:
        """The law of every rate vector [B, P], on a window that loses at most `leak`."""

        def keep(found: Shared) -> list[Law]:
            laws, products = found.laws.cpu().numpy(), {"uniformisation": found.products}
            return [
                Law(found.space, found.caps, laws[:, b], found.lost[b], np.full(len(laws), bound), products)
                for b, bound in enumerate(found.bound.tolist())
            ]

        return self._adapted(thetas, at_least, keep)

    def probabilities(
        self, thetas: Array, at_least: Counts, counts: Sequence[Counts], axes: Sequence[int]
    ) -> list[Array]:
        """The probabilities of observed rows: one [B, U_k] a time; see `BatchSolver`."""
        rows_of: dict[tuple[int, ...], list[_Rows]] = {}

        def keep(found: Shared) -> list[list[Array]]:
            key = tuple(found.caps.tolist())
            if key not in rows_of:
                rows_of[key] = [_Rows.of(Picker.of(found.space, rows, axes), self.device) for rows in counts]
            columns = [rows(law).cpu().numpy() for rows, law in zip(rows_of[key], found.laws, strict=True)]
            return [list(rows) for rows in zip(*columns, strict=True)]

        found = self._adapted(thetas, at_least, keep)
        return [np.stack(column) for column in zip(*found, strict=True)]

    def on(self, space: StateSpace, thetas: Array) -> Array:
        """The laws of every rate vector [B, P] on one window, whatever it loses: [B, T, N]."""
        room = room_of(grid_of(self.projector.maker.model, space), self.device)
        result = np.empty((len(thetas), len(self.projector.times), space.size))
        for some in self._chunks(room, thetas):
            swept = self._swept(room, thetas[some], lost_at_most=2.0)
            result[some] = swept.laws.flatten(2).transpose(0, 1).cpu().numpy()
        return result

    # windows -----------------------------------------------------------------------------------

    def _adapted(self, thetas: Array, at_least: Counts, keep: Callable[[Shared], list[T]]) -> list[T]:
        """What is kept of the laws of every rate vector [B, P], one thing each."""
        projector = self.projector
        least = np.maximum(projector.maker.start.counts.max(axis=0), at_least)
        waiting = self._guesses(thetas, least)
        found: dict[int, T] = {}
        while waiting:
            wider: dict[int, Counts] = {}
            for caps, members in self._bins(waiting):
                room = room_of(grid_of(projector.maker.model, projector.maker.space(caps)), self.device)
                for some in self._chunks(room, thetas[members]):
                    self._attempt(room, caps, members[some], thetas, keep, found, wider)
            waiting = wider
        return [found[b] for b in range(len(thetas))]

    def _guesses(self, thetas: Array, least: Counts) -> dict[int, Counts]:
        """The caps [S] of the first windows; in a large batch by pilots of some, and for the others as the nearest."""
        asked = np.unique(np.linspace(0, len(thetas) - 1, min(len(thetas), PILOTS)).astype(np.int64))
        caps = [self.projector.guess(theta, least) for theta in thetas[asked]]
        moved = np.where(thetas > 0, np.log(np.maximum(thetas, 1e-300)), thetas)
        moved = moved / np.maximum(moved.std(axis=0), 1e-300)
        apart = ((moved[:, None, :] - moved[asked][None, :, :]) ** 2).sum(axis=2)
        return {b: caps[near].copy() for b, near in enumerate(apart.argmin(axis=1).tolist())}

    def _bins(self, waiting: Mapping[int, Counts]) -> list[tuple[Counts, Counts]]:
        """Windows by caps [S] and the rate vectors that share each, in order."""
        own: dict[tuple[int, ...], list[int]] = {}
        for b, caps in waiting.items():
            own.setdefault(tuple(caps.tolist()), []).append(b)
        sizes = {caps: self._size(np.array(caps)) for caps in own}
        result: list[tuple[Counts, list[int]]] = []
        for key in sorted(own, key=lambda caps: (-sizes[caps], caps)):
            caps, most = np.array(key, dtype=np.int64), max(ALIKE * sizes[key], SMALL)
            for place, (held, members) in enumerate(result):
                union = np.maximum(held, caps)
                if self._size(union, refuse=False) <= min(most, self.projector.max_states):
                    result[place] = union, members + own[key]
                    break
            else:
                result.append((caps, own[key]))
        return [(caps, np.array(sorted(members), dtype=np.int64)) for caps, members in result]

    def _size(self, caps: Counts, *, refuse: bool = True) -> int:
        size, most = self.projector.maker.space(caps).size, self.projector.max_states
        if refuse and size > most:
            reason = f"the law needs a window of at least {size} states, more than max_states = {most}"
            raise TruncationError(reason, place="fsp", mend="raise max_states, allow a larger leak, or use ssa")
        return size

    def _wider(self, room: Room, caps: Counts, theta: Array, occupancy: Array, lost: float) -> Counts:
        """The caps [S] of a rate vector that lost too much, by where probability [N] was."""
        rates, leak = room.grid.rates(theta), self.projector.leak
        wider = self.projector.maker.wider(caps, rates, occupancy, leak)
        fixed = self.projector.fixed
        wider[list(fixed)] = list(fixed.values())
        if not (wider > caps).any():
            reason = f"the window of {len(occupancy)} states loses {lost:.2g} or more, above leak = {leak:g}"
            raise TruncationError(reason, place="fsp", mend="raise caps, or allow a larger leak")
        return np.maximum(wider, caps)

    # integration -------------------------------------------------------------------------------

    def _attempt(
        self,
        room: Room,
        caps: Counts,
        members: Counts,
        thetas: Array,
        keep: Callable[[Shared], list[T]],
        found: dict[int, T],
        wider: dict[int, Counts],
    ) -> None:
        """For the rate vectors at `members`: what to keep, or a wider window."""
        projector = self.projector
        swept = self._swept(room, thetas[members], lost_at_most=projector.leak)
        laws = swept.laws.flatten(2)
        lost = np.maximum(projector.maker.start.p.sum() - laws.sum(dim=2).cpu().numpy().T, 0.0)
        good = ~swept.stopped & (lost[:, -1] <= projector.leak)
        if good.any():
            held = np.flatnonzero(good)
            some = laws if good.all() else laws[:, torch.from_numpy(held).to(self.device)]
            shared = Shared(room.grid.space, caps, members[held], some, lost[held], swept.error[held], swept.products)
            found.update(zip(members[held].tolist(), keep(shared), strict=True))
        for b in np.flatnonzero(~good).tolist():
            weight = (swept.occupancy[b].flatten() + laws[:, b].sum(dim=0)).cpu().numpy()
            wider[int(members[b])] = self._wider(room, caps, thetas[members[b]], weight, float(lost[b, -1]))

    def _swept(self, room: Room, thetas: Array, *, lost_at_most: float) -> Swept:
        """The laws of a chunk; RunError where probability comes to where a law breaks down."""
        projector, space = self.projector, room.grid.space
        operator = Operator.of(room, torch.from_numpy(thetas).to(self.device))
        start = torch.from_numpy(projector.maker.start.on(space).reshape(room.box)).to(self.device)
        still = 0.025 * projector.leak
        swept = sweep(operator, start, projector.times, lost_at_most=lost_at_most, still=still)
        if operator.batch.broken:
            weight = swept.occupancy + swept.laws[-1]
            for b in operator.batch.is_reached(weight).nonzero().flatten().tolist():
                room.grid.rates(thetas[b]).refuse(weight[b].flatten().cpu().numpy())
        return swept

    def _chunks(self, room: Room, thetas: Array) -> list[Counts]:
        """The places of rate vectors [B, P] integrated at once: those of like rate * time, as memory allows."""
        size, times, step = room.grid.space.size, self.projector.times, self._most(room, 0.0)
        parts = [torch.from_numpy(thetas[at : at + step]).to(self.device) for at in range(0, len(thetas), step)]
        tau = np.concatenate([room.batch(part).rate.cpu().numpy() for part in parts]) * float(times[-1])
        self._afford(float(tau.max(initial=0.0)) * size * (1 + len(room.grid.moving)), size)
        chunks: list[list[int]] = []
        for b in np.argsort(tau, kind="stable").tolist():
            first = tau[chunks[-1][0]] if chunks else -np.inf
            if tau[b] > SPREAD * first + BASE or len(chunks[-1]) >= self._most(room, float(tau[b])):
                chunks.append([])
            chunks[-1].append(b)
        return [np.array(chunk, dtype=np.int64) for chunk in chunks]

    def _most(self, room: Room, tau: float) -> int:
        """The most rate vectors at once: each has vectors, tables and weights of its own."""
        size, number = room.grid.space.size, len(self.projector.times)
        if self.device.type != "cuda":
            return max(CACHED // size, 1)
        weights = number * ((SPREAD - 1.0) * tau + 25.0 * tau**0.5 + 100.0)
        each = 8.0 * (size * (8 + 2 * number + len(room.grid.moving)) + 2.0 * weights)
        return max(int(SHARE * torch.cuda.mem_get_info(self.device)[0] / each), 1)

    def _afford(self, work: float, states: int) -> None:
        if work > self.projector.max_work:
            reason = f"integrating {states} states to t = {self.projector.times[-1]:g} takes about {work:.1e} additions"
            reason += f", more than max_work = {self.projector.max_work:.1e}"
            raise TruncationError(reason, place="fsp", mend="raise max_work, use device='cpu', or use ssa")


@dataclass(frozen=True, eq=False)
class _Rows:
    """A picker on a device: `places` [U, L] of the states of each row, and 1 in `mask` where there is one."""

    places: Tensor
    mask: Tensor

    @classmethod
    def of(cls, picker: Picker, device: torch.device) -> _Rows:
        lengths = np.diff(picker.begins, append=len(picker.states))
        places = np.zeros((picker.size, int(lengths.max(initial=1))), dtype=np.int64)
        mask = np.zeros(places.shape)
        for row, begin, length in zip(picker.rows, picker.begins, lengths, strict=True):
            places[row, :length], mask[row, :length] = picker.states[begin : begin + length], 1.0
        return cls(torch.from_numpy(places).to(device), torch.from_numpy(mask).to(device))

    def __call__(self, laws: Tensor) -> Tensor:
        """The probabilities of the rows, each summed in one order: [B, N] -> [B, U]."""
        return (laws[:, self.places.flatten()].reshape(len(laws), *self.places.shape) * self.mask).sum(dim=2)
