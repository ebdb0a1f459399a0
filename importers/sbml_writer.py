"""Reaction networks written as SBML Level 3 Version 2: molecule counts, one-way reactions, whole laws.

Every species is an amount in items, each kinetic law is the propensity itself, and an annotation in
kinetix's own namespace says so: reading such a file back gives the same network, laws verbatim. Only
the stochastic laws are written; a law kept beside its propensity for the mean field is not. An amount in
a reaction that varies is a species reference with an id: that of a rule, or of a parameter that changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import libsbml

from kinetix.errors import ModelError
from kinetix.events import Event
from kinetix.expressions import names_in
from kinetix.network import Reaction, ReactionNetwork
from kinetix.storage import replacing

from .amount_names import AmountNames, amount_names
from .sbml_digits import with_all_digits
from .sbml_math_writer import MathWriter

NAMESPACE = "urn:kinetix:sbml:1"
"""The XML namespace of the annotation that marks a file whose laws are propensities already."""

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def write(network: ReactionNetwork, path: Path) -> None:
    """Write `network` to `path` as SBML L3V2, whole or not at all.

    Raises ModelError for a name that is no SBML id, UnsupportedFeature for an operation that SBML
    has no word for, and OSError where the system cannot write.
    """
    text = to_string(network)
    with replacing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def to_string(network: ReactionNetwork) -> str:
    """The SBML text of a network."""
    _require_ids(network)
    document = libsbml.SBMLDocument(3, 2)
    model = document.createModel()
    ids = Ids(network)
    writer = MathWriter(frozenset(network.theta_names), ids.time)
    _head(model, network, ids)
    _compartments(model, network, ids.home)
    _species(model, network, ids.home)
    _parameters(model, network, ids)
    _rules(model, network, ids, writer)
    for reaction in network.reactions:
        _reaction(model, network, reaction, ids, writer)
    for event in network.events:
        _event(model, event, ids, writer)
    return with_all_digits(libsbml.writeSBMLToString(document), network, writer.reals)


@dataclass(frozen=True)
class Ids:
    """Ids in the file for what has a name of its own kind in the network: SBML has one space for all of them."""

    network: ReactionNetwork

    @cached_property
    def home(self) -> str:
        """The compartment made up for species that have none."""
        return _unique("compartment", self._elements | set(self._places))

    @cached_property
    def model(self) -> str | None:
        """The id of the model, where its name can be one."""
        name = self.network.name
        labels = {r.name for r in self.network.reactions} | {e.name for e in self.network.events}
        free = name not in self._elements | labels | {self.home, *self._places}
        return name if _ID.fullmatch(name) and free else None

    @cached_property
    def reactions(self) -> dict[str, str]:
        """Name -> id."""
        return self._new((r.name for r in self.network.reactions), self._taken)

    @cached_property
    def events(self) -> dict[str, str]:
        """Name -> id."""
        return self._new((e.name for e in self.network.events), self._taken | set(self.reactions.values()))

    @cached_property
    def amounts(self) -> AmountNames:
        """The ids of the species references whose amounts vary, and the rules that are made for them."""
        taken = self._taken | set(self.reactions.values()) | set(self.events.values())
        return amount_names(self.network, taken, once=True)

    @cached_property
    def references(self) -> frozenset[str]:
        """The ids that species references take: no parameters then."""
        return frozenset(self.amounts.names.values())

    @cached_property
    def time(self) -> str:
        """What the time is called: no element's name, or libsbml takes the one for the other."""
        names = {*self._elements, *(r.name for r in self.network.reactions), *(e.name for e in self.network.events)}
        return _unique("time", names)

    @property
    def _elements(self) -> set[str]:
        return {*self.network.species_names, *self.network.theta_names, *self.network.variables}

    @property
    def _places(self) -> Iterable[str]:
        return {s.compartment for s in self.network.species if s.compartment} | set(self.network.homes.values())

    @cached_property
    def _taken(self) -> set[str]:
        return {*self._elements, *self._places, self.home, *([self.model] if self.model else [])}

    @staticmethod
    def _new(names: Iterable[str], taken: set[str]) -> dict[str, str]:
        ids: dict[str, str] = {}
        for name in names:
            ids[name] = _unique(name, taken | set(ids.values()))
        return ids


def _head(model: Any, network: ReactionNetwork, ids: Ids) -> None:
    if ids.model is not None:
        model.setId(ids.model)
    model.setName(network.name)
    model.setSubstanceUnits("item")
    model.setExtentUnits("item")
    model.setAnnotation(f'<network xmlns="{NAMESPACE}" laws="propensities" home="{ids.home}"/>')


def _compartments(model: Any, network: ReactionNetwork, home: str) -> None:
    sizes = {c.name: c.value for c in network.constants if c.kind == "compartment"}
    places = [s.compartment or home for s in network.species]
    places += [network.homes.get(c.name, home) for c in network.constants if c.kind == "boundary"]
    places += [place for name, place in network.homes.items() if name in network.variables]
    everywhere: dict[str, float | None] = dict.fromkeys(places)
    if home in everywhere:
        everywhere[home] = 1.0
    for name, size in (everywhere | sizes).items():
        compartment = model.createCompartment()
        compartment.setId(name)
        compartment.setSpatialDimensions(3)
        compartment.setConstant(name not in network.changing and name not in network.variables)
        if size is not None:
            compartment.setSize(float(size))


def _species(model: Any, network: ReactionNetwork, home: str) -> None:
    for item in network.species:
        _one_species(model, item.name, item.initial, item.compartment or home, boundary=False, constant=False)
    for constant in network.constants:
        if constant.kind == "boundary":
            place, fixed = network.homes.get(constant.name, home), constant.name not in network.changing
            _one_species(model, constant.name, constant.value, place, boundary=True, constant=fixed)
    for name, place in network.homes.items():
        if name in network.variables:
            _one_species(model, name, None, place, boundary=True, constant=False)


def _one_species(model: Any, name: str, amount: float | None, place: str, *, boundary: bool, constant: bool) -> None:
    species = model.createSpecies()
    species.setId(name)
    species.setCompartment(place)
    if amount is not None:
        species.setInitialAmount(float(amount))
    species.setSubstanceUnits("item")
    species.setHasOnlySubstanceUnits(True)
    species.setBoundaryCondition(boundary)
    species.setConstant(constant)


def _parameters(model: Any, network: ReactionNetwork, ids: Ids) -> None:
    values = {p.name: p.value for p in (*network.parameters, *network.constants) if p.kind == "parameter"}
    others = {*(s.compartment for s in network.species), *network.homes, *network.homes.values(), *ids.references}
    for name in (n for n in (*values, *network.variables) if n not in others):
        parameter = model.createParameter()
        parameter.setId(name)
        parameter.setConstant(name in values and name not in network.changing)
        if name in values:
            parameter.setValue(float(values[name]))


def _rules(model: Any, network: ReactionNetwork, ids: Ids, writer: MathWriter) -> None:
    """What rules define, then what has a derivative, then the amounts in reactions that vary."""
    books = (
        (model.createAssignmentRule, network.variables),
        (model.createRateRule, network.rate_rules),
        (model.createAssignmentRule, ids.amounts.rules),
    )
    for create, book in books:
        for name, formula in book.items():
            rule = create()
            rule.setVariable(name)
            rule.setMath(writer.node(formula))


def _reaction(model: Any, network: ReactionNetwork, reaction: Reaction, ids: Ids, writer: MathWriter) -> None:
    element = model.createReaction()
    _label(element, reaction.name, ids.reactions[reaction.name])
    element.setReversible(False)
    sides = (("reactants", element.createReactant), ("products", element.createProduct))
    values = {p.name: p.value for p in (*network.parameters, *network.constants)}
    for side, create in sides:
        for species, amount in getattr(reaction, side).items():
            reference = create()
            reference.setSpecies(species)
            varying = ids.amounts.names.get((reaction.name, side, species))
            reference.setConstant(varying is None)
            if varying is None:
                reference.setStoichiometry(float(amount))
                continue
            reference.setId(varying)
            if varying in values:  # a parameter that events or a rate rule change
                reference.setStoichiometry(float(values[varying]))
    boundary = [c.name for c in network.constants if c.kind == "boundary"]
    read = names_in(reaction.propensity) - set(reaction.reactants) - set(reaction.products)
    for species in (*network.species_names, *boundary):
        if species in read:
            element.createModifier().setSpecies(species)
    element.createKineticLaw().setMath(writer.node(reaction.propensity))


def _event(model: Any, event: Event, ids: Ids, writer: MathWriter) -> None:
    element = model.createEvent()
    _label(element, event.name, ids.events[event.name])
    element.setUseValuesFromTriggerTime(event.from_trigger)
    trigger = element.createTrigger()
    trigger.setInitialValue(not event.at_start)
    trigger.setPersistent(event.persistent)
    trigger.setMath(writer.node(event.trigger))
    for formula, create in ((event.delay, element.createDelay), (event.priority, element.createPriority)):
        if formula is not None:
            create().setMath(writer.node(formula))
    for name, value in event.assignments.items():
        assignment = element.createEventAssignment()
        assignment.setVariable(name)
        assignment.setMath(writer.node(value))


def _label(element: Any, name: str, unique: str) -> None:
    """The id, and the name where that is another: kinds of elements may share a name here, but not in SBML."""
    element.setId(unique)
    if unique != name:
        element.setName(name)


def _unique(name: str, taken: Iterable[str]) -> str:
    used = set(taken)
    while name in used:
        name += "_"
    return name


def _require_ids(network: ReactionNetwork) -> None:
    homes = {s.compartment for s in network.species if s.compartment} | set(network.homes.values())
    labels = [r.name for r in network.reactions] + [e.name for e in network.events]
    for name in (*network.species_names, *network.theta_names, *network.variables, *homes, *labels):
        if not _ID.fullmatch(name):
            mend = "use letters, digits and _, and no digit first"
            raise ModelError(f"the name {name!r} cannot be an id in SBML", mend=mend)
