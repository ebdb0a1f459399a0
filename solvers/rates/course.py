"""The course of a mean field through cuts, crossings and events, from time 0 to the last output.

Between cuts in time the slope is smooth in the time; conditions on amounts are looked for inside every
step. Where one turns, the step ends, events settle (their meaning is that of `kinetix.jumps`), and the
integration begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import sympy
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.conditions import is_time_condition
from kinetix.errors import RunError
from kinetix.events import Event
from kinetix.expressions import TIME, names_in
from kinetix.jumps import Agenda, Jumps
from kinetix.network import ReactionNetwork
from kinetix.phases import Phases

from .crossings import Crossings, curved_in_time, cuts_of, modes_of, moving_names
from .ode import Equation, NoNumberError, Step, StuckError
from .output import Output
from .rate_equations import Equations

Array = NDArray[np.float64]

MOST_STEPS = 500_000
"""Steps allowed to a run by default: about a minute of them."""

AT_ONCE = 1e-12
"""Relative time that is no time: what happens so near together happens together."""

SHOWN = 1e-9
"""Relative time before an event at which an output shows the values after it: that of looking times up."""

GRAIN = 1e-3
"""The longest step, as a share of the run, where laws contain the time, so that pulses are not stepped over."""

FINE = 1e-7
"""Absolute error as a share of rtol times the largest amount: amounts so much smaller are not followed."""

EQUAL = 1e-9
"""Relative difference at which moving quantities are equal, for triggers that ask for equality."""

QUICK = 1e-9
"""Share of the run within which a turn follows another without anything between."""

CHATTER = 64
"""Quick turns of the conditions of laws, one after another, after which only triggers are looked for."""

ENDLESS = 2000
"""Quick events, and steps without hearing to laws, after which the course is said to get no further."""


@dataclass(frozen=True)
class Tolerances:
    """Errors allowed to a step and the number of steps: see `MeanField`."""

    rtol: float
    atol: float | None
    max_steps: int


@dataclass(frozen=True, eq=False)
class Run:
    """What a course came to: `states` [T, n], `thetas` [T, P], steps, and (time, event) for each event."""

    states: Array
    thetas: Array
    steps: int
    events: list[tuple[float, str]]


@dataclass(frozen=True)
class Course:
    """Rate equations with events, ready to run; `solver` is the name in messages."""

    equations: Equations
    tolerances: Tolerances
    solver: str

    def run(self, start: Array, theta: Array, times: Array) -> Run:
        """From the amounts (and moments) `start` under `theta` [P] at time 0 to the outputs at `times` [T]."""
        with np.errstate(all="ignore"):
            walk = _Walk(self, start, theta, times)
            walk.begin()
            while walk.time < walk.end:
                walk.stretch()
        return Run(walk.output.states, walk.output.thetas, walk.steps, walk.fired)

    @cached_property
    def network(self) -> ReactionNetwork:
        """The network that is run."""
        return self.equations.model.network

    @cached_property
    def jumps(self) -> Jumps:
        """The events; equality of what moves holds within EQUAL, or no crossing could be seen."""
        events = [_with_width(event, self.network) for event in self.network.events]
        return Jumps(CompiledModel(self.network.with_parts(events=events)), whole=False)

    @cached_property
    def cuts(self) -> Phases:
        """The moments known in advance."""
        return cuts_of([*self._laws, *self._triggers], self.network)

    @cached_property
    def crossings(self) -> Crossings:
        """The moments to be looked for: those of triggers and of laws."""
        return Crossings(self.equations, modes_of([*self._laws, *self._triggers], self.network))

    @cached_property
    def events_only(self) -> Crossings:
        """The moments of triggers alone."""
        return Crossings(self.equations, modes_of(self._triggers, self.network))

    @cached_property
    def grain(self) -> float:
        """The longest step as a share of the run."""
        return GRAIN if curved_in_time([*self._laws, *self._triggers], self.network) else np.inf

    @cached_property
    def _laws(self) -> list[sympy.Basic]:
        return [flux.rate for flux in self.equations.fluxes]

    @cached_property
    def _triggers(self) -> list[sympy.Basic]:
        return [event.trigger for event in self.jumps.model.network.events]


class _Walk:
    """Where a course is: the state at `time`, theta, what held there, and what has been put out."""

    def __init__(self, course: Course, start: Array, theta: Array, times: Array) -> None:
        self.course, self.equations = course, course.equations
        self.theta, self.state, self.time = theta, course.equations.pack(start, theta), 0.0
        self.output, self.last = Output(course.equations, times, len(self.state)), float(times[-1])
        self.end = self.last * (1 + 2 * SHOWN) if course.network.events else self.last
        self.floor, self.ceiling = 0.0, np.inf  # between two cuts: the slope is asked for at no other times
        self.atol = self._absolute()
        self.steps = 0
        self.fired: list[tuple[float, str]] = []
        self.agenda = Agenda()
        self.stopped, self.turns = -np.inf, 0  # the last crossing, and how many quick ones in a row
        self.deaf_until, self.deaf_steps = -np.inf, 0  # while a law turns to and fro, only triggers are looked for

    # from stop to stop -------------------------------------------------------------------------

    def begin(self) -> None:
        """Events at time 0, those that are true there and those that turn true just after."""
        self.held = self.course.jumps.at_start(self.state_amounts, self.state_theta, 0.0)
        self._settle(0.0)
        self.output.write_until(0.0, self.state, self.theta)
        self._pass(0.0)

    def stretch(self) -> None:
        """On to the next cut or delayed event, or to the first crossing before it."""
        cut = min(self.course.cuts.next_cut(self.theta, self.time), max(self.agenda.next, self.time))
        bound = min(cut, self.end)
        self.ceiling = bound - self._instant(bound) if cut <= self.end else np.inf
        deaf = self.time < self.deaf_until
        crossings = self.course.events_only if deaf else self.course.crossings
        modes = crossings.at(np.array([self._inside(self.time)]), self.state[:, None], self.theta)[0]
        for step in self._steps(bound):
            if deaf:
                self._count_deaf(step)
            when = crossings.first(step.path, step.begin, step.end, self.theta, modes)
            if when is not None:
                self._stop(step, when, bound)
                return
            self.output.write(step, step.end if step.end < bound else bound * (1 - AT_ONCE), self.theta)
            self.time, self.state = step.end, step.state
        if self._settle(bound):
            self.output.rewrite(bound * (1 - SHOWN), self.state, self.theta)
        self.output.write_until(bound * (1 + AT_ONCE), self.state, self.theta)
        if cut <= self.end:
            self._pass(bound)

    def _stop(self, step: Step, when: float, bound: float) -> None:
        """End a step at a crossing: what turns at once with it is seen with it."""
        self.output.write(step, float(np.nextafter(when, -np.inf)), self.theta)
        self.time = min(when + self._instant(when), bound)
        self.state = step.path(np.array([self.time]))[:, 0]
        self.turns = self.turns + 1 if self.time - self.stopped < QUICK * self.last else 0
        self.stopped = self.time
        if self._settle(self._inside(self.time), when):
            self.output.rewrite(when * (1 - SHOWN), self.state, self.theta)
            if self.turns > ENDLESS:
                reason = f"event {self.fired[-1][1]!r} happens again and again without end"
                raise self._broken(reason, "let it change what it asks for by more", self.time, self.state)
        elif self.turns > CHATTER:
            self.deaf_until, self.deaf_steps = self.time + GRAIN * self.last, 0
        self.output.write_until(self.time, self.state, self.theta)

    def _pass(self, cut: float) -> None:
        """Beyond a cut: what is true only after it, as `time > 5`."""
        self.floor, self.ceiling = cut + self._instant(cut), np.inf
        self._settle(self.floor, cut)

    def _count_deaf(self, step: Step) -> None:
        """Steps while a law turns to and fro: many of them mean that it slides along its condition."""
        self.deaf_steps += 1
        if step.end >= self.deaf_until:
            self.deaf_until = -np.inf
        elif self.deaf_steps > ENDLESS:
            told = ", ".join(str(mode) for mode in self.course.crossings.modes)
            reason = f"a law turns to and fro without end at a condition ({told})"
            raise self._broken(reason, "make the law continuous there", step.begin, self.state)

    def _settle(self, time: float, told: float | None = None) -> bool:
        """Run the events that turned true; whether there were any. `told` is the time that is listed."""
        jumps = self.course.jumps
        if not jumps.model.network.events:
            return False
        ran: list[int] = []
        after, theta = jumps.settle(self.state_amounts, self.state_theta, self.held, time, ran=ran, agenda=self.agenda)
        if ran:
            self.theta, self.state = theta[0], self.equations.pack(after[0], theta[0])
            self.fired += [(time if told is None else told, jumps.model.network.events[e].name) for e in ran]
        self.held = jumps.triggers(after, theta, time)
        return bool(ran)

    # integration -------------------------------------------------------------------------------

    def _steps(self, bound: float) -> Iterator[Step]:
        """Steps from here to `bound`, counted; what stops them is told with time and state."""
        equation = Equation(
            self._slope,
            None if self.equations.derivatives is None else self._jacobian,
            self.course.tolerances.rtol,
            self.atol,
            self.course.grain * self.last,
        )
        try:
            for step in equation.steps(self.time, self.state, bound):
                self.steps += 1
                if self.steps > self.course.tolerances.max_steps:
                    reason = f"more than {self.course.tolerances.max_steps} steps are needed"
                    raise self._broken(reason, "raise max_steps", step.begin, self.state)
                yield step
        except NoNumberError as problem:
            reason, mend = self.equations.culprit(problem.state, self.theta, self._inside(problem.time))
            raise self._broken(reason, mend, problem.time, problem.state) from problem
        except StuckError as problem:
            reason = "the rate equations cannot be followed further: they are too stiff, or they explode"
            raise self._broken(reason, "check the laws, or raise rtol", problem.time, problem.state) from problem

    def _slope(self, time: float, state: Array) -> Array:
        return self.equations.slope(state, self.theta, self._inside(time))

    def _jacobian(self, time: float, state: Array) -> Array:
        return self.equations.jacobian(state, self.theta, self._inside(time))

    def _broken(self, reason: str, mend: str, time: float, state: Array) -> RunError:
        told = ", ".join(f"{name} = {value:.6g}" for name, value in zip(self.equations.names, state, strict=False))
        return RunError(reason, place=f"{self.course.solver}: time {time:.6g} in state ({told})", mend=mend)

    # times and scales --------------------------------------------------------------------------

    @property
    def state_amounts(self) -> Array:
        """The amounts now: [1, S]."""
        return self.equations.amounts(self.state)[None]

    @property
    def state_theta(self) -> Array:
        """Theta now: [1, P]."""
        return self.equations.theta(self.state, self.theta)[None]

    def _instant(self, time: float) -> float:
        """A time after `time` that is still at once."""
        return AT_ONCE * max(time, GRAIN * self.last)

    def _inside(self, time: float) -> float:
        """The time, moved off the cuts on both sides."""
        if self.floor > self.ceiling:
            return 0.5 * (self.floor + self.ceiling)
        return min(max(time, self.floor), self.ceiling)

    def _absolute(self) -> Array:
        """Errors allowed to a step, absolute: one for all amounts, one for each entry with a rate rule: [n]."""
        given = self.course.tolerances.atol
        if given is not None:
            return np.full(len(self.state), given)
        reach = self.last * self.equations.slope(self.state, self.theta, self._instant(0.0))
        scales = self.equations.scales(self.state, np.where(np.isfinite(reach), reach, 0.0))
        return FINE * self.course.tolerances.rtol * np.where(scales > 0, scales, 1.0)


def _with_width(event: Event, network: ReactionNetwork) -> Event:
    """The event with a width for every equality of what moves: a crossing point has none."""
    moving, wide = moving_names(network), {}
    starts = {p.name: abs(p.value) for p in (*network.parameters, *network.constants)}
    starts |= {s.name: float(s.initial) for s in network.species}
    for found in event.trigger.atoms(sympy.Eq, sympy.Ne):
        if is_time_condition(found, moving) or not (TIME in found.free_symbols or names_in(found) & moving):
            continue
        scale = max((starts[name] for name in names_in(found)), default=0.0) or 1.0
        width = EQUAL * (sympy.Abs(found.lhs) + sympy.Abs(found.rhs) + scale)
        near = sympy.And(found.lhs - found.rhs <= width, found.lhs - found.rhs >= -width)
        wide[found] = near if isinstance(found, sympy.Eq) else sympy.Not(near)
    return replace(event, trigger=event.trigger.xreplace(wide)) if wide else event
