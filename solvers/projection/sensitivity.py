"""Derivatives of the laws with respect to rate parameters, by forward sensitivities.

With B = I + Q / rate for a fixed rate, the terms of uniformisation and their derivatives follow
p <- B p and s <- B s + (dB) p, and the Poisson weights do not depend on the parameter: the sums are the
law and its exact derivative on the window, to the same truncation.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
import sympy
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.expressions import symbol
from kinetix.propensity import ArrayFunction, array_function

from .grid import Grid
from .uniformisation import Schedule

Array = NDArray[np.float64]


def derivatives(grid: Grid, theta: Array, start: Array, times: Array, which: list[int]) -> tuple[Array, Array]:
    """The laws [T, N] at `times` and their derivatives [K, T, N] by the parameters at the places `which` [K]."""
    rates = grid.rates(theta)
    rate = float(rates.outflow.max(initial=0.0))
    terms, schedule = grid.terms(rates, rate), Schedule.of(rate, times)
    weights = schedule.weights
    values = np.concatenate([w.values for w in weights])
    firsts = np.array([w.first for w in weights], dtype=np.int64)
    lengths = np.array([len(w.values) for w in weights], dtype=np.int64)
    laws, slopes = np.zeros((len(times), len(start))), np.zeros((len(which), len(times), len(start)))
    for k, j in enumerate(which):
        laws[:] = 0.0
        _loops().tangent(
            start, terms, grid.terms_of(_slopes(grid, theta, j), rate), values, firsts, lengths, laws, slopes[k]
        )
    return laws, slopes


def _slopes(grid: Grid, theta: Array, j: int) -> list[Array]:
    """The derivative of every propensity by parameter j, each on the axes that it depends on."""
    axes = len(grid.space.shape)
    with np.errstate(all="ignore"):
        found = _function(grid.model, j)(*grid.columns, *theta, 0.0)
    result = []
    for law in found:
        slope = np.asarray(law, dtype=np.float64)
        slope = np.where(np.isfinite(slope), slope, 0.0).reshape((1,) * (axes - slope.ndim) + slope.shape)
        result.append(slope if grid.missing is None else np.where(grid.missing, 0.0, slope))
    return result


def _function(model: CompiledModel, j: int) -> ArrayFunction:
    network = model.network
    name = symbol(network.theta_names[j])
    laws = tuple(sympy.diff(law, name) for law in network.propensities)
    return array_function(laws, network.species_names, network.theta_names)


@cache
def _loops() -> ModuleType:
    """The module of the inner loops: `sensitivity_loops` where numba is there, else `sensitivity_numpy`."""
    try:
        from . import sensitivity_loops
    except ImportError:
        from . import sensitivity_numpy

        return sensitivity_numpy
    return sensitivity_loops
