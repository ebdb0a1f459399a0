"""How many molecules one unit of substance is, as far as an SBML file says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libsbml

AVOGADRO = 6.02214076e23
"""Molecules in a mole, exactly (SI 2019)."""


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
