"""The general net's law of one problem, with the face of every law: over the species of the user's own network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetix.errors import UnsupportedFeature
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.mixture import Mixture
from kinetix.solvers.nets.net_law import NetLaw
from kinetix.space import StateSpace
from kinetix.structure import dependent_species

from .lessons import net_over
from .net import Core, State, Stepwise
from .prompt import FAINT, Prompted, read
from .structure import Structure

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SPREADS, MORE = 8.0, 12
"""A window reaches so many standard deviations beyond the mean, and so many counts further."""

HIGHEST = 512
"""Most values of a species."""


@dataclass(frozen=True)
class Place:
    """A position of the layout: the `position` of its species in the prompt, whose count is `total` - value for a
    complement, else the value.
    """

    position: int
    total: int | None

    def count(self, value: Tensor) -> Tensor:
        """The count of the species in the prompt."""
        return value if self.total is None else self.total - value

    def turned(self, raw: Tensor) -> Tensor:
        """Logits of the species in the prompt as those of the value: [..., cap]."""
        return raw if self.total is None else raw.flip(-1)


@dataclass(frozen=True, eq=False)
class Plan:
    """How the species of a network and those of its prompt go together.

    `places` [D]; `forced` {position: (total, weights [S])}: counts that follow from those at earlier positions.
    """

    layout: Layout
    places: tuple[Place, ...]
    forced: dict[int, tuple[int, Integers]]


class OnNetwork(Stepwise):
    """The general net on the window of one network; its contexts are prompts of that network from one start."""

    def __init__(self, core: Core, plan: Plan) -> None:
        super().__init__(plan.layout)
        self.plan = plan
        self.net = net_over(core, 2)

    def begin(self, context: Tensor) -> State:
        """What the net knows of every context, and no counts yet."""
        return self.net.begin(context)

    def advance(self, state: Any, position: int, previous: Tensor | None) -> tuple[Tensor, State]:
        """Take in the last value and the counts that follow from it, then predict the next."""
        place, before = self.plan.places[position], -1
        if previous is not None:
            last = self.plan.places[position - 1]
            state, before = self.net.take(state, last.position, last.count(previous)), last.position
        for q in range(before + 1, place.position):
            total, weights = self.plan.forced[q]
            known = torch.from_numpy(weights[:q]).to(state.counts)
            state = self.net.take(state, q, total - state.counts @ known)
        return place.turned(self.net.predict(state, place.position, self.caps[position])), state


def answer(core: Core, structure: Structure, theta: Array, start: Integers, time: float, *, seed: int = 0) -> NetLaw:
    """The net's law of a network at a rate vector [P], an initial count [S] and a time > 0.

    UnsupportedFeature where counts reach beyond `HIGHEST` values, or nothing varies freely.
    """
    prompted = Prompted.of(structure.at(theta, start, [time]))
    return NetLaw(OnNetwork(core, _planned(structure, prompted)), prompted.context[0], seed)


def mixed(
    core: Core, structure: Structure, theta: Array, starts: Integers, weights: Array, time: float, seed: int
) -> Mixture:
    """The law from initial counts [K, S] with probabilities `weights` [K]: a sum, in one order of species.

    UnsupportedFeature as of `answer`.
    """
    batch = structure.at(np.tile(theta, (len(starts), 1)), starts, np.full(len(starts), time))
    prompted = Prompted.of(batch, shares=weights)
    return Mixture(OnNetwork(core, _planned(structure, prompted)), prompted.context, weights, seed)


def _planned(structure: Structure, prompted: Prompted) -> Plan:
    """The plan of prompts that share their order. UnsupportedFeature where nothing varies freely."""
    told = read(prompted.context)
    variances = torch.diagonal(told.fano, dim1=1, dim2=2) * (told.means + FAINT)
    reach = (told.means + SPREADS * torch.sqrt(variances) + MORE).amax(dim=0).numpy()
    order = prompted.order[0]
    starts = np.empty_like(prompted.batch.starts)
    starts[:, order] = prompted.batch.starts
    plan = plan_of(structure, order, starts, reach)
    if not plan.places:
        raise UnsupportedFeature("no species varies freely in this model", place="general", mend="solve it with fsp")
    return plan


def plan_of(structure: Structure, order: Integers, starts: Integers, reach: Array) -> Plan:
    """The plan for an order [SPECIES], starts [K, SPECIES] and how far each species reaches, in that order.

    A count follows from the others where their sum is the same from all starts; else the net knows it from the start.
    """
    network = structure.model.network
    own, partners = len(network.species), list(structure.totals)
    real = order[: own + len(partners)]
    laws = np.pad(network.conservation_laws(), ((0, 0), (0, len(partners))))
    for k, s in enumerate(partners):
        law = np.zeros((1, laws.shape[1]), dtype=np.int64)
        law[0, [s, own + k]] = 1
        laws = np.concatenate([laws, law])
    laws = laws[:, real]
    sums = starts[:, real] @ laws.T  # [K, laws]
    same = (sums == sums[0]).all(axis=0)
    follow = dependent_species(laws[same])
    forced = {q: (int(law @ starts[0, real]), _others(law, q)) for q, law in follow.items()}
    if any(weights[q:].any() for q, (_, weights) in forced.items()):
        reason = "its conserved sums do not let one species follow from those before it"
        raise UnsupportedFeature(reason, place="general", mend="use fsp or ssa")
    places, names, caps = [], [], []
    for q, s in enumerate(real.tolist()):
        if q in forced:
            continue
        name = s if s < own else partners[s - own]
        total = None if s < own else structure.totals[name]
        bounds = [most // law[q] for law, most in zip(laws, sums.max(axis=0), strict=True)
                  if law[q] > 0 and (law >= 0).all()]  # fmt: skip
        caps.append(int(min([int(np.ceil(reach[q])), *bounds])) + 1 if total is None else total + 1)
        places.append(Place(q, total))
        names.append(name)
    if max(caps, default=0) > HIGHEST:
        reason = f"{network.species_names[names[int(np.argmax(caps))]]!r} may reach {max(caps)} values"
        raise UnsupportedFeature(f"{reason}, more than {HIGHEST}", place="general", mend="use fsp or ssa")
    return Plan(_layout(real, own, places, names, caps, forced), tuple(places), forced)


def _layout(
    real: Integers, own: int, places: list[Place], names: list[int], caps: list[int], forced: dict[int, Any]
) -> Layout:
    """The window over the network's species, spoken of in the order of the prompt."""
    free = sorted(names)
    counts = {p.position: _affine(len(free), free.index(s), p.total) for p, s in zip(places, names, strict=True)}
    for q, (total, weights) in sorted(forced.items()):
        counts[q] = np.array([total, *[0] * len(free)]) - sum(w * counts[j] for j, w in enumerate(weights[:q]) if w)
    rows = np.zeros((own, 1 + len(free)), dtype=np.int64)
    for q, s in enumerate(real.tolist()):
        if s < own:
            rows[s] = counts[q]
    shape = tuple(caps[names.index(s)] for s in free)
    window = StateSpace(tuple(free), (0,) * len(free), shape, rows[:, 0], rows[:, 1:])
    return Layout(window, tuple(free.index(s) for s in names))


def _affine(size: int, index: int, total: int | None) -> Integers:
    """A count as offset and slopes over the free species: [1 + F]."""
    row = np.zeros(1 + size, dtype=np.int64)
    row[1 + index] = 1 if total is None else -1
    row[0] = total or 0
    return row


def _others(law: Integers, q: int) -> Integers:
    """The weights of a law on species other than q."""
    return np.where(np.arange(len(law)) == q, 0, law)
