"""Opening an SBML text strictly: every complaint of libsbml and every unsupported construct is a refusal.

libsbml repairs and ignores; here a read error, a consistency error, a package that changes the
mathematics, or a construct without an exact meaning for molecule counts stops the reading, by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libsbml

from kinetix.errors import ModelError, UnsupportedFeature

from .guard import scan
from .sbml_flatten import flattened
from .sbml_math import MathReader
from .sbml_walk import elements, reader_of

HARMLESS = frozenset({"layout", "render", "groups", "l3v2extendedmath"})
"""Packages that are understood, or that say nothing about the mathematics."""
_SKIPPED = (
    libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
    libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
    libsbml.LIBSBML_CAT_MODELING_PRACTICE,
)
"""Kinds of consistency that real models lack and that change no number."""


def open_document(text: str) -> tuple[Any, MathReader]:
    """The libsbml document of a text and a reader of its formulas; ModelError or UnsupportedFeature."""
    document = libsbml.readSBMLFromString(text)
    if document.getLevel() == 1 and document.getModel() is not None:
        raise UnsupportedFeature("SBML Level 1 is not read", mend="convert the file to Level 2 or 3")
    _require_known_packages(document)
    _require_clean(document)
    if document.getPlugin("comp") is not None and document.getModel() is not None:
        text = flattened(document)
        scan(text.encode())
        document = libsbml.readSBMLFromString(text)
        _require_known_packages(document, flat=True)
        _require_clean(document)
    model = document.getModel()
    if model is None:
        raise ModelError("the file contains no model")
    _require_laws(document, model)
    for place, what, mend in _unsupported(model):
        raise UnsupportedFeature(what, place=place, mend=mend)
    reader = reader_of(model)
    for category in _SKIPPED:
        document.setConsistencyChecks(category, False)
    document.checkConsistency()
    _require_clean(document)
    return document, reader


def _require_known_packages(document: Any, *, flat: bool = False) -> None:
    unknown = [document.getUnknownPackagePrefix(i) for i in range(document.getNumUnknownPackages())]
    known = [document.getPlugin(i).getPackageName() for i in range(document.getNumPlugins())]
    passed = HARMLESS if flat else HARMLESS | {"comp"}
    needed = [name for name in known if name not in passed and document.getPkgRequired(name)]
    needed += [prefix for prefix in unknown if prefix and document.getPackageRequired(_uri(document, prefix))]
    if needed:
        names = ", ".join(repr(name) for name in needed)
        raise UnsupportedFeature(f"the model needs the SBML package {names}", place="package")


def _uri(document: Any, prefix: str) -> str:
    return str(document.getNamespaces().getURI(prefix))


def _require_clean(document: Any) -> None:
    """Refuse on the errors that libsbml has collected; warnings pass."""
    faults = [document.getError(i) for i in range(document.getNumErrors())]
    errors = [fault for fault in faults if fault.getSeverity() >= libsbml.LIBSBML_SEV_ERROR]
    if not errors:
        return
    listed = "; ".join(dict.fromkeys(f"{_said(e)} [SBML {e.getErrorId()}]" for e in errors[:3]))
    more = f" and {len(errors) - 3} more" if len(errors) > 3 else ""
    line = errors[0].getLine()
    raise ModelError(f"not valid SBML: {listed}{more}", place=f"line {line}" if line else None)


def _said(error: Any) -> str:
    """The short message, with the sentence that names the culprit where there is one."""
    lines = [line.strip() for line in error.getMessage().splitlines() if line.strip()]
    told = lines[-1] if len(lines) > 1 and not lines[-1].startswith("Reference") else ""
    return " ".join(f"{error.getShortMessage().rstrip('.')}{': ' if told else ''}{told.rstrip('.')}".split())[:300]


def _require_laws(document: Any, model: Any) -> None:
    for reaction in elements(model.getListOfReactions()):
        law = reaction.getKineticLaw()
        if law is not None and law.isSetMath():
            continue
        if document.getPlugin("fbc") is not None:
            what = "a flux-balance model (package 'fbc') has no rates"
            raise UnsupportedFeature(what, place=f"reaction {reaction.getId()!r}")
        raise ModelError("has no kinetic law", place=f"reaction {reaction.getId()!r}", mend="give it a rate")


def _unsupported(model: Any) -> Iterator[tuple[str, str, str | None]]:
    """Place, reason and mend of every construct that has no exact treatment here."""
    for rule in elements(model.getListOfRules()):
        if rule.isAlgebraic():
            yield _algebraic(rule), "algebraic rules are not supported", "solve it for one variable"
    for i, constraint in enumerate(elements(model.getListOfConstraints())):
        place = f"constraint {constraint.getId() or i + 1!r}"
        yield place, "constraints are not supported", "remove the constraint"
    for reaction in elements(model.getListOfReactions()):
        if reaction.isSetFast() and reaction.getFast():
            place = f"reaction {reaction.getId()!r}"
            yield place, "fast reactions are not supported", "give it a large rate instead"


def _algebraic(rule: Any) -> str:
    name = rule.getIdAttribute() or rule.getMetaId()
    return f"algebraic rule {name!r}" if name else "algebraic rule"
