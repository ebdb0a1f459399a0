"""The reaction network: species, parameters and reactions as symbols, frozen and validated."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import sympy
from numpy.typing import NDArray

from . import events as event_rules
from . import structure
from .errors import ModelError, SettingError
from .events import Event
from .expressions import TIME, names_in, symbol, tidy
from .findings import Finding, Findings
from .fingerprint import fingerprint

if TYPE_CHECKING:
    import networkx as nx

    from .import_report import Line

Amount: TypeAlias = "int | float | sympy.Expr"
"""How many molecules a firing takes or makes: a whole number; fractions and expressions are for the mean field."""

Stoichiometry = Mapping[str, Amount]

MOST_AT_ONCE = 2**53
"""The most molecules that one firing takes or makes: beyond it, whole numbers are no exact doubles."""


@dataclass(frozen=True, slots=True)
class Species:
    """A kind of molecule that is counted; `initial` is its count at time 0."""

    name: str
    initial: float = 0
    compartment: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named constant: a rate constant, a compartment's size or the amount of a boundary species."""

    name: str
    value: float
    kind: Literal["parameter", "compartment", "boundary"] = "parameter"


@dataclass(frozen=True)
class Reaction:
    """One channel: what it consumes and makes, and its `propensity` in events per time at counts.

    `law` is the rate as the source wrote it, where that differs (the mean field reads it); it
    defaults to the propensity.
    """

    name: str
    reactants: Stoichiometry
    products: Stoichiometry
    propensity: sympy.Expr
    law: sympy.Expr = None  # filled in below

    def __post_init__(self) -> None:
        object.__setattr__(self, "reactants", MappingProxyType(_amounts(self.reactants)))
        object.__setattr__(self, "products", MappingProxyType(_amounts(self.products)))
        object.__setattr__(self, "propensity", tidy(sympy.sympify(self.propensity, strict=True)))
        law = self.propensity if self.law is None else tidy(sympy.sympify(self.law, strict=True))
        object.__setattr__(self, "law", law)

    @property
    def fractions(self) -> tuple[tuple[str, Amount], ...]:
        """The species that are taken or made in other than fixed whole numbers, and how many (KX105)."""
        sides = (*self.reactants.items(), *self.products.items())
        return tuple((name, amount) for name, amount in sides if not isinstance(amount, int))

    def __str__(self) -> str:
        return f"{self.name}: {_side(self.reactants)} -> {_side(self.products)}; {self.propensity}"


def mass_action(rate: str | sympy.Expr | float, reactants: Stoichiometry) -> sympy.Expr:
    """`rate` times the number of distinct reactant combinations: 2 A gives k*A*(A - 1)/2.

    `rate` is a parameter's name (a name only, never parsed as text) or an expression.
    """
    factor = symbol(rate) if isinstance(rate, str) else sympy.sympify(rate, strict=True)
    return factor * sympy.Mul(*(sympy.ff(symbol(s), m) / sympy.factorial(m) for s, m in reactants.items()))


@dataclass(frozen=True)
class ReactionNetwork:
    """A chemical reaction network in symbols.

    `species` are counted, in declaration order, which is the order of every array. `parameters`
    can be varied; `constants` are compartment sizes and boundary species. `variables` are defined
    by rules, as expressions in the others. `events` set counts and parameters at moments;
    `rate_rules` let a parameter or constant change continuously, by its derivative in time (the mean
    field runs them). `homes` are the compartments of species that are not counted: boundary ones and
    those that a rule defines. `report` holds what the importer found and changed.
    """

    species: tuple[Species, ...]
    parameters: tuple[Parameter, ...]
    reactions: tuple[Reaction, ...]
    name: str = "model"
    constants: tuple[Parameter, ...] = ()
    variables: Mapping[str, sympy.Expr] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    rate_rules: Mapping[str, sympy.Expr] = field(default_factory=dict)
    homes: Mapping[str, str] = field(default_factory=dict)
    report: Findings = field(default_factory=Findings, compare=False)
    source: str | None = field(default=None, compare=False)

    def __init__(  # noqa: PLR0913, PLR0917 - one argument a field
        self,
        species: Iterable[Species],
        parameters: Iterable[Parameter],
        reactions: Iterable[Reaction],
        name: str = "model",
        constants: Iterable[Parameter] = (),
        variables: Mapping[str, sympy.Expr] | None = None,
        events: Iterable[Event] = (),
        rate_rules: Mapping[str, sympy.Expr] | None = None,
        homes: Mapping[str, str] | None = None,
        report: Iterable[Finding] = (),
        source: str | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "species", tuple(species))
        put(self, "parameters", tuple(parameters))
        put(self, "reactions", tuple(reactions))
        put(self, "name", name)
        put(self, "constants", tuple(constants))
        put(self, "variables", MappingProxyType({k: tidy(v) for k, v in (variables or {}).items()}))
        put(self, "events", tuple(events))
        put(self, "rate_rules", MappingProxyType({k: tidy(v) for k, v in (rate_rules or {}).items()}))
        put(self, "homes", MappingProxyType(dict(homes or {})))
        put(self, "report", Findings(tuple(report)))
        put(self, "source", source)
        self._validate()

    # names -----------------------------------------------------------------------------------

    @cached_property
    def species_names(self) -> tuple[str, ...]:
        """The names of the counted species, in array order: [S]."""
        return tuple(s.name for s in self.species)

    @cached_property
    def theta_names(self) -> tuple[str, ...]:
        """The names of the entries of theta: parameters, then constants: [P]."""
        return tuple(p.name for p in (*self.parameters, *self.constants))

    # arrays and structure --------------------------------------------------------------------

    @cached_property
    def stoichiometry(self) -> NDArray[np.int64]:
        """The net change of every species by every reaction: [R, S]."""
        return structure.change_matrix(self)

    @property
    def propensities(self) -> tuple[sympy.Expr, ...]:
        """The propensity of every reaction as a sympy expression: R of them."""
        return tuple(reaction.propensity for reaction in self.reactions)

    @cached_property
    def depends_on_time(self) -> bool:
        """Whether a propensity contains the time explicitly."""
        return any(TIME in reaction.propensity.free_symbols for reaction in self.reactions)

    @cached_property
    def changing(self) -> frozenset[str]:
        """The parameters and constants that an event or a rate rule changes."""
        set_by_events = {name for event in self.events for name in event.assignments}
        return frozenset((set_by_events | set(self.rate_rules)) - set(self.species_names))

    def graph(self) -> nx.MultiDiGraph:
        """The stoichiometry graph: bipartite, species and reactions (see `structure.graph`)."""
        return structure.graph(self)

    def conservation_laws(self) -> NDArray[np.int64]:
        """Independent integer weights whose sum over the counts no reaction changes: [L, S]."""
        return structure.conservation_laws(self.stoichiometry)

    def dependencies(self) -> tuple[tuple[int, ...], ...]:
        """For every reaction, the reactions whose propensity its firing can change."""
        return structure.dependencies(self)

    # identity --------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what determines the law: not names of files, order of parameters, unused volumes."""
        return fingerprint(self)

    @cached_property
    def used(self) -> frozenset[str]:
        """The names that a law, a rule or an event reads or sets."""
        laws = [r.propensity for r in self.reactions] + [r.law for r in self.reactions]
        rules = (*self.variables.values(), *self.rate_rules.values())
        amounts = [a for r in self.reactions for _, a in r.fractions if isinstance(a, sympy.Expr)]
        read = set().union(*(names_in(e) for e in (*laws, *rules, *amounts)), *(e.names for e in self.events))
        return frozenset(read | {name for e in self.events for name in e.assignments} | set(self.rate_rules))

    def check(self, solver: str | None = None) -> Findings:
        """Coded findings: what would go wrong as a stochastic model (see `kinetix.check`)."""
        from .check import check

        return check(self, solver=solver)

    def import_report(self) -> tuple[Line, ...]:
        """One line a channel: law read, propensity run, split, converted, mass action (see `kinetix.import_report`)."""
        from .import_report import import_report

        return import_report(self)

    # new networks ----------------------------------------------------------------------------

    def replace(
        self, *, parameters: Mapping[str, float] | None = None, initial: Mapping[str, float] | None = None
    ) -> ReactionNetwork:
        """The same network with other parameter values (boundary species and volumes included) or starts."""
        values, starts = dict(parameters or {}), dict(initial or {})
        boundary = {c.name for c in self.constants if c.kind == "boundary"}
        values.update({name: starts.pop(name) for name in list(starts) if name in boundary})
        require_known(values, self.theta_names, "parameter")
        require_known(starts, self.species_names, "species")
        return self.with_parts(
            species=[replace(s, initial=starts.get(s.name, s.initial)) for s in self.species],
            parameters=[replace(p, value=float(values.get(p.name, p.value))) for p in self.parameters],
            constants=[replace(c, value=float(values.get(c.name, c.value))) for c in self.constants],
        )

    def with_parts(self, **parts: Any) -> ReactionNetwork:
        """The same network with some of its fields (`reactions=`, `events=`, `report=` ...) replaced."""
        return ReactionNetwork(**{f.name: parts.get(f.name, getattr(self, f.name)) for f in fields(self)})

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

    def __str__(self) -> str:
        lines = [f"{self.name}: {len(self.species)} species, {len(self.reactions)} reactions"]
        lines += ["species"] + [f"  {s.name} = {_number(s.initial)}" for s in self.species]
        lines += ["parameters"] + [f"  {p.name} = {_number(p.value)}" for p in self.parameters]
        if self.constants:
            lines += ["constants"] + [f"  {c.name} = {_number(c.value)} ({c.kind})" for c in self.constants]
        if self.variables:
            lines += ["rules"] + [f"  {name} := {rule}" for name, rule in self.variables.items()]
        if self.rate_rules:
            lines += ["rate rules"] + [f"  {name}' = {slope}" for name, slope in self.rate_rules.items()]
        lines += ["reactions"] + [f"  {reaction}" for reaction in self.reactions]
        if self.events:
            lines += ["events"] + [f"  {event}" for event in self.events]
        return "\n".join(lines)

    # validation ------------------------------------------------------------------------------

    def _validate(self) -> None:
        names = [*self.species_names, *self.theta_names, *self.variables]
        if twice := _repeated(names):
            raise ModelError(f"{twice} are declared more than once", mend="give every element its own name")
        for what, used in (("reaction", self.reactions), ("event", self.events)):
            if twice := _repeated([item.name for item in used]):
                raise ModelError(f"the {what} names {twice} are used more than once")
        for item in self.species:
            if not math.isfinite(item.initial) or item.initial < 0:
                raise ModelError(f"species {item.name!r} starts at {item.initial}", mend="give a count >= 0")
        for constant in (*self.parameters, *self.constants):
            if not math.isfinite(constant.value):
                raise ModelError(f"{constant.kind} {constant.name!r} has the value {constant.value}")
            if constant.kind == "compartment" and constant.value <= 0:
                raise ModelError(f"compartment {constant.name!r} has the size {constant.value}; sizes are > 0")
        declared, counted = set(names), set(self.species_names)
        for reaction in self.reactions:
            self._validate_reaction(reaction, declared - set(self.variables), counted)
        for name, rule in self.variables.items():
            if unknown := sorted(names_in(rule) - declared):
                raise ModelError(f"the rule of {name!r} uses {unknown}; declare them as species or parameters")
            if rule.has(sympy.I, sympy.zoo, sympy.oo, sympy.nan):
                raise ModelError(f"the rule of {name!r} is not a real number: {rule}")
        event_rules.validate(self)

    @staticmethod
    def _validate_reaction(reaction: Reaction, declared: set[str], counted: set[str]) -> None:
        if unknown := sorted((set(reaction.reactants) | set(reaction.products)) - counted):
            raise ModelError(f"reaction {reaction.name!r} changes {unknown}, which are not species of the network")
        for name, amount in (*reaction.reactants.items(), *reaction.products.items()):
            if not isinstance(amount, sympy.Expr) and not 0 < amount <= MOST_AT_ONCE:
                reason = f"reaction {reaction.name!r} takes or makes {amount:g} of {name!r}"
                raise ModelError(reason, mend="use numbers from above 0 to 2^53")
        varying = [amount for _, amount in reaction.fractions if isinstance(amount, sympy.Expr)]
        for expression in (reaction.propensity, reaction.law, *varying):
            if unknown := sorted(names_in(expression) - declared):
                raise ModelError(
                    f"reaction {reaction.name!r} uses {unknown}", mend="declare them as species or parameters"
                )
            if expression.has(sympy.I, sympy.zoo, sympy.oo, sympy.nan):
                raise ModelError(f"the law of reaction {reaction.name!r} is not a real number: {expression}")


def require_known(given: Iterable[str], known: Sequence[str], what: str) -> None:
    """Refuse names in `given` that are not in `known`, with the nearest one."""
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise SettingError(f"unknown {what} {name!r}", mend=mend)


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted(n for n in set(names) if names.count(n) > 1) if len(set(names)) < len(names) else []


def _amounts(side: Stoichiometry) -> dict[str, Amount]:
    """Whole numbers as int, other numbers as float, expressions as they are."""
    result: dict[str, Amount] = {}
    for name, given in side.items():
        amount: Amount = given
        if isinstance(amount, sympy.Expr) and amount.is_number and amount.is_real:
            amount = float(amount)
        if isinstance(amount, sympy.Expr):
            amount = tidy(amount)
        else:
            amount = int(amount) if math.isfinite(amount) and amount == int(amount) else float(amount)
        result[name] = amount
    return result


def _side(counts: Stoichiometry) -> str:
    shown = {name: f"({m})" if isinstance(m, sympy.Expr) else f"{m}" for name, m in counts.items()}
    return " + ".join(name if m == "1" else f"{m} {name}" for name, m in shown.items())


def _number(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
