"""Processes that train one net together: each sees its own data, all take the same step, down their mean gradient.

`torchrun` starts them, on one machine or several, and tells each its number in RANK, LOCAL_RANK and WORLD_SIZE.
They talk by gloo on CPUs and by nccl among GPUs. A process alone is a group of one, which talks to nobody.
S. Li et al., "PyTorch distributed", Proc. VLDB 13 (2020) 3005, doi:10.14778/3415478.3415530.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn

from kinetix.errors import KinetixError, RunError, SettingError

T = TypeVar("T")

TIMEOUT = 1800.0
"""Seconds that processes wait for one that is alive but silent: longer than the first one judges a net."""


@dataclass(frozen=True)
class Workers:
    """A process's place in its group: number `rank` of `size`, number `local` on its machine.

    Every method but `device` must be called by all processes of the group, in the same order. One that has died
    fails the call of all others with RunError.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, judges and prints."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device `name` for this process: with several, each takes the GPU of its own number."""
        if self.size == 1 or name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
            return name
        if name not in ("auto", "cuda"):
            raise SettingError(f"{self.size} processes on {name!r}", place="device", mend="use auto, cpu or cuda")
        if self.local >= (there := torch.cuda.device_count()):
            raise SettingError(
                f"process {self.local} of this machine finds {there} GPUs",
                place="device",
                mend=f"start {there} processes on it, or use cpu",
            )
        torch.cuda.set_device(self.local)
        return f"cuda:{self.local}"

    def gathered(self, *values: float) -> NDArray[np.float64]:
        """The numbers that every process tells: [size, values]."""
        table = torch.zeros(self.size, len(values), dtype=torch.float64)
        table[self.rank] = torch.tensor(values, dtype=torch.float64)
        if self.size > 1:
            _talk(lambda: dist.all_reduce(table))
        return table.numpy()

    def told(self, value: T) -> list[T]:
        """What every process tells, in their order."""
        found: list[Any] = [value] * self.size
        if self.size > 1:
            _talk(lambda: dist.all_gather_object(found, value))
        return found

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` gives on the first process; if it refuses there, the refusal is raised on all."""
        if self.size == 1:
            return make()
        outcome: list[Any] = [None, None]
        if self.first:
            try:
                outcome[0] = make()
            except KinetixError as problem:
                outcome[1] = problem
        _talk(lambda: dist.broadcast_object_list(outcome, src=0))
        if outcome[1] is not None:
            raise outcome[1]
        result: T = outcome[0]
        return result

    def require_same(self, what: str, value: Callable[[], str], mend: str) -> None:
        """Refuse, on all processes, to go on where they differ in a value."""
        if self.size == 1:
            return
        found = self.told(value())
        if apart := [rank for rank, each in enumerate(found) if each != found[0]]:
            raise RunError(f"process {apart[0]} has other {what} than process 0", place="torchrun", mend=mend)

    def average(self, net: nn.Module, loss: float) -> float:
        """Make the gradients of `net` their means over all processes, and give the mean loss.

        A loss that is not finite anywhere is not finite everywhere. What a process has no gradient of counts as 0.
        """
        if self.size == 1:
            return loss
        weights = list(net.parameters())
        there = torch.tensor([*(float(p.grad is not None) for p in weights), loss], device=weights[0].device)
        parts = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in weights]
        flat = torch.cat([*parts, there])
        _talk(lambda: dist.all_reduce(flat))
        flat /= self.size
        *means, there = torch.split(flat, [*(p.numel() for p in weights), len(there)])
        for p, mean, share in zip(weights, means, there[:-1].tolist(), strict=True):
            p.grad = mean.view_as(p).to(p.dtype) if share > 0 else None
        return float(there[-1])


ALONE = Workers()


@contextmanager
def joined(timeout: float = TIMEOUT) -> Iterator[Workers]:
    """The group that this process belongs to while the block runs; `ALONE` where torchrun has not started it.

    A group that somebody has made before is used and kept.
    """
    if dist.is_available() and dist.is_initialized():
        yield Workers(dist.get_rank(), dist.get_world_size(), _number("LOCAL_RANK"))
        return
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        yield ALONE
        return
    if not dist.is_available():
        raise SettingError("this torch cannot train in several processes", place="WORLD_SIZE", mend="start one")
    workers = Workers(_number("RANK"), size, _number("LOCAL_RANK"))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout))
    except (ValueError, RuntimeError) as problem:
        reason = f"the {size} processes do not find one another: {_line(problem)}"
        raise RunError(reason, place=f"process {workers.rank}", mend="start them by torchrun") from problem
    try:
        yield workers
    finally:
        dist.destroy_process_group()


def _number(name: str, otherwise: int = 0) -> int:
    text = os.environ.get(name, str(otherwise))
    if not text.isdecimal():
        raise SettingError(f"{name} is {text!r}", place="environment", mend="start by torchrun, which sets it")
    return int(text)


def _talk(exchange: Callable[[], object]) -> None:
    try:
        exchange()
    except RuntimeError as problem:
        raise RunError(
            f"another process of this training has ended, or does not answer: {_line(problem)}",
            place=f"process {dist.get_rank()}",
            mend="see what that one said, then resume",
        ) from problem


def _line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
