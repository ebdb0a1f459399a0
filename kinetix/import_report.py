"""What became of every reaction on its way into the network: the law read, and the propensity run.

One line a channel: whether it was split from a reversible reaction, whether its law was converted
(k*X**2 read as k*X*(X - 1)), whether it is mass action, and the codes of what was found about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sympy

from .definition import NetworkDefinition
from .elements import Reaction
from .expressions import TIME, symbol
from .findings import Finding

SPLIT = "is run as two channels"
"""What the finding KX103 says of a net law that was taken apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """One channel: `law` as read, `propensity` as run, and what lies between.

    `split_from` is the reaction whose net law was taken apart; `order` the number of molecules that
    meet where the propensity is mass action (a constant times the distinct combinations of exactly its
    reactants), otherwise None. `codes` are those of the findings about it.
    """

    reaction: str
    law: sympy.Expr
    propensity: sympy.Expr
    split_from: str | None
    order: int | None
    codes: tuple[str, ...] = ()

    @property
    def converted(self) -> bool:
        """Whether the propensity is not the law as read."""
        return bool(self.law != self.propensity)

    @property
    def mass_action(self) -> bool:
        """Whether the propensity is mass action."""
        return self.order is not None

    def as_dict(self) -> dict[str, object]:
        """The line as plain data, for JSON."""
        return {
            "reaction": self.reaction,
            "law": str(self.law),
            "propensity": str(self.propensity),
            "split_from": self.split_from,
            "converted": self.converted,
            "mass_action": self.mass_action,
            "order": self.order,
            "codes": list(self.codes),
        }


def import_report(network: NetworkDefinition, findings: Iterable[Finding] | None = None) -> tuple[Line, ...]:
    """One line a channel, in the order of the network; `findings` default to those of the importer."""
    codes: dict[str, set[str]] = {}
    for finding in network.report if findings is None else findings:
        codes.setdefault(finding.element, set()).add(finding.code)
    origins = dict(_origins(network))
    species = frozenset(map(symbol, network.species_names))
    lines = []
    for reaction in network.reactions:
        origin = origins.get(reaction.name)
        found = codes.get(reaction.name, set()) | (codes.get(origin, set()) if origin is not None else set())
        order = order_of(reaction, species)
        lines.append(Line(reaction.name, reaction.law, reaction.propensity, origin, order, tuple(sorted(found))))
    return tuple(lines)


def table(lines: Sequence[Line]) -> list[str]:
    """The report as lines of text under a heading, laws last."""
    heading = ("reaction", "kind", "split from", "converted", "findings", "law -> propensity")
    rows = [heading, *(_row(line) for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heading) - 1)]
    return ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]


def order_of(reaction: Reaction, species: frozenset[sympy.Symbol]) -> int | None:
    """How many molecules meet in a mass-action reaction: None where the propensity is anything else."""
    if any(not isinstance(amount, int) for amount in reaction.reactants.values()):
        return None
    taken = {symbol(name): int(m) for name, m in reaction.reactants.items()}
    there = reaction.propensity.free_symbols & species
    constant, rest = reaction.propensity.as_independent(*there, as_Add=False)
    if TIME in constant.free_symbols or rest.free_symbols != set(taken):
        return None
    combinations = sympy.Mul(*(sympy.ff(x, m) for x, m in taken.items()))
    if rest != combinations:
        if not rest.is_polynomial(*taken):
            return None
        here, wanted = sympy.Poly(rest, *taken), sympy.Poly(combinations, *taken)
        if here.mul_ground(wanted.LC()) != wanted.mul_ground(here.LC()):
            return None
    return sum(taken.values())


def _row(line: Line) -> tuple[str, ...]:
    kind = f"mass action, order {line.order}" if line.mass_action else "other law"
    laws = f"{line.law} -> {line.propensity}" if line.converted else str(line.law)
    codes = " ".join(line.codes)
    return line.reaction, kind, line.split_from or "-", "yes" if line.converted else "-", codes or "-", laws


def _origins(network: NetworkDefinition) -> Iterator[tuple[str, str]]:
    """Channel and reaction for each net law that was taken apart: the two stand together, forward first."""
    split = {f.element for f in network.report if f.code == "KX103" and SPLIT in f.reason}
    names = {reaction.name for reaction in network.reactions}
    before: Reaction | None = None
    for reaction in network.reactions:
        base = reaction.name.rstrip("_").removesuffix("_reverse")
        if reaction.name in split:
            yield reaction.name, reaction.name
        elif before is not None and before.name in split and _turned(before, reaction):
            yield reaction.name, before.name
        elif base in split and base not in names:
            yield reaction.name, base
        before = reaction


def _turned(first: Reaction, second: Reaction) -> bool:
    return (dict(first.reactants), dict(first.products)) == (dict(second.products), dict(second.reactants))
