"""What a posterior takes for granted, in plain words: unknowns, priors, the cells, and how they are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinetix.expressions import from_tree
from kinetix.inference.time_courses import TimeCourses
from kinetix.inference.unknowns.prior_base import Prior
from kinetix.inference.unknowns.prior_counts import Integers
from kinetix.inference.unknowns.prior_laws import Fixed, LogUniform, Uniform

from .report import Html, Section, note, prose, table

if TYPE_CHECKING:
    import sympy

    from kinetix.inference.posterior import Posterior
    from kinetix.inference.time_courses import Cells

SHOWN_ROWS = 40
"""Times of the data that a table lists."""


def cells_section(posterior: Posterior) -> Section:
    """What was measured, and how a count is taken to come about."""
    data = posterior.data
    rows = [
        (clock(t), int(n), *(f"{mean:.4g} ± {sd:.3g}" for mean, sd in zip(*_moments(data.counts(k)), strict=True)))
        for k, (t, n) in enumerate(zip(data.times, data.cells_at, strict=True))
    ]
    head = ["time", "cells", *(f"{s}: mean ± sd" for s in data.species)]
    seen = "The same cells are followed" if isinstance(data, TimeCourses) else "Each cell is seen once"
    blocks = [prose(f"{data}. {seen}, and cells do not influence one another."), table(head, rows[:SHOWN_ROWS])]
    if len(rows) > SHOWN_ROWS:
        blocks.append(prose(f"and {len(rows) - SHOWN_ROWS} more times."))
    blocks += [prose(text) for text in (*counted(posterior), *_hidden(posterior))]
    blocks += [note(text) for text in data.notes]
    return Section("The cells", tuple(blocks))


def unknowns_section(posterior: Posterior) -> Section:
    """What is inferred, what is believed of it before any cell, and what is held at a value."""
    free = [(name, role(posterior, name), in_words(posterior.prior[name])) for name in posterior.names]
    held = [(n, f"{p.value:g}") for n, p in posterior.prior.items() if isinstance(p, Fixed)]
    text = "What is sought, and the prior: what was believed of it before any cell was seen. Where cells say little, "
    blocks: list[Html] = [prose(f"{text}the answer is the prior's."), table(["unknown", "what it is", "prior"], free)]
    if derived := _derived(posterior):
        blocks.append(table(["parameter", "is made of unknowns as"], [(n, str(e)) for n, e in derived.items()]))
    if held:
        blocks.append(table(["held at a value", "value"], held))
    blocks.append(prose(_unit_of_time(posterior.data)))
    return Section("The unknowns and their priors", tuple(blocks))


def stand_ins(posterior: Posterior) -> dict[str, str]:
    """Words that stand in the model's tables for values that were not used: name -> words."""
    names = {_base(name) for name in posterior.names}
    held = {_base(n): f"{p.value:g}" for n, p in posterior.prior.items() if isinstance(p, Fixed)}
    made = {name: f"= {expression}" for name, expression in _derived(posterior).items()}
    return {**held, **made, **dict.fromkeys(names, "inferred")}


def clock(time: float) -> str:
    """A time in a table."""
    return "steady state" if np.isinf(time) else f"{time:g}"


def in_words(prior: Prior) -> str:
    """A prior as a sentence's part, with its own name where it has a shape."""
    match prior:
        case Fixed():
            return f"held at {prior.value:g}"
        case Integers():
            return f"a whole number from {prior.low} to {prior.high}, all as likely"
        case Uniform():
            return f"between {prior.low:g} and {prior.high:g}, all values as likely"
        case LogUniform():
            return f"between {prior.low:g} and {prior.high:g}, all orders of magnitude as likely"
    low, high = prior.quantile([0.05, 0.95])
    return f"{prior}: with 90 % between {low:.3g} and {high:.3g}"


def role(posterior: Posterior, name: str) -> str:
    """What an unknown is in the model or in the measurement."""
    network, base = posterior.network, _base(name)
    group = f", in group {name.removeprefix(base).strip('[]')}" if base != name else ""
    if base in network.species_names:
        return f"count of {base} at time 0{group}"
    where = [r.name for r in network.reactions if base in {s.name for s in r.propensity.free_symbols}]
    if where:
        return f"in the rate of {', '.join(where)}{group}"
    measurement = _asked(posterior).get("measurement", {})
    for what, meant in (("capture", "the probability that a molecule of {} is seen"), ("background", "false {}")):
        if of := [species for species, value in measurement.get(what, {}).items() if value == base]:
            return f"{meant.format(', '.join(of))}{group}"
    makes = [n for n, made in _derived(posterior).items() if base in {s.name for s in made.free_symbols}]
    return f"makes {', '.join(makes)}{group}" if makes else f"a parameter of the model{group}"


def counted(posterior: Posterior) -> list[str]:
    """How true counts become the numbers of the table, a sentence an observable."""
    told = _asked(posterior).get("measurement", {})
    if not told:
        return ["Counts are taken as exact: every molecule is seen, and none is added."]
    found = []
    for name in dict.fromkeys(n for part in told.values() for n in part):
        parts = []
        if name in told.get("capture", {}):
            parts.append(f"each molecule is seen with probability {_value(told['capture'][name])}")
        if name in told.get("background", {}):
            parts.append(f"false ones are added, {_value(told['background'][name])} on average (Poisson)")
        if name in told.get("bins", {}):
            parts.append(f"counts are told apart only from {', '.join(map(str, told['bins'][name]))} on")
        if name in told.get("saturation", {}):
            parts.append(f"{told['saturation'][name]} and more read the same")
        found.append(f"Reading {name}: {'; '.join(parts)}.")
    if exact := [name for name in posterior.data.species if not any(name in part for part in told.values())]:
        found.append(f"Counts of {', '.join(exact)} are taken as exact.")
    return found


# inner -----------------------------------------------------------------------------------------


def _hidden(posterior: Posterior) -> list[str]:
    """Species that no column counts."""
    seen = {part for parts in posterior.data.parts for part in parts}
    hidden = [name for name in posterior.network.species_names if name not in seen]
    return [f"Not counted: {', '.join(hidden)}. All that they may have been is allowed for."] if hidden else []


def _unit_of_time(data: Cells) -> str:
    if np.isinf(data.times).all():
        return (
            "The cells are in a steady state and show no clock. Rates are in the unit of time of the priors, "
            "and the cells alone tell rates only relative to one another."
        )
    return "Rates are per unit of the times in the table of cells: times in minutes make rates per minute."


def _asked(posterior: Posterior) -> Mapping[str, Any]:
    """The measurement and the derived parameters that a posterior remembers."""
    return posterior.meta.get("question") or {}


def _derived(posterior: Posterior) -> dict[str, sympy.Expr]:
    return {name: from_tree(tree) for name, tree in (_asked(posterior).get("derived") or {}).items()}


def _base(name: str) -> str:
    """A parameter's name without its group: ksyn of ksyn[wild type]."""
    return name.partition("[")[0]


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _moments(counts: NDArray[np.int64]) -> tuple[Sequence[float], Sequence[float]]:
    return counts.mean(axis=0).tolist(), counts.std(axis=0).tolist()
