"""The log-posterior as samplers see it: a vectorised function of real numbers without bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import RunError, SettingError

from .likelihoods.contract import CellLikelihood
from .unknowns.prior_base import Prior
from .unknowns.prior_counts import Integers

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LogPosterior:
    """Log-likelihood + log-prior + log-Jacobian at unconstrained u, in the order of `likelihood.names`.

    -inf outside the support, never clamped to it; a solver's failure and NaN stop the run with their
    error. Vectors without prior density are not shown to the solver.
    """

    likelihood: CellLikelihood
    prior: Mapping[str, Prior]

    def __post_init__(self) -> None:
        if missing := [n for n in self.names if n not in self.prior]:
            raise SettingError(f"{missing[0]!r} has no prior", place="prior", mend="give every parameter one")
        self.likelihood.require_prior(self.prior)

    @property
    def names(self) -> tuple[str, ...]:
        """The sampled parameters, P of them."""
        return self.likelihood.names

    def __call__(self, u: ArrayLike) -> Array:
        """The log-density of unconstrained vectors: [B, P] -> [B]."""
        base, fit = self.parts(u)
        return base + fit

    def parts(self, u: ArrayLike) -> tuple[Array, Array]:
        """Log-prior density of u (Jacobian included) and log-likelihood: [B, P] -> [B], [B].

        Where the prior is -inf the likelihood is not asked, and is -inf too.
        """
        values = np.atleast_2d(np.asarray(u, dtype=np.float64))
        thetas = self.constrained(values)
        base = self.log_prior(thetas)
        possible = np.isfinite(base) & np.isfinite(thetas).all(axis=1)
        base[possible] += self.log_jacobian(values[possible])
        if np.isnan(base).any():
            b = int(np.argmax(np.isnan(base)))
            raise RunError(f"the prior density is not a number at {self._told(thetas[b])}", place="prior")
        possible &= np.isfinite(base)
        fit = np.full(len(values), -np.inf)
        if possible.any():
            fit[possible] = self.likelihood(thetas[possible])
        return np.where(possible, base, -np.inf), fit

    def log_prior(self, thetas: ArrayLike) -> Array:
        """Log-prior density in the parameters' own units: [B, P] -> [B]; -inf outside the support."""
        values = np.atleast_2d(np.asarray(thetas, dtype=np.float64))
        columns = [self.prior[n].log_density(values[:, i]) for i, n in enumerate(self.names)]
        return np.asarray(np.sum(columns, axis=0))

    def constrained(self, u: ArrayLike) -> Array:
        """Parameters of unconstrained vectors: [..., P] -> [..., P]."""
        values = np.asarray(u, dtype=np.float64)
        return np.stack([self.prior[n].from_unconstrained(values[..., i]) for i, n in enumerate(self.names)], axis=-1)

    def walked(self, u: ArrayLike) -> Array:
        """The real numbers that chains walk on, in the parameters' own units: [..., P] -> [..., P].

        Those of whole parameters lie within half a unit of them; by these their chains are judged, for a count that
        the data settle is the same in every draw.
        """
        values = np.asarray(u, dtype=np.float64)
        columns = [
            (p.walked if isinstance(p, Integers) else p.from_unconstrained)(values[..., i])
            for i, p in enumerate(self.prior[n] for n in self.names)
        ]
        return np.stack(columns, axis=-1)

    def unconstrained(self, thetas: ArrayLike) -> Array:
        """Unconstrained vectors of parameters: [..., P] -> [..., P]."""
        values = np.asarray(thetas, dtype=np.float64)
        return np.stack([self.prior[n].to_unconstrained(values[..., i]) for i, n in enumerate(self.names)], axis=-1)

    def draw_prior(self, n: int, *, rng: np.random.Generator) -> Array:
        """Independent draws of the prior, unconstrained: [n, P]."""
        drawn = [
            p.sample_unconstrained(rng, n) if isinstance(p, Integers) else p.to_unconstrained(p.sample(rng, n))
            for p in (self.prior[name] for name in self.names)
        ]
        return np.stack(drawn, axis=-1)

    def log_jacobian(self, u: Array) -> Array:
        """Log-volume of the parameters' own units at unconstrained vectors: [B, P] -> [B]."""
        return np.asarray(np.sum([self.prior[n].log_jacobian(u[:, i]) for i, n in enumerate(self.names)], axis=0))

    def _told(self, theta: Array) -> str:
        return ", ".join(f"{n} = {v:g}" for n, v in zip(self.names, theta, strict=True))
