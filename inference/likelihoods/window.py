"""Counts that a net does not know: refused when the data are bound to it, before anything is sampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import DataError
from kinetix.inference.observations import Observations
from kinetix.inference.readings.observables import Observables
from kinetix.space import StateSpace

Counts = NDArray[np.int64]


def require_in_window(data: Observations, observables: Observables, window: StateSpace) -> None:
    """DataError that names row and column of the first count outside the box of a net's free species.

    Of plain observables alone: what sums or an instrument show is judged by their splits. Species that follow by
    conservation are judged by the net, as what they can be depends on the start.
    """
    if not observables.plain:
        return
    for d, s in enumerate(observables.axes):
        if s not in window.free:
            continue
        f = window.free.index(s)
        low = window.lower[f]
        high = low + window.shape[f] - 1
        for k, (rows, _) in enumerate(data.rows):
            outside = np.flatnonzero((rows[:, d] < low) | (rows[:, d] > high))
            if len(outside):
                raise DataError(
                    f"the count {rows[outside[0], d]} of {data.species[d]!r} is outside the net's window, "
                    f"{low} to {high}",
                    file=data.source,
                    place=_place(data, k, int(outside[0]), d),
                    mend="train with caps= that hold the data",
                )


def _place(data: Observations, k: int, u: int, d: int) -> str:
    """Where the distinct row u of time k first stands in what was read, or the row itself where nobody knows."""
    if data.places:
        row = int(data.places[k][u])
        if data.source is None:
            return f"counts[{row}, {d}]"
        return f"row {row}, column {data.species[d]!r}"
    cell = dict(zip(data.species, data.rows[k][0][u].tolist(), strict=True))
    return f"cells with {cell} at t = {data.times[k]:g}, column {data.species[d]!r}"
