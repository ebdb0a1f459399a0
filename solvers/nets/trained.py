"""What all trained nets ask: which network they were made for, which window, seed and device."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch

from kinetix.compiler import CompiledModel, compile_network
from kinetix.errors import CheckpointError, ModelError, SettingError, require_seed
from kinetix.network import ReactionNetwork
from kinetix.space import StateSpace

from .run_folder import RunFolder


class OutsideBoxWarning(UserWarning):
    """A net was asked outside the box it was trained over, where it is confidently wrong."""


def require_same(network: ReactionNetwork, model: CompiledModel) -> None:
    """Refuse a model that differs from `network` in more than its values."""
    try:
        values = dict(zip(network.theta_names, compile_network(network).theta, strict=True))
        starts = {s.name: s.initial for s in network.species}
        same = model.network.replace(parameters=values, initial=starts).fingerprint == network.fingerprint
    except (SettingError, ModelError):
        same = False
    if not same:
        raise SettingError(
            f"the net was trained for another network ({network.name!r})", place="net", mend="train one for this model"
        )


def saved_window(network: ReactionNetwork, lower: Sequence[int], shape: Sequence[int]) -> StateSpace:
    """The window of a saved net for `network`, from its lower edge and shape [D]."""
    if any(not 1 <= n <= 10**7 for n in shape) or any(n < 0 for n in lower):
        raise CheckpointError("the window is not one", place="manifest")
    start = compile_network(network).initial
    full = StateSpace.conserved(network.conservation_laws(), start, [0] * len(network.species))
    if len(full.free) != len(shape) or len(lower) != len(shape):
        raise CheckpointError("the window does not fit the network", place="manifest")
    return StateSpace(full.free, tuple(lower), tuple(shape), full.offset, full.basis)


def seed_of(folder: RunFolder | None, given: int | None = None) -> int:
    """The seed `given`, else that of the run to go on with, else a fresh one."""
    if given is not None:
        return require_seed(given)
    found = folder.latest() if folder is not None else None
    if found is not None:
        try:
            return int(json.loads(found[0]["identity"])["seed"])
        except (KeyError, TypeError, ValueError) as problem:
            raise CheckpointError("this run names no seed", file=str(folder)) from problem
    return int(np.random.default_rng().integers(2**31))


def device_of(name: str) -> torch.device:
    """The device of that name; `auto` is the first GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, ImportError, TypeError) as problem:
        said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        reason = f"device {name!r} is not there: {said}"
        raise SettingError(reason, place="device", mend="use auto, cpu or cuda") from problem
    return device


def nearest_device(name: str) -> torch.device:
    """The same for a net that is read back: the CPU where this machine has not the device it was trained on."""
    try:
        return device_of(name)
    except SettingError:
        return torch.device("cpu")
