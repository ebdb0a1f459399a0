"""SBML Level 2 and 3 read into molecule counts: units, volumes and concentrations end here.

The kinetic law of each reaction becomes its whole propensity. What cannot be treated exactly is
refused by name; what had to be decided (net laws split, powers read as distinct pairs, moles taken as
molecules) is in the network's report.
M. Hucka et al., "SBML Level 3 Version 2 Core", J. Integr. Bioinform. 16 (2019), doi:10.1515/jib-2019-0021.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kinetix.errors import KinetixError, ModelError, SettingError, UnsupportedFeature
from kinetix.findings import Finding
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species

from .guard import read_text
from .sbml_audit import elements, open_document
from .sbml_channels import Written, channels_of
from .sbml_reversible import Splitter
from .sbml_start import Start, start_of
from .sbml_symbols import Symbols, symbols_of
from .sbml_units import substance_of
from .sbml_writer import NAMESPACE

_WHOLE = 1e-12
"""Relative distance from a whole number that is the arithmetic's own rounding: 0.1 * 30 is 3 molecules."""
_NEAREST = 0.01
"""Largest part of a count that goes when moles or concentrations are turned into whole molecules."""

_MOST = 2**62
"""Counts are whole numbers of 64 bits, with room for what reactions add."""


def read(path: Path, *, law: str = "auto", scale: float | None = None) -> ReactionNetwork:
    """The reaction network of an SBML file.

    `law="auto"` reads an unguarded power k*X**m of m consumed X as a falling factorial, "verbatim"
    as it stands. `scale` is the number of molecules in one unit of substance. Raises ModelError for
    what is no valid model and UnsupportedFeature for what has no exact treatment, each with file
    and element.
    """
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise SettingError(f"scale is {scale}", mend="give the molecules in one unit of substance, a number > 0")
    try:
        document, reader = open_document(read_text(path))
        model = document.getModel()
        start = start_of(model, reader)
        symbols = symbols_of(model, reader, start, scale)
        return _Build(model, start, symbols, scale, law, path).network()
    except KinetixError as problem:
        raise problem.within(str(path)) from problem.__cause__


@dataclass(frozen=True)
class _Build:
    """A network in the making: the libsbml model, its values at time zero and what its symbols mean."""

    model: Any
    start: Start
    symbols: Symbols
    scale: float | None
    law: str
    path: Path

    def network(self) -> ReactionNetwork:
        """The network; what remains wrong with it is refused by the network's own validation."""
        species = [self._species(item) for item in self._counted]
        parameters = [Parameter(name, value) for name, value in self.symbols.parameters.items()]
        reactions, findings = self._reactions([*parameters, *self._constants])
        model = self.model
        name = model.getName() if self._marked is not None else model.getId() or model.getName()
        return ReactionNetwork(
            species,
            parameters,
            reactions,
            name=name or self.path.stem,
            constants=self._constants,
            variables=self.symbols.variables,
            report=[*self._moles(), *self._rounded(), *findings],
            source=self.path.name,
        )

    @cached_property
    def _marked(self) -> Any | None:
        """The annotation of a file that kinetix wrote, whose laws are propensities already."""
        annotation = self.model.getAnnotation()
        children = [annotation.getChild(i) for i in range(annotation.getNumChildren())] if annotation else []
        return next((c for c in children if c.getURI() == NAMESPACE and c.getName() == "network"), None)

    @cached_property
    def _home(self) -> str | None:
        """The compartment that the writer made up for species that have none."""
        return str(self._marked.getAttrValue("home")) if self._marked is not None else None

    @cached_property
    def _free(self) -> list[Any]:
        """The species that no rule defines."""
        return [s for s in elements(self.model.getListOfSpecies()) if s.getId() not in self.symbols.variables]

    @cached_property
    def _counted(self) -> list[Any]:
        return [s for s in self._free if not (s.getBoundaryCondition() or s.getConstant())]

    @cached_property
    def _constants(self) -> list[Parameter]:
        sizes = self.start.sizes.items()
        volumes = [Parameter(n, v, "compartment") for n, v in sizes if v is not None and n != self._home]
        boundary = [s.getId() for s in self._free if s.getBoundaryCondition() or s.getConstant()]
        factor = self.scale or 1.0
        return volumes + [Parameter(n, self.start.amounts[n] * factor, "boundary") for n in boundary]

    # species ---------------------------------------------------------------------------------

    def _species(self, item: Any) -> Species:
        name, home = item.getId(), item.getCompartment()
        count = self.start.amounts[name] * (self.scale or 1.0)
        whole = round(count)
        place = f"species {name!r}"
        substance = substance_of(self.model, item)
        if self.scale is None and substance.declared and substance.molecules != 1:
            raise UnsupportedFeature(
                f"amounts are declared in units of {substance.word}, not in molecules (KX107)",
                place=place,
                mend=f"load with scale={_factor(substance.molecules)}, the molecules in one unit",
            )
        if self._is_broken(count) and (self.scale is None or abs(count - whole) > _NEAREST * count):
            factor = _factor(None if substance.declared else substance.molecules)
            other = f"load with scale={factor}, the molecules in one unit, or " if self.scale is None else ""
            reason = f"starts at {count!r}, which is not a whole count (KX106)"
            raise UnsupportedFeature(reason, place=place, mend=f"{other}set a whole initial count")
        if whole < 0:
            raise ModelError(f"starts at {count!r}", place=place, mend="give a count >= 0")
        if whole > _MOST:
            reason = f"starts at {count:g}, more than the {_MOST:g} molecules that can be counted"
            raise UnsupportedFeature(reason, place=place, mend="use a smaller unit or volume")
        return Species(name, whole, None if home == self._home else home)

    @staticmethod
    def _is_broken(count: float) -> bool:
        return abs(count - round(count)) > max(1e-9, _WHOLE * abs(count))

    def _rounded(self) -> Iterator[Finding]:
        """KX106 for each start that a `scale` does not make whole: the nearest count is taken."""
        for name in (item.getId() for item in self._counted):
            count = self.start.amounts[name] * (self.scale or 1.0)
            if self._is_broken(count):
                reason = f"starts at {count:.12g} molecules; the nearest whole count, {round(count)}, is taken"
                yield Finding("KX106", "warning", name, reason, "set whole initial counts to choose otherwise")

    def _moles(self) -> Iterator[Finding]:
        """KX107 once, where Level 2 is silent and so would mean moles."""
        substances = [substance_of(self.model, item) for item in self._counted]
        if self.scale is None and any(s.word == "mole" and not s.declared for s in substances):
            reason = (
                "no unit of substance is declared, for which Level 2 means mole; whole amounts are read as molecules"
            )
            mend = "declare the unit item, or load with scale=..."
            yield Finding("KX107", "warning", self.model.getId() or "model", reason, mend)

    # reactions -------------------------------------------------------------------------------

    def _reactions(self, constants: list[Parameter]) -> tuple[list[Reaction], list[Finding]]:
        counted = tuple(s.getId() for s in self._counted)
        splitter = Splitter(counted, {p.name: p.value for p in constants})
        taken = {r.getId() for r in elements(self.model.getListOfReactions())}
        reactions: list[Reaction] = []
        findings: list[Finding] = []
        for element in elements(self.model.getListOfReactions()):
            written = self._written(element, set(counted))
            reverse = f"{written.name}_reverse"
            while reverse in taken:
                reverse += "_"
            falling = self.law == "auto" and self._marked is None
            made = channels_of(written, splitter, reverse_name=reverse, falling=falling)
            taken |= {channel.name for channel in made.reactions}
            reactions += made.reactions
            findings += made.findings
        return reactions, findings

    def _written(self, element: Any, counted: set[str]) -> Written:
        name = element.getId()
        law = self.symbols.law(element)
        if self._marked is not None and element.getName():
            name = element.getName()
        return Written(
            name,
            _side(element, element.getListOfReactants(), counted),
            _side(element, element.getListOfProducts(), counted),
            law,
            reversible=element.getReversible(),
            explicit=element.getLevel() > 2,
            certain=self._marked is not None,
        )


def _side(reaction: Any, references: Any, counted: set[str]) -> dict[str, int]:
    """The counted species on one side of a reaction, with whole multiplicities."""
    result: dict[str, int] = {}
    for reference in elements(references):
        name = reference.getSpecies()
        place = f"reaction {reaction.getId()!r}"
        if reference.getLevel() > 2 and not reference.isSetStoichiometry():
            raise ModelError(f"the stoichiometry of {name!r} is not set", place=place, mend="set it in the file")
        amount = float(reference.getStoichiometry())
        if not amount.is_integer() or amount < 1:
            reason = f"takes or makes {amount:g} of {name!r}; counts change by whole numbers (KX105)"
            raise UnsupportedFeature(reason, place=place, mend="scale the stoichiometry to whole numbers")
        if name in counted:
            result[name] = result.get(name, 0) + int(amount)
    return result


def _factor(molecules: float | None) -> str:
    return "..." if molecules is None or molecules == 1 else f"{molecules:.9g}"
