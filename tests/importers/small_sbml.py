"""Small SBML models as text, for tests: formulas in infix notation, everything else by keyword."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import libsbml

import kinetix as kx

NAMESPACES = {
    (2, 1): "http://www.sbml.org/sbml/level2",
    (2, 4): "http://www.sbml.org/sbml/level2/version4",
    (3, 1): "http://www.sbml.org/sbml/level3/version1/core",
    (3, 2): "http://www.sbml.org/sbml/level3/version2/core",
}


def math(infix: str) -> str:
    """The MathML of a formula such as `k*X^2`."""
    node = libsbml.parseL3Formula(infix)
    assert node is not None, libsbml.getLastParseL3Error()
    return libsbml.writeMathMLToString(node).partition("?>")[2]


def element(tag: str, inside: str = "", **attributes: Any) -> str:
    """An XML element; a value True or False is written as XML does, None leaves the attribute out."""
    shown = {k.rstrip("_"): str(v).lower() if isinstance(v, bool) else v for k, v in attributes.items()}
    written = " ".join([tag, *(f'{k}="{v}"' for k, v in shown.items() if v is not None)])
    return f"<{written}>{inside}</{tag}>"


def species(name: str, amount: float | None = 10, **attributes: Any) -> str:
    """A species in the compartment `c`, an amount unless told otherwise."""
    basics = {
        "id": name,
        "compartment": "c",
        "initialAmount": amount,
        "hasOnlySubstanceUnits": True,
        "boundaryCondition": False,
        "constant": False,
    }
    return element("species", **{**basics, **attributes})


def parameter(name: str, value: float | str | None = 1, **attributes: Any) -> str:
    return element("parameter", **{"id": name, "value": value, "constant": True, **attributes})


def compartment(name: str = "c", size: float | None = 1, **attributes: Any) -> str:
    return element("compartment", **{"id": name, "size": size, "constant": True, **attributes})


def reaction(
    equation: str,
    law: str | None,
    name: str = "r",
    *,
    local: Mapping[str, float | None] | None = None,
    level: int = 3,
    inside: str = "",
    **attributes: Any,
) -> str:
    """A reaction `2 X -> Y` with a law in infix notation; `local` are its local parameters."""
    sides = [[term.split() for term in side.split("+") if term.strip()] for side in equation.split("->")]
    parts = []
    for tag, terms in zip(("listOfReactants", "listOfProducts"), sides, strict=True):
        constant = True if level == 3 else None
        references = [
            element("speciesReference", species=term[-1], stoichiometry=term[0] if term[1:] else 1, constant=constant)
            for term in terms
        ]
        parts += [element(tag, "".join(references))] if references else []
    word = "LocalParameter" if level == 3 else "Parameter"
    members = "".join(element(word[0].lower() + word[1:], id=k, value=v) for k, v in (local or {}).items())
    kinetics = math(law) + (element(f"listOf{word}s", members) if members else "") if law is not None else ""
    parts += [element("kineticLaw", kinetics)] if law is not None else []
    return element("reaction", "".join(parts) + inside, **{"id": name, "reversible": False, **attributes})


def listed(tag: str, *members: str) -> str:
    return element(f"listOf{tag}", "".join(members)) if members else ""


def rule(variable: str, formula: str, kind: str = "assignment") -> str:
    return element(f"{kind}Rule", math(formula), variable=variable if kind != "algebraic" else None)


def assignment(symbol: str, formula: str) -> str:
    return element("initialAssignment", math(formula), symbol=symbol)


def event(trigger: str, name: str | None = "e", *, inside: str = "", level: int = 3, **values: str) -> str:
    """An event that sets `values`; `inside` are its delay and priority. `initial`, `persistent` and `late` are words.

    They stand for the trigger's initialValue and persistence and for useValuesFromTriggerTime="false".
    """
    words = {word: values.pop(word) for word in ("initial", "persistent", "late") if word in values}
    flags = {"initialValue": words.get("initial", "true"), "persistent": words.get("persistent", "true")}
    parts = element("trigger", math(trigger), **(flags if level == 3 else {})) + inside
    parts += listed("EventAssignments", *(element("eventAssignment", math(v), variable=k) for k, v in values.items()))
    return element("event", parts, id=name, useValuesFromTriggerTime="late" not in words if level == 3 else None)


def function(name: str, formula: str) -> str:
    """A function definition; the formula is written `lambda(x, y, body)`."""
    return element("functionDefinition", math(formula), id=name)


def model(
    *reactions: str,
    species_: str | tuple[str, ...] = (),
    parameters: str | tuple[str, ...] = (),
    compartments: str | tuple[str, ...] = (compartment(),),
    functions: str | tuple[str, ...] = (),
    units: str | tuple[str, ...] = (),
    assignments: str | tuple[str, ...] = (),
    rules: str | tuple[str, ...] = (),
    after: str = "",
    before: str = "",
    level: tuple[int, int] = (3, 2),
    namespaces: str = "",
    **attributes: Any,
) -> str:
    """The text of a whole file; `after` stands behind the reactions (events), `before` is the model's head."""
    lists = {
        "FunctionDefinitions": functions,
        "UnitDefinitions": units,
        "Compartments": compartments,
        "Species": species_,
        "Parameters": parameters,
        "InitialAssignments": assignments,
        "Rules": rules,
        "Reactions": reactions,
    }
    body = "".join(
        listed(tag, *((members,) if isinstance(members, str) else members)) for tag, members in lists.items()
    )
    basics = {"id": "m", "substanceUnits": "item" if level[0] == 3 else None}
    inside = element("model", before + body + after, **{**basics, **attributes})
    head = f'<sbml xmlns="{NAMESPACES[level]}" level="{level[0]}" version="{level[1]}"{namespaces}>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{inside}\n</sbml>\n'


def load(text: str | bytes, **options: Any) -> kx.ReactionNetwork:
    """The network of a text, by way of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.xml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return kx.load(path, **options)


def refusal(text: str | bytes, **options: Any) -> str:
    """The one line that refuses a text, without the name of the file."""
    try:
        network = load(text, **options)
    except kx.KinetixError as problem:
        line = str(problem)
        assert "\n" not in line
        name, _, rest = line.partition("small.xml: ")
        assert rest or not name, f"the file is not named: {line}"
        return rest
    raise AssertionError(f"read without complaint:\n{network}")
