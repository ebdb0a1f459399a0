"""The answer of a solver, and the forms it can be had in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answer import Answer

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False, repr=False)
class Solution(Answer):
    """What a solver answers: one law a time.

    `error` is a proven bound on the total variation of every law, worst over times, or None where
    none is proven. `meta` says solver, settings, seed, digests, versions, CPU seconds, findings.
    `trajectories` [n, T, S] are there for solvers that make them; `thetas` [T, P] are the parameters and
    constants at each time, where events or rate rules change them.
    """

    def to_xarray(self) -> xarray.Dataset:
        """Means and standard deviations by time and species, as a labelled dataset."""
        import xarray

        data: dict[str, Any] = {
            "mean": (("time", "species"), self.mean()),
            "std": (("time", "species"), self.std()),
        }
        if self.trajectories is not None:
            data["trajectories"] = (("path", "time", "species"), self.trajectories)
        attributes = {"error": -1.0 if self.error is None else self.error, "meta": json.dumps(self.meta, default=str)}
        return xarray.Dataset(data, {"time": self.times, "species": list(self.species)}, attributes)

    def plot(self, species: str | None = None, path: str | Path | None = None) -> Any:
        """Mean and a band of one standard deviation over time, with the last marginal; a matplotlib Figure."""
        from .pictures import plot_solution

        return plot_solution(self, species, path)

    def save(self, path: str | Path) -> None:
        """Write the laws and their provenance to netCDF; `kinetix.open` reads them back."""
        from .solution_writer import save_solution
        from .storage import require_ending

        save_solution(self, require_ending(path))
