"""The draws of a posterior: their density and weights, and what was found about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import SettingError
from kinetix.network import ReactionNetwork

from .misfits import PredictiveCheck
from .quantiles import weighted_quantile

if TYPE_CHECKING:
    from kinetix.inference.priors import Prior
    from kinetix.inference.time_courses import Cells

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PosteriorDraws:
    """The fields of a `Posterior`, which says what each of them is; moments, quantiles and verdicts."""

    names: tuple[str, ...]
    draws: Array
    log_density: Array
    prior: Mapping[str, Prior]
    data: Cells
    network: ReactionNetwork
    likelihood: Mapping[str, Any] = field(default_factory=dict)
    diagnostics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    gate: Mapping[str, Any] | None = None
    weights: Array | None = None
    converged: bool = False
    complete: bool = True
    predictive: PredictiveCheck | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[Array, Array] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "names", tuple(self.names))
        put(self, "draws", np.asarray(self.draws, dtype=np.float64))
        put(self, "log_density", np.asarray(self.log_density, dtype=np.float64))
        if self.draws.ndim != 3 or self.draws.shape[2] != len(self.names) or 0 in self.draws.shape:
            raise SettingError(f"draws are [chains, n, {len(self.names)}], not {list(self.draws.shape)}")
        if self.log_density.shape != self.draws.shape[:2]:
            raise SettingError(f"log densities are {list(self.draws.shape[:2])}, not {list(self.log_density.shape)}")
        if missing := [n for n in self.names if n not in self.prior]:
            raise SettingError(f"no prior for {missing[0]!r}", place="prior", mend="give every parameter one")
        if self.weights is not None:
            put(self, "weights", _normalised(self.weights, self.log_density.shape))

    def __repr__(self) -> str:
        """One line: of what, from how many cells and draws, and whether to be trusted."""
        chains, n, _ = self.draws.shape
        trust = "trusted" if self.trusted else "not to be trusted yet: see check()"
        return f"<Posterior: {', '.join(self.names)} from {self.data.cells} cells, {chains} x {n} draws, {trust}>"

    # what is known of the parameters ---------------------------------------------------------------

    @property
    def flat(self) -> Array:
        """The draws of all chains, one after another: [C*n, P]."""
        return self.draws.reshape(-1, len(self.names))

    @property
    def flat_weights(self) -> Array:
        """The weight of each draw of `flat`, equal ones where there are none: [C*n]."""
        if self.weights is None:
            return np.full(self.log_density.size, 1 / self.log_density.size)
        return self.weights.ravel()

    @property
    def log_likelihood(self) -> Array:
        """The log-likelihood of the draws, up to the constant of `log_density`: [C, n]."""
        priors = [self.prior[name].log_density(self.draws[:, :, i]) for i, name in enumerate(self.names)]
        return np.asarray(self.log_density - np.sum(priors, axis=0))

    def mean(self) -> Array:
        """Posterior means: [P]."""
        return np.asarray(self.flat_weights @ self.flat)

    def sd(self) -> Array:
        """Posterior standard deviations: [P]."""
        w = self.flat_weights
        spread = w @ (self.flat - self.mean()) ** 2
        return np.asarray(np.sqrt(spread / max(1 - float(w @ w), 1e-300)))

    def quantile(self, q: ArrayLike) -> Array:
        """Posterior quantiles: [P] for one `q`, [Q, P] for several."""
        at = np.atleast_1d(np.asarray(q, dtype=np.float64))
        w = self.flat_weights
        columns = [weighted_quantile(x, w, at) for x in self.flat.T]
        return np.array(columns).T if np.ndim(q) else np.array([c[0] for c in columns])

    def resample(self, n: int, *, rng: np.random.Generator) -> Array:
        """Draws of equal weight, with replacement: [n, P]."""
        return self.flat[rng.choice(len(self.flat), n, p=self.flat_weights)]

    # trust -------------------------------------------------------------------------------------------

    @property
    def certified(self) -> bool:
        """Whether the likelihood is exact, or was found near enough to it at the draws, or corrected."""
        return self.gate is None or bool(self.gate.get("certified")) or self.corrected

    @property
    def corrected(self) -> bool:
        """Whether the draws were carried over to the exact likelihood."""
        return self.gate is not None and bool(self.gate.get("corrected"))

    @property
    def trusted(self) -> bool:
        """Whether the chains converged and ran to their end, and the likelihood is certified."""
        return self.converged and self.complete and self.certified

    def uncorrected(self) -> Self:
        """The same draws under the likelihood that drove the chains, without weights."""
        gate = None if self.gate is None else {**self.gate, "corrected": False}
        if self.before is not None:
            draws, log_density = self.before
            return replace(self, draws=draws, log_density=log_density, weights=None, gate=gate, before=None)
        return replace(self, weights=None, gate=gate)

    def with_meta(self, **entries: Any) -> Self:
        """The same posterior with more provenance."""
        return replace(self, meta={**self.meta, **entries})


def _normalised(weights: ArrayLike, shape: tuple[int, ...]) -> Array:
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != shape or not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
        raise SettingError(f"weights are {list(shape)} numbers from 0 up with a positive sum", place="weights")
    return w if abs(w.sum() - 1) < 1e-12 else np.asarray(w / w.sum())  # a stored posterior keeps every bit
