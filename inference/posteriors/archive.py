"""Posteriors for other tools and on disk: an ArviZ DataTree, and netCDF that holds all of it under a digest.

The file is the DataTree (so ArviZ reads it) with one more group, `kinetix`, and a header, from which the
very same Posterior is made again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import CheckpointError
from kinetix.inference.observations import Observations
from kinetix.inference.priors import from_table, to_table
from kinetix.inference.time_courses import Cells, TimeCourses
from kinetix.serial import network_from_json, network_to_json
from kinetix.solution_writer import FORMAT as SOLUTION
from kinetix.storage import digest_of, plain, reading, replacing

from .draws import PosteriorDraws
from .misfits import PredictiveCheck

if TYPE_CHECKING:
    import xarray


P = TypeVar("P", bound=PosteriorDraws)

FORMAT = "kinetix-posterior-1"
PRIOR_DRAWS = 1000
DIMENSIONS = ("chain", "draw", "cell")

BEFORE = ("before_draws", "before_log_density")
"""Draws and densities of the chains, where sub-chains corrected them."""

Arrays = dict[str, NDArray[Any]]


def to_arviz(posterior: PosteriorDraws) -> xarray.DataTree:
    """The posterior in ArviZ's groups; names that are dimensions there (chain, draw, cell) get a trailing `_`.

    `sample_stats` has lp and, where there are any, the importance weights; `log_likelihood` the
    whole data's (one number a draw); `prior` 1,000 draws; `constant_data` the time of each cell;
    `posterior_predictive`, where a predictive check was made, one new data set a draw.
    """
    from arviz_base import from_dict

    data = posterior.data
    names = _apart((*posterior.names, *data.species))
    rng = np.random.default_rng(0)
    stats = {"lp": posterior.log_density}
    if posterior.weights is not None:
        stats["weight"] = posterior.weights
    drawn: dict[str, Mapping[str, Any]] = {
        "posterior": {names[n]: posterior.draws[:, :, i] for i, n in enumerate(posterior.names)},
        "sample_stats": stats,
        "log_likelihood": {"cells": posterior.log_likelihood},
        "prior": {names[n]: posterior.prior[n].sample(rng, PRIOR_DRAWS)[None] for n in posterior.names},
    }
    cells = np.concatenate([data.counts(k) for k in range(len(data.times))])
    seen: dict[str, Mapping[str, Any]] = {
        "observed_data": {names[s]: cells[:, d] for d, s in enumerate(data.species)},
        "constant_data": {"time": np.repeat(data.times, data.cells_at)},
    }
    if posterior.predictive is not None:
        made = posterior.predictive.replicated
        seen["posterior_predictive"] = {names[s]: made[None, :, :, d] for d, s in enumerate(data.species)}
    tree = from_dict(drawn, attrs={"/": {"creation_library": "kinetix", "model": posterior.network.name}})
    dimensions = {name: ["cell"] for group in seen.values() for name in group}
    return tree.assign(from_dict(seen, dims=dimensions).children)  # apart: there dimensions go by names alone


def save_posterior(posterior: PosteriorDraws, path: Path) -> None:
    """Write everything to netCDF, whole or not at all."""
    tree = to_arviz(posterior)
    arrays = _arrays(posterior)
    text = json.dumps(_header(posterior), default=plain)
    tree["kinetix"] = _group(arrays)
    tree.attrs |= {"format": FORMAT, "header": text, "digest": digest_of(text, arrays)}
    coding = {
        node.path: {str(name): {"zlib": True, "fletcher32": True} for name, v in node.data_vars.items() if v.size > 512}
        for node in tree.subtree
    }
    with replacing(path) as temporary:
        tree.to_netcdf(temporary, engine="h5netcdf", encoding={k: v for k, v in coding.items() if v})


def load_posterior(kind: type[P], path: Path) -> P:
    """The posterior, as a `kind`, in a file made by `save_posterior`; damage of any kind is a CheckpointError."""
    import xarray

    with reading(path, "a stored posterior"):
        with xarray.open_datatree(path, engine="h5netcdf", decode_times=False) as file:
            attributes = dict(file.attrs)
            _require_format(str(attributes.get("format", "")))
            arrays = {str(n): np.asarray(v.values) for n, v in file["kinetix"].to_dataset().data_vars.items()}
        text = str(attributes["header"])
        if digest_of(text, arrays) != attributes.get("digest"):
            raise CheckpointError("the content does not match its digest", mend="make the file again")
        return _rebuilt(kind, json.loads(text), arrays)


# inner ---------------------------------------------------------------------------------------------

CHECK_ARRAYS = tuple(f.name for f in fields(PredictiveCheck) if f.name not in ("species", "replicates", "draws"))


def _require_format(found: str) -> None:
    if found == SOLUTION:
        raise CheckpointError("this is a stored solution, not a posterior", mend="read it with kinetix.open")
    if found != FORMAT:
        raise CheckpointError(f"not a stored posterior ({FORMAT})")


def _header(posterior: PosteriorDraws) -> dict[str, Any]:
    check = posterior.predictive
    return {
        "names": list(posterior.names),
        "prior": to_table(posterior.prior),
        "network": network_to_json(posterior.network),
        "species": list(posterior.data.species),
        "groups": list(posterior.data.groups),
        "courses": isinstance(posterior.data, TimeCourses),
        "sums": {name: list(parts) for name, parts in posterior.data.sums.items()},
        "source": posterior.data.source,
        "notes": list(posterior.data.notes),
        "digest of the cells": posterior.data.digest,
        "likelihood": dict(posterior.likelihood),
        "diagnostics": {name: dict(row) for name, row in posterior.diagnostics.items()},
        "gate": None if posterior.gate is None else dict(posterior.gate),
        "converged": posterior.converged,
        "complete": posterior.complete,
        "predictive": None if check is None else [check.replicates, check.draws],
        "meta": dict(posterior.meta),
    }


def _arrays(posterior: PosteriorDraws) -> Arrays:
    """Everything that is not in the header."""
    data, check = posterior.data, posterior.predictive
    result: Arrays = {
        "draws": posterior.draws,
        "log_density": posterior.log_density,
        **_cells(data),
    }
    groups: Mapping[str, Cells] = data.groups
    for i, group in enumerate(groups.values()):
        result |= {f"group_{i}_{name}": array for name, array in _cells(group).items()}
    if posterior.weights is not None:
        result["weights"] = posterior.weights
    if posterior.before is not None:
        result |= dict(zip(BEFORE, posterior.before, strict=True))
    if check is not None:
        result |= {f"check_{name}": getattr(check, name) for name in CHECK_ARRAYS}
    return result


def _cells(data: Cells) -> Arrays:
    states, repeats = zip(*data.rows, strict=True)
    rows = np.array([len(r) for r in repeats])
    result = {"times": data.times, "states": np.concatenate(states), "repeats": np.concatenate(repeats), "rows": rows}
    if isinstance(data, TimeCourses):
        result["course_rows"] = np.array([len(times) for times, _ in data.courses])
        result["course_times"] = np.concatenate([times for times, _ in data.courses])
        result["course_counts"] = np.concatenate([counts for _, counts in data.courses])
    return result


def _data(header: Mapping[str, Any], arrays: Arrays) -> Cells:
    if not header.get("courses"):
        return _observations(header, arrays)
    labels = header.get("groups", [])
    groups = {name: _courses(header, arrays, f"group_{i}_") for i, name in enumerate(labels)}
    return replace(_courses({**header, "groups": []}, arrays), groups=groups)


def _courses(header: Mapping[str, Any], arrays: Arrays, prefix: str = "") -> TimeCourses:
    ends = np.cumsum(arrays[f"{prefix}course_rows"])[:-1]
    times, counts = (np.split(arrays[f"{prefix}course_{name}"], ends) for name in ("times", "counts"))
    return TimeCourses(_observations(header, arrays, prefix), tuple(zip(times, counts, strict=True)))


def _observations(header: Mapping[str, Any], arrays: Arrays, prefix: str = "") -> Observations:
    """The cells in the arrays whose names begin with `prefix`, and their groups."""
    times, states, repeats, sizes = (arrays[prefix + name] for name in ("times", "states", "repeats", "rows"))
    ends = np.cumsum(sizes)[:-1]
    rows = tuple(zip(np.split(states, ends), np.split(repeats, ends), strict=True))
    sums = {name: tuple(parts) for name, parts in header.get("sums", {}).items()}
    labels = [] if prefix else header.get("groups", [])
    groups = {name: _observations(header, arrays, f"group_{i}_") for i, name in enumerate(labels)}
    notes = () if prefix else tuple(header["notes"])
    return Observations(tuple(header["species"]), times, rows, header["source"], notes, sums, groups)


def _group(arrays: Arrays) -> xarray.DataTree:
    import xarray

    data = xarray.Dataset({name: ([f"{name}_{i}" for i in range(a.ndim)], a) for name, a in arrays.items()})
    return xarray.DataTree(data)


def _rebuilt(kind: type[P], header: Mapping[str, Any], arrays: Arrays) -> P:

    species = tuple(header["species"])
    data = _data(header, arrays)
    check = None
    if header["predictive"] is not None:
        replicates, draws = map(int, header["predictive"])
        stored = {name: arrays[f"check_{name}"] for name in CHECK_ARRAYS}
        check = PredictiveCheck(species=species, replicates=replicates, draws=draws, **stored)
    return kind(
        tuple(header["names"]),
        arrays["draws"],
        arrays["log_density"],
        from_table(header["prior"]),
        data,
        network_from_json(header["network"]),
        header["likelihood"],
        header["diagnostics"],
        header["gate"],
        arrays.get("weights"),
        bool(header["converged"]),
        bool(header["complete"]),
        check,
        header["meta"],
        (arrays[BEFORE[0]], arrays[BEFORE[1]]) if BEFORE[0] in arrays else None,
    )


def _apart(names: Sequence[str]) -> dict[str, str]:
    """The names to use for variables: distinct, and none of them that of a dimension."""
    taken = {*DIMENSIONS, *names}
    result = {}
    for name in names:
        free = name
        while free in DIMENSIONS or (free != name and free in taken):
            free += "_"
        taken.add(free)
        result[name] = free
    return result
