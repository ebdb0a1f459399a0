"""Reactions, events and rate rules of a text in the reaction language, once its names have a meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kinetix.events import Event
from kinetix.expressions import symbol
from kinetix.network import Amount, Reaction, mass_action

from .dsl_draft import EventDraft, Member, ReactionDraft
from .dsl_meaning import Meaning

MOST_MOLECULES = 100
"""The most molecules of one species whose combinations mass_action() writes out."""


def reactions_of(meaning: Meaning) -> list[Reaction]:
    """The reactions in the order of the text; two constants make two, there and back."""
    reactions: list[Reaction] = []
    drafts = meaning.draft.reactions
    taken = {str(r.name) for r in drafts if r.name is not None} | meaning.known
    free = _free_names("J", taken)
    for draft in drafts:
        name = next(free) if draft.name is None else str(draft.name)
        if not draft.constants:
            law = meaning.formulas.number(draft.law, meaning.in_law).expression
            reactions.append(_reaction(meaning, name, draft, law))
            continue
        forward, *back = (meaning.formulas.number(c, meaning.in_law).expression for c in draft.constants)
        reactions.append(_reaction(meaning, name, draft, _mass_action(meaning, forward, draft.reactants)))
        for rate in back:
            law = _mass_action(meaning, rate, draft.products)
            reverse = f"{name}_reverse"
            if reverse in taken:
                raise meaning.source.refusal(draft.place, f"the way back takes the name {reverse!r}, which is in use")
            reactions.append(_reaction(meaning, reverse, draft, law, back=True))
    return reactions


def events_of(meaning: Meaning) -> list[Event]:
    """The events in the order of the text, which is the order in which they fire together."""
    drafts = meaning.draft.events
    free = _free_names("E", {str(e.name) for e in drafts if e.name is not None} | meaning.known)
    return [_event(meaning, next(free) if e.name is None else str(e.name), e) for e in drafts]


def rates_of(meaning: Meaning) -> dict[str, Any]:
    """The rate rules, with other rules written out in them."""
    rates = {}
    for name, (_, tree) in meaning.draft.rates.items():
        rates[name] = meaning.sound(tree, meaning.formulas.number(tree, meaning.in_law).expression)
    return rates


def _free_names(letter: str, taken: Iterable[str]) -> Iterator[str]:
    """J0, J1, ... but for those in use."""
    used, count = set(taken), 0
    while True:
        if (name := f"{letter}{count}") not in used:
            yield name
        count += 1


def _reaction(meaning: Meaning, name: str, draft: ReactionDraft, law: Any, *, back: bool = False) -> Reaction:
    sides = (draft.products, draft.reactants) if back else (draft.reactants, draft.products)
    taken, made = ({str(m.name): _amount(meaning, m) for m in side if m.name not in meaning.boundary} for side in sides)
    return Reaction(name, taken, made, meaning.sound(draft.law, law))


def _amount(meaning: Meaning, member: Member) -> Amount:
    """How many molecules: a number, or the expression of a name whose value varies."""
    total: Any = member.amount
    for name in member.multiples:
        term = meaning.in_law(name)
        total = total + (term.expression if term.value is None else float(term.value))
    if isinstance(total, int | float) and not total > 0:
        raise meaning.source.refusal(member.name, f"the amount of {str(member.name)!r} is {total:g}; amounts are > 0")
    amount: Amount = total
    return amount


def _mass_action(meaning: Meaning, rate: Any, members: Iterable[Member]) -> Any:
    amounts = {}
    for member in members:
        amount = _amount(meaning, member)
        if isinstance(amount, int | float) and amount > MOST_MOLECULES:
            reason = f"mass_action() of {amount:g} {member.name!s}: the most is {MOST_MOLECULES} of one species"
            raise meaning.source.refusal(member.name, reason, "write the law out")
        if isinstance(amount, int | float) and amount == int(amount):
            amounts[str(member.name)] = int(amount)
            continue
        reason = f"mass_action() counts whole molecules, and this takes {amount} of {str(member.name)!r}"
        raise meaning.source.refusal(member.name, reason, "write the law out")
    law = mass_action(rate, amounts)
    return law.xreplace({symbol(str(m.name)): meaning.in_law(m.name).expression for m in members})


def _event(meaning: Meaning, name: str, draft: EventDraft) -> Event:
    trigger = meaning.sound(draft.trigger, meaning.formulas.condition(draft.trigger, meaning.in_law).expression)
    values = {}
    for token, tree in draft.assignments:
        if token not in meaning.known:
            raise meaning.unknown(token)
        values[str(token)] = meaning.sound(tree, meaning.formulas.number(tree, meaning.in_law).expression)
    extra = {
        what: meaning.sound(tree, meaning.formulas.number(tree, meaning.in_law).expression)
        for what, tree in (("delay", draft.delay), ("priority", draft.priority))
        if tree is not None
    }
    return Event(name, trigger, values, **draft.options, **extra)
