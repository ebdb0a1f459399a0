"""Formulas as text, read by the parser of the reaction language: `kon / ratio` becomes a tree, never Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sympy

from kinetix.errors import KinetixError, SettingError

LONGEST = 10_000
"""Characters of a formula that is still read."""

REFUSED = (";", "\n", "\r", "#", "$", "//", "/*", "mass_action")
"""What belongs to a model, not to a formula."""

_NAME = re.compile(r"[A-Za-z_]\w*(?!\w*\s*\()")
_LAW = "kx_formula"


def read_formulas(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The same mapping with every text made a tree; what is no text is handed on."""
    return {name: formula(v, f"derived {name!r}") if isinstance(v, str) else v for name, v in (given or {}).items()}


def formula(text: str, place: str) -> sympy.Expr:
    """One formula of names, numbers and functions; SettingError with the parser's reason for anything else."""
    from kinetix import importers

    if len(text) > LONGEST or any(mark in text for mark in REFUSED):
        raise SettingError(f"{text[:60]!r} is not one formula", place=place, mend="write it as kon / ratio")
    names = sorted({match for match in _NAME.findall(text) if not match.startswith(_LAW)} - {"time"})
    lines = [f"species {_LAW}_made = 0", *(f"{name} = 1" for name in names), f"{_LAW}: -> {_LAW}_made; {text}"]
    try:
        network = importers.parse("\n".join(lines) + "\n", name=_LAW)
    except KinetixError as problem:
        raise SettingError(f"{text!r} cannot be read: {problem.reason}", place=place, mend=problem.mend) from problem
    if len(network.reactions) != 1:
        raise SettingError(f"{text!r} is not one formula", place=place, mend="write it as kon / ratio")
    law: sympy.Expr = network.reactions[0].propensity
    return law
