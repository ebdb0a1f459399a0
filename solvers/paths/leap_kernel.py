"""Tau-leaping compiled once for all models, on the tables and in the lane of `table_kernel`.

A leap takes Poisson numbers of every reaction that is far from exhausting what it consumes, and at
most one event of the critical ones; where a leap would be shorter than some ten events, a hundred
events are drawn exactly. Leaps end at output times.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .compiled_streams import begin_stream, word
from .native import Native
from .pointers import called, get, part, pointer, put, shift
from .streams import UNIT
from .table_kernel import (
    BAD_PROPENSITY,
    BUDGET,
    CHOSEN,
    CODE,
    EMPTY,
    EVENTS,
    FINISHED,
    INFINITY,
    NEGATIVE_COUNT,
    OUTPUT,
    PATH,
    STOPPED,
    add_up,
    draw,
    fill,
    find,
    fire,
    place,
    propensity,
    renew,
    stop,
    work,
)

FEW = 10.0
"""Firings that would exhaust a critical reaction; events that a leap must replace, or 3 for each reaction."""

EXACT = 100
"""Events drawn one by one where leaps would be too short."""


class Rules(NamedTuple):
    """How far a leap may go: see `tau_leaping.Rules`; then memory for it."""

    order: Any
    same: Any
    upper: Any
    number: Any
    before: Any


@called
def poisson(g: Any, mean: Any) -> Any:
    """A Poisson number: by inversion below 10, else by transformed rejection (W. Hörmann, 1993, PTRS)."""
    if mean < 10.0:
        u, k, p = (word(g) + 0.5) * UNIT, 0.0, math.exp(-mean)
        while u > p and k < 200.0:
            u -= p
            k += 1.0
            p *= mean / k
        return k
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse, log_mean = 1.1239 + 1.1328 / (b - 3.4), math.log(mean)
    while True:
        u, v = word(g) * UNIT - 0.5, (word(g) + 0.5) * UNIT
        us = 0.5 - abs(u)
        k = np.floor((2.0 * a / us + b) * u + mean + 0.43) if us > 0.0 else -1.0
        if us >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2.0):
            return k
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        if math.log(v * inverse / (a / (us * us) + b)) <= k * log_mean - mean - math.lgamma(k + 1.0):
            return k


@part
def left(w: Any, f: Any, y: Any, r: Any) -> Any:
    """How often reaction r can fire until something it consumes, or room that laws leave, is used up."""
    fewest = INFINITY
    for e in range(get(w.changes, r), get(w.changes, r + 1)):
        s, change = get(w.changed, e), get(w.change, e)
        room = get(f, w.x + s) if change < 0.0 else get(y.upper, s) - get(f, w.x + s)
        fewest = min(fewest, np.floor(room / abs(change)))
    return fewest


@part
def strictness(order: Any, same: Any, x: Any) -> Any:
    """The g of Cao, Gillespie and Petzold: the relative change of propensities is g times that of the count x."""
    if same <= 1.0 or x <= same:
        return order
    if same == 2.0:
        return order / 2.0 * (2.0 + 1.0 / (x - 1.0))
    return order / 3.0 * (3.0 + 1.0 / (x - 1.0) + 2.0 / (x - 2.0))


@called
def longest(w: Any, f: Any, y: Any, epsilon: Any) -> Any:
    """The longest leap over which no propensity changes by much more than epsilon; marks the critical reactions.

    Beside the bounds on drift and spread of every count stands one on its outflow: a leap over more than
    epsilon of a relaxation time widens stationary laws, by half that share of their variance.
    `number` becomes -1 for critical reactions, 0 for the others.
    """
    for r in range(w.R):
        put(y.number, r, -1.0 if get(f, place(w, r)) > 0.0 and left(w, f, y, r) < FEW else 0.0)
    tau = INFINITY
    for s in range(3 * w.S):
        put(y.before, s, 0.0)
    for r in range(w.R):
        if get(y.number, r) == 0.0:
            a = get(f, place(w, r))
            for e in range(get(w.changes, r), get(w.changes, r + 1)):
                s, change = 3 * get(w.changed, e), get(w.change, e)
                put(y.before, s, get(y.before, s) + change * a)
                put(y.before, s + 1, get(y.before, s + 1) + change * change * a)
                put(y.before, s + 2, get(y.before, s + 2) + max(-change * a, 0.0))
    for s in range(w.S):
        if get(y.order, s) > 0.0:
            x = get(f, w.x + s)
            bound = max(epsilon * x / strictness(get(y.order, s), get(y.same, s), x), 1.0)
            drift, spread, outflow = abs(get(y.before, 3 * s)), get(y.before, 3 * s + 1), get(y.before, 3 * s + 2)
            tau = min(tau, bound / drift if drift > 0.0 else INFINITY)
            tau = min(tau, bound / outflow if outflow > 0.0 else INFINITY)
            tau = min(tau, bound * bound / spread if spread > 0.0 else INFINITY)
    return tau


@part
def critical_one(w: Any, f: Any, y: Any, g: Any, total: Any) -> Any:
    """One of the critical reactions, whose propensities add up to `total`."""
    target, last = word(g) * UNIT * total, -1
    for r in range(w.R):
        a = get(f, place(w, r))
        if get(y.number, r) < 0.0 and a > 0.0:
            last = r
            if target < a:
                break
            target -= a
    return last


@called
def leap(w: Any, f: Any, y: Any, g: Any, tau: Any, chosen: Any) -> Any:
    """All firings of a time tau, and one of `chosen` (or of none, -1): how many; -1 where it cannot be, and is not."""
    for s in range(w.S):
        put(y.before, s, get(f, w.x + s))
    events = 0.0
    for r in range(w.R):
        n = 0.0
        if get(y.number, r) >= 0.0:
            a = get(f, place(w, r))
            n = poisson(g, a * tau) if a > 0.0 else 0.0
        elif r == chosen:
            n = 1.0
        events += n
        if n > 0.0:
            for e in range(get(w.changes, r), get(w.changes, r + 1)):
                s = w.x + get(w.changed, e)
                put(f, s, get(f, s) + n * get(w.change, e))
    fine = True
    for s in range(w.S):
        x = get(f, w.x + s)
        fine = fine and x >= 0.0 and x <= max(get(y.upper, s), get(y.before, s))
    if fine:
        for r in range(w.R):
            v = propensity(w, f, r)
            put(f, place(w, r), v)
            fine = fine and 0.0 <= v < INFINITY
    if not fine:
        for s in range(w.S):
            put(f, w.x + s, get(y.before, s))
        for r in range(w.R):
            put(f, place(w, r), propensity(w, f, r))
    add_up(w, f)
    return events if fine else -1.0


@part
def exactly(w: Any, f: Any, k: Any) -> None:
    """The event that `draw` has chosen the target for."""
    j = find(w, f, get(f, w.span - 1))
    put(k, CHOSEN, j)
    if fire(w, f, j):
        put(k, CODE, NEGATIVE_COUNT)
    if renew(w, f, j) < 0.0 and get(k, CODE) == FINISHED:
        put(k, CODE, BAD_PROPENSITY)
    add_up(w, f)


@part
def outputs(w: Any, f: Any, k: Any, times: Any, out: Any) -> None:
    """Write down the state at the output times that have come."""
    now, path = get(k, OUTPUT), get(k, PATH)
    while now < w.T and get(times, now) <= get(f, w.span - 2):
        for s in range(w.S):
            put(out, (path * w.T + now) * w.S + s, int(get(f, w.x + s)))
        now += 1
    put(k, OUTPUT, now)


@part
def forward(w: Any, f: Any, k: Any, g: Any, y: Any, times: Any, epsilon: Any) -> Any:
    """One leap: the events it was worth; -1 where events have to be drawn exactly instead."""
    total, critical, tried = 0.0, 0.0, 0
    tau = longest(w, f, y, epsilon)
    for r in range(w.R):
        a = get(f, place(w, r))
        total += a
        critical += a if get(y.number, r) < 0.0 else 0.0
    time, end = get(f, w.span - 2), get(times, get(k, OUTPUT))
    worth = max(FEW, 3.0 * w.R) / total if total > 0.0 else 0.0
    while min(tau, end - time) >= worth and critical * worth <= 1.0 and tried < 20:
        alone = -math.log((word(g) + 1.0) * UNIT) / critical if critical > 0.0 else INFINITY
        length, chosen = min(tau, end - time), -1
        if alone < length:
            length, chosen = alone, critical_one(w, f, y, g, critical)
        events = leap(w, f, y, g, length, chosen)
        if events >= 0.0:
            put(f, w.span - 2, end if length == end - time else time + length)
            return events
        tau *= 0.5
        tried += 1
    return -1.0


@part
def kernel(  # noqa: PLR0913, PLR0917 - the arguments of every kernel, tables and memory
    times: Any,
    thetas: Any,
    starts: Any,
    first: Any,
    low: Any,
    high: Any,
    budget: Any,
    control: Any,
    out: Any,
    report: Any,
    when: Any,
    fired: Any,
    leaps: Any,
    singles: Any,
    epsilon: Any,
    m: Any,
    rules: Any,
    floats: Any,
    whole: Any,
    words: Any,
) -> None:
    """Fill `out` [n, T, S] with trajectories first, first + 1, ...: `budget` counts leaps and single events.

    `leaps` and `singles` [n] take their numbers of leaps and of events drawn one by one; the other
    arguments are those of `table_kernel.run`.
    """
    f, k, g = pointer(floats), pointer(whole), pointer(words)
    w = work(m, starts.shape[1], thetas.shape[1], times.shape[0], f, 1)
    y = Rules(
        pointer(rules.order), pointer(rules.same), pointer(rules.upper), pointer(rules.number), pointer(rules.before)
    )
    at, to = pointer(times), pointer(out)
    report[0] = FINISHED
    for i in range(starts.shape[0]):
        put(k, PATH, i)
        begin_stream(g, low, high, first + i)
        fill(w, f, k, shift(pointer(starts), i * w.S), shift(pointer(thetas), i * w.P))
        outputs(w, f, k, at, to)
        events, quiet, steps = 0.0, 0, 0
        while get(k, CODE) == FINISHED and get(k, OUTPUT) < w.T:
            if control[0] != 0:
                report[0] = STOPPED
                report[1] = first + i
                return
            if quiet == 0:
                more = forward(w, f, k, g, y, at, epsilon)
                if more >= 0.0:
                    steps += 1
                    leaps[i] += 1
                    events += more
                    outputs(w, f, k, at, to)
                    if steps >= budget:
                        put(k, CODE, BUDGET)
                    continue
                quiet = EXACT
            put(k, EVENTS, steps)
            draw(w, f, k, g, at, to, pointer(fired), budget)
            if get(k, CODE) == FINISHED:
                exactly(w, f, k)
                steps += 1
                singles[i] += 1
                events += 1.0
                quiet -= 1
        if get(k, CODE) != FINISHED and get(k, CODE) != EMPTY:
            stop(w, f, k, first, report, when)
            return
        fired[i] = int(min(events, 9e18))


run = Native(kernel)
"""The kernel; its numbers are those of every engine."""
