"""What the statements of a model say, gathered before names have a meaning.

Order does not matter in the language: a name may be used before it is declared. So the tree is
read once into a `Draft`, and only then does `dsl.py` decide what is a species and what is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lark import Token, Tree

from kinetix.errors import ModelError

from .dsl_math import Definition, arguments_of
from .dsl_source import Source, tokens
from .dsl_words import MASS_ACTION


@dataclass(frozen=True, slots=True)
class Member:
    """One species on one side of a reaction, with how many molecules of it."""

    name: Token
    amount: int


@dataclass(frozen=True, slots=True)
class ReactionDraft:
    """A reaction as written; `constants` holds the trees within mass_action(...), else `law` is the whole law."""

    place: Token
    name: Token | None
    reactants: tuple[Member, ...]
    products: tuple[Member, ...]
    law: Tree[Token]
    constants: tuple[Tree[Token], ...] = ()


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
    values: dict[str, tuple[Token, Tree[Token]]] = field(default_factory=dict)
    rules: dict[str, tuple[Token, Tree[Token]]] = field(default_factory=dict)
    reactions: list[ReactionDraft] = field(default_factory=list)
    functions: dict[str, Definition] = field(default_factory=dict)


def gather(source: Source, tree: Tree[Token]) -> Draft:
    """Read every statement of a file into a draft."""
    draft = Draft(source)
    for child in _statements(source, tree, draft):
        match child.data:
            case "declaration":
                _declaration(draft, child)
            case "setting":
                _setting(draft, child)
            case "reaction":
                _reaction(draft, child)
            case "function":
                _function(draft, child)
            case _:  # an annotation: a remark about an element, which changes no law
                continue
    return draft


def _statements(source: Source, tree: Tree[Token], draft: Draft) -> Iterator[Tree[Token]]:
    """The statements of the one model, whether or not it is wrapped in model ... end."""
    models = [c for c in tree.children if isinstance(c, Tree) and c.data == "model"]
    if len(models) > 1:
        mend = "write one model in a file"
        raise source.unsupported(models[1], "a second model in one file", mend)
    for child in tree.children:
        if not isinstance(child, Tree):
            continue
        if child.data == "model":
            name = next(c for c in child.children if isinstance(c, Token) and c.type == "NAME")
            draft.name = str(name)
            yield from (c for c in child.children[-1].children if isinstance(c, Tree))
        elif models and child.data not in {"function", "annotation"}:
            raise source.refusal(child, "this stands outside the model", "move it between model and end")
        else:
            yield child


# declarations ------------------------------------------------------------------------------------


def _declaration(draft: Draft, tree: Tree[Token]) -> None:
    words = [c for c in tree.children if isinstance(c, Token)]
    kinds = {str(word) for word in words}
    if len(kinds) < len(words) or {"const", "var"} <= kinds or {"species", "compartment"} <= kinds:
        raise draft.source.refusal(words[0], f"{' '.join(words)} contradicts itself")
    if "substanceOnly" in kinds and "species" not in kinds:
        raise draft.source.refusal(words[0], "only species can be substanceOnly", "write substanceOnly species X")
    for item in tree.children[len(words) :]:
        name = _item(draft, item)
        draft.declared.setdefault(str(name), name)
        if "species" in kinds:
            draft.species.setdefault(str(name), name)
        if "compartment" in kinds:
            draft.compartments.setdefault(str(name), name)
        if "const" in kinds:
            draft.fixed.add(str(name))
        if "substanceOnly" in kinds:
            draft.amounts.add(str(name))


def _setting(draft: Draft, tree: Tree[Token]) -> None:
    item: Any = tree.children[0]
    name = _item(draft, item)
    _, home, value = item.children
    if home is None and value is None:
        mend = f"give it a value, {name} = ..., or declare it: species {name} = ..."
        raise draft.source.refusal(name, f"{str(name)!r} alone says nothing", mend)


def _item(draft: Draft, item: Any) -> Token:
    """One name with its compartment and value, as a declaration or a setting says them."""
    target, home, value = item.children
    sign, formula, later = value.children if value is not None else (None, None, None)
    name = _target(draft, target)
    for place in (home, later):
        if place is not None:
            _once(draft, draft.homes, name, place, "is put into a compartment")
    if sign is not None:
        book = draft.values if sign == "=" else draft.rules
        _once(draft, book, name, (name, formula), "is given a value")
        if str(name) in draft.values and str(name) in draft.rules:
            raise draft.source.refusal(name, f"{str(name)!r} has both a value (=) and a rule (:=)", "keep one")
    return name


def _target(draft: Draft, target: Any) -> Token:
    dollar, name = target.children
    if dollar is not None:
        draft.boundary.add(str(name))
        draft.species.setdefault(str(name), name)
    return name


def _once(draft: Draft, book: dict[str, Any], name: Token, value: Any, what: str) -> None:
    if str(name) in book:
        earlier = book[str(name)]
        line = (earlier[0] if isinstance(earlier, tuple) else earlier).line
        raise draft.source.refusal(name, f"{str(name)!r} {what} twice, first in line {line}", "keep one")
    book[str(name)] = value


# reactions and functions ---------------------------------------------------------------------------


def _reaction(draft: Draft, tree: Tree[Token]) -> None:
    label, left, arrow, right, law, home = tree.children
    name, place = _label(draft, label)
    reactants, products = _side(draft, left), _side(draft, right)
    home = home if home is not None else place
    if home is not None:
        for member in (*reactants, *products):
            draft.homes_by_reaction[str(member.name)] = home
    constants = _constants(draft.source, law, arrow)
    start = next(tokens(tree))
    draft.reactions.append(ReactionDraft(start, name, reactants, products, law, constants))


def _label(draft: Draft, label: Any) -> tuple[Token | None, Token | None]:
    if label is None:
        return None, None
    target, home = label.children
    dollar, name = target.children
    if dollar is not None:
        raise draft.source.refusal(dollar, "a reaction's name has no $")
    for earlier in draft.reactions:
        if earlier.name == name:
            mend = "give every reaction its own name"
            raise draft.source.refusal(name, f"the reaction {str(name)!r} is in line {earlier.place.line} too", mend)
    return name, home


def _side(draft: Draft, side: Any) -> tuple[Member, ...]:
    """The members of a side, each species once."""
    members: dict[str, Member] = {}
    for child in side.children:
        if isinstance(child, Token):  # a plus sign
            continue
        amount, target = child.children
        name = _target(draft, target)
        draft.species.setdefault(str(name), name)
        before = members[str(name)].amount if str(name) in members else 0
        members[str(name)] = Member(name, before + _amount(draft.source, amount))
    return tuple(members.values())


def _amount(source: Source, written: Token | None) -> int:
    if written is None:
        return 1
    value = float(written)
    if value < 1 or not value.is_integer() or value > 2**53:
        raise source.refusal(written, f"the stoichiometry {written!s} is not a whole number from 1", "count molecules")
    return int(value)


def _constants(source: Source, law: Any, arrow: Any) -> tuple[Tree[Token], ...]:
    """The one or two constants of mass_action(...), or none where the law is written out."""
    if law.data != "call" or law.children[0] != MASS_ACTION:
        return ()
    constants = tuple(arguments_of(law))
    if len(constants) not in (1, 2):
        raise source.refusal(law, f"mass_action() takes one or two constants, not {len(constants)}")
    if len(constants) == 2 and arrow == "=>":
        raise source.refusal(arrow, "two constants, forward and back, need the arrow ->")
    return constants


def _function(draft: Draft, tree: Tree[Token]) -> None:
    name, listed = tree.children[0], tree.children[1]
    body = tree.children[-1]
    arguments = tuple(c for c in listed.children if isinstance(c, Token)) if isinstance(listed, Tree) else ()
    source = draft.source
    if name == MASS_ACTION:
        mend = "give the function another name"
        raise source.refusal(name, "mass_action is a word of the language, and has one meaning", mend)
    if str(name) in draft.functions:
        raise source.refusal(name, f"the function {str(name)!r} is defined twice", "keep one")
    if len(set(map(str, arguments))) < len(arguments):
        raise source.refusal(name, f"the function {str(name)!r} names an argument twice")
    if not isinstance(name, Token) or not isinstance(body, Tree):
        raise ModelError("the function has no body")
    draft.functions[str(name)] = Definition(name, arguments, body)
