"""Names for the amounts in reactions that vary: both file formats need one for each.

An amount that is a parameter which events or rate rules change goes by its name; one that equals a
rule of the network by that of the rule; any other gets a name and a rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sympy

from kinetix.expressions import names_in, symbol
from kinetix.network import ReactionNetwork

Place = tuple[str, str, str]
"""Reaction, "reactants" or "products", species."""


@dataclass(frozen=True)
class AmountNames:
    """The name of each amount that varies, and the rules that are made for those that had none."""

    names: dict[Place, str]
    rules: dict[str, sympy.Expr]


def amount_names(network: ReactionNetwork, taken: Iterable[str], *, once: bool) -> AmountNames:
    """Name the amounts; `taken` names are not made anew, and with `once` no name serves two places."""
    plain = {p.name for p in (*network.parameters, *network.constants) if p.kind == "parameter"}
    moving = plain & network.changing
    ruled = _by_rule(network) if network.variables else {}
    used = set(taken)
    names: dict[Place, str] = {}
    rules: dict[str, sympy.Expr] = {}
    for place, amount in _varying(network):
        known = [amount.name] if amount.is_Symbol and amount.name in moving else ruled.get(amount, [])
        free = [name for name in known if not once or name not in names.values()]
        name = free[0] if free else _unused(f"{place[0]}_{place[2]}", used)
        used.add(name)
        names[place] = name
        if not free:
            rules[name] = amount
    return AmountNames(names, rules)


def _varying(network: ReactionNetwork) -> Iterator[tuple[Place, sympy.Expr]]:
    for reaction in network.reactions:
        for side, amounts in (("reactants", reaction.reactants), ("products", reaction.products)):
            for species, amount in amounts.items():
                if isinstance(amount, sympy.Expr):
                    yield (reaction.name, side, species), amount


def _by_rule(network: ReactionNetwork) -> dict[sympy.Expr, list[str]]:
    """Names of rules by what they are worth in counts and parameters; species and compartments are left out."""
    elements = {*network.homes, *network.homes.values(), *(s.compartment for s in network.species)}
    inner = {symbol(name): rule for name, rule in network.variables.items()}
    found: dict[sympy.Expr, list[str]] = {}
    for name, rule in network.variables.items():
        written = rule
        for _ in network.variables:
            if not names_in(written) & network.variables.keys():
                break
            written = written.xreplace(inner)
        if name not in elements:
            found.setdefault(written, []).append(name)
    return found


def _unused(name: str, taken: Iterable[str]) -> str:
    used = set(taken)
    while name in used:
        name += "_"
    return name
