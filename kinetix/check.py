"""What would go wrong with a network as a stochastic model: the coded findings KX101 ... KX114.

Findings of the importer (what was split, converted or assumed) come first, then those that the
network itself shows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import sympy

from .expressions import names_in, symbol
from .findings import Finding, Findings, Severity
from .network import Reaction, ReactionNetwork, require_known

MEAN_FIELD = "mean-field"

SOLVERS = ("fsp", "ssa", "met", "van", MEAN_FIELD)
"""The names that a network can be judged for: those of the catalogue, the nets, and the mean field."""


def check(network: ReactionNetwork, *, solver: str | None = None) -> Findings:
    """Every finding about the network, for stochastic solvers unless `solver` is "mean-field"."""
    if solver is not None:
        require_known([solver], SOLVERS, "solver")
    hard: Severity = "warning" if solver == MEAN_FIELD else "error"
    findings = [*network.report, *_whole_numbers(network, hard)]
    for reaction in network.reactions:
        findings += [*_law(network, reaction)]
    findings += [*_unused(network), *_never_fire(network), *_unbounded(network)]
    return Findings.of(findings)


def _whole_numbers(network: ReactionNetwork, severity: Severity) -> Iterator[Finding]:
    for reaction in network.reactions:
        for name, amount in (*reaction.reactants.items(), *reaction.products.items()):
            if amount != int(amount):
                reason = f"changes {name!r} by the fraction {amount}"
                yield Finding("KX105", severity, reaction.name, reason, "counts change by whole numbers only")
    for species in network.species:
        if species.initial != int(species.initial):
            reason = f"starts at {species.initial}, which is not a whole count"
            yield Finding("KX106", severity, species.name, reason, "load with scale=..., or set whole initial counts")


def _law(network: ReactionNetwork, reaction: Reaction) -> Iterator[Finding]:
    law = reaction.propensity
    if network.depends_on_time and (law.free_symbols - {symbol(n) for n in names_in(law)}):
        yield Finding("KX112", "warning", reaction.name, f"the law contains the time: {law}", "few solvers can run it")
    if reaction.reactants and not names_in(law) & set(network.species_names):
        reason = f"consumes {', '.join(reaction.reactants)} at the constant rate {law}"
        yield Finding("KX101", "warning", reaction.name, reason, "multiply the law by its reactants")
    for name, needed in reaction.reactants.items():
        powers = [p for p in law.atoms(sympy.Pow) if p.base == symbol(name) and p.exp.is_Integer and p.exp >= 2]
        if needed >= 2 and powers:
            mend = f"use {name}*({name} - 1) for distinct pairs"
            yield Finding("KX102", "warning", reaction.name, f"consumes {needed} {name} at a power law: {law}", mend)
    for name, needed in reaction.reactants.items():
        for have in range(int(np.ceil(needed))):
            if _can_be_positive(law.xreplace({symbol(name): sympy.Integer(have)}), network):
                reason = f"can fire with {have} {name}, but consumes {needed}: {law}"
                mend = "the run will stop at such a firing; make the law zero there"
                yield Finding("KX108", "warning", reaction.name, reason, mend)
                break


def _can_be_positive(law: sympy.Expr, network: ReactionNetwork) -> bool:
    """Whether the law is positive at the model's parameter values with plenty of everything else."""
    if law.is_zero:
        return False
    values = {symbol(p.name): sympy.Float(p.value) for p in (*network.parameters, *network.constants)}
    for plenty in (1, 10, 1000):
        at = law.subs({**values, **{symbol(s): plenty for s in network.species_names}})
        at = at.subs(dict.fromkeys(at.free_symbols, 1.0))
        if at.is_number and at.is_real and float(at) > 0:
            return True
    return False


def _unused(network: ReactionNetwork) -> Iterator[Finding]:
    used = {name for reaction in network.reactions for name in names_in(reaction.propensity)}
    used |= {name for rule in network.variables.values() for name in names_in(rule)}
    for parameter in network.parameters:
        if parameter.name not in used:
            yield Finding("KX109", "warning", parameter.name, "no law uses this parameter", "remove it, or check names")


def _never_fire(network: ReactionNetwork) -> Iterator[Finding]:
    """Reactions that no state reachable from the start can fire, by which species can exist at all."""
    present = {s.name for s in network.species if s.initial > 0}
    waiting = list(network.reactions)
    while True:
        absent = {symbol(n): sympy.Integer(0) for n in network.species_names if n not in present}
        able = [r for r in waiting if set(r.reactants) <= present and not r.propensity.xreplace(absent).is_zero]
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


def _unbounded(network: ReactionNetwork) -> Iterator[Finding]:
    if any(m != int(m) for r in network.reactions for m in (*r.reactants.values(), *r.products.values())):
        return
    laws = network.conservation_laws()
    bounded = np.any(laws[np.all(laws >= 0, axis=1)] > 0, axis=0).tolist()
    for species, row, safe in zip(network.species, network.stoichiometry.T, bounded, strict=True):
        if not safe and (row > 0).any():
            yield Finding(
                "KX111", "note", species.name, "no conservation law bounds this count", "windows are adaptive"
            )
