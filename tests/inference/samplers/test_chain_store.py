"""Chains on disk: a run that was killed, stopped or cut short goes on to the very draws of one that was not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kinetix as kx
from kinetix.errors import CheckpointError, LockedError, SettingError
from kinetix.inference import sampling
from kinetix.inference.samplers import chain_store, ensembles
from kinetix.inference.samplers.chain_store import ChainStore
from kinetix.journal import DamageWarning, Journal, asked_in
from tests.inference.gamma_poisson import PRIOR, TIME, Poisson, network

SIZE = {"ensembles": 2, "walkers": 8}


def cells():
    counts = np.random.default_rng(0).poisson(3.0 * TIME, 40)
    return kx.Observations.from_counts(["X"], np.full(40, TIME), counts)


class Slow(Poisson):
    """A likelihood that takes its time, so that there is a middle to be killed in."""

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        time.sleep(0.001)
        return super().log_prob_batch(problem, thetas, counts, axes, rng=rng)


def inferred(folder=None, *, steps=300, seed=5, likelihood=Poisson(), **settings):  # noqa: B008 - frozen
    settings = {**SIZE, "prior": PRIOR, **settings}
    rng = np.random.default_rng(seed)
    return sampling.infer(network(), cells(), likelihood=likelihood, rng=rng, steps=steps, output=folder, **settings)


def same(a, b):
    return np.array_equal(a.draws, b.draws) and np.array_equal(a.log_density, b.log_density)


@pytest.fixture
def often(monkeypatch):
    """A segment a step or so."""
    monkeypatch.setattr(chain_store, "EVERY", 0.0)


@pytest.mark.usefixtures("often")
def test_a_run_in_pieces_is_the_run_in_one_piece(tmp_path):
    """Mutants seen to fail: random numbers not restored, or off by one, or those of another ensemble; the last step
    counted twice; segments written over each other."""
    whole = inferred()
    for steps in (16, 17, 120, 300):
        found = inferred(tmp_path / "run", steps=steps, resume=True)
    assert same(found, whole)
    assert same(inferred(tmp_path / "run", steps=120, resume=True), inferred(steps=120))
    assert same(inferred(tmp_path / "run", steps=None, resume=True), inferred(steps=None))
    assert not same(whole, inferred(seed=6))


def test_steps_go_on_to_the_bit():
    """The density depends on how many are asked at once, as a batched solver may in its last digits.

    Mutant seen to fail: log-densities computed again from u, all walkers together.
    """

    def density(u):
        return -0.5 * (u**2).sum(axis=1) + 0.1 * len(u)

    rng = np.random.default_rng(1)
    walk = ensembles.steps(density, rng.normal(size=(8, 2)), rng=rng)
    made = [next(walk) for _ in range(40)]
    again = ensembles.further_steps(density, made[19])
    assert all(np.array_equal(next(again).u, step.u) for step in made[20:])


def run_until(folder, segments, signal_number):
    """A real process that infers into `folder`, sent a signal once it has written so many segments."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from kinetix.inference.samplers import chain_store; chain_store.EVERY = 0.05\n"
        "from tests.inference.samplers.test_chain_store import Slow, inferred\n"
        "inferred(sys.argv[2], steps=4000, likelihood=Slow())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parents[3]), str(folder)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(folder.glob("entry-*"))) < segments:
        time.sleep(0.01)
    process.send_signal(signal_number)
    process.wait()
    return process.returncode


def test_kill_9_in_the_middle_and_the_draws_are_the_same(tmp_path):
    assert run_until(tmp_path / "run", 4, signal.SIGKILL) == -9
    held = len(list((tmp_path / "run").glob("entry-*")))
    assert 4 <= held < 70
    found = inferred(tmp_path / "run", steps=500, likelihood=Slow(), resume=True)
    assert same(found, inferred(steps=500))
    assert found.complete


@pytest.mark.usefixtures("often")
def test_a_damaged_last_segment_falls_back_by_one_and_says_so(tmp_path):
    folder = tmp_path / "run"
    inferred(folder, steps=40)
    last = max(folder.glob("entry-*"))
    data = last.read_bytes()
    last.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
    with pytest.warns(DamageWarning, match=rf"{last.name}.*SHA-256.*falling back to the entry before it"):
        found = inferred(folder, steps=60, resume=True)
    assert same(found, inferred(steps=60))
    assert "falling back" in found.meta["notes"][0]


@pytest.mark.usefixtures("often")
def test_ctrl_c_keeps_what_there_is_and_goes_on(tmp_path):
    def stop(entry):
        if entry["step"] > 30:
            raise KeyboardInterrupt

    found = inferred(tmp_path / "run", likelihood=Slow(), progress=stop)
    assert not found.complete
    done = found.meta["settings"]["steps"]
    assert 24 <= done < 300  # what is kept of 31 or more
    with pytest.raises(CheckpointError, match="earlier run"):
        inferred(tmp_path / "run")
    assert same(inferred(tmp_path / "run", likelihood=Slow(), resume=True), inferred())


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"seed": 6}, "seed"),
        ({"walkers": 10}, "walkers"),
        ({"ensembles": 3}, "ensembles"),
        ({"prior": {"k": kx.prior.gamma(4.0, 0.7)}}, "prior"),
        ({"likelihood": Poisson(top=300)}, "likelihood"),
    ],
)
def test_another_question_is_refused_by_name(tmp_path, change, what):
    inferred(tmp_path / "run", steps=16)
    with pytest.raises(CheckpointError, match=f"another {what}"):
        inferred(tmp_path / "run", **{"steps": 20, "resume": True, **change})


def test_two_writers_the_second_is_refused(tmp_path):
    question = {"of": "chains"}
    with Journal(tmp_path / "run", question), pytest.raises(LockedError):
        inferred(tmp_path / "run", resume=True)


def step(seed, *, gauss=0.0, generator="MT19937"):
    rng = np.random.RandomState(seed)
    _, key, position, _, _ = rng.get_state()
    return ensembles.Step(
        rng.normal(size=(4, 1)), rng.normal(size=4), (generator, key, position, int(gauss != 0), gauss)
    )


def test_a_segment_comes_back_with_the_state_of_its_random_numbers(tmp_path):
    """Mutants seen to fail: the spare normal number left out; the longest ensemble's steps asked of all."""
    with Journal(tmp_path / "run", {}) as journal:
        ChainStore(journal).keep([[step(1), step(2, gauss=0.3)], [step(3), step(4), step(5)]], now=True)
        first, second = ChainStore(journal).held(2)
    assert [len(first), len(second)] == [2, 2]
    for found, made in ((first[-1], step(2, gauss=0.3)), (second[-1], step(4))):
        assert np.array_equal(found.u, made.u)
        assert np.array_equal(found.log_density, made.log_density)
        assert np.array_equal(found.stream[1], made.stream[1])
        assert (found.stream[0], *found.stream[2:]) == (made.stream[0], *made.stream[2:])


def test_the_last_steps_are_kept_however_few_seconds_they_took(tmp_path):
    """Mutant seen to fail: nothing written at the end of a walk."""
    inferred(tmp_path / "run", steps=40)
    with Journal(tmp_path / "run", asked_in(tmp_path / "run"), resume=True) as journal:
        assert len(ChainStore(journal).held(2)[0]) == 40


def test_another_generator_is_refused(tmp_path):
    """Mutant seen to fail: its name not looked at."""
    with Journal(tmp_path / "run", {}) as journal:
        ChainStore(journal).keep([[step(1, generator="PCG64")]], now=True)
        with pytest.raises(CheckpointError, match="segment 0"):
            ChainStore(journal).held(1)


def test_segments_that_do_not_follow_are_refused(tmp_path):
    """Mutants seen to fail: the number of the first step not looked at; that of the ensembles neither."""
    with Journal(tmp_path / "run", {}) as journal:
        seen = [[ensembles.Step(np.zeros((4, 1)), np.zeros(4), np.random.RandomState(1).get_state())] * 3] * 2
        store = ChainStore(journal)
        store.keep(seen, now=True)
        store.saved = 1
        store.keep(seen, now=True)
        assert journal.numbers() == [0, 1]
        with pytest.raises(CheckpointError, match="segment 1"):
            ChainStore(journal).held(2)
        for other in (1, 3):
            with pytest.raises(CheckpointError, match="segment 0"):
                ChainStore(journal).held(other)


def test_progress_tells_acceptance_and_r_hat_so_far_and_changes_nothing(monkeypatch):
    from kinetix.inference.samplers import chains

    monkeypatch.setattr(chains, "LOOKED", 0.1)
    told = []
    found = inferred(likelihood=Slow(), progress=told.append, steps=600)
    assert same(found, inferred(steps=600))
    assert {"R-hat", "ESS", "acceptance", "seconds_left", "fraction"} <= set(told[-1])
    assert 0.1 < told[-1]["acceptance"] < 0.9


def test_a_generator_without_a_seed_is_refused():
    class Legacy:
        bit_generator = type("B", (), {"seed_seq": None})()

    with pytest.raises(SettingError, match="does not tell its seed"):
        sampling.infer(network(), cells(), prior=PRIOR, likelihood=Poisson(), rng=Legacy(), steps=16, **SIZE)
