"""One loop for every learner: AdamW under a cosine fitted to the budget, safe to stop and to resume.

A resumed run of a step budget ends in the same bits as one that was never stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from kinetix.errors import CheckpointError, RunError, SettingError

from .budget import Budget, Record
from .descent import Descent, moments_as_tensors, moments_of
from .run_folder import RunFolder
from .signals import Interrupted, first_signal

Progress = Callable[[Mapping[str, float]], None]
Judge = Callable[[nn.Module], Mapping[str, float]]

LOOKS = 20
"""How often a judge looks at the net in a training."""


class Teacher(Protocol):
    """Where the training signal comes from."""

    def loss(
        self, net: nn.Module, rng: np.random.Generator, generator: torch.Generator, step: int
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """The loss of one step (a scalar) and plain facts about it.

        "batch" may name the batch, "states" count the states (or prefixes of states) that the net weighed.
        """
        ...

    def state(self) -> Mapping[str, Any]:
        """What a resumed run needs beside the generators: plain JSON values."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a `state`."""
        ...


@dataclass(frozen=True)
class Settings:
    """How to descend. `rate` peaks after `warmup` of the budget and falls to 0 on a cosine.

    `orthogonal_steps` are those of `descent`.
    """

    rate: float = 2e-3
    decay: float = 1e-2
    clip: float = 1.0
    warmup: float = 0.02
    threads: int = 1
    save_seconds: float = 20.0
    save_steps: int | None = None
    guard_steps: int = 50
    orthogonal_steps: bool = False

    def rate_at(self, fraction: float) -> float:
        """The learning rate when `fraction` of the budget is spent."""
        rising = min(1.0, (fraction + 1e-3) / self.warmup) if self.warmup > 0 else 1.0
        return self.rate * rising * 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make nets inside: torch's own initialisers draw from `seed`, and the process's stream is left untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU too
        yield


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Torch with `number` threads inside, as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(  # noqa: PLR0913 - the parts of a run
    net: nn.Module,
    teacher: Teacher,
    budget: Budget,
    *,
    rng: np.random.Generator,
    settings: Settings | None = None,
    folder: RunFolder | None = None,
    identity: str = "",
    resume: bool = False,
    progress: Progress | None = None,
    judge: Judge | None = None,
) -> Record:
    """Train `net` in place until the budget is spent. What `judge` finds now and then joins the progress.

    With an open `folder`, checkpoints and metrics go there; `resume` goes on from the newest whole one
    (`identity` must be that of the run that wrote it). Ctrl-C and SIGTERM save and raise Interrupted.
    A loss that is not finite is skipped, the weights of the last good stretch restored and the rate
    halved; after the third the run stops with RunError.
    """
    run = _Run(net, teacher, budget, rng, settings or Settings(), folder, identity)
    if folder is not None:
        run.open(resume)
    with threads(run.settings.threads), first_signal(active=folder is not None) as stop:
        return run.loop(stop, progress, judge)


class _Run:
    """The moving parts of one training, private to `train`."""

    def __init__(
        self,
        net: nn.Module,
        teacher: Teacher,
        budget: Budget,
        rng: np.random.Generator,
        settings: Settings,
        folder: RunFolder | None,
        identity: str,
    ) -> None:
        self.net, self.teacher, self.budget, self.rng = net, teacher, budget, rng
        self.settings, self.folder, self.identity = settings, folder, identity
        device = next(net.parameters()).device
        self.generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        self.optimiser = Descent(
            net, rate=settings.rate, decay=settings.decay, orthogonal_steps=settings.orthogonal_steps
        )
        self.step, self.slower, self.failures, self.smoothed = 0, 1.0, 0, math.nan
        self.good = self._snapshot()
        self.saved_at, self.told_at = time.monotonic(), 0.0
        self.notes: list[str] = []
        self.states, self.judged, self.looks = 0.0, dict[str, float](), 0

    # the loop ----------------------------------------------------------------------------------

    def loop(self, stop: list[int], progress: Progress | None, judge: Judge | None = None) -> Record:
        self.net.train()
        self.began = time.monotonic()
        while (fraction := self.budget.fraction(self.step)) < 1:
            self._one_step(fraction)
            if stop:
                self._stopped(stop[0])
            self._look(judge, fraction)
            self._report(progress, last=False)
            self._save_if_due()
        self.net.eval()
        self._look(judge, 1.0)
        self._report(progress, last=True)
        if self.folder is not None:
            self._save()
            self.notes[:0] = self.folder.notes
        seconds = self.budget.wall_seconds, self.budget.cpu_seconds
        return Record(self.step, self.smoothed, *seconds, tuple(self.notes))

    def _one_step(self, fraction: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.slower * self.settings.rate_at(fraction)
        self.optimiser.zero_grad(set_to_none=True)
        loss, facts = self.teacher.loss(self.net, self.rng, self.generator, self.step)
        value = float(loss.detach())
        self.states += float(facts.get("states", 0))
        if math.isfinite(value):
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip)
            if math.isfinite(float(norm)):
                self.optimiser.step()
                self._went_well(value)
                return
        self._went_wrong(facts)

    def _went_well(self, value: float) -> None:
        self.step += 1
        self.smoothed = value if math.isnan(self.smoothed) else 0.98 * self.smoothed + 0.02 * value
        if self.step % self.settings.guard_steps == 0:
            self.good = self._snapshot()

    def _went_wrong(self, facts: Mapping[str, Any]) -> None:
        self.failures += 1
        where = f"step {self.step}, batch {facts.get('batch', 'unnamed')}"
        self.notes.append(f"the loss was not finite at {where}: skipped, rate halved, weights restored")
        if self.failures >= 3:
            raise RunError("the loss was not finite three times", place=where, mend="lower the rate, or narrow the box")
        self.slower *= 0.5
        weights, optimiser = self.good
        self.net.load_state_dict(weights)
        self.optimiser.load_state_dict(optimiser)
        self.good = self._snapshot()
        self.step += 1

    def _snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        weights = {name: tensor.detach().clone() for name, tensor in self.net.state_dict().items()}
        state = self.optimiser.state_dict()
        moments = {k: {n: v.clone() for n, v in entry.items()} for k, entry in state["state"].items()}
        return weights, {"state": moments, "param_groups": state["param_groups"]}

    # reports -----------------------------------------------------------------------------------

    def _look(self, judge: Judge | None, fraction: float) -> None:
        """Judge the net, `LOOKS` times in all."""
        if judge is not None and fraction * LOOKS >= self.looks:
            self.looks = int(fraction * LOOKS) + 1
            self.judged = dict(judge(self.net))

    def _report(self, progress: Progress | None, *, last: bool) -> None:
        if (progress is None and self.folder is None) or (not last and time.monotonic() - self.told_at < 0.3):
            return
        self.told_at = time.monotonic()
        fraction = min(1.0, self.budget.fraction(self.step))
        spent = self.budget.wall_seconds
        left = spent * (1 - fraction) / fraction if fraction > 0 else math.inf
        entry = {"fraction": fraction, "loss": self.smoothed, "seconds_left": left, "step": float(self.step)}
        entry |= self.judged
        if self.states:
            entry["states_per_second"] = self.states / max(time.monotonic() - self.began, 1e-9)
        if progress is not None:
            progress(entry)
        if self.folder is not None:
            rate = self.optimiser.param_groups[0]["lr"]
            self.folder.log({**entry, "rate": rate, "wall": spent, "cpu": self.budget.cpu_seconds})

    # checkpoints -------------------------------------------------------------------------------

    def open(self, resume: bool) -> None:
        """Start or continue in the folder."""
        assert self.folder is not None
        if not resume:
            if self.folder.steps():
                raise SettingError(
                    "this folder already holds a run", place=str(self.folder.path), mend="resume it, or give another"
                )
            return
        found = self.folder.latest()
        if found is not None:
            self._restore(*found)

    def _save_if_due(self) -> None:
        every = self.settings.save_steps
        due = self.step % every == 0 if every else time.monotonic() - self.saved_at > self.settings.save_seconds
        if self.folder is not None and due:
            self._save()

    def _save(self) -> None:
        assert self.folder is not None
        tensors = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        weights, optimiser = self.good
        tensors |= {f"good.{name}": tensor for name, tensor in weights.items()}
        for prefix, state in (("moments", self.optimiser.state_dict()), ("good-moments", optimiser)):
            tensors |= moments_as_tensors(prefix, state)
        tensors["generator"] = self.generator.get_state()
        content = {
            "identity": self.identity,
            "tensors": sorted(tensors),
            "step": self.step,
            "slower": self.slower,
            "failures": self.failures,
            "smoothed": self.smoothed,
            "loss": self.smoothed,
            "wall": self.budget.wall_seconds,
            "cpu": self.budget.cpu_seconds,
            "numpy": self.rng.bit_generator.state,
            "teacher": self.teacher.state(),
            "notes": self.notes,
        }
        self.folder.save(self.step, tensors, content)
        self.saved_at = time.monotonic()

    def _restore(self, content: dict[str, Any], tensors: dict[str, Tensor]) -> None:
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
            self.generator.set_state(tensors["generator"])
            self.rng.bit_generator.state = content["numpy"]
            self.step, self.slower = int(content["step"]), float(content["slower"])
            self.failures, self.notes = int(content["failures"]), list(content["notes"])
            self.smoothed = math.nan if content["smoothed"] is None else float(content["smoothed"])
            self.budget = self.budget.after(float(content["wall"]), float(content["cpu"]))
            self.teacher.restore(content["teacher"])
        except (KeyError, RuntimeError, TypeError, ValueError) as problem:
            raise CheckpointError(f"a part of the checkpoint is missing or does not fit: {problem!r:.200}") from problem

    def _stopped(self, number: int) -> None:
        assert self.folder is not None
        self._save()
        raise Interrupted(number, str(self.folder.path))


def _difference(before: object, now: str) -> str:
    """The names of the entries in which two identities (JSON objects, or any text) differ."""
    try:
        old, new = json.loads(str(before)), json.loads(now)
        return ", ".join(k for k in sorted({*old, *new}) if old.get(k) != new.get(k))
    except (ValueError, TypeError, AttributeError):
        return "identity"


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
