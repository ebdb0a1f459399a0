"""The verbs of kinetix: load, parse, solve, infer, compare, open.

Each is a function from values to a value; the wings they need are loaded when they run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kinetix.distribution import Distribution
from kinetix.errors import CheckpointError, SettingError
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.solution import Solution
from kinetix.solver import Solver, require_times

from .choice import is_general, require_arguments, seed_of, solver_of
from .formulas import read_formulas
from .resumed import seed_for

if TYPE_CHECKING:
    from kinetix.inference.data.measurement import Measurement
    from kinetix.inference.observations import Observations
    from kinetix.inference.posterior import Posterior
    from kinetix.inference.time_courses import TimeCourses
    from kinetix.solvers.general.pretrained import GeneralNetwork

    from .study import Study


def load(
    source: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    law: str = "auto",
    scale: float | str | None = None,
) -> ReactionNetwork:
    """Read a model file (.xml, .sbml, .ant, .txt) as a reaction network.

    `law="auto"` turns an unguarded power law k*X**2 of 2 X in SBML into k*X*(X - 1), and says so;
    `"verbatim"` leaves it. `scale` converts moles or concentrations to counts: the
    molecules in one unit of amount, or "units" for what the file's unit definitions say.
    """
    from kinetix import importers

    network: ReactionNetwork = importers.load(source, format=format, law=law, scale=scale)
    return network


def parse(text: str, *, name: str | None = None) -> ReactionNetwork:
    """Read a network from text in the reaction language of kinetix."""
    from kinetix import importers

    network: ReactionNetwork = importers.parse(text, name=name)
    return network


def solve(
    network: ReactionNetwork,
    times: ArrayLike,
    *,
    solver: Solver | type | str = "fsp",
    parameters: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | Distribution | None = None,
    seed: int | None = None,
    **settings: Any,
) -> Solution:
    """How the counts are distributed at `times` [T].

    `solver` is a solver, a name of the catalogue or the folder of a trained net; `settings` are
    those of its dataclass. Parameters and initial counts are given by name. Where `seed` is None
    one is drawn; it stands in the answer's `meta`.
    """
    chosen, number = solver_of(solver, settings), seed_of(seed)
    problem = Problem.of(network, times, parameters=parameters, initial=initial)
    require_times(chosen, problem)
    return chosen.solve(problem, rng=np.random.default_rng(number)).with_meta(seed=number)


def infer(  # noqa: PLR0913 - the face of api.md
    network: ReactionNetwork,
    data: Observations | TimeCourses,
    *,
    prior: Mapping[str, Any],
    likelihood: Solver | str = "fsp",
    exact: Solver | str | None = "auto",
    members: Sequence[Solver | str] = (),
    measurement: Measurement | None = None,
    derived: Mapping[str, Any] | None = None,
    per_group: Sequence[str] = (),
    seed: int | None = None,
    **settings: Any,
) -> Posterior:
    """The posterior of the parameters in `prior` given the cells in `data`.

    A name in `prior` is a parameter of the model; a species, whose initial count is inferred then (give
    `kx.prior.integers(low, high)`); a parameter that the `measurement` names; or one that `derived` uses:
    {"koff": "kon / ratio"} makes koff of two others. Names in `per_group` are inferred for every group of the
    data apart, as `name[group]`; the others are shared.

    `likelihood` is a solver that weighs counts, its name, or the folder of a trained net. `exact`
    (another solver) checks and corrects it: "auto" is FSP for a net, where FSP can answer, and nothing
    for a solver that is exact itself; None leaves a net unchecked, and the posterior says so. `members` are
    nets of other seeds, or their folders: where no exact law answers, their agreement with the first judges it.
    `settings` go to the sampler (see `kinetix.inference.sampling.infer`): `output` is a folder that keeps the
    chains as they walk, and `resume` goes on with those in it, by its own seed where none is given.
    """
    from kinetix.inference import sampling

    if not hasattr(data, "times"):
        mend = "read a table with Observations.read_csv(path), or TimeCourses.read_csv(path)"
        raise SettingError(f"{type(data).__name__} is not Observations", place="data", mend=mend)
    require_arguments(sampling.infer, settings, place="infer")
    number = seed_for(seed, settings.get("output"), resume=bool(settings.get("resume")))
    weigher = require_probabilities(solver_of(likelihood))
    judge = judge_of(exact, weigher)
    posterior: Posterior = sampling.infer(
        network,
        data,
        prior=prior,
        likelihood=weigher,
        exact=judge,
        members=[require_probabilities(solver_of(net)) for net in members],
        measurement=measurement,
        derived=read_formulas(derived),
        per_group=per_group,
        rng=np.random.default_rng(number),
        **settings,
    )
    return posterior.with_meta(seed=number)


def require_probabilities(solver: Solver) -> Solver:
    """The solver, refused by name where it states moments alone, which weigh no counts, or is the general model."""
    from kinetix.solvers.catalogue import CATALOGUE, OfMoments
    from kinetix.solvers.general_model import General

    if isinstance(solver, General) or hasattr(solver, "adapt"):
        reason = "the general model has no certificate over the rates of one network"
        mend = "use kx.general().adapt(network, times=, box=prior, budget=), a net for it, or fsp"
        raise SettingError(reason, place="likelihood", mend=mend)
    for name, entry in CATALOGUE.items():
        if type(solver) is type(entry.solver) and isinstance(entry.promise, OfMoments):
            reason = f"{name} states moments, no probabilities, and cannot weigh counts"
            raise SettingError(reason, place="likelihood", mend="use fsp, or a trained net")
    return solver


def judge_of(exact: Solver | str | None, weigher: Solver) -> Solver | None:
    """The exact solver that a likelihood is held against: see `infer`."""
    if exact == "auto":
        return solver_of("fsp") if hasattr(weigher, "box") else None
    return None if exact is None else require_probabilities(solver_of(exact))


def compare(
    network: ReactionNetwork,
    times: ArrayLike,
    *,
    solvers: Mapping[str, Solver | str] | Sequence[str],
    reference: str | None = None,
    parameters: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
    seed: int | None = None,
) -> Study:
    """The same question put to several solvers, and how far each lies from `reference` (the first by default)."""
    from .study import Study

    named = dict(solvers) if isinstance(solvers, Mapping) else {name: name for name in solvers}
    chosen = {name: solver_of(choice) for name, choice in named.items()}
    if not chosen:
        raise SettingError("there is no solver to compare", place="solvers", mend="name at least one")
    first = reference if reference is not None else next(iter(chosen))
    problem = Problem.of(network, times, parameters=parameters, initial=initial)
    return Study.of(problem, chosen, reference=first, seed=seed_of(seed))


def general(folder: str | Path | None = None) -> GeneralNetwork:
    """The general model that comes with kinetix, or the one that `kinetix pretrain` wrote to `folder`.

    It answers for networks that it has never seen (`kinetix.solve(..., solver="general")` asks it), `survey` asks it
    of many at once, and `adapt` makes a net for one network of it.
    """
    from kinetix.solvers.general.pretrained import GeneralNetwork

    return GeneralNetwork.packaged() if folder is None else GeneralNetwork.open(folder)


def open(path: str | Path) -> Any:  # noqa: A001 - the public name
    """Read back what kinetix saved: a Solution or Posterior (.nc), or a trained net or general net (a folder)."""
    place = Path(path)
    if place.is_dir():
        if is_general(place):
            return general(place)
        from kinetix.solvers.nets.checkpoint import load_net

        return load_net(place)
    if not place.exists():
        raise CheckpointError("there is no such file or folder", file=str(place), mend="check the path")
    if place.suffix != ".nc":
        raise CheckpointError(
            "not a file that kinetix saves", file=str(place), mend="give a .nc file or a net's folder"
        )
    from kinetix.solution_reader import load_solution
    from kinetix.solution_writer import FORMAT

    if _format(place) == FORMAT:
        return load_solution(place)
    from kinetix.inference.posterior import Posterior

    return Posterior.load(place)


def _format(path: Path) -> str:
    """What a netCDF file says it is, or "" where it does not say or cannot be read."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            value = file.attrs.get("format", "")
            return value.decode() if isinstance(value, bytes) else str(value)
    except OSError as problem:
        if problem.errno is not None:
            raise
        raise CheckpointError("damaged, or not netCDF", file=str(path), mend="make the file again") from problem
