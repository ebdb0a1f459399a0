"""Reaction networks written in the reaction language, exactly: read back, the fingerprint is the same.

Laws are written out whole. A law kept beside its propensity for the mean field is not written, and
names that are words of the language get a trailing `_`, said in the first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from kinetix.errors import UnsupportedFeature
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, Stoichiometry

from .dsl_formula import FormulaWriter
from .dsl_words import WORDS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def to_text(network: ReactionNetwork) -> str:
    """The text of a network; raises UnsupportedFeature for what the language has no words for."""
    elements = [*network.species_names, *network.theta_names, *network.variables]
    names = _renamed(elements)
    reactions = _renamed([reaction.name for reaction in network.reactions])
    formulas = FormulaWriter(names, network.theta_names)
    sections = [
        _constants(network, names),
        [_species(species, network, names) for species in network.species],
        [f"{names[p.name]} = {_number(p.value)}" for p in network.parameters],
        [f"{names[name]} := {formulas.text(rule)}" for name, rule in network.variables.items()],
        [_reaction(reaction, reactions[reaction.name], names, formulas) for reaction in network.reactions],
    ]
    body = "\n\n".join("\n".join(lines) for lines in sections if lines)
    return "".join(_framed(network.name, body, {**names, **reactions}))


def _framed(name: str, body: str, names: Mapping[str, str]) -> Iterator[str]:
    """The body between model and end; a network without a name of its own stands bare."""
    if changed := [f"{old} is {new}" for old, new in names.items() if old != new]:
        yield f"# words of the language, renamed: {', '.join(changed)}\n"
    if name == "model":
        yield f"{body}\n"
        return
    title = re.sub(r"[^A-Za-z0-9_]", "_", name, flags=re.ASCII) or "_"
    title = f"_{title}" if title[0].isdigit() else title
    yield f"model {title}{'_' if title in WORDS else ''}\n"
    for line in body.splitlines():
        yield f"  {line}\n" if line else "\n"
    yield "end\n"


def _renamed(names: Iterable[str]) -> dict[str, str]:
    """Each name as it is written: words of the language get `_` until they clash with nothing."""
    given = list(names)
    taken, written = set(given), {}
    for name in given:
        if not _NAME.fullmatch(name):
            mend = "names have letters a-z, A-Z, digits and _"
            raise UnsupportedFeature(f"the name {name!r} cannot be written in the reaction language", mend=mend)
        new = name
        while new in WORDS or (new != name and new in taken):
            new += "_"
        taken.add(new)
        written[name] = new
    return written


def _constants(network: ReactionNetwork, names: Mapping[str, str]) -> list[str]:
    words = {"compartment": "compartment ", "boundary": "species $", "parameter": ""}
    return [f"{words[c.kind]}{names[c.name]} = {_number(c.value)}" for c in network.constants]


def _species(species: Species, network: ReactionNetwork, names: Mapping[str, str]) -> str:
    home = _home(species, network.constants)
    amount = "" if home is None or home.value == 1 else "substanceOnly "
    within = "" if home is None else f" in {names[home.name]}"
    return f"{amount}species {names[species.name]}{within} = {_number(species.initial)}"


def _home(species: Species, constants: Iterable[Parameter]) -> Parameter | None:
    return next((c for c in constants if c.kind == "compartment" and c.name == species.compartment), None)


def _reaction(reaction: Reaction, name: str, names: Mapping[str, str], formulas: FormulaWriter) -> str:
    sides = (_side(reaction, side, names) for side in (reaction.reactants, reaction.products))
    arrow = " -> ".join(sides).lstrip()
    return f"{name}: {arrow}; {formulas.text(reaction.propensity)}"


def _side(reaction: Reaction, counts: Stoichiometry, names: Mapping[str, str]) -> str:
    parts = []
    for species, amount in counts.items():
        if amount != int(amount):
            raise UnsupportedFeature(
                f"reaction {reaction.name!r} changes {species!r} by {amount}: the language counts whole molecules"
            )
        parts.append(names[species] if amount == 1 else f"{int(amount)} {names[species]}")
    return " + ".join(parts)


def _number(value: float) -> str:
    """A value so that reading it gives the same double."""
    double = float(value)
    whole = double.is_integer() and abs(double) < 2**53 and (double != 0 or str(double) == "0.0")
    return str(int(double)) if whole else repr(double)
