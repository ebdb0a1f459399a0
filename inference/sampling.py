"""Posteriors by sampling: four independent ensembles of walkers, judged, then held against the exact law.

Walkers walk on unconstrained parameters until the chains agree (R-hat below 1.01, 400 effective draws)
or the steps are used up; the answer says which. The same seed gives the same draws.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, is_dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import KinetixError, SettingError
from kinetix.journal import Journal
from kinetix.network import ReactionNetwork
from kinetix.provenance import versions
from kinetix.solver import Solver

from .chain_store import ChainStore
from .chains import Chains, Progress, walk
from .diagnostics import Diagnostics
from .groups import Grouped
from .likelihood import Likelihood
from .log_posterior import LogPosterior
from .measurement import Measurement
from .observations import Observations
from .posterior import Posterior
from .prior_base import Prior
from .priors import to_table
from .question import Question
from .reweighting import Weighed, not_checked, weigh
from .summary import ESS, RHAT

Array = NDArray[np.float64]

EXACT = 1e-4
"""The largest proven error (total variation) of laws whose likelihood is taken for exact."""

ESTIMATED = 1e-6
"""The same where the error is estimated and not proven: that of stationary laws; the posterior says so."""


def infer(  # noqa: PLR0913 - the face of api.md
    network: ReactionNetwork,
    data: Observations,
    *,
    prior: Mapping[str, Any],
    likelihood: Solver,
    exact: Solver | None = None,
    measurement: Measurement | None = None,
    derived: Mapping[str, Any] | None = None,
    per_group: Sequence[str] = (),
    rng: np.random.Generator,
    ensembles: int = 4,
    walkers: int | None = None,
    steps: int | None = None,
    max_steps: int = 20_000,
    exact_draws: int = 500,
    progress: Progress | None = None,
    output: str | Path | None = None,
    resume: bool = False,
) -> Posterior:
    """The posterior of the parameters in `prior` given the cells in `data`.

    A name in `prior` is a parameter of the model, a species (its initial count: `prior.integers`), a
    parameter of the `measurement`, or one that the expressions in `derived` (name -> sympy expression)
    make those of. Names in `per_group` are sampled apart for every group of the data.

    `ensembles` independent ensembles of `walkers` (default 32, or 4 a parameter where that is more) walk
    `steps` steps, or, where that is None, until the chains have converged or `max_steps` are used up. The
    first quarter is dropped. A likelihood that is not exact (no proven error of at most 1e-4 in total
    variation) is held against `exact`, which must be, at 50 draws, and corrected by exact weights worth
    about `exact_draws` draws (0: not corrected). Stationary laws (data at time = inf) that can leave their
    window have no proven error: they are taken for exact up to an estimated error of at most 1e-6, which
    `gate` and `check()` (KX207) state. Ctrl-C ends the walk; what there is comes back, marked
    incomplete. A folder `output` keeps the chains as they walk; with `resume` those in it, of the same
    question and seed, are carried on to `steps` (or convergence) in all: the draws are to the bit those
    of a run that was never stopped.

    Raises SettingError for priors wider than a net's box or parameters that are not in the model, and
    DataError for cells that the model cannot produce.
    """
    began = time.process_time()
    asked = Question.of(network, data, prior, measurement=measurement, derived=derived, per_group=per_group)
    given, free = asked.prior, asked.free
    count = _checked(free, ensembles, walkers, steps, max_steps, exact_draws)
    target = LogPosterior(asked.likelihood(likelihood), free)
    # an exact solver is asked about the same cells: what it refuses is known before the walk
    judge = None if exact is None else asked.likelihood(exact)
    question = _question(target, given, rng, ensembles, count) | asked.told()
    *streams, last = rng.spawn(ensembles + 1)
    notes: list[str] = []
    with ExitStack() as stack:
        store = None
        if output is not None:
            journal = stack.enter_context(Journal(Path(output), question, resume, notes))
            store = ChainStore(journal)
        walked = walk(target, count, streams, steps=steps, max_steps=max_steps, progress=progress, store=store)
    chains = walked.kept()
    held = chains.thinned()
    values = target.constrained(held.u)
    found = Diagnostics.of(values, target.names, stride=chains.stride)
    draws, log_density = values.reshape(ensembles, -1, len(free)), _own_units(target, held).reshape(ensembles, -1)
    weighed = _exact_stage(target, judge, draws, log_density, exact_draws, last, progress)
    return Posterior(
        target.names,
        draws,
        log_density,
        given,
        data,
        network,
        likelihood=told(likelihood),
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
            "question": asked.told(),
            "fingerprint": network.fingerprint,
            "data": data.digest,
            "versions": versions(),
            "notes": notes,
            "cpu_seconds": time.process_time() - began,
        },
    )


def _question(
    target: LogPosterior, given: Mapping[str, Prior], rng: np.random.Generator, ensembles: int, walkers: int
) -> dict[str, Any]:
    """What chains on disk are the answer to, in plain values."""
    fit, seeds = target.likelihood, rng.bit_generator.seed_seq
    if not isinstance(seeds, np.random.SeedSequence):
        raise SettingError("the generator does not tell its seed", place="rng", mend="use np.random.default_rng(seed)")
    return {
        "of": "chains",
        "model": fit.problem.model.network.fingerprint,
        "data": fit.data.digest,
        "prior": to_table(given),
        "likelihood": told(fit.solver),
        "ensembles": ensembles,
        "walkers": walkers,
        "sampler": f"emcee {version('emcee')}",
        "seed": seeds.entropy,
        "stream": [*seeds.spawn_key, seeds.n_children_spawned],
    }


def _own_units(target: LogPosterior, chains: Chains) -> Array:
    """Log-densities of the parameters themselves, no longer of their unconstrained forms: [C, n, W]."""
    u = chains.u.reshape(-1, chains.u.shape[-1])
    return chains.log_density - target.log_jacobian(u).reshape(chains.log_density.shape)


# the exact stage -----------------------------------------------------------------------------------


def _exact_stage(
    target: LogPosterior,
    judge: Likelihood | Grouped | None,
    draws: Array,
    log_density: Array,
    aim: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> Weighed | None:
    """Nothing for an exact likelihood; the gate, and weights where there are any, for others."""
    flat = draws.reshape(-1, draws.shape[2])
    asked = judge or target.likelihood
    why, estimate = _not_exact(asked, flat.mean(axis=0))
    if why:
        name = type(asked.solver).__name__
        return Weighed(not_checked(f"{name} {why}" + ("" if judge else ", and no exact solver was asked")))
    if judge is None:
        return None if estimate is None else Weighed({"certified": True, "corrected": False, "estimated": estimate})
    fit = log_density.ravel() - target.log_prior(flat)

    def heard(share: float) -> None:
        if progress is not None:
            progress({"fraction": share, "exact weights": share})

    found = weigh(judge, flat, fit, name=type(judge.solver).__name__, correct=aim, rng=rng, told=heard)
    return found if estimate is None else replace(found, gate={**found.gate, "estimated": estimate})


def _not_exact(likelihood: Likelihood | Grouped, theta: Array) -> tuple[str | None, float | None]:
    """Why a solver is not to be taken for exact, asked for the error of its laws at one parameter vector.

    And the estimate of that error, where none is proven and that was judged.
    """
    if hasattr(likelihood.solver, "box"):
        return "is a net", None
    try:
        found = likelihood.solver.solve(likelihood.at(theta), rng=np.random.default_rng(likelihood.seed))
    except KinetixError as problem:
        return f"could not answer: {problem.reason}", None
    if found.error is not None:
        why = f"bounds the error of its laws by {found.error:.2g} only ({EXACT:g} is asked)"
        return (None if found.error <= EXACT else why), None
    *proven, _ = found.meta.get("error_by_time", [None])
    estimate = found.meta.get("stationary", {}).get("estimate")
    if estimate is None or not all(error <= EXACT for error in proven):
        return "bounds no error of its laws", None
    why = f"estimates the error of its stationary law as {estimate:.2g} ({ESTIMATED:g} is asked, as it is not proven)"
    return (None, float(estimate)) if estimate <= ESTIMATED else (why, None)


def told(solver: Solver) -> dict[str, Any]:
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
