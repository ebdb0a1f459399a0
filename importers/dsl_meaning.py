"""What the names of a text in the reaction language mean, and what they are worth at the start.

A rule (:=) is written out in laws. A name that stands before a species as its amount is no parameter,
its value is a rule of the network; where an event or a rate rule changes it, it is a constant.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any, Literal

import sympy
from lark import Token, Tree

from kinetix.errors import KinetixError
from kinetix.expressions import TIME, number, symbol

from .dsl_draft import Draft, Set
from .dsl_math import Formulas, Term, constant, names_of
from .dsl_words import CONSTANTS
from .worked_out import worked_out

MAX_LAW = 20_000
"""The most pieces that a law may have once the rules are written into it."""
MOST = 2**62
"""Counts are whole numbers of 64 bits, with room for what reactions add."""
DEFAULT_HOME = "default_compartment"
"""Where Antimony puts species that are put nowhere: a text may give it a size."""


class Meaning:
    """The names of a draft: which are what, their values at the start, and the rules among them."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.source = draft.source
        self.formulas = Formulas(draft.source, draft.functions)
        self.compartments = dict(draft.compartments)
        for home in (*draft.homes.values(), *draft.homes_by_reaction.values()):
            self.compartments.setdefault(str(home), home)
        self._places = dict(draft.homes_by_reaction)
        for reaction in draft.reactions:
            if (place := draft.homes.get(str(reaction.name))) is not None:
                self._places |= {str(member.name): place for member in reaction.members}
        self.varying = draft.rules.keys() | draft.rates.keys() | draft.set_by_events.keys()
        self.boundary = draft.boundary | ((draft.fixed | draft.rates.keys()) & draft.species.keys())
        self.amounts = frozenset(draft.multiples.keys() - self.varying)

    # what is what ----------------------------------------------------------------------------

    @property
    def counted(self) -> list[str]:
        """The species that reactions change."""
        return [s for s in self.draft.species if s not in self.boundary and s not in self.draft.rules]

    @property
    def parameters(self) -> list[str]:
        """The names that are neither species nor compartments, defined by no rule and no mere amounts."""
        draft = self.draft
        names = dict.fromkeys((*draft.values, *draft.declared, *draft.rates))
        others = {*draft.species, *draft.rules, *self.compartments, *draft.multiples}
        return [name for name in names if name not in others]

    @property
    def constants(self) -> dict[str, Literal["boundary", "compartment", "parameter"]]:
        """Compartments, boundary species and amounts that change, in the order of the text, by their kind."""
        fixed = {s: token for s, token in self.draft.species.items() if s in self.boundary}
        moving = {n: token for n, token in self.draft.multiples.items() if n in self.varying}
        listed = {**self.compartments, **fixed, **moving}
        places = {n: token for n, token in listed.items() if n not in self.draft.rules}
        in_order = sorted(places, key=lambda n: (places[n].line or 0, places[n].column or 0))
        return {n: "boundary" if n in fixed else "parameter" if n in moving else "compartment" for n in in_order}

    def home(self, name: str) -> str | None:
        """The compartment of a species, where the text names one."""
        home = self.draft.homes.get(name, self._places.get(name))
        if home is None and DEFAULT_HOME in self.compartments:
            return DEFAULT_HOME
        return None if home is None else str(home)

    @cached_property
    def known(self) -> frozenset[str]:
        """Every name that is an element of the model."""
        draft = self.draft
        books: tuple[Iterable[str], ...] = (draft.species, self.compartments, draft.values, draft.rules, draft.declared)
        return frozenset(name for book in books for name in book) | draft.rates.keys()

    def unknown(self, token: Token) -> KinetixError:
        """The refusal of a name that nothing defines, with the nearest one."""
        name = str(token)
        if any(r.name == name for r in self.draft.reactions):
            return self.source.unsupported(
                token, f"the rate of reaction {name!r} in a formula", "write the law out", elsewhere=True
            )
        near = get_close_matches(name, sorted(self.known), n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"give it a value: {name} = ..."
        return self.source.refusal(token, f"unknown name {name!r}", mend)

    # names in formulas -----------------------------------------------------------------------

    def in_law(self, token: Token) -> Term:
        """A name in a propensity, an amount, an event or a rate rule: rules are written out."""
        name = str(token)
        return Term(self._written_out[name]) if name in self.draft.rules else self._in_rule(token)

    def _in_rule(self, token: Token) -> Term:
        """A name in a rule: the symbol of any element."""
        if token.type == "_TIME":
            return Term(TIME)
        if token in self.amounts:
            value = self.value(str(token))
            return Term(number(value), value)
        if token in self.known:
            return Term(symbol(str(token)))
        if token in CONSTANTS:
            return constant(token)
        raise self.unknown(token)

    # values at the start -----------------------------------------------------------------------

    def value(self, name: str) -> float:
        """What a name is worth at the start; one without a value is refused at its first place."""
        if name not in self.draft.values:
            draft = self.draft
            rates = {n: place for n, (place, _) in draft.rates.items()}
            known = (draft.set_by_events, rates, draft.multiples, self.compartments, draft.species, draft.declared)
            places: Mapping[str, Token] = {n: place for book in known for n, place in book.items()}
            raise self.source.refusal(places[name], f"{name!r} has no value", f"give it one: {name} = ...")
        value = self._values[name]
        if name in self.compartments and value <= 0:
            place = self.draft.values[name][1]
            raise self.source.refusal(place, f"compartment {name!r} has the size {value:g}", "sizes are > 0")
        return value

    def count(self, name: str) -> float:
        """The initial count of a species; fractions are kept for `check` to say (KX106)."""
        if name not in self.draft.values:
            near = get_close_matches(name, sorted({*self.draft.values, *self.draft.declared} - {name}), n=1)
            mend = f"write species {name} = 0" + (f", or did you mean {near[0]!r}?" if near else "")
            raise self.source.refusal(self.draft.species[name], f"species {name!r} has no initial count", mend)
        value = self.value(name)
        if value > MOST:
            reason = f"species {name!r} starts at {value:g}, more than the {MOST:g} that can be counted"
            raise self.source.refusal(self.draft.values[name][1], reason)
        if value < 0:
            raise self.source.refusal(
                self.draft.values[name][1], f"species {name!r} starts at {value:g}", "give a count >= 0"
            )
        return int(value) if value.is_integer() else value

    @cached_property
    def _values(self) -> dict[str, float]:
        """What every name set by = is worth, worked out in the order in which they need each other."""
        book = {**self.draft.rules, **self.draft.values}
        needed, waiting = set(self.draft.values), list(self.draft.values)
        while waiting:  # rules are worked out only where a value needs them
            uses = {str(token) for token in names_of(book[waiting.pop()][1])} & book.keys()
            waiting += sorted(uses - needed)
            needed |= uses
        worth: dict[str, float] = {}

        def resolve(token: Token) -> Term:
            if token.type == "_TIME" or token in worth:
                value = 0.0 if token.type == "_TIME" else worth[str(token)]
                return Term(sympy.Float(value), value)
            if token in CONSTANTS and token not in self.known:
                return constant(token)
            if token in self.known:
                mend = f"give it one: {token!s} = ..."
                raise self.source.refusal(token, f"{str(token)!r} has no value", mend)
            raise self.unknown(token)

        for name in self._ordered({n: book[n] for n in needed}):
            value = self.formulas.number(book[name][1], resolve).value
            assert value is not None  # every name in it has a value, so it has one too
            worth[name] = float(value)
        return worth

    @property
    def worked_out(self) -> dict[str, frozenset[str]]:
        """The names set by = from other names, and these."""
        book = {**self.draft.rules, **self.draft.values}
        uses = {name: [str(t) for t in names_of(tree) if t in self.known] for name, (_, tree) in book.items()}
        return worked_out(self.draft.values, uses)

    def _ordered(self, book: Mapping[str, Set]) -> list[str]:
        """The names so that each comes after those that its formula uses; a cycle is named."""
        uses = {name: [str(t) for t in names_of(tree) if t in book] for name, (_, tree) in book.items()}
        try:
            return list(TopologicalSorter(uses).static_order())
        except CycleError as problem:
            cycle = list(reversed(problem.args[1]))
            reason = f"{cycle[0]!r} is defined by itself: {' needs '.join(cycle)}"
            raise self.source.refusal(book[cycle[0]][0], reason, "break the circle") from None

    # rules -----------------------------------------------------------------------------------

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The rules (:=) in the order of the text, in terms of any other names, and amounts that have names."""
        return {**self._rules, **{name: number(self.value(name)) for name in sorted(self.amounts)}}

    @cached_property
    def _rules(self) -> dict[str, Any]:
        self._ordered(self.draft.rules)  # refuses a circle
        rules = {}
        for name, (_, tree) in self.draft.rules.items():
            rules[name] = self.sound(tree, self.formulas.number(tree, self._in_rule).expression)
        return rules

    @cached_property
    def _written_out(self) -> dict[str, Any]:
        """The rules without other rules in them, so that laws read counts and parameters alone."""
        written: dict[str, Any] = {}
        for name in self._ordered(self.draft.rules):
            inner = {symbol(n): e for n, e in written.items()}
            place = self.draft.rules[name][1]
            written[name] = self.sound(place, self._rules[name].xreplace(inner))
        return written

    def sound(self, place: Tree[Token], expression: Any) -> Any:
        """The expression, unless it is too large or holds what is not a double."""
        if sum(1 for _ in islice(sympy.preorder_traversal(expression), MAX_LAW)) == MAX_LAW:
            raise self.source.refusal(place, f"with its rules written out the law has {MAX_LAW:,} pieces or more")
        if expression.has(sympy.I, sympy.zoo, sympy.oo, sympy.nan):
            raise self.source.refusal(place, "the formula has no real value")
        for value in expression.atoms(sympy.Number):
            largest = sympy.Float(sys.float_info.max)
            if abs(value) > largest or (value != 0 and float(value) == 0):
                raise self.source.refusal(place, "a number in it is too large or too small for a double")
        return expression
