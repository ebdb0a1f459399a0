"""Networks, nets and certificates as plain data and as lines of text."""

from __future__ import annotations

import dataclasses
import math
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
                "reactants": dict(r.reactants),
                "products": dict(r.products),
                "propensity": str(r.propensity),
                "law": str(r.law),
            }
            for r in network.reactions
        ],
        "conservation_laws": network.conservation_laws().tolist(),
        "findings": network.report.as_dicts(),
        "fingerprint": network.fingerprint,
    }


def net_data(net: Any) -> dict[str, Any]:
    """A trained net for JSON."""
    return {
        "kind": type(net).__name__,
        "model": network_data(net.network),
        "box": {name: list(bounds) for name, bounds in net.box.items()},
        "times": list(net.times),
        "certificate": dict(net.certificate),
    }


def posterior_data(posterior: Posterior) -> dict[str, Any]:
    """A posterior for JSON: numbers, what was checked, where it came from."""
    low, high = posterior.quantile([0.05, 0.95])
    return {
        "parameters": {
            name: {"mean": m, "sd": s, "low": a, "high": b, "prior": str(posterior.prior[name])}
            for name, m, s, a, b in zip(posterior.names, posterior.mean(), posterior.sd(), low, high, strict=True)
        },
        "level": 0.9,
        "converged": posterior.converged,
        "complete": posterior.complete,
        "certified": posterior.certified,
        "corrected": posterior.corrected,
        "trusted": posterior.trusted,
        "diagnostics": posterior.diagnostics,
        "gate": posterior.gate,
        "likelihood": posterior.likelihood,
        "cells": posterior.data.cells,
        "meta": posterior.meta,
    }


def posterior_lines(posterior: Posterior) -> list[str]:
    """A posterior as a table of text."""
    low, high = posterior.quantile([0.05, 0.95])
    width = max(9, *map(len, posterior.names))
    lines = [f"{'parameter':<{width}}{'mean':>11}{'sd':>11}{'5 %':>11}{'95 %':>11}{'R-hat':>9}{'ESS':>8}"]
    for name, m, s, a, b in zip(posterior.names, posterior.mean(), posterior.sd(), low, high, strict=True):
        row = posterior.diagnostics.get(name, {})
        ess = min(row.get("ess_bulk", math.nan), row.get("ess_tail", math.nan))
        rhat = max(row.get("rhat", math.nan), row.get("rhat_nested", 0.0))
        lines.append(f"{name:<{width}}{m:>11.4g}{s:>11.3g}{a:>11.4g}{b:>11.4g}{rhat:>9.4f}{ess:>8.0f}")
    if posterior.gate is not None:
        lines.append("exact check: " + ", ".join(certificate_lines(posterior.gate)))
    return lines


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
