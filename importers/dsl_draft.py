"""What a text of the reaction language says, before names have a meaning.

Order does not matter in the language: a name may be used before it is declared. So the statements are
gathered into a `Draft` first, and only then is it decided what is a species and what is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from lark import Token, Tree

from .dsl_math import Definition
from .dsl_source import Source

Set: TypeAlias = "tuple[Token, Tree[Token]]"
"""A name at its place, and the formula that it is given."""


@dataclass(frozen=True, slots=True)
class Member:
    """One species on one side of a reaction: how many of it, as a number and by the names that stand before it."""

    name: Token
    amount: float
    multiples: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class ReactionDraft:
    """A reaction as written; `constants` holds the trees within mass_action(...), else `law` is the whole law."""

    place: Token
    name: Token | None
    reactants: tuple[Member, ...]
    products: tuple[Member, ...]
    law: Tree[Token]
    constants: tuple[Tree[Token], ...] = ()

    @property
    def members(self) -> tuple[Member, ...]:
        """The species of both sides."""
        return (*self.reactants, *self.products)


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event as written: what it sets when its trigger turns true, and its options."""

    place: Token
    name: Token | None
    trigger: Tree[Token]
    assignments: tuple[Set, ...]
    options: dict[str, bool]
    delay: Tree[Token] | None = None
    priority: Tree[Token] | None = None


@dataclass
class Draft:
    """Everything a file says; dictionaries go from a name to the token or tree that says it."""

    source: Source
    name: str | None = None
    species: dict[str, Token] = field(default_factory=dict)
    declared: dict[str, Token] = field(default_factory=dict)
    compartments: dict[str, Token] = field(default_factory=dict)
    boundary: set[str] = field(default_factory=set)
    fixed: set[str] = field(default_factory=set)
    amounts: set[str] = field(default_factory=set)
    homes: dict[str, Token] = field(default_factory=dict)
    homes_by_reaction: dict[str, Token] = field(default_factory=dict)
    values: dict[str, Set] = field(default_factory=dict)
    rules: dict[str, Set] = field(default_factory=dict)
    rates: dict[str, Set] = field(default_factory=dict)
    reactions: list[ReactionDraft] = field(default_factory=list)
    events: list[EventDraft] = field(default_factory=list)
    functions: dict[str, Definition] = field(default_factory=dict)

    @property
    def set_by_events(self) -> dict[str, Token]:
        """The names that events set, each at its first place."""
        places: dict[str, Token] = {}
        for event in self.events:
            for name, _ in event.assignments:
                places.setdefault(str(name), name)
        return places

    @property
    def multiples(self) -> dict[str, Token]:
        """The names that stand before a species in a reaction, as amounts, each at its first place."""
        places: dict[str, Token] = {}
        for reaction in self.reactions:
            for member in reaction.members:
                for name in member.multiples:
                    places.setdefault(str(name), name)
        return places
