"""Verbs about trust: whether posteriors are calibrated, what data could tell, many data sets at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from kinetix.network import ReactionNetwork
from kinetix.solver import Solver

from .choice import require_arguments, solver_of
from .resumed import seed_for
from .verbs import judge_of, require_probabilities

if TYPE_CHECKING:
    from kinetix.inference.calibration import Calibration
    from kinetix.inference.chains import Progress
    from kinetix.inference.experiments import Sampler


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
    sampler: Sampler | None = None,
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
    `simulator`, by default trajectories, which share no code with fsp. `sampler` stands in for `infer`.

    The numbers depend on `seed` alone, for any number of `jobs` (-1: all cores; None: as joblib's backend is
    set around the call). Runs are kept in the folder `output`; with `resume` they go on to `runs` in all.
    """
    from kinetix.inference import calibration, sampling
    from kinetix.inference.experiments import Design
    from kinetix.inference.priors import from_table

    require_arguments(sampling.infer, settings, place="calibrate")
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
