"""Solutions on disk: netCDF with the laws, the network, the provenance and a digest of it all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .compiler import compile_network
from .distribution import Distribution, Fractional, Moments, PointMass, Sampled, Tabulated
from .errors import CheckpointError, KinetixError, SettingError
from .listed import Listed
from .problem import point_law
from .serial import network_from_json, network_to_json
from .solution import Solution
from .space import StateSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "kinetix-solution-1"
DRAWS = 100_000
"""States drawn to store a law that is neither a table nor trajectories (said in `meta`)."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place, whole, when the block ends well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_ending(path: str | Path) -> Path:
    """The path, refused unless it ends in .nc: `kinetix.open` would not read it back."""
    place = Path(path)
    if place.suffix != ".nc":
        raise SettingError(f"{place.suffix or 'no ending'!r} is not netCDF", file=str(place), mend="end it with .nc")
    return place


def save_solution(solution: Solution, path: Path) -> None:
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


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Make a CheckpointError of whatever a damaged file or another's leads to: the libraries fail in any way."""
    try:
        yield
    except KinetixError as problem:
        raise CheckpointError(problem.reason, file=str(path), mend=problem.mend) from problem
    except FileNotFoundError as problem:
        raise CheckpointError("there is no such file", file=str(path), mend="check the path") from problem
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # the system's own, as forbidden; h5py reports damage as an OSError without a number
        raise CheckpointError(f"cannot be read as {what}: {problem}", file=str(path)) from problem


def load_solution(path: Path) -> Solution:
    """The solution in a file made by `save_solution`; damage of any kind is a CheckpointError."""
    import xarray

    with reading(path, "a stored solution"):
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False) as file:
            data = file.load()
        if data.attrs.get("format") != FORMAT:
            raise CheckpointError(f"not a stored solution ({FORMAT})")
        text, arrays = str(data.attrs["header"]), {str(n): np.asarray(v.values) for n, v in data.data_vars.items()}
        if digest_of(text, arrays) != data.attrs.get("digest"):
            raise CheckpointError("the content does not match its digest", mend="make the file again")
        return _rebuilt(json.loads(text), arrays)


def _rebuilt(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Solution:
    model = compile_network(network_from_json(header["network"]))
    trajectories = arrays.get("trajectories")
    laws: list[Distribution] = []
    for k in range(int(header["laws"])):
        if trajectories is not None and not any(name.startswith(f"law{k}_") for name in arrays):
            laws.append(Sampled(trajectories[:, k]))
        elif f"law{k}_draws" in arrays:
            laws.append(Sampled(arrays[f"law{k}_draws"]))
        elif f"law{k}_centre" in arrays:
            laws.append(Moments(arrays[f"law{k}_centre"], arrays.get(f"law{k}_spread")))
        elif f"law{k}_listed" in arrays:
            laws.append(Listed(arrays[f"law{k}_listed"], arrays[f"law{k}_p"]))
        elif f"law{k}_amounts" in arrays:
            laws.append(point_law(model.network, arrays[f"law{k}_amounts"]))
        else:
            free, lower, shape, offset, basis, p = (
                arrays[f"law{k}_{part}"] for part in ("free", "lower", "shape", "offset", "basis", "p")
            )
            ends = (tuple(map(int, free)), tuple(map(int, lower)), tuple(map(int, shape)))
            laws.append(Tabulated(StateSpace(*ends, offset, basis), p))
    error = None if header["error"] is None else float(header["error"])
    return Solution(
        model, arrays["time"], arrays["theta"], tuple(laws), error, header["meta"], trajectories, arrays.get("thetas")
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


def digest_of(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of a text and named arrays, their types and shapes included."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def plain(value: object) -> object:
    """A value that JSON does not know, as one that it does: for `json.dumps(default=...)`."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)
