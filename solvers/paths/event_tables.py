"""Trajectories with events on counts from tables: what `event_kernel` needs to know of a model.

Choose it (it is chosen by itself) where firings set events off and more than a few thousand of them
are to be drawn; `lockstep` does the same in numpy, a hundred times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.errors import RunError, UnsupportedFeature
from kinetix.expressions import TIME, names_in, symbol
from kinetix.jumps import Jumps

from . import tabled
from .kernels import EVENT_FAILED
from .programs import COUNT, RATE, Program, depth, program, table

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


class EventTables(NamedTuple):
    """Events as arrays; lists of lists stand as (starts, entries) as in `tabled.Tables`.

    `watched`: the events whose triggers read a count that reaction r changes. `triggers`, `priorities`
    (none: empty) and `formulas` are programs; event e sets `targets[assigned[e] : assigned[e + 1]]`,
    species before theta. `stored`: values from the time of the trigger; `lasting`: persistent.
    """

    program: Array
    watches: Integers
    watched: Integers
    triggers: Integers
    priorities: Integers
    assigned: Integers
    targets: Integers
    formulas: Integers
    stored: Integers
    lasting: Integers


def event_kernel(jumps: Jumps, since: float) -> Callable[..., None]:
    """The compiled kernel on a model with events; arguments as those of `lanes.lane_kernel`, `thetas` is changed.

    Raises UnsupportedFeature for laws, triggers or values that have no program, and for delays.
    """
    from . import event_kernel as compiled

    model = jumps.model
    events, deepest = event_tables(model)
    laws = tabled.tables(model)
    laws = laws._replace(depth=max(laws.depth, deepest))
    E, A, (_, S) = len(events.stored), len(events.targets), model.change.shape

    def run(*arguments: Any) -> None:
        times, thetas, *others = arguments
        P = thetas.shape[1] + 1
        theta = np.column_stack([thetas, np.full(len(thetas), since)])
        values, flags = np.zeros(2 * A + S + P), np.zeros(4 * E, dtype=np.int64)
        memory = tabled.memory(laws, S, P, 1)
        compiled.run(times, theta, *others, float(since), laws, events, *memory, values, flags)
        thetas[:] = theta[:, :-1]
        report, when = others[7:9]
        if report[0] == EVENT_FAILED:
            _fail(jumps, values[2 * A :], flags[3 * E :], since + float(when[0]))

    return run


def _fail(jumps: Jumps, before: Array, held: Integers, time: float) -> None:
    """What cannot happen is told by `Jumps`, from the state in which it was tried."""
    S, P = len(jumps.model.network.species), len(jumps.model.theta)
    jumps.settle(before[None, :S], before[None, S : S + P], held[None] != 0, time)
    raise RunError("events led to values that are no counts", place=f"time {time:.6g}")


def event_tables(model: CompiledModel) -> tuple[EventTables, int]:
    """The tables of a model's events, and the depth of the stack that they need."""
    network = model.network
    for event in network.events:
        if event.delay is not None and event.delay != 0:
            raise UnsupportedFeature(f"event {event.name!r} has a delay")
    species, theta = network.species_names, network.theta_names
    places = {symbol(name): (COUNT, s) for s, name in enumerate(species)}
    places |= {symbol(name): (RATE, j) for j, name in enumerate(theta)}
    places[TIME] = RATE, len(theta)

    def programs(expressions: Sequence[sympy.Basic | None]) -> list[Program]:
        return [[] if e is None else program(e, places) for e in expressions]

    triggers = programs([event.trigger for event in network.events])
    priorities = programs([event.priority for event in network.events])
    formulas = programs([value for event in network.events for value in event.assignments.values()])
    rows = [*triggers, *priorities, *formulas]
    starts, E = tabled.starts_of(rows), len(triggers)
    reads = [names_in(event.trigger) for event in network.events]
    changed = [{species[s] for s in np.nonzero(row)[0]} for row in model.change]
    watched = [[e for e, names in enumerate(reads) if names & moved] for moved in changed]
    position = {name: i for i, name in enumerate((*species, *theta))}
    return EventTables(
        program=table([row for part in rows for row in part]),
        watches=tabled.starts_of(watched),
        watched=np.array([e for group in watched for e in group], dtype=np.int64),
        triggers=starts[: E + 1],
        priorities=starts[E : 2 * E + 1],
        assigned=tabled.starts_of([event.assignments for event in network.events]),
        targets=np.array([position[name] for event in network.events for name in event.assignments], dtype=np.int64),
        formulas=starts[2 * E :],
        stored=np.array([event.from_trigger for event in network.events], dtype=np.int64),
        lasting=np.array([event.persistent for event in network.events], dtype=np.int64),
    ), max([1, *(depth(part) for part in rows if part)])
