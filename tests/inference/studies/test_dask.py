"""Runs that are fanned out to a Dask cluster have the numbers of runs made here, one after another."""

import numpy as np
import pytest

from kinetix.inference.studies.fan_out import fan_out, stream_of
from tests.inference.studies.test_many import fitted, tables
from tests.inference.test_calibration import calibrated

joblib = pytest.importorskip("joblib")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    """Two workers of one thread each, in this process."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as made, distributed.Client(made) as client:
        yield client


def task(i, rng):
    """Where run i was made, and its random number."""
    return {"worker": distributed.get_worker().address, "drawn": rng.random()}


def test_runs_are_made_by_the_workers_from_their_own_streams(cluster):
    """Mutant seen to fail: one stream for all runs."""
    with joblib.parallel_config(backend="dask"):
        found = dict(fan_out(((i, task) for i in range(20)), root=3, jobs=None))
    assert {i: told["drawn"] for i, told in found.items()} == {i: stream_of(3, i).random() for i in range(20)}
    assert {told["worker"] for told in found.values()} <= set(cluster.scheduler_info()["workers"])


def test_calibration_on_a_cluster(cluster):
    here = calibrated(runs=24)
    with joblib.parallel_config(backend="dask"):
        there = calibrated(runs=24, jobs=None)
    assert np.array_equal(here.ranks, there.ranks)
    assert np.array_equal(here.truths, there.truths)


def test_many_tables_on_a_cluster(cluster):
    """Two tables that have an answer, and one that has none."""
    given = {name: data for name, data in tables().items() if name in ("gene 1", "gene 3", "wild")}
    here = fitted(given)
    with joblib.parallel_config(backend="dask"):
        there = fitted(given, jobs=None)
    assert there.rows == here.rows
    assert there.failed == 1
