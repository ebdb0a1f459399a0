"""Trained nets on disk: `weights.safetensors`, `manifest.json` (SHA-256 of everything), the model's text.

Any trained net is saved and loaded here; what kind it is stands in the manifest.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from torch import Tensor, nn

from kinetix.errors import CheckpointError, KinetixError
from kinetix.network import ReactionNetwork
from kinetix.serial import network_from_json, network_to_json
from kinetix.solver import BatchSolver

from .sealed import pack, plain, read_sealed, shapes_in, unpack, write_sealed

FORMAT = "kinetix-net-1"
WEIGHTS = "weights.safetensors"
MODEL = "model.txt"

KINDS: Mapping[str, str] = {"met": "kinetix.solvers.met", "van": "kinetix.solvers.van"}
"""Kind of net -> the module whose `from_saved(network, manifest, weights)` makes it again."""


class SavedNet(BatchSolver, Protocol):
    """What a trained net must have to be saved."""

    @property
    def kind(self) -> str:
        """Its key in KINDS."""
        ...

    @property
    def network(self) -> ReactionNetwork:
        """The network it was trained for."""
        ...

    def manifest(self) -> Mapping[str, Any]:
        """Everything but the weights and the network, as plain JSON values: settings, box, certificate ..."""
        ...

    def weights(self) -> Mapping[str, Tensor]:
        """The weights by name (a `state_dict`)."""
        ...


def save_net(net: SavedNet, folder: str | Path) -> None:
    """Write a trained net to `folder`, atomically per file, manifest last."""
    content = {"kind": net.kind, "network": network_to_json(net.network), "net": plain(net.manifest())}
    files = {WEIGHTS: pack(net.weights()), MODEL: net.network.to_text().encode()}
    write_sealed(Path(folder), FORMAT, content, files)


def load_net(folder: str | Path) -> SavedNet:
    """The net that `save_net` wrote; damage, NaN weights or shapes that do not fit are a CheckpointError."""
    path = Path(folder)
    content, files = read_sealed(path, FORMAT)
    if set(content) != {"kind", "network", "net"} or WEIGHTS not in files or content["kind"] not in KINDS:
        raise CheckpointError("not a kind of net that this version knows", file=str(path))
    try:
        module = importlib.import_module(KINDS[content["kind"]])
        network = network_from_json(content["network"])
        return cast(
            "SavedNet", module.from_saved(network, content["net"], Weights(files[WEIGHTS], str(path / WEIGHTS)))
        )
    except KinetixError as problem:
        raise CheckpointError(problem.reason, file=problem.file or str(path), place=problem.place) from problem
    except (ValueError, TypeError, KeyError) as problem:
        raise CheckpointError(f"the manifest does not fit this version: {problem!r:.200}", file=str(path)) from problem


class Weights:
    """The bytes of a weights file, poured into a net only when every shape fits."""

    def __init__(self, data: bytes, file: str) -> None:
        self._data, self._file = data, file

    def check(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse a file whose tensors are not exactly `expected` (name -> shape); nothing is allocated."""
        declared = shapes_in(self._data, self._file)
        for name in sorted(set(expected) | set(declared)):
            if declared.get(name) != expected.get(name):
                raise CheckpointError(
                    f"the tensor {name!r:.80} has the shape {declared.get(name)}, not {expected.get(name)}",
                    file=self._file,
                )

    def pour(self, net: nn.Module) -> None:
        """Load the weights into `net`, whose state must have exactly these names and shapes."""
        self.check({name: tuple(tensor.shape) for name, tensor in net.state_dict().items()})
        net.load_state_dict(unpack(self._data, self._file))
