"""One loop for every learner: AdamW under a cosine fitted to the budget, safe to stop and to resume.

A resumed run of a step budget ends in the same bits as one that was never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from kinetix.errors import RunError

from .budget import Budget, Record
from .kept_run import KeptRun
from .learning import Settings, Teacher
from .run_folder import RunFolder
from .signals import Interrupted, first_signal
from .workers import ALONE, Workers

Progress = Callable[[Mapping[str, float]], None]
Judge = Callable[[nn.Module], Mapping[str, float]]

LOOKS = 20
"""How often a judge looks at the net in a training."""


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


class _Run(KeptRun):
    """The loop, private to `train`."""

    def loop(self, stop: list[int], progress: Progress | None, judge: Judge | None = None) -> Record:
        self.require_same_weights()
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
                self.save()
        self.net.eval()
        self._look(judge, 1.0)
        self._report(progress, last=True)
        if self.place is not None:
            self.save()
        if self.folder is not None:
            self.notes[:0] = self.folder.notes
        self.require_same_weights()
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
            self.good = self.snapshot()

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
        self.good = self.snapshot()
        self.step += 1

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

    def _stopped(self, number: int) -> None:
        self.save()
        raise Interrupted(number, str(self.place))
