"""The loop: resumed runs end in the same bits, bad losses are survived, folders have one writer."""

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from kinetix.errors import CheckpointError, LockedError, RunError, SaveError, SettingError
from kinetix.solvers.nets.budget import Budget
from kinetix.solvers.nets.learning import Settings
from kinetix.solvers.nets.run_folder import RunFolder
from kinetix.solvers.nets.signals import Interrupted
from kinetix.solvers.nets.training import seeded, threads, train

SETTINGS = Settings(save_steps=5, guard_steps=4)


class Line:
    """Learns y = 2 x + 1 from draws of both generators; can misbehave at chosen steps."""

    def __init__(self, nan_at=(), kill_at=None, number=signal.SIGTERM):
        self.nan_at, self.kill_at, self.number, self.calls = set(nan_at), kill_at, number, 0

    def loss(self, net, rng, generator, step):
        self.calls += 1
        if step == self.kill_at:
            os.kill(os.getpid(), self.number)
        x = torch.from_numpy(rng.normal(size=(8, 1)).astype(np.float32))
        noise = 0.1 * torch.randn(8, 1, generator=generator)
        value = ((net(x) - 2 * x - 1 + noise) ** 2).mean()
        return (value * float("nan") if step in self.nan_at else value), {"batch": f"rows {step}"}

    def state(self):
        return {"calls": self.calls}

    def restore(self, state):
        self.calls = state["calls"]


def line_net():
    with seeded(3):
        return torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.SiLU(), torch.nn.Linear(8, 1))


def bits(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()]).numpy().tobytes()


def run(path=None, teacher=None, *, steps=23, resume=False, identity='{"seed": 1, "box": 2}', **more):
    net, teacher = line_net(), teacher or Line()
    keywords = {"rng": np.random.default_rng(7), "settings": SETTINGS, "identity": identity, **more}
    if path is None:
        return net, train(net, teacher, Budget(steps=steps), **keywords)
    with RunFolder(path) as folder:
        return net, train(net, teacher, Budget(steps=steps), folder=folder, resume=resume, **keywords)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_and_resumed_ends_in_the_same_bits(tmp_path, number, code):
    """Mutants: leave out the torch generator, the moments or the smoothed loss on restoring."""
    whole, record = run(tmp_path / "whole")
    with pytest.raises(Interrupted) as stopped:
        run(tmp_path / "stopped", Line(kill_at=11, number=number))
    assert stopped.value.exit_code == code
    again, resumed = run(tmp_path / "stopped", resume=True)
    assert bits(again) == bits(whole)
    assert bits(again) != bits(line_net())
    assert (resumed.steps, resumed.loss) == (record.steps, record.loss) == (23, record.loss)


def test_a_crash_without_saving_resumes_from_the_last_checkpoint(tmp_path):
    whole, _ = run()

    class Crash(Line):
        def loss(self, net, rng, generator, step):
            if step == 13:
                raise MemoryError
            return super().loss(net, rng, generator, step)

    with pytest.raises(MemoryError):
        run(tmp_path, Crash())
    assert RunFolder(tmp_path).steps() == [5, 10]
    assert bits(run(tmp_path, resume=True)[0]) == bits(whole)


def test_a_resumed_finished_run_does_nothing(tmp_path):
    net, record = run(tmp_path)
    again, same = run(tmp_path, resume=True)
    assert bits(net) == bits(again)
    assert same.steps == record.steps


def test_other_settings_or_a_used_folder_are_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(SettingError, match="already holds a run"):
        run(tmp_path)
    with pytest.raises(SettingError, match="another seed;"):
        run(tmp_path, resume=True, identity='{"seed": 3, "box": 2}')


def test_a_loss_that_is_not_finite_is_survived_twice_and_named():
    """Mutant: step on NaN gradients."""
    net, record = run(teacher=Line(nan_at=(6, 9)))
    assert np.isfinite(np.frombuffer(bits(net), np.float32)).all()
    assert len(record.notes) == 2
    assert "batch rows 6" in record.notes[0]
    with pytest.raises(RunError, match=r"step 12, batch rows 12.*not finite three times"):
        run(teacher=Line(nan_at=(6, 9, 12)))


def test_the_rate_is_halved_and_the_weights_restored():
    rates, nets = [], []

    class Watch(Line):
        def loss(self, net, rng, generator, step):
            nets.append(bits(net))
            return super().loss(net, rng, generator, step)

    optimiser = torch.optim.AdamW
    original = optimiser.step

    def step(self, *a, **k):
        rates.append(self.param_groups[0]["lr"])
        return original(self, *a, **k)

    optimiser.step = step
    try:
        run(teacher=Watch(nan_at=(6,)), settings=Settings(warmup=0, guard_steps=4))
    finally:
        optimiser.step = original
    plain = Settings(warmup=0)
    np.testing.assert_allclose(rates[:6], [plain.rate_at(k / 23) for k in range(6)])
    np.testing.assert_allclose(rates[6:], [plain.rate_at(k / 23) / 2 for k in range(7, 23)])
    assert nets[7] == nets[4]


def test_a_second_writer_is_refused(tmp_path):
    with RunFolder(tmp_path), pytest.raises(LockedError, match="another process") as refused:
        RunFolder(tmp_path).__enter__()
    assert refused.value.exit_code == 5
    with RunFolder(tmp_path):
        pass


def test_a_damaged_checkpoint_falls_back_one_and_says_so(tmp_path):
    whole, _ = run()
    with pytest.raises(Interrupted):
        run(tmp_path, Line(kill_at=17))
    newest = tmp_path / "checkpoints" / "step-000000018" / "state.safetensors"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 4
    newest.write_bytes(bytes(data))
    net, record = run(tmp_path, resume=True)
    assert bits(net) == bits(whole)
    assert any("SHA-256" in note and "falling back" in note for note in record.notes)
    for file in (tmp_path / "checkpoints").glob("*/manifest.json"):
        file.write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="every checkpoint is damaged"):
        run(tmp_path, resume=True)


def test_the_last_three_and_the_best_are_kept_and_strays_swept(tmp_path):
    with RunFolder(tmp_path) as folder:
        (folder.checkpoints / ".step-9.partial").mkdir()
        for step, loss in ((1, 3.0), (2, 0.5), (3, 2.0), (4, 1.0), (5, 1.0), (6, 1.5)):
            folder.save(step, {"x": torch.zeros(1)}, {"loss": loss})
        assert folder.steps() == [2, 4, 5, 6]
    with RunFolder(tmp_path) as folder:
        assert list(folder.checkpoints.glob(".*")) == []


@pytest.mark.parametrize("missing", ["generator", "moments.0.exp_avg"])
def test_a_missing_part_refuses(tmp_path, missing):
    with pytest.raises(Interrupted):
        run(tmp_path, Line(kill_at=11))
    with RunFolder(tmp_path) as folder:
        content, tensors = folder.latest()
        del tensors[missing]
        folder.save(12, tensors, content)
    with pytest.raises(CheckpointError, match="missing"):
        run(tmp_path, resume=True)


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    with RunFolder(tmp_path) as folder:
        folder.save(1, {"x": torch.ones(1)}, {"loss": 1.0})

        def full(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(SaveError, match=r"step-000000002.*bytes: No space left") as refused:
            folder.save(2, {"x": torch.ones(1)}, {"loss": 1.0})
        monkeypatch.undo()
        assert refused.value.exit_code == 4
        assert folder.latest()[1]["x"].item() == 1.0


def test_budgets():
    with pytest.raises(SettingError, match="exactly one"):
        Budget()
    with pytest.raises(SettingError, match="exactly one"):
        Budget(wall=1.0, steps=2)
    with pytest.raises(SettingError, match="positive"):
        Budget(cpu=0.0)
    assert Budget(steps=10).fraction(5) == 0.5
    assert Budget(wall=10.0).after(5.0, 1.0).fraction(0) == pytest.approx(0.5, abs=0.01)
    assert Budget(cpu=10.0).after(5.0, 1.0).fraction(0) == pytest.approx(0.1, abs=0.01)


def test_time_budgets_end_on_time_with_the_rate_at_zero(tmp_path):
    entries = []
    run()  # torch's own first steps are slow
    with RunFolder(tmp_path) as folder:
        record = train(
            line_net(), Line(), Budget(cpu=0.5), rng=np.random.default_rng(0), folder=folder, progress=entries.append
        )
    assert 0.5 <= record.cpu_seconds < 0.7
    assert entries[-1]["fraction"] == 1.0
    assert entries[-1]["loss"] < entries[0]["loss"]
    assert '"rate": ' in (tmp_path / "metrics.jsonl").read_text()


def test_global_states_are_left_alone():
    torch.manual_seed(5)
    before, handler = torch.get_rng_state(), signal.getsignal(signal.SIGTERM)
    with threads(2):
        run()
        assert torch.get_num_threads() == 2
    assert torch.equal(before, torch.get_rng_state())
    assert signal.getsignal(signal.SIGTERM) is handler
