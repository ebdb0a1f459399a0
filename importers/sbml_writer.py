"""Reaction networks written as SBML Level 3 Version 2: molecule counts, one-way reactions, whole laws.

Every species is an amount in items, each kinetic law is the propensity itself, and an annotation in
kinetix's own namespace says so: reading such a file back gives the same network, laws verbatim. Only
the stochastic laws are written; a law kept beside its propensity for the mean field is not.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.dom import minidom  # reads only what libsbml has just written

import libsbml

from kinetix.errors import ModelError, UnsupportedFeature
from kinetix.expressions import names_in
from kinetix.network import Reaction, ReactionNetwork
from kinetix.storage import replacing

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
    used = {*network.species_names, *network.theta_names, *network.variables}
    time = _unique("time", used | {r.name for r in network.reactions})
    writer = MathWriter(frozenset(network.theta_names), time)
    home = _unique("compartment", used)
    _head(model, network, home, used)
    _compartments(model, network, home)
    _species(model, network, home)
    _parameters(model, network)
    for name, rule in network.variables.items():
        element = model.createAssignmentRule()
        element.setVariable(name)
        element.setMath(writer.node(rule))
    for reaction in network.reactions:
        _reaction(model, network, reaction, writer, used)
    return _with_all_digits(libsbml.writeSBMLToString(document), network, writer.reals)


def _head(model: Any, network: ReactionNetwork, home: str, used: set[str]) -> None:
    used.add(home)
    taken = used | {r.name for r in network.reactions}
    if _ID.fullmatch(network.name) and network.name not in taken:
        model.setId(network.name)
        used.add(network.name)
    model.setName(network.name)
    model.setSubstanceUnits("item")
    model.setExtentUnits("item")
    model.setAnnotation(f'<network xmlns="{NAMESPACE}" laws="propensities" home="{home}"/>')


def _compartments(model: Any, network: ReactionNetwork, home: str) -> None:
    sizes = {c.name: c.value for c in network.constants if c.kind == "compartment"}
    everywhere: dict[str, float | None] = {s.compartment or home: None for s in network.species}
    if home in everywhere or any(c.kind == "boundary" for c in network.constants):
        everywhere[home] = 1.0
    everywhere |= sizes
    for name, size in everywhere.items():
        compartment = model.createCompartment()
        compartment.setId(name)
        compartment.setSpatialDimensions(3)
        compartment.setConstant(True)
        if size is not None:
            compartment.setSize(float(size))


def _species(model: Any, network: ReactionNetwork, home: str) -> None:
    boundary = [(c.name, c.value, home) for c in network.constants if c.kind == "boundary"]
    counted = [(s.name, s.initial, s.compartment or home) for s in network.species]
    for name, amount, place in (*counted, *boundary):
        fixed = (name, amount, place) in boundary
        species = model.createSpecies()
        species.setId(name)
        species.setCompartment(place)
        species.setInitialAmount(float(amount))
        species.setSubstanceUnits("item")
        species.setHasOnlySubstanceUnits(True)
        species.setBoundaryCondition(fixed)
        species.setConstant(fixed)


def _parameters(model: Any, network: ReactionNetwork) -> None:
    fixed: Mapping[str, float] = {p.name: p.value for p in network.parameters}
    rest = {c.name: c.value for c in network.constants if c.kind == "parameter"}
    for name, value in {**fixed, **rest}.items():
        parameter = model.createParameter()
        parameter.setId(name)
        parameter.setValue(float(value))
        parameter.setConstant(True)
    for name in network.variables:
        parameter = model.createParameter()
        parameter.setId(name)
        parameter.setConstant(False)


def _reaction(model: Any, network: ReactionNetwork, reaction: Reaction, writer: MathWriter, used: set[str]) -> None:
    element = model.createReaction()
    name = _unique(reaction.name, used)
    used.add(name)
    element.setId(name)
    if name != reaction.name:  # reactions may share a name with a species here, but not in SBML
        element.setName(reaction.name)
    element.setReversible(False)
    sides = ((reaction.reactants, element.createReactant), (reaction.products, element.createProduct))
    for side, create in sides:
        for species, amount in side.items():
            reference = create()
            reference.setSpecies(species)
            reference.setStoichiometry(float(amount))
            reference.setConstant(True)
    boundary = [c.name for c in network.constants if c.kind == "boundary"]
    read = names_in(reaction.propensity) - set(reaction.reactants) - set(reaction.products)
    for species in (*network.species_names, *boundary):
        if species in read:
            element.createModifier().setSpecies(species)
    element.createKineticLaw().setMath(writer.node(reaction.propensity))


def _with_all_digits(text: str, network: ReactionNetwork, reals: list[float]) -> str:
    """The text with each number as the shortest decimal that is read back as the same double."""
    document = minidom.parseString(text)  # noqa: S318
    starts = {s.name: s.initial for s in network.species}
    values = {p.name: p.value for p in (*network.parameters, *network.constants)}
    for tag, attribute in (("parameter", "value"), ("compartment", "size"), ("species", "initialAmount")):
        for element in document.getElementsByTagName(tag):
            if element.hasAttribute(attribute):
                name = element.getAttribute("id")
                exact = starts.get(name, values.get(name, 1.0)) if tag == "species" else values.get(name, 1.0)
                element.setAttribute(attribute, _decimal(exact))
    for element, exact in zip(_real_numbers(document), reals, strict=True):
        mantissa, _, exponent = _parts(exact).partition("e")
        while element.firstChild:
            element.removeChild(element.firstChild)
        element.appendChild(document.createTextNode(f" {mantissa} "))
        if exponent:
            element.setAttribute("type", "e-notation")
            element.appendChild(document.createElement("sep"))
            element.appendChild(document.createTextNode(f" {int(exponent)} "))
        elif element.hasAttribute("type"):
            element.removeAttribute("type")
    root = document.getElementsByTagName("sbml")[0]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root.toxml()}\n'


def _real_numbers(document: minidom.Document) -> Iterator[minidom.Element]:
    for element in document.getElementsByTagName("cn"):
        if element.getAttribute("type") not in ("integer", "rational"):
            yield element


def _decimal(value: float) -> str:
    if 0 < abs(value) < sys.float_info.min:  # libsbml refuses to read it
        raise UnsupportedFeature(f"the number {value!r} is too small to be written as SBML")
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _parts(value: float) -> str:
    """A decimal `mantissa` or `mantissa`e`exponent` that is the same double also where the mantissa is rounded first.

    Seventeen digits may be one too many for a mantissa that libsbml keeps as a double; one near by,
    or with another exponent, gives the value back.
    """
    digits, _, exponent = _decimal(value).partition("e")
    if not exponent:
        return digits
    for shift in range(-3, 4):
        middle = float(f"{digits}e{shift}")
        for mantissa in (middle, math.nextafter(middle, math.inf), math.nextafter(middle, -math.inf)):
            found = f"{mantissa!r}e{int(exponent) - shift}"
            if found.count("e") == 1 and float(found) == value:
                return found
    return f"{Decimal(value):f}"


def _unique(name: str, used: Iterable[str]) -> str:
    taken = set(used)
    while name in taken:
        name += "_"
    return name


def _require_ids(network: ReactionNetwork) -> None:
    homes = {s.compartment for s in network.species if s.compartment}
    reactions = [r.name for r in network.reactions]
    for name in (*network.species_names, *network.theta_names, *network.variables, *homes, *reactions):
        if not _ID.fullmatch(name):
            mend = "use letters, digits and _, and no digit first"
            raise ModelError(f"the name {name!r} cannot be an id in SBML", mend=mend)
