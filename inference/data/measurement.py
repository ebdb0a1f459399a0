"""What an instrument makes of the true counts: molecules missed, false spots, counts known to an interval.

A measurement changes the law, not the data: the probability of what was read is the sum over true counts of
their probability times that of reading so. Choose it when the data were not counted molecule by molecule
(sequencing captures a share of them, images have background, flow cytometry bins and saturates).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import SettingError, require_known

Counts = NDArray[np.int64]

OPEN = 2**63 - 1
"""The end of an interval that has none."""


@dataclass(frozen=True)
class Measurement:
    """How each observable is read, by its name; what is not named is counted exactly.

    In the order in which it happens: `capture`, the probability with which each molecule is seen; `background`,
    the mean of the Poisson count that is added; then `bins`, the first counts of the intervals that are told
    apart (from 0; the last is open), or `saturation`, the count from which on all read the same. Binned data
    are given as any count of the interval. A capture or background may be the name of a parameter, with a
    prior of its own.
    """

    capture: Mapping[str, float | str] = field(default_factory=dict)
    background: Mapping[str, float | str] = field(default_factory=dict)
    bins: Mapping[str, Sequence[int]] = field(default_factory=dict)
    saturation: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for f in fields(self):
            given = getattr(self, f.name)
            if not isinstance(given, Mapping):
                mend = f'write {f.name}={{"M": ...}}'
                raise SettingError(f"{f.name} is {given!r}, not given by observable", place="measurement", mend=mend)
            object.__setattr__(self, f.name, MappingProxyType(dict(given)))
        for name, value in self.capture.items():
            _require(_is_name(value) or _is_within(value, 1.0), "capture", name, value, "a probability above 0")
        for name, value in self.background.items():
            _require(_is_name(value) or _is_within(value, math.inf), "background", name, value, "a mean from 0 up")
        for name, value in self.capture.items():
            _require(_is_name(value) or value != 0, "capture", name, value, "a probability above 0")
        for name, edges in self.bins.items():
            _require(_are_edges(edges), "bins", name, edges, "rising whole numbers from 0, two or more")
            _require(name not in self.saturation, "bins", name, edges, "bins or a saturation, not both")
        for name, most in self.saturation.items():
            _require(_is_whole(most) and most >= 1, "saturation", name, most, "a whole number from 1 up")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(dict(getattr(self, f.name)) for f in fields(self))

    @property
    def observables(self) -> tuple[str, ...]:
        """Those that are named."""
        return tuple(dict.fromkeys(name for f in fields(self) for name in getattr(self, f.name)))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters in it."""
        return tuple(dict.fromkeys(value for _, _, value in self._numbers() if isinstance(value, str)))

    def require_observables(self, names: Sequence[str]) -> None:
        """Refuse observables that the data do not have, with the nearest one."""
        require_known(self.observables, names, "observable in the measurement")

    def filled(self, values: Mapping[str, float]) -> Measurement:
        """The same with numbers for the parameters in `values`."""
        known = {n: v for n, v in values.items() if n in self.parameters}
        if not known:
            return self
        put = {what: dict(getattr(self, what)) for what in ("capture", "background")}
        for what, name, value in self._numbers():
            if isinstance(value, str) and value in known:
                put[what][name] = known[value]
        return replace(self, **put)

    def possible(self, values: Mapping[str, NDArray[np.float64]]) -> Any:
        """Whether the parameters in it, by name [B], are a probability or a mean as they must be: [B]."""
        result: Any = True
        for what, _, value in self._numbers():
            if isinstance(value, str):
                x = values[value]
                result = result & (x >= 0) & (x <= (1.0 if what == "capture" else np.inf)) & np.isfinite(x)
        return result

    def intervals(self, name: str, read: Counts) -> Counts:
        """The true readings that each count in `read` [U] stands for, both ends included: [U, 2]."""
        if name in self.bins:
            edges = np.array(self.bins[name], dtype=np.int64)
            place = np.searchsorted(edges, read, side="right") - 1
            ends = np.append(edges[1:] - 1, OPEN)
            return np.column_stack([edges[place], ends[place]])
        most = self.saturation.get(name, OPEN)
        return np.column_stack([np.minimum(read, most), np.where(read >= most, OPEN, read)])

    def as_read(self, name: str, counts: Counts) -> Counts:
        """What the counts are told as: the first of their interval."""
        return self.intervals(name, counts)[:, 0] if name in self.bins or name in self.saturation else counts

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for provenance; `Measurement(**values)` makes it again."""
        plain = {f.name: dict(getattr(self, f.name)) for f in fields(self)}
        plain["bins"] = {name: [int(e) for e in edges] for name, edges in self.bins.items()}
        return {what: values for what, values in plain.items() if values}

    def _numbers(self) -> Iterator[tuple[str, str, float | str]]:
        for what in ("capture", "background"):
            for name, value in getattr(self, what).items():
                yield what, name, value


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_within(value: Any, high: float) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    return math.isfinite(value) and 0 <= float(value) <= high


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _are_edges(edges: Any) -> bool:
    whole = isinstance(edges, Sequence | np.ndarray) and not isinstance(edges, str) and all(map(_is_whole, edges))
    return whole and len(edges) >= 2 and edges[0] == 0 and all(a < b for a, b in pairwise(edges))


def _require(holds: bool, what: str, name: str, value: Any, mend: str) -> None:
    if not holds:
        raise SettingError(f"the {what} of {name!r} is {value!r}", place="measurement", mend=f"give {mend}")
