"""Every formula of an SBML model, looked at before libsbml computes with it.

libsbml's own checks end the process on `rateOf` without an argument and take for ever over functions
that call one another; here both are refused, by the name of the element.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy

from .sbml_formula import Formula
from .sbml_math import Function, MathReader, require_known


def elements(listed: Any) -> Iterator[Any]:
    """The members of a libsbml list."""
    return (listed.get(i) for i in range(listed.size()))


def event_name(model: Any, index: int) -> str:
    """The id of an event, or one made of its place where the file gives none."""
    name = str(model.getEvent(index).getId()) or f"event{index + 1}"
    while not model.getEvent(index).getId() and model.getElementBySId(name) is not None:
        name += "_"
    return name


def reader_of(model: Any) -> MathReader:
    """A reader of the model's formulas, each of which has been walked; ModelError or UnsupportedFeature by name."""
    for place, node in formulas(model):
        require_known(node, place)
    reader = MathReader(_functions(model))
    # written out once each, so that a cycle or an explosion of calls is refused before libsbml expands them
    for name, function in reader.functions.items():
        free = {argument: Formula(sympy.Dummy(f"x{i}")) for i, argument in enumerate(function.arguments)}
        reader.read(function.body, free, f"function {name!r}")
    return reader


def formulas(model: Any) -> Iterator[tuple[str, Any]]:
    """Place and libsbml node of every formula."""
    for place, element in _holders(model):
        if element is not None and element.isSetMath():
            yield place, element.getMath()


def _holders(model: Any) -> Iterator[tuple[str, Any]]:
    for definition in elements(model.getListOfFunctionDefinitions()):
        yield f"function {definition.getId()!r}", definition
    for assignment in elements(model.getListOfInitialAssignments()):
        yield f"initial assignment of {assignment.getSymbol()!r}", assignment
    for rule in elements(model.getListOfRules()):
        kind = "rate rule" if rule.isRate() else "rule"
        yield ("algebraic rule" if rule.isAlgebraic() else f"{kind} of {rule.getVariable()!r}"), rule
    for constraint in elements(model.getListOfConstraints()):
        yield "constraint", constraint
    for reaction in elements(model.getListOfReactions()):
        place = f"reaction {reaction.getId()!r}"
        yield place, reaction.getKineticLaw()
        for listed in (reaction.getListOfReactants(), reaction.getListOfProducts()):
            for reference in elements(listed):
                if reference.isSetStoichiometryMath():
                    yield place, reference.getStoichiometryMath()
    for i, event in enumerate(elements(model.getListOfEvents())):
        parts = (event.getTrigger(), event.getDelay(), event.getPriority())
        for part in (*parts, *elements(event.getListOfEventAssignments())):
            yield f"event {event_name(model, i)!r}", part


def _functions(model: Any) -> dict[str, Function]:
    found: dict[str, Function] = {}
    for definition in elements(model.getListOfFunctionDefinitions()):
        name, body = definition.getId(), definition.getBody()
        if body is None:  # which Level 3 Version 2 allows; a call of it is refused
            continue
        arguments = tuple(definition.getArgument(i).getName() for i in range(definition.getNumArguments()))
        found[name] = Function(arguments, body)
    return found
