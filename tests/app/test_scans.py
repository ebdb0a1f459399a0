"""Scans over parameters, and derivatives of moments against closed forms."""

import numpy as np
import pytest

import kinetix as kx
from tests import exact


@pytest.fixture(scope="module")
def births():
    return exact.birth_death(birth=2.0, death=0.5, start=1)


def mean(birth, death, t, start=1):
    return birth / death + (start - birth / death) * np.exp(-death * t)


def test_a_scan_is_one_answer_for_each_point_of_the_grid(births):
    birth, death = births.theta_names
    found = kx.scan(births, [1.0, 4.0], {birth: [1.0, 2.0, 4.0], death: [0.5, 1.0]})
    assert found.shape == (3, 2)
    assert found.error < 1e-7
    expected = [[[mean(b, d, t) for t in (1.0, 4.0)] for d in (0.5, 1.0)] for b in (1.0, 2.0, 4.0)]
    assert found.mean("X") == pytest.approx(np.array(expected), abs=1e-6)
    assert found.std("X").shape == (3, 2, 2)


def test_a_scan_runs_over_initial_counts_too_and_is_drawn(births, tmp_path):
    found = kx.scan(births, [1.0], {"X": [0, 5, 10]}, solver="ssa", paths=500, seed=1)
    assert found.error is None
    assert (np.diff(found.mean("X")[:, 0]) > 0).all()
    found.plot("X", tmp_path / "scan.png")
    assert (tmp_path / "scan.png").stat().st_size > 5000


def test_derivatives_of_means_and_variances_are_those_of_the_closed_form(births):
    """Mutant seen to fail: differences of second order with the weights of the fourth."""
    birth, death = births.theta_names
    found = kx.sensitivities(births, [1.0, 4.0])
    for k, t in enumerate((1.0, 4.0)):
        gone, h = np.exp(-0.5 * t), 1e-5
        by_birth, by_death = (1 - gone) / 0.5, (mean(2.0, 0.5 + h, t) - mean(2.0, 0.5 - h, t)) / (2 * h)
        assert found.means[k, 0] == pytest.approx([by_birth, by_death], rel=1e-6)
        assert (found.uncertainty[k] < 1e-6).all()
        assert found.variances[k, 0, 0] == pytest.approx(by_birth, rel=1e-6)  # only the Poisson part depends on it
    assert found.parameters == (birth, death)
    assert "X" in found.table()
    only = kx.sensitivities(births, [1.0], [death], solver="mean-field")
    assert only.means[0, 0, 0] == pytest.approx(found.means[0, 0, 1], rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: kx.scan(n, [1.0], {}), "nothing to scan over"),
        (lambda n: kx.scan(n, [1.0], {"brith": [1.0]}), "unknown parameter or species 'brith'"),
        (lambda n: kx.sensitivities(n, [1.0], solver="ssa"), "differences of sampled answers are noise"),
        (lambda n: kx.sensitivities(n, [1.0], ["nothing"]), "unknown parameter 'nothing'"),
    ],
)
def test_wrong_questions_are_refused(births, call, message):
    with pytest.raises(kx.SettingError, match=message):
        call(births)
