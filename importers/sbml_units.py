"""How many molecules one unit of substance is, as far as an SBML file says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import libsbml

from kinetix.errors import UnsupportedFeature
from kinetix.findings import Finding

AVOGADRO = 6.02214076e23
"""Molecules in a mole, exactly (SI 2019)."""

_MEANING = "the molecules in one unit"


@dataclass(frozen=True)
class Substance:
    """A unit of substance: its word, the molecules in one unit (None: not a count), and whether it is declared."""

    word: str
    molecules: float | None
    declared: bool


COUNT = Substance("item", 1.0, declared=True)
UNSAID = Substance("no unit", 1.0, declared=False)


def substance_of(model: Any, species: Any) -> Substance:
    """The unit in which the amount of a species is written; Level 2's silence means mole, Level 3's nothing."""
    name = species.getSubstanceUnits()
    if model.getLevel() == 2:
        definition = model.getUnitDefinition(name or "substance")
        if definition is None and name in ("", "substance"):
            return Substance("mole", AVOGADRO, declared=False)
        return _unit(model, name or "substance")
    name = name or model.getSubstanceUnits()
    return _unit(model, name) if name else UNSAID


def _unit(model: Any, name: str) -> Substance:
    definition = model.getUnitDefinition(name)
    if definition is None:
        return _simple(name, libsbml.UnitKind_forName(name), 1.0)
    units = [definition.getUnit(i) for i in range(definition.getNumUnits())]
    real = [unit for unit in units if unit.getKind() != libsbml.UNIT_KIND_DIMENSIONLESS]
    factor = 1.0
    for unit in units:
        factor *= (unit.getMultiplier() * 10.0 ** unit.getScale()) ** unit.getExponentAsDouble()
    if not real:
        return Substance(name, factor, declared=True)
    if len(real) > 1 or real[0].getExponentAsDouble() != 1:
        return Substance(name, None, declared=True)
    kind = real[0].getKind()
    word = libsbml.UnitKind_toString(kind)
    return _simple(word if factor == 1 else f"{factor:g} {word}", kind, factor)


def _simple(word: str, kind: int, factor: float) -> Substance:
    if kind in (libsbml.UNIT_KIND_ITEM, libsbml.UNIT_KIND_DIMENSIONLESS):
        return Substance(word, factor, declared=True)
    if kind in (libsbml.UNIT_KIND_MOLE, libsbml.UNIT_KIND_AVOGADRO):
        return Substance(word, factor * AVOGADRO, declared=True)
    return Substance(word, None, declared=True)


def mole_findings(model: Any, counted: Iterable[Any]) -> list[Finding]:
    """KX107: amounts that are declared in another unit than molecules, or nominally are (a warning)."""
    declared: dict[str, tuple[str, Substance]] = {}
    silent = False
    for species in counted:
        substance = substance_of(model, species)
        silent = silent or (substance.word == "mole" and not substance.declared)
        if substance.declared and substance.molecules != 1:
            declared.setdefault(substance.word, (species.getId(), substance))
    findings = []
    for word, (name, substance) in declared.items():
        reason = f"amounts are declared in units of {word}, not in molecules"
        factor = "..." if substance.molecules is None else f"{substance.molecules:.9g}"
        findings.append(Finding("KX107", "error", name, reason, f"load with scale={factor}, {_MEANING}"))
    if silent:
        reason = "no unit of substance is declared, for which Level 2 means mole; whole amounts are read as molecules"
        mend = f"declare the unit item; if moles are meant, load with scale={AVOGADRO:.9g}, {_MEANING}"
        findings.append(Finding("KX107", "warning", model.getId() or "model", reason, mend))
    return findings


def scale_of(model: Any, counted: Iterable[Any]) -> float:
    """The molecules in the model's unit of substance; UnsupportedFeature where it is no count, or there are several."""
    found: dict[str, float] = {}
    for species in counted:
        substance = substance_of(model, species)
        place = f"species {species.getId()!r}"
        if substance is UNSAID:
            raise UnsupportedFeature("no unit of substance is declared", place=place, mend="load with scale=a number")
        if substance.molecules is None:
            raise UnsupportedFeature(
                f"the unit {substance.word} is no number of molecules", place=place, mend="load with scale=a number"
            )
        found[species.getId()] = substance.molecules
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name} {value:.9g}" for name, value in list(found.items())[:5])
        raise UnsupportedFeature(
            f"the species have different units of substance, in molecules: {listed}", mend="load with scale=a number"
        )
    return next(iter(found.values()), 1.0)
