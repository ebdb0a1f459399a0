"""The direct method in numpy, all trajectories side by side: no compiler needed, same streams.

Choose it (it is chosen by itself) where numba is missing, where a law has no compiled form, and for
pilot runs too short to be worth a compile. Same arguments and endings as the compiled kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.jumps import Jumps

from .kernels import BAD_PROPENSITY, BUDGET, FINISHED, NEGATIVE_COUNT, STOPPED
from .streams import UNIT, Streams

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def run(  # noqa: PLR0913, PLR0917 - the arguments of the compiled kernel
    model: CompiledModel,
    times: Array,
    thetas: Array,
    starts: Counts,
    first: int,
    root: tuple[int, int],
    budget: int,
    control: Counts,
    out: Counts,
    report: Counts,
    when: Array,
    jumps: Jumps | None = None,
    since: float = 0.0,
) -> None:
    """Fill `out` [n, T, S] with trajectories first, first + 1, ...; the end state goes to `report` and `when`.

    A trajectory that used up its `budget` of events ends the run; `report` as in `kernels`. With `jumps`
    the model's events follow each firing, `since` being the time at which the run starts, and `thetas`
    is changed where they set parameters.
    """
    n, change = len(starts), model.change
    streams = Streams(root, np.arange(first, first + n))
    x, t, k = starts.astype(np.int64).copy(), np.zeros(n), np.zeros(n, dtype=np.int64)
    active = np.arange(n)
    events = 0
    held = jumps.triggers(x.astype(np.float64), thetas, since) if jumps else np.zeros((n, 0), dtype=np.bool_)

    def end(code: int, path: int, reaction: int = -1) -> None:
        report[:3] = code, first + path, reaction
        report[3:] = x[path]
        when[0] = t[path]

    while len(active):
        rates = model.propensities(x[active], thetas[active])
        fine = (rates >= 0) & (rates < np.inf)
        if not fine.all():
            row = int(np.argmin(fine.all(axis=1)))
            return end(BAD_PROPENSITY, int(active[row]), int(np.argmin(fine[row])))
        sums = np.cumsum(rates, axis=1)
        total = sums[:, -1] if sums.shape[1] else np.zeros(len(active))
        following = np.full(len(active), np.inf)
        moving = total > 0
        u = streams.uniforms(active[moving])
        following[moving] = t[active[moving]] - np.log(u + UNIT) / total[moving]
        while len(due := np.nonzero(times[np.minimum(k[active], len(times) - 1)] <= following)[0]):
            due = due[k[active[due]] < len(times)]
            if not len(due):
                break
            paths = active[due]
            out[paths, k[paths]] = x[paths]
            k[paths] += 1
        going = k[active] < len(times)
        active, sums, total, following = active[going], sums[going], total[going], following[going]
        if not len(active):
            break
        if events == budget:
            return end(BUDGET, int(active[0]))
        if control[0]:
            return end(STOPPED, int(active[0]))
        events += 1
        t[active] = following
        u = streams.uniforms(active) * total
        chosen = (u[:, None] >= sums).sum(axis=1)
        x[active] += change[chosen]
        below = (x[active] < 0).any(axis=1)
        if below.any():
            row = int(np.argmax(below))
            return end(NEGATIVE_COUNT, int(active[row]), int(chosen[row]))
        if jumps:
            moment, before = since + t[active], x[active].astype(np.float64)
            after, thetas[active] = jumps.settle(before, thetas[active], held[active], moment)
            held[active] = jumps.triggers(after, thetas[active], moment)
            x[active] = after.astype(np.int64)
    report[0] = FINISHED
    return None
