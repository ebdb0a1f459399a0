"""Posteriors by sampling: four independent ensembles of walkers, judged, then held against the exact law.

Walkers walk on unconstrained parameters until the chains agree (R-hat below 1.01, 400 effective draws)
or the steps are used up; the answer says which. The same seed gives the same draws.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from numbers import Integral
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
from .likelihoods.contract import CellLikelihood
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
    require_way(correct_by)
    by_slope = _by_slope(sampler)
    count = _checked(asked.free, ensembles, walkers, steps, max_steps, exact_draws)
    target = LogPosterior(asked.likelihood(likelihood), asked.free)
    _require_start(start, target, by_slope=by_slope)
    nuts = _hamiltonian(target, walkers, kept=output is not None or resume) if by_slope else None
    count = count if nuts is None else 1
    # an exact solver is asked about the same cells: what it refuses is known before the walk
    judge = None if exact is None else asked.likelihood(exact)
    require_members(likelihood, members)
    others = [LogPosterior(asked.likelihood(net), asked.free).likelihood for net in members]
    question = _question(target, asked.prior, rng, ensembles, count) | asked.told()
    question |= {} if start is None else {"start": start.u.tolist()}
    *streams, last = rng.spawn(ensembles + 1)
    notes: list[str] = []
    with _kept(output, question, resume, notes) as store:
        begun = None if start is None else from_mode(start)
        way = {"store": store, "path": begun} if nuts is None else {"path": nuts.path, "warmup": nuts.warmup}
        chains = walk(target, count, streams, steps=steps, max_steps=max_steps, progress=progress, **way).kept()
    found = _judged(target, chains, judge, others, aim=exact_draws, way=correct_by, rng=last, progress=progress)
    settings = {"ensembles": ensembles, "walkers": count, "steps": int(chains.u.shape[1]), "asked": steps}
    meta: dict[str, Any] = {"sampler": sampler, "settings": settings}
    meta |= {"every": chains.stride, "acceptance": chains.acceptance}
    meta |= {"members": [told(net) for net in members]} if members else {}
    meta |= {} if start is None else {"start": start.as_dict()}
    meta |= {} if nuts is None else {"divergences": _diverged(nuts, chains)}
    meta |= {"question": asked.told(), "fingerprint": network.fingerprint, "data": data.digest}
    meta |= {"versions": versions(), "notes": notes, "cpu_seconds": time.process_time() - began}
    about: dict[str, Any] = {"likelihood": told(likelihood), "complete": chains.finished, "meta": meta}
    return Posterior(target.names, **found, prior=asked.prior, data=data, network=network, **about)


def _hamiltonian(target: LogPosterior, walkers: int | None, *, kept: bool) -> Hamiltonian:
    """The chains of nuts, where it can run."""
    require_hamiltonian(target, walkers, kept=kept)
    return Hamiltonian(len(target.names))


@contextmanager
def _kept(
    output: str | Path | None, question: Mapping[str, Any], resume: bool, notes: list[str]
) -> Iterator[ChainStore | None]:
    """Where the chains are written as they walk, if anywhere."""
    if output is None:
        yield None
        return
    with Journal(Path(output), question, resume, notes) as journal:
        yield ChainStore(journal)


def _judged(
    target: LogPosterior,
    chains: Chains,
    judge: CellLikelihood | None,
    members: Sequence[CellLikelihood],
    *,
    aim: int,
    way: str,
    rng: np.random.Generator,
    progress: Progress | None,
) -> dict[str, Any]:
    """What chains say of themselves, and the exact law (or nets of other seeds) of them: fields of a Posterior."""
    held, size = chains.thinned(), len(target.names)
    u = held.u.reshape(len(held.u), -1, size)
    draws = target.constrained(held.u).reshape(u.shape)
    log_density = _own_units(target, held).reshape(u.shape[:2])
    found = Diagnostics.of(target.walked(held.u), target.names, stride=chains.stride)
    worth = float(min(found.ess_bulk.min(), found.ess_tail.min()))
    worth = worth if np.isfinite(worth) else 1.0
    stage = exact_stage(target, judge, u, log_density, aim=aim, way=way, worth=worth, rng=rng, progress=progress)
    gate = None if stage is None else dict(stage.gate)
    if members and gate is not None and "efficiency" not in gate:
        flat = draws.reshape(-1, size)
        fit, why = log_density.ravel() - target.log_prior(flat), str(gate.get("reason", ""))
        gate |= judged_by_members(target.names, fit, flat, members, reason=why, rng=rng)
    before = None
    if stage is not None and stage.draws is not None and stage.log_density is not None:
        before, draws, log_density = (draws, log_density), stage.draws, stage.log_density
    return {
        "draws": draws,
        "log_density": log_density,
        "diagnostics": found.rows(),
        "gate": gate,
        "weights": None if stage is None else stage.weights,
        "before": before,
        "converged": found.passes(rhat=RHAT, ess=ESS),
    }


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
        if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
            mend = f"use a whole number, {low} or more"
            raise SettingError(f"{name} is {value!r}", place="infer", mend=mend)
    if count % 2:
        raise SettingError(f"walkers is {count}", place="infer", mend="use an even number: half of them move at once")
    return count
