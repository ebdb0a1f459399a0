"""The general net turned to one network over a box: its window, its prompts, and how it is kept.

What comes out is a net like any other that covers a box, and further training fits it to the one network. The encoder
stays as it is; what it makes of a problem is shifted by a small net that knows the place in the box, and begins at 0.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from kinetix.compiler import compile_network
from kinetix.errors import CheckpointError, SettingError, UnsupportedFeature
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.sealed import weights_digest
from kinetix.space import StateSpace

from .answer import OnNetwork, Plan, plan_of
from .encoding import GeneralEncoding
from .family import SPECIES
from .moments import moments
from .net import Core, State
from .prompt import Extent, order_of, read
from .saved import GeneralWeights, SavedSize
from .structure import Structure
from .totals import totals

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LOOKED_AT = 64
"""Points of the box, a power of 2, whose typical means put the species in order."""

HIDDEN = 128
"""Width of the net that knows the place in the box."""


class AdaptedNet(OnNetwork):
    """The general net on the window of one network over a box; its contexts are those of `GeneralEncoding`."""

    def __init__(self, encoding: GeneralEncoding, plan: Plan) -> None:
        super().__init__(encoding.core, plan)
        self.species, self.parts = encoding.extent.species, encoding.parts
        for part in encoding.core.encoder:
            part.requires_grad_(requires_grad=False)
        inward, hidden = nn.Linear(self.parts[2], HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        last = nn.Linear(HIDDEN, self.parts[1])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.shift = nn.Sequential(inward, nn.SiLU(), hidden, nn.SiLU(), last)

    def begin(self, context: Tensor) -> State:
        """What the net knows of every context, and no counts yet."""
        told, vectors, place = torch.split(context, list(self.parts), dim=1)
        shifted = vectors + self.shift(place)
        return self.net.beginning(read(told, Extent(self.species, 0)), shifted.unflatten(1, (self.species, -1)))


class _Kept(BaseModel):
    """What a manifest says of an adapted net, bounded before anything is made."""

    model_config = ConfigDict(extra="forbid")
    size: SavedSize
    order: list[int] = Field(min_length=SPECIES, max_length=SPECIES)
    most: list[int] = Field(max_length=SPECIES)
    digest: str = Field(max_length=64)


@dataclass(frozen=True, eq=False)
class Adaptation:
    """A copy of a general net that is to speak of the box `domain`; `digest` is that of the net."""

    domain: Box
    encoding: GeneralEncoding
    digest: str

    @classmethod
    def of(cls, general: GeneralWeights, domain: Box, first: Collection[int] = ()) -> Adaptation:
        """A general net for a plain box; species in `first` (network indices) are spoken of before all others.

        UnsupportedFeature, by name, where the network is not of the net's family, or the times are infinite.
        """
        structure = _structure(domain)
        order = _order(domain, structure, first)
        return cls.made(
            copy.deepcopy(general.core), domain, structure, order, weights_digest(general.core.state_dict())
        )

    @classmethod
    def made(cls, core: Core, domain: Box, structure: Structure, order: Sequence[int], digest: str) -> Adaptation:
        """One of parts that are known."""
        encoding = GeneralEncoding.over(domain, structure, tuple(order), core)
        return cls(replace(domain, encoding=encoding), encoding, digest)

    @classmethod
    def kept(cls, told: Mapping[str, Any], domain: Box) -> tuple[Adaptation, AdaptedNet]:
        """That of `told` for a plain box, and its net; the weights (on torch's default device) are still to come."""
        kept = _Kept.model_validate(told)
        if sorted(kept.order) != list(range(SPECIES)) or len(kept.most) != len(domain.start):
            raise CheckpointError("the order or the counts of the net do not fit the network", place="manifest")
        found = cls.made(Core(kept.size.made), domain, _structure(domain), kept.order, kept.digest)
        return found, AdaptedNet(found.encoding, found.plan(np.array(kept.most, dtype=np.int64)))

    def plan(self, most: Integers) -> Plan:
        """How the net speaks of counts up to `most` [S]."""
        order, structure = np.array(self.encoding.order), self.encoding.structure
        reach = np.zeros(SPECIES)
        reach[: len(most)] = most
        start = structure.at(self.domain.theta, self.domain.start, [1.0]).starts
        return plan_of(structure, order, start, reach[order])

    def layout(self, window: StateSpace) -> Layout:
        """A window that holds the given one, and the order in which the net speaks of its species."""
        return self.plan(largest_counts(window)).layout

    def net(self, window: StateSpace) -> AdaptedNet:
        """The net for the counts of a window."""
        return AdaptedNet(self.encoding, self.plan(largest_counts(window)))

    def told(self, window: StateSpace) -> dict[str, Any]:
        """What is to be known to make the net again, but for its weights, as plain values."""
        size, order = asdict(self.encoding.core.size), list(self.encoding.order)
        return {"size": size, "order": order, "most": largest_counts(window).tolist(), "digest": self.digest}


def opened(start: str | Path | GeneralWeights) -> GeneralWeights:
    """The general net to begin from: a net, the folder of one, or "general", that of the package."""
    if isinstance(start, GeneralWeights):
        return start
    if start == "general":
        from .packaged import packaged

        return packaged()
    if not isinstance(start, str | Path) or not Path(start).is_dir():
        raise SettingError(f"start is {start!r}", place="met", mend='use "general", a general net or the folder of one')
    return GeneralWeights.open(start)


def largest_counts(window: StateSpace) -> Integers:
    """The largest count of every species in a window: [S]."""
    lower, upper = np.array(window.lower, dtype=np.int64), np.array(window.upper, dtype=np.int64)
    ends = np.maximum(window.basis * lower, window.basis * upper).sum(axis=1) + window.offset
    return np.asarray(np.maximum(ends, 0), dtype=np.int64)


def _structure(domain: Box) -> Structure:
    if domain.encoding.stationary:
        mend = "give an interval of times, or train from nothing"
        raise UnsupportedFeature("the general net knows laws at finite times alone", place="times", mend=mend)
    return Structure.of(compile_network(domain.network))


def _order(domain: Box, structure: Structure, first: Collection[int]) -> tuple[int, ...]:
    """The order of the species in a prompt of typical means, `first` before all others: [SPECIES]."""
    thetas, starts = domain.at(domain.sobol(LOOKED_AT))
    batch = structure.at(thetas, starts, np.full(len(thetas), domain.encoding.times[1] / 2))
    means = np.median(moments(batch).means.numpy(), axis=0, keepdims=True)
    bounds = totals(batch).bounds.max(axis=0, keepdims=True)
    found = order_of(batch[:1], means, bounds)[0].tolist()
    return tuple(sorted(found, key=lambda s: s not in first))
