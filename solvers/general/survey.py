"""Means, deviations and marginals of many different networks at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kinetix.compiler import compile_network
from kinetix.errors import SettingError
from kinetix.network import ReactionNetwork
from kinetix.solvers.nets.evenly import Evenly

from .family import SPECIES, Batch
from .lessons import WINDOWS, net_over
from .net import Core
from .prompt import FAINT, Prompted
from .structure import Structure

Array = NDArray[np.float64]

POINTS = 16
"""Even draws for each network: nine of ten means lie within 0.05 standard deviations of those of the net's law."""

SPREADS, MORE = 6.0, 8
"""A window reaches so many standard deviations beyond the mean, and so many counts further."""

TOGETHER = 4096
"""States that go through the net at once."""


@dataclass(frozen=True)
class Summary:
    """Of one network: `species` [S], their `mean` [S] and `std` [S], and `marginals`, from count 0, of each."""

    species: tuple[str, ...]
    mean: Array
    std: Array
    marginals: tuple[Array, ...]


def survey(core: Core, networks: Sequence[ReactionNetwork], time: float, points: int = POINTS) -> list[Summary]:
    """What the net states of each network at a time > 0, from its own start and rates; unchecked.

    `points` [a power of 2] even draws of each. UnsupportedFeature, by name, for networks outside the family;
    SettingError for other times.
    """
    if not 0 < time < np.inf:
        raise SettingError(f"the time is {time!r}", place="time", mend="give a finite time > 0")
    if points < 1 or points & (points - 1):
        raise SettingError(f"{points} points", place="points", mend="give a power of 2")
    if not networks:
        return []
    batch = Batch.joined([_asked(network, time) for network in networks])
    tables, means, stds = _surveyed(core, batch, points)
    result = []
    for n, network in enumerate(networks):
        size = len(network.species)
        marginals = tuple(np.trim_zeros(table, "b") for table in tables[n, :size])
        result.append(Summary(network.species_names, means[n, :size], stds[n, :size], marginals))
    return result


def _asked(network: ReactionNetwork, time: float) -> Batch:
    model = compile_network(network)
    return Structure.of(model).at(model.theta[None], model.initial[None], time)


def _surveyed(core: Core, batch: Batch, points: int) -> tuple[Array, Array, Array]:
    """Marginals [N, S, W], means and deviations [N, S], species in the batch's order."""
    prompted = Prompted.of(batch)
    windows = windows_of(prompted)
    tables, means, stds = np.zeros((len(batch), SPECIES, windows.max())), *np.zeros((2, len(batch), SPECIES))
    for window in np.unique(windows).tolist():
        some = np.nonzero(windows == window)[0]
        for part in np.array_split(some, -(-len(some) * points // TOGETHER)):
            found = Evenly.of(net_over(core, window), prompted.context[torch.from_numpy(part)], points, 0)
            rows, places = part[:, None], prompted.order[part]
            tables[rows, places, :window] = torch.stack(found.marginals, dim=1).cpu().numpy()
            mean, covariance = (each.cpu().numpy() for each in found.moments)
            means[rows, places] = mean
            stds[rows, places] = np.sqrt(np.maximum(np.einsum("nss->ns", covariance), 0.0))
    return tables, means, stds


def windows_of(prompted: Prompted) -> NDArray[np.int64]:
    """Values of each species that a window holds for every problem, of `WINDOWS`: [N]."""
    means = prompted.prompt.means
    variances = torch.diagonal(prompted.prompt.fano, dim1=1, dim2=2) * (means + FAINT)
    reach = (means + SPREADS * torch.sqrt(variances.clamp(min=0.0)) + MORE).amax(dim=1).numpy()
    return np.asarray(WINDOWS)[np.minimum(np.searchsorted(WINDOWS, reach), len(WINDOWS) - 1)]
