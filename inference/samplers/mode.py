"""The most probable parameters, and the normal law around them (Laplace): a first look in seconds, no posterior.

The mode is that of the density on the unconstrained scale, where a normal law fits best (logarithms of rates);
it does not sit at the edge of a prior. BFGS from the best of many prior draws, by exact gradients; by differences
where laws switch at times or events act, of which no solver knows the derivatives. Use `infer` for what is to be
believed: a normal law knows no ridge that bends and no second mode. Its chains may begin here (`start=`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import DataError, RunError, SettingError
from kinetix.inference.log_posterior import LogPosterior
from kinetix.inference.observations import Observations
from kinetix.inference.posteriors.fisher import product_of
from kinetix.inference.question import Question
from kinetix.network import ReactionNetwork
from kinetix.solver import Solver

from .slopes import by_differences, knows_derivatives, with_gradient

Array = NDArray[np.float64]
Slope = Callable[[LogPosterior, Array], tuple[Array, Array]]

WIDE = 2.0
"""How many times as wide as the normal law walkers are spread that begin at a mode."""

TRIES = 100
"""Draws a walker of that wider law, until one has a density."""

CANDIDATES = 32
"""Prior draws of which the best ones are climbed from, for each start."""

NEAR = 0.05
"""Log-densities that differ by less belong to one mode."""

CURVED, COARSE = 1e-4, 3e-3
"""Step of the differences of gradients that the curvature is taken from; where those are differences themselves."""

WORST = 1e25
"""What the search is told where the posterior is 0."""


@dataclass(frozen=True, eq=False)
class Mode:
    """The mode `u` [P] on the unconstrained scale, `theta` [P] in the parameters' own units, and the normal law there.

    `covariance` [P, P] is that of u. `log_density` is the log-posterior of u at the mode, up to a constant.
    `agreeing` of `starts` searches ended there.
    """

    target: LogPosterior
    u: Array
    log_density: float
    covariance: Array
    agreeing: int
    starts: int

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters."""
        return self.target.names

    @property
    def theta(self) -> Array:
        """The most probable parameters: [P]."""
        return self.target.constrained(self.u)

    def draws(self, n: int, *, rng: np.random.Generator) -> Array:
        """Draws of the normal law, in the parameters' own units: [n, P]."""
        return self.target.constrained(rng.multivariate_normal(self.u, self.covariance, size=n))

    def walkers(self, n: int, *, rng: np.random.Generator) -> Array:
        """Unconstrained starts for walkers, wider spread than the normal law: [n, P].

        RunError where that law leads to impossible parameters again and again.
        """
        found = np.empty((0, len(self.u)))
        for _ in range(TRIES):
            drawn = rng.multivariate_normal(self.u, WIDE**2 * self.covariance, size=n - len(found))
            found = np.concatenate([found, drawn[np.isfinite(self.target(drawn))]])
            if len(found) == n:
                return found
        raise RunError("the normal law around the mode leads to impossible parameters", place="start", mend="leave it")

    def interval(self, inside: float = 0.9) -> Array:
        """The central interval of each parameter under the normal law: [P, 2]."""
        from scipy.stats import norm

        reach = float(norm.isf((1 - inside) / 2)) * np.sqrt(np.diag(self.covariance))
        return self.target.constrained(np.stack([self.u - reach, self.u + reach])).T

    def __str__(self) -> str:
        lines = [f"most probable parameters ({self.agreeing} of {self.starts} searches agree), 90 % by a normal law"]
        for name, value, (low, high) in zip(self.names, self.theta, self.interval(), strict=True):
            lines.append(f"  {name:<16}{value:>12.5g}   {low:.4g} to {high:.4g}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "parameters": dict(zip(self.names, self.theta.tolist(), strict=True)),
            "intervals": dict(zip(self.names, self.interval().tolist(), strict=True)),
            "log_density": self.log_density,
            "agreeing": self.agreeing,
            "starts": self.starts,
        }


def find_mode(
    network: ReactionNetwork,
    data: Observations,
    *,
    prior: Mapping[str, Any],
    likelihood: Solver,
    rng: np.random.Generator,
    starts: int = 4,
) -> Mode:
    """The mode of the posterior that `infer` samples, with a likelihood that knows its gradient (fsp or a net).

    RunError where the posterior is flat there along some product of parameters, DataError where the data are
    impossible at every prior draw.
    """
    if starts < 1:
        raise SettingError(f"starts is {starts}", place="find_mode", mend="give 1 or more")
    asked = Question.of(network, data, prior)
    if not asked.free:
        raise SettingError("no parameter is free", place="prior", mend="give one a prior that is not a number")
    target = LogPosterior(asked.likelihood(likelihood), asked.free)
    candidates = target.draw_prior(CANDIDATES * starts, rng=rng)
    level = target(candidates)
    if not np.isfinite(level).any():
        reason = f"the data are impossible under all of {len(candidates)} draws of the prior"
        raise DataError(reason, place="likelihood", mend="check the model, the observed columns and the prior")
    best = [k for k in np.argsort(-level)[:starts] if np.isfinite(level[k])]
    exact = knows_derivatives(target, candidates[best[0]])
    slope, step = (with_gradient, CURVED) if exact else (by_differences, COARSE)
    ends = [_climbed(target, slope, candidates[k]) for k in best]
    heights = np.array([height for _, height in ends])
    u, height = ends[int(heights.argmax())]
    return Mode(target, u, height, _covariance(target, slope, u, step), int((heights > height - NEAR).sum()), len(ends))


def _climbed(target: LogPosterior, slope_of: Slope, u: Array) -> tuple[Array, float]:
    """Where the search from u [P] ends, and how high."""
    from scipy.optimize import minimize

    def downhill(v: Array) -> tuple[float, Array]:
        value, slope = slope_of(target, v[None])
        if not (np.isfinite(value[0]) and np.isfinite(slope[0]).all()):
            return WORST, np.zeros(len(v))
        return -float(value[0]), -slope[0]

    found = minimize(downhill, u, jac=True, method="BFGS", options={"gtol": 1e-4, "maxiter": 200})
    return np.asarray(found.x, dtype=np.float64), -float(found.fun)


def _covariance(target: LogPosterior, slope_of: Slope, u: Array, step: float) -> Array:
    """The inverse curvature at u: [P, P]."""
    steps = step * np.eye(len(u))
    _, slopes = slope_of(target, np.concatenate([u + steps, u - steps]))
    curvature = -(slopes[: len(u)] - slopes[len(u) :]) / (2 * step)
    curvature = (curvature + curvature.T) / 2
    if not np.isfinite(curvature).all():
        raise RunError("the posterior has no curvature at its mode", place="find_mode", mend="use infer")
    values, vectors = np.linalg.eigh(curvature)
    if values[0] <= 1e-9 * values[-1]:
        open_ = product_of(dict(zip(target.names, vectors[:, 0].tolist(), strict=True)))
        raise RunError(f"the posterior is flat at its mode along {open_}", place="find_mode", mend="use infer")
    return np.asarray(np.linalg.inv(curvature))
