"""Training in a group of processes: one net, the mean gradient, one writer, the same bits after a death.

Run as a script, this file starts pairs of processes by torch's own agent (what torchrun is), one pair a case, and
leaves what every process saw in a folder; the tests read it there.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kinetix.errors import KinetixError, RunError, SettingError
from kinetix.solvers.general import pretraining
from kinetix.solvers.general.lessons import Lessons
from kinetix.solvers.general.net import Core, Size
from kinetix.solvers.general.pretrained import GeneralNetwork
from kinetix.solvers.general.pretraining import Pretraining
from kinetix.solvers.general.source import Source
from kinetix.solvers.nets.budget import Budget
from kinetix.solvers.nets.descent import Descent
from kinetix.solvers.nets.learning import Settings
from kinetix.solvers.nets.run_folder import RunFolder
from kinetix.solvers.nets.signals import Interrupted
from kinetix.solvers.nets.training import seeded, train
from kinetix.solvers.nets.workers import ALONE, Workers, joined

ROOT = Path(__file__).parent.parent.parent
TINY = Pretraining(
    size=Size(32, 1, 1), source=Source({"small": 1.0}, paths=8, times=2), block=8, blocks=2, every=4, watched={}
)
STEPS, SEED, SAVED = 10, 3, 4
BAD = 6
"""The step at which a case goes wrong, after the checkpoint of step 4."""


def bits(core):
    return torch.cat([weight.reshape(-1) for weight in core.state_dict().values()]).numpy()


# the pairs of processes ------------------------------------------------------------------------


def misbehaving(what, rank):
    """Lessons of which process 1 does `what` at step BAD; `first` gets every process's weights of the first step."""
    first = []

    class Bad(Lessons):
        def loss(self, net, rng, generator, step):
            if not first:
                first.append(bits(net))
            if step == BAD and rank == 1 and what in ("die", "stop"):
                os.kill(os.getpid(), signal.SIGKILL if what == "die" else signal.SIGTERM)
            value, facts = super().loss(net, rng, generator, step)
            return (value * float("nan") if (step, rank, what) == (BAD, 1, "nan") else value), facts

    return Bad, first


def one(folder, case, what, seeds, more):
    """What one process does: a training, and a note of what it saw."""
    rank = int(os.environ["RANK"])
    pretraining.Lessons, first = misbehaving(what, rank)
    pretraining.Settings = partial(Settings, save_steps=SAVED)
    if what == "other weights":
        pretraining.seeded = lambda seed: seeded(seed + rank)
    own = {name: f"{value}-{rank}" for name, value in more.items() if name in ("output", "begin")}  # no shared disk
    began, told, seen = time.process_time(), {}, {}
    try:
        net = TINY.train(budget_steps=STEPS, seed=seeds[rank], **(more | own))
        told = {"certificate": net.certificate, "settings": net.settings}
        seen = {"bits": bits(net.core)}
    except (KinetixError, Interrupted) as problem:
        told = {"refused": type(problem).__name__, "reason": str(problem)}
    told["cpu"] = time.process_time() - began
    np.savez(folder / f"{case}-{rank}.npz", first=first[0] if first else [], **seen)
    (folder / f"{case}-{rank}.json").write_text(json.dumps(told))


class Line:
    """Learns a line from draws of both generators and a count of its own, each process from others."""

    def __init__(self, stop_at):
        self.stop_at, self.seen = stop_at, 0

    def loss(self, net, rng, generator, step):
        if step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        self.seen += int(rng.integers(5))
        x = torch.from_numpy(rng.normal(size=(8, 1)).astype(np.float32))
        return ((net(x) - self.seen * x + torch.randn(8, 1, generator=generator)) ** 2).mean(), {"states": 1}

    def state(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = state["seen"]


def lines(folder, *_):
    """Three trainings in one group: whole, stopped, resumed. Every process has a generator of its own."""
    with joined() as workers:

        def learned(name, stop_at=None, resume=False):
            with seeded(1):
                net = nn.Linear(1, 1)
            rng, more = np.random.default_rng(workers.rank), {"resume": resume, "workers": workers}
            with RunFolder(folder / name) if workers.first else nullcontext() as run, suppress(Interrupted):
                train(net, Line(stop_at), Budget(steps=STEPS), rng=rng, folder=run, **more)
            return bits(net)

        whole, stopped = learned("line"), learned("stopped-line", BAD)
        resumed = learned("stopped-line", resume=True)
        np.savez(folder / f"lines-{workers.rank}.npz", whole=whole, stopped=stopped, resumed=resumed)


def silent(folder, *_):
    """Process 1 says nothing, and lives."""
    with joined(timeout=5) as workers:
        end = folder / "silent-0.json"
        if not workers.first:
            while not end.exists():
                time.sleep(0.1)
            return
        try:
            workers.gathered(1.0)
        except RunError as problem:
            end.write_text(json.dumps({"reason": str(problem)}))


def pair(folder, case, what="", seeds=(SEED, SEED), work=one, **more):
    """Two processes under torch's agent; whether all ended well."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", run_id=case,
        max_restarts=0, start_method="fork", monitor_interval=0.05, local_addr="127.0.0.1",
    )  # fmt: skip
    try:
        elastic_launch(config, work)(folder, case, what, seeds, more)
    except ChildFailedError:
        return False
    return True


def main(folder, cases):
    """All cases, in order: some go on with what an earlier one left."""
    torch.set_num_threads(1)
    alone, run = str(folder / "alone-0"), lambda name: str(folder / name)
    if cases == "silent":
        pair(folder, "silent", work=silent)
        return
    TINY.train(budget_steps=SAVED, seed=SEED, output=alone)  # what is compiled here need not be compiled in the pairs
    ended = {
        "whole": pair(folder, "whole", output=run("whole-run")),
        "died": pair(folder, "died", "die", output=run("died-run")),
        "after-death": pair(folder, "after-death", output=run("died-run"), resume=True),
        "stopped": pair(folder, "stopped", "stop", output=run("stopped-run")),
        "after-stop": pair(folder, "after-stop", output=run("stopped-run"), resume=True),
        "nan": pair(folder, "nan", "nan"),
        "weights": pair(folder, "weights", "other weights"),
        "seeds": pair(folder, "seeds", seeds=(SEED, SEED + 1)),
        "grown": pair(folder, "grown", output=run("alone"), resume=True),
        "lines": pair(folder, "lines", work=lines),
        "begun": pair(folder, "begun", begin=run("whole-run")),
    }
    (folder / "ended.json").write_text(json.dumps(ended))


# the tests --------------------------------------------------------------------------------------


def started(folder, cases):
    names = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    kept = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    command = [sys.executable, "-m", "tests.general.test_workers", str(folder), cases]
    with subprocess.Popen(command, cwd=ROOT, env=kept | names, stderr=subprocess.PIPE, start_new_session=True) as agent:
        try:
            _, said = agent.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            os.killpg(agent.pid, signal.SIGKILL)  # a pair that waits for itself would outlive the agent
            raise
    assert agent.returncode == 0, said.decode()[-3000:]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """The folder in which all cases have left what they saw."""
    folder = tmp_path_factory.mktemp("workers")
    started(folder, "all")
    return folder


def told(folder, case):
    return [json.loads((folder / f"{case}-{rank}.json").read_text()) for rank in (0, 1)]


def weights(folder, case, name="bits"):
    return [np.load(folder / f"{case}-{rank}.npz")[name] for rank in (0, 1)]


def by_hand():
    """The same training in one process: the two parts' gradients, their mean, one step."""
    rngs = [np.random.default_rng(SEED) for _ in range(2)]
    roots = [[int(r) for r in rng.integers(2**62, size=2)] for rng in rngs]
    for rng in rngs:
        rng.integers(2**62)  # the torch generator's seed
    with seeded(roots[0][0]):
        core = Core(TINY.size)
    lessons = [Lessons(TINY.source, root[1], 8, 2, 4, 4, part) for part, root in enumerate(roots)]
    plain = Settings(rate=TINY.rate)
    descent = Descent(core, rate=plain.rate, decay=plain.decay, orthogonal_steps=TINY.orthogonal)
    losses = []
    for step in range(STEPS):
        parts, values = [], []
        for lesson, rng in zip(lessons, rngs, strict=True):
            core.zero_grad()
            loss, _ = lesson.loss(core, rng, torch.Generator(), step)
            loss.backward()
            values.append(float(loss.detach()))
            parts.append([p.grad.clone() for p in core.parameters()])
        for p, a, b in zip(core.parameters(), *parts, strict=True):
            p.grad = (a + b) / 2
        nn.utils.clip_grad_norm_(core.parameters(), plain.clip)
        for group in descent.param_groups:
            group["lr"] = plain.rate_at(step / STEPS)
        descent.step()
        losses.append(values)
    return bits(core), np.array(losses)


def test_two_processes_descend_their_mean_gradient(seen):
    """Mutants seen to fail: gradients that are summed; the same part for both; no exchange (the pair does not end)."""
    expected, losses = by_hand()
    one, two = weights(seen, "whole")
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, expected, rtol=0, atol=1e-6)
    assert np.abs(one - weights(seen, "whole", "first")[0]).max() > 1e-3
    assert (losses[:, 0] != losses[:, 1]).all()
    smoothed = losses[0].mean()
    for value in losses[1:].mean(axis=1):
        smoothed = 0.98 * smoothed + 0.02 * value
    assert told(seen, "whole")[0]["certificate"]["training"]["loss"] == pytest.approx(smoothed, rel=1e-5)


def test_the_first_process_alone_writes(seen):
    """Each was given a folder of its own. Mutant seen to fail: every process opens its folder."""
    assert sorted(path.name for path in seen.glob("*-run-*")) == ["died-run-0", "stopped-run-0", "whole-run-0"]
    net = GeneralNetwork.open(seen / "whole-run-0")
    np.testing.assert_array_equal(bits(net.core), weights(seen, "whole")[1])
    assert net.settings["processes"] == 2
    one, two = told(seen, "whole")
    assert one["certificate"] == two["certificate"]


def test_the_seconds_of_all_processes_count(seen):
    """Mutant seen to fail: those of the first one alone."""
    one, two = told(seen, "whole")
    counted = one["certificate"]["training"]["cpu_seconds"]
    assert one["cpu"] + 0.5 * two["cpu"] < counted <= one["cpu"] + two["cpu"]


def test_a_death_fails_the_other_and_is_made_good(seen):
    """Mutant seen to fail: data that depend on when they are made."""
    assert not json.loads((seen / "ended.json").read_text())["died"]
    survivor = json.loads((seen / "died-0.json").read_text())
    assert survivor["refused"] == "RunError"
    assert "another process of this training has ended" in survivor["reason"]
    assert not (seen / "died-1.json").exists()
    for after, whole in zip(weights(seen, "after-death"), weights(seen, "whole"), strict=True):
        np.testing.assert_array_equal(after, whole)


def test_a_signal_to_one_stops_all_and_is_made_good(seen):
    """Mutant seen to fail: the signal heeded by the process that caught it alone (the pair does not end)."""
    assert [each["refused"] for each in told(seen, "stopped")] == ["Interrupted", "Interrupted"]
    for after, whole in zip(weights(seen, "after-stop"), weights(seen, "whole"), strict=True):
        np.testing.assert_array_equal(after, whole)


def test_a_loss_that_is_not_finite_anywhere_is_skipped_everywhere(seen):
    """Mutant seen to fail: a loss that is not finite counted as 0."""
    one, (first, second) = told(seen, "nan")[0], weights(seen, "nan")
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()
    (note,) = one["certificate"]["training"]["notes"]
    assert f"step {BAD}, batch block" in note
    assert "of process 1:" in note


def test_processes_that_differ_are_refused(seen):
    for case, what in (("weights", "other weights"), ("seeds", "other settings")):
        for each in told(seen, case):
            assert f"process 1 has {what} than process 0" in each["reason"]


def test_another_number_of_processes_is_refused(seen):
    for each in told(seen, "grown"):
        assert "another number of processes: 1, not 2" in each["reason"]
    with pytest.raises(SettingError, match="another number of processes: 2, not 1"):
        TINY.train(budget_steps=STEPS, seed=SEED, output=seen / "died-run-0", resume=True)


def test_a_further_training_begins_at_the_old_weights(seen):
    whole = weights(seen, "whole")[0]
    for first in weights(seen, "begun", "first"):
        np.testing.assert_array_equal(first, whole)
    spent = told(seen, "begun")[0]["certificate"]["training"]["all_legs"]
    assert (spent["legs"], spent["steps"]) == (2, 2 * STEPS)


def test_every_process_goes_on_with_its_own_generators(seen):
    """Mutants seen to fail: the numpy state, the torch state or the teacher's of process 0 restored on all."""
    for rank in (0, 1):
        found = np.load(seen / f"lines-{rank}.npz")
        np.testing.assert_array_equal(found["resumed"], found["whole"])
        assert (found["stopped"] != found["whole"]).all()
    lines = (seen / "line" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == STEPS


@pytest.mark.slow
def test_one_that_is_silent_is_not_waited_for_for_ever(tmp_path):
    started(tmp_path, "silent")
    assert "does not answer" in json.loads((tmp_path / "silent-0.json").read_text())["reason"]


def test_a_process_alone_talks_to_nobody(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as workers:
        assert workers is ALONE
    assert workers.device("cuda:3") == "cuda:3"
    net = nn.Linear(1, 1)
    assert workers.average(net, 0.5) == 0.5
    assert net.weight.grad is None
    np.testing.assert_array_equal(workers.gathered(1.0, 2.0), [[1.0, 2.0]])


def test_a_broken_start_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(SettingError, match="WORLD_SIZE is 'two'"), joined():
        pass
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RunError, match=r"do not find one another.*torchrun"), joined():
        pass


def test_each_process_takes_the_gpu_of_its_number(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    group = Workers(rank=5, size=8, local=1)
    assert [group.device(name) for name in ("auto", "cuda", "cpu")] == ["cuda:1", "cuda:1", "cpu"]
    assert taken == [1, 1]
    with pytest.raises(SettingError, match="finds 2 GPUs"):
        replace(group, local=2).device("auto")
    with pytest.raises(SettingError, match="8 processes on 'cuda:0'"):
        group.device("cuda:0")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
