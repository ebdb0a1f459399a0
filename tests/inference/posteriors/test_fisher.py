"""Fisher information against closed forms: Poisson birth and death, and its limits as experiments see them."""

import numpy as np
import pytest

import kinetix as kx
from kinetix.errors import SettingError
from kinetix.inference.posteriors.fisher import fisher, product_of

B, D = 6.0, 0.8
TIMES = np.array([0.5, 2.0, 8.0])


def birth_death():
    return kx.parse(f"model bd\nspecies X = 0\nbirth: -> X; b\ndeath: X -> ; d*X\nb = {B}; d = {D}\nend\n")


def slopes(t):
    """Relative derivatives of the mean b/d (1 - exp(-d t)) by b and d, and the mean: exact."""
    e = np.exp(-D * t)
    mean = B / D * (1 - e)
    return np.array([mean, B * t * e - mean]), mean


def exact(t):
    """One Poisson count: the outer product of the mean's relative slopes over the mean."""
    slope, mean = slopes(t)
    return np.outer(slope, slope) / mean


def test_birth_and_death_is_the_closed_form():
    """Mutants seen to fail: absolute for relative parameters; squares of probabilities' slopes not divided by them."""
    found = fisher(birth_death(), TIMES, solver=kx.FSP(), cells=[10, 20, 30])
    assert found.observables == (("X",),)
    assert np.allclose(found.per_cell[0], [exact(t) for t in TIMES], rtol=1e-6, atol=1e-9)
    total = sum(n * exact(t) for n, t in zip((10, 20, 30), TIMES, strict=True))
    assert np.allclose(found.information, total, rtol=1e-6)
    assert np.allclose(found.sd(), np.sqrt(np.diag(np.linalg.inv(total))), rtol=1e-5)
    assert np.allclose(found.alone()[0, 0], np.inf)


def test_one_late_time_fixes_the_ratio_alone_and_says_which():
    """At a steady state b * d stays open. Mutant seen to fail: the best direction called the worst."""
    found = fisher(birth_death(), [60.0], solver=kx.FSP(), cells=1000)
    assert np.isinf(found.sd()).all()
    (sd, worst), (best, _) = found.directions()
    assert np.isinf(sd)
    assert worst["b"] == pytest.approx(worst["d"], rel=1e-4)
    assert best == pytest.approx(1 / np.sqrt(2 * 1000 * B / D), rel=1e-4)
    assert found.blind() == (worst,)
    assert "not identified: b * d" in str(found)
    early = fisher(birth_death(), [1.0, 60.0], solver=kx.FSP(), cells=500)
    assert early.blind() == ()
    assert early.sd().max() < 0.1


def test_two_independent_species_add_up_and_the_joint_is_listed_first():
    model = kx.parse("model two\nspecies X = 0, Y = 0\nbx: -> X; b\nby: -> Y; 2*b\nb = 3\nend\n")
    found = fisher(model, [1.0], solver=kx.FSP(), cells=7)
    assert found.observables == (("X", "Y"), ("X",), ("Y",))
    assert np.allclose(found.per_cell[:, 0, 0, 0], [9, 3, 6], rtol=1e-6)  # that of a Poisson mean m by its logarithm: m
    one = fisher(model, [1.0], solver=kx.FSP(), species=["Y"])
    assert np.allclose(one.per_cell[0], found.per_cell[2])


def test_unseen_species_are_summed_out():
    """Messenger and protein: what the protein alone tells is less than both, by the slopes of its own marginal."""
    model = kx.load("examples/models/telegraph.ant")
    both = fisher(model, [1.0, 4.0], solver=kx.FSP(leak=1e-10), parameters=["kon", "koff"])
    for k in range(2):
        for o in (1, 2):
            assert np.linalg.eigvalsh(both.per_cell[0, k] - both.per_cell[o, k]).min() > -1e-9


def test_the_bound_is_met_by_estimates():
    """Estimates of b from 400 cells at t = 2, d known: 400 data sets spread by the bound (within 5 sd of a spread)."""
    found = fisher(birth_death(), [2.0], solver=kx.FSP(), cells=400, parameters=["b"])
    _, mean = slopes(2.0)
    estimates = np.random.default_rng(0).poisson(mean, (400, 400)).mean(axis=1) / mean
    assert abs(estimates.std() / found.sd()[0] - 1) < 5 / np.sqrt(800)


def test_gains_rank_times():
    """After cells at a late time, an early one tells most. Mutant seen to fail: what is known left out."""
    found = fisher(birth_death(), [0.0, 1.0, 60.0], solver=kx.FSP(), cells=[0, 0, 500])
    gains = found.gains()[0]
    assert gains[0] == 0
    assert gains[1] > 3 * gains[2] > 0
    assert gains[2] == pytest.approx(0.5 * np.log(2), rel=0.01)
    told = found.as_dict()
    assert told["cells"] == [0, 0, 500]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"solver": kx.SSA()}, "SSA knows no derivatives"),
        ({"species": ["Z"]}, "'Z'"),
        ({"parameters": ["bb"]}, "'bb'"),
        ({"parameters": []}, "no parameter"),
        ({"values": {"b": 0.0}}, "'b' is 0"),
        ({"cells": [1, 2]}, "cells"),
        ({"cells": -1}, "cells"),
    ],
)
def test_questions_that_cannot_be_are_refused(change, reason):
    with pytest.raises(SettingError, match=reason):
        fisher(birth_death(), TIMES, **{"solver": kx.FSP(), **change})


def test_directions_read_as_products():
    assert product_of({"a": 0.7, "b": -0.7, "c": 0.001}) == "a * b^-1"
