"""Calibration by simulation: right posteriors pass, each planted error is caught, and runs are kept and repeated.

Planted: a bias of 0.3 sd, sds of 0.7, the prior as posterior, acceptance by the votes of cells.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import kinetix as kx
from kinetix.errors import CheckpointError, RunError, SettingError
from kinetix.expressions import symbol
from kinetix.inference.calibration import LOG_LIKELIHOOD, calibrate
from kinetix.inference.studies.coverage import coverage
from kinetix.inference.studies.experiments import Design, ranks_of
from kinetix.inference.studies.uniformity import uniformity
from kinetix.journal import DamageWarning
from tests.inference.gamma_poisson import CELLS, PRIOR, TIME, Closed, Poisson, Voting, network


def design(cells=CELLS):
    return Design.of(network(), PRIOR, [TIME], cells)


RIGHT = Closed()


def calibrated(sampler=RIGHT, *, runs=300, root=7, **settings):
    return calibrate(
        design(), likelihood=Poisson(), simulator=Poisson(), sampler=sampler, runs=runs, root=root, **settings
    )


def test_a_right_posterior_is_calibrated():
    """Every p-value above 1e-3 with 300 runs; contraction is that of the gamma law."""
    found = calibrated()
    assert found.passes, found.faults
    assert all(t.p_value > 1e-3 for t in found.tests.values())
    assert set(found.tests) == {"k", LOG_LIKELIHOOD}
    posterior = (4 + 20 * 2 * 3) / (1 / 0.75 + 40) ** 2  # variance at the prior's mean: 4 * 0.75 = 3
    assert found.contraction.mean() == pytest.approx(1 - posterior / (4 * 0.75**2), abs=0.01)
    assert abs(found.z.mean()) < 5 / np.sqrt(300)
    assert "CALIBRATED: 300 runs" in str(found)


@pytest.mark.parametrize(
    ("sampler", "sign"),
    [
        (Closed(shift=0.3), "sd above the truth"),
        (Closed(shift=-0.3), "sd below the truth"),
        (Closed(width=0.7), "what they should be"),
        (Closed(width=1.4), "what they should be"),
    ],
)
def test_a_shift_of_0_3_sd_and_sds_of_0_7_are_caught(sampler, sign):
    found = calibrated(sampler)
    assert not found.passes
    assert any(f.startswith("k: ranks are not uniform") and sign in f for f in found.faults), found.faults


def test_the_prior_as_posterior_is_caught_by_the_log_likelihood_and_by_contraction():
    """Its parameter ranks are uniform. Mutant seen to fail: a parameter ranked in place of the log-likelihood."""
    found = calibrated(Closed(blind=True))
    assert found.tests["k"].p_value > 1e-3
    assert found.tests[LOG_LIKELIHOOD].p_value < 1e-6
    assert abs(found.contraction.mean()) < 0.05
    assert len(found.faults) == 2


def test_votes_of_cells_on_a_move_are_caught():
    """100 runs: the posterior of the vote is several times too wide."""
    found = calibrated(Voting(), runs=100)
    assert not found.passes
    assert found.tests["k"].width < 0.5
    assert found.tests["k"].spread < 1e-10


def test_small_sets_of_runs_rarely_cry_and_the_alarm_is_1e_3():
    """100 right calibrations of 40 runs: none, or the odd one, fails."""
    fails = sum(not calibrated(runs=40, root=root, draws=19).passes for root in range(100))
    assert fails <= 3


# the numbers ----------------------------------------------------------------------------------------


def test_the_same_numbers_for_any_number_of_jobs():
    """Mutants seen to fail: runs numbered as they arrive; one generator handed on."""
    alone, two = calibrated(runs=24), calibrated(runs=24, jobs=2)
    assert np.array_equal(alone.ranks, two.ranks)
    assert np.array_equal(alone.truths, two.truths)
    assert not np.array_equal(alone.truths, calibrated(runs=24, root=8).truths)
    assert np.array_equal(alone.truths, calibrated(runs=30).truths[:24])
    assert len(np.unique(alone.truths)) == 24


def test_runs_are_kept_and_resumed_to_a_total(tmp_path):
    """Mutant seen to fail: runs made again with streams from the number that is missing."""
    whole, folder = calibrated(runs=30), tmp_path / "runs"
    calibrated(runs=21, output=folder)
    (folder / "entry-000000007").unlink()
    broken = folder / "entry-000000011"
    broken.write_bytes(broken.read_bytes()[:-2])
    with pytest.warns(DamageWarning, match="made again"):
        found = calibrated(runs=30, output=folder, resume=True)
    assert np.array_equal(found.ranks, whole.ranks)
    assert np.array_equal(found.z, whole.z)
    assert "made again" in found.meta["notes"][0]
    with pytest.raises(CheckpointError, match="another seed"):
        calibrated(runs=30, output=folder, resume=True, root=8)
    with pytest.raises(CheckpointError, match="earlier run"):
        calibrated(runs=30, output=folder)


def test_a_calibration_that_is_killed_goes_on_where_it_was(tmp_path):
    """kill -9 of a real process; then the numbers of one that was not."""
    code = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from tests.inference.test_calibration import calibrated\n"
        "calibrated(runs=5000, output=sys.argv[2])\n"
    )
    folder = tmp_path / "runs"
    process = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parents[2]), str(folder)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(folder.glob("entry-*"))) < 5:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 5 <= len(list(folder.glob("entry-*"))) < 5000
    found = calibrated(runs=40, output=folder, resume=True)
    assert np.array_equal(found.ranks, calibrated(runs=40).ranks)


def test_a_run_that_fails_is_not_left_out():
    class Failing(Closed):
        def __call__(self, design, data, *, draws, rng):
            raise RunError("the kernel stopped", place="fsp")

    with pytest.raises(RunError, match=r"run 0 at k = .*fsp: the kernel stopped"):
        calibrated(Failing())


def test_ranks_among_equal_draws_are_random():
    """All L draws equal to the truth: any rank, evenly. Mutant seen to fail: strict comparison alone."""
    rng = np.random.default_rng(0)
    ranks = np.array([ranks_of(np.zeros(1), np.zeros((9, 1)), rng)[0] for _ in range(500)])
    assert uniformity(ranks, 9).chi_squared > 1e-3
    assert ranks_of(np.array([0.5]), np.arange(9.0)[:, None], rng).tolist() == [1]


def test_coverage_counts_ranks_and_knows_chance():
    ranks = np.arange(100)
    rows = coverage(ranks, 99)
    assert [(r.nominal, r.held) for r in rows] == [(0.5, 50), (0.8, 80), (0.9, 90), (0.98, 98)]
    assert all(r.passes for r in rows)
    assert not any(r.passes for r in coverage(np.full(20, 0), 99))
    rng = np.random.default_rng(1)
    assert np.mean([r.passes for _ in range(500) for r in coverage(rng.integers(0, 100, 20), 99)]) > 0.997


# cells ----------------------------------------------------------------------------------------------


def test_cells_are_those_of_the_law_and_independent_between_times():
    """From laws and from trajectories (one a cell: X at t = 2 tells nothing about another cell at t = 1).

    Mutant seen to fail: the same trajectories seen at every time, where the means at two times correlate.
    """
    given = Design.of(network(), PRIOR, [1.0, 2.0], [40, 60])
    for solver in (Poisson(), kx.SSA()):
        rng = np.random.default_rng(3)
        sets = [given.observed(solver, [3.0], rng=rng) for _ in range(200)]
        assert all(s.cells_at.tolist() == [40, 60] for s in sets)
        means = np.array([[s.counts(k).mean() for k in (0, 1)] for s in sets])
        spread = np.sqrt(np.array([3 / 40, 6 / 60]))
        assert np.all(np.abs((means.mean(axis=0) - [3, 6]) / spread * np.sqrt(200)) < 5)
        assert np.all(np.abs(means.std(axis=0) / spread - 1) < 5 / np.sqrt(400))
        assert abs(np.corrcoef(means.T)[0, 1]) < 5 / np.sqrt(200)


def test_an_initial_count_is_drawn_inferred_and_ranked():
    """Pure death from an unknown start N, exact by enumeration: binomial likelihood, uniform prior of N.

    Mutants seen to fail: cells from the model's own start; ties of whole numbers ranked low.
    """
    death = kx.ReactionNetwork(
        [kx.Species("X", 5)], [kx.Parameter("d", 1.0)], [kx.Reaction("death", {"X": 1}, {}, symbol("d") * symbol("X"))]
    )
    values = np.arange(10, 31)

    def enumerated(given, data, *, draws, rng):
        counts = data.counts(0)[:, 0]
        fit = stats.binom.logpmf(counts[:, None], values, np.exp(-1.0)).sum(axis=0)
        weights = np.exp(fit - fit.max())
        return rng.choice(values, (draws, 1), p=weights / weights.sum()).astype(float)

    given = Design.of(death, {"X": kx.prior.integers(10, 30)}, [1.0], 40)
    found = calibrate(given, likelihood=kx.FSP(), simulator=kx.FSP(), sampler=enumerated, runs=60, root=3)
    assert found.passes, found.faults
    assert set(np.unique(found.truths)) <= set(values)
    assert len(np.unique(found.truths)) > 10


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"times": [2.0, 1.0]}, "times"),
        ({"times": []}, "times"),
        ({"cells": 0}, "cells"),
        ({"cells": [3, 4]}, "cells"),
        ({"cells": 2.5}, "cells"),
        ({"species": ["Y"]}, "'Y'"),
        ({"species": []}, "species"),
        ({"prior": {"k": kx.prior.fixed(2)}}, "no parameter is free"),
        ({"prior": {"kk": kx.prior.uniform(0, 1)}}, "'kk'"),
    ],
)
def test_designs_that_cannot_be_are_refused(change, reason):
    given = {"prior": PRIOR, "times": [TIME], "cells": CELLS, "species": None, **change}
    with pytest.raises(SettingError, match=reason):
        Design.of(network(), **given)


@pytest.mark.parametrize("change", [{"runs": 3}, {"draws": 2}, {"runs": 30.5}, {"jobs": 0}])
def test_settings_that_cannot_be_are_refused(change):
    with pytest.raises(SettingError, match=next(iter(change))):
        calibrated(**{"runs": 20, **change})


def test_results_are_saved_and_drawn(tmp_path):
    found = calibrated(Closed(width=0.7))
    found.save(tmp_path / "found.json")
    read = json.loads((tmp_path / "found.json").read_text())
    assert read["passes"] is False
    assert read["ranks"]["k"] == found.ranks[:, 0].tolist()
    figure = found.plot()
    assert len(figure.axes) == 4
    figure.savefig(tmp_path / "ranks.png")
