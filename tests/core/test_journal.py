"""Folders of entries: what was written comes back to the bit; damage, strangers and second writers are refused."""

import multiprocessing
import os
import stat

import numpy as np
import pytest

from kinetix.errors import CheckpointError, LockedError, SaveError
from kinetix.journal import DamageWarning, Journal, asked_in, sealed, unsealed

QUESTION = {"model": "abc", "seed": 3, "scale": np.float64(0.1), "most": np.inf}


def arrays(k):
    rng = np.random.default_rng(k)
    return {"u": rng.normal(size=(2, 3)), "n": np.arange(k), "flag": np.array([True, False]), "key": np.uint32([k])}


@pytest.fixture
def folder(tmp_path):
    with Journal(tmp_path / "run", QUESTION) as journal:
        for k in range(4):
            journal.write(k, {"k": k}, arrays(k))
    return tmp_path / "run"


def test_entries_come_back_to_the_bit(folder):
    """Mutants seen to fail: arrays that cannot be written to; inf in a question refused when it is read back."""
    with Journal(folder, QUESTION, resume=True) as journal:
        for k, (content, found) in enumerate(journal.unbroken()):
            assert content == {"k": k}
            assert all(np.array_equal(found[name], a) and found[name].dtype == a.dtype for name, a in arrays(k).items())
            assert all(a.flags.writeable for a in found.values())
        assert (len(journal.whole()), journal.notes) == (4, [])
    assert asked_in(folder)["seed"] == 3


def test_every_flipped_bit_is_found():
    """All bits of a small entry. Mutant seen to fail: a digest of the arrays alone."""
    data = sealed({"k": 1}, {"u": np.arange(3.0)})
    assert np.array_equal(unsealed(data, "x")[1]["u"], np.arange(3.0))
    for i in range(len(data)):
        for bit in range(8):
            broken = data[:i] + bytes([data[i] ^ 1 << bit]) + data[i + 1 :]
            with pytest.raises(CheckpointError):
                unsealed(broken, "x")
    for i in range(0, len(data), 7):
        with pytest.raises(CheckpointError):
            unsealed(data[:i], "x")


def test_a_damaged_last_entry_falls_back_by_one_and_says_so(folder):
    """Mutant seen to fail: the damaged entry left in the folder."""
    path = folder / "entry-000000003"
    path.write_bytes(path.read_bytes()[:-1])
    with Journal(folder, QUESTION, resume=True) as journal:
        with pytest.warns(DamageWarning, match="falling back"):
            assert len(journal.unbroken()) == 3
        assert "falling back to the entry before it" in journal.notes[0]
        assert journal.numbers() == [0, 1, 2]


def test_an_entry_under_another_number_is_not_taken_for_it(folder):
    """Mutants seen to fail: any number taken; the number not looked at."""
    (folder / "entry-000000002").rename(folder / "entry-000000001")
    with Journal(folder, QUESTION, resume=True) as journal:
        with pytest.raises(CheckpointError, match="another entry"):
            journal.read(1)
        with pytest.warns(DamageWarning, match="another entry.*falling back"):
            assert len(journal.unbroken()) == 1


def test_what_is_too_large_for_an_entry_is_not_read(folder, monkeypatch):
    """Mutant seen to fail: no such bound."""
    monkeypatch.setattr("kinetix.journal.LARGEST", 100)
    with pytest.raises(CheckpointError, match="larger than an entry can be"), Journal(folder, QUESTION, resume=True):
        pass


def test_the_folder_is_synced_once_the_entry_is_in_its_place(folder, monkeypatch):
    """A name that is not synced may be gone after a power cut. Mutants seen to fail: not synced; synced before."""
    seen = []
    monkeypatch.setattr("kinetix.journal.sync_folder", lambda at: seen.append((at, (at / "entry-000000004").exists())))
    with Journal(folder, QUESTION, resume=True) as journal:
        journal.write(4, {"k": 4})
    assert seen == [(folder, True)]


def test_entries_behind_a_damaged_one_are_made_again(folder):
    """Mutant seen to fail: damaged entries told, but left where they are."""
    (folder / "entry-000000001").write_bytes(b"nonsense")
    with Journal(folder, QUESTION, resume=True) as journal:
        with pytest.warns(DamageWarning, match="made again"):
            assert sorted(journal.whole()) == [0, 2, 3]
        with pytest.warns(DamageWarning, match="missing; falling back"):
            assert len(journal.unbroken()) == 1
        assert journal.numbers() == [0]


def test_another_question_an_earlier_run_and_a_strangers_folder_are_refused(folder, tmp_path):
    """Mutants seen to fail: the questions not compared; a new run over an earlier one; the lock held on after both."""
    with (
        pytest.raises(CheckpointError, match=r"another seed: 3 instead of 4"),
        Journal(folder, {**QUESTION, "seed": 4}, resume=True),
    ):
        pass
    with pytest.raises(CheckpointError, match="earlier run"), Journal(folder, QUESTION):
        pass
    (folder / "question").unlink()
    with pytest.raises(CheckpointError, match="no question"), Journal(folder, QUESTION, resume=True):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(SaveError), Journal(tmp_path / "file", QUESTION):
        pass


def _hold(folder, ready, done):
    with Journal(folder, QUESTION, resume=True):
        ready.set()
        done.wait(20)


def test_two_writers_on_one_folder_the_second_is_refused(folder):
    """Mutant seen to fail: no lock."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(folder, ready, done))
    other.start()
    try:
        assert ready.wait(20)
        with pytest.raises(LockedError), Journal(folder, QUESTION, resume=True):
            pass
    finally:
        done.set()
        other.join()
    with Journal(folder, QUESTION, resume=True):
        pass


def test_leftovers_of_a_killed_writer_are_swept_and_a_failed_write_keeps_what_was_there(folder, monkeypatch):
    """Mutants seen to fail: writing in place; leftovers not swept."""
    (folder / ".entry-000000004.abc.partial").write_bytes(b"half")
    with Journal(folder, QUESTION, resume=True) as journal:
        assert not list(folder.glob(".*"))

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(SaveError, match=r"cannot write \d+ bytes: No space left"):
            journal.write(3, {"k": 99})
        monkeypatch.undo()
        assert journal.read(3)[0] == {"k": 3}
    assert stat.S_IMODE((folder / "entry-000000003").stat().st_mode) == 0o644


def test_numbers_that_json_cannot_hold_and_objects_are_not_written(folder):
    """Mutants seen to fail: NaN let through to JSON; arrays of any type."""
    with Journal(folder, QUESTION, resume=True) as journal:
        with pytest.raises(ValueError, match="JSON"):
            journal.write(4, {"x": float("nan")})
        with pytest.raises(TypeError, match="of type"):
            journal.write(4, {}, {"x": np.array([object()])})
        assert journal.numbers() == [0, 1, 2, 3]
