"""The head for many values: knots as fine as laws are narrow, smooth logits; laws moved to the net's window."""

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from kinetix.solvers.nets.exact_lessons import spread
from kinetix.solvers.nets.spline_head import SplineHead, knots
from kinetix.space import StateSpace


@pytest.mark.parametrize("cap", [513, 4096])
def test_knots_are_as_near_as_laws_are_narrow(cap):
    """Mutants: knots evenly apart; the last one before the edge."""
    places = knots(cap)
    assert places[0] == 0
    assert places[-1] == pytest.approx(cap - 1)
    assert (np.diff(places) <= np.maximum(1.0, 0.7 * np.sqrt(places[:-1])) + 1e-9).all()
    assert len(places) < 2.2 * np.sqrt(cap) / 0.6 + 40


@pytest.mark.parametrize("mean", [3.0, 60.0, 2500.0])
def test_poisson_laws_can_be_stated(mean):
    """With the log-probabilities at the knots the spline has those between, to 1e-3 in H. Mutant: linear pieces."""
    cap = 3500
    head = SplineHead(4, cap)
    exact = poisson.pmf(np.arange(cap), mean)
    logs = np.maximum(poisson.logpmf(np.arange(cap), mean), -200.0)
    at = np.interp(knots(cap), np.arange(cap), logs)
    found = torch.softmax(torch.from_numpy(at.astype(np.float32)) @ head.basis, dim=-1).double().numpy()
    assert np.sqrt(max(0.0, 1 - np.sqrt(found * exact).sum())) < 1e-3


def test_laws_are_moved_to_another_window():
    """Mutants: the places of the wrong window; what lies outside wraps round."""
    small, window = StateSpace.box([1, 3], [0, 1]), StateSpace.box([2, 2])
    p = np.arange(1.0, 7.0)[None] / 21
    moved = spread(small, p, window)
    for state, value in zip(small.states(), p[0], strict=True):
        place = window.index(state[None])[0]
        assert place < 0 or moved[0, place] == value
    assert moved.sum() == pytest.approx(p[0][window.contains(small.states())].sum())
