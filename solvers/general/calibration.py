"""What the signs of the general net mean: their relation to true distances, on panels of problems with exact laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import SettingError

from .family import Batch
from .pretrained import GeneralNetwork
from .score import Case, hellinger
from .signs import Signs
from .trust import FAIR, FLOOR, GOOD, SHARE, Scale, features, signs_of

Array = NDArray[np.float64]

RIDGE = 1.0
"""Penalty on the weights of standardised features."""

MARGIN = 0.02
"""By which the share of right flags is above `SHARE` where cuts are set."""

FEWEST = 60
"""Problems that a calibration needs, and that a cut is judged by."""


def calibrated(net: GeneralNetwork, batch: Batch, cases: Sequence[Case]) -> GeneralNetwork:
    """The net with a certificate that says what its signs have meant on N problems and their exact laws."""
    if len(batch) != len(cases) or len(batch) < FEWEST:
        reason = f"{len(batch)} problems with {len(cases)} laws"
        raise SettingError(reason, place="calibration", mend=f"give at least {FEWEST}")
    told = fitted(signs_of(net.core, batch), hellinger(net.core, cases))
    return replace(net, certificate={**net.certificate, "trust": told})


def fitted(found: Signs, distances: Array) -> Mapping[str, Any]:
    """The scale of N problems with these signs and true `distances` [N], as plain values; see `trust.Scale`."""
    x, y = features(found), np.log(distances + FLOOR)
    centre, width = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - centre) / width
    weights = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (y - y.mean())) / width
    offset = float(y.mean() - centre @ weights)
    estimates = Scale(tuple(weights), offset, -np.inf, -np.inf)(found)
    good = _cut(estimates, distances <= GOOD)
    rest = estimates > (-np.inf if good is None else good)
    cuts = {"good": good, "fair": _cut(estimates[rest], distances[rest] <= FAIR)}
    explained = 1 - float(np.var(y - estimates) / np.var(y))
    facts = {"problems": len(y), "explained": explained, "signs": list(Signs._fields)}
    return {"weights": weights.tolist(), "offset": offset, **cuts, **facts}


def _cut(estimates: Array, right: NDArray[np.bool_]) -> float | None:
    """The largest estimate below which the flag would be right often enough, or None."""
    order = np.argsort(estimates)
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.nonzero((shares >= SHARE + MARGIN) & (np.arange(1, len(order) + 1) >= FEWEST))[0]
    return float(estimates[order[enough[-1]]]) if len(enough) else None
