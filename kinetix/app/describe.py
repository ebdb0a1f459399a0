"""Networks, nets and certificates as plain data and as lines of text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kinetix.network import ReactionNetwork

if TYPE_CHECKING:
    from kinetix.inference.posterior import Posterior


def network_data(network: ReactionNetwork) -> dict[str, Any]:
    """A network for JSON: what `inspect` shows."""
    return {
        "name": network.name,
        "species": {s.name: s.initial for s in network.species},
        "parameters": {p.name: p.value for p in network.parameters},
        "constants": {c.name: c.value for c in network.constants},
        "rules": {name: str(rule) for name, rule in network.variables.items()},
        "reactions": [
            {
                "name": r.name,
                "reactants": _side(r.reactants),
                "products": _side(r.products),
                "propensity": str(r.propensity),
                "law": str(r.law),
            }
            for r in network.reactions
        ],
        "import_report": [line.as_dict() for line in network.import_report()],
        "events": [
            {"name": e.name, "trigger": str(e.trigger), "assignments": {k: str(v) for k, v in e.assignments.items()}}
            for e in network.events
        ],
        "rate_rules": {name: str(slope) for name, slope in network.rate_rules.items()},
        "conservation_laws": None if has_fractions(network) else network.conservation_laws().tolist(),
        "findings": network.report.as_dicts(),
        "fingerprint": network.fingerprint,
    }


def has_fractions(network: ReactionNetwork) -> bool:
    """Whether a reaction takes or makes other than whole numbers, for which conservation laws are not computed."""
    return any(reaction.fractions for reaction in network.reactions)


def _side(side: Mapping[str, Any]) -> dict[str, Any]:
    return {name: amount if isinstance(amount, int | float) else str(amount) for name, amount in side.items()}


def net_data(net: Any) -> dict[str, Any]:
    """A trained net for JSON."""
    return {
        "kind": type(net).__name__,
        "model": network_data(net.network),
        "box": {name: list(bounds) for name, bounds in net.box.items()},
        "times": [t if t < float("inf") else "inf" for t in net.times],
        "certificate": dict(net.certificate),
    }


def posterior_data(posterior: Posterior) -> dict[str, Any]:
    """A posterior for JSON: numbers, what was checked, where it came from."""
    from kinetix.inference.posteriors.checks import check_posterior
    from kinetix.inference.posteriors.summary import summarise

    return {
        "parameters": summarise(posterior).as_dicts(),
        "prior": {name: str(prior) for name, prior in posterior.prior.items()},
        "converged": posterior.converged,
        "complete": posterior.complete,
        "certified": posterior.certified,
        "corrected": posterior.corrected,
        "trusted": posterior.trusted,
        "findings": check_posterior(posterior).as_dicts(),
        "diagnostics": posterior.diagnostics,
        "gate": posterior.gate,
        "likelihood": posterior.likelihood,
        "cells": posterior.data.cells,
        "meta": posterior.meta,
    }


def posterior_lines(posterior: Posterior) -> list[str]:
    """A posterior as lines of text: warnings, numbers, the exact check, findings."""
    from kinetix.inference.posteriors.checks import check_posterior
    from kinetix.inference.posteriors.summary import summarise

    lines = [str(summarise(posterior))]
    if posterior.gate is not None:
        lines.append("exact check: " + ", ".join(certificate_lines(posterior.gate)))
    return lines + [str(finding) for finding in check_posterior(posterior) if finding.severity != "error"]


def settings_data(solver: object) -> dict[str, Any]:
    """The settings of a solver and their values."""
    if not dataclasses.is_dataclass(solver):
        return {}
    return {f.name: getattr(solver, f.name) for f in dataclasses.fields(solver) if f.init}


def certificate_lines(certificate: Mapping[str, Any], prefix: str = "") -> list[str]:
    """A certificate as `name value` lines, nested entries under dotted names, long lists left out."""
    lines: list[str] = []
    for name, value in certificate.items():
        if isinstance(value, Mapping):
            lines += certificate_lines(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple) and len(value) > 6:
            continue
        else:
            lines.append(f"{prefix}{name} {_short(value)}")
    return lines


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_short, value))
    return str(value)
