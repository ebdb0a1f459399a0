"""A net that was never shown the middle of its box: training with a gap, and problems inside it."""

from dataclasses import fields

import numpy as np

import kinetix as kx
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.budget import Budget
from kinetix.solvers.nets.held_out import SEED, Context, held_out
from kinetix.solvers.nets.trained_met import TrainedMET

OFF = 0.5
"""The share of every rate's range that makes the gap, about the middle."""


class Gapped(Box):
    """A box whose points in the middle are moved out of it, along the first quantity, to either side."""

    def at(self, cube):
        u, low, high = np.array(cube, dtype=np.float64), 0.5 - OFF / 2, 0.5 + OFF / 2
        within = ((u > low) & (u < high)).all(axis=1)
        left = within & (u[:, 0] < 0.5)
        right = within & ~left
        u[left, 0] = (u[left, 0] - low) / (0.5 - low) * low
        u[right, 0] = high + (u[right, 0] - 0.5) / (high - 0.5) * (1 - high)
        return super().at(u)


def train_with_gap(network: kx.ReactionNetwork, box, times, seconds: float, seed: int) -> TrainedMET:
    """As `MET.train`, over the box without its middle."""
    settings, domain = kx.MET(held_out=0), Box.of(network, box, times)
    holed = Gapped(**{f.name: getattr(domain, f.name) for f in fields(Box)})
    net, _, _ = settings._trained(holed, Budget(cpu=seconds), seed, None, resume=False, progress=None)
    return TrainedMET(domain, net, settings, seed)


def inside_gap(box: Box, number: int) -> list[Context]:
    """Held-out problems in the middle of the box, with the times of its own."""
    rng = np.random.default_rng([SEED, 9])
    thetas, starts = box.at(0.5 + OFF * (rng.random((number, box.dimension)) - 0.5))
    times = [c.time for c in held_out(box, number)]
    return [Context(*row) for row in zip(thetas, starts, times, strict=True)]
