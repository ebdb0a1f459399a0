"""Verbs about trust: whether posteriors are calibrated, what data could tell, many data sets at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kinetix.errors import SettingError
from kinetix.network import ReactionNetwork
from kinetix.solver import Solver

from .choice import require_arguments, seed_of, solver_of
from .resumed import seed_for
from .verbs import judge_of, require_probabilities

if TYPE_CHECKING:
    from kinetix.inference.calibration import Calibration
    from kinetix.inference.observations import Observations
    from kinetix.inference.posterior import Posterior
    from kinetix.inference.posteriors.fisher import Fisher
    from kinetix.inference.samplers.chains import Progress
    from kinetix.inference.samplers.mode import Mode
    from kinetix.inference.studies.comparison import Comparison
    from kinetix.inference.studies.experiments import Sampler
    from kinetix.inference.studies.many import Many


def calibrate(  # noqa: PLR0913 - one argument a part of the experiment
    network: ReactionNetwork,
    *,
    prior: Mapping[str, Any],
    times: ArrayLike,
    cells: int | Sequence[int],
    species: Sequence[str] | None = None,
    likelihood: Solver | str = "fsp",
    exact: Solver | str | None = "auto",
    simulator: Solver | str = "ssa",
    sampler: Sampler | str | None = None,
    runs: int = 300,
    draws: int = 99,
    seed: int | None = None,
    jobs: int | None = 1,
    output: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Calibration:
    """Whether inference with these settings is right on average over the prior: simulation-based calibration.

    `runs` times, parameters from `prior` make `cells` (one number, or one a time) at `times`, of which `species`
    are counted (all by default); `infer` with `likelihood`, `exact` and `settings` gets them; the ranks of the
    truth among `draws` posterior draws must be uniform, those of the log-likelihood too. Cells come from
    `simulator`, by default trajectories, which share no code with fsp. `sampler` stands in for `infer`;
    the name of one ("emcee", "nuts") goes to it.

    The numbers depend on `seed` alone, for any number of `jobs` (-1: all cores; None: as joblib's backend is
    set around the call). Runs are kept in the folder `output`; with `resume` they go on to `runs` in all.
    """
    from kinetix.inference import calibration, sampling
    from kinetix.inference.priors import from_table
    from kinetix.inference.studies.experiments import Design

    require_arguments(sampling.infer, settings, place="calibrate")
    if isinstance(sampler, str):
        sampler, settings = None, {**settings, "sampler": sampler}
    weigher = require_probabilities(solver_of(likelihood))
    design = Design.of(network, from_table(prior), times, cells, species)
    return calibration.calibrate(
        design,
        likelihood=weigher,
        simulator=require_probabilities(solver_of(simulator)),
        root=seed_for(seed, output, resume=resume),
        sampler=sampler,
        exact=judge_of(exact, weigher),
        runs=runs,
        draws=draws,
        jobs=jobs,
        output=output,
        resume=resume,
        progress=progress,
        settings=settings,
    )


def fisher(
    network: ReactionNetwork,
    times: ArrayLike,
    *,
    species: Sequence[str] | None = None,
    cells: int | Sequence[int] = 1,
    parameters: Sequence[str] | None = None,
    values: Mapping[str, float] | None = None,
    solver: Solver | str = "fsp",
) -> Fisher:
    """What `cells` (one number, or one a time) seen at `times` can tell about parameters, before there are any.

    The Fisher information of every time and observable, by exact sensitivities: bounds of what any estimate can
    reach, products of parameters that stay open, and the times that would add most. `species` are counted (all
    by default); `parameters` (all) at `values`, else at the model's own.
    """
    from kinetix.inference.posteriors.fisher import fisher as information

    asked = {"species": species, "cells": cells, "parameters": parameters, "values": values}
    return information(network, times, solver=solver_of(solver), **asked)  # type: ignore[arg-type]


def compare_models(
    posteriors: Mapping[str, Posterior],
    *,
    likelihood: Solver | str | Mapping[str, Solver | str] = "fsp",
    draws: int = 1000,
    seed: int | None = None,
) -> Comparison:
    """Models of the same cells by how well each foretells a cell that it has not seen (PSIS-LOO).

    `likelihood` weighs the cells: one solver for all models, or one by name.
    """
    from kinetix.inference.studies.comparison import compare_models as compared

    named = likelihood if isinstance(likelihood, Mapping) else dict.fromkeys(posteriors, likelihood)
    if missing := [name for name in posteriors if name not in named]:
        raise SettingError(f"there is no solver for {missing[0]!r}", place="likelihood", mend="name one for each model")
    solvers = {name: require_probabilities(solver_of(named[name])) for name in posteriors}
    return compared(posteriors, solvers, rng=np.random.default_rng(seed_of(seed)), draws=draws)


def infer_many(  # noqa: PLR0913 - one argument a part of the question
    network: ReactionNetwork,
    tables: Mapping[str, Observations],
    *,
    prior: Mapping[str, Any],
    likelihood: Solver | str = "fsp",
    exact: Solver | str | None = "auto",
    seed: int | None = None,
    jobs: int | None = 1,
    output: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Many:
    """The same inference for many tables of cells (genes, conditions), and one table of answers.

    `tables` maps names to Observations; the other arguments are those of `infer`. A table that cannot be
    answered is a row that says why. The numbers depend on `seed` alone, for any number of `jobs` (-1: all
    cores; None: as joblib's backend is set around the call). Rows are kept in the folder `output`; `resume`
    makes those that are missing.
    """
    from kinetix.inference import sampling
    from kinetix.inference.studies import many

    require_arguments(sampling.infer, settings, place="infer_many")
    weigher = require_probabilities(solver_of(likelihood))
    return many.infer_many(
        network,
        tables,
        prior=prior,
        likelihood=weigher,
        exact=judge_of(exact, weigher),
        root=seed_for(seed, output, resume=resume),
        jobs=jobs,
        output=output,
        resume=resume,
        progress=progress,
        settings=settings,
    )


def find_mode(
    network: ReactionNetwork,
    data: Observations,
    *,
    prior: Mapping[str, Any],
    likelihood: Solver | str = "fsp",
    seed: int | None = None,
    starts: int = 4,
) -> Mode:
    """The most probable parameters and the normal law around them (Laplace), in seconds: a first look, no posterior.

    The arguments are those of `infer`; `likelihood` must know its gradient (fsp, or a net). `starts` searches
    climb from the best of many prior draws, and the answer says how many agree.
    """
    from kinetix.inference.samplers.mode import find_mode as found

    rng, weigher = np.random.default_rng(seed_of(seed)), require_probabilities(solver_of(likelihood))
    return found(network, data, prior=prior, likelihood=weigher, rng=rng, starts=starts)
