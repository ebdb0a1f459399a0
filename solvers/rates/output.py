"""What a course puts out: amounts and theta at the asked times, written as the course passes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .ode import Step
from .rate_equations import Equations

Array = NDArray[np.float64]


class Output:
    """The states [n] at `times` [T], and theta; `done` of them are written."""

    def __init__(self, equations: Equations, times: Array, size: int) -> None:
        self.equations, self.times, self.done = equations, times, 0
        network = equations.model.network
        self.states = np.empty((len(times), size))
        self.thetas = np.empty((len(times), len(network.theta_names)))

    def write(self, step: Step, until: float, theta: Array) -> None:
        """The outputs that lie in a step, up to and with `until`, from its interpolant."""
        stop = int(np.searchsorted(self.times, until, side="right"))
        if stop > self.done:
            self._put(self.done, stop, step.path(self.times[self.done : stop]).T, theta)

    def write_until(self, until: float, state: Array, theta: Array) -> None:
        """All outputs up to and with `until` show this state."""
        self._put(self.done, int(np.searchsorted(self.times, until, side="right")), state, theta)

    def rewrite(self, since: float, state: Array, theta: Array) -> None:
        """The outputs written for times from `since` on show this state instead: an event was at once with them."""
        self._put(int(np.searchsorted(self.times, since)), self.done, state, theta)

    def _put(self, start: int, stop: int, states: Array, theta: Array) -> None:
        if stop > start:
            self.states[start:stop] = states
            self.thetas[start:stop] = self.equations.theta(self.states[start:stop], theta)
            self.done = stop
