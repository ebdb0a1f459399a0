"""A reaction network as plain JSON values, exactly: what saved results and nets carry.

The trees of `expressions.to_tree` hold the laws, floats are written in hexadecimal, and reading
back gives the same fingerprint. No text is evaluated.
"""

from __future__ import annotations

from typing import Any

from .errors import CheckpointError, KinetixError
from .expressions import from_tree, to_tree
from .findings import Finding
from .network import Parameter, Reaction, ReactionNetwork, Species


def network_to_json(network: ReactionNetwork) -> dict[str, Any]:
    """The network as dictionaries, lists, strings and numbers."""
    return {
        "name": network.name,
        "species": [[s.name, float(s.initial).hex(), s.compartment] for s in network.species],
        "parameters": [[p.name, float(p.value).hex(), p.kind] for p in network.parameters],
        "constants": [[c.name, float(c.value).hex(), c.kind] for c in network.constants],
        "variables": [[name, to_tree(rule)] for name, rule in network.variables.items()],
        "reactions": [
            [r.name, list(r.reactants.items()), list(r.products.items()), to_tree(r.propensity), to_tree(r.law)]
            for r in network.reactions
        ],
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
                Reaction(name, dict(reactants), dict(products), from_tree(propensity), from_tree(law))
                for name, reactants, products, propensity, law in data["reactions"]
            ],
            name=data["name"],
            constants=[Parameter(name, float.fromhex(value), kind) for name, value, kind in data["constants"]],
            variables={name: from_tree(rule) for name, rule in data["variables"]},
            report=[Finding(**item) for item in data["report"]],
            source=data["source"],
        )
    except (KeyError, TypeError, ValueError, AttributeError, KinetixError) as problem:
        raise CheckpointError(f"a stored reaction network is damaged: {problem}") from problem


def _number(text: str) -> float:
    value = float.fromhex(text)
    return int(value) if value.is_integer() else value
