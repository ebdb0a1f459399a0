"""Leave-one-out log-probabilities against their closed form, and which of two models is called the better one."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

import kinetix as kx
from kinetix.errors import DataError, SettingError
from kinetix.inference.posterior import Posterior
from kinetix.inference.studies.comparison import _error, compare_models, left_out
from tests.inference.gamma_poisson import PRIOR, SCALE, SHAPE, TIME, Poisson, network

DRAWS = 4000


def cells(counts):
    return kx.Observations.from_counts(["X"], TIME, np.asarray(counts))


def fitted(data, prior=PRIOR, shape=SHAPE, scale=SCALE):
    """4,000 exact draws of the conjugate posterior."""
    law = stats.gamma(shape + data.counts(0).sum(), scale=1 / (1 / scale + data.cells * TIME))
    k = law.rvs((4, DRAWS // 4, 1), random_state=np.random.default_rng(1))
    return Posterior(("k",), k, law.logpdf(k[:, :, 0]), prior, data, network())


def exact(data, shape=SHAPE, scale=SCALE):
    """The log-probability of each distinct count under the posterior of the others: negative binomial."""
    (rows, _), total, n = data.rows[0], data.counts(0).sum(), data.cells
    rate = 1 / scale + (n - 1) * TIME
    return stats.nbinom.logpmf(rows[:, 0], shape + total - rows[:, 0], rate / (rate + TIME))


def test_left_out_cells_are_foretold_as_the_negative_binomial_says():
    """Mutants seen to fail: weights of p and not of 1 / p; a distinct row counted once in the total."""
    data = cells(np.random.default_rng(0).poisson(6.0, 40))
    found = left_out(fitted(data), Poisson(), rng=np.random.default_rng(2), draws=DRAWS)
    assert np.abs(found.elpd - exact(data)).max() < 0.02
    assert found.total == pytest.approx(float(data.rows[0][1] @ exact(data)), abs=0.3)
    assert found.parameters == pytest.approx(1, abs=0.4)
    assert found.leaned_on == ()
    assert found.pareto_k.max() < 0.7


def test_the_standard_error_is_that_of_all_cells():
    """Cells of equal counts are as many. Mutant seen to fail: distinct counts, each once."""
    values, repeats = np.array([-1.0, -2.5, -7.0]), np.array([30, 9, 2])
    every = np.repeat(values, repeats)
    assert _error(values, repeats) == pytest.approx(np.sqrt(len(every)) * every.std(ddof=1))


def test_a_cell_that_a_posterior_leans_on_is_named():
    data = cells([0, 0, 1, 0, 120])
    found = left_out(fitted(data), Poisson(), rng=np.random.default_rng(2), draws=DRAWS)
    assert "{'X': 120} at t = 2" in found.leaned_on
    assert found.pareto_k.max() > 1


@dataclass(frozen=True)
class Geometric(Poisson):
    """Another model of the same mean: geometric counts, as bursts would make."""

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        mean = np.asarray(thetas)[:, :1] * TIME
        return [stats.geom.logpmf(c[:, 0] + 1, 1 / (1 + mean)) for c in counts]


def test_the_model_that_made_the_cells_is_the_best_and_differences_have_errors():
    """Poisson cells: the geometric model is far behind; with geometric cells it is the other way round."""
    for made, best in ((stats.poisson(6.0), "poisson"), (stats.geom(1 / 7, loc=-1), "geometric")):
        data = cells(made.rvs(60, random_state=np.random.default_rng(4)))
        both = {"geometric": fitted(data), "poisson": fitted(data)}
        solvers = {"poisson": Poisson(), "geometric": Geometric()}
        found = compare_models(both, solvers, rng=np.random.default_rng(5))
        assert found.rows[0].name == best
        assert (found.rows[0].difference, found.rows[0].difference_se) == (0, 0)
        worst = found.rows[1]
        assert worst.difference > 2 * worst.difference_se > 0
        assert not worst.as_good
        assert found.as_dicts()[0]["name"] == best
        assert best in str(found).split("\n")[2]


def test_the_same_model_twice_is_as_good_and_other_cells_are_refused():
    data = cells([5, 6, 7, 4, 8])
    found = compare_models(
        {"a": fitted(data), "b": fitted(data)}, {"a": Poisson(), "b": Poisson()}, rng=np.random.default_rng(6)
    )
    assert found.rows[1].as_good
    assert "as good" in str(found)
    other = {"a": fitted(data), "b": fitted(cells([5, 6, 7, 4, 9]))}
    with pytest.raises(DataError, match="different cells"):
        compare_models(other, {"a": Poisson(), "b": Poisson()}, rng=np.random.default_rng(6))
    with pytest.raises(SettingError, match="two posteriors"):
        compare_models({"a": fitted(data)}, {"a": Poisson()}, rng=np.random.default_rng(6))
    with pytest.raises(SettingError, match="draws is 10"):
        compare_models(other, {}, rng=np.random.default_rng(6), draws=10)
