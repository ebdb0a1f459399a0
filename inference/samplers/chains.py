"""Walks of independent ensembles, in step, until they agree: the chains that a posterior is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetix.inference.diagnostics import ESS, RHAT, Diagnostics
from kinetix.inference.log_posterior import LogPosterior

from . import ensembles
from .chain_store import ChainStore
from .ensembles import Step
from .mode import Mode
from .slopes import with_gradient

Array = NDArray[np.float64]
Progress = Callable[[Mapping[str, float]], None]
Path = Callable[["Stoppable", int, np.random.Generator, Sequence[Step]], Iterator[Step]]

FIRST, GROWTH = 200, 1.5
"""Steps before the chains are judged for the first time, and how the number grows from one time to the next."""

DROPPED = 0.25
"""The share of the steps, the first ones, that is dropped where no number of them is told."""

MARGIN = 1.25
"""Effective draws over those asked for at which chains that may stop do: stopping at a threshold flatters."""

STORED = 4000
"""Draws of one ensemble that the posterior holds at most; others are thinned away."""

LOOKED, SHARE = 5.0, 0.05
"""Seconds between two looks at the chains for `progress` alone, and the share of the time that they may take."""

LEAST = 8
"""Steps that can be looked at: an interrupted walk with fewer has nothing to give back."""


@dataclass(frozen=True)
class Chains:
    """Walks of C ensembles of W walkers on n steps: `u` [C, n, W, P], `log_density` [C, n, W].

    The first `warmup` steps are not to be used; where it is None, the first quarter.
    """

    u: Array
    log_density: Array
    acceptance: float
    finished: bool = True
    warmup: int | None = None

    def kept(self) -> Chains:
        """Without the first steps."""
        first = int(DROPPED * self.u.shape[1]) if self.warmup is None else self.warmup
        return replace(self, u=self.u[:, first:], log_density=self.log_density[:, first:])

    @property
    def stride(self) -> int:
        """Every which step is held."""
        return int(max(1, -(-self.u.shape[1] * self.u.shape[2] // STORED)))

    def thinned(self) -> Chains:
        """Evenly spaced steps, as many as a posterior holds."""
        return replace(self, u=self.u[:, :: self.stride], log_density=self.log_density[:, :: self.stride])

    def judged(self, names: tuple[str, ...]) -> Diagnostics:
        """What the held part of the chains says about itself."""
        held = self.kept()
        return Diagnostics.of(held.thinned().u, names, stride=held.stride)


def walk(  # noqa: PLR0913 - the parts of one walk
    target: LogPosterior,
    walkers: int,
    streams: Sequence[np.random.Generator],
    *,
    steps: int | None,
    max_steps: int,
    progress: Progress | None = None,
    store: ChainStore | None = None,
    path: Path | None = None,
    warmup: int | None = None,
) -> Chains:
    """One ensemble a stream, from the prior, in step, for `steps` or until they have converged (at most `max_steps`).

    Each walks on a thread of its own: solvers leave the interpreter while they compute. Ctrl-C ends the
    walk; the steps that all have made come back, not `finished`, where there are enough to look at.
    A `store` keeps the steps as they are made; those that it holds are not made again. `path` makes the steps of
    one ensemble, in place of emcee's; `warmup` steps of it come before those that are counted.
    """
    first, make = warmup or 0, path or _path
    seen = [[] for _ in streams] if store is None else store.held(len(streams))
    held, most = len(seen[0]), first + (steps or max_steps)
    clock, guard = _Clock(progress, held, warmup), Stoppable(target)
    done, finished, pool = 0, False, ThreadPoolExecutor(len(streams), thread_name_prefix="kinetix-walk")
    try:
        paths = [make(guard, walkers, stream, made) for stream, made in zip(streams, seen, strict=True)]
        judged = {first + n for n in _judgements(max_steps)} if steps is None else set()
        for done in range(1, most + 1):
            if done > held:
                for chain, step in zip(seen, _stepped(pool, paths), strict=True):
                    chain.append(step)
                if store is not None:
                    store.keep(seen)
            if done in judged and clock.judged(_collected(seen, done, warmup), target.names):
                break
            clock.tick(seen, done, most, target.names)
        finished = True
    except KeyboardInterrupt:
        done = min(map(len, seen))
        if done - first < LEAST:
            raise
    finally:
        guard.failure = guard.failure or KeyboardInterrupt()
        pool.shutdown()
        if store is not None:
            store.keep(seen, now=True)
    return replace(_collected(seen, done, warmup), finished=finished)


class Stoppable:
    """A target that fails on every thread once it has failed on one, or was told to: all walks end with their batch."""

    def __init__(self, target: LogPosterior) -> None:
        self.target = target
        self.failure: BaseException | None = None

    def __call__(self, u: Array) -> Array:
        """See `LogPosterior`."""
        base, fit = self.parts(u)
        return base + fit

    def parts(self, u: Array) -> tuple[Array, Array]:
        """See `LogPosterior.parts`."""
        return self._asked(self.target.parts, u)

    def with_gradient(self, u: Array, least: float) -> tuple[Array, Array]:
        """See `slopes.with_gradient`."""
        return self._asked(lambda v: with_gradient(self.target, v, least), u)

    def _asked(self, ask: Callable[[Array], tuple[Array, Array]], u: Array) -> tuple[Array, Array]:
        if self.failure is not None:
            raise self.failure
        try:
            return ask(u)
        except BaseException as failure:
            self.failure = failure
            raise

    def draw_prior(self, n: int, *, rng: np.random.Generator) -> Array:
        """See `LogPosterior.draw_prior`."""
        return self.target.draw_prior(n, rng=rng)


def _stepped(pool: ThreadPoolExecutor, paths: Sequence[Iterator[Step]]) -> list[Step]:
    """The next step of every path; the first failure is raised at once, while the others still walk."""
    tasks = [pool.submit(next, path) for path in paths]
    done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
    for task in done:
        if failure := task.exception():
            raise failure
    return [task.result() for task in tasks]


def _path(target: Stoppable, walkers: int, rng: np.random.Generator, made: Sequence[Step]) -> Iterator[Step]:
    """The walk of one ensemble, from the prior or from the last of the steps that it has made."""
    if made:
        yield from ensembles.further_steps(target, made[-1])
    yield from ensembles.steps(target, ensembles.start(target, walkers, rng=rng), rng=rng)


def from_mode(mode: Mode) -> Path:
    """Paths that begin around a mode in place of prior draws: `path` of `walk`."""

    def path(target: Stoppable, walkers: int, rng: np.random.Generator, made: Sequence[Step]) -> Iterator[Step]:
        if made:
            yield from ensembles.further_steps(target, made[-1])
        yield from ensembles.steps(target, mode.walkers(walkers, rng=rng), rng=rng)

    return path


def _judgements(most: int) -> set[int]:
    """The numbers of steps after which the chains are judged."""
    found, at = set(), float(FIRST)
    while at < most:
        found.add(int(at))
        at *= GROWTH
    return found


def _collected(seen: Sequence[Sequence[Step]], n: int, warmup: int | None) -> Chains:
    """The first `n` steps of every ensemble."""
    u = np.stack([np.stack([step.u for step in chain[:n]]) for chain in seen])
    log_p = np.stack([np.stack([step.log_density for step in chain[:n]]) for chain in seen])
    moved = (np.diff(u, axis=1) != 0).any(axis=-1)
    return Chains(u, log_p, float(moved.mean()) if moved.size else 0.0, warmup=warmup)


class _Clock:
    """Judges the chains, and says to `progress` how they are doing: `held` steps were there before."""

    def __init__(self, progress: Progress | None, held: int, warmup: int | None) -> None:
        self.progress, self.held, self.warmup = progress, held, warmup
        self.began = self.looked = time.monotonic()
        self.told = self.cost = 0.0
        self.found: Mapping[str, float] = {}

    def judged(self, chains: Chains, names: tuple[str, ...]) -> bool:
        """Whether the chains are good enough to stop."""
        began = time.monotonic()
        found = chains.judged(names)
        self.found = {"R-hat": found.worst_rhat, "ESS": found.least_ess, "acceptance": chains.acceptance}
        self.looked = time.monotonic()
        self.cost = self.looked - began
        return found.passes(rhat=RHAT, ess=MARGIN * ESS)

    def tick(self, seen: Sequence[Sequence[Step]], done: int, most: int, names: tuple[str, ...]) -> None:
        """A word to `progress` now and then, sometimes after a look at the chains; it changes nothing."""
        now = time.monotonic()
        if self.progress is None or done <= self.held or now - self.told < 0.3:
            return
        if done - (self.warmup or 0) >= FIRST // 2 and now - self.looked > max(LOOKED, self.cost / SHARE):
            self.judged(_collected(seen, done, self.warmup), names)
        self.told = now
        left = (now - self.began) / (done - self.held) * (most - done)
        self.progress({"fraction": done / most, "step": float(done), "seconds_left": left, **self.found})
