"""Held-out problems over the boxes of the reference systems, for figures and tests: read from examples/boxes.

Rates are uniform in their box (in the logarithm where the file says `log_uniform`), half of the times
uniform in the interval, half log-uniform on [T/200, T]. With the certificate's own seed they are the
problems that a net's certificate speaks of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import kinetix as kx
from kinetix.app.tables import read_box
from kinetix.problem import Problem
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.held_out import SEED, held_out

EXAMPLES = Path(__file__).parents[2] / "examples"
MODELS, BOXES = EXAMPLES / "models", EXAMPLES / "boxes"
SUFFIX = "_starts"
"""Of the boxes that vary initial counts too."""

INTERVALS: Mapping[str, tuple[float, float]] = {
    "birth_death_fast": (0, 100),
    "birth_death_fast_starts": (0, 100),
    "autoregulation": (0, 10),
    "autoregulation_starts": (0, 10),
    "toggle_switch": (0, 40),
    "cascade15": (0, 10),
    "mrna_turnover": (0, 10),
    "feed_forward_loop": (0, 10),
    "mapk16": (0, 100),
    "telegraph": (np.inf, np.inf),
    "bursting": (np.inf, np.inf),
}
"""The times of every box; inf alone where the law is stationary."""


@dataclass(frozen=True, eq=False)
class Contexts:
    """Problems of one network: thetas [B, P], starts [B, S] (each the model's own where not varied), times [B]."""

    network: kx.ReactionNetwork
    box: Mapping[str, Any]
    interval: tuple[float, float]
    thetas: np.ndarray
    starts: np.ndarray
    times: np.ndarray

    def problem(self, index: int) -> Problem:
        """One of them, ready for a solver."""
        network = self.network
        return Problem.of(
            network.replace(
                parameters=dict(zip(network.theta_names, self.thetas[index].tolist(), strict=True)),
                initial=dict(zip(network.species_names, self.starts[index].tolist(), strict=True)),
            ),
            [float(self.times[index])],
        )


def system(name: str) -> tuple[kx.ReactionNetwork, dict[str, Any], tuple[float, float]]:
    """The model, the box and the interval of times by the name of the box: what `MET.train` asks for."""
    network = kx.load(MODELS / f"{name.removesuffix(SUFFIX)}.xml")
    return network, read_box(BOXES / f"{name}.toml"), INTERVALS[name]


def contexts(name: str, number: int = 100, *, seed: int = SEED) -> Contexts:
    """`number` held-out problems over the box of that name."""
    network, box, interval = system(name)
    drawn = held_out(Box.of(network, box, interval), number, seed)
    columns = ((c.theta, c.start, c.time) for c in drawn)
    thetas, starts, times = (np.array(column) for column in zip(*columns, strict=True))
    return Contexts(network, box, interval, thetas, starts, times)
