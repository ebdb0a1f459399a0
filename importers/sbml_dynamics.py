"""What changes beside the reactions: the events and the rate rules of an SBML model, in molecule counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from kinetix.errors import UnsupportedFeature
from kinetix.events import Event
from kinetix.expressions import TIME, names_in, symbol
from kinetix.network import Reaction

from .sbml_rules import Rules, assigned, in_order
from .sbml_symbols import Symbols


@dataclass(frozen=True)
class Dynamics:
    """The events and rate rules of one model; `counted` are the species that reactions change."""

    model: Any
    rules: Rules
    symbols: Symbols
    counted: tuple[str, ...]

    # events ----------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """The events that do something, in the order of the file."""
        return [self._event(name, event) for name, event in self.rules.events.items()]

    def _event(self, name: str, event: Any) -> Event:
        trigger, place, modern = event.getTrigger(), f"event {name!r}", event.getLevel() > 2
        return Event(
            name,
            self.symbols.formula(trigger.getMath(), place).condition,
            self._assigned(event, place),
            at_start=bool(modern and trigger.isSetInitialValue() and not trigger.getInitialValue()),
            from_trigger=bool(event.getUseValuesFromTriggerTime()) and self._may_keep(name, event),
            persistent=bool(not modern or not trigger.isSetPersistent() or trigger.getPersistent()),
            delay=self._optional(event.getDelay(), place),
            priority=self._optional(event.getPriority(), place),
        )

    def _optional(self, element: Any | None, place: str) -> sympy.Expr | None:
        """The formula of a delay or a priority, where there is one."""
        return self.symbols.formula(element.getMath(), place).number if element and element.isSetMath() else None

    def _assigned(self, event: Any, place: str) -> dict[str, sympy.Expr]:
        """The values that an event sets, species as counts: a concentration holds in the volume after the event."""
        values = {a.getVariable(): self.symbols.formula(a.getMath(), place).number for a in assigned(event)}
        volumes = {name: self.symbols.volume(name) for name in values if self._species(name) is not None}
        for name, volume in volumes.items():
            if volume is None:
                values[name] = self.symbols.in_molecules(values[name], None)
        after = {symbol(name): value for name, value in values.items() if volumes.get(name) is None}
        for name, volume in volumes.items():
            if volume is not None and names_in(volume) & (
                volumes.keys() - {n for n, v in volumes.items() if v is None}
            ):
                reason = f"sets {name!r}, and with it the size of the compartment that {name!r} lies in"
                raise UnsupportedFeature(reason, place=place)
            if volume is not None:
                values[name] = self.symbols.in_molecules(values[name], volume.xreplace(after))
        return values

    def _may_keep(self, name: str, event: Any) -> bool:
        """Whether amounts may be computed at the trigger: a concentration holds in the volume when it is set.

        Values that nothing changes are as well taken when they are set; others are refused where the
        volume can change in between.
        """
        place, mends = f"event {name!r}", self.rules.moving | set(self.counted)
        values = {a.getVariable(): self.symbols.formula(a.getMath(), place).number for a in assigned(event)}
        volumes = [self.symbols.volume(v) for v in values if self._species(v) is not None]
        changing = [v for v in volumes if v is not None and (names_in(v) & mends or TIME in v.free_symbols)]
        if not changing:
            return True
        if not any(names_in(value) & mends or TIME in value.free_symbols for value in values.values()):
            return False
        others = {a.getVariable() for k, other in self.rules.events.items() if k != name for a in assigned(other)}
        delayed = event.getDelay() is not None and event.getDelay().isSetMath()
        if delayed or any(names_in(volume) & others for volume in changing):
            reason = "sets a concentration to a value of the trigger's time in a volume that may have changed since"
            raise UnsupportedFeature(reason, place=place, mend='say useValuesFromTriggerTime="false"')
        return True

    def _species(self, name: str) -> Any | None:
        return self.model.getSpecies(name)

    # rates -----------------------------------------------------------------------------------

    def rate_rules(self, reactions: Iterable[Reaction]) -> dict[str, sympy.Expr]:
        """The derivative of each name that has a rate rule, species as counts.

        The count of a species that is ruled by its concentration also follows the volume:
        (c*V)' = c'*V + c*V'.
        """
        slopes: dict[str, sympy.Expr] = {}
        later: dict[str, sympy.Expr] = {}  # the varying volumes of species
        for name, node in self.rules.rates.items():
            slopes[name] = self.symbols.formula(node, f"rate rule of {name!r}").number
            if self._species(name) is not None:
                volume = self.symbols.volume(name)
                slopes[name] = self.symbols.in_molecules(slopes[name], volume)
                if volume is not None and self._moves(volume):
                    later[name] = volume
        follows_counts = any(names_in(volume) & set(self.counted) for volume in later.values())
        drift = self._drift(reactions) if follows_counts else {}
        needs = {name: names_in(volume) & later.keys() for name, volume in later.items()}
        for name in in_order(needs, "rate rules"):
            growth = self._growth(name, later[name], {**drift, **slopes})
            slopes[name] += symbol(name) / later[name] * growth
        return slopes

    def _moves(self, volume: sympy.Expr) -> bool:
        ruled = names_in(volume) & (set(self.rules.rates) | set(self.counted))
        return bool(ruled) or TIME in volume.free_symbols

    def _growth(self, name: str, volume: sympy.Expr, slopes: Mapping[str, sympy.Expr]) -> sympy.Expr:
        """The derivative in time of the volume that a species lies in."""
        total = sympy.diff(volume, TIME)
        for part in sorted(names_in(volume) & (set(self.rules.rates) | set(self.counted))):
            total += sympy.diff(volume, symbol(part)) * slopes[part]
        if total.has(sympy.Derivative, sympy.Subs):
            reason = f"the size {volume} of its compartment has no derivative that can be written"
            raise UnsupportedFeature(reason, place=f"rate rule of {name!r}")
        return total

    def _drift(self, reactions: Iterable[Reaction]) -> dict[str, sympy.Expr]:
        """The derivative of each counted species by the reactions."""
        total: dict[str, sympy.Expr] = dict.fromkeys(self.counted, sympy.Integer(0))
        for reaction in reactions:
            for sign, side in ((-1, reaction.reactants), (1, reaction.products)):
                for name, amount in side.items():
                    total[name] += sign * amount * reaction.law
        return total
