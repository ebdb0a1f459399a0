"""What trajectories alone make of the CPU seconds of a net: exact draws, smoothed as well as they allow.

A net's seconds are shared out evenly among its held-out problems, spent on exact trajectories there, and the
histogram is smoothed by Gaussian kernels along the species with more than `FEW` values. The width is the one
under which trajectories left out are likeliest. Nothing here knows the exact law.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.distribution import PointMass, Tabulated
from kinetix.problem import Problem
from kinetix.solvers.nets.distance import hellinger
from kinetix.solvers.nets.held_out import Context
from kinetix.space import StateSpace
from tests.benchmarks.net_judges import trajectories

FEW, PILOT, MOST = 4, 2000, 1_000_000
LATE = 20.0
"""The time of trajectories that stand for a stationary law (relaxed to e^-12 in the boxes here)."""
WIDTHS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
"""Standard deviations of the kernels that are tried, in counts."""
LEFT_OUT = 5
"""One trajectory in so many judges the width."""


def smoothed(space: StateSpace, states: np.ndarray) -> np.ndarray:
    """The smoothed law [N] on `space` of trajectories that end in `states` [n, S]."""
    place = space.index(states)
    place = place[place >= 0]
    judges, rest = place[::LEFT_OUT], np.delete(place, slice(None, None, LEFT_OUT))
    some = np.bincount(rest, minlength=space.size) / len(rest)
    floor = 0.5 / (len(place) * space.size)
    scores = [np.log(_blurred(space, some, width)[judges] + floor).sum() for width in WIDTHS]
    return _blurred(space, np.bincount(place, minlength=space.size) / len(states), WIDTHS[int(np.argmax(scores))])


def _blurred(space: StateSpace, p: np.ndarray, width: float) -> np.ndarray:
    table = p.reshape(space.shape)
    for axis, values in enumerate(space.shape):
        if values > FEW and width > 0:
            table = gaussian_filter1d(table, width, axis=axis, mode="reflect")
    return np.asarray(table).ravel()


def at_equal_cpu(network: kx.ReactionNetwork, contexts: Sequence[Context], seconds: float) -> dict[str, float]:
    """The mean distance of smoothed trajectories to the exact laws, with `seconds` of CPU for each context."""
    model, found, paths = compile_network(network), [], []
    for k, asked in enumerate(contexts):
        context = replace(asked, time=min(asked.time, LATE)) if np.isinf(asked.time) else asked
        trajectories(network, context, PILOT, k)  # compiles what is to be compiled
        began = time.process_time()
        trajectories(network, context, PILOT, k)
        number = int(PILOT * seconds / (time.process_time() - began))
        paths.append(min(max(number, PILOT), MOST))
        law = kx.FSP(leak=1e-9).solve(Problem(model, np.array([asked.time]), asked.theta, PointMass(asked.start)))
        exact = law.laws[0]
        assert isinstance(exact, Tabulated)
        own = smoothed(exact.space, trajectories(network, context, paths[-1], k + 1))
        found.append(hellinger(exact.p, own))
    return {"mean": float(np.mean(found)), "max": float(np.max(found)), "paths": float(np.median(paths))}
