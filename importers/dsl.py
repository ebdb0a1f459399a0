"""The reaction language of kinetix: text to a reaction network, in molecule counts.

A subset of Antimony plus one law, `mass_action(k)`. Any other law is the whole propensity, taken
verbatim. Nothing in the text is ever evaluated as code: the grammar's tree is walked node by node.
L. P. Smith, F. T. Bergmann, D. Chandran, H. M. Sauro, Bioinformatics 25 (2009) 2452,
doi:10.1093/bioinformatics/btp401.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from pathlib import Path
from typing import Any

import sympy
from lark import Token, Tree

from kinetix.errors import KinetixError, ModelError, SettingError
from kinetix.expressions import TIME, symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action

from .dsl_math import Formulas, Term, constant, names_of
from .dsl_statements import Draft, Member, ReactionDraft, gather
from .dsl_syntax import MAX_CHARACTERS, parse_tree
from .dsl_words import CONSTANTS

MAX_LAW = 20_000
"""The most pieces that a law may have once the rules are written into it."""
MOST = 2**62
"""Counts are whole numbers of 64 bits, with room for what reactions add."""


def read(path: Path, *, law: str = "auto", scale: float | None = None) -> ReactionNetwork:  # noqa: ARG001
    """The network in a file of the reaction language; laws are verbatim whatever `law` says."""
    if scale is not None:
        reason = "the reaction language counts molecules: there is nothing to scale"
        raise SettingError(reason, file=str(path), place="scale", mend="leave scale out")
    data = path.read_bytes()
    if len(data) > MAX_CHARACTERS:
        raise ModelError(f"the file has {len(data):,} bytes; the limit is {MAX_CHARACTERS:,}", file=str(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        reason = f"byte {problem.start} (0x{data[problem.start]:02x}) is not UTF-8 text"
        raise ModelError(reason, file=str(path), mend="save the file as UTF-8") from None
    return parse(text, name=path.stem, source=path.name)


def parse(text: str, *, name: str | None = None, source: str | None = None) -> ReactionNetwork:
    """The network that a text describes; `name` serves where the text names none."""
    where, tree = parse_tree(text)
    return _Assembly(gather(where, tree)).network(name or "model", source)


class _Assembly:
    """From what the statements say to the network: what each name is, and what it is worth."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.source = draft.source
        self.formulas = Formulas(draft.source, draft.functions)
        self.compartments = dict(draft.compartments)
        for home in (*draft.homes.values(), *draft.homes_by_reaction.values()):
            self.compartments.setdefault(str(home), home)
        self.boundary = draft.boundary | (draft.fixed & draft.species.keys())

    def network(self, name: str, source: str | None) -> ReactionNetwork:
        """The whole network, validated."""
        draft = self.draft
        self._refuse_contradictions()
        counted = [s for s in draft.species if s not in self.boundary and s not in draft.rules]
        if not (draft.species or draft.values or draft.declared or draft.rules or draft.compartments):
            raise ModelError("there is no model in it", file=source, mend="declare a species, as: species X = 0")
        species = [Species(s, self._count(s), self._home(s)) for s in counted]
        others = [n for n in (*draft.values, *draft.declared) if n not in draft.species and n not in draft.rules]
        parameters = [Parameter(n, self._value(n)) for n in dict.fromkeys(others) if n not in self.compartments]
        fixed = {s: token for s, token in draft.species.items() if s in self.boundary and s not in draft.rules}
        places = {**self.compartments, **fixed}
        in_order = sorted(places, key=lambda n: (places[n].line, places[n].column))
        constants = [Parameter(n, self._value(n), "boundary" if n in fixed else "compartment") for n in in_order]
        self._refuse_concentrations(counted, {c.name: c.value for c in constants})
        return ReactionNetwork(
            species,
            parameters,
            self._reactions(),
            name=draft.name or name,
            constants=constants,
            variables=self._rules,
            source=source,
        )

    # what names mean -------------------------------------------------------------------------

    @cached_property
    def _known(self) -> frozenset[str]:
        draft = self.draft
        books: tuple[Iterable[str], ...] = (draft.species, self.compartments, draft.values, draft.rules, draft.declared)
        return frozenset(name for book in books for name in book)

    def _unknown(self, token: Token) -> KinetixError:
        name = str(token)
        if any(r.name == name for r in self.draft.reactions):
            return self.source.unsupported(token, f"the rate of reaction {name!r} in a formula", "write the law out")
        near = get_close_matches(name, sorted(self._known), n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"give it a value: {name} = ..."
        return self.source.refusal(token, f"unknown name {name!r}", mend)

    def _in_law(self, token: Token) -> Term:
        """A name in a propensity: rules are written out."""
        name = str(token)
        return Term(self._written_out[name]) if name in self.draft.rules else self._in_rule(token)

    def _in_rule(self, token: Token) -> Term:
        """A name in a rule: the symbol of any element."""
        if token.type == "_TIME":
            return Term(TIME)
        if token in self._known:
            return Term(symbol(str(token)))
        if token in CONSTANTS:
            return constant(token)
        raise self._unknown(token)

    # values at the start -----------------------------------------------------------------------

    def _value(self, name: str) -> float:
        if name not in self.draft.values:
            places: Mapping[str, Token] = {**self.compartments, **self.draft.species, **self.draft.declared}
            raise self.source.refusal(places[name], f"{name!r} has no value", f"give it one: {name} = ...")
        value = self._values[name]
        if name in self.compartments and value <= 0:
            place = self.draft.values[name][1]
            raise self.source.refusal(place, f"compartment {name!r} has the size {value:g}", "sizes are > 0")
        return value

    def _count(self, name: str) -> float:
        if name not in self.draft.values:
            near = get_close_matches(name, sorted({*self.draft.values, *self.draft.declared}), n=1)
            mend = f"write species {name} = 0" + (f", or did you mean {near[0]!r}?" if near else "")
            raise self.source.refusal(self.draft.species[name], f"species {name!r} has no initial count", mend)
        value = self._value(name)
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
            if token in CONSTANTS and token not in self._known:
                return constant(token)
            if token in self._known:
                mend = f"give it one: {token!s} = ..."
                raise self.source.refusal(token, f"{str(token)!r} has no value", mend)
            raise self._unknown(token)

        for name in self._ordered({n: book[n] for n in needed}):
            value = self.formulas.number(book[name][1], resolve).value
            assert value is not None  # every name in it has a value, so it has one too
            worth[name] = float(value)
        return worth

    def _ordered(self, book: Mapping[str, tuple[Token, Tree[Token]]]) -> list[str]:
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
    def _rules(self) -> dict[str, Any]:
        """The rules (:=) in the order of the file, in terms of any other names."""
        self._ordered(self.draft.rules)  # refuses a circle
        rules = {}
        for name, (_, tree) in self.draft.rules.items():
            rules[name] = self._sound(tree, self.formulas.number(tree, self._in_rule).expression)
        return rules

    @cached_property
    def _written_out(self) -> dict[str, Any]:
        """The rules without other rules in them, so that laws read counts and parameters alone."""
        written: dict[str, Any] = {}
        for name in self._ordered(self.draft.rules):
            inner = {symbol(n): e for n, e in written.items()}
            place = self.draft.rules[name][1]
            written[name] = self._sound(place, self._rules[name].xreplace(inner))
        return written

    # reactions -------------------------------------------------------------------------------

    def _reactions(self) -> list[Reaction]:
        reactions: list[Reaction] = []
        taken = {str(r.name) for r in self.draft.reactions if r.name is not None} | self._known
        free = (name for name in map("J{}".format, range(len(taken) + len(self.draft.reactions))) if name not in taken)
        for draft in self.draft.reactions:
            name = next(free) if draft.name is None else str(draft.name)
            if not draft.constants:
                law = self.formulas.number(draft.law, self._in_law).expression
                reactions.append(self._reaction(name, draft, law))
                continue
            forward, *back = (self.formulas.number(c, self._in_law).expression for c in draft.constants)
            reactions.append(self._reaction(name, draft, self._mass_action(forward, draft.reactants)))
            for rate in back:
                law = self._mass_action(rate, draft.products)
                reverse = f"{name}_reverse"
                if reverse in taken:
                    raise self.source.refusal(draft.place, f"the way back takes the name {reverse!r}, which is in use")
                reactions.append(self._reaction(reverse, draft, law, back=True))
        return reactions

    def _reaction(self, name: str, draft: ReactionDraft, law: Any, *, back: bool = False) -> Reaction:
        sides = (draft.products, draft.reactants) if back else (draft.reactants, draft.products)
        taken, made = ({str(m.name): m.amount for m in side if m.name not in self.boundary} for side in sides)
        return Reaction(name, taken, made, self._sound(draft.law, law))

    def _mass_action(self, rate: Any, members: Iterable[Member]) -> Any:
        law = mass_action(rate, {str(m.name): m.amount for m in members})
        return law.xreplace({symbol(str(m.name)): self._in_law(m.name).expression for m in members})

    def _sound(self, place: Tree[Token], expression: Any) -> Any:
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

    # refusals --------------------------------------------------------------------------------

    def _home(self, name: str) -> str | None:
        home = self.draft.homes.get(name) or self.draft.homes_by_reaction.get(name)
        return None if home is None else str(home)

    def _refuse_contradictions(self) -> None:
        draft = self.draft
        for name, token in self.compartments.items():
            if name in draft.species:
                raise self.source.refusal(token, f"{name!r} is both a species and a compartment", "rename one")
            if name in draft.rules:
                raise self.source.unsupported(draft.rules[name][0], f"the varying size of compartment {name!r} (:=)")
        for name, (token, _) in draft.rules.items():
            if name in draft.fixed:
                raise self.source.refusal(token, f"{name!r} is const, but a rule (:=) varies it", "keep one")
        for reaction in draft.reactions:
            for member in (*reaction.reactants, *reaction.products):
                if member.name in draft.rules and member.name not in self.boundary:
                    reason = f"a rule (:=) sets {str(member.name)!r}, and this reaction changes it"
                    raise self.source.refusal(member.name, reason, f"write ${member.name!s} here, or drop the rule")

    def _refuse_concentrations(self, counted: Iterable[str], sizes: Mapping[str, float]) -> None:
        """Antimony means a concentration where a species lies in a compartment: only amounts are counts."""
        for name in counted:
            home = self._home(name)
            if home is not None and sizes[home] != 1 and name not in self.draft.amounts:
                reason = f"species {name!r} lies in {home!r} of size {sizes[home]:g}, so it is a concentration"
                mend = f"write substanceOnly species {name} in {home}, and laws in counts"
                raise self.source.refusal(self.draft.species[name], reason, mend)
