"""Posteriors by sampling: four independent ensembles of walkers, judged, then held against the exact law.

Walkers walk on unconstrained parameters until the chains agree (R-hat below 1.01, 400 effective draws)
or the steps are used up; the answer says which. The same seed gives the same draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import SettingError
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.provenance import versions
from kinetix.solver import Solver

from . import ensembles as walks
from .diagnostics import Diagnostics
from .likelihood import Likelihood
from .log_posterior import LogPosterior
from .observations import Observations
from .posterior import Posterior
from .prior_base import Prior
from .priors import from_table, split_fixed
from .reweighting import Weighed, not_checked, weigh
from .summary import ESS, RHAT

Array = NDArray[np.float64]
Progress = Callable[[Mapping[str, float]], None]

FIRST, GROWTH = 200, 1.5
"""Steps before the chains are judged for the first time, and how the number grows from one time to the next."""

DROPPED = 0.25
"""The share of the steps, the first ones, that is dropped."""

MARGIN = 1.25
"""Effective draws over those asked for at which chains that may stop do: stopping at a threshold flatters."""

STORED = 4000
"""Draws of one ensemble that the posterior holds at most; others are thinned away."""


@dataclass(frozen=True)
class Chains:
    """Walks of C ensembles of W walkers on n steps: `u` [C, n, W, P], `log_density` [C, n, W]."""

    u: Array
    log_density: Array
    acceptance: float
    finished: bool

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


def infer(  # noqa: PLR0913 - the face of api.md
    network: ReactionNetwork,
    data: Observations,
    *,
    prior: Mapping[str, Any],
    likelihood: Solver,
    exact: Solver | None = None,
    rng: np.random.Generator,
    ensembles: int = 4,
    walkers: int | None = None,
    steps: int | None = None,
    max_steps: int = 20_000,
    exact_draws: int = 500,
    progress: Progress | None = None,
) -> Posterior:
    """The posterior of the parameters in `prior` given the cells in `data`.

    `ensembles` independent ensembles of `walkers` (default 32, or 4 a parameter where that is more) walk
    `steps` steps, or, where that is None, until the chains have converged or `max_steps` are used up. The
    first quarter is dropped. A likelihood that is not exact is held against `exact` at 50 draws and
    corrected by exact weights worth about `exact_draws` draws (0: not corrected). Ctrl-C ends the walk;
    what there is comes back, marked incomplete.

    Raises SettingError for priors wider than a net's box or parameters that are not in the model, and
    DataError for cells that the model cannot produce.
    """
    began = time.process_time()
    free, fixed = split_fixed(from_table(prior))
    count = _checked(free, ensembles, walkers, steps, max_steps, exact_draws)
    problem = Problem.of(network, data.times, parameters=fixed)
    fit = Likelihood(likelihood, problem, data, tuple(free))
    target = LogPosterior(fit, free)
    # an exact solver is asked about the same cells: what it refuses is known before the walk
    judge = None if exact is None else Likelihood(exact, problem, data, tuple(free))
    *streams, last = rng.spawn(ensembles + 1)
    chains = _walk(target, count, steps, max_steps, streams, progress).kept()
    held = chains.thinned()
    values = target.constrained(held.u)
    found = Diagnostics.of(values, target.names, stride=chains.stride)
    draws, log_density = values.reshape(ensembles, -1, len(free)), _own_units(target, held).reshape(ensembles, -1)
    weighed = _exact_stage(target, judge, draws, log_density, exact_draws, last, progress)
    return Posterior(
        target.names,
        draws,
        log_density,
        free | {name: p for name, p in from_table(prior).items() if name in fixed},
        data,
        network,
        likelihood=_told(likelihood),
        diagnostics=found.rows(),
        gate=None if weighed is None else weighed.gate,
        weights=None if weighed is None or weighed.weights is None else weighed.weights.reshape(log_density.shape),
        converged=found.passes(rhat=RHAT, ess=ESS),
        complete=chains.finished,
        meta={
            "sampler": "emcee",
            "settings": {"ensembles": ensembles, "walkers": count, "steps": int(chains.u.shape[1]), "asked": steps},
            "every": chains.stride,
            "acceptance": chains.acceptance,
            "fingerprint": network.fingerprint,
            "data": data.digest,
            "versions": versions(),
            "cpu_seconds": time.process_time() - began,
        },
    )


# the walk ------------------------------------------------------------------------------------------


def _walk(
    target: LogPosterior,
    walkers: int,
    steps: int | None,
    max_steps: int,
    streams: list[np.random.Generator],
    progress: Progress | None,
) -> Chains:
    """All ensembles, in step, until they have converged or used up their steps.

    Each walks on a thread and a stream of its own: solvers leave the interpreter while they compute.
    """
    seen: list[list[tuple[Array, Array]]] = [[] for _ in streams]
    clock = _Clock(progress, time.monotonic())
    finished, pool = False, ThreadPoolExecutor(len(streams), thread_name_prefix="kinetix-walk")
    try:
        paths = [_path(target, walkers, stream) for stream in streams]
        for done in range(1, (steps or max_steps) + 1):
            for chain, step in zip(seen, pool.map(next, paths), strict=True):
                chain.append(step)
            if (
                steps is None
                and done in _judgements(max_steps)
                and _enough(_collected(seen, True), target.names, clock)
            ):
                break
            clock.tick(done, steps or max_steps)
        finished = True
    except KeyboardInterrupt:
        if min(map(len, seen)) < 8:
            raise
    finally:
        pool.shutdown()
    return _collected(seen, finished)


def _path(target: LogPosterior, walkers: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """The walk of one ensemble, from the prior."""
    yield from walks.steps(target, walks.start(target, walkers, rng=rng), rng=rng)


def _judgements(most: int) -> set[int]:
    """The numbers of steps after which the chains are judged."""
    found, at = set(), float(FIRST)
    while at < most:
        found.add(int(at))
        at *= GROWTH
    return found


def _collected(seen: list[list[tuple[Array, Array]]], finished: bool) -> Chains:
    """The steps that every ensemble has made."""
    n = min(map(len, seen))
    u = np.stack([np.stack([step[0] for step in chain[:n]]) for chain in seen])
    log_p = np.stack([np.stack([step[1] for step in chain[:n]]) for chain in seen])
    moved = (np.diff(u, axis=1) != 0).any(axis=-1)
    return Chains(u, log_p, float(moved.mean()) if moved.size else 0.0, finished)


def _own_units(target: LogPosterior, chains: Chains) -> Array:
    """Log-densities of the parameters themselves, no longer of their unconstrained forms: [C, n, W]."""
    u = chains.u.reshape(-1, chains.u.shape[-1])
    return chains.log_density - target.log_jacobian(u).reshape(chains.log_density.shape)


def _enough(chains: Chains, names: tuple[str, ...], clock: _Clock) -> bool:
    found = Diagnostics.of(chains.kept().thinned().u, names)
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


# the exact stage -----------------------------------------------------------------------------------


def _exact_stage(
    target: LogPosterior,
    judge: Likelihood | None,
    draws: Array,
    log_density: Array,
    aim: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> Weighed | None:
    """Nothing for an exact likelihood; the gate, and weights where there are any, for others."""
    solver = target.likelihood.solver
    flat = draws.reshape(-1, draws.shape[2])
    if judge is None:
        if _knows_its_error(target.likelihood, flat.mean(axis=0)):
            return None
        return Weighed(not_checked(f"{type(solver).__name__} is not exact, and no exact solver was asked"))
    fit = log_density.ravel() - target.log_prior(flat)

    def told(share: float) -> None:
        if progress is not None:
            progress({"fraction": share, "exact weights": share})

    return weigh(judge, flat, fit, name=type(judge.solver).__name__, correct=aim, rng=rng, told=told)


def _knows_its_error(likelihood: Likelihood, theta: Array) -> bool:
    """Whether the solver bounds the error of its laws, asked at one parameter vector."""
    if hasattr(likelihood.solver, "box"):
        return False
    problem = likelihood.at(theta)
    return likelihood.solver.solve(problem, rng=np.random.default_rng(likelihood.seed)).error is not None


def _told(solver: Solver) -> dict[str, Any]:
    """What an answer says about the solver behind its likelihood."""
    settings = getattr(solver, "settings", solver)
    told: dict[str, Any] = {"solver": type(solver).__name__}
    if is_dataclass(settings) and not isinstance(settings, type):
        told["settings"] = asdict(settings)
    for name in ("box", "times", "digest"):
        if hasattr(solver, name):
            value = getattr(solver, name)
            told[name] = {k: list(v) for k, v in value.items()} if isinstance(value, Mapping) else value
    return told


# refusals ------------------------------------------------------------------------------------------


def _checked(
    free: Mapping[str, Prior],
    ensembles: int,
    walkers: int | None,
    steps: int | None,
    max_steps: int,
    exact_draws: int,
) -> int:
    """The number of walkers; SettingError for settings that cannot work."""
    if not free:
        raise SettingError("no parameter is free", place="prior", mend="give one a prior that is not a number")
    least = 2 * len(free) + 2
    count = max(32, 4 * len(free)) if walkers is None else walkers
    for name, value, low in (
        ("ensembles", ensembles, 2),
        ("walkers", count, least),
        ("steps", steps if steps is not None else 16, 16),
        ("max_steps", max_steps, 16),
        ("exact_draws", exact_draws, 0),
    ):
        if value < low:
            raise SettingError(f"{name} is {value}", place="infer", mend=f"use {low} or more")
    if count % 2:
        raise SettingError(f"walkers is {count}", place="infer", mend="use an even number: half of them move at once")
    return count
