"""Experiments with a known truth: parameters from the prior, cells from the model, and what inference makes of them.

What simulation-based calibration repeats: S. Talts et al., arXiv:1804.06788 (2018). The log-likelihood is
ranked too: it sees data that were ignored, as when the prior comes back as posterior, where the
parameters' ranks are uniform. M. Modrák et al., Bayesian Anal. 20 (2025) 461, doi:10.1214/23-BA1404.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import KinetixError, RunError, SettingError, require_known
from kinetix.inference.observations import Observations
from kinetix.inference.posterior import Posterior
from kinetix.inference.priors import split_fixed
from kinetix.inference.question import Question
from kinetix.inference.unknowns.prior_base import Prior
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.solver import Solver

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Design:
    """What is known before the cells: the model, priors of its parameters, and which cells will be seen.

    `cells` [T] at `times` [T] (distinct, increasing), of which `species` (D names) are counted. A name in
    `prior` is a parameter, or a species: its initial count.
    """

    network: ReactionNetwork
    prior: Mapping[str, Prior]
    times: Array
    cells: Counts
    species: tuple[str, ...]

    @classmethod
    def of(
        cls,
        network: ReactionNetwork,
        prior: Mapping[str, Prior],
        times: ArrayLike,
        cells: int | Sequence[int],
        species: Sequence[str] | None = None,
    ) -> Design:
        """A checked design; `species` are all by default, one number of `cells` holds for every time."""
        at = np.atleast_1d(np.asarray(times, dtype=np.float64))
        if at.ndim != 1 or not len(at) or np.isnan(at).any() or at[0] < 0 or (np.diff(at) <= 0).any():
            raise SettingError(f"times are {at.tolist()}", place="times", mend="give increasing numbers from 0 up")
        seen = np.asarray(cells)
        if seen.dtype.kind not in "iu" or (seen < 1).any() or seen.shape not in {(), (1,), at.shape}:
            raise SettingError(f"cells is {cells!r}", place="cells", mend="give one whole number, or one a time")
        names = network.species_names if species is None else tuple(species)
        require_known(names, network.species_names, "species")
        if not names or len(set(names)) < len(names):
            raise SettingError(f"the observed species are {', '.join(names) or 'none'}", place="species")
        free, _ = split_fixed(prior)
        if not free:
            raise SettingError("no parameter is free", place="prior", mend="give one a prior that is not a number")
        require_known(prior, (*network.theta_names, *network.species_names), "parameter or species")
        return cls(network, prior, at, np.broadcast_to(seen, at.shape).astype(np.int64), names)

    @property
    def free(self) -> dict[str, Prior]:
        """The priors that are sampled, P of them."""
        return split_fixed(self.prior)[0]

    def problem(self, theta: ArrayLike | None = None) -> Problem:
        """The problem at parameters `theta` [P]; those of the model where it is None."""
        free, fixed = split_fixed(self.prior)
        values = {} if theta is None else dict(zip(free, map(float, np.asarray(theta)), strict=True))
        known = {**fixed, **values}
        starts = {name: known.pop(name) for name in list(known) if name in self.network.species_names}
        return Problem.of(self.network, self.times, parameters=known, initial=starts or None)

    def truth(self, rng: np.random.Generator) -> Array:
        """One draw of the prior: [P]."""
        return np.array([float(prior.sample(rng, 1)[0]) for prior in self.free.values()])

    def observed(self, solver: Solver, theta: ArrayLike, *, rng: np.random.Generator) -> Observations:
        """New cells from the laws of `solver` at `theta`; a solver that draws trajectories draws one a cell."""
        axes = [self.network.species_names.index(name) for name in self.species]
        if has_paths := "paths" in _settings(solver):
            solver = replace(solver, paths=int(self.cells.sum()))  # type: ignore[type-var]
        found = solver.solve(self.problem(theta), rng=rng)
        if has_paths and found.trajectories is not None:
            ends = np.cumsum(self.cells)
            parts = [found.trajectories[e - n : e, k] for k, (e, n) in enumerate(zip(ends, self.cells, strict=True))]
            counts = np.concatenate(parts)[:, axes]
        else:
            drawn = zip(found.laws, self.cells.tolist(), strict=True)
            counts = np.concatenate([law.marginal(axes).sample(n, rng=rng) for law, n in drawn])
        return Observations.from_counts(self.species, np.repeat(self.times, self.cells), counts)


class Sampler(Protocol):
    """A way to a posterior: `draws` draws [L, P] of it, or a whole Posterior, from cells."""

    def __call__(  # noqa: D102
        self, design: Design, data: Observations, *, draws: int, rng: np.random.Generator
    ) -> Array | Posterior: ...


@dataclass(frozen=True)
class ByInfer:
    """The sampler that `infer` is, with its `settings`."""

    likelihood: Solver
    exact: Solver | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, design: Design, data: Observations, *, draws: int, rng: np.random.Generator) -> Posterior:
        """The posterior; its draws are taken from it later."""
        from kinetix.inference.sampling import infer

        solvers = {"likelihood": self.likelihood, "exact": self.exact}
        return infer(design.network, data, prior=design.prior, rng=rng, **solvers, **self.settings)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Experiment:
    """A task for `fan_out`: one truth, its cells, `draws` draws of the posterior, and where the truth stands.

    The result holds `truth`, `mean` and `sd` [P] (the last two on the scale of the prior: the logarithm
    where it spreads over orders of magnitude), `ranks` [P + 1] of the parameters and then of the
    log-likelihood, and `why` the posterior is not to be trusted ("" where it is).
    """

    design: Design
    simulator: Solver
    likelihood: Solver
    sampler: Sampler
    draws: int

    def __call__(self, i: int, rng: np.random.Generator) -> dict[str, Any]:
        """Run i; a failure is raised with the number and the truth of the run: leaving it out would flatter."""
        truth = self.design.truth(rng)
        try:
            return self._result(truth, rng)
        except KinetixError as problem:
            named = zip(self.design.free, truth, strict=True)
            place = f"run {i} at {', '.join(f'{name} = {value:.4g}' for name, value in named)}"
            raise RunError(f"{problem.place}: {problem.reason}", place=place, mend=problem.mend) from problem

    def _result(self, truth: Array, rng: np.random.Generator) -> dict[str, Any]:
        names = tuple(self.design.free)
        data = self.design.observed(self.simulator, truth, rng=rng)
        found = self.sampler(self.design, data, draws=self.draws, rng=rng)
        chosen = found.resample(self.draws, rng=rng) if isinstance(found, Posterior) else np.asarray(found, dtype=float)
        if chosen.shape != (self.draws, len(names)) or not np.isfinite(chosen).all():
            raise RunError(f"the sampler gave {list(chosen.shape)} draws, not {[self.draws, len(names)]} finite ones")
        asked = Question.of(self.design.network, data, self.design.prior)
        fit = asked.likelihood(self.likelihood)(np.vstack([truth, chosen]))
        values = np.column_stack([np.vstack([truth, chosen]), fit])
        scaled = on_scale(chosen, self.design.free)
        return {
            "truth": truth.tolist(),
            "ranks": ranks_of(values[0], values[1:], rng).tolist(),
            "mean": scaled.mean(axis=0).tolist(),
            "sd": scaled.std(axis=0, ddof=1).tolist(),
            "why": _doubt(found) if isinstance(found, Posterior) else "",
        }


def ranks_of(truth: Array, draws: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many draws [L, Q] lie below the truth [Q], among equal ones a random share: [Q]."""
    below, equal = (draws < truth).sum(axis=0), (draws == truth).sum(axis=0)
    return np.asarray(below + rng.integers(0, equal + 1), dtype=np.int64)


def on_scale(theta: Array, prior: Mapping[str, Prior]) -> Array:
    """Parameters [..., P] on the scales of their priors: the logarithm where they spread over orders of magnitude."""
    columns = [np.log(theta[..., i]) if p.log_scale else theta[..., i] for i, p in enumerate(prior.values())]
    return np.stack(columns, axis=-1)


def _doubt(posterior: Posterior) -> str:
    """Why a posterior is not to be trusted, in a word."""
    doubts = ((posterior.complete, "stopped"), (posterior.converged, "not converged"))
    return next((word for good, word in (*doubts, (posterior.certified, "not certified")) if not good), "")


def _settings(solver: Solver) -> set[str]:
    return {f.name for f in fields(solver) if f.init} if is_dataclass(solver) else set()
