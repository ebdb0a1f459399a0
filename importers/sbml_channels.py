"""The reactions of an SBML file as channels of a stochastic model, and what was done to make them so.

A reversible reaction with a net law becomes two channels (KX103); a power law k*X**2 for a reaction
that consumes 2 X becomes k*X*(X - 1) (KX102), unless laws are to be taken verbatim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sympy

from kinetix.errors import UnsupportedFeature
from kinetix.expressions import symbol
from kinetix.findings import Finding
from kinetix.import_report import SPLIT
from kinetix.network import Amount, Reaction, Stoichiometry
from kinetix.reversible import ZERO, CannotSplitError, Splitter


@dataclass(frozen=True)
class Written:
    """A reaction as the file has it: `law` in events per time at counts.

    Where `reversible` may be no more than Level 2's default it is not `explicit`; a law that kinetix
    has written is `certain` to be meant for one channel.
    """

    name: str
    reactants: Mapping[str, Amount]
    products: Mapping[str, Amount]
    law: sympy.Expr
    reversible: bool
    explicit: bool
    certain: bool = False


@dataclass(frozen=True)
class Channels:
    """The channels made of one reaction and the findings about it."""

    reactions: tuple[Reaction, ...]
    findings: tuple[Finding, ...] = ()


def channels_of(written: Written, splitter: Splitter, *, reverse_name: str, falling: bool) -> Channels:
    """One or two channels; `falling` asks for falling factorials in the place of powers.

    A net law that cannot be taken apart stays one channel, with an error (KX104) for stochastic solvers.
    """
    forward = Reaction(written.name, written.reactants, written.products, written.law)
    findings: list[Finding] = []
    channels = [forward]
    if written.reversible:
        ahead, back, reason = _split(written, splitter)
        if reason:
            findings.append(Finding("KX104", "error", written.name, reason, "write it as two reactions"))
        elif back != ZERO:
            backward = Reaction(reverse_name, written.products, written.reactants, back)
            channels = [Reaction(written.name, written.reactants, written.products, ahead)] if ahead != ZERO else []
            channels.append(backward)
            reason = f"the net law {written.law} {SPLIT}: forward {ahead}, backward {back}"
            mend = "check that both parts are meant"
            if written.explicit:
                findings.append(Finding("KX103", "note", written.name, reason, mend))
            else:
                mend += '; if not, say reversible="false" in the file'
                findings.append(Finding("KX103", "warning", written.name, reason, mend))
        elif written.explicit:
            reason = f"is marked reversible, but its law {written.law} has no negative part: one channel"
            findings.append(Finding("KX103", "note", written.name, reason))
    elif not written.certain and splitter.is_net(written.law, written.reactants, written.products):
        marked = f"is marked irreversible, but its law {written.law} is a net rate"
        if falling:
            ahead, back = splitter.split(written.law)
            channels = [
                Reaction(written.name, written.reactants, written.products, ahead),
                Reaction(reverse_name, written.products, written.reactants, back),
            ]
            reason = f"{marked}, which {SPLIT}: forward {ahead}, backward {back}"
            mend = "check that both parts are meant; if not, load with law='verbatim'"
        else:
            reason = f"{marked}: one channel, and a run stops where it is negative"
            mend = "load with law='auto' to have two channels"
        findings.append(Finding("KX103", "warning", written.name, reason, mend))
    if falling:
        made = [_with_falling_powers(channel) for channel in channels]
        findings += [finding for _, finding in made if finding is not None]
        channels = [channel for channel, _ in made]
    return Channels(tuple(channels), tuple(findings))


def _split(written: Written, splitter: Splitter) -> tuple[sympy.Expr, sympy.Expr, str]:
    """Forward and backward rates, or why there are none."""
    law = written.law
    try:
        ahead, back = splitter.split(law)
    except CannotSplitError as problem:
        reason = f"the net law {law} of a reversible reaction cannot be split: the sign of {problem} is unknown"
        return law, ZERO, "" if splitter.is_never_negative(law) else reason
    if not splitter.is_plain_difference(law, ahead, back):
        if back == ZERO or splitter.is_never_negative(law):
            return law, ZERO, ""
        if not splitter.agrees(law, ahead, back):
            return law, ZERO, f"the law {law} falls into {ahead} and {back}, but not for all counts"
    for name in written.products:
        if not splitter.vanishes(back, name):
            return law, ZERO, f"the backward part {back} of the net law {law} is not zero without {name!r}"
    return ahead, back, ""


def _with_falling_powers(reaction: Reaction) -> tuple[Reaction, Finding | None]:
    law = falling_law(reaction.propensity, reaction.reactants, f"reaction {reaction.name!r}")
    if law == reaction.propensity:
        return reaction, None
    reason = f"the power law {reaction.propensity} is read as {law}: distinct molecules meet"
    finding = Finding("KX102", "note", reaction.name, reason, "load with law='verbatim' to keep the power")
    return Reaction(reaction.name, reaction.reactants, reaction.products, law, law=reaction.propensity), finding


MOST_PAIRED = 100
"""Molecules that may meet in one firing for its power law to be read as distinct ones."""


def falling_law(law: sympy.Expr, reactants: Stoichiometry, place: str | None = None) -> sympy.Expr:
    """The law with X**m as X*(X - 1)*... for each X of which m >= 2 are consumed.

    Only a bare power counts: each term must be X**m times what does not contain X.
    """
    for name, needed in _multiple(reactants):
        x = symbol(name)
        terms = [term.as_independent(x, as_Add=False) for term in sympy.Add.make_args(law)]
        if all(power == x**needed for _, power in terms):
            if needed > MOST_PAIRED:
                reason = f"the power law {law} of {needed} {name} has too many factors when distinct molecules meet"
                raise UnsupportedFeature(reason, place=place, mend="load with law='verbatim'")
            law = sympy.Add(*(rest * sympy.ff(x, needed) for rest, _ in terms))
    return law


def _multiple(reactants: Stoichiometry) -> Iterator[tuple[str, int]]:
    return ((name, m) for name, m in reactants.items() if isinstance(m, int) and m >= 2)
