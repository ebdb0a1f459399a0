"""SBML Level 2 and 3 read into molecule counts: units, volumes and concentrations end here.

The kinetic law of each reaction becomes its whole propensity. What no solver can treat exactly is
refused by name; what only some can is kept, for `check` and the solvers to judge; what had to be
decided (net laws split, powers read as distinct pairs, moles taken as molecules) is in the network's
report.
M. Hucka et al., "SBML Level 3 Version 2 Core", J. Integr. Bioinform. 16 (2019), doi:10.1515/jib-2019-0021.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kinetix.errors import KinetixError, ModelError, SettingError
from kinetix.findings import Finding
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species
from kinetix.reversible import Splitter

from .guard import read_text
from .sbml_amounts import Amounts
from .sbml_audit import open_document
from .sbml_channels import Written, channels_of
from .sbml_dynamics import Dynamics
from .sbml_formula import real_numbers
from .sbml_rules import Rules, rules_of
from .sbml_start import Start, start_of
from .sbml_symbols import Symbols, symbols_of
from .sbml_units import mole_findings, scale_of
from .sbml_walk import elements
from .sbml_writer import NAMESPACE
from .worked_out import worked_out

_WHOLE = 1e-12
"""Relative distance from a whole number that is the arithmetic's own rounding: 0.1 * 30 is 3 molecules."""
_NEAREST = 0.01
"""Largest part of a count that goes when moles or concentrations are turned into whole molecules."""


def read(path: Path, *, law: str = "auto", scale: float | str | None = None) -> ReactionNetwork:
    """The reaction network of an SBML file.

    `law="auto"` reads an unguarded power k*X**m of m consumed X as a falling factorial, "verbatim"
    as it stands. `scale` is the number of molecules in one unit of substance, or "units" to take it
    from the file's unit definitions. Raises ModelError for what is no valid model and
    UnsupportedFeature for what has no exact treatment, each with file and element.
    """
    try:
        return from_text(read_text(path), path, law=law, scale=scale)
    except KinetixError as problem:
        raise problem.within(str(path)) from problem.__cause__


def from_text(text: str, path: Path, *, law: str = "auto", scale: float | str | None = None) -> ReactionNetwork:
    """The network of an SBML text that the guard has let through; `path` is where it comes from. See `read`."""
    usable = scale in (None, "units") or (isinstance(scale, int | float) and math.isfinite(scale) and scale > 0)
    if not usable:
        mend = "give the molecules in one unit of substance, a number > 0, or 'units'"
        raise SettingError(f"scale is {scale!r}", place="scale", mend=mend)
    try:
        with real_numbers():
            document, reader = open_document(text)
            model = document.getModel()
            rules = rules_of(model)
            start = start_of(model, rules, reader)
            counted = _counted(model, rules)
            factor = scale_of(model, counted) if isinstance(scale, str) else scale
            symbols = symbols_of(model, rules, reader, start, factor)
            return _Build(model, rules, start, symbols, counted, factor, law, path).network()
    except KinetixError as problem:
        raise problem.within(str(path)) from problem.__cause__


def _counted(model: Any, rules: Rules) -> list[Any]:
    """The species that reactions change: no rule defines them and they are no boundary."""
    ruled = rules.assignments.keys() | rules.rates.keys()
    free = [s for s in elements(model.getListOfSpecies()) if s.getId() not in ruled]
    return [s for s in free if not (s.getBoundaryCondition() or s.getConstant())]


@dataclass(frozen=True)
class _Build:
    """A network in the making: the libsbml model, its values at time zero and what its symbols mean."""

    model: Any
    rules: Rules
    start: Start
    symbols: Symbols
    counted: list[Any]
    scale: float | None
    law: str
    path: Path

    def network(self) -> ReactionNetwork:
        """The network; what remains wrong with it is refused by the network's own validation."""
        species = [self._species(item) for item in self.counted]
        parameters = [Parameter(name, value) for name, value in self.symbols.parameters.items()]
        reactions, findings = self._reactions([*parameters, *self._constants])
        dynamics = Dynamics(self.model, self.rules, self.symbols, tuple(s.name for s in species))
        model = self.model
        name = model.getName() if self._marked is not None else model.getId() or model.getName()
        return ReactionNetwork(
            species,
            parameters,
            reactions,
            name=name or self.path.stem,
            constants=self._constants,
            variables=self.symbols.variables,
            events=dynamics.events(),
            rate_rules=dynamics.rate_rules(reactions),
            homes=self._homes,
            report=[*self._moles(), *self._rounded(), *findings],
            source=self.path.name,
            worked_out=worked_out(
                self.rules.initial, self.rules.uses({**self.rules.initial, **self.rules.assignments})
            ),
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
    def _constants(self) -> list[Parameter]:
        ruled, factor = self.rules.assignments, self.scale or 1.0
        sizes = [(n, v) for n, v in self.start.sizes.items() if n != self._home and n not in ruled]
        volumes = [Parameter(n, v, "compartment") for n, v in sizes if v is not None]
        boundary = [n for n in self._others if n not in ruled]
        references = [Parameter(n, v) for n, v in self.symbols.references.items()]
        return volumes + [Parameter(n, self.start.amounts[n] * factor, "boundary") for n in boundary] + references

    @cached_property
    def _others(self) -> dict[str, str]:
        """The species that are not counted, with their compartments."""
        counted = {s.getId() for s in self.counted}
        every = {s.getId(): s.getCompartment() for s in elements(self.model.getListOfSpecies())}
        return {name: home for name, home in every.items() if name not in counted}

    @cached_property
    def _homes(self) -> dict[str, str]:
        return {name: home for name, home in self._others.items() if home and home != self._home}

    # species ---------------------------------------------------------------------------------

    def _species(self, item: Any) -> Species:
        name, home = item.getId(), item.getCompartment()
        count = self.start.amounts[name] * (self.scale or 1.0)
        if count < 0:
            raise ModelError(f"starts at {count!r}", place=f"species {name!r}", mend="give a count >= 0")
        near = self.scale is not None and abs(count - round(count)) <= _NEAREST * count
        initial = round(count) if near or not _is_broken(count) else count
        return Species(name, initial, None if home == self._home else home)

    def _rounded(self) -> Iterator[Finding]:
        """KX106 for each start that a `scale` does not make whole: the nearest count is taken, where it is near."""
        for name in (item.getId() for item in self.counted):
            count = self.start.amounts[name] * (self.scale or 0.0)
            if _is_broken(count) and abs(count - round(count)) <= _NEAREST * count:
                reason = f"starts at {count:.12g} molecules; the nearest whole count, {round(count)}, is taken"
                yield Finding("KX106", "warning", name, reason, "set whole initial counts to choose otherwise")

    def _moles(self) -> list[Finding]:
        return mole_findings(self.model, self.counted) if self.scale is None else []

    # reactions -------------------------------------------------------------------------------

    def _reactions(self, constants: list[Parameter]) -> tuple[list[Reaction], list[Finding]]:
        counted = tuple(s.getId() for s in self.counted)
        splitter = Splitter(counted, {p.name: p.value for p in constants})
        amounts = Amounts(self.model, self.rules, self.start, self.symbols, frozenset(counted))
        taken = {r.getId() for r in elements(self.model.getListOfReactions())}
        reactions: list[Reaction] = []
        findings: list[Finding] = []
        falling = self.law == "auto" and self._marked is None
        for element in elements(self.model.getListOfReactions()):
            with real_numbers(f"reaction {element.getId()!r}"):
                written, told = self._written(element, amounts)
                reverse = f"{written.name}_reverse"
                while reverse in taken:
                    reverse += "_"
                made = channels_of(written, splitter, reverse_name=reverse, falling=falling)
            taken |= {channel.name for channel in made.reactions}
            reactions += made.reactions
            findings += [replace(finding, element=written.name) for finding in told] + list(made.findings)
        return reactions, findings

    def _written(self, element: Any, amounts: Amounts) -> tuple[Written, tuple[Finding, ...]]:
        sides = amounts.sides(element)
        name = element.getId()
        if self._marked is not None and element.getName():
            name = element.getName()
        written = Written(
            name,
            sides.reactants,
            sides.products,
            sides.factor * self.symbols.law(element),
            reversible=element.getReversible(),
            explicit=element.getLevel() > 2,
            certain=self._marked is not None,
        )
        return written, sides.findings


def _is_broken(count: float) -> bool:
    return abs(count - round(count)) > max(1e-9, _WHOLE * abs(count)) or 0 < count < 0.5
