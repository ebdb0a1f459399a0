"""Bounds of laws over stretches of time hold at every sampled moment, and close in as the stretch shrinks."""

import numpy as np
import pytest
import sympy

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.expressions import TIME, symbol
from kinetix.intervals import TimeBounds

X, k = symbol("X"), symbol("k")

LAWS = [
    k * X * (1 + sympy.sin(3 * TIME)),
    k * sympy.cos(TIME) ** 2 + X,
    k * sympy.exp(-TIME * X / 3),
    X / (1 + TIME),
    X * TIME**3 / (1 + TIME**2),
    sympy.Piecewise((k * TIME, X > 2), (k * TIME**2, True)),
    sympy.Max(0, sympy.sin(TIME)) * X,
    sympy.Abs(TIME - 2) ** sympy.Rational(1, 2) * k,
    k * sympy.log(1 + TIME) + sympy.tanh(TIME - 3) * X,
    k * sympy.floor(TIME) + sympy.Mod(TIME, 2),
    k * (TIME - 2) ** 2,
    k**TIME,
    X * sympy.Min(TIME, 3),
    k / (0.5 + sympy.cos(TIME)) ** 2,
]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_bounds_hold_and_close_in(law):
    """Mutants seen to fail: an even power over zero from its ends alone; a sine without its tops."""
    network = kx.ReactionNetwork([kx.Species("X", 3)], [kx.Parameter("k", 0.7)], [kx.Reaction("r", {}, {"X": 1}, law)])
    model, rng = compile_network(network), np.random.default_rng(3)
    start, width = rng.uniform(0, 8, 400), 10 ** rng.uniform(-4, 0.7, 400)
    x, theta = rng.integers(0, 9, (400, 1)).astype(float), rng.uniform(0.1, 2, (400, 1))
    lower, upper = TimeBounds(model).over(x, theta, start, start + width)
    for share in np.linspace(0, 1, 41):
        value = model.propensities(x, theta, start + share * width)
        assert (lower <= value).all()
        assert (value <= upper).all()
    narrow = width < 1e-3
    jumps = law.atoms(sympy.floor, sympy.Mod, sympy.Piecewise)
    if not jumps and not law.has(sympy.cos(TIME) + 0.5):
        assert (upper - lower)[narrow].max() < 1.0


def test_a_pole_has_no_finite_bound():
    network = kx.ReactionNetwork(
        [kx.Species("X", 3)], [kx.Parameter("k", 0.7)], [kx.Reaction("r", {}, {"X": 1}, k / (TIME - 2) ** 2)]
    )
    lower, upper = TimeBounds(compile_network(network)).over(
        np.ones((1, 1)), np.ones((1, 1)), np.array([1.0]), np.array([3.0])
    )
    assert upper[0, 0] == np.inf
    assert lower[0, 0] <= 0.25
