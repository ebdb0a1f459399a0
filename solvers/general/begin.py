"""Where a pretraining begins: at the weights of an earlier one, finished or not, with what those have cost.

A leg is one training under one cosine. What a net has cost is the sum over its legs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from kinetix.errors import CheckpointError, SettingError
from kinetix.solvers.nets.run_folder import RunFolder
from kinetix.solvers.nets.sealed import MANIFEST, weights_digest

from .net import Core, Size
from .saved import GeneralWeights

COSTS = "steps", "wall_seconds", "cpu_seconds"


@dataclass(frozen=True, eq=False)
class Begin:
    """Weights to begin with, the size of their net, and `told`: what is known of them, as plain values.

    That is the `weights`' digest, the `seed` of their last leg, and `legs`, `steps`, `wall_seconds` and
    `cpu_seconds` of all legs until then.
    """

    weights: Mapping[str, Tensor]
    size: Size
    told: Mapping[str, Any]

    @classmethod
    def of(cls, source: GeneralWeights | str | Path) -> Begin:
        """From a net, or a folder with a net or (an unfinished run) checkpoints, of which the newest is taken.

        CheckpointError where it is damaged or does not say what it cost.
        """
        if isinstance(source, GeneralWeights):
            return cls._of_net(source, None)
        path = Path(source)
        folder = RunFolder(path)
        if not (path / MANIFEST).exists() and folder.steps():
            return cls._of_run(folder)
        return cls._of_net(GeneralWeights.open(path), str(path))

    @classmethod
    def _of_net(cls, net: GeneralWeights, file: str | None) -> Begin:
        try:
            training = net.certificate["training"]
            spent = training.get("all_legs") or all_legs(training, None)
            return cls._made(net.core.state_dict(), net.core.size, net.settings["seed"], spent)
        except (KeyError, TypeError) as problem:
            reason = f"the net does not say how it was trained: {problem!r:.80}"
            raise CheckpointError(reason, file=file, place="begin") from problem

    @classmethod
    def _of_run(cls, folder: RunFolder) -> Begin:
        found = folder.latest()
        assert found is not None  # it has steps, and damage to all of them is refused
        content, tensors = found
        try:
            identity = json.loads(content["identity"])
            leg = {"steps": content["step"], "wall_seconds": content["wall"], "cpu_seconds": content["cpu"]}
            size = Size(**identity["settings"]["size"])
            weights = {name.removeprefix("net."): t for name, t in tensors.items() if name.startswith("net.")}
            return cls._made(weights, size, identity["seed"], all_legs(leg, identity.get("beginning")))
        except (KeyError, TypeError, ValueError) as problem:
            reason = f"not a checkpoint of a pretraining: {problem!r:.80}"
            raise CheckpointError(reason, file=str(folder.path), place="begin") from problem

    @classmethod
    def _made(cls, weights: Mapping[str, Tensor], size: Size, seed: int, spent: Mapping[str, Any]) -> Begin:
        costs = {name: spent[name] for name in COSTS}
        told = {"weights": weights_digest(weights), "seed": int(seed), "legs": int(spent["legs"])}
        return cls(dict(weights), size, told | costs)

    def pour(self, core: Core) -> None:
        """Give a net these weights. SettingError where it is of another size."""
        if core.size != self.size:
            raise SettingError(f"the net to begin with is of {self.size}, not {core.size}", place="begin")
        core.load_state_dict(dict(self.weights))


def all_legs(leg: Mapping[str, float], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a leg has cost, with all `before` it (`told` of what it began from)."""
    before = before or {"legs": 0}
    return {"legs": before["legs"] + 1, **{name: leg[name] + before.get(name, 0) for name in COSTS}}


def began_from(folder: RunFolder | None) -> dict[str, Any] | None:
    """What the run in a folder, which is to go on, has begun from: `told`, or None."""
    found = folder.latest() if folder is not None else None
    if found is None:
        return None
    try:
        told: dict[str, Any] | None = json.loads(found[0]["identity"]).get("beginning")
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise CheckpointError("this run does not say what it began from", file=str(folder)) from problem
    return told
