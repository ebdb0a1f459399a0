"""Exact trajectories from tables: one compiled kernel for all models, large ones above all.

Choose it (it is chosen by itself) for networks of more than about a hundred reactions, whose events
touch few of them, and for answers too small to wait for a compile. Direct method with a dependency
graph: M. A. Gibson, J. Bruck, J. Phys. Chem. A 104 (2000) 1876, doi:10.1021/jp993732q; the search by
sums of sums: A. Slepoy et al., J. Chem. Phys. 128 (2008) 205101, doi:10.1063/1.2919546.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.expressions import symbol

from .laws import Law, laws_of
from .programs import COUNT, RATE, depth, program, run, table

Kernel = Callable[..., None]
Integers = NDArray[np.int64]
Array = NDArray[np.float64]

LANES = 4
"""Trajectories whose work is interleaved."""

KEPT = 100
"""Models whose tables are kept."""

BLOCK = 8
"""Propensities under one sum, and sums under one sum of sums."""


class Tables(NamedTuple):
    """A model as arrays. Lists of lists stand as (starts, entries): list r is entries[starts[r] : starts[r + 1]].

    A law is its rate, a program over theta that runs once a trajectory, times factors offset +
    slope * x[species], two of them in every layer [1 + more, R, 2], or times a program of its own.
    `touched` holds pairs: a reaction, and where its propensity stands (see `table_kernel.place`).
    """

    more: int
    general: bool
    species: Integers
    lines: Array
    program: Array
    rates: Integers
    laws: Integers
    depth: int
    changes: Integers
    changed: Integers
    change: Array
    touches: Integers
    touched: Integers


def tabled_kernel(model: CompiledModel) -> Kernel:
    """The compiled kernel on the tables of a model; arguments as those of `lanes.lane_kernel`.

    Raises UnsupportedFeature for laws that have no program, among them those that contain the time.
    """
    from . import table_kernel

    return partial(_call, table_kernel.run, tables(model))


def _call(kernel: Kernel, m: Tables, *arguments: Any) -> None:
    """The kernel, with working memory of its own."""
    thetas, starts = arguments[1:3]
    kernel(*arguments, m, *memory(m, starts.shape[1], thetas.shape[1], LANES))


def memory(m: Tables, S: int, P: int, lanes: int) -> tuple[Array, Integers, NDArray[np.uint64]]:
    """Working memory: numbers of every lane (see `table_kernel.work`) and the stack, whole numbers, streams.

    The numbers begin at a line of the cache.
    """
    R = len(m.rates) - 1
    span = (73 * max(1, -(-R // BLOCK**2)) + S + R + P + 2 + 7) // 8 * 8
    floats = np.zeros(lanes * span + m.depth + 7)
    begin = -floats.ctypes.data % 64 // 8
    return floats[begin:], np.zeros(8 * lanes, dtype=np.int64), np.zeros(4 * lanes, dtype=np.uint64)


def propensities(model: CompiledModel, theta: Array) -> Callable[[Array], Array]:
    """The propensities as a function of one state [S] -> [R], in numpy, from the tables: quick to make."""
    m = tables(model)
    R = len(m.rates) - 1
    if m.general:
        return lambda x: model.propensities(x, theta)
    species, lines = m.species.reshape(-1, R, 2), m.lines.reshape(-1, R, 2, 2)
    rates = np.array([run(m.program[a:b], theta) for a, b in itertools.pairwise(m.rates)])
    return lambda x: np.asarray(rates * (lines[..., 0] + lines[..., 1] * x[species]).prod(axis=(0, 2)))


def tables(model: CompiledModel) -> Tables:
    """The tables of a model, made once."""
    network = model.network
    key = (network.fingerprint, network.theta_names, network.species_names)
    if key not in _TABLES:
        if len(_TABLES) >= KEPT:
            _TABLES.clear()
        _TABLES[key] = _tables(model)
    return _TABLES[key]


_TABLES: dict[tuple[object, ...], Tables] = {}


def _tables(model: CompiledModel) -> Tables:
    network = model.network
    laws = laws_of(network)
    places = {symbol(name): (COUNT, s) for s, name in enumerate(network.species_names)}
    places |= {symbol(name): (RATE, j) for j, name in enumerate(network.theta_names)}
    rates = [program(law.coefficient, places) for law in laws]
    general = [program(law.rest, places) if law.factors is None else [] for law in laws]
    programs = [*rates, *general]
    starts = starts_of(programs)
    touched = network.dependencies()
    moved = [np.nonzero(row)[0].tolist() for row in model.change]
    columns = BLOCK * max(1, -(-len(laws) // BLOCK**2))
    species, lines = _factors(laws)
    return Tables(
        more=len(species) // max(2 * len(laws), 1) - 1,
        general=any(general),
        species=species,
        lines=lines,
        program=table([row for rows in programs for row in rows]),
        rates=starts[: len(laws) + 1],
        laws=starts[len(laws) :],
        depth=max([1, *(depth(rows) for rows in programs)]),
        changes=starts_of(moved),
        changed=np.array([s for group in moved for s in group], dtype=np.int64),
        change=np.array([model.change[r, s] for r, group in enumerate(moved) for s in group], dtype=np.float64),
        touches=starts_of(touched),
        touched=np.array(
            [(r, (r % BLOCK) * columns + r // BLOCK) for group in touched for r in group], dtype=np.int64
        ).ravel(),
    )


def _factors(laws: list[Law]) -> tuple[Integers, Array]:
    """Species [layers * R * 2] and (offset, slope) [layers * R * 2 * 2]; missing factors are 1 + 0 * x[0]."""
    most = max([2, *(len(law.factors) for law in laws if law.factors)])
    shape = (most + 1) // 2, len(laws), 2
    species, lines = np.zeros(shape, dtype=np.int64), np.tile([1.0, 0.0], (*shape, 1))
    for r, law in enumerate(laws):
        for f, factor in enumerate(law.factors or ()):
            species[f // 2, r, f % 2] = factor.species
            lines[f // 2, r, f % 2] = factor.offset, factor.slope
    return species.ravel(), lines.ravel()


def starts_of(groups: Sequence[Collection[object]]) -> Integers:
    """Where each list begins among the entries of all, and where the last one ends."""
    return np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(np.int64)
