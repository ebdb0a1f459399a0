"""Priors by name, in Python and in TOML files.

[prior]
kon = {log_uniform = [0.01, 10]}
koff = {log_normal = {mu = 0, sigma = 1}}
dm = 1.0                                   # set, not sampled
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from kinetix.errors import KinetixError, SettingError

from .unknowns.prior_base import Prior
from .unknowns.prior_counts import Integers
from .unknowns.prior_laws import Beta, Exponential, Fixed, Gamma, HalfNormal, LogNormal, LogUniform, Normal, Uniform

__all__ = [
    "KINDS", "Beta", "Exponential", "Fixed", "Gamma", "HalfNormal", "Integers", "LogNormal", "LogUniform", "Normal",
    "Prior", "Uniform", "beta", "exponential", "fixed", "from_table", "gamma", "half_normal", "integers", "log_normal",
    "log_uniform", "normal", "split_fixed", "to_table", "uniform",
]  # fmt: skip

uniform, log_uniform, normal, log_normal = Uniform, LogUniform, Normal, LogNormal
gamma, exponential, half_normal, beta, fixed = Gamma, Exponential, HalfNormal, Beta, Fixed
integers = Integers

KINDS: Mapping[str, type[Prior]] = {
    law.name(): law
    for law in (Uniform, LogUniform, Normal, LogNormal, Gamma, Exponential, HalfNormal, Beta, Integers, Fixed)
}
"""Every prior by its name."""


def split_fixed(prior: Mapping[str, Prior]) -> tuple[dict[str, Prior], dict[str, float]]:
    """The priors that are sampled, and the values of those that are set."""
    free = {name: p for name, p in prior.items() if not isinstance(p, Fixed)}
    return free, {name: p.value for name, p in prior.items() if isinstance(p, Fixed)}


def from_table(table: Mapping[str, Any], *, file: str | None = None) -> dict[str, Prior]:
    """Priors from a mapping as TOML has it: name -> {kind = [numbers]}, a number (set), or a prior."""
    return {name: _prior(value, f"[prior] {name}", file) for name, value in table.items()}


def to_table(prior: Mapping[str, Prior]) -> dict[str, dict[str, dict[str, float]]]:
    """The mapping that `from_table` reads back, with named numbers."""
    return {name: {p.name(): {k: float(getattr(p, k)) for k in _arguments(type(p))}} for name, p in prior.items()}


def _prior(value: Any, place: str, file: str | None) -> Prior:
    if isinstance(value, Prior):
        return value
    if _is_number(value):
        value = {"fixed": value}
    if not isinstance(value, Mapping) or len(value) != 1:
        mend = "write {log_uniform = [0.01, 10]}, or a number to set it"
        raise SettingError(f"{value!r} is not a prior", file=file, place=place, mend=mend)
    ((kind, given),) = value.items()
    if kind not in KINDS:
        near = get_close_matches(str(kind), KINDS, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(KINDS)}"
        raise SettingError(f"unknown prior {kind!r}", file=file, place=place, mend=mend)
    named = _named(kind, given, place, file)
    try:
        return KINDS[kind](**named)
    except KinetixError as problem:
        raise SettingError(problem.reason, file=file, place=place, mend=problem.mend) from problem


def _named(kind: str, given: Any, place: str, file: str | None) -> dict[str, float]:
    """The numbers of a law by name, all there and none too many."""
    known = _arguments(KINDS[kind])
    needed = [name for name, default in known.items() if default is inspect.Parameter.empty]
    mend = f"write {{{kind} = [{', '.join(needed)}]}}"
    if not isinstance(given, Mapping):
        values = list(given) if isinstance(given, list | tuple) else [given]
        if not len(needed) <= len(values) <= len(known):
            raise SettingError(
                f"{kind} takes {len(needed)} numbers, not {len(values)}", file=file, place=place, mend=mend
            )
        given = dict(zip(known, values, strict=False))
    for name, value in given.items():
        if name not in known:
            raise SettingError(f"{kind} has no {name!r}", file=file, place=place, mend=f"it has {', '.join(known)}")
        if not _is_number(value):
            raise SettingError(f"{kind} takes numbers, not {value!r}", file=file, place=place, mend=mend)
    if missing := [name for name in needed if name not in given]:
        raise SettingError(f"{kind} misses {missing[0]!r}", file=file, place=place, mend=mend)
    return {name: float(value) for name, value in given.items()}


def _arguments(law: type[Prior]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(law).parameters.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
