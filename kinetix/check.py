"""What would go wrong with a network as a stochastic model: the coded findings KX101 ... KX114.

Findings of the importer (what was split, converted or assumed) come first, then those that the
network itself shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np
import sympy

from .constructs import CODES, REPORTED, RUNS, STOCHASTIC, Construct, Found, able_to, constructs
from .definition import NetworkDefinition
from .elements import Reaction
from .errors import require_known
from .expressions import names_in, symbol
from .findings import Finding, Findings, Severity
from .reversible import Splitter
from .structure import change_matrix, conservation_laws

FEW = 16
"""Counts below what a reaction consumes that are tried one by one; of more, only the last."""


def check(network: NetworkDefinition, *, solver: str | None = None) -> Findings:
    """Every finding about the network, for stochastic solvers in general unless `solver` names one."""
    if solver is not None:
        require_known([solver], tuple(RUNS), "solver")
    able = RUNS[solver] if solver else frozenset().union(*(RUNS[name] for name in STOCHASTIC))
    findings = [_judged(finding, able) for finding in network.report]
    findings += [_finding(found, able) for found in constructs(network) if found.construct not in REPORTED.values()]
    for reaction in network.reactions:
        findings += [*_law(network, reaction)]
    findings += [*_net_laws(network), *_unused(network), *_never_fire(network), *_unbounded(network)]
    return Findings.of(findings)


def _judged(finding: Finding, able: AbstractSet[Construct]) -> Finding:
    """An importer's error as a warning, where the solver runs what it is about."""
    if finding.severity == "error" and REPORTED.get(finding.code) in able:
        return replace(finding, severity="warning")
    return finding


def _finding(found: Found, able: AbstractSet[Construct]) -> Finding:
    solvers = able_to(found.construct)
    severity: Severity = "warning" if found.construct in able else "error"
    mend = found.mend or f"solvers that run it: {', '.join(solvers)}"
    return Finding(CODES[found.construct], severity, found.element, found.reason, mend)


def _law(network: NetworkDefinition, reaction: Reaction) -> Iterator[Finding]:
    law = reaction.propensity
    if reaction.reactants and not names_in(law) & set(network.species_names):
        reason = f"consumes {', '.join(reaction.reactants)} at the constant rate {law}"
        yield Finding("KX101", "warning", reaction.name, reason, "multiply the law by its reactants")
    whole = {name: m for name, m in reaction.reactants.items() if isinstance(m, int)}
    for name, needed in whole.items():
        powers = [p for p in law.atoms(sympy.Pow) if p.base == symbol(name) and p.exp.is_Integer and p.exp >= 2]
        if needed >= 2 and powers and not _counts_distinct(law, name, needed):
            mend = f"use {name}*({name} - 1) for distinct pairs"
            yield Finding("KX102", "warning", reaction.name, f"consumes {needed} {name} at a power law: {law}", mend)
    for name, needed in whole.items():
        for have in sorted({*range(min(needed, FEW)), needed - 1}):
            without = _with(law, {symbol(name): sympy.Integer(have)})
            if without is not None and _can_be_positive(without, network):
                reason = f"can fire with {have} {name}, but consumes {needed}: {law}"
                mend = "the run will stop at such a firing; make the law zero there"
                yield Finding("KX108", "warning", reaction.name, reason, mend)
                break


def _counts_distinct(law: sympy.Expr, name: str, needed: int) -> bool:
    """Whether a power law is zero with some molecules, but too few: k*X**2 - k*X is that of distinct pairs."""
    return all(_is_zero(law, {symbol(name): sympy.Integer(have)}) for have in range(1, min(needed, FEW)))


def _net_laws(network: NetworkDefinition) -> Iterator[Finding]:
    """KX103 for one-way laws that are forward minus backward, where the importer has not told of it."""
    told = {finding.element for finding in network.report if finding.code in ("KX103", "KX104")}
    values = {p.name: p.value for p in (*network.parameters, *network.constants)}
    splitter = Splitter(network.species_names, values)
    for reaction in network.reactions:
        if reaction.name not in told and splitter.is_net(reaction.propensity, reaction.reactants, reaction.products):
            reason = f"the law {reaction.propensity} is a net rate: one channel, and a run stops where it is negative"
            mend = "write it as two reactions, forward and backward"
            yield Finding("KX103", "warning", reaction.name, reason, mend)


def _can_be_positive(law: sympy.Expr, network: NetworkDefinition) -> bool:
    """Whether the law is positive at the model's parameter values with plenty of everything else."""
    if law.is_zero:
        return False
    values = {symbol(p.name): sympy.Float(p.value) for p in (*network.parameters, *network.constants)}
    for plenty in (1, 10, 1000):
        at = _with(law, {**values, **{symbol(s): sympy.Integer(plenty) for s in network.species_names}})
        at = None if at is None else _with(at, dict.fromkeys(at.free_symbols, sympy.Float(1.0)))
        if at is not None and at.is_number and ((at.is_real and float(at) > 0) or at in {sympy.oo, sympy.zoo}):
            return True
    return False


def _with(law: sympy.Expr, values: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr | None:
    """The law with values in the place of names, or None where it is no real number then."""
    try:
        return law.xreplace(values)
    except (TypeError, ValueError, ArithmeticError):  # log(0) > 1, Mod(x, 0): sympy refuses them
        return None


def _unused(network: NetworkDefinition) -> Iterator[Finding]:
    for parameter in network.parameters:
        if parameter.name not in network.used:
            yield Finding("KX109", "warning", parameter.name, "no law uses this parameter", "remove it, or check names")


def _never_fire(network: NetworkDefinition) -> Iterator[Finding]:
    """Reactions that no state reachable from the start can fire, by which species can exist at all."""
    present = {s.name for s in network.species if s.initial > 0}
    present |= {name for event in network.events for name in event.assignments}
    waiting = list(network.reactions)
    while True:
        absent = {symbol(n): sympy.Integer(0) for n in network.species_names if n not in present}
        able = [r for r in waiting if set(r.reactants) <= present and not _is_zero(r.propensity, absent)]
        if not able:
            break
        waiting = [r for r in waiting if r not in able]
        present |= {name for reaction in able for name in reaction.products}
    for reaction in waiting:
        lacking = sorted(
            (set(reaction.reactants) | names_in(reaction.propensity)) & set(network.species_names) - present
        )
        reason = f"can never fire: {', '.join(lacking) or 'its law'} is always zero"
        yield Finding("KX110", "warning", reaction.name, reason, "check initial counts and the reactions that make it")


def _is_zero(law: sympy.Expr, absent: dict[sympy.Symbol, sympy.Integer]) -> bool:
    """Whether a law is zero without these species; one that divides by them is not known to be."""
    try:
        return bool(law.xreplace(absent).is_zero)
    except (TypeError, ValueError, ArithmeticError):  # sympy compares the infinite with numbers
        return False


def _unbounded(network: NetworkDefinition) -> Iterator[Finding]:
    if any(reaction.fractions for reaction in network.reactions):
        return
    change = change_matrix(network)
    laws = conservation_laws(change)
    bounded = np.any(laws[np.all(laws >= 0, axis=1)] > 0, axis=0).tolist()
    for species, row, safe in zip(network.species, change.T, bounded, strict=True):
        if not safe and (row > 0).any():
            yield Finding(
                "KX111", "note", species.name, "no conservation law bounds this count", "windows are adaptive"
            )
