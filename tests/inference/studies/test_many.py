"""Many tables, one model: every row is the posterior that `infer` gives, whatever the jobs and whoever fails."""

import csv

import numpy as np
import pytest
from scipy import stats

import kinetix as kx
from kinetix.errors import CheckpointError, DataError, SettingError
from kinetix.inference.sampling import infer
from kinetix.inference.studies.fan_out import stream_of
from kinetix.inference.studies.many import infer_many, read_tables
from tests.inference.gamma_poisson import PRIOR, SCALE, SHAPE, TIME, Poisson, network

RATES = (1.0, 3.0, 6.0, 2.0)
SETTINGS = {"ensembles": 2, "walkers": 8, "steps": 200}


def tables():
    rng = np.random.default_rng(0)
    found = {
        f"gene {i}": kx.Observations.from_counts(["X"], TIME, rng.poisson(k * TIME, 30)) for i, k in enumerate(RATES)
    }
    found["wild"] = kx.Observations.from_counts(["X"], TIME, np.array([10**12]))  # impossible in the solver's window
    return found


class Windowed(Poisson):
    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        if max(int(c.max()) for c in counts) > self.top:
            raise DataError("a count lies outside the window", place="data")
        return super().log_prob_batch(problem, thetas, counts, axes, rng=rng)


def fitted(given=None, *, root=3, **settings):
    return infer_many(
        network(), given or tables(), prior=PRIOR, likelihood=Windowed(), root=root, settings=SETTINGS, **settings
    )


def test_rows_are_the_posteriors_and_failures_say_why():
    """Against the gamma law; row i is `infer` with the stream of (root, i). Mutant seen to fail: that of (root, 0)."""
    found = fitted()
    for i, (row, data) in enumerate(zip(found.rows[:-1], tables().values(), strict=False)):
        law = stats.gamma(SHAPE + data.counts(0).sum(), scale=1 / (1 / SCALE + 30 * TIME))
        told = row.parameters["k"]
        assert abs(told["mean"] - law.mean()) < 5 * law.std() / np.sqrt(told["ess"])
        alone = infer(network(), data, prior=PRIOR, likelihood=Windowed(), rng=stream_of(3, i), **SETTINGS)
        assert told["mean"] == alone.mean()[0]
        assert row.trusted == alone.trusted
    wild = found.rows[-1]
    assert (wild.failed, wild.trusted, wild.parameters) == (True, False, {})
    assert "outside the window" in wild.verdict
    assert (found.failed, found.parameters) == (1, ("k",))
    assert "1 without answer" in str(found)


def test_every_run_has_a_stream_of_its_own():
    """That of numpy's seed sequence. Mutants seen to fail: one stream for all runs; the root left out."""
    assert len({stream_of(root, i).random() for root in (3, 4) for i in range(20)}) == 40
    assert stream_of(3, 7).random() == np.random.default_rng(np.random.SeedSequence(3, spawn_key=(7,))).random()


def test_the_same_numbers_for_any_jobs_and_after_a_stop(tmp_path):
    """Mutant seen to fail: streams by the order of what is missing."""
    whole = fitted()
    folder = tmp_path / "run"
    assert fitted(jobs=2, output=folder).rows == whole.rows
    for k in (0, 3):
        (folder / f"entry-{k:09d}").unlink()
    assert fitted(output=folder, resume=True).rows == whole.rows
    with pytest.raises(CheckpointError, match="another seed"):
        fitted(output=folder, resume=True, root=4)
    fewer = dict(list(tables().items())[:2])
    with pytest.raises(CheckpointError, match="another tables"):
        fitted(fewer, output=folder, resume=True)


def test_the_table_is_written_and_read_by_others(tmp_path):
    fitted().save(tmp_path / "rates.csv")
    rows = list(csv.DictReader((tmp_path / "rates.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == list(tables())
    assert float(rows[1]["k mean"]) == fitted().rows[1].parameters["k"]["mean"]
    assert rows[-1]["k mean"] == ""


def test_a_wide_table_is_a_data_set_a_column(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("time,A,B\n1,3,0\n1,4,0\n2,5,1\n")
    found = read_tables(path, "M")
    assert list(found) == ["A", "B"]
    assert found["A"].species == ("M",)
    assert found["A"].counts(0)[:, 0].tolist() == [3, 4]
    assert found["B"].times.tolist() == [1, 2]
    path.write_text("time,A\n1,3.5\n")
    with pytest.raises(DataError, match=r"row 2.*'A'|'A'.*row 2|row 2"):
        read_tables(path, "M")


def test_no_tables_are_refused():
    with pytest.raises(SettingError, match="no tables"):
        infer_many(network(), {}, prior=PRIOR, likelihood=Poisson(), root=1)
