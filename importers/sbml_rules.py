"""The formulas of an SBML model by what they define: rules, values at time zero, events, stoichiometries.

A formula that Level 3 Version 2 lets a file leave out defines nothing. A Level 2 stoichiometryMath is
read as the rule that it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from kinetix.errors import ModelError

from .sbml_math import names_used
from .sbml_walk import elements, event_name


@dataclass(frozen=True)
class Rules:
    """The libsbml formulas of a model: `assignments` hold at all times, `rates` are derivatives, `initial` for time 0.

    `events` are those that do something, by name, `laws` the kinetic laws whose reactions stand as rates in a formula.
    """

    model: Any
    assignments: Mapping[str, Any]
    rates: Mapping[str, Any]
    initial: Mapping[str, Any]
    events: Mapping[str, Any]

    @cached_property
    def in_events(self) -> frozenset[str]:
        """The names that an event sets."""
        return frozenset(a.getVariable() for event in self.events.values() for a in assigned(event))

    @cached_property
    def moving(self) -> frozenset[str]:
        """The names that a rate rule or an event changes."""
        return frozenset(self.rates) | self.in_events

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """Every name that a formula of the model reads, or that a rate rule or an event sets."""
        nodes = [*self.assignments.values(), *self.rates.values(), *self.initial.values()]
        nodes += [node for event in self.events.values() for node in _nodes(event)]
        found = {name for node in nodes for name in names_used(node)}
        found |= {name for r in elements(self.model.getListOfReactions()) for name in names_used_by(r)}
        return frozenset(found | self.moving)

    @cached_property
    def laws(self) -> dict[str, Any]:
        """The kinetic laws of the reactions whose ids are read as rates."""
        reactions = elements(self.model.getListOfReactions())
        return {r.getId(): r.getKineticLaw().getMath() for r in reactions if r.getId() in self.mentioned}

    def uses(self, formulas: Mapping[str, Any]) -> dict[str, set[str]]:
        """What each of the formulas, and each law that is read, needs."""
        needs = {name: names_used(node) for name, node in formulas.items()}
        return needs | {name: names_used_by(self.model.getReaction(name)) for name in self.laws}


def rules_of(model: Any) -> Rules:
    """The formulas of a model."""
    assignments: dict[str, Any] = {}
    rates: dict[str, Any] = {}
    for rule in elements(model.getListOfRules()):
        if rule.isSetMath():
            (rates if rule.isRate() else assignments)[rule.getVariable()] = rule.getMath()
    for key, _, reference, _ in references(model):
        if reference.isSetStoichiometryMath() and reference.getStoichiometryMath().isSetMath():
            assignments[key] = reference.getStoichiometryMath().getMath()
    initial = {a.getSymbol(): a.getMath() for a in elements(model.getListOfInitialAssignments()) if a.isSetMath()}
    named = {event_name(model, i): event for i, event in enumerate(elements(model.getListOfEvents()))}
    events = {name: event for name, event in named.items() if _does_something(event)}
    return Rules(model, assignments, rates, initial, events)


def references(model: Any) -> Iterator[tuple[str, Any, Any, int]]:
    """Key, reaction, species reference and sign (-1 a reactant, 1 a product) of every reference.

    The key is its id; one without is given a text that no id can be.
    """
    for reaction in elements(model.getListOfReactions()):
        yield from references_of(reaction)


def references_of(reaction: Any) -> Iterator[tuple[str, Any, Any, int]]:
    """The references of one reaction: see `references`."""
    for sign, listed in ((-1, reaction.getListOfReactants()), (1, reaction.getListOfProducts())):
        for i, reference in enumerate(elements(listed)):
            yield reference.getId() or f"{reaction.getId()} {sign} {i}", reaction, reference, sign


def assigned(event: Any) -> list[Any]:
    """The assignments of an event that have a formula."""
    return [a for a in elements(event.getListOfEventAssignments()) if a.isSetMath()]


def in_order(uses: Mapping[str, set[str]], what: str) -> list[str]:
    """The names so that each follows those it uses; a circle is a ModelError that shows it."""
    try:
        return list(TopologicalSorter(uses).static_order())
    except CycleError as problem:
        circle = " -> ".join(reversed(problem.args[1]))
        raise ModelError(f"{what} depend on one another in a circle: {circle}", mend="break the circle") from problem


def local_parameters(law: Any) -> list[Any]:
    """The local parameters of a kinetic law."""
    return list(elements(law.getListOfLocalParameters() if law.getLevel() > 2 else law.getListOfParameters()))


def names_used_by(reaction: Any) -> set[str]:
    """The names of model elements in a kinetic law; a local parameter hides the element of its name."""
    law = reaction.getKineticLaw()
    return names_used(law.getMath()) - {p.getId() for p in local_parameters(law)}


def _does_something(event: Any) -> bool:
    return event.getTrigger() is not None and event.getTrigger().isSetMath() and bool(assigned(event))


def _nodes(event: Any) -> list[Any]:
    return [event.getTrigger().getMath(), *(a.getMath() for a in assigned(event))]
