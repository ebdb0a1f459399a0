"""Events: assignments made at the moment when a condition turns true.

The meaning is that of SBML's events: a trigger fires when it turns from false to true, never while it
stays true.
M. Hucka et al., "SBML Level 3 Version 2 Core" (2019), section 4.11, doi:10.1515/jib-2019-0021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import sympy
from sympy.logic.boolalg import Boolean

from .errors import ModelError
from .expressions import TIME, names_in, tidy


@dataclass(frozen=True)
class Event:
    """When `trigger` turns true, every name in `assignments` takes its value at once.

    Names are species (counts), parameters, or constants. An event that is true at time 0 fires there
    only if `at_start`. It runs `delay` later, where there is one. Of events that run together, that of
    the highest `priority` goes first, then that declared first; `from_trigger` takes the values as
    they were when the trigger fired, and one that is not `persistent` is dropped when its trigger
    turns false before its turn.
    """

    name: str
    trigger: Boolean
    assignments: Mapping[str, sympy.Expr]
    at_start: bool = False
    from_trigger: bool = True
    persistent: bool = True
    delay: sympy.Expr | None = None
    priority: sympy.Expr | None = None

    def __post_init__(self) -> None:
        trigger = sympy.sympify(self.trigger, strict=True)
        if not isinstance(trigger, Boolean) or isinstance(trigger, sympy.Symbol):  # a symbol is both
            raise ModelError(f"the trigger of event {self.name!r} is no condition: {trigger}")
        values = {name: tidy(sympy.sympify(value, strict=True)) for name, value in self.assignments.items()}
        for name in ("delay", "priority"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, tidy(sympy.sympify(given, strict=True)))
        object.__setattr__(self, "trigger", tidy(trigger))
        object.__setattr__(self, "assignments", MappingProxyType(values))

    @property
    def expressions(self) -> tuple[sympy.Basic, ...]:
        """The trigger, every assigned value, the delay and the priority."""
        extra = (e for e in (self.delay, self.priority) if e is not None)
        return (self.trigger, *self.assignments.values(), *extra)

    def rewritten(self, by: Mapping[sympy.Basic, sympy.Basic]) -> Event:
        """The event with parts of its expressions exchanged."""
        optional = {
            name: getattr(self, name).xreplace(by) for name in ("delay", "priority") if getattr(self, name) is not None
        }
        values = {name: value.xreplace(by) for name, value in self.assignments.items()}
        return replace(self, trigger=self.trigger.xreplace(by), assignments=values, **optional)

    @property
    def names(self) -> set[str]:
        """The names that the trigger and the assigned values read."""
        return set().union(*(names_in(e) for e in self.expressions))

    def reads_time(self) -> bool:
        """Whether the trigger or a value contains the time."""
        return any(TIME in e.free_symbols for e in self.expressions)

    def __str__(self) -> str:
        assigned = ", ".join(f"{name} = {value}" for name, value in self.assignments.items())
        when = f"{self.delay} after {self.trigger}" if self.delay is not None else str(self.trigger)
        return f"{self.name}: at {when}: {assigned or 'nothing'}"
