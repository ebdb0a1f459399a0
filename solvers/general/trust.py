"""How far an answer of the general net is expected to be off, by its `signs`, as calibrated on panels of exact laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .family import Batch
from .net import Core
from .prompt import Prompted
from .signs import Signs, signs
from .survey import windows_of

Array = NDArray[np.float64]

GOOD, FAIR = 0.05, 0.10
"""Hellinger distances that answers with these flags do not pass, in `SHARE` of cases."""

SHARE = 0.95
"""How often a flag must be right."""

FLOOR = 1e-3
"""Added to distances before their logarithm is taken."""

TOGETHER = 8
"""Problems whose signs are looked for at once."""


@dataclass(frozen=True)
class Trust:
    """Of one answer: at `time`, the estimated Hellinger `distance` to the exact law, a `flag` and the signs by name.

    "good": the distance is at most `GOOD` in `SHARE` of such cases; "fair": at most `FAIR`; "poor": neither;
    "unknown": the net was never calibrated.
    """

    time: float
    distance: float
    flag: str
    signs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """What signs have meant: log(distance + FLOOR) is about `offset` + `weights` . features; see `features`.

    Answers of which that is at most `good` or `fair` are flagged so; -inf where no answer is.
    """

    weights: tuple[float, ...]
    offset: float
    good: float
    fair: float

    @classmethod
    def of(cls, certificate: Mapping[str, Any]) -> Scale | None:
        """That of a net, if it was calibrated."""
        told = certificate.get("trust")
        if not told:
            return None
        cuts = (-np.inf if told[name] is None else float(told[name]) for name in ("good", "fair"))
        return cls(tuple(map(float, told["weights"])), float(told["offset"]), *cuts)

    def __call__(self, found: Signs) -> Array:
        """The estimates, as logarithms: [N]."""
        return np.asarray(features(found) @ np.array(self.weights) + self.offset)

    def flag(self, estimate: float) -> str:
        """The flag of one estimate."""
        return "good" if estimate <= self.good else "fair" if estimate <= self.fair else "poor"


def features(found: Signs) -> Array:
    """Signs as what the estimate is linear in: [N, F]."""
    sizes = (found.residual, found.lasting, found.midway, found.anchor, found.shift, found.change)
    logs = [np.log(np.clip(size, 1e-3, 1e3)) for size in sizes]
    rest = [found.entropy, found.species, found.closed]
    products = [logs[1] * logs[3], logs[2] ** 2, logs[3] ** 2, found.entropy**2 / 10]
    return np.stack([*logs, *rest, *products], axis=1)


def signs_of(core: Core, batch: Batch) -> Signs:
    """The signs of N problems, each on a window of its own size."""
    windows = windows_of(Prompted.of(batch))
    order = np.argsort(windows, kind="stable")
    blocks = (order[k : k + TOGETHER] for k in range(0, len(order), TOGETHER))
    parts = [signs(core, batch[some], int(windows[some].max())) for some in blocks]
    back = np.argsort(order, kind="stable")
    return Signs(*(np.concatenate(each)[back] for each in zip(*parts, strict=True)))


def trusts(core: Core, scale: Scale | None, batch: Batch, times: Sequence[float]) -> list[Trust]:
    """How far to trust the net's laws of N problems, asked at `times` [N], by the `scale` of its certificate."""
    found = signs_of(core, batch)
    result = []
    for n, time in enumerate(times):
        told = {name: float(values[n]) for name, values in found._asdict().items()}
        if scale is None:
            result.append(Trust(float(time), float("nan"), "unknown", told))
            continue
        estimate = float(scale(Signs(*(values[n : n + 1] for values in found)))[0])
        result.append(Trust(float(time), max(float(np.exp(estimate)) - FLOOR, 0.0), scale.flag(estimate), told))
    return result


def together(scale: Scale | None, parts: Sequence[Trust]) -> Trust:
    """Of a sum of laws that weigh the same: the root of their mean squared distance, which that of the sums is not
    above (Hellinger distances squared are jointly convex); of the signs the means.
    """
    distance = float(np.sqrt(np.mean([one.distance**2 for one in parts])))
    flag = "unknown" if scale is None else scale.flag(float(np.log(distance + FLOOR)))
    told = {name: float(np.mean([one.signs[name] for one in parts])) for name in parts[0].signs}
    return Trust(parts[0].time, distance, flag, told)
