"""A reaction network as plain JSON values, exactly: what saved results and nets carry.

The trees of `expressions.to_tree` hold the laws, floats are written in hexadecimal, and reading
back gives the same fingerprint. No text is evaluated.
"""

from __future__ import annotations

from typing import Any

import sympy

from .errors import CheckpointError, KinetixError
from .events import Event
from .expressions import from_tree, number, to_tree
from .findings import Finding
from .network import Amount, Parameter, Reaction, ReactionNetwork, Species, Stoichiometry


def network_to_json(network: ReactionNetwork) -> dict[str, Any]:
    """The network as dictionaries, lists, strings and numbers."""
    return {
        "name": network.name,
        "species": [[s.name, float(s.initial).hex(), s.compartment] for s in network.species],
        "parameters": [[p.name, float(p.value).hex(), p.kind] for p in network.parameters],
        "constants": [[c.name, float(c.value).hex(), c.kind] for c in network.constants],
        "variables": [[name, to_tree(rule)] for name, rule in network.variables.items()],
        "reactions": [
            [r.name, _side(r.reactants), _side(r.products), to_tree(r.propensity), to_tree(r.law)]
            for r in network.reactions
        ],
        "events": [_event(event) for event in network.events],
        "rate_rules": [[name, to_tree(slope)] for name, slope in network.rate_rules.items()],
        "homes": dict(network.homes),
        "report": network.report.as_dicts(),
        "source": network.source,
    }


def network_from_json(data: Any) -> ReactionNetwork:
    """The network of `network_to_json`; anything else is a CheckpointError."""
    try:
        return ReactionNetwork(
            [Species(name, _number(start), home) for name, start, home in data["species"]],
            [Parameter(name, float.fromhex(value), kind) for name, value, kind in data["parameters"]],
            [
                Reaction(name, _amounts(reactants), _amounts(products), from_tree(propensity), from_tree(law))
                for name, reactants, products, propensity, law in data["reactions"]
            ],
            name=data["name"],
            constants=[Parameter(name, float.fromhex(value), kind) for name, value, kind in data["constants"]],
            variables={name: from_tree(rule) for name, rule in data["variables"]},
            events=[_event_of(item) for item in data.get("events", [])],
            rate_rules={name: from_tree(slope) for name, slope in data.get("rate_rules", [])},
            homes=data.get("homes", {}),
            report=[Finding(**item) for item in data["report"]],
            source=data["source"],
        )
    except (KeyError, TypeError, ValueError, AttributeError, KinetixError) as problem:
        raise CheckpointError(f"a stored reaction network is damaged: {problem}") from problem


def _side(side: Stoichiometry) -> list[Any]:
    """Whole amounts as numbers, all others as trees."""
    amounts = {s: m if isinstance(m, int | sympy.Expr) else number(m) for s, m in side.items()}
    return [[s, m if isinstance(m, int) else to_tree(m)] for s, m in amounts.items()]


def _amounts(side: Any) -> dict[str, Amount]:
    return {name: from_tree(amount) if isinstance(amount, list) else amount for name, amount in side}


def _event(event: Event) -> dict[str, Any]:
    values = [[name, to_tree(value)] for name, value in event.assignments.items()]
    flags = {"at_start": event.at_start, "from_trigger": event.from_trigger, "persistent": event.persistent}
    extra = {what: to_tree(e) for what, e in (("delay", event.delay), ("priority", event.priority)) if e is not None}
    return {"name": event.name, "trigger": to_tree(event.trigger), "assignments": values, **flags, **extra}


def _event_of(data: Any) -> Event:
    assignments = {name: from_tree(value) for name, value in data["assignments"]}
    trees = {what: from_tree(data[what]) for what in ("trigger", "delay", "priority") if what in data}
    return Event(**{**data, **trees, "assignments": assignments})


def _number(text: str) -> float:
    value = float.fromhex(text)
    return int(value) if value.is_integer() else value
