"""Small deterministic models for tests, built in Python."""

from __future__ import annotations

import sympy

from kinetix.expressions import symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species

X, Y, K, P = (symbol(name) for name in ("X", "Y", "k", "p"))
NEVER = (sympy.Integer(0), sympy.true)


def model(species, parameters, reactions=(), **parts):
    """species {name: start}, parameters {name: value}, reactions (reactants, products, law)."""
    made = [Reaction(f"r{i}", *reaction) for i, reaction in enumerate(reactions)]
    return ReactionNetwork(
        [Species(n, v) for n, v in species.items()], [Parameter(n, v) for n, v in parameters.items()], made, **parts
    )


def decay(start=10.0, rate=1.0, **parts):
    return model({"X": start}, {"k": rate}, [({"X": 1}, {}, K * X)], **parts)


def growth(law=K, rate=1.0, start=0.0, **parts):
    """X' = law."""
    return model({"X": start}, {"k": rate}, [({}, {"X": 1}, law)], **parts)
