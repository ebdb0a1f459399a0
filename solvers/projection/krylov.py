"""exp(A x) p for stiff windows, from a Krylov space of (I - g A)^-1, where A = Q / rate: shift and invert.

The space needs one sparse factorisation for every g and some twenty solutions, however fast the fastest
reactions are, once their transients have died out. See `reduced` for the law in the space, and its error.
I. Moret, P. Novati, BIT 44 (2004) 595, doi:10.1023/B:BITN.0000046805.27551.3b.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.linalg import SuperLU, splu

from .reduced import NODES, UNIT, Panels, Sizes, panels

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST = 48
"""Vectors of a space at most."""

LEAST, EVERY = 8, 4
"""The size from which, and every so many vectors, the bound is looked at."""

WORTHY = 0.2
"""The part of its length that a space must lead at least."""

EARLY = 0.4
"""The part of the error allowed that may be made at once when the end is not reached."""

RATIO = 8.0
"""The length that a space is made for, in units of its shift g."""

_LONG = np.longdouble
_FINE = float(np.finfo(_LONG).eps)


@dataclass(frozen=True, eq=False)
class Shifted:
    """I - g A factorised, for A = B - I and a matrix B [N, N] with columns that sum to at most 1."""

    shift: float
    matrix: csr_array
    factors: SuperLU
    noise: float

    @classmethod
    def of(cls, uniformised: csc_array, shift: float) -> Shifted:
        """For g = `shift`; RuntimeError or MemoryError where it cannot be factorised."""
        whole = csc_array((1.0 + shift) * eye_array(uniformised.shape[0], format="csc") - shift * uniformised)
        settings = {"SymmetricMode": True}
        factors = splu(whole, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=settings)
        longest = int(np.bincount(whole.indices, minlength=1).max(initial=1))
        return cls(shift, csr_array(whole).astype(_LONG), factors, (longest + 3) * _FINE)

    def solve(self, v: Array) -> tuple[Array, float]:
        """W with (I - g A) w = v, and a bound on the L1 norm of what it leaves, rounding of that included."""
        w: Array = np.asarray(self.factors.solve(v), dtype=np.float64)
        left = float(np.abs(v - self.matrix @ w.astype(_LONG)).sum())
        rounded = (1.0 + 2.0 * self.shift) * float(np.abs(w).sum()) + float(np.abs(v).sum())
        return w, left + self.noise * rounded


@dataclass(frozen=True, eq=False)
class Rational:
    """The laws [M, N] at moments, with a `bound` [M] in L1, infinite beyond `reached`.

    `end` is the law there with the bound `error`; `occupancy` [N] the integral of the law over x up to there.
    """

    laws: Array
    bound: Array
    reached: float
    end: Array
    error: float
    occupancy: Array
    solutions: int

    @classmethod
    def none(cls, start: Array, moments: int, solutions: int) -> Rational:
        """Of a space that leads nowhere."""
        laws, bound = np.zeros((moments, len(start))), np.full(moments, np.inf)
        return cls(laws, bound, 0.0, start, 0.0, np.zeros(len(start)), solutions)


@dataclass(eq=False)
class Space:
    """The vectors v [m + 1, N] and w [m, N] of one start, with h [m + 1, m]; see `reduced`."""

    shifted: Shifted
    start: Array
    size: int = 0
    v: Array = field(init=False)
    w: Array = field(init=False)
    h: Array = field(init=False)
    lengths: Sizes = field(init=False)
    norm: float = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.start)
        most = min(MOST, count)
        self.v, self.w, self.h = np.empty((most + 1, count)), np.empty((most, count)), np.zeros((most + 1, most))
        self.lengths = Sizes(np.zeros(most + 1), np.zeros(most), np.zeros(most), np.zeros(most))
        self.norm = float(np.linalg.norm(self.start))
        self.v[0] = self.start / self.norm
        self.lengths.basis[0] = np.abs(self.v[0]).sum()

    @property
    def full(self) -> bool:
        """Whether the space cannot grow any more."""
        return self.size == len(self.w) or (self.size > 0 and self.h[self.size, self.size - 1] == 0.0)

    def grow(self) -> None:
        """One vector more."""
        j, known = self.size, self.lengths
        w, known.residual[j] = self.shifted.solve(self.v[j])
        self.w[j], rest = w, w
        for _ in range(2):
            part = self.v[: j + 1] @ rest
            rest = rest - part @ self.v[: j + 1]
            self.h[: j + 1, j] += part
        length = float(np.linalg.norm(rest))
        if length <= 1e-13 * float(np.linalg.norm(w)):  # all of the space is reached: what is left is rounding
            length, known.sums[j] = 0.0, np.abs(rest).sum()
        self.h[j + 1, j], self.v[j + 1] = length, rest / length if length else 0.0
        known.basis[j + 1], known.solved[j] = np.abs(self.v[j + 1]).sum(), np.abs(w).sum()
        known.sums[j] += (2 * j + 8) * UNIT * float(np.abs(self.h[: j + 2, j]) @ known.basis[: j + 2])
        self.size += 1

    def begin(self) -> tuple[Array, float]:
        """The coefficients z [m] of the start in the space, and about how far from it that is in L1."""
        m, right = self.size, np.zeros(self.size)
        right[0] = self.norm
        z = np.asarray(np.linalg.solve(self.h[:m, :m], right), dtype=np.float64)
        return z, float(self.h[m, m - 1] * abs(z[-1]) * self.lengths.basis[m])

    def panels(self, z: Array, span: float) -> Panels | None:
        """The way of the law in the space from z [m] on, and its errors up to `span`."""
        m, known = self.size, self.lengths
        sizes = Sizes(known.basis[: m + 1], known.solved[:m], known.residual[:m], known.sums[:m])
        first = float(np.abs(self.start - z @ self.w[:m]).sum()) + (m + 3) * UNIT * float(known.solved[:m] @ np.abs(z))
        return panels(self.h[: m + 1, :m], self.shifted.shift, z, span, sizes, first)

    def law(self, z: Array) -> Array:
        """The law of coefficients z [m], without what is below 0: that only lowers the error."""
        return np.maximum(z @ self.w[: self.size], 0.0)


def follow(shifted: Shifted, start: Array, taus: Array, span: float, allowed: float, control: Counts) -> Rational:
    """The laws after each of `taus` <= `span` of rate * time, with errors of at most `allowed`.

    Where that leads only a part of the way, as far as errors are that part of it; `EARLY` of it is there at
    least. `reached` is 0 where even that is out of reach.
    """
    space, best, far, gaps, before = Space(shifted, start), None, 0.0, dict[int, float](), np.inf
    while not space.full and not control[0]:
        space.grow()
        if space.full or (space.size >= LEAST and space.size % EVERY == 0):
            z, gaps[space.size] = space.begin()
            if not gaps[space.size] < allowed:
                if _hopeless(gaps, space.size, allowed):
                    break
                continue
            if (found := space.panels(z, span)) is None:
                continue
            allowance = allowed * np.maximum(found.ends / span, EARLY)
            allowance[-1] = allowed
            count = _reached(found.bound <= allowance - 10 * UNIT * found.ends)
            if count and found.ends[count - 1] > max(far, WORTHY * span):
                best, far = (found, count - 1, space.size), found.ends[count - 1]
            if count == len(found.ends) or found.bound[-1] > before:  # beyond, the small matrix is all noise
                break
            before = float(found.bound[-1])
    if best is None or control[0]:
        return Rational.none(start, len(taus), space.size)
    return _read(space, *best, taus)


def _reached(good: NDArray[np.bool_]) -> int:
    """How many panels can be used: all if the last is good, for bounds never fall, else those before the first bad."""
    return len(good) if good[-1] else int(np.argmin(good))


def _hopeless(gaps: dict[int, float], size: int, allowed: float) -> bool:
    """Whether what a start lacks in spaces of these sizes falls too slowly to be `allowed` in the largest."""
    half = size // 2
    if size < 4 * EVERY or half not in gaps:
        return False
    expected = gaps[size] * (gaps[size] / gaps[half]) ** ((MOST - size) / half)
    return bool(expected > 1e3 * allowed)


def _read(space: Space, found: Panels, last: int, size: int, taus: Array) -> Rational:
    """The laws of a space, when it had `size` vectors, at `taus` up to the end of panel `last`."""
    solutions, space.size = space.size, size
    reached = float(found.ends[last])
    laws, bound = np.zeros((len(taus), len(space.start))), np.full(len(taus), np.inf)

    def at(x: float) -> tuple[Array, float]:
        z, error = found.at(x)
        rounded = (size + 2 * NODES) * UNIT * float(space.lengths.solved[:size] @ np.abs(z))
        return space.law(z), error + rounded + 8 * UNIT * x

    for k in np.nonzero(taus <= reached)[0]:
        laws[k], bound[k] = at(float(taus[k]))
    end, error = at(reached)
    return Rational(laws, bound, reached, end, error, space.law(found.integral(last)), solutions)
