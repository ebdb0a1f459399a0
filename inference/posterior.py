"""The posterior: draws with their density, what was checked, and all it takes to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import SettingError
from kinetix.findings import Findings
from kinetix.network import ReactionNetwork
from kinetix.solver import Solver

from .posteriors.checks import check_posterior
from .posteriors.contraction import weighted_quantile
from .posteriors.predictive import PredictiveCheck, predictive_check
from .posteriors.summary import Summary, summarise

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

    from .priors import Prior
    from .time_courses import Cells

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of the parameters `names` given `data`: C chains of n draws of P parameters.

    `draws` [C, n, P] are in the parameters' own units and `log_density` [C, n] is likelihood times
    prior density there, up to a constant. `likelihood` says which solver weighed the cells (solver,
    settings, digest). `diagnostics` maps a name to rhat, ess_bulk, ess_tail, mcse.

    `gate` is None for an exact likelihood; otherwise what the exact solver said about the draws
    (pareto_k, efficiency, evaluations, certified, corrected ...). `weights` [C, n], summing to 1,
    carry the draws over to the exact likelihood: every statistic uses them, `uncorrected()` drops them.
    Where sub-chains corrected, `draws` are theirs, and `before` holds draws and densities of the chains.
    `gate["estimated"]` is there where the exact likelihood is that of stationary laws whose error is
    estimated, not proven.
    `gate["ensemble"]` is there where nets of several seeds judged in its place (`samplers.agreement`).
    `converged` is the verdict on the chains, `complete` whether they ran as long as was asked.
    `predictive` is there once `predict` was asked. `meta`: seed, settings, digests of model, data and
    net, versions, CPU seconds.
    """

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

    def summary(self) -> Summary:
        """Mean, sd, quantiles, R-hat, effective sample size and Monte Carlo error of every parameter."""
        return summarise(self)

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

    def uncorrected(self) -> Posterior:
        """The same draws under the likelihood that drove the chains, without weights."""
        gate = None if self.gate is None else {**self.gate, "corrected": False}
        if self.before is not None:
            draws, log_density = self.before
            return replace(self, draws=draws, log_density=log_density, weights=None, gate=gate, before=None)
        return replace(self, weights=None, gate=gate)

    def check(self) -> Findings:
        """What would mislead whoever believes the numbers: KX201 to KX210."""
        return check_posterior(self)

    def predict(self, solver: Solver, *, rng: np.random.Generator, draws: int = 100) -> Posterior:
        """The same posterior with its predictive check by the laws of `solver` (in `predictive`)."""
        return replace(self, predictive=predictive_check(self, solver, rng=rng, draws=draws))

    def with_meta(self, **entries: Any) -> Posterior:
        """The same posterior with more provenance."""
        return replace(self, meta={**self.meta, **entries})

    # pictures ----------------------------------------------------------------------------------------

    def plot_pairs(
        self, truth: Mapping[str, float] | None = None, *, names: Sequence[str] | None = None
    ) -> matplotlib.figure.Figure:
        """Parameters in pairs (the first six, or `names`), with the values of `truth` marked: a matplotlib Figure."""
        from .posteriors.plots import pairs

        return pairs(self, names=names, truth=truth)

    def plot_trace(self, *, names: Sequence[str] | None = None) -> matplotlib.figure.Figure:
        """The chains as they ran, and whether their draws have the same ranks: a matplotlib Figure."""
        from .posteriors.plots import trace

        return trace(self, names=names)

    # other forms -------------------------------------------------------------------------------------

    def to_arviz(self) -> xarray.DataTree:
        """The posterior as ArviZ has it, for its plots and statistics; see `archive.to_arviz`."""
        from .posteriors.archive import to_arviz

        return to_arviz(self)

    def save(self, path: str | Path) -> None:
        """Write draws, data, model and provenance to netCDF; `load` and `kinetix.open` read it back."""
        from kinetix.storage import require_ending

        from .posteriors.archive import save_posterior

        save_posterior(self, require_ending(path))

    @classmethod
    def load(cls, path: str | Path) -> Posterior:
        """The posterior that `save` wrote: CheckpointError where the file is damaged or another's."""
        from .posteriors.archive import load_posterior

        return load_posterior(Path(path))


def _normalised(weights: ArrayLike, shape: tuple[int, ...]) -> Array:
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != shape or not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
        raise SettingError(f"weights are {list(shape)} numbers from 0 up with a positive sum", place="weights")
    return w if abs(w.sum() - 1) < 1e-12 else np.asarray(w / w.sum())  # a stored posterior keeps every bit
