"""What moves in a training, and how all of it is kept and found again, so that a resumed run ends in the same bits."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinetix.errors import CheckpointError, SettingError

from .budget import Budget
from .descent import Descent, moments_as_tensors, moments_of
from .learning import Settings, Teacher
from .run_folder import RunFolder
from .sealed import weights_digest
from .workers import Workers


class KeptRun:
    """The moving parts of one training (see `training.train`), one object for each of its workers."""

    def __init__(
        self,
        net: nn.Module,
        teacher: Teacher,
        budget: Budget,
        rng: np.random.Generator,
        settings: Settings,
        folder: RunFolder | None,
        identity: str,
        workers: Workers,
    ) -> None:
        self.net, self.teacher, self.budget, self.rng = net, teacher, budget, rng
        self.settings, self.folder, self.identity, self.workers = settings, folder, identity, workers
        self.place: str | None = None  # the folder's path, known to all workers
        device = next(net.parameters()).device
        self.generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        self.optimiser = Descent(
            net, rate=settings.rate, decay=settings.decay, orthogonal_steps=settings.orthogonal_steps
        )
        self.step, self.slower, self.failures, self.smoothed = 0, 1.0, 0, math.nan
        self.good = self.snapshot()
        self.saved_at, self.told_at = time.monotonic(), 0.0
        self.notes: list[str] = []
        self.states, self.all_states, self.judged, self.looks = 0.0, 0.0, dict[str, float](), 0

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Copies of the weights and of the optimiser's state."""
        weights = {name: tensor.detach().clone() for name, tensor in self.net.state_dict().items()}
        state = self.optimiser.state_dict()
        moments = {k: {n: v.clone() for n, v in entry.items()} for k, entry in state["state"].items()}
        return weights, {"state": moments, "param_groups": state["param_groups"]}

    def open(self, resume: bool) -> None:
        """Start or continue in the folder, if there is one: what the first worker finds there, all go on from."""
        self.place = self.workers.from_first(lambda: None if self.folder is None else str(self.folder.path))
        found = self.workers.from_first(lambda: self._found(resume))
        if found is not None:
            self._restore(*found)

    def _found(self, resume: bool) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        if self.folder is None:
            return None
        if resume:
            return self.folder.latest()
        if self.folder.steps():
            raise SettingError(
                "this folder already holds a run", place=str(self.folder.path), mend="resume it, or give another"
            )
        return None

    def require_same_weights(self) -> None:
        """RunError where the workers' weights differ."""
        self.workers.require_same(
            "weights", lambda: weights_digest(self.net.state_dict()), "use equal machines and versions of torch"
        )

    def save(self) -> None:
        """Keep what all workers need to go on; the first one writes, the others wait for it."""
        own = {"numpy": self.rng.bit_generator.state, "teacher": self.teacher.state()}
        told = self.workers.told((own, self.generator.get_state()))
        self.require_same_weights()
        self.workers.from_first(lambda: self._write([part for part, _ in told], [state for _, state in told]))
        self.saved_at = time.monotonic()

    def _write(self, parts: list[dict[str, Any]], generators: list[Tensor]) -> None:
        assert self.folder is not None
        tensors = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        weights, optimiser = self.good
        tensors |= {f"good.{name}": tensor for name, tensor in weights.items()}
        for prefix, state in (("moments", self.optimiser.state_dict()), ("good-moments", optimiser)):
            tensors |= moments_as_tensors(prefix, state)
        tensors |= {_generator(rank): state for rank, state in enumerate(generators)}
        content: dict[str, Any] = {
            "identity": self.identity,
            "tensors": sorted(tensors),
            "step": self.step,
            "slower": self.slower,
            "failures": self.failures,
            "smoothed": self.smoothed,
            "loss": self.smoothed,
            "wall": self.budget.wall_seconds,
            "cpu": self.budget.cpu_seconds,
            "notes": self.notes,
        }
        content |= parts[0] | ({"others": parts[1:]} if len(parts) > 1 else {})
        self.folder.save(self.step, tensors, content)

    def _restore(self, content: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        if (before := 1 + len(content.get("others", ()))) != self.workers.size:
            raise SettingError(
                f"the run in this folder was started with another number of processes: {before}, not"
                f" {self.workers.size}",
                mend="resume with as many, or begin a new run from its weights",
            )
        if content.get("identity") != self.identity:
            other = _difference(content.get("identity"), self.identity)
            raise SettingError(
                f"the run in this folder was started with another {other}",
                mend="resume with the same, or give another output",
            )
        try:
            if content["tensors"] != sorted(tensors):
                raise KeyError(*set(content["tensors"]) ^ set(tensors))
            self.net.load_state_dict(_under("net.", tensors))
            groups = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": moments_of("moments.", tensors), "param_groups": groups})
            self.good = (
                _under("good.", tensors),
                {"state": moments_of("good-moments.", tensors), "param_groups": groups},
            )
            own = [content, *content.get("others", ())][self.workers.rank]
            self.generator.set_state(tensors[_generator(self.workers.rank)])
            self.rng.bit_generator.state = own["numpy"]
            self.step, self.slower = int(content["step"]), float(content["slower"])
            self.failures, self.notes = int(content["failures"]), list(content["notes"])
            self.smoothed = math.nan if content["smoothed"] is None else float(content["smoothed"])
            self.budget = self.budget.after(float(content["wall"]), float(content["cpu"]))
            self.teacher.restore(own["teacher"])
        except (KeyError, RuntimeError, TypeError, ValueError) as problem:
            raise CheckpointError(f"a part of the checkpoint is missing or does not fit: {problem!r:.200}") from problem


def _generator(rank: int) -> str:
    """The name of a worker's generator among the tensors of a checkpoint."""
    return f"generator.{rank}" if rank else "generator"


def _difference(before: object, now: str) -> str:
    """The names of the entries in which two identities (JSON objects, or any text) differ."""
    try:
        old, new = json.loads(str(before)), json.loads(now)
        return ", ".join(k for k in sorted({*old, *new}) if old.get(k) != new.get(k))
    except (ValueError, TypeError, AttributeError):
        return "identity"


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
