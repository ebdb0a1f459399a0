"""Exact trajectories of many different networks of the family at once: one compiled kernel, tables in.

Direct method (D. T. Gillespie, J. Phys. Chem. 81 (1977) 2340, doi:10.1021/j100540a008): path i of network n follows
the stream (root, n, i), whatever the number of paths, networks, times or threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import RunError, SettingError
from kinetix.solvers.parallel import Flag, run_all

from .family import SPECIES, Array, Batch, Integers
from .path_kernel import COUNT, EVENTS, MEMORY, NEGATIVE, run

Counts = NDArray[np.int16]
Truth = NDArray[np.bool_]

MOST_COUNT = 2**15 - 1
"""The largest count that an answer can hold."""

MOST_RATE = 1e200
"""Rates up to here make finite propensities at any count that is allowed."""

MOST_PATHS = 2**32
"""Paths of one network, and networks, that have streams of their own."""

ENTRIES = 2**22
"""Counts that one task of a thread holds, at eight bytes each."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Trajectories of a batch, and what became of its networks.

    `counts` [N, K, T, S], 0 in the padding and where a network is not done; `done` [N]; `too_many` [N] and `too_high`
    [N]: those that stopped because a path passed the events or the count that it was allowed; `events` [N]: fired in
    all paths until the end or the stop.
    """

    counts: Counts
    done: Truth
    too_many: Truth
    too_high: Truth
    events: Integers


def trajectories(
    batch: Batch, shares: ArrayLike, paths: int, root: tuple[int, int], *, most_events: int, threads: int | None = None
) -> tuple[Counts, Truth]:
    """`paths` trajectories of each network: counts [N, paths, T, S], and whether a network is done [N].

    `shares` [N, T]: times in units of the asked one, in order. A network of which one path fires more than
    `most_events` events, or counts more than `MOST_COUNT`, is not done, and its counts are 0. Errors as of `simulate`.
    """
    found = simulate(batch, shares, paths, root, most_events=most_events, threads=threads)
    return found.counts, found.done


def simulate(
    batch: Batch,
    shares: ArrayLike,
    paths: int,
    root: tuple[int, int],
    *,
    most_events: int,
    most_count: int = MOST_COUNT,
    threads: int | None = None,
) -> Paths:
    """As `trajectories`, with the reasons and the work; no count may pass `most_count` at any moment.

    SettingError for impossible times, rates or numbers; RunError where a reaction takes what is not there.
    """
    times = np.asarray(shares, dtype=np.float64)
    _require(batch, times, paths, most_events, most_count)
    number, steps = times.shape
    counts = np.zeros((number, paths, steps, SPECIES), dtype=np.int16)
    ended, events = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64)
    job = _Job(batch, times, root, most_events, most_count, counts, ended, events)
    width = max(1, min(ENTRIES // (paths * max(steps, 1) * SPECIES), -(-number // 8)))
    run_all([partial(job.run, a, a + width) for a in range(0, number, width)], threads, short=True)
    if (negative := np.flatnonzero(ended == NEGATIVE)).size:
        raise RunError("a reaction takes more of a species than its law needs", place=f"network {negative[0]}")
    done = ended == 0
    counts[~done] = 0
    return Paths(counts, done, ended == EVENTS, ended == COUNT, events)


@dataclass(frozen=True, eq=False)
class _Job:
    """One call of `simulate`, cut into shares of networks that any thread may run."""

    batch: Batch
    times: Array
    root: tuple[int, int]
    most_events: int
    most_count: int
    counts: Counts
    ended: Integers
    events: Integers

    def run(self, first: int, end: int, control: Flag) -> None:
        """The networks from `first` to before `end`, into their places."""
        part, times = self.batch[first:end], np.array(self.times[first:end], order="C")
        out = np.zeros(self.counts[first:end].shape, dtype=np.int64)
        ended, events = self.ended[first:end], self.events[first:end]
        whole = part.reactants, part.change, part.starts, part.reactions, part.regulators
        tables = [np.array(v, dtype=np.int64, order="C") for v in whole]
        rates, halves, powers = (np.array(v, order="C") for v in (part.rates, part.halves, part.powers))
        low, high = (np.uint64(word) for word in self.root)
        limits, memory = (self.most_events, self.most_count), (np.zeros(size, dtype=kind) for size, kind in MEMORY)
        run(rates, *tables, halves, powers, times, first, low, high, *limits, control, out, ended, events, *memory)
        self.counts[first:end] = out


def _require(batch: Batch, times: Array, paths: int, most_events: int, most_count: int) -> None:
    if times.ndim != 2 or len(times) != len(batch):
        raise SettingError(f"shares have the shape {times.shape}", place="paths", mend="give [N, T], a row a network")
    if not np.isfinite(times).all() or (times < 0).any() or (np.diff(times, axis=1) < 0).any():
        raise SettingError("shares must be finite, >= 0 and in order", place="paths")
    if not ((batch.rates >= 0) & (batch.rates <= MOST_RATE)).all():
        raise SettingError(f"a rate is not a number from 0 to {MOST_RATE:g}", place="paths")
    for name, value, most in (
        ("paths", paths, MOST_PATHS), ("most_events", most_events, 2**62), ("most_count", most_count, MOST_COUNT),
    ):  # fmt: skip
        if not 1 <= value <= most:
            raise SettingError(f"{name} is {value}", place="paths", mend=f"give a whole number from 1 to {most}")
    if (batch.starts < 0).any() or (batch.starts > MOST_COUNT).any():
        raise SettingError(f"a start is not a count from 0 to {MOST_COUNT}", place="paths")
