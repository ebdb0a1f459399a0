"""The gradient of a likelihood by what is sampled: the solver's derivatives, through readings and expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinetix.distribution import Distribution
from kinetix.errors import UnsupportedFeature
from kinetix.solver import GradientSolver

from .snapshots import Snapshots

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def gradient(likelihood: Snapshots, values: Array) -> tuple[Array, Array]:
    """Log-likelihoods and their derivatives by the sampled parameters: [B, P] -> [B], [B, P].

    NaN where the log-likelihood is -inf. UnsupportedFeature for solvers that know no derivatives and for
    sampled initial counts, which have none.
    """
    _require_smooth(likelihood)
    logs, slopes = np.full(len(values), -np.inf), np.full(values.shape, np.nan)
    inside = np.flatnonzero(likelihood.inside(values))
    if len(inside):
        ((initial, _),) = likelihood.starts(values[inside])
        logs[inside], slopes[inside] = _summed(likelihood, initial, values[inside])
    slopes[~np.isfinite(logs)] = np.nan
    return logs, slopes


def _summed(likelihood: Snapshots, initial: Distribution, values: Array) -> tuple[Array, Array]:
    """The sum over rows, inside what can be weighed; derivatives by the chain rule."""
    parameters = likelihood.parameters
    theta_names = likelihood.problem.model.network.theta_names
    moved = [name for name in parameters.moved if name in theta_names]
    noise = {n: parameters.values(n, values) for n in parameters.noise}
    inner = np.stack([parameters.slopes(n, values) for n in (*moved, *noise)], axis=1)  # [B, K, P]
    logs, slopes = np.zeros(len(values)), np.zeros((len(values), inner.shape[1]))
    data = likelihood.data
    later = [k for k, t in enumerate(data.times) if t > 0]
    for k in sorted({*range(len(data.times))} - set(later)):
        _, repeats = data.rows[k]
        for b in range(len(values)):
            at = {n: float(v[b]) for n, v in noise.items()}
            logs[b] += repeats @ likelihood.reading.of_law(k, initial, at)
            rises = [repeats @ likelihood.reading.slopes_of_law(k, initial, at, name) for name in noise]
            slopes[b, len(moved) :] += rises
    if later:
        places = [theta_names.index(name) for name in moved]
        found, rises_by_time = _asked(likelihood, initial, values, later, places)
        for k, log_p, rise in zip(later, found, rises_by_time, strict=True):
            likelihood.refuse_nonsense(log_p, values)
            logs += log_p @ data.rows[k][1]
            slopes += np.einsum("bup,u->bp", rise, data.rows[k][1])
    with np.errstate(invalid="ignore"):
        return logs, np.einsum("bk,bkp->bp", slopes, inner)


def _asked(
    likelihood: Snapshots, initial: Distribution, values: Array, later: Sequence[int], places: Sequence[int]
) -> tuple[list[Array], list[Array]]:
    """Log-probabilities of the rows at the times `later` and their derivatives by theta at `places`, then the noise."""
    solver, parameters = likelihood.solver, likelihood.parameters
    assert isinstance(solver, GradientSolver)
    thetas, axes = parameters.theta(values), list(likelihood.reading.observables.axes)
    problem = replace(likelihood.problem, times=likelihood.data.times[list(later)], initial=initial)
    noise = {n: parameters.values(n, values) for n in parameters.noise}

    def ask(rows: Sequence[Counts], which: NDArray[np.intp]) -> tuple[list[Array], list[Array]]:
        rng = np.random.default_rng(likelihood.seed)
        if not places:  # the measurement alone is inferred
            logs = solver.log_prob_batch(problem, thetas[which], rows, axes, rng=rng)
            return logs, [np.zeros((*log_p.shape, 0)) for log_p in logs]
        return solver.log_prob_gradient_batch(problem, thetas[which], rows, axes, places, rng=rng)

    return likelihood.reading.slopes_of_batch(ask, later, noise, len(values))


def _require_smooth(likelihood: Snapshots) -> None:
    solver = likelihood.solver
    if not isinstance(solver, GradientSolver):
        reason = f"{type(solver).__name__} knows no derivatives of its probabilities"
        raise UnsupportedFeature(reason, place="likelihood", mend="use fsp or a trained MET, or a sampler without them")
    if likelihood.reading.by_law:
        reason = "sums of so many counts are weighed by whole laws, which have no derivatives here"
        raise UnsupportedFeature(reason, place="likelihood", mend="use a sampler without gradients")
    require_rates(likelihood)


def require_rates(likelihood: Snapshots) -> None:
    """UnsupportedFeature where initial counts are sampled."""
    if counts := likelihood.parameters.counts:
        reason = f"{counts[0]!r} is an initial count, and by a whole number there is no derivative"
        raise UnsupportedFeature(reason, place="likelihood", mend="use a sampler without gradients")
