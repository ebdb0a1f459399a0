"""The Chebyshev expansion of exp(Q t) p, with a bound on its error that is measured on the way.

With B = I + Q / rate and x = rate t, exp(Q t) = sum_k c_k(x) T_k(B), c_k = 2 exp(-x) I_k(x). It takes
about sqrt(60 x) products where uniformisation takes x, but T_k(B) p can grow, since Q is not normal.
What the sum leaves of the master equation is c_{K+1} T_K - c_K T_{K+1} (times rate / 2), plus the
rounding of every term times its weight; exp(Q t) never lengthens a vector in L1, so the integral of
that residual bounds the error, whatever Q is. A moment whose bound grows too large is given up.
H. Tal-Ezer, R. Kosloff, J. Chem. Phys. 81 (1984) 3967, doi:10.1063/1.448136 (the expansion);
M. A. Botchev, V. Grimm, M. Hochbruck, SIAM J. Sci. Comput. 35 (2013) A1376 (residuals of exponentials).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from .terms import Terms

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

UNIT = 1.2e-16
"""The relative rounding of one operation."""


@dataclass(frozen=True, eq=False)
class Expansion:
    """`laws` [M, N] at M moments with a `bound` [M] in L1 on each, infinite where it was given up."""

    laws: Array
    bound: Array
    products: int


def predicted(tau: float, tolerance: float) -> int:
    """About the number of products to x = `tau`."""
    digits = math.log(1.0 / tolerance)
    return int(math.sqrt(2.0 * tau * digits) + digits / 3.0)


def expand(terms: Terms, start: Array, taus: Sequence[float], allowed: Sequence[float], control: Counts) -> Expansion:
    """The laws after each of `taus` = rate * time, from one recurrence, as far as errors stay `allowed`."""
    loops = _loops()
    weights, integrals, offsets = [], [], [0]
    for tau, most in zip(taus, allowed, strict=True):
        c, j = _coefficients(tau, most, loops)
        weights.append(c)
        integrals.append(j)
        offsets.append(offsets[-1] + len(c))
    sums, bounds = np.zeros((len(taus), len(start))), np.zeros(len(taus))
    rounding = np.array([(8 + terms.additions / 4) * UNIT, UNIT])
    products = loops.run(
        start,
        terms,
        np.concatenate(weights),
        np.concatenate(integrals),
        np.array(offsets, dtype=np.int64),
        np.asarray(allowed, dtype=np.float64),
        rounding,
        sums,
        bounds,
        control,
    )
    np.maximum(sums, 0.0, out=sums)  # the law is >= 0: this only lowers the error
    return Expansion(sums, bounds + np.asarray(taus) * 8 * UNIT, int(products))


def _coefficients(tau: float, allowed: float, loops: ModuleType) -> tuple[Array, Array]:
    """The weights c_k and the integrals over x of c_k / 2 (of c_0 for k = 0), both with two zeros' room."""
    most = predicted(tau, 1e-6 * allowed) + 24
    values = loops.bessel(tau, most) if tau > 0 else np.eye(1, most)[0]  # at time 0: the start itself
    beyond = np.cumsum(values[::-1])[::-1]  # sum over m >= k
    integrals = np.zeros(most)
    integrals[:-1] = 2.0 * np.cumsum(beyond[:0:-1])[::-1]  # 2 sum over m > k of (m - k) values[m]
    last = int(np.argmax(integrals <= 1e-3 * allowed)) if (integrals <= 1e-3 * allowed).any() else most - 3
    last = min(max(last, 1), most - 3)
    weights = 2.0 * values[: last + 3]
    weights[0] = values[0]
    return weights, integrals[: last + 3]


@cache
def _loops() -> ModuleType:
    """The module of the inner loops: `expansion_loops` where numba is there, else `sweeps_numpy`."""
    try:
        from . import expansion_loops
    except ImportError:
        from . import expansion_numpy

        return expansion_numpy
    return expansion_loops
