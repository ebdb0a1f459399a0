"""Where an answer came from: solver, settings, digests, versions, CPU seconds."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .network import ReactionNetwork

PACKAGES = ("numpy", "scipy", "numba", "sympy", "torch", "python-libsbml")


def versions() -> dict[str, str]:
    """The versions of kinetix, Python and the libraries that numbers depend on."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("kinetix-cme", *PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def provenance(solver: object, network: ReactionNetwork, started: float, **more: Any) -> dict[str, Any]:
    """The `meta` of an answer; `started` is the `time.process_time()` at the solver's start."""
    settings: Mapping[str, Any] = {}
    if is_dataclass(solver) and not isinstance(solver, type):
        settings = asdict(solver)
    return {
        "solver": type(solver).__name__,
        "settings": dict(settings),
        "model": network.name,
        "fingerprint": network.fingerprint,
        "versions": versions(),
        "cpu_seconds": time.process_time() - started,
        "findings": network.report.as_dicts(),
        **more,
    }
