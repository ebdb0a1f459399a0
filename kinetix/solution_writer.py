"""Solutions to disk: netCDF with the laws, the network, the provenance and a digest of it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .answer import Answer
from .distribution import Distribution, Fractional, Moments, PointMass, Sampled, Tabulated
from .listed import Listed
from .serial import network_to_json
from .space import StateSpace
from .storage import digest_of, plain, replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "kinetix-solution-1"
DRAWS = 100_000
"""States drawn to store a law that is neither a table nor trajectories (said in `meta`)."""


def save_solution(solution: Answer, path: Path) -> None:
    """Write `solution` to netCDF; nets' laws are stored as tables, or as draws where no table fits."""
    import xarray

    arrays: dict[str, NDArray[Any]] = {"time": solution.times, "theta": solution.theta}
    meta = dict(solution.meta)
    if solution.thetas is not None:
        arrays["thetas"] = solution.thetas
    if solution.trajectories is not None:
        arrays["trajectories"] = solution.trajectories
    for k, law in enumerate(solution.laws):
        if solution.trajectories is None or not isinstance(law, Sampled):  # those are the trajectories
            arrays |= {f"law{k}_{name}": value for name, value in _stored(law, meta).items()}
    header = {
        "network": network_to_json(solution.model.network),
        "meta": meta,
        "error": solution.error,
        "laws": len(solution.laws),
    }
    text = json.dumps(header, default=plain)
    data = xarray.Dataset({name: ([f"{name}_{i}" for i in range(a.ndim)], a) for name, a in arrays.items()})
    data.attrs = {"format": FORMAT, "header": text, "digest": digest_of(text, arrays)}
    with replacing(path) as temporary:
        data.to_netcdf(
            temporary, engine="h5netcdf", encoding={n: {"zlib": True} for n, a in arrays.items() if a.size > 512}
        )


def _stored(law: Distribution, meta: dict[str, Any]) -> dict[str, NDArray[Any]]:
    if isinstance(law, Moments):
        return {"centre": law.centre} | ({} if law.spread is None else {"spread": law.spread})
    if isinstance(law, Fractional):
        return {"amounts": law.amounts}
    if isinstance(law, Listed):
        return {"listed": law.counts, "p": law.p}
    tabulate = getattr(law, "tabulated", None)
    table = law if isinstance(law, Tabulated) else (tabulate() if tabulate is not None else None)
    if isinstance(law, PointMass):
        table = Tabulated(StateSpace.box(law.counts.tolist(), law.counts.tolist()), np.ones(1))
    if isinstance(table, Tabulated):
        space = table.space
        ends = {"free": np.array(space.free), "lower": np.array(space.lower), "shape": np.array(space.shape)}
        return {**ends, "offset": space.offset, "basis": space.basis, "p": table.p}
    if isinstance(law, Sampled):
        return {"draws": law.counts}
    meta["stored_as"] = f"{DRAWS} draws of each law: its histogram stands in for the probabilities"
    return {"draws": law.sample(DRAWS, rng=np.random.default_rng(0))}
