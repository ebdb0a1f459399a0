"""Networks, nets and certificates as plain data and as lines of text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kinetix.network import ReactionNetwork


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
