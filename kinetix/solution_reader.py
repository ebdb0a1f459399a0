"""Solutions from disk, as `solution_writer` wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .compiler import compile_network
from .distribution import Distribution, Moments, Sampled, Tabulated
from .errors import CheckpointError
from .listed import Listed
from .problem import point_law
from .serial import network_from_json
from .solution import Solution
from .solution_writer import FORMAT
from .space import StateSpace
from .storage import digest_of, reading

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
