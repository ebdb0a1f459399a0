"""The statements of a model, gathered into a draft before names have a meaning."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from lark import Token, Tree

from kinetix.errors import ModelError

from .dsl_draft import Draft, EventDraft, Member, ReactionDraft
from .dsl_math import Definition, arguments_of
from .dsl_source import Source, tokens
from .dsl_words import MASS_ACTION

OPTIONS = {"t0": "at_start", "persistent": "persistent", "fromTrigger": "from_trigger"}
"""The options of an event as Antimony names them, and as `kinetix.events.Event` does."""
MOST = 2**53
"""The largest amount of a species in a reaction: whole numbers beyond are no exact doubles."""


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
            case "rate":
                _rate(draft, child)
            case "event":
                _event(draft, child)
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
        raise source.unsupported(models[1], "a second model in one file", mend, elsewhere=True)
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


def _rate(draft: Draft, tree: Tree[Token]) -> None:
    target, sign, formula = tree.children
    name = _target(draft, target)
    if sign != "=":
        raise draft.source.refusal(_place(sign), "a rate rule is written with =", f"write {name!s}' = ...")
    _once(draft, draft.rates, name, (name, formula), "is given a rate rule")


# reactions, events and functions -------------------------------------------------------------------


def _reaction(draft: Draft, tree: Tree[Token]) -> None:
    label, left, arrow, right, law, home = tree.children
    name, place = _label(draft, label, "reaction", [r.name for r in draft.reactions])
    reactants, products = _side(draft, left), _side(draft, right)
    home = home if home is not None else place
    if home is not None:
        for member in (*reactants, *products):
            draft.homes_by_reaction[str(member.name)] = home
    constants = _constants(draft.source, law, arrow)
    start = next(tokens(tree))
    draft.reactions.append(ReactionDraft(start, name, reactants, products, law, constants))


def _label(draft: Draft, label: Any, what: str, taken: list[Token | None]) -> tuple[Token | None, Token | None]:
    """The name before a colon and the compartment that it is put into."""
    if label is None:
        return None, None
    target, home = label.children
    dollar, name = target.children
    if dollar is not None:
        raise draft.source.refusal(dollar, f"the name of a {what} has no $")
    for earlier in taken:
        if earlier == name:
            mend = f"give every {what} its own name"
            raise draft.source.refusal(name, f"the {what} {str(name)!r} is in line {earlier.line} too", mend)
    return name, home


def _side(draft: Draft, side: Any) -> tuple[Member, ...]:
    """The members of a side, each species once."""
    members: dict[str, Member] = {}
    for child in side.children:
        if isinstance(child, Token):  # a plus sign
            continue
        written, target = child.children
        named = child.data == "multiple"
        name = _target(draft, target)
        draft.species.setdefault(str(name), name)
        before = members.get(str(name), Member(name, 0))
        amount = before.amount + (0 if named else _amount(draft.source, written))
        members[str(name)] = Member(name, amount, before.multiples + ((_place(written),) if named else ()))
    return tuple(members.values())


def _amount(source: Source, written: Token | None) -> float:
    if written is None:
        return 1
    value = float(written)
    if not 0 < value <= MOST:
        raise source.refusal(written, f"the stoichiometry {written!s} is no number from above 0 to 2^53")
    return value


def _event(draft: Draft, tree: Tree[Token]) -> None:
    label, trigger, delayed, options, listed = tree.children
    name, home = _label(draft, label, "event", [e.name for e in draft.events])
    if home is not None:
        raise draft.source.refusal(home, "an event lies in no compartment", "leave out what stands after in")
    assignments: dict[str, tuple[Token, Tree[Token]]] = {}
    for target, sign, formula in (_children(c) for c in _children(listed)):
        changed = _target(draft, target)
        if sign != "=":
            raise draft.source.refusal(_place(sign), "an event gives values with =", f"write {changed!s} = ...")
        _once(draft, assignments, changed, (changed, formula), "is set")
    delay, trigger = (None, trigger) if delayed is None else (trigger, delayed.children[0])
    chosen, priority = _options(draft.source, options)
    start = next(tokens(tree))
    draft.events.append(EventDraft(start, name, trigger, tuple(assignments.values()), chosen, delay, priority))


def _options(source: Source, tree: Any) -> tuple[dict[str, bool], Tree[Token] | None]:
    """The options between trigger and colon: at_start, from_trigger and persistent; and the priority."""
    options: dict[str, bool] = {}
    priority: Tree[Token] | None = None
    for i in range(0, len(tree.children), 3):
        name, sign, value = tree.children[i : i + 3]
        if name == "priority" and sign == "=" and priority is None:
            priority = value
            continue
        if name not in OPTIONS:
            near = get_close_matches(str(name), OPTIONS, n=1, cutoff=0.5)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(OPTIONS)}, priority"
            raise source.refusal(name, f"events have no option {str(name)!r}", mend)
        if sign != "=" or value.data != "name" or value.children[0] not in {"true", "false"}:
            raise source.refusal(name, f"the option {name!s} is true or false", f"write {name!s}=false")
        if OPTIONS[name] in options:
            raise source.refusal(name, f"the option {name!s} is given twice", "keep one")
        options[OPTIONS[name]] = value.children[0] == "true"
    if "at_start" in options:  # Antimony says whether the trigger counts as true before the start
        options["at_start"] = not options["at_start"]
    return options, priority


def _children(tree: Any) -> list[Any]:
    return list(tree.children)


def _place(item: Any) -> Token:
    assert isinstance(item, Token)
    return item


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
