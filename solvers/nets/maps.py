"""Moments of one species over many problems at once: means, spreads and shapes as maps over parameters.

The net's marginal is summed exactly over the species before it (genes come first), where these have
few values together; otherwise the conditionals after drawn values are averaged, and the standard
errors said. Third and fourth moments weigh the far tails, where a net knows least: probabilities below
a share (`floor`) of the likeliest count's are left out of all moments. Kurtosis is not in excess form.
The bimodality coefficient is 1 / (kurtosis - skewness**2), 5/9 for a uniform law, near 1 for two far peaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kinetix.errors import SettingError, require_known
from kinetix.network import ReactionNetwork

from .asked import Asked
from .observed import Marginal

Array = NDArray[np.float64]

PREFIXES = 2048
"""Most combinations of the species before the asked one that are summed over."""

GROUPS = 20
"""Groups of draws, left out in turn for the standard errors."""

BLOCK = 256
"""Problems that are asked about at once."""

NAMES = ("mean", "std", "skewness", "kurtosis", "bimodality")


@dataclass(frozen=True, eq=False)
class MomentMap:
    """Moments of `species` at `time`, each an array over the problems [...].

    `errors` are their standard errors by name where draws were averaged, None where all was summed.
    Shapes are NaN where the law has no spread.
    """

    species: str
    time: float
    mean: Array
    std: Array
    skewness: Array
    kurtosis: Array
    bimodality: Array
    errors: Mapping[str, Array] | None = field(default=None, kw_only=True)


def grid_of(network: ReactionNetwork, over: ArrayLike | Mapping[str, ArrayLike], theta: Array) -> Array:
    """Rate vectors [..., P]: as given, or on the grid of the values by name, the last name fastest."""
    if not isinstance(over, Mapping):
        thetas = np.asarray(over, dtype=np.float64)
        if thetas.ndim < 1 or thetas.shape[-1] != len(theta) or not thetas.size:
            raise SettingError(
                f"rate vectors of the shape {thetas.shape} do not end in {len(theta)}", place="moments",
                mend="give theta [..., P], or a mapping name -> values",
            )  # fmt: skip
        return thetas
    require_known(over, network.theta_names, "parameter")
    values = [np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in over.values()]
    if not values or any(v.ndim != 1 or not len(v) for v in values):
        raise SettingError("each name takes a list of values", place="moments", mend="give name -> [values]")
    result = np.tile(theta, (*(len(v) for v in values), 1))
    for name, mesh in zip(over, np.meshgrid(*values, indexing="ij"), strict=True):
        result[..., network.theta_names.index(name)] = mesh
    return result


def moments_over(
    asked: Asked, thetas: Array, time: float, species: str, draws: int, floor: float, seed: int
) -> MomentMap:
    """The map over rate vectors [..., P] at a time in the box; problems outside are refused."""
    network = asked.domain.network
    require_known([species], network.species_names, "species")
    if not isinstance(draws, int | np.integer) or draws < 2 * GROUPS:
        raise SettingError(f"draws is {draws!r}", place="moments", mend=f"give a whole number >= {2 * GROUPS}")
    if not isinstance(floor, int | float) or not 0 <= floor < 1:
        raise SettingError(f"floor is {floor!r}", place="moments", mend="give a share from 0 to below 1")
    flat, times = thetas.reshape(-1, thetas.shape[-1]), np.array([float(time)])
    asked.require_inside(flat, times)
    part = Marginal(asked.net.layout, (network.species_names.index(species),))
    counts = np.arange(part.space.size) + part.space.lower[0]
    if part.many <= PREFIXES:
        found = [shapes(_summed(part, asked, contexts), counts, floor) for contexts in _contexts(asked, flat, times)]
        return MomentMap(species, float(time), *_columns(found, thetas.shape[:-1]))
    generator = torch.Generator(next(asked.net.parameters()).device).manual_seed(seed)
    found, deviations = [], []
    for contexts in _contexts(asked, flat, times):
        groups = _averaged(part, asked, contexts, draws, generator)  # [GROUPS, B, N]
        found.append(shapes(groups.mean(axis=0), counts, floor))
        left = shapes((groups.sum(axis=0) - groups) / (GROUPS - 1), counts, floor)  # [5, GROUPS, B]
        deviations.append(np.sqrt((GROUPS - 1) * left.var(axis=1)))
    errors = dict(zip(NAMES, _columns(deviations, thetas.shape[:-1]), strict=True))
    return MomentMap(species, float(time), *_columns(found, thetas.shape[:-1]), errors=errors)


def shapes(p: ArrayLike, counts: ArrayLike, floor: float = 0.0) -> Array:
    """The five moments of `NAMES` of probabilities p [..., N] at counts [N], renormalised: [5, ...].

    Probabilities below `floor` times the largest count for nothing.
    """
    n, given = np.asarray(counts, dtype=np.float64), np.asarray(p, dtype=np.float64)
    given = np.where(given < floor * given.max(axis=-1, keepdims=True), 0.0, given)
    share = given / given.sum(axis=-1, keepdims=True)
    mean = share @ n
    d = n - mean[..., None]
    second, third, fourth = ((share * d**k).sum(axis=-1) for k in (2, 3, 4))
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness, kurtosis = third / second**1.5, fourth / second**2
        return np.stack([mean, np.sqrt(second), skewness, kurtosis, 1 / (kurtosis - skewness**2)])


def _contexts(asked: Asked, thetas: Array, times: Array) -> Iterator[Tensor]:
    """The prompts [b, K, C] of blocks of the rate vectors."""
    block = max(1, BLOCK // len(asked.starts))
    for k in range(0, len(thetas), block):
        some = thetas[k : k + block]
        yield asked.contexts(torch.from_numpy(some), times, asked.scales(some, times))[:, 0]


def _summed(part: Marginal, asked: Asked, contexts: Tensor) -> Array:
    """The exact marginals, mixed over the starts: [b, K, C] -> [b, N]."""
    tables = part.tables(asked.net, contexts.flatten(0, 1)).double().cpu().numpy()
    return np.asarray(asked.weights @ tables.reshape(*contexts.shape[:2], -1))


def _averaged(part: Marginal, asked: Asked, contexts: Tensor, draws: int, generator: torch.Generator) -> Array:
    """Conditionals of the last species after drawn values of those before, averaged by groups: [GROUPS, b, N]."""
    net, each = asked.net, -(-draws // GROUPS)
    weights = torch.from_numpy(asked.weights / asked.weights.sum()).to(contexts)
    result = np.zeros((GROUPS, len(contexts), part.space.size))
    for b, prompts in enumerate(contexts):
        which = torch.multinomial(weights, each * GROUPS, replacement=True, generator=generator).cpu().numpy()
        for start in np.unique(which).tolist():
            groups = np.nonzero(which == start)[0] // each
            drawn = net.sample(prompts[start].expand(len(groups), -1), generator=generator)
            np.add.at(result[:, b], groups, part.after(net, prompts[start : start + 1], drawn) / each)
    return result


def _columns(parts: list[Array], shape: tuple[int, ...]) -> Iterator[Array]:
    """Arrays [5, b] of all blocks as five arrays of the asked shape."""
    return iter(np.concatenate(parts, axis=-1).reshape(len(NAMES), *shape))
