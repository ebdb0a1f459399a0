"""How long a training may take, and how long it took."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from numbers import Real

from kinetix.errors import SettingError


@dataclass(frozen=True)
class Budget:
    """Wall seconds, CPU seconds or steps: exactly one. The clock starts when the budget is made.

    What came before the loop (making a teacher's tables) counts too.
    """

    wall: float | None = None
    cpu: float | None = None
    steps: int | None = None
    started: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()), compare=False)
    spent: tuple[float, float] = field(default=(0.0, 0.0), compare=False)
    others: float = field(default=0.0, compare=False)
    """CPU seconds of the other processes of this training (`workers`), as they last told."""

    def __post_init__(self) -> None:
        given = [v for v in (self.wall, self.cpu, self.steps) if v is not None]
        if len(given) != 1:
            raise SettingError("give exactly one of budget (seconds), budget_cpu (seconds) and budget_steps")
        if isinstance(given[0], bool) or not isinstance(given[0], Real):
            raise SettingError(f"the budget is {given[0]!r}", place="budget", mend="give a number of seconds or steps")
        if self.steps is not None and not float(self.steps).is_integer():
            raise SettingError(f"budget_steps is {self.steps!r}", place="budget", mend="give a whole number of steps")
        if not given[0] > 0 or not math.isfinite(given[0]):
            raise SettingError(f"the budget {given[0]} is not a positive number")

    @property
    def wall_seconds(self) -> float:
        """Wall seconds used so far, those before a resume included."""
        return self.spent[0] + time.monotonic() - self.started[0]

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all processes used so far, those before a resume included."""
        return self.spent[1] + self.others + time.process_time() - self.started[1]

    @property
    def own_cpu(self) -> float:
        """CPU seconds of this process since the clock started."""
        return time.process_time() - self.started[1]

    def fraction(self, step: int) -> float:
        """The share of the budget that is used up, from 0."""
        if self.steps is not None:
            return step / self.steps
        return self.wall_seconds / self.wall if self.wall is not None else self.cpu_seconds / (self.cpu or 1.0)

    def after(self, wall: float, cpu: float) -> Budget:
        """The same budget with seconds that an earlier, interrupted run used."""
        return Budget(self.wall, self.cpu, self.steps, self.started, (wall, cpu))


@dataclass(frozen=True)
class Record:
    """How a training went: steps done, the last smoothed loss, seconds, and what went wrong on the way."""

    steps: int
    loss: float
    wall_seconds: float
    cpu_seconds: float
    notes: tuple[str, ...] = ()
