"""The posterior: draws with their density, what was checked, and all it takes to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from kinetix.findings import Findings
from kinetix.solver import Solver

from .posteriors.checks import check_posterior
from .posteriors.draws import PosteriorDraws
from .posteriors.predictive import predictive_check
from .posteriors.summary import Summary, summarise

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(PosteriorDraws):
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

    def summary(self) -> Summary:
        """Mean, sd, quantiles, R-hat, effective sample size and Monte Carlo error of every parameter."""
        return summarise(self)

    def check(self) -> Findings:
        """What would mislead whoever believes the numbers: KX201 to KX210."""
        return check_posterior(self)

    def predict(self, solver: Solver, *, rng: np.random.Generator, draws: int = 100) -> Self:
        """The same posterior with its predictive check by the laws of `solver` (in `predictive`)."""
        return replace(self, predictive=predictive_check(self, solver, rng=rng, draws=draws))

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
    def load(cls, path: str | Path) -> Self:
        """The posterior that `save` wrote: CheckpointError where the file is damaged or another's."""
        from .posteriors.archive import load_posterior

        return load_posterior(cls, Path(path))
