"""Events: assignments made at the moment when a condition turns true.

The meaning is that of SBML's events without delay and priority: a trigger fires when it turns from
false to true, never while it stays true.
M. Hucka et al., "SBML Level 3 Version 2 Core" (2019), section 4.11, doi:10.1515/jib-2019-0021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import sympy
from sympy.logic.boolalg import Boolean

from .errors import ModelError
from .expressions import TIME, names_in, tidy

if TYPE_CHECKING:
    from .network import ReactionNetwork


@dataclass(frozen=True)
class Event:
    """When `trigger` turns true, every name in `assignments` takes its value at once.

    Names are species (counts), parameters, or constants. An event that is true at time 0 fires there
    only if `at_start`. Of events that fire together, declared first goes first; `from_trigger` takes
    the values as they were before any of them ran, and one that is not `persistent` is dropped when
    another makes its trigger false before its turn.
    """

    name: str
    trigger: Boolean
    assignments: Mapping[str, sympy.Expr]
    at_start: bool = False
    from_trigger: bool = True
    persistent: bool = True

    def __post_init__(self) -> None:
        trigger = sympy.sympify(self.trigger, strict=True)
        if not isinstance(trigger, Boolean) or isinstance(trigger, sympy.Symbol):  # a symbol is both
            raise ModelError(f"the trigger of event {self.name!r} is no condition: {trigger}")
        values = {name: tidy(sympy.sympify(value, strict=True)) for name, value in self.assignments.items()}
        object.__setattr__(self, "trigger", tidy(trigger))
        object.__setattr__(self, "assignments", MappingProxyType(values))

    @property
    def expressions(self) -> tuple[sympy.Basic, ...]:
        """The trigger and every assigned value."""
        return (self.trigger, *self.assignments.values())

    @property
    def names(self) -> set[str]:
        """The names that the trigger and the assigned values read."""
        return set().union(*(names_in(e) for e in self.expressions))

    def reads_time(self) -> bool:
        """Whether the trigger or a value contains the time."""
        return any(TIME in e.free_symbols for e in self.expressions)

    def __str__(self) -> str:
        assigned = ", ".join(f"{name} = {value}" for name, value in self.assignments.items())
        return f"{self.name}: at {self.trigger}: {assigned or 'nothing'}"


def validate(network: ReactionNetwork) -> None:
    """Refuse events and rate rules that use or set what the network does not have."""
    settable = {*network.species_names, *network.theta_names}
    for event in network.events:
        if unknown := sorted(set(event.assignments) - settable):
            raise ModelError(f"event {event.name!r} sets {unknown}, which are no species and no parameters")
        if unknown := sorted(event.names - settable):
            raise ModelError(f"event {event.name!r} uses {unknown}", mend="declare them as species or parameters")
        if any(e.has(sympy.I, sympy.zoo, sympy.oo, sympy.nan) for e in event.expressions):
            raise ModelError(f"event {event.name!r} contains what is not a real number")
    for name, slope in network.rate_rules.items():
        if name not in network.theta_names:
            raise ModelError(f"the rate rule of {name!r} is for no parameter, compartment or boundary species")
        if unknown := sorted(names_in(slope) - settable):
            raise ModelError(f"the rate rule of {name!r} uses {unknown}; declare them as species or parameters")
        if slope.has(sympy.I, sympy.zoo, sympy.oo, sympy.nan):
            raise ModelError(f"the rate rule of {name!r} is not a real number: {slope}")
