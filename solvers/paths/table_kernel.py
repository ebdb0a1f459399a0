"""The direct method on tables, compiled once for all models.

Propensities stand in blocks of eight whose sums form a tree of three levels; an event renews the
propensities that depend on it and the sums above them, and finds the next reaction from the top
down. Laws that are no products of affine factors run as small postfix programs.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .compiled_streams import begin_stream, word
from .native import Native
from .pointers import called, get, part, pointer, put, shift
from .stack_machine import evaluate
from .streams import UNIT

FINISHED, BUDGET, BAD_PROPENSITY, NEGATIVE_COUNT, STOPPED, EVENT_FAILED = range(6)
EMPTY = -1
PATH, OUTPUT, EVENTS, CODE, CHOSEN = range(5)
LANES_AT_ONCE = 4
INFINITY = np.inf


class Work(NamedTuple):
    """Where everything stands: the model's lists, and the places of a lane's numbers within its span."""

    more: Any
    general: Any
    species: Any
    lines: Any
    program: Any
    rates: Any
    laws: Any
    changes: Any
    changed: Any
    change: Any
    touches: Any
    touched: Any
    stack: Any
    S: Any
    R: Any
    P: Any
    T: Any
    A: Any
    b: Any
    c: Any
    x: Any
    rate: Any
    p: Any
    span: Any


@part
def work(m: Any, S: Any, P: Any, T: Any, f: Any, lanes: Any) -> Any:
    """The `Work` on the tables m, with its lanes in the memory f and the stack behind them."""
    R = m.rates.shape[0] - 1
    A = max(1, -(-R // 64))
    x = 73 * A
    span = (x + S + R + P + 2 + 7) // 8 * 8  # lanes begin at whole lines of the cache, as `f` does
    return Work(
        m.more, m.general, pointer(m.species), pointer(m.lines), pointer(m.program),
        pointer(m.rates), pointer(m.laws), pointer(m.changes), pointer(m.changed), pointer(m.change),
        pointer(m.touches), pointer(m.touched), shift(f, lanes * span), S, R, P, T, A,
        64 * A, 72 * A, x, x + S, x + S + R, span,
    )  # fmt: skip


@part
def propensity(w: Any, f: Any, r: Any) -> Any:
    """The propensity of reaction r in the lane f."""
    v = get(f, w.rate + r)
    if w.general and get(w.laws, r) < get(w.laws, r + 1):
        return v * evaluate(w.program, get(w.laws, r), get(w.laws, r + 1), shift(f, w.x), shift(f, w.p), w.stack)
    x, e = shift(f, w.x), 2 * r
    v *= get(w.lines, 2 * e) + get(w.lines, 2 * e + 1) * get(x, get(w.species, e))
    v *= get(w.lines, 2 * e + 2) + get(w.lines, 2 * e + 3) * get(x, get(w.species, e + 1))
    for k in range(w.more):
        e = 2 * (w.R * (k + 1) + r)
        v *= get(w.lines, 2 * e) + get(w.lines, 2 * e + 1) * get(x, get(w.species, e))
        v *= get(w.lines, 2 * e + 2) + get(w.lines, 2 * e + 3) * get(x, get(w.species, e + 1))
    return v


@part
def strided_sum(v: Any, at: Any, step: Any) -> Any:
    """v[at] + v[at + step] + ..., eight terms."""
    left = (get(v, at) + get(v, at + step)) + (get(v, at + 2 * step) + get(v, at + 3 * step))
    return left + ((get(v, at + 4 * step) + get(v, at + 5 * step)) + (get(v, at + 6 * step) + get(v, at + 7 * step)))


@part
def add_up(w: Any, f: Any) -> None:
    """The sums of eight propensities each, and the sums of eight of those."""
    step = 8 * w.A
    for j in range(step):
        put(f, w.b + j, strided_sum(f, j, step))
    for j in range(w.A):
        put(f, w.c + j, strided_sum(f, w.b + 8 * j, 1))


@part
def place(w: Any, r: Any) -> Any:
    """Where the propensity of reaction r stands: eight rows, reaction r in column r // 8."""
    return 8 * w.A * (r & 7) + (r >> 3)


@part
def find(w: Any, f: Any, target: Any) -> Any:
    """The reaction whose share of the total holds the target: without branches, which nobody could predict."""
    top, running, before = 0, 0.0, 0.0
    for j in range(w.A - 1):
        running += get(f, w.c + j)
        top += 1 if target >= running else 0
        before = running if target >= running else before
    target -= before
    within, running, before = 0, 0.0, 0.0
    for j in range(7):
        running += get(f, w.b + 8 * top + j)
        within += 1 if target >= running else 0
        before = running if target >= running else before
    target -= before
    block, within, running = 8 * top + within, 0, 0.0
    for j in range(7):
        running += get(f, j * 8 * w.A + block)
        within += 1 if target >= running else 0
    chosen = min(8 * block + within, w.R - 1)
    while get(f, place(w, chosen)) == 0.0:  # rounding has passed the last one that can fire
        chosen = chosen - 1 if chosen > 0 else w.R - 1
    return chosen


@part
def fire(w: Any, f: Any, j: Any) -> Any:
    """Reaction j happens: 1 if a count has become negative."""
    below = 0
    for e in range(get(w.changes, j), get(w.changes, j + 1)):
        s = w.x + get(w.changed, e)
        count = get(f, s) + get(w.change, e)
        put(f, s, count)
        below |= 1 if count < 0.0 else 0
    return below


@part
def renew(w: Any, f: Any, j: Any) -> Any:
    """The propensities that reaction j touches; the least of them (NaN and infinity show in the total)."""
    least = 0.0
    for e in range(get(w.touches, j), get(w.touches, j + 1)):
        v = propensity(w, f, get(w.touched, 2 * e))
        put(f, get(w.touched, 2 * e + 1), v)
        least = min(v, least)
    return least


@called
def bad(w: Any, f: Any) -> Any:
    """The first reaction whose propensity is no finite number >= 0."""
    for r in range(w.R):
        if not (0.0 <= get(f, place(w, r)) < INFINITY):
            return r
    return w.R - 1


@called
def weigh(w: Any, f: Any, k: Any) -> None:
    """Every propensity of a lane, from its theta and counts."""
    for r in range(w.R):
        rate = evaluate(w.program, get(w.rates, r), get(w.rates, r + 1), shift(f, w.x), shift(f, w.p), w.stack)
        put(f, w.rate + r, rate)
        put(f, place(w, r), propensity(w, f, r))
        put(k, CODE, get(k, CODE) if 0.0 <= get(f, place(w, r)) < INFINITY else BAD_PROPENSITY)
    add_up(w, f)


@called
def fill(w: Any, f: Any, k: Any, start: Any, theta: Any) -> None:
    """A new trajectory in a lane."""
    put(k, OUTPUT, 0)
    put(k, EVENTS, 0)
    put(k, CODE, FINISHED)
    put(k, CHOSEN, -1)
    put(f, w.span - 2, 0.0)
    for s in range(w.S):
        put(f, w.x + s, float(get(start, s)))
    for j in range(w.P):
        put(f, w.p + j, get(theta, j))
    for r in range(64 * w.A):
        put(f, r, 0.0)
    weigh(w, f, k)


@called
def stop(w: Any, f: Any, k: Any, first: Any, report: Any, when: Any) -> None:
    """Report the end of a trajectory, unless an earlier one has been reported."""
    path = first + get(k, PATH)
    if report[0] != FINISHED and report[1] < path:
        return
    chosen = bad(w, f) if get(k, CODE) == BAD_PROPENSITY else get(k, CHOSEN)
    report[0], report[1], report[2], when[0] = get(k, CODE), path, chosen, get(f, w.span - 2)
    for s in range(w.S):
        report[3 + s] = int(get(f, w.x + s))


@called
def copy(f: Any, k: Any, g: Any, source: Any, target: Any, span: Any) -> None:
    """Lane `source` takes the place of lane `target`."""
    for j in range(span):
        put(f, target * span + j, get(f, source * span + j))
    for j in range(8):
        put(k, 8 * target + j, get(k, 8 * source + j))
    for j in range(4):
        put(g, 4 * target + j, get(g, 4 * source + j))


@part
def draw(w: Any, f: Any, k: Any, g: Any, times: Any, out: Any, fired: Any, budget: Any) -> None:
    """The time of the next event and its target among the propensities; outputs that fall due before it."""
    total, time = 0.0, w.span - 2
    for j in range(w.A):
        total += get(f, w.c + j)
    following = INFINITY
    if not (total < INFINITY):
        put(k, CODE, BAD_PROPENSITY)
        return
    if total > 0.0:
        following = get(f, time) - math.log((word(g) + 1.0) * UNIT) / total
    if following >= get(times, get(k, OUTPUT)):
        now, path = get(k, OUTPUT), get(k, PATH)
        while now < w.T and get(times, now) <= following:
            for s in range(w.S):
                put(out, (path * w.T + now) * w.S + s, int(get(f, w.x + s)))
            now += 1
        put(k, OUTPUT, now)
        if now == w.T:
            put(fired, path, get(k, EVENTS))
            put(k, CODE, EMPTY)
            return
    if get(k, EVENTS) == budget:
        put(k, CODE, BUDGET)
        return
    put(k, EVENTS, get(k, EVENTS) + 1)
    put(f, time, following)
    put(f, time + 1, word(g) * UNIT * total)


@part
def step(w: Any, f: Any, k: Any, active: Any) -> None:
    """One event in every lane; the lanes' work is interleaved, so that none waits for its own results."""
    for i in range(active):
        put(k, 8 * i + CHOSEN, find(w, shift(f, i * w.span), get(f, (i + 1) * w.span - 1)))
    for i in range(active):
        if fire(w, shift(f, i * w.span), get(k, 8 * i + CHOSEN)):
            put(k, 8 * i + CODE, NEGATIVE_COUNT)
    for i in range(active):
        least = renew(w, shift(f, i * w.span), get(k, 8 * i + CHOSEN))
        if least < 0.0 and get(k, 8 * i + CODE) == FINISHED:
            put(k, 8 * i + CODE, BAD_PROPENSITY)
    for i in range(active):
        add_up(w, shift(f, i * w.span))


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
    m: Any,
    floats: Any,
    whole: Any,
    words: Any,
) -> None:
    """Fill `out` [n, T, S] with trajectories first, first + 1, ... of the model in the tables `m`.

    `floats`, `whole`, `words` are working memory for `LANES_AT_ONCE` lanes (see `tabled`).
    """
    n, S, P = starts.shape[0], starts.shape[1], thetas.shape[1]
    f, k, g = pointer(floats), pointer(whole), pointer(words)
    w = work(m, S, P, times.shape[0], f, LANES_AT_ONCE)
    taken, limit, active, looks = 0, n, min(n, LANES_AT_ONCE), 0
    report[0] = FINISHED
    for i in range(active):
        put(k, 8 * i + CODE, EMPTY)
    while active > 0:
        looks += 1
        if looks & 4095 == 0 and control[0] != 0:
            report[0] = STOPPED
            return
        i = 0
        while i < active:
            lane, here, stream = shift(f, i * w.span), shift(k, 8 * i), shift(g, 4 * i)
            if get(here, CODE) == FINISHED:
                draw(w, lane, here, stream, pointer(times), pointer(out), pointer(fired), budget)
                i += 1 if get(here, CODE) == FINISHED else 0
                continue
            if get(here, CODE) != EMPTY:
                stop(w, lane, here, first, report, when)
                limit = min(limit, get(here, PATH))
            if taken >= limit:
                active -= 1
                copy(f, k, g, active, i, w.span)
                continue
            put(here, PATH, taken)
            begin_stream(stream, low, high, first + taken)
            fill(w, lane, here, shift(pointer(starts), taken * S), shift(pointer(thetas), taken * P))
            taken += 1
        step(w, f, k, active)


run = Native(kernel)
"""The kernel; its numbers are those of every engine."""
