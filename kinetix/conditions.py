"""Comparisons with the time in laws and triggers."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import sympy
from sympy.core.relational import Relational

from .expressions import TIME, names_in


def time_conditions(expression: sympy.Basic) -> list[Relational]:
    """The comparisons in an expression that contain the time, in a fixed order."""
    return sorted((r for r in expression.atoms(Relational) if TIME in r.free_symbols), key=str)


def is_time_condition(condition: Relational, moving: AbstractSet[str]) -> bool:
    """Whether both sides are linear in the time and none of the names in `moving` is in it."""
    if names_in(condition) & moving:
        return False
    slope = sympy.diff(condition.lhs - condition.rhs, TIME)
    return TIME not in slope.free_symbols and not slope.has(sympy.Derivative, sympy.Subs)
