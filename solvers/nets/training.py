"""One loop for every learner: AdamW under a cosine fitted to the budget, safe to stop and to resume.

A resumed run of a step budget ends in the same bits as one that was never stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from kinetix.errors import CheckpointError, RunError, SettingError

from .budget import Budget, Record
from .descent import Descent, moments_as_tensors, moments_of
from .run_folder import RunFolder
from .sealed import weights_digest
from .signals import Interrupted, first_signal
from .workers import ALONE, Workers

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
    workers: Workers = ALONE,
) -> Record:
    """Train `net` in place until the budget is spent. What `judge` finds now and then joins the progress.

    With an open `folder`, checkpoints and metrics go there; `resume` goes on from the newest whole one
    (`identity` must be that of the run that wrote it). Ctrl-C and SIGTERM save and raise Interrupted.
    A loss that is not finite is skipped, the weights of the last good stretch restored and the rate
    halved; after the third the run stops with RunError.

    Several `workers` call this together, each with a teacher and an `rng` of its own and equal weights; the first
    has the folder, judges and tells the progress.
    """
    run = _Run(net, teacher, budget, rng, settings or Settings(), folder, identity, workers)
    run.open(resume)
    with threads(run.settings.threads), first_signal(active=run.place is not None) as stop:
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
        self.good = self._snapshot()
        self.saved_at, self.told_at = time.monotonic(), 0.0
        self.notes: list[str] = []
        self.states, self.all_states, self.judged, self.looks = 0.0, 0.0, dict[str, float](), 0

    # the loop ----------------------------------------------------------------------------------

    def loop(self, stop: list[int], progress: Progress | None, judge: Judge | None = None) -> Record:
        self._require_same_weights()
        self.net.train()
        self.began = time.monotonic()
        while (fraction := self._fraction()) < 1:
            self._one_step(fraction)
            number, due = self._signs(stop)
            if number:
                self._stopped(number)
            self._look(judge, fraction)
            self._report(progress, last=False)
            if due:
                self._save()
        self.net.eval()
        self._look(judge, 1.0)
        self._report(progress, last=True)
        if self.place is not None:
            self._save()
        if self.folder is not None:
            self.notes[:0] = self.folder.notes
        self._require_same_weights()
        seconds = self.budget.wall_seconds, self.budget.cpu_seconds
        return Record(self.step, self.smoothed, *seconds, tuple(self.notes))

    def _fraction(self) -> float:
        """The share of the budget that is spent, as the first worker sees it."""
        told = self.workers.gathered(self.budget.fraction(self.step), self.budget.own_cpu, self.states)
        own = self.workers.rank
        self.budget = replace(self.budget, others=float(told[:, 1].sum() - told[own, 1]))
        self.all_states = float(told[:, 2].sum())
        return float(told[0, 0])

    def _signs(self, stop: list[int]) -> tuple[int, bool]:
        """The signal that any worker has caught (or 0), and whether the first one's checkpoint is due."""
        every = self.settings.save_steps
        due = self.step % every == 0 if every else time.monotonic() - self.saved_at > self.settings.save_seconds
        told = self.workers.gathered(stop[0] if stop else 0, due and self.place is not None)
        return int(told[:, 0].max()), bool(told[0, 1])

    def _one_step(self, fraction: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.slower * self.settings.rate_at(fraction)
        self.optimiser.zero_grad(set_to_none=True)
        loss, facts = self.teacher.loss(self.net, self.rng, self.generator, self.step)
        own = float(loss.detach())
        self.states += float(facts.get("states", 0))
        if math.isfinite(own):
            loss.backward()  # type: ignore[no-untyped-call]
        value = self.workers.average(self.net, own)
        if math.isfinite(value):
            norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip)
            if math.isfinite(float(norm)):
                self.optimiser.step()
                self._went_well(value)
                return
        self._went_wrong(self._batch(facts, own))

    def _batch(self, facts: Mapping[str, Any], loss: float) -> str:
        """The batch whose loss was not finite, and whose it was."""
        name = f"batch {facts.get('batch', 'unnamed')}"
        if self.workers.size == 1:
            return name
        found = self.workers.told((name, math.isfinite(loss)))
        bad = [f"{name} of process {rank}" for rank, (name, fine) in enumerate(found) if not fine]
        return ", ".join(bad or [f"{name} of process {rank}" for rank, (name, _) in enumerate(found)])

    def _went_well(self, value: float) -> None:
        self.step += 1
        self.smoothed = value if math.isnan(self.smoothed) else 0.98 * self.smoothed + 0.02 * value
        if self.step % self.settings.guard_steps == 0:
            self.good = self._snapshot()

    def _went_wrong(self, batch: str) -> None:
        self.failures += 1
        where = f"step {self.step}, {batch}"
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
        if judge is not None and self.workers.first and fraction * LOOKS >= self.looks:
            self.looks = int(fraction * LOOKS) + 1
            self.judged = dict(judge(self.net))

    def _report(self, progress: Progress | None, *, last: bool) -> None:
        nobody = not self.workers.first or (progress is None and self.folder is None)
        if nobody or (not last and time.monotonic() - self.told_at < 0.3):
            return
        self.told_at = time.monotonic()
        fraction = min(1.0, self.budget.fraction(self.step))
        spent = self.budget.wall_seconds
        left = spent * (1 - fraction) / fraction if fraction > 0 else math.inf
        entry = {"fraction": fraction, "loss": self.smoothed, "seconds_left": left, "step": float(self.step)}
        entry |= self.judged
        if self.all_states:
            entry["states_per_second"] = self.all_states / max(time.monotonic() - self.began, 1e-9)
        if progress is not None:
            progress(entry)
        if self.folder is not None:
            rate = self.optimiser.param_groups[0]["lr"]
            self.folder.log({**entry, "rate": rate, "wall": spent, "cpu": self.budget.cpu_seconds})

    # checkpoints -------------------------------------------------------------------------------

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

    def _require_same_weights(self) -> None:
        self.workers.require_same(
            "weights", lambda: weights_digest(self.net.state_dict()), "use equal machines and versions of torch"
        )

    def _save(self) -> None:
        """Keep what all workers need to go on; the first one writes, the others wait for it."""
        own = {"numpy": self.rng.bit_generator.state, "teacher": self.teacher.state()}
        told = self.workers.told((own, self.generator.get_state()))
        self._require_same_weights()
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

    def _stopped(self, number: int) -> None:
        self._save()
        raise Interrupted(number, str(self.place))


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
