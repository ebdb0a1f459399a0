"""The numbers of an SBML text in full: libsbml prints 15 digits, and a double needs up to 17."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from xml.dom import minidom  # reads only what libsbml has just written

import sympy

from kinetix.errors import UnsupportedFeature
from kinetix.network import ReactionNetwork


def with_all_digits(text: str, network: ReactionNetwork, reals: list[float]) -> str:
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
    amounts = [a for r in network.reactions for side in (r.reactants, r.products) for a in side.values()]
    for element, amount in zip(document.getElementsByTagName("speciesReference"), amounts, strict=True):
        if element.hasAttribute("stoichiometry"):
            exact = values[element.getAttribute("id")] if isinstance(amount, sympy.Expr) else float(amount)
            element.setAttribute("stoichiometry", _decimal(exact))
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
