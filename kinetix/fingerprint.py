"""The identity of a network: a digest over everything that determines its law, and nothing else.

Names of files, the order of parameters and volumes that no law reads do not count; the `_` that the
reaction language adds to its own words does not either.
"""

from __future__ import annotations

import hashlib
import json

import sympy

from .definition import NetworkDefinition
from .elements import Amount, Reaction, Stoichiometry
from .events import Event
from .expressions import names_in, number, symbol, to_tree


def fingerprint(network: NetworkDefinition) -> str:
    """SHA-256, in hexadecimal, of the canonical content."""
    constants = [c for c in network.constants if c.name in network.used]
    content: dict[str, object] = {
        "species": [(_plain(s.name), float(s.initial).hex()) for s in network.species],
        "parameters": sorted((_plain(p.name), float(p.value).hex()) for p in network.parameters),
        "constants": sorted((_plain(c.name), float(c.value).hex()) for c in constants),
        "variables": sorted((_plain(name), _tree(rule)) for name, rule in network.variables.items()),
        "reactions": [_reaction(reaction) for reaction in network.reactions],
    }
    if network.events:
        content["events"] = [_event(event) for event in network.events]
    if network.rate_rules:
        content["rates"] = sorted((_plain(name), _tree(slope)) for name, slope in network.rate_rules.items())
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _reaction(reaction: Reaction) -> list[object]:
    return [_plain(reaction.name), _side(reaction.reactants), _side(reaction.products), _tree(reaction.propensity)]


def _side(side: Stoichiometry) -> list[tuple[str, object]]:
    return sorted((_plain(name), _amount(amount)) for name, amount in side.items())


def _event(event: Event) -> list[object]:
    values = sorted((_plain(name), _tree(value)) for name, value in event.assignments.items())
    flags = [event.at_start, event.from_trigger, event.persistent]
    extra = [[what, _tree(e)] for what, e in (("delay", event.delay), ("priority", event.priority)) if e is not None]
    return [_plain(event.name), _tree(event.trigger), values, *flags, *extra]


def _amount(amount: Amount) -> object:
    if isinstance(amount, int):
        return amount
    return _tree(amount if isinstance(amount, sympy.Expr) else number(amount))


def _plain(name: str) -> str:
    """A name without the `_` that the reaction language adds to its own words."""
    return name.rstrip("_") or name


def _tree(expression: sympy.Basic) -> object:
    renamed = {symbol(n): symbol(_plain(n)) for n in names_in(expression) if n.endswith("_")}
    return to_tree(expression.xreplace(renamed) if renamed else expression)
