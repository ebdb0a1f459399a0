"""Walks of independent ensembles, in step, until they agree: the chains that a posterior is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import ensembles
from .diagnostics import Diagnostics
from .log_posterior import LogPosterior
from .summary import ESS, RHAT

Array = NDArray[np.float64]
Step = tuple[Array, Array]
Progress = Callable[[Mapping[str, float]], None]

FIRST, GROWTH = 200, 1.5
"""Steps before the chains are judged for the first time, and how the number grows from one time to the next."""

DROPPED = 0.25
"""The share of the steps, the first ones, that is dropped."""

MARGIN = 1.25
"""Effective draws over those asked for at which chains that may stop do: stopping at a threshold flatters."""

STORED = 4000
"""Draws of one ensemble that the posterior holds at most; others are thinned away."""

LEAST = 8
"""Steps that can be looked at: an interrupted walk with fewer has nothing to give back."""


@dataclass(frozen=True)
class Chains:
    """Walks of C ensembles of W walkers on n steps: `u` [C, n, W, P], `log_density` [C, n, W]."""

    u: Array
    log_density: Array
    acceptance: float
    finished: bool = True

    def kept(self) -> Chains:
        """Without the first steps."""
        first = int(DROPPED * self.u.shape[1])
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


def walk(
    target: LogPosterior,
    walkers: int,
    streams: Sequence[np.random.Generator],
    *,
    steps: int | None,
    max_steps: int,
    progress: Progress | None = None,
) -> Chains:
    """One ensemble a stream, from the prior, in step, for `steps` or until they have converged (at most `max_steps`).

    Each walks on a thread of its own: solvers leave the interpreter while they compute. Ctrl-C ends the
    walk; the steps that all have made come back, not `finished`, where there are enough to look at.
    """
    seen: list[list[Step]] = [[] for _ in streams]
    clock, guard = _Clock(progress, time.monotonic()), _Stoppable(target)
    finished, pool = False, ThreadPoolExecutor(len(streams), thread_name_prefix="kinetix-walk")
    try:
        paths = [_path(guard, walkers, stream) for stream in streams]
        judged = _judgements(max_steps) if steps is None else set()
        for done in range(1, (steps or max_steps) + 1):
            for chain, step in zip(seen, _stepped(pool, paths), strict=True):
                chain.append(step)
            if done in judged and _enough(_collected(seen), target.names, clock):
                break
            clock.tick(done, steps or max_steps)
        finished = True
    except KeyboardInterrupt:
        if min(map(len, seen)) < LEAST:
            raise
    finally:
        guard.failure = guard.failure or KeyboardInterrupt()
        pool.shutdown()
    return replace(_collected(seen), finished=finished)


class _Stoppable:
    """A target that fails on every thread once it has failed on one, or was told to: all walks end with their batch."""

    def __init__(self, target: LogPosterior) -> None:
        self.target = target
        self.failure: BaseException | None = None

    def __call__(self, u: Array) -> Array:
        base, fit = self.parts(u)
        return base + fit

    def parts(self, u: Array) -> tuple[Array, Array]:
        if self.failure is not None:
            raise self.failure
        try:
            return self.target.parts(u)
        except BaseException as failure:
            self.failure = failure
            raise

    def draw_prior(self, n: int, *, rng: np.random.Generator) -> Array:
        return self.target.draw_prior(n, rng=rng)


def _stepped(pool: ThreadPoolExecutor, paths: Sequence[Iterator[Step]]) -> list[Step]:
    """The next step of every path; the first failure is raised at once, while the others still walk."""
    tasks = [pool.submit(next, path) for path in paths]
    done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
    for task in done:
        if failure := task.exception():
            raise failure
    return [task.result() for task in tasks]


def _path(target: _Stoppable, walkers: int, rng: np.random.Generator) -> Iterator[Step]:
    """The walk of one ensemble, from the prior."""
    yield from ensembles.steps(target, ensembles.start(target, walkers, rng=rng), rng=rng)


def _judgements(most: int) -> set[int]:
    """The numbers of steps after which the chains are judged."""
    found, at = set(), float(FIRST)
    while at < most:
        found.add(int(at))
        at *= GROWTH
    return found


def _collected(seen: Sequence[Sequence[Step]]) -> Chains:
    """The steps that every ensemble has made."""
    n = min(map(len, seen))
    u = np.stack([np.stack([step[0] for step in chain[:n]]) for chain in seen])
    log_p = np.stack([np.stack([step[1] for step in chain[:n]]) for chain in seen])
    moved = (np.diff(u, axis=1) != 0).any(axis=-1)
    return Chains(u, log_p, float(moved.mean()) if moved.size else 0.0)


def _enough(chains: Chains, names: tuple[str, ...], clock: _Clock) -> bool:
    found = chains.judged(names)
    clock.found = {"R-hat": found.worst_rhat, "ESS": found.least_ess, "acceptance": chains.acceptance}
    return found.passes(rhat=RHAT, ess=MARGIN * ESS)


@dataclass
class _Clock:
    """When the last word to `progress` was, and what was last found."""

    progress: Progress | None
    began: float
    told: float = 0.0
    found: Mapping[str, float] | None = None

    def tick(self, done: int, most: int) -> None:
        now = time.monotonic()
        if self.progress is None or now - self.told < 0.3:
            return
        self.told = now
        left = (now - self.began) / done * (most - done)
        self.progress({"fraction": done / most, "step": float(done), "seconds_left": left, **(self.found or {})})
