"""The signs of trust against laws that are known: 0 for the true law, and growing with what is wrong."""

import numpy as np
import pytest
from scipy.stats import poisson

from kinetix.solvers.general import signs as home
from kinetix.solvers.general.calibration import FEWEST, fitted
from kinetix.solvers.general.family import SPECIES, Batch
from kinetix.solvers.general.net import Core, Size
from kinetix.solvers.general.panels import batch_of
from kinetix.solvers.general.prompt import Prompted
from kinetix.solvers.general.signs import Signs, signs
from kinetix.solvers.general.trust import FLOOR, Scale, features
from kinetix.solvers.nets.training import seeded
from tests import exact

BIRTH, DEATH = 6.0, 0.8


@pytest.fixture
def batch():
    """Births and deaths from 0: Poisson laws at all times."""
    return batch_of(exact.birth_death(BIRTH, DEATH, 0))


def law(factor=1.0):
    """Log-probabilities in place of the net's: Poisson about the true mean times `factor`, from a start of 0."""

    def stated(_core, prompted, x, _window):
        batch = prompted.batch
        death, birth = (np.where(batch.change[:, :, 0] == sign, batch.rates, 0.0).sum(axis=1) for sign in (-1, 1))
        assert not batch.starts.any()
        mean = factor * birth / death * (1 - np.exp(-death))
        logs = poisson.logpmf(x[..., 0], mean[:, None])
        return np.where((x[..., 1:] == 0).all(axis=2), logs, -np.inf)

    return stated


def states(batch, factor=1.0):
    mean = factor * BIRTH / DEATH * (1 - np.exp(-DEATH))
    x = np.zeros((1, 400, SPECIES), dtype=np.int64)
    x[0, :, 0] = np.random.default_rng(3).poisson(mean, 400)
    return x


def test_the_residual_of_the_true_law_vanishes(batch, monkeypatch):
    """To the square of the step; and of a mean 10 % off it does not.

    Mutants seen to fail: the rate in the state that is left, not in the one come from; a derivative by t.
    """
    x = states(batch)
    monkeypatch.setattr(home, "_log_probs", law())
    prompted = Prompted.of(batch)
    true, change, forgotten = home._residual(None, prompted, batch, x, law()(None, prompted, x, 64), 64)
    assert true[0] < 3 * home.STEP**2
    assert change[0] > 0.3
    assert 0.5 < forgotten[0] < 2.0  # (6 + 0.8 x 4.1) / 2 events of size 1 against a variance of about 4.1
    monkeypatch.setattr(home, "_log_probs", law(1.1))
    x = states(batch, 1.1)
    wrong = home._residual(None, prompted, batch, x, law(1.1)(None, prompted, x, 64), 64)[0]
    assert wrong[0] > 20 * true[0]


def test_all_signs_are_numbers_and_know_nothing_of_the_order():
    """Of an untrained net, on networks with genes, dimers and closures that fail."""
    with seeded(2):
        core = Core(Size(width=16, rounds=1, blocks=1)).eval()
    networks = [exact.birth_death(2.0, 0.5, 3), exact.telegraph(), exact.dimerisation(start=9), exact.autoregulation()]
    batch = Batch.joined([batch_of(n) for n in networks])
    found = signs(core, batch, 64)
    assert all(np.isfinite(values).all() for values in found)
    assert (found.midway >= 0).all()
    one = signs(core, batch[2:3], 64)
    for a, b in zip(one, found, strict=True):
        np.testing.assert_allclose(a[0], b[2], rtol=1e-3, atol=1e-4)


def made_up(number, seed):
    """Signs at random, and distances that follow two of them with some noise."""
    rng = np.random.default_rng(seed)
    values = {name: np.exp(rng.normal(size=number)) for name in Signs._fields}
    values["species"], values["closed"] = (
        rng.integers(1, 6, number).astype(float),
        rng.integers(0, 2, number).astype(float),
    )
    values["entropy"] = 5 + 3 * rng.normal(size=number)
    found = Signs(**values)
    distances = (
        0.05
        * np.exp(0.15 * (found.entropy - 5))
        * found.lasting**0.6
        * found.anchor**0.4
        * np.exp(0.3 * rng.normal(size=number))
    )
    return found, np.minimum(distances, 1.0)


def test_flags_are_right_as_often_as_they_say():
    """Fitted on 600 made-up problems, judged on 4,000 others; 99.9 % of binomial samples lie within the limit.

    Mutants seen to fail: fair ones counted with the good; weights not brought back to the units of
    the features.
    """
    scale = Scale.of({"trust": fitted(*made_up(600, 1))})
    found, distances = made_up(4000, 2)
    flags = np.array([scale.flag(e) for e in scale(found)])
    for name, most in (("good", 0.05), ("fair", 0.10)):
        some = flags == name
        assert some.sum() > 200
        assert (distances[some] <= most).mean() > 0.95 - 3.3 * np.sqrt(0.95 * 0.05 / some.sum())
    errors = scale(found) - np.log(distances + FLOOR)
    assert errors.std() < 0.45
    assert features(found).shape == (4000, len(scale.weights))


def test_where_nothing_is_good_no_answer_is_called_so():
    found, distances = made_up(FEWEST * 2, 3)
    told = fitted(found, distances + 0.2)
    assert told["good"] is None
    assert told["fair"] is None
    assert Scale.of({"trust": told}).flag(-100.0) == "poor"
    assert Scale.of({}) is None
