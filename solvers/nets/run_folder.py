"""The folder of a long run: one writer at a time, checkpoints that survive crashes, metrics as JSON lines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from torch import Tensor

from kinetix.disk import lock, sync_folder
from kinetix.errors import CheckpointError, SaveError

from .sealed import pack, plain, read_sealed, unpack, write_sealed

FORMAT = "kinetix-run-1"
STATE = "state.safetensors"
KEPT = 3
"""Checkpoints kept, beside the best."""


@dataclass
class RunFolder:
    """An open run folder (a context manager that holds its lock).

    Checkpoints are sealed folders `checkpoints/step-<n>`, written under a temporary name and renamed
    when complete. `notes` says what was found wrong on the way (damaged checkpoints).
    """

    path: Path
    notes: list[str] = field(default_factory=list)
    _lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self._lock = lock(self.path, "run")
        try:
            self.checkpoints.mkdir(exist_ok=True)
        except OSError as problem:
            self.__exit__(None, None, None)
            raise SaveError(f"cannot be written: {problem.strerror}", file=str(self.path)) from problem
        self._sweep()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie."""
        return self.path / "checkpoints"

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, in order."""
        return sorted(int(p.name.removeprefix("step-")) for p in self.checkpoints.glob("step-*") if p.is_dir())

    def save(self, step: int, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> Path:
        """Write the checkpoint of `step`, whole or not at all; keep the last three and the best (lowest "loss")."""
        final = self.checkpoints / f"step-{step:09d}"
        partial = self.checkpoints / f".{final.name}.partial"
        try:
            shutil.rmtree(partial, ignore_errors=True)
            write_sealed(partial, FORMAT, plain(dict(content)), {STATE: pack(tensors)})
            if final.exists():
                shutil.rmtree(final)
            partial.replace(final)
            sync_folder(self.checkpoints)
        except OSError as problem:
            raise SaveError(f"cannot be written: {problem.strerror}", file=str(final)) from problem
        self._prune()
        return final

    def latest(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The newest checkpoint that is whole, or None where there is none; damaged ones are noted and skipped."""
        steps = self.steps()
        for step in reversed(steps):
            folder = self.checkpoints / f"step-{step:09d}"
            try:
                content, files = read_sealed(folder, FORMAT)
                return content, unpack(files[STATE], str(folder / STATE))
            except (CheckpointError, KeyError) as problem:
                self.notes.append(f"{problem}; falling back to the checkpoint before it")
        if steps:
            raise CheckpointError("every checkpoint is damaged", file=str(self.checkpoints), mend="start a new run")
        return None

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        try:
            with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(plain(dict(entry)), allow_nan=False) + "\n")
        except OSError as problem:
            raise SaveError(
                f"cannot be written: {problem.strerror}", file=str(self.path / "metrics.jsonl")
            ) from problem

    def _sweep(self) -> None:
        for stray in (*self.path.glob(".*.partial"), *self.checkpoints.glob(".*.partial")):
            if stray.is_dir():
                shutil.rmtree(stray, ignore_errors=True)
            else:
                stray.unlink(missing_ok=True)

    def _prune(self) -> None:
        losses = {step: self._loss(step) for step in self.steps()}
        kept = set(sorted(losses)[-KEPT:]) | {min(losses, key=lambda step: (losses[step], -step))}
        for step in set(losses) - kept:
            shutil.rmtree(self.checkpoints / f"step-{step:09d}", ignore_errors=True)

    def _loss(self, step: int) -> float:
        try:
            content, _ = read_sealed(self.checkpoints / f"step-{step:09d}", FORMAT)
            return float(content["loss"])
        except (CheckpointError, KeyError, TypeError, ValueError):
            return float("inf")
