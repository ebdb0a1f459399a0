"""What a reaction network says, frozen and validated: all that determines its law, and nothing that follows from it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import sympy

from .elements import Parameter, Reaction, Species
from .errors import ModelError, StaleValueWarning, require_known
from .events import Event
from .expressions import TIME, names_in, tidy
from .findings import Finding, Findings

MOST_AT_ONCE = 2**53
"""The most molecules that one firing takes or makes: beyond it, whole numbers are no exact doubles."""


@dataclass(frozen=True)
class NetworkDefinition:
    """The fields of a `ReactionNetwork`, which says what each of them is."""

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
    worked_out: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False)

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
        worked_out: Mapping[str, frozenset[str]] | None = None,
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
        put(self, "worked_out", MappingProxyType(dict(worked_out or {})))
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

    @cached_property
    def used(self) -> frozenset[str]:
        """The names that a law, a rule or an event reads or sets."""
        laws = [r.propensity for r in self.reactions] + [r.law for r in self.reactions]
        rules = (*self.variables.values(), *self.rate_rules.values())
        amounts = [a for r in self.reactions for _, a in r.fractions if isinstance(a, sympy.Expr)]
        read = set().union(*(names_in(e) for e in (*laws, *rules, *amounts)), *(e.names for e in self.events))
        return frozenset(read | {name for e in self.events for name in e.assignments} | set(self.rate_rules))

    # new networks ----------------------------------------------------------------------------

    def replace(
        self, *, parameters: Mapping[str, float] | None = None, initial: Mapping[str, float] | None = None
    ) -> Self:
        """The same network with other parameter values (boundary species and volumes included) or starts."""
        values, starts = dict(parameters or {}), dict(initial or {})
        boundary = {c.name for c in self.constants if c.kind == "boundary"}
        values.update({name: starts.pop(name) for name in list(starts) if name in boundary})
        require_known(values, self.theta_names, "parameter")
        require_known(starts, self.species_names, "species")
        self.warn_of_stale({**values, **starts})
        return self.with_parts(
            species=[replace(s, initial=starts.get(s.name, s.initial)) for s in self.species],
            parameters=[replace(p, value=float(values.get(p.name, p.value))) for p in self.parameters],
            constants=[replace(c, value=float(values.get(c.name, c.value))) for c in self.constants],
        )

    def warn_of_stale(self, changed: Iterable[str]) -> None:
        """StaleValueWarning for values that were worked out from a name in `changed`, and are not themselves."""
        if not self.worked_out:  # most networks, asked for every law
            return
        given = set(changed)
        for name in sorted((self.worked_out.keys() - given) & (self.used | set(self.species_names))):
            if sources := sorted(self.worked_out[name] & given):
                reason = f"{name!r} was worked out from {sources[0]!r} when the model was read and does not follow it"
                warnings.warn(f"{reason}; set {name!r} too (in infer: derived=)", StaleValueWarning, stacklevel=3)

    def with_parts(self, **parts: Any) -> Self:
        """The same network with some of its fields (`reactions=`, `events=`, `report=` ...) replaced."""
        return type(self)(**{f.name: parts.get(f.name, getattr(self, f.name)) for f in fields(self)})

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
        kinds = {Species: self.species, Parameter: (*self.parameters, *self.constants), Reaction: self.reactions}
        for kind, items in kinds.items():
            if wrong := [item for item in items if not isinstance(item, kind)]:
                mend = f"give kinetix.{kind.__name__} objects, or write the network as text for kinetix.parse"
                raise ModelError(f"{wrong[0]!r:.80} is no {kind.__name__}", mend=mend)
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
        self._validate_events()

    def _validate_events(self) -> None:
        """Refuse events and rate rules that use or set what the network does not have."""
        settable = {*self.species_names, *self.theta_names}
        for event in self.events:
            if unknown := sorted(set(event.assignments) - settable):
                raise ModelError(f"event {event.name!r} sets {unknown}, which are no species and no parameters")
            if unknown := sorted(event.names - settable):
                raise ModelError(f"event {event.name!r} uses {unknown}", mend="declare them as species or parameters")
            if any(e.has(sympy.I, sympy.zoo, sympy.oo, sympy.nan) for e in event.expressions):
                raise ModelError(f"event {event.name!r} contains what is not a real number")
        for name, slope in self.rate_rules.items():
            if name not in self.theta_names:
                raise ModelError(f"the rate rule of {name!r} is for no parameter, compartment or boundary species")
            if unknown := sorted(names_in(slope) - settable):
                raise ModelError(f"the rate rule of {name!r} uses {unknown}; declare them as species or parameters")
            if slope.has(sympy.I, sympy.zoo, sympy.oo, sympy.nan):
                raise ModelError(f"the rate rule of {name!r} is not a real number: {slope}")

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


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted(n for n in set(names) if names.count(n) > 1) if len(set(names)) < len(names) else []


def _number(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
