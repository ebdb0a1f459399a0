"""The equation of a rational Krylov space: a small stiff system, solved by polynomials whose residual is integrated.

`space` finds vectors v_0 .. v_m and w_j = (I - g A)^-1 v_j = sum_i v_i h_ij, where A = Q / rate. For any
z(x) the law y = sum_j w_j z_j fails y' = A y by the combination of the v_i with the coefficients
rho = (H z - z) / g - H z' (and by rounding, whose sizes the space knows). exp(A x) never lengthens a vector
in L1, so the error of y is at most that of its start and the integral of the residual's L1 norm. Here z is
close to the solution of the first m equations, but it *is* a polynomial on each of some panels, of which
each is as long as all before it together: jumps and residuals are then known at every x, not at samples.
An integral over a panel of |f| is at most the root of its length times that of f^2, exact by Gauss's rule.
M. A. Botchev, V. Grimm, M. Hochbruck, SIAM J. Sci. Comput. 35 (2013) A1376 (residuals of exponentials);
J. van den Eshof, M. Hochbruck, SIAM J. Sci. Comput. 27 (2006) 1438 (the shifted and inverted space).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

Array = NDArray[np.float64]

NODES = 20
"""Gauss points of a panel; exp(-c x) on a panel is then right to about 1e-15 for every c > 0."""

SHORT = 1.0
"""The first panel is so short that its length times the norm of the small matrix is below this."""

TERMS = 20
"""Terms of the exponential of a norm of SHORT."""

PANELS = 60
"""Panels beyond which the small matrix is taken for noise."""

UNIT = 1.2e-16
"""The relative rounding of one operation."""


def _between(at: Array) -> Array:
    """The values at `at` [M] of the polynomials that are 1 at one node and 0 at the others: [M, NODES]."""
    gap = at[:, None] - _AT
    met = np.abs(gap) < 1e-15
    weights = _SCALE / np.where(met, 1.0, gap)
    weights[met.any(axis=1)] = 0.0
    weights[met] = 1.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _slopes() -> Array:
    """The derivatives at the nodes of the same polynomials."""
    gap = _AT[:, None] - _AT + np.eye(NODES)
    slopes = _SCALE / _SCALE[:, None] / gap * (1 - np.eye(NODES))
    return np.asarray(slopes - np.diag(slopes.sum(axis=1)))


_AT = (leggauss(NODES)[0] + 1) / 2
_WEIGHT = leggauss(NODES)[1] / 2
_SCALE = 1.0 / (_AT[:, None] - _AT + np.eye(NODES)).prod(axis=1)
_ENDS = _between(np.array([0.0, 1.0]))
_SLOPE = _slopes()
_SLOPE_SIZE = np.abs(_SLOPE)


@dataclass(frozen=True, eq=False)
class Sizes:
    """What the bound needs of a space in L1: |v_i| [m + 1], |w_j|, the residual of (I - g A) w_j = v_j,
    and that of w_j = sum_i v_i h_ij, all [m].
    """

    basis: Array
    solved: Array
    residual: Array
    sums: Array


@dataclass(frozen=True, eq=False)
class Panels:
    """z at the nodes of all panels [K, NODES, m]; the ends [K] of panels and the bound [K] on errors up to there."""

    z: Array
    ends: Array
    bound: Array

    def at(self, x: float) -> tuple[Array, float]:
        """The coefficients z [m] at `x`, and the bound there."""
        k = min(int(np.searchsorted(self.ends, x)), len(self.ends) - 1)
        begin = self.ends[k - 1] if k else 0.0
        place = min((x - begin) / (self.ends[k] - begin), 1.0)
        return np.asarray((_between(np.array([place])) @ self.z[k])[0]), float(self.bound[k])

    def integral(self, last: int) -> Array:
        """The integral of z over the panels up to `last`: [m]."""
        lengths = np.diff(self.ends[: last + 1], prepend=0.0)
        return np.asarray(np.einsum("k,n,knm->m", lengths, _WEIGHT, self.z[: last + 1]))


def panels(h: Array, shift: float, start: Array, span: float, sizes: Sizes, first: float) -> Panels | None:
    """Z on [0, `span`] from z = `start` [m], whose law is `first` from the right one; None when that is out of reach.

    `h` [m + 1, m] are the coefficients of the space, `shift` is g.
    """
    size = len(start)
    matrix = (np.eye(size) - np.linalg.inv(h[:size])) / shift
    reach = span * float(np.abs(matrix).sum(axis=0).max())
    count = max(int(np.ceil(np.log2(max(reach / SHORT, 1.0)))), 0)
    if not np.isfinite(reach) or count > PANELS:
        return None
    length, z, begin, error = span / 2.0**count, start, 0.0, first
    steps = _exponentials(length * matrix)
    found, ends, bound = [], [], []
    for k in range(count + 1):
        if k > 1:  # each panel but the second is twice as long as the one before
            steps, length = steps @ steps, 2.0 * length
        here = steps @ z
        left, right = _ENDS @ here
        jump = float(sizes.solved @ (np.abs(left - z) + 2 * NODES * UNIT * np.abs(z)))
        error += jump + length * _residual(h, shift, here, length, sizes)
        z, begin = right, begin + length
        found.append(here)
        ends.append(begin)
        bound.append(error)
    ends[-1] = span
    return Panels(np.array(found), np.array(ends), np.array(bound))


def _exponentials(matrix: Array) -> Array:
    """exp(x M) at the nodes x, by Taylor's series of a matrix [m, m] with a norm up to SHORT: [NODES, m, m]."""
    term = np.eye(len(matrix))
    terms = [term]
    for k in range(1, TERMS):
        term = term @ matrix / k
        terms.append(term)
    return np.asarray(np.tensordot(_AT[:, None] ** np.arange(TERMS), np.array(terms), axes=1))


def _residual(h: Array, shift: float, z: Array, length: float, sizes: Sizes) -> float:
    """A bound on the mean of the residual's L1 norm over a panel, from z at its nodes [NODES, m]."""
    slope, size, count = (_SLOPE @ z) / length, np.abs(z), NODES + z.shape[1] + 4
    rho = (z @ h.T) / shift - slope @ h.T
    rho[:, :-1] -= z / shift
    turned = np.abs(h).T
    rounded = (_SLOPE_SIZE @ size) @ turned / length + (size @ turned) / shift
    rounded[:, :-1] += size / shift
    total = _mean(np.abs(rho) + count * UNIT * rounded) @ sizes.basis
    total += _mean(z) @ sizes.residual / shift + _mean(z / shift - slope) @ sizes.sums
    return float(total)


def _mean(values: Array) -> Array:
    """The root of the mean of squares over a panel, at least the mean of absolute values: [NODES, m] -> [m]."""
    return np.asarray(np.sqrt(_WEIGHT @ values**2))
