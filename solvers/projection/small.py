"""Uniformisation on a window of a few thousand states, where the work around the products counts.

One compiled call (`small_loops`) makes the terms, the Poisson weights and the sweep; the numbers and
their bounds are those of `integration`.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from .grid import Rates
from .integration import Flow
from .uniformisation import rounding

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def can_sweep(rates: Rates) -> bool:
    """Whether `swept` is for these rates: a small window, all laws sound, and numba there."""
    return rates.table is not None and loops() is not None


def swept(
    rates: Rates,
    rate: float,
    start: Array,
    times: Array,
    *,
    lost_at_most: float,
    tolerance: float,
    control: Counts,
) -> Flow:
    """As `integrate` with `positive`."""
    kernels, flat = loops(), rates.grid.flat
    if kernels is None or rates.table is None:
        raise RuntimeError("asked for without numba, or of a large window")
    sums, end, (term, step) = np.zeros((len(times) + 1, len(start))), np.zeros(4), flat.even
    still = 0.5 * tolerance
    kernels.run(
        rates.table,
        flat.inside,
        term,
        step,
        flat.pad,
        start,
        rate,
        rates.outflow,
        times,
        lost_at_most,
        still,
        control,
        sums,
        end,
    )
    np.maximum(sums, 0.0, out=sums)  # 1 - outflow / rate may round below 0; the law is >= 0
    products, stopped, drift, cut = end.tolist()
    error = cut + drift + rounding(int(products), 1 + len(flat.step))
    if rate > 0:
        sums[-1] /= rate
    flow = Flow(sums[:-1], np.full(len(times), error), sums[-1], stopped=stopped > 0)
    flow.products["uniformisation"] = int(products)
    return flow


@cache
def loops() -> ModuleType | None:
    """The module of the inner loops, or None where numba is missing."""
    try:
        from . import small_loops
    except ImportError:
        return None
    return small_loops
