"""Reaction networks written in the reaction language, exactly: read back, the fingerprint is the same.

Laws are written out whole. A law kept beside its propensity for the mean field is not written, and
names that are words of the language get a trailing `_`, said in the first line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from kinetix.errors import UnsupportedFeature
from kinetix.events import Event
from kinetix.network import Amount, Reaction, ReactionNetwork, Species, Stoichiometry

from .amount_names import AmountNames, amount_names
from .dsl_formula import FormulaWriter
from .dsl_words import WORDS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def to_text(network: ReactionNetwork) -> str:
    """The text of a network; raises UnsupportedFeature for what the language has no words for."""
    elements = [*network.species_names, *network.theta_names, *network.variables]
    names = _renamed([*elements, *(h for h in _homes(network) if h not in elements)])
    reactions = _renamed([reaction.name for reaction in network.reactions], {*names.values()})
    events = _renamed([event.name for event in network.events], {*names.values(), *reactions.values()})
    formulas = FormulaWriter(names, network.theta_names)
    taken = {*names, *names.values(), *reactions.values(), *events.values()}
    amounts = amount_names(network, taken, once=False)
    sections = [
        _constants(network, names),
        [_species(species, network, names) for species in network.species],
        [f"{names[p.name]} = {_number(p.value)}" for p in network.parameters],
        [f"{_variable(name, network, names)} := {formulas.text(rule)}" for name, rule in network.variables.items()],
        [f"{names[name]}' = {formulas.text(slope)}" for name, slope in network.rate_rules.items()],
        [_reaction(reaction, reactions[reaction.name], amounts, names, formulas) for reaction in network.reactions],
        [f"{name} := {formulas.text(rule)}" for name, rule in amounts.rules.items()],
        [_event(event, events[event.name], names, formulas) for event in network.events],
    ]
    body = "\n\n".join("\n".join(lines) for lines in sections if lines)
    changed = [
        f"{old} is {new}" for written in (names, reactions, events) for old, new in written.items() if old != new
    ]
    return "".join(_framed(network.name, body, changed))


def _framed(name: str, body: str, changed: list[str]) -> Iterator[str]:
    """The body between model and end; a network without a name of its own stands bare."""
    if changed:
        yield f"# renamed, being words of the language or names of two things: {', '.join(dict.fromkeys(changed))}\n"
    if name == "model":
        yield f"{body}\n"
        return
    title = re.sub(r"[^A-Za-z0-9_]", "_", name, flags=re.ASCII) or "_"
    title = f"_{title}" if title[0].isdigit() else title
    yield f"model {title}{'_' if title in WORDS else ''}\n"
    for line in body.splitlines():
        yield f"  {line}\n" if line else "\n"
    yield "end\n"


def _renamed(names: Iterable[str], others: Collection[str] = ()) -> dict[str, str]:
    """Each name as it is written: words of the language, and names of `others`, get `_` until nothing clashes."""
    given = list(names)
    taken, written = {*given, *others}, {}
    for name in given:
        if not _NAME.fullmatch(name):
            mend = "names have letters a-z, A-Z, digits and _"
            raise UnsupportedFeature(f"the name {name!r} cannot be written in the reaction language", mend=mend)
        new = name
        while new in WORDS or new in others or (new != name and new in taken):
            new += "_"
        taken.add(new)
        written[name] = new
    return written


# compartments, species and rules -------------------------------------------------------------------


def _homes(network: ReactionNetwork) -> dict[str, str]:
    """The compartments that species lie in, by their species."""
    counted = {s.name: s.compartment for s in network.species if s.compartment is not None}
    return {home: name for name, home in (counted | dict(network.homes)).items() if _size(home, network) is not None}


def _size(home: str, network: ReactionNetwork) -> float | str | None:
    """The size of a compartment, "varies", or None where the network gives it none."""
    if home in network.variables or home in network.changing:
        return "varies"
    return next((c.value for c in network.constants if c.kind == "compartment" and c.name == home), None)


def _placed(word: str, name: str, home: str | None, network: ReactionNetwork, names: Mapping[str, str]) -> str:
    """The declaration of a species; where its compartment is not of size 1, its symbol is said to be an amount."""
    size = None if home is None else _size(home, network)
    amount = "" if size in {None, 1} else "substanceOnly "
    within = "" if size is None or home is None else f" in {names[home]}"
    return f"{amount}{word}{names[name]}{within}"


def _constants(network: ReactionNetwork, names: Mapping[str, str]) -> list[str]:
    words = {"compartment": "compartment ", "parameter": ""}
    lines = []
    for constant in network.constants:
        if constant.kind == "boundary":
            start = _placed("species $", constant.name, network.homes.get(constant.name), network, names)
        else:
            start = f"{words[constant.kind]}{names[constant.name]}"
        lines.append(f"{start} = {_number(constant.value)}")
    return lines


def _species(species: Species, network: ReactionNetwork, names: Mapping[str, str]) -> str:
    start = _placed("species ", species.name, species.compartment, network, names)
    return f"{start} = {_number(species.initial)}"


def _variable(name: str, network: ReactionNetwork, names: Mapping[str, str]) -> str:
    """What a rule defines: a species that lies somewhere, a compartment, or a plain name."""
    if name in network.homes:
        return _placed("species $", name, network.homes[name], network, names)
    return f"compartment {names[name]}" if name in _homes(network) else names[name]


# reactions and events ------------------------------------------------------------------------------


def _side(place: tuple[str, str], counts: Stoichiometry, amounts: AmountNames, names: Mapping[str, str]) -> str:
    """One side, as 2 X + 1.5 Y + n Z."""
    parts = []
    for species, amount in counts.items():
        name = amounts.names.get((*place, species))
        number = f"{names.get(name, name)} " if name is not None else "" if amount == 1 else f"{_number(amount)} "
        parts.append(f"{number}{names[species]}")
    return " + ".join(parts)


def _reaction(
    reaction: Reaction, name: str, amounts: AmountNames, names: Mapping[str, str], formulas: FormulaWriter
) -> str:
    left = _side((reaction.name, "reactants"), reaction.reactants, amounts, names)
    right = _side((reaction.name, "products"), reaction.products, amounts, names)
    return f"{name}: {f'{left} -> {right}'.lstrip()}; {formulas.text(reaction.propensity)}"


def _event(event: Event, name: str, names: Mapping[str, str], formulas: FormulaWriter) -> str:
    delay = f"{formulas.text(event.delay)} after " if event.delay is not None else ""
    options = [f", priority={formulas.text(event.priority)}"] if event.priority is not None else []
    options += [", t0=false"] if event.at_start else []
    options += [", persistent=false"] if not event.persistent else []
    options += [", fromTrigger=false"] if not event.from_trigger else []
    assigned = ", ".join(f"{names[changed]} = {formulas.text(value)}" for changed, value in event.assignments.items())
    return f"{name}: at {delay}({formulas.text(event.trigger)}){''.join(options)}: {assigned or ';'}"


def _number(value: Amount) -> str:
    """A value so that reading it gives the same double."""
    double = float(value)
    whole = double.is_integer() and abs(double) < 2**53 and (double != 0 or str(double) == "0.0")
    return str(int(double)) if whole else repr(double)
