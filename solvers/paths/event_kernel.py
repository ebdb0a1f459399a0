"""The direct method on tables with events on counts: compiled once for all models.

Every firing is followed by the events that it sets off, exactly as `kinetix.jumps` says: a trigger
that turns true waits for its turn, the highest priority goes first, and what runs may set off more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kinetix.jumps import MOST_ROUNDS, WHOLE

from .compiled_streams import begin_stream
from .native import Native
from .pointers import called, get, part, pointer, put, shift
from .stack_machine import evaluate
from .table_kernel import (
    BAD_PROPENSITY,
    CHOSEN,
    CODE,
    EMPTY,
    EVENT_FAILED,
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
    renew,
    stop,
    weigh,
    work,
)

QUIET, RAN, FAILED = range(3)
"""What became of the events that a firing may set off."""


class Listening(NamedTuple):
    """The events of a model, as pointers to `event_tables.EventTables`; their number; then memory.

    `held`, `now`, `pending` [E]; `kept`, `values` [assignments]; the state before the events: counts
    and theta in `before`, triggers in `held_before`.
    """

    E: Any
    program: Any
    watches: Any
    watched: Any
    triggers: Any
    priorities: Any
    assigned: Any
    targets: Any
    formulas: Any
    stored: Any
    lasting: Any
    held: Any
    now: Any
    pending: Any
    held_before: Any
    kept: Any
    values: Any
    before: Any


@part
def listening(v: Any, E: Any, A: Any, floats: Any, whole: Any) -> Any:
    """The `Listening` on the tables v, with its memory."""
    f, k = pointer(floats), pointer(whole)
    return Listening(
        E, pointer(v.program), pointer(v.watches), pointer(v.watched), pointer(v.triggers), pointer(v.priorities),
        pointer(v.assigned), pointer(v.targets), pointer(v.formulas), pointer(v.stored), pointer(v.lasting),
        k, shift(k, E), shift(k, 2 * E), shift(k, 3 * E), f, shift(f, A), shift(f, 2 * A),
    )  # fmt: skip


@part
def formula(w: Any, y: Any, f: Any, starts: Any, e: Any) -> Any:
    """The value of entry e of a list of programs in the lane f."""
    return evaluate(y.program, get(starts, e), get(starts, e + 1), shift(f, w.x), shift(f, w.p), w.stack)


@called
def holds(w: Any, y: Any, f: Any, e: Any) -> Any:
    """Whether the trigger of event e holds: 1 or 0."""
    return 1 if formula(w, y, f, y.triggers, e) != 0.0 else 0


@called
def wait(w: Any, y: Any, f: Any, e: Any) -> None:
    """Event e waits for its turn, with the values that it takes from now."""
    put(y.pending, e, 1)
    if get(y.stored, e) != 0:
        for a in range(get(y.assigned, e), get(y.assigned, e + 1)):
            put(y.kept, a, formula(w, y, f, y.formulas, a))


@part
def turn(w: Any, y: Any, f: Any) -> Any:
    """The event whose turn it is, by priority, then as declared; -1 if none waits."""
    chosen, best = -1, 0.0
    for e in range(y.E):
        if get(y.pending, e) != 0:
            mine = -1.7976931348623157e308
            if get(y.priorities, e) < get(y.priorities, e + 1):
                mine = formula(w, y, f, y.priorities, e)
            if chosen < 0 or mine > best or (np.isnan(mine) and not np.isnan(best)):
                chosen, best = e, mine
    return chosen


@part
def assign(w: Any, y: Any, f: Any, e: Any) -> Any:
    """Event e sets what it sets; 1 where a value is not finite, or would be no count."""
    begin_at, end = get(y.assigned, e), get(y.assigned, e + 1)
    for a in range(begin_at, end):
        put(y.values, a, get(y.kept, a) if get(y.stored, e) != 0 else formula(w, y, f, y.formulas, a))
    wrong = 0
    for a in range(begin_at, end):
        value, target = get(y.values, a), get(y.targets, a)
        if not (-INFINITY < value < INFINITY):
            wrong = 1
        elif target >= w.S:
            put(f, w.p + target - w.S, value)
        else:
            count = np.rint(value)
            if not (abs(value - count) <= WHOLE * max(1.0, abs(value))) or count < 0.0:
                wrong = 1
            put(f, w.x + target, count)
    return wrong


@part
def follow(w: Any, y: Any, f: Any) -> None:
    """After an event: what turned false and need not persist is dropped, what turned true waits."""
    for e in range(y.E):
        now, before = holds(w, y, f, e), get(y.held, e)
        put(y.held, e, now)
        if now < before and get(y.lasting, e) == 0:
            put(y.pending, e, 0)
        if now > before:
            wait(w, y, f, e)


@called
def cascade(w: Any, y: Any, f: Any, j: Any) -> Any:
    """The events that reaction j has set off (their triggers are in `now`), and those that they cause."""
    for s in range(w.S):
        put(y.before, s, get(f, w.x + s))
    for p in range(w.P):
        put(y.before, w.S + p, get(f, w.p + p))
    for e in range(y.E):
        put(y.held_before, e, get(y.held, e))
        put(y.pending, e, 0)
    for i in range(get(y.watches, j), get(y.watches, j + 1)):
        e = get(y.watched, i)
        if get(y.now, e) > get(y.held, e):
            wait(w, y, f, e)
        put(y.held, e, get(y.now, e))
    for _ in range(MOST_ROUNDS):
        e = turn(w, y, f)
        if e < 0:
            return RAN
        put(y.pending, e, 0)
        if assign(w, y, f, e) != 0:
            return FAILED
        follow(w, y, f)
    return FAILED


@part
def settle(w: Any, y: Any, f: Any, j: Any, since: Any) -> Any:
    """What follows reaction j: only triggers that read a count which it changes are looked at."""
    rising = 0
    for i in range(get(y.watches, j), get(y.watches, j + 1)):
        e = get(y.watched, i)
        now = holds(w, y, f, e)
        put(y.now, e, now)
        rising |= 1 if now > get(y.held, e) else 0
    if rising != 0:
        put(f, w.p + w.P - 1, since + get(f, w.span - 2))
        return cascade(w, y, f, j)
    for i in range(get(y.watches, j), get(y.watches, j + 1)):
        put(y.held, get(y.watched, i), get(y.now, get(y.watched, i)))
    return QUIET


@part
def happen(w: Any, y: Any, f: Any, k: Any, since: Any) -> None:
    """The event that `draw` has chosen the target for, and what it sets off."""
    j = find(w, f, get(f, w.span - 1))
    put(k, CHOSEN, j)
    if fire(w, f, j):
        put(k, CODE, NEGATIVE_COUNT)
        return
    found = settle(w, y, f, j, since)
    if found == QUIET:
        if renew(w, f, j) < 0.0:
            put(k, CODE, BAD_PROPENSITY)
        add_up(w, f)
    elif found == RAN:
        weigh(w, f, k)
    else:
        put(k, CODE, EVENT_FAILED)


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
    since: Any,
    m: Any,
    v: Any,
    floats: Any,
    whole: Any,
    words: Any,
    values: Any,
    flags: Any,
) -> None:
    """Fill `out` [n, T, S] as `table_kernel.run`, with events after each firing; `thetas` is changed by them.

    The last column of `thetas` [n, P + 1] is the time; `since` is the time at which `times` start to count.
    """
    f, k, g = pointer(floats), pointer(whole), pointer(words)
    w = work(m, starts.shape[1], thetas.shape[1], times.shape[0], f, 1)
    y = listening(v, v.stored.shape[0], v.targets.shape[0], values, flags)
    looks = 0
    report[0] = FINISHED
    for i in range(starts.shape[0]):
        put(k, PATH, i)
        begin_stream(g, low, high, first + i)
        fill(w, f, k, shift(pointer(starts), i * w.S), shift(pointer(thetas), i * w.P))
        for e in range(y.E):
            put(y.held, e, holds(w, y, f, e))
        while get(k, CODE) == FINISHED and get(k, OUTPUT) < w.T:
            looks += 1
            if looks & 4095 == 0 and control[0] != 0:
                report[0] = STOPPED
                report[1] = first + i
                return
            draw(w, f, k, g, pointer(times), pointer(out), pointer(fired), budget)
            if get(k, CODE) == FINISHED:
                happen(w, y, f, k, since)
        if get(k, CODE) != EMPTY:
            stop(w, f, k, first, report, when)
            return
        for p in range(w.P):
            put(pointer(thetas), i * w.P + p, get(f, w.p + p))


run = Native(kernel)
"""The kernel, made when it is first called."""
