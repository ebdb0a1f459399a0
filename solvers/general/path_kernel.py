"""The direct method on networks of the family, compiled once for all of them (see `paths`).

Every event adds up all propensities, ten at most, and renews those that it touches.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kinetix.solvers.paths.compiled_streams import begin_stream, word
from kinetix.solvers.paths.native import Native
from kinetix.solvers.paths.pointers import called, get, part, pointer, put, shift
from kinetix.solvers.paths.streams import UNIT

from .family import REACTIONS, SPECIES

FINISHED, EVENTS, COUNT, NEGATIVE, STOPPED = range(5)
"""How a network ended: all paths done; a path with too many events, too high a count, a negative one; Ctrl-C."""

INFINITY = np.inf

MEMORY = (
    (SPECIES + 1 + 6 * REACTIONS + REACTIONS * SPECIES, np.float64),
    (5 * REACTIONS + REACTIONS * SPECIES + REACTIONS * REACTIONS, np.int64),
    (4, np.uint64),
)
"""Working memory of the kernel: sizes and kinds of its last three arguments."""


class Work(NamedTuple):
    """One network: pointers to what moves and to its lists.

    `x` [S + 1]: counts, and a 1 for factors that are none; `a`, `sums` [R]: propensities and their running sums;
    `rate` [R]; `less` [R]: what the second factor of a law is short of its count, 1 for pairs of one species;
    `steps` [R, S]: changes, of the species `moved`, `moves` [R] of them; `touched` [R, R]: the laws to renew,
    `touches` [R] of them; `pairs` [R, 2]: the species of the factors. `regulator` [R]: the species of saturating
    factors, with the logarithm of the count at `half` and their `power`, 0 for none.
    """

    R: Any
    x: Any
    a: Any
    sums: Any
    rate: Any
    less: Any
    half: Any
    power: Any
    steps: Any
    moves: Any
    moved: Any
    touches: Any
    touched: Any
    pairs: Any
    regulator: Any


@part
def work(R: Any, f: Any, k: Any) -> Any:
    """The `Work` of a network of R reactions in the memory f, k."""
    a, m = SPECIES + 1, 2 * REACTIONS + REACTIONS * SPECIES
    return Work(
        R, f, shift(f, a), shift(f, a + REACTIONS), shift(f, a + 2 * REACTIONS), shift(f, a + 3 * REACTIONS),
        shift(f, a + 4 * REACTIONS), shift(f, a + 5 * REACTIONS), shift(f, a + 6 * REACTIONS),
        k, shift(k, 2 * REACTIONS), shift(k, REACTIONS), shift(k, m), shift(k, m + REACTIONS * REACTIONS),
        shift(k, m + REACTIONS * REACTIONS + 2 * REACTIONS),
    )  # fmt: skip


@called
def fill(w: Any, rates: Any, factors: Any, change: Any, regulators: Any, halves: Any, powers: Any) -> None:
    """The lists of one network, from its rows of a batch."""
    for r in range(w.R):
        i, j = get(factors, 2 * r), get(factors, 2 * r + 1)
        put(w.pairs, 2 * r, i)
        put(w.pairs, 2 * r + 1, j)
        put(w.rate, r, get(rates, r))
        put(w.less, r, 1.0 if i == j and i < SPECIES else 0.0)
        put(w.regulator, r, get(regulators, r))
        put(w.half, r, math.log(get(halves, r)))
        put(w.power, r, get(powers, r))
        moves = 0
        for s in range(SPECIES):
            if get(change, r * SPECIES + s) != 0:
                put(w.moved, r * SPECIES + moves, s)
                put(w.steps, r * SPECIES + moves, float(get(change, r * SPECIES + s)))
                moves += 1
        put(w.moves, r, moves)
        touches = 0
        for q in range(w.R):
            reads = 0
            for e in range(2):
                s = get(factors, 2 * q + e)
                if s < SPECIES:
                    reads += 1 if get(change, r * SPECIES + s) != 0 else 0
            s = get(regulators, q)
            if s < SPECIES:
                reads += 1 if get(change, r * SPECIES + s) != 0 else 0
            if reads > 0:
                put(w.touched, r * REACTIONS + touches, q)
                touches += 1
        put(w.touches, r, touches)


@part
def renew(w: Any, r: Any) -> None:
    """The propensity of reaction r."""
    first, second = get(w.x, get(w.pairs, 2 * r)), get(w.x, get(w.pairs, 2 * r + 1))
    law = get(w.rate, r) * first * (second - get(w.less, r))
    power = get(w.power, r)
    if power != 0.0:
        count = get(w.x, get(w.regulator, r))
        if count > 0.0:
            law = law / (1.0 + math.exp(power * (get(w.half, r) - math.log(count))))
        elif power > 0.0:
            law = 0.0
    put(w.a, r, law)


@part
def add_up(w: Any) -> Any:
    """The running sums of the propensities; the total."""
    total = 0.0
    for r in range(w.R):
        total += get(w.a, r)
        put(w.sums, r, total)
    return total


@part
def find(w: Any, target: Any) -> Any:
    """The reaction whose share of the total, below which the target is, holds it; never one of propensity 0."""
    chosen = 0
    for r in range(w.R - 1):
        chosen += 1 if target >= get(w.sums, r) else 0
    return chosen


@part
def fire(w: Any, r: Any, most_count: Any) -> Any:
    """Reaction r happens; how that ended."""
    code = FINISHED
    for e in range(r * SPECIES, r * SPECIES + get(w.moves, r)):
        s = get(w.moved, e)
        count = get(w.x, s) + get(w.steps, e)
        put(w.x, s, count)
        if count > float(most_count):
            code = COUNT
        if count < 0.0:
            code = NEGATIVE
    for e in range(r * REACTIONS, r * REACTIONS + get(w.touches, r)):
        renew(w, get(w.touched, e))
    return code


@part
def path(w: Any, g: Any, start: Any, times: Any, T: Any, most_events: Any, most_count: Any, out: Any) -> Any:
    """One trajectory into `out` [T, S]: how it ended, and its events."""
    put(w.x, SPECIES, 1.0)
    code = FINISHED
    for s in range(SPECIES):
        put(w.x, s, float(get(start, s)))
        if get(start, s) > most_count:
            code = COUNT
    for r in range(w.R):
        renew(w, r)
    time, now, events = 0.0, 0, 0
    while code == FINISHED:
        total, following = add_up(w), INFINITY
        if total > 0.0:
            following = time - math.log((word(g) + 1.0) * UNIT) / total
        while now < T and get(times, now) <= following:
            for s in range(SPECIES):
                put(out, now * SPECIES + s, int(get(w.x, s)))
            now += 1
        if now == T:
            break
        if events == most_events:
            code = EVENTS
            break
        events += 1
        time = following
        code = fire(w, find(w, word(g) * UNIT * total), most_count)
    return code, events


@part
def kernel(  # noqa: PLR0913, PLR0917 - tables, limits, answers and memory
    rates: Any,
    factors: Any,
    change: Any,
    starts: Any,
    sizes: Any,
    regulators: Any,
    halves: Any,
    powers: Any,
    times: Any,
    first: Any,
    low: Any,
    high: Any,
    most_events: Any,
    most_count: Any,
    control: Any,
    out: Any,
    ended: Any,
    fired: Any,
    floats: Any,
    whole: Any,
    words: Any,
) -> None:
    """Fill `out` [n, K, T, S] with paths of networks first, first + 1, ...; a network stops at its first bad path."""
    K, T, g = out.shape[1], times.shape[1], pointer(words)
    for n in range(rates.shape[0]):
        w = work(sizes[n], pointer(floats), pointer(whole))
        table = shift(pointer(change), n * REACTIONS * SPECIES)
        rows = shift(pointer(rates), n * REACTIONS), shift(pointer(factors), 2 * n * REACTIONS)
        regulated = shift(pointer(regulators), n * REACTIONS), shift(pointer(halves), n * REACTIONS)
        fill(w, rows[0], rows[1], table, regulated[0], regulated[1], shift(pointer(powers), n * REACTIONS))
        for i in range(K):
            if control[0] != 0:
                ended[n] = STOPPED
                return
            begin_stream(g, low, high, (first + n) * 4294967296 + i)
            start, here = shift(pointer(starts), n * SPECIES), shift(pointer(out), (n * K + i) * T * SPECIES)
            code, events = path(w, g, start, shift(pointer(times), n * T), T, most_events, most_count, here)
            fired[n] = fired[n] + events
            if code != FINISHED:
                ended[n] = code
                break


run = Native(kernel)
"""The kernel, made when it is first called."""
