"""Posteriors by sampling: four independent ensembles of walkers, judged, then held against the exact law.

Walkers walk on unconstrained parameters until the chains agree (R-hat below 1.01, 400 effective draws)
or the steps are used up; the answer says which. The same seed gives the same draws.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import SettingError
from kinetix.journal import Journal
from kinetix.network import ReactionNetwork
from kinetix.provenance import versions
from kinetix.solver import Solver

from .data.measurement import Measurement
from .diagnostics import ESS, RHAT, Diagnostics
from .log_posterior import LogPosterior
from .posterior import Posterior
from .priors import to_table
from .question import Question
from .samplers.agreement import judged_by_members, require_members
from .samplers.chain_store import ChainStore
from .samplers.chains import Chains, Progress, from_mode, walk
from .samplers.exact_stage import exact_stage, require_way
from .samplers.hamiltonian import Hamiltonian, require_hamiltonian
from .samplers.mode import Mode
from .time_courses import Cells
from .unknowns.prior_base import Prior

Array = NDArray[np.float64]

SAMPLERS = ("emcee", "nuts")
"""What drives the chains."""


def infer(  # noqa: PLR0913 - the face of api.md
    network: ReactionNetwork,
    data: Cells,
    *,
    prior: Mapping[str, Any],
    likelihood: Solver,
    exact: Solver | None = None,
    members: Sequence[Solver] = (),
    measurement: Measurement | None = None,
    derived: Mapping[str, Any] | None = None,
    per_group: Sequence[str] = (),
    rng: np.random.Generator,
    sampler: str = "emcee",
    start: Mode | None = None,
    ensembles: int = 4,
    walkers: int | None = None,
    steps: int | None = None,
    max_steps: int = 20_000,
    exact_draws: int = 500,
    correct_by: str = "auto",
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
    variation) is held against `exact`, which must be, at 50 draws, and corrected by exact likelihoods
    worth about `exact_draws` draws (0: not corrected): weights of the draws (`correct_by="reweighting"`),
    "sub-chains" whose ends are accepted exactly, or ("auto") what promises more; see `exact_stage`.
    Where no exact law answers, `members`, nets of other seeds, take its place: they are held against the first at 200
    draws, and where they differ too much the posterior is not certified; see `agreement`.
    Stationary laws (data at time = inf) that can leave their window have no proven error: they are taken
    for exact up to an estimated error of at most 1e-6, which `gate` and `check()` (KX207) state.

    Walkers begin at draws of the prior, carried to the posterior by growing powers of the likelihood; with `start`,
    what `find_mode` found for the same priors, at draws of a law twice as wide as the normal one around it: no search
    from afar, but blind to other modes than that one.

    `sampler="nuts"` (the extra `nuts`) has `ensembles` chains of one walker each that follow the gradient, which fsp
    and nets know, after `hamiltonian.WARMUP` steps that adapt; `steps` and `max_steps` count the others. Initial counts
    have no derivative and are refused, as is `output`. Divergent steps are told by `check()` (KX209).

    Ctrl-C ends the walk; what there is comes back, marked incomplete. A folder `output` keeps the chains
    as they walk; with `resume` those in it, of the same question and seed, are carried on to `steps` (or
    convergence) in all: the draws are to the bit those of a run that was never stopped.

    Raises SettingError for priors wider than a net's box or parameters that are not in the model, and
    DataError for cells that the model cannot produce.
    """
    began = time.process_time()
    asked = Question.of(network, data, prior, measurement=measurement, derived=derived, per_group=per_group)
    given, free = asked.prior, asked.free
    require_way(correct_by)
    by_slope = _by_slope(sampler)
    count = _checked(free, ensembles, walkers, steps, max_steps, exact_draws)
    target = LogPosterior(asked.likelihood(likelihood), free)
    nuts = None
    _require_start(start, target, by_slope=by_slope)
    if by_slope:
        require_hamiltonian(target, walkers, kept=output is not None or resume)
        nuts, count = Hamiltonian(len(free)), 1
    # an exact solver is asked about the same cells: what it refuses is known before the walk
    judge = None if exact is None else asked.likelihood(exact)
    require_members(likelihood, members)
    others = [LogPosterior(asked.likelihood(net), free).likelihood for net in members]
    question = _question(target, given, rng, ensembles, count) | asked.told()
    if start is not None:
        question["start"] = start.u.tolist()
    *streams, last = rng.spawn(ensembles + 1)
    notes: list[str] = []
    with ExitStack() as stack:
        store = None
        if output is not None:
            journal = stack.enter_context(Journal(Path(output), question, resume, notes))
            store = ChainStore(journal)
        begun = None if start is None else from_mode(start)
        way = {"store": store, "path": begun} if nuts is None else {"path": nuts.path, "warmup": nuts.warmup}
        walked = walk(target, count, streams, steps=steps, max_steps=max_steps, progress=progress, **way)
    chains = walked.kept()
    held = chains.thinned()
    values = target.constrained(held.u)
    found = Diagnostics.of(target.walked(held.u), target.names, stride=chains.stride)
    draws, log_density = values.reshape(ensembles, -1, len(free)), _own_units(target, held).reshape(ensembles, -1)
    worth = float(min(found.ess_bulk.min(), found.ess_tail.min()))
    aims = {"aim": exact_draws, "way": correct_by, "worth": worth if np.isfinite(worth) else 1.0}
    u = held.u.reshape(draws.shape)
    exactly = exact_stage(target, judge, u, log_density, rng=last, progress=progress, **aims)  # type: ignore[arg-type]
    gate = None if exactly is None else dict(exactly.gate)
    if others and gate is not None and "efficiency" not in gate:
        flat = draws.reshape(-1, len(free))
        fit, why = log_density.ravel() - target.log_prior(flat), str(gate.get("reason", ""))
        gate |= judged_by_members(target.names, fit, flat, others, reason=why, rng=last)
    before = None
    if exactly is not None and exactly.draws is not None and exactly.log_density is not None:
        before, draws, log_density = (draws, log_density), exactly.draws, exactly.log_density
    return Posterior(
        target.names,
        draws,
        log_density,
        given,
        data,
        network,
        likelihood=told(likelihood),
        diagnostics=found.rows(),
        gate=gate,
        weights=None if exactly is None else exactly.weights,
        before=before,
        converged=found.passes(rhat=RHAT, ess=ESS),
        complete=chains.finished,
        meta={
            "sampler": sampler,
            "settings": {"ensembles": ensembles, "walkers": count, "steps": int(chains.u.shape[1]), "asked": steps},
            "every": chains.stride,
            "acceptance": chains.acceptance,
            **({"members": [told(net) for net in members]} if members else {}),
            **({} if start is None else {"start": start.as_dict()}),
            **({} if nuts is None else {"divergences": _diverged(nuts, chains)}),
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


def _diverged(nuts: Hamiltonian, chains: Chains) -> dict[str, int]:
    """How many of the steps that were kept diverged."""
    count, steps = chains.u.shape[:2]
    return {"count": nuts.divergences(steps), "of": count * steps}


def _own_units(target: LogPosterior, chains: Chains) -> Array:
    """Log-densities of the parameters themselves, no longer of their unconstrained forms: [C, n, W]."""
    u = chains.u.reshape(-1, chains.u.shape[-1])
    return chains.log_density - target.log_jacobian(u).reshape(chains.log_density.shape)


# what a solver is ----------------------------------------------------------------------------------


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


def _by_slope(sampler: str) -> bool:
    """Whether the sampler follows gradients; SettingError for one that there is not."""
    if sampler not in SAMPLERS:
        raise SettingError(f"sampler is {sampler!r}", place="infer", mend=f"use one of {', '.join(SAMPLERS)}")
    return sampler == "nuts"


def _require_start(start: Mode | None, target: LogPosterior, *, by_slope: bool) -> None:
    """SettingError for a mode of other parameters, or for nuts, whose warm-up needs a population."""
    if start is None:
        return
    if by_slope:
        raise SettingError("nuts begins at prior draws", place="start", mend="leave start out, or use emcee")
    if start.names != target.names:
        reason = f"the mode is of {', '.join(start.names)}, the prior of {', '.join(target.names)}"
        raise SettingError(reason, place="start", mend="find the mode with the same prior")


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
