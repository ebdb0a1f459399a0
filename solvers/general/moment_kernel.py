"""The equations of means and covariances of one problem after the other, compiled (see `moments`).

A saturating factor stands for its mean over the two points of Gauss's rule for the gamma law of the count's mean and
variance, which has no negative counts, and for its slope between these: what regression gives for that law, exact to
the second order.

ROS2, a linearly implicit method of second order with steps of its own choice (J. G. Verwer et al., SIAM J. Sci.
Comput. 20 (1999) 1456, doi:10.1137/S1064827597326651). It keeps its order with any Jacobian: that of the covariances
is taken as a product of two of the means', so that no matrix is larger than species by species.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled

GAMMA = 1 - 0.5**0.5

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""The error that a step may make."""

NEAREST = 1e-3
"""Saturating factors go straight to 0, or stay, below this count; variances below it, times the mean, do not count."""

FIRST, MOST = 1e-4, 2000
"""The first step as a share of the time, and the most steps."""


@compiled
def _at(x: Any, half: Any, power: Any) -> Any:
    """A saturating factor at a count > 0."""
    return 1.0 / (1.0 + (half / x) ** power)


@compiled
def _saturated(m: Any, v: Any, half: Any, power: Any) -> Any:
    """The mean of a saturating factor over counts of mean m and variance v, and its slope."""
    if m < NEAREST:
        value = _at(NEAREST, half, power)
        return (value * m / NEAREST, value / NEAREST) if power > 0.0 else (value, 0.0)
    if v < NEAREST * m:
        value = _at(m, half, power)
        return value, power / m * value * (1.0 - value)
    q = v / m
    root = np.sqrt(v + q * q)
    low, high = m + q - root, m + q + root
    below, above = _at(max(low, NEAREST), half, power), _at(high, half, power)
    weight = 0.5 * (1.0 + q / root)
    return weight * below + (1.0 - weight) * above, (above - below) / (high - low)


@compiled
def _law(  # noqa: PLR0913, PLR0917 - a kernel takes its numbers one by one
    i: Any, j: Any, k: Any, g: Any, half: Any, power: Any, m: Any, c: Any, closed: Any
) -> Any:
    """An expected law, and its slopes by the two reactants and the regulator."""
    S = len(m)
    one = m[i] if i < S else 1.0
    two = m[j] if j < S else 1.0
    less = 1.0 if closed and i == j and i < S else 0.0
    joint = c[i, j] if closed and i < S and j < S else 0.0
    law = k * (one * (two - less) + joint)
    by_one, by_two = k * (two - less), k * one
    if power == 0.0:
        return max(0.0, law), by_one, by_two, 0.0
    factor, slope = _saturated(m[g], c[g, g] if closed else 0.0, half, power)
    moved = 0.0
    if closed:
        moved += by_one * c[i, g] if i < S else 0.0
        moved += by_two * c[j, g] if j < S else 0.0
    return max(0.0, law * factor + moved * slope), by_one * factor, by_two * factor, max(0.0, law) * slope


@compiled
def _slope(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    pairs: Any, rates: Any, change: Any, regulators: Any, halves: Any, powers: Any,
    m: Any, c: Any, closed: Any, dm: Any, dc: Any, drift: Any,
) -> None:  # fmt: skip
    """The derivatives of means and covariances, and the Jacobian of the means' equation where covariances stand."""
    S, R = len(m), len(rates)
    dm[:] = 0.0
    drift[:] = 0.0
    dc[:] = 0.0
    for r in range(R):
        i, j, g = pairs[r, 0], pairs[r, 1], regulators[r]
        law, by_one, by_two, by_regulator = _law(i, j, rates[r], g, halves[r], powers[r], m, c, closed)
        for s in range(S):
            v = change[r, s]
            if v == 0:
                continue
            dm[s] += v * law
            if i < S:
                drift[s, i] += v * by_one
            if j < S:
                drift[s, j] += v * by_two
            if by_regulator != 0.0:
                drift[s, g] += v * by_regulator
            for q in range(S):
                dc[s, q] += v * change[r, q] * law
    for s in range(S):
        for q in range(S):
            for p in range(S):
                flow = drift[s, p] * c[p, q]
                dc[s, q] += flow
                dc[q, s] += flow


@compiled
def _inverse(a: Any, out: Any) -> None:
    """Gauss and Jordan, with pivots; `a` is used up."""
    n = len(a)
    out[:] = 0.0
    for i in range(n):
        out[i, i] = 1.0
    for i in range(n):
        p = i
        for k in range(i + 1, n):
            if abs(a[k, i]) > abs(a[p, i]):
                p = k
        for j in range(n):
            a[i, j], a[p, j] = a[p, j], a[i, j]
            out[i, j], out[p, j] = out[p, j], out[i, j]
        scale = 1.0 / a[i, i]
        for j in range(n):
            a[i, j] *= scale
            out[i, j] *= scale
        for k in range(n):
            factor = a[k, i]
            if k != i and factor != 0.0:
                for j in range(n):
                    a[k, j] -= factor * a[i, j]
                    out[k, j] -= factor * out[i, j]


@compiled
def _between(b: Any, c: Any, out: Any, room: Any) -> None:
    """The product b c b' for a symmetric c."""
    n = len(b)
    for i in range(n):
        for j in range(n):
            room[i, j] = 0.0
            for k in range(n):
                room[i, j] += b[i, k] * c[k, j]
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for k in range(n):
                total += room[i, k] * b[j, k]
            out[i, j] = total
            out[j, i] = total


@compiled
def _moved(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    pairs: Any, rates: Any, change: Any, regulators: Any, halves: Any, powers: Any, m: Any, c: Any, closed: Any
) -> Any:
    """Means and covariances brought from time 0 to 1, in place; whether that went well."""
    S = len(m)
    m1, m2, k1, k2, ahead = (np.zeros(S), np.zeros(S), np.zeros(S), np.zeros(S), np.zeros(S))
    c1, c2, q1, q2, wide = (np.zeros((S, S)), np.zeros((S, S)), np.zeros((S, S)), np.zeros((S, S)), np.zeros((S, S)))
    drift, back, room, other = (np.zeros((S, S)), np.zeros((S, S)), np.zeros((S, S)), np.zeros((S, S)))
    t, h = 0.0, FIRST
    for _ in range(MOST):
        h = min(h, 1.0 - t)
        _slope(pairs, rates, change, regulators, halves, powers, m, c, closed, m1, c1, drift)
        for i in range(S):
            for j in range(S):
                room[i, j] = (1.0 if i == j else 0.0) - GAMMA * h * drift[i, j]
        _inverse(room, back)
        for i in range(S):
            k1[i] = 0.0
            for j in range(S):
                k1[i] += back[i, j] * m1[j]
            ahead[i] = m[i] + h * k1[i]
        _between(back, c1, q1, room)
        for i in range(S):
            for j in range(S):
                wide[i, j] = c[i, j] + h * q1[i, j]
        _slope(pairs, rates, change, regulators, halves, powers, ahead, wide, closed, m2, c2, other)
        for i in range(S):
            k2[i] = 0.0
            for j in range(S):
                k2[i] += back[i, j] * (m2[j] - 2.0 * k1[j])
                c2[i, j] -= 2.0 * q1[i, j]
        _between(back, c2, q2, room)
        error = 0.0
        for i in range(S):
            size = ABSOLUTE + RELATIVE * max(abs(m[i]), abs(ahead[i]))
            error = max(error, abs(0.5 * h * (k1[i] + k2[i])) / size)
            size = 10 * ABSOLUTE + 3 * RELATIVE * max(abs(c[i, i]), abs(wide[i, i]))
            error = max(error, abs(0.5 * h * (q1[i, i] + q2[i, i])) / size)
        if not np.isfinite(error):
            return False
        if error <= 1.0:
            t += h
            for i in range(S):
                m[i] += h * (1.5 * k1[i] + 0.5 * k2[i])
                for j in range(S):
                    c[i, j] += h * (1.5 * q1[i, j] + 0.5 * q2[i, j])
            if t >= 1.0 - 1e-12:
                return True
        h *= min(5.0, max(0.2, 0.85 / np.sqrt(max(error, 1e-6))))
    return False


@compiled
def run(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    pairs: Any, rates: Any, change: Any, starts: Any, species: Any, reactions: Any, regulators: Any, halves: Any,
    powers: Any, closed: Any, means: Any, spread: Any, good: Any,
) -> None:  # fmt: skip
    """Means [N, S] and covariances [N, S, S] at time 1 of N problems, and whether the integration ended: [N]."""
    for n in range(len(rates)):
        S, R = species[n], reactions[n]
        own = np.empty((R, 2), np.int64)
        for r in range(R):
            for e in range(2):
                own[r, e] = min(pairs[n, r, e], S)
        m = starts[n, :S].astype(np.float64)
        c = np.zeros((S, S))
        tables = own, rates[n, :R], change[n, :R, :S].copy(), regulators[n, :R], halves[n, :R], powers[n, :R]
        good[n] = _moved(*tables, m, c, closed)
        means[n, :S] = m
        spread[n, :S, :S] = c
