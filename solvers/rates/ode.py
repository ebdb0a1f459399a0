"""Steps of a stiff or non-stiff ordinary differential equation, each with its interpolant.

A. C. Hindmarsh, L. R. Petzold's LSODA (SIAM J. Sci. Stat. Comput. 4 (1983) 136, doi:10.1137/0904010),
which changes between Adams and backward differentiation formulas; where it gives up, Radau IIA of order 5.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Path = Callable[[Array], Array]

SHRINK = 1 / 32
"""What is left of a step into a region where the slope is no number, when it is tried again."""

MOST_SHRINKS = 10
"""Times that a step is tried again before the slope is said to be no number."""

TINY = 64
"""Steps of so many units in the last place of the time make no way;"""

MOST_TINY = 300
"""so many of them in a row are the end."""

CAUTIOUS = 60
"""Steps after which shrunk steps may grow again."""


class NoNumberError(ArithmeticError):
    """The slope at `time` and `state` is not finite."""

    def __init__(self, time: float, state: Array) -> None:
        super().__init__(f"the slope at time {time} is no finite number")
        self.time, self.state = time, state


class StuckError(ArithmeticError):
    """No method makes a step on from `time` and `state`."""

    def __init__(self, time: float, state: Array) -> None:
        super().__init__(f"no step can be made from time {time}")
        self.time, self.state = time, state


@dataclass(frozen=True)
class Step:
    """One accepted step: `path` maps times [m] in it to states [n, m]."""

    begin: float
    end: float
    state: Array
    path: Path


@dataclass(frozen=True)
class Equation:
    """dy/dt = slope(t, y), y [n], with its Jacobian [n, n] where there is one, and tolerances."""

    slope: Callable[[float, Array], Array]
    jacobian: Callable[[float, Array], Array] | None
    rtol: float
    atol: Array
    longest: float = np.inf

    def steps(self, begin: float, state: Array, end: float) -> Iterator[Step]:
        """Steps from `begin` to exactly `end`. Raises NoNumberError or StuckError."""
        if end - begin <= 8 * np.spacing(max(end, begin)):
            yield _hop(begin, state, end, self._checked(begin, state))
            return
        time, shrinks, longest, methods = begin, 0, self.longest, ["LSODA", "LSODA", "Radau"]
        while time < end:
            made = 0
            try:
                for step in self._plain(methods[0], time, state, end, longest):
                    made += 1
                    shrinks, time, state = 0, step.end, step.state
                    yield step
                    if longest < self.longest and made >= CAUTIOUS:
                        longest = self.longest
                        break
            except NoNumberError as problem:
                shrinks += 1
                if shrinks > MOST_SHRINKS:
                    raise
                longest = max(SHRINK * min(longest, problem.time - time, end - time), 16 * np.spacing(time))
            except StuckError:
                methods = methods[1:]
                if not methods:
                    raise

    def _plain(self, method: str, begin: float, state: Array, end: float, longest: float) -> Iterator[Step]:
        from scipy.integrate import LSODA, Radau

        kind: Any = LSODA if method == "LSODA" else Radau
        options = {"rtol": self.rtol, "atol": self.atol, "max_step": longest, "jac": self.jacobian}
        solver = kind(self._checked, begin, np.array(state), end, **options)
        tiny = 0
        while solver.status == "running":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # LSODA says by a warning what its status says too
                solver.step()
            failed = solver.status == "failed" or not np.isfinite(solver.y).all()
            tiny = tiny + 1 if not failed and solver.t - solver.t_old < TINY * np.spacing(solver.t) else 0
            if failed or tiny > MOST_TINY:
                raise StuckError(float(solver.t), np.array(solver.y))
            yield Step(float(solver.t_old), float(solver.t), np.array(solver.y), solver.dense_output())

    def _checked(self, time: float, state: Array) -> Array:
        slope = self.slope(time, state)
        if not np.isfinite(slope).all():
            raise NoNumberError(float(time), np.array(state))
        return slope


def _hop(begin: float, state: Array, end: float, slope: Array) -> Step:
    """A step so short that a straight line is exact."""
    final = state + slope * (end - begin)
    return Step(begin, end, final, lambda t: np.repeat(final[:, None], len(t), axis=1))
