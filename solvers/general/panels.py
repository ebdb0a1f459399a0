"""Panels on which the general model is judged: problems it never saw, small enough for their exact laws.

"small": 1-3 species, up to 6 reactions, counts below 64; "large": 4-5 species, up to 10 reactions; both with held-out
structures. "hard": the held-out templates. "counts127": counts below 128, held-out structures of 1-5 species.
"regulated": the same below 64, each with a Hill law or an enzyme's. A gene counts as one species. Their laws are left
to `FSP`, which may only take about a second for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import sympy

from kinetix.compiler import compile_network
from kinetix.errors import SettingError
from kinetix.expressions import symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species
from kinetix.problem import Problem
from kinetix.solution import Solution
from kinetix.solvers.fsp import FSP

from .family import SPECIES, Batch
from .generator import COUNTS127, HARD, LARGE, REGULATED, SMALL, Panel, Tally, draw
from .structure import Structure

PANELS: Mapping[str, Panel] = MappingProxyType(
    {"small": SMALL, "large": LARGE, "hard": HARD, "counts127": COUNTS127, "regulated": REGULATED}
)

MOST_STATES, MOST_SECONDS = 1_000_000, 1.0
"""Predicted states and CPU seconds of an exact law (`FSP.estimate`) beyond which a problem is left out."""

EXACT = FSP(max_states=4 * MOST_STATES)
"""The solver of exact laws: pilots that predict may have seen too little of a law."""


@dataclass(frozen=True)
class Refusals:
    """How many problems a panel has drawn, and how many of them were left out, by reason."""

    drawn: int
    states: int
    seconds: int
    refused: int

    @property
    def share(self) -> float:
        """The share that was left out."""
        return (self.states + self.seconds + self.refused) / max(self.drawn, 1)


@dataclass(frozen=True)
class Question:
    """A problem of a panel, as a batch of one and as a network whose parameters are its rates; asked at time 1."""

    batch: Batch
    network: ReactionNetwork
    states: int
    seconds: float

    @property
    def problem(self) -> Problem:
        """What an exact solver is asked."""
        return Problem.of(self.network, [1.0])

    def exact(self) -> Solution:
        """The exact law at time 1, with its error; TruncationError where pilots saw far too little of it."""
        return EXACT.solve(self.problem)


@dataclass(frozen=True)
class Examination:
    """The problems of a panel and what was left out of it; `tally`: what the generator had left out before."""

    name: str
    questions: tuple[Question, ...]
    refusals: Refusals
    tally: Tally = field(default_factory=Tally)

    @property
    def batch(self) -> Batch:
        """All problems as one batch."""
        return Batch.joined([question.batch for question in self.questions])


def panel(name: str, number: int, seed: int) -> list[Question]:
    """`number` problems of a panel of `PANELS`; the same ones for the same seed, and a prefix of a longer list."""
    return list(examination(name, number, seed).questions)


def examination(name: str, number: int, seed: int) -> Examination:
    """As `panel`, with the account of what was left out."""
    if name not in PANELS:
        raise SettingError(f"unknown panel {name!r}", place="general", mend=f"use one of {', '.join(PANELS)}")
    rng, tally, solver = np.random.default_rng(seed), Tally(), FSP(max_states=MOST_STATES)
    found: list[Question] = []
    left_out = {"states": 0, "seconds": 0, "refused": 0}
    drawn = 0
    while len(found) < number:
        batch = draw(rng, BLOCK, PANELS[name], held_out=True, tally=tally)
        for n in range(len(batch)):
            if len(found) == number:
                break
            drawn += 1
            question, reason = _question(batch, n, solver)
            if reason:
                left_out[reason] += 1
            else:
                found.append(question)
    return Examination(name, tuple(found), Refusals(drawn, **left_out), tally)


BLOCK = 64
"""Problems that are drawn at once: the same for any number, so that panels are prefixes of one another."""


def _question(batch: Batch, n: int, solver: FSP) -> tuple[Question, str]:
    """The problem, and why its exact law would be too large, or ""."""
    network = network_of(batch, n)
    cost = solver.estimate(Problem.of(network, [1.0]))
    reason = "states" if cost.states > MOST_STATES else "seconds" if cost.seconds > MOST_SECONDS else ""
    return Question(batch[n : n + 1], network, cost.states, cost.seconds), reason or ("refused" if cost.refusal else "")


def network_of(batch: Batch, n: int) -> ReactionNetwork:
    """Problem n as a network of species X1, X2, ... and rates k1, k2, ... in events per asked time, with K and h of
    saturating factors.

    SettingError where a reaction takes more of a species than its law needs.
    """
    names = [f"X{s + 1}" for s in range(batch.species[n])]
    numbers = {"k": batch.rates[n], "K": batch.halves[n], "h": np.abs(batch.powers[n])}
    rates = [
        Parameter(f"{letter}{r + 1}", float(values[r]))
        for letter, values in numbers.items()
        for r in range(batch.reactions[n])
        if letter == "k" or batch.powers[n, r]
    ]
    reactions = [_reaction(batch, n, r, names) for r in range(batch.reactions[n])]
    species = [Species(name, int(start)) for name, start in zip(names, batch.starts[n], strict=False)]
    return ReactionNetwork(species, rates, reactions, name=f"general{n}")


def _reaction(batch: Batch, n: int, r: int, names: list[str]) -> Reaction:
    factors = [names[s] for s in batch.reactants[n, r].tolist() if s < SPECIES]
    taken = {name: factors.count(name) for name in dict.fromkeys(factors)}
    rate = symbol(f"k{r + 1}") * sympy.Mul(*(sympy.ff(symbol(name), m) for name, m in taken.items()))
    if batch.powers[n, r]:
        name = names[batch.regulators[n, r]]
        count, half, power = (symbol(x) for x in (name, f"K{r + 1}", f"h{r + 1}"))
        rises = batch.powers[n, r] > 0
        rate *= (count if rises else half) ** power / (half**power + count**power)
        if rises and batch.change[n, r, batch.regulators[n, r]] < 0:
            taken[name] = taken.get(name, 0) + 1
    left = {name: taken.get(name, 0) + int(c) for name, c in zip(names, batch.change[n, r], strict=False)}
    if short := [name for name, count in left.items() if count < 0]:
        raise SettingError(f"reaction {r + 1} takes more of {short} than its law needs", place=f"network {n}")
    return Reaction(f"r{r + 1}", taken, {name: count for name, count in left.items() if count}, rate)


def batch_of(network: ReactionNetwork) -> Batch:
    """A network with its own values and starts as a batch of one, asked at time 1; refusals as of `Structure.of`."""
    model = compile_network(network)
    return Structure.of(model).at(model.theta[None], [[int(s.initial) for s in network.species]], 1.0)
