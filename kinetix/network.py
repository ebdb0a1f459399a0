"""The reaction network: its definition, and what can be asked of it."""

from __future__ import annotations

import importlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import structure
from .definition import NetworkDefinition
from .elements import Amount, Parameter, Reaction, Species, Stoichiometry, mass_action
from .findings import Findings
from .fingerprint import fingerprint

if TYPE_CHECKING:
    import networkx as nx

    from .import_report import Line

__all__ = ["Amount", "Parameter", "Reaction", "ReactionNetwork", "Species", "Stoichiometry", "mass_action"]


class ReactionNetwork(NetworkDefinition):
    """A chemical reaction network in symbols.

    `species` are counted, in declaration order, which is the order of every array. `parameters`
    can be varied; `constants` are compartment sizes and boundary species. `variables` are defined
    by rules, as expressions in the others. `events` set counts and parameters at moments;
    `rate_rules` let a parameter or constant change continuously, by its derivative in time (the mean
    field runs them). `homes` are the compartments of species that are not counted: boundary ones and
    those that a rule defines. `report` holds what the importer found and changed;
    `worked_out` which values it worked out from others (`k2 = 10*k`, initial assignments), and these.
    """

    @cached_property
    def stoichiometry(self) -> NDArray[np.int64]:
        """The net change of every species by every reaction: [R, S]."""
        return structure.change_matrix(self)

    def graph(self) -> nx.MultiDiGraph:
        """The stoichiometry graph: bipartite, species and reactions (see `structure.graph`)."""
        return structure.graph(self)

    def conservation_laws(self) -> NDArray[np.int64]:
        """Independent integer weights whose sum over the counts no reaction changes: [L, S]."""
        return structure.conservation_laws(self.stoichiometry)

    def dependencies(self) -> tuple[tuple[int, ...], ...]:
        """For every reaction, the reactions whose propensity its firing can change."""
        return structure.dependencies(self)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what determines the law: not names of files, order of parameters, unused volumes."""
        return fingerprint(self)

    def check(self, solver: str | None = None) -> Findings:
        """Coded findings: what would go wrong as a stochastic model (see `kinetix.check`)."""
        from .check import check

        return check(self, solver=solver)

    def import_report(self) -> tuple[Line, ...]:
        """One line a channel: law read, propensity run, split, converted, mass action (see `kinetix.import_report`)."""
        from .import_report import import_report

        return import_report(self)

    # writers (the one place where the core reaches a wing, by name) ----------------------------

    def to_text(self) -> str:
        """The network in the reaction language of kinetix."""
        return str(importlib.import_module("kinetix.importers.dsl_writer").to_text(self))

    def to_sbml(self, path: str | Path) -> None:
        """Write SBML Level 3 (amounts, one-way reactions) to `path`."""
        importlib.import_module("kinetix.importers.sbml_writer").write(self, Path(path))

    def to_latex(self) -> str:
        """Reactions and propensities, rules and events as LaTeX tables."""
        from .typeset import to_latex

        return to_latex(self)

    def draw(self, path: str | Path) -> None:
        """Write a picture of the stoichiometry graph to `path` (.png, .svg, .pdf)."""
        from .drawing import draw

        draw(self, Path(path))
