"""Verbs about trust, from the front door: information before there are cells, and models after."""

import numpy as np
import pytest

import kinetix as kx
from kinetix.errors import SettingError

MODEL = "model bd\nspecies X = 0\nbirth: -> X; b\ndeath: X -> ; d*X\nb = 6; d = 0.8\nend\n"


def test_fisher_says_what_a_design_could_tell():
    found = kx.fisher(kx.parse(MODEL), [1.0, 5.0], cells=[100, 200], parameters=["b"], values={"b": 3.0})
    mean = 3.0 / 0.8 * (1 - np.exp(-0.8 * np.array([1.0, 5.0])))
    assert found.sd()[0] == pytest.approx(1 / np.sqrt([100, 200] @ mean), rel=1e-5)
    assert "300 cells at 2 times" in str(found)
    with pytest.raises(SettingError, match="SSA knows no derivatives"):
        kx.fisher(kx.parse(MODEL), [1.0], solver="ssa")


def test_models_are_compared_by_the_cells_they_foretell():
    """Poisson cells at two times: with its death the model foretells them, without it does not."""
    network = kx.parse(MODEL)
    rng = np.random.default_rng(0)
    times = np.repeat([0.5, 4.0], 40)
    data = kx.Observations.from_counts(["X"], times, rng.poisson(6 / 0.8 * (1 - np.exp(-0.8 * times))))
    prior = kx.prior.log_uniform(0.5, 50)
    settings = {"seed": 1, "ensembles": 2, "walkers": 4, "steps": 60}
    both = {
        "with death": kx.infer(network, data, prior={"b": prior}, **settings),
        "without": kx.infer(network, data, prior={"b": prior, "d": 1e-3}, **settings),
    }
    found = kx.compare_models(both, draws=200, seed=2)
    assert [row.name for row in found.rows] == ["with death", "without"]
    assert found.rows[1].difference > 2 * found.rows[1].difference_se
    with pytest.raises(SettingError, match="no solver for 'without'"):
        kx.compare_models(both, likelihood={"with death": "fsp"})


def test_a_first_look_in_seconds():
    counts = np.random.default_rng(0).poisson(7.5, 60)
    data = kx.Observations.from_counts(["X"], 20.0, counts)
    found = kx.find_mode(kx.parse(MODEL), data, prior={"b": kx.prior.log_uniform(0.1, 100)}, seed=1)
    assert found.theta[0] == pytest.approx(0.8 * counts.mean(), rel=1e-3)  # flat in the logarithm, where it is sought
