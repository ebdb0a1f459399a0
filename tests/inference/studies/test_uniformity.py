"""The tests of ranks: right under uniform ranks, and awake to each way of being wrong."""

import numpy as np
import pytest
from scipy import stats

from kinetix.inference.studies.uniformity import (
    band,
    bins_of,
    chi_squared,
    ecdf,
    ecdf_p_value,
    normal_scores,
    uniformity,
)

R, L = 300, 99


def ranks_of(rng, shift=0.0, width=1.0, n=R):
    """Ranks of truths that lie `shift` posterior sds above their posterior and spread `width` as wide."""
    return (stats.norm.cdf(shift + width * rng.normal(size=n)) * (L + 1)).astype(int)


def test_p_values_are_uniform_under_uniform_ranks():
    """2,000 sets; the shares below 1 %, 10 %, 50 % against their binomial limits (5 sd): no test cries too often.

    Mutant seen to fail: the spread judged as if scores were normal, with one degree of freedom each.
    """
    rng = np.random.default_rng(1)
    for draws in (9, L):
        found = [uniformity(rng.integers(0, draws + 1, 100), draws) for _ in range(2000)]
        for name in ("chi_squared", "ecdf", "location", "spread"):
            p = np.array([getattr(u, name) for u in found])
            for level in (0.01, 0.1, 0.5):
                allowed = 5 * np.sqrt(level * (1 - level) / 2000)
                slack = 0.08 * level if name != "ecdf" else 0.2 * level  # discrete: it says too little, not too much
                assert np.mean(p <= level) < level + allowed + (
                    0.08 * level if name in ("chi_squared", "spread") else 0
                )
                assert np.mean(p <= level) > level - allowed - slack, (draws, name, level)
        assert np.mean([u.p_value < 0.05 for u in found]) < 0.05 + 5 * np.sqrt(0.05 / 2000)


@pytest.mark.parametrize(
    ("shift", "width", "test"),
    [(0.3, 1.0, "location"), (-0.3, 1.0, "location"), (0, 1 / 0.7, "spread"), (0, 0.7, "spread")],
)
def test_a_shift_of_0_3_and_a_width_of_0_7_are_seen(shift, width, test):
    """In 18 of 20 sets of 300 ranks or more the directed test is below 1e-3 (a shift of 0.3 lies 5.2 sd out)."""
    rng = np.random.default_rng(2)
    found = [uniformity(ranks_of(rng, shift, width), L) for _ in range(20)]
    assert sum(getattr(u, test) < 1e-3 for u in found) >= 18
    assert np.median([u.p_value for u in found]) < 1e-4
    assert np.median([u.ecdf for u in found]) < 0.01  # mutant seen to fail: a band with one side
    assert np.mean([u.bias for u in found]) == pytest.approx(shift, abs=0.05)
    assert np.mean([u.width for u in found]) == pytest.approx(width, rel=0.07)  # ranks end at 0 and L


def test_two_humps_that_no_moment_shows_are_seen_by_bins_and_band():
    rng = np.random.default_rng(3)
    ranks = np.where(rng.random(R) < 0.5, 20 + rng.integers(0, 10, R), 70 + rng.integers(0, 10, R))
    found = uniformity(ranks, L)
    assert found.chi_squared < 1e-10
    assert found.ecdf < 2e-4
    assert found.location > 1e-2


def test_the_band_holds_its_share_of_distribution_functions():
    """Mutant seen to fail: pointwise limits, outside which a third of all sets stray somewhere."""
    low, high = band(R, L)
    rng = np.random.default_rng(4)
    counts = ecdf(rng.integers(0, L + 1, (2000, R)), L)
    share = np.mean(((counts >= low) & (counts <= high)).all(axis=1))
    assert abs(share - 0.95) < 5 * np.sqrt(0.05 * 0.95 / 2000) + 0.005
    p = np.array([ecdf_p_value(r, L) for r in rng.integers(0, L + 1, (200, R))])
    assert p.min() > 1e-4


def test_counts_of_the_distribution_function_and_bins_are_those_of_a_loop():
    rng = np.random.default_rng(5)
    ranks = rng.integers(0, 10, (3, 40))
    assert np.array_equal(ecdf(ranks, 9), [[(r <= k).sum() for k in range(9)] for r in ranks])
    assert [bins_of(n, 99) for n in (300, 100, 55, 20, 12, 5)] == [20, 20, 10, 4, 2, 1]
    assert chi_squared(np.arange(100), 99) == pytest.approx(1)
    assert normal_scores(np.array([0, 99]), 99).sum() == pytest.approx(0)
