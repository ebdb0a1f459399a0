"""What a network contains that not every solver can run, and which solver runs what.

One table, `RUNS`, says it for the whole house: solvers refuse by it, `check` judges by it, and the
support table of the documentation is printed from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import sympy

from .conditions import is_time_condition, time_conditions
from .definition import NetworkDefinition
from .elements import MOST
from .errors import UnsupportedFeature
from .expressions import TIME, names_in


class Construct(StrEnum):
    """A construct by its name in messages and in the support table."""

    TIME_STEPS = "laws that switch at times"
    TIME = "laws with the explicit time"
    TIME_EVENTS = "events at times"
    STATE_EVENTS = "events on counts that set counts"
    STATE_EVENTS_ON_PARAMETERS = "events on counts that set parameters"
    CURVED_TIME_EVENTS = "events on curved functions of the time"
    DELAYED_EVENTS = "events with a delay"
    RATE_RULES = "rate rules"
    VARYING_VOLUME = "compartments whose size varies"
    FRACTIONS = "fractional stoichiometry"
    VARYING_STOICHIOMETRY = "stoichiometry that varies"
    FRACTIONAL_START = "fractional starts"
    MOLES = "amounts declared in moles"
    NET_LAW = "net laws that cannot be split"


CODES: Mapping[Construct, str] = MappingProxyType(
    {
        Construct.TIME_STEPS: "KX112",
        Construct.TIME: "KX112",
        Construct.TIME_EVENTS: "KX113",
        Construct.STATE_EVENTS: "KX113",
        Construct.STATE_EVENTS_ON_PARAMETERS: "KX113",
        Construct.CURVED_TIME_EVENTS: "KX113",
        Construct.DELAYED_EVENTS: "KX113",
        Construct.RATE_RULES: "KX114",
        Construct.VARYING_VOLUME: "KX114",
        Construct.FRACTIONS: "KX105",
        Construct.VARYING_STOICHIOMETRY: "KX105",
        Construct.FRACTIONAL_START: "KX106",
        Construct.MOLES: "KX107",
        Construct.NET_LAW: "KX104",
    }
)
"""The finding that reports each construct."""

_STEPS = frozenset({Construct.TIME_STEPS, Construct.TIME_EVENTS})

RUNS: Mapping[str, frozenset[Construct]] = MappingProxyType(
    {
        "fsp": _STEPS | {Construct.TIME, Construct.STATE_EVENTS},
        "ssa": _STEPS | {Construct.TIME, Construct.STATE_EVENTS, Construct.STATE_EVENTS_ON_PARAMETERS},
        "tau-leaping": frozenset(),
        "met": frozenset(),
        "van": frozenset({Construct.TIME_STEPS, Construct.TIME}),
        "general": frozenset(),
        "mean-field": frozenset(Construct),
        "linear-noise": frozenset({Construct.TIME_STEPS, Construct.TIME, Construct.FRACTIONS}),
    }
)
"""Solver -> the constructs that it runs, beyond reactions with laws that are constant in time."""

STOCHASTIC = tuple(name for name in RUNS if name not in ("mean-field", "linear-noise"))
"""The solvers whose answers are laws of whole counts."""


@dataclass(frozen=True)
class Found:
    """A construct in a network: the `element` that has it, the `reason` in words, and the `mend`."""

    construct: Construct
    element: str
    reason: str
    mend: str = ""


def constructs(network: NetworkDefinition) -> tuple[Found, ...]:
    """Everything in the network that some solver cannot run, in the order of the network."""
    return (*_reported(network), *_amounts(network), *_laws(network), *_rules(network), *_events(network))


def require(network: NetworkDefinition, solver: str) -> None:
    """Raise UnsupportedFeature, naming the element, at the first construct that the solver cannot run."""
    for found in constructs(network):
        if found.construct not in RUNS[solver]:
            able = able_to(found.construct)
            mend = found.mend or (f"use {' or '.join(able)}" if able else "")
            reason = f"{found.element}: {found.reason} ({CODES[found.construct]})"
            raise UnsupportedFeature(f"{solver} cannot run this model: {reason}", mend=mend or None)


def able_to(construct: Construct) -> list[str]:
    """The solvers that run the construct."""
    return [name for name, runs in RUNS.items() if construct in runs]


REPORTED: Mapping[str, Construct] = MappingProxyType({"KX104": Construct.NET_LAW, "KX107": Construct.MOLES})
"""The errors of an importer that only it can find, and what they are about."""


def _reported(network: NetworkDefinition) -> Iterator[Found]:
    """What the importer found to be an error for stochastic models, and only it can know."""
    for finding in network.report.errors:
        if finding.code in REPORTED:
            yield Found(REPORTED[finding.code], finding.element, finding.reason, finding.mend)


def _amounts(network: NetworkDefinition) -> Iterator[Found]:
    for reaction in network.reactions:
        for name, amount in reaction.fractions:
            reason = f"takes or makes {amount} of {name!r}; counts change by whole numbers"
            kind = Construct.VARYING_STOICHIOMETRY if isinstance(amount, sympy.Expr) else Construct.FRACTIONS
            yield Found(kind, reaction.name, reason, "scale the stoichiometry to whole numbers, or use mean-field")
    for species in network.species:
        if species.initial != int(species.initial) or species.initial > MOST:
            reason = f"starts at {species.initial!r}, which is not a whole count"
            reason += f" up to {MOST:.3g}" if species.initial > MOST else ""
            yield Found(Construct.FRACTIONAL_START, species.name, reason, start_mend(network))


def start_mend(network: NetworkDefinition) -> str:
    """How to come to whole starts: the factor, where the importer knows the unit."""
    told = [f.mend for f in network.report if f.code in ("KX106", "KX107") and "scale=" in f.mend]
    return told[0] if told else "load with scale=..., the molecules in one unit, or set a whole initial count"


def _laws(network: NetworkDefinition) -> Iterator[Found]:
    if not network.depends_on_time:  # kept with the network, unlike what follows
        return
    for reaction in network.reactions:
        if TIME in reaction.propensity.free_symbols:
            reason = f"the law contains the time: {reaction.propensity}"
            steps = _only_steps([reaction.propensity], network)
            yield Found(Construct.TIME_STEPS if steps else Construct.TIME, reaction.name, reason)


def _rules(network: NetworkDefinition) -> Iterator[Found]:
    for name in network.rate_rules:
        yield Found(Construct.RATE_RULES, name, f"has a rate rule: {name}' = {network.rate_rules[name]}")
    varying = network.changing | set(network.variables)
    homes = {s.compartment for s in network.species} | {c.name for c in network.constants if c.kind == "compartment"}
    for home in sorted(h for h in homes if h in varying):
        yield Found(Construct.VARYING_VOLUME, home, "is a compartment whose size varies")


def _events(network: NetworkDefinition) -> Iterator[Found]:
    counted = set(network.species_names)
    for event in network.events:
        what = ", ".join(event.assignments) or "nothing"
        reason = f"an event sets {what} at {event.trigger}"
        if event.delay is not None and event.delay != 0:
            yield Found(Construct.DELAYED_EVENTS, event.name, f"{reason}, with the delay {event.delay}")
        elif not _only_steps([event.trigger], network):
            yield Found(Construct.CURVED_TIME_EVENTS, event.name, reason)
        elif not names_in(event.trigger) & counted:
            yield Found(Construct.TIME_EVENTS, event.name, reason)
        elif set(event.assignments) <= counted:
            yield Found(Construct.STATE_EVENTS, event.name, reason)
        else:
            yield Found(Construct.STATE_EVENTS_ON_PARAMETERS, event.name, reason)


def _only_steps(expressions: Iterable[sympy.Basic], network: NetworkDefinition) -> bool:
    """Whether the time stands only in comparisons with what is constant between events."""
    for expression in expressions:
        conditions = time_conditions(expression)
        plain = [c for c in conditions if is_time_condition(c, set(network.species_names) | set(network.rate_rules))]
        if TIME in expression.xreplace(dict.fromkeys(plain, sympy.true)).free_symbols:
            return False
    return True
