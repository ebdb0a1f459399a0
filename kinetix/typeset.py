"""Networks as LaTeX: reactions and propensities, rules, rates of change and events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sympy

from .definition import NetworkDefinition
from .elements import Stoichiometry
from .events import Event
from .expressions import TIME, symbol


def to_latex(network: NetworkDefinition) -> str:
    """An `array` of reactions and propensities, then one each of rules, rate rules and events, where there are any."""
    elements = [*network.species_names, *network.theta_names, *network.variables]
    upright = {symbol(name): _upright(name) for name in elements} | {TIME: "t"}

    def formula(expression: sympy.Basic) -> str:
        return str(sympy.latex(expression, symbol_names=upright))

    def side(amounts: Stoichiometry) -> str:
        terms = [f"{_amount(amount, formula)}{upright[symbol(name)]}" for name, amount in amounts.items()]
        return " + ".join(terms) or r"\varnothing"

    reactions = [
        rf"{side(r.reactants)} &\rightarrow& {side(r.products)} & {formula(r.propensity)}" for r in network.reactions
    ]
    rules = [f"{upright[symbol(name)]} &=& {formula(rule)}" for name, rule in network.variables.items()]
    rates = [
        rf"\dfrac{{d{upright[symbol(name)]}}}{{dt}} &=& {formula(slope)}" for name, slope in network.rate_rules.items()
    ]
    events = [row for event in network.events for row in _event(event, upright, formula)]
    columns = (("rcll", reactions), ("rcl", rules), ("rcl", rates), ("lll", events))
    arrays = [_array(layout, rows) for layout, rows in columns if rows or layout == "rcll"]
    return "\n\n".join(arrays)


def _array(layout: str, rows: list[str]) -> str:
    return f"\\begin{{array}}{{{layout}}}\n" + " \\\\\n".join(rows) + "\n\\end{array}"


def _amount(amount: Any, formula: Any) -> str:
    """What stands before a species: nothing for one of it, parentheses around a sum."""
    if isinstance(amount, sympy.Expr):
        text = formula(amount)
        return rf"\left({text}\right)\," if amount.is_Add else rf"{text}\,"
    return "" if amount == 1 else f"{amount}\\," if isinstance(amount, float) else f"{amount}"


def _event(event: Event, upright: Mapping[sympy.Symbol, str], formula: Any) -> Iterator[str]:
    """One row for each value that the event sets; the trigger stands in the first."""
    head = rf"{_upright(event.name)}\colon & \text{{at }} {formula(event.trigger)} & "
    for name, value in event.assignments.items():
        yield rf"{head}{upright[symbol(name)]} \leftarrow {formula(value)}"
        head = " & & "
    if not event.assignments:
        yield head.rstrip(" ")


def _upright(name: str) -> str:
    escaped = name.replace("\\", "").replace("_", r"\_")
    for sign in "#$%&{}":
        escaped = escaped.replace(sign, f"\\{sign}")
    return rf"\mathrm{{{escaped.replace('^', '').replace('~', '')}}}"
