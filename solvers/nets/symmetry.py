"""The exact symmetry P(k, t) = P(c k, t / c): which parameters scale, and the twin of a problem inside a box.

Where every propensity is homogeneous of degree 1 in some parameters, multiplying those by c only runs
the clock c times as fast. A net that knows a box therefore knows, exactly as well, every problem
that some c brings inside. Laws with the explicit time, and constants written as numbers, have no
such symmetry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import sympy
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel, compile_network
from kinetix.expressions import symbol
from kinetix.network import ReactionNetwork

Array = NDArray[np.float64]

POINTS = 24
"""Random states and rates at which degrees are measured, before they are proven."""

STEP, CLOSE = 1e-4, 1e-5
"""Of the logarithmic derivatives, and how far from consistent they may be."""

LONGEST = 100.0
"""The largest |log c| that is looked for."""


def scaling_parameters(network: ReactionNetwork, varied: Collection[str]) -> tuple[str, ...]:
    """The parameters, all among `varied`, that multiply every propensity by c when multiplied by c together.

    Empty where no set of them does. Found by numbers, then proven by symbols.
    """
    if network.depends_on_time or network.events or network.rate_rules:
        return ()
    model = compile_network(network)
    columns = [i for i, name in enumerate(network.theta_names) if name in varied]
    degrees = _degrees(_elasticities(model, columns)) if columns else None
    if degrees is None:
        return ()
    found = [network.theta_names[i] for i, degree in zip(columns, degrees, strict=True) if degree == 1]
    return tuple(found) if all(_is_scaled(law, found) for law in network.propensities) else ()


def _elasticities(model: CompiledModel, columns: list[int]) -> Array:
    """The slopes of log a_r by log k_p at random points where a_r is not 0: [rows, columns]."""
    rng = np.random.default_rng(20240611)
    counts = rng.integers(0, 25, (POINTS, len(model.network.species)))
    theta = np.exp(rng.uniform(-1, 1, (POINTS, len(model.theta))))
    shifted = np.repeat(theta[:, None, None], 2, axis=1).repeat(len(columns), axis=2)  # [points, 2, columns, P]
    for j, p in enumerate(columns):
        shifted[:, :, j, p] *= np.exp([STEP, -STEP])
    laws = model.propensities(counts[:, None, None], shifted)  # [points, 2, columns, R]
    with np.errstate(all="ignore"):
        slopes = np.log(laws[:, 0] / laws[:, 1]) / (2 * STEP)
    rows = slopes.swapaxes(1, 2).reshape(-1, len(columns))
    return np.asarray(rows[np.isfinite(rows).all(axis=1)])


def _degrees(rows: Array) -> list[int] | None:
    """Degrees 0 or 1 that sum, weighed by `rows`, to 1 in every row, preferably 1 and early; None where there are none.

    Parameters that no law reads get 0.
    """
    result: list[int] = []
    left = np.ones(len(rows))

    def consistent(rest: Array, columns: Array) -> bool:
        if columns.shape[1] == 0:
            return bool(np.abs(rest).max(initial=0.0) < CLOSE)
        solution = np.linalg.lstsq(columns, rest, rcond=None)[0]
        return bool(np.abs(columns @ solution - rest).max(initial=0.0) < CLOSE)

    for j in range(rows.shape[1]):
        read = bool(np.abs(rows[:, j]).max(initial=0.0) > CLOSE)
        choices = [d for d in ((1, 0) if read else (0,)) if consistent(left - d * rows[:, j], rows[:, j + 1 :])]
        if not choices:
            return None
        result.append(choices[0])
        left = left - choices[0] * rows[:, j]
    return result


def _is_scaled(law: sympy.Expr, names: Iterable[str]) -> bool:
    """Whether a law is multiplied by c when the named parameters are: a proof, or False."""
    positive = {s: sympy.Dummy(positive=True) for s in law.free_symbols}
    own, c = law.xreplace(positive), sympy.Dummy(positive=True)
    scaled = own.xreplace({positive[symbol(n)]: c * positive[symbol(n)] for n in names if symbol(n) in positive})
    difference = sympy.expand(scaled - c * own)
    return bool(difference == 0 or sympy.simplify(difference) == 0)


@dataclass(frozen=True, eq=False)
class Scaling:
    """What scales in a box: places `parameters` in theta, their `low` and `high`, which of them count in logarithms."""

    parameters: tuple[int, ...]
    low: Array
    high: Array
    logarithmic: NDArray[np.bool_]
    times: tuple[float, float]

    def into(self, thetas: Array, times: Array) -> Array:
        """The c of every problem, theta [..., P] and time [...], whose rates c k and time t / c lie inside: [...].

        1 where they lie inside as they are, or where no c helps; else the one farthest from all borders.
        """
        shape = np.broadcast_shapes(thetas.shape[:-1], times.shape)
        if not self.parameters:
            return np.ones(shape)
        k = np.broadcast_to(thetas[..., list(self.parameters)], (*shape, len(self.parameters)))
        t = np.broadcast_to(times, shape)
        result = np.ones(shape)
        look = (t > 0) & (self._margin(k, t, np.zeros(shape)) < -1e-9)
        if look.any():
            c, margin = self._best(k[look], t[look])
            result[look] = np.where(margin >= -1e-9, np.exp(c), 1.0)
        return result

    def scaled(self, thetas: Array, c: Array) -> Array:
        """Theta with its scaling parameters times c: [..., P], [...] -> [..., P]."""
        factor = np.ones((*c.shape, thetas.shape[-1]))
        factor[..., list(self.parameters)] = c[..., None]
        return np.asarray(thetas * factor)

    def _best(self, k: Array, t: Array) -> tuple[Array, Array]:
        """The log c where the margins that rise with c meet those that fall, by bisection, and the margin there."""
        low, high = np.full(len(t), -LONGEST), np.full(len(t), LONGEST)
        for _ in range(80):
            middle = (low + high) / 2
            rising, falling = self._margins(k, t, middle)
            low, high = np.where(rising < falling, middle, low), np.where(rising < falling, high, middle)
        found = (low + high) / 2
        return found, self._margin(k, t, found)

    def _margin(self, k: Array, t: Array, log_c: Array) -> Array:
        return np.minimum(*self._margins(k, t, log_c))

    def _margins(self, k: Array, t: Array, log_c: Array) -> tuple[Array, Array]:
        """Least distances to the borders, as shares of the box: of those that rise and of those that fall with c."""
        value = k * np.exp(log_c)[..., None]
        linear = (value - self.low) / (self.high - self.low)
        with np.errstate(divide="ignore"):
            bottom = np.log(np.where(self.logarithmic, self.low, 1.0))
            top = np.log(np.where(self.logarithmic, self.high, np.e))
            place = np.where(self.logarithmic, (np.log(value) - bottom) / (top - bottom), linear)
        t0, t1 = self.times
        free = (k == 0) & (self.low == 0)  # a rate of 0 stays at the border, where it belongs
        rising, falling = np.where(free, np.inf, place).min(axis=-1), (1 - place).min(axis=-1)
        if np.isinf(t1):  # the stationary law does not know the clock
            return rising, falling
        span = t1 - t0 if t1 > t0 else t1
        clock = t * np.exp(-log_c)
        return np.minimum(rising, (t1 - clock) / span), np.minimum(falling, (clock - t0) / span)
