"""The question: a model, output times, parameter values and the law of the counts at time 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .compiler import CompiledModel, compile_network
from .distribution import Distribution, Fractional, PointMass
from .elements import MOST
from .errors import SettingError, require_known
from .network import ReactionNetwork

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """`times` [T], increasing from >= 0; `theta` [P] in the order of `network.theta_names`.

    The last time may be infinite: the stationary law (for solvers that know it, see `require_finite`).
    """

    model: CompiledModel
    times: Array
    theta: Array
    initial: Distribution

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or len(self.times) == 0:
            reason = "no output time is given" if self.times.size == 0 else "times are one list of numbers"
            raise SettingError(reason, place="times", mend="give a time, or a list of times")
        if np.isnan(self.times).any() or self.times[0] < 0 or (self.times[1:] <= self.times[:-1]).any():
            raise SettingError("output times must be finite (but the last), >= 0 and increasing", place="times")
        if self.theta.shape != self.model.theta.shape:
            raise SettingError(f"theta has the shape {self.theta.shape}, not {self.model.theta.shape}")
        if len(wrong := np.flatnonzero(~np.isfinite(self.theta))):
            name = self.model.network.theta_names[wrong[0]]
            raise SettingError(f"{name!r} is {self.theta[wrong[0]]}", place="parameters", mend="give finite values")
        species = len(self.model.network.species)
        if self.initial.dimension != species:
            reason = f"the law at time 0 is one of {self.initial.dimension} species, not of {species}"
            raise SettingError(reason, place="initial")

    def require_finite(self, solver: str) -> None:
        """SettingError, naming the solver, when the stationary law is asked for."""
        if np.isinf(self.times[-1]):
            raise SettingError(
                f"{solver} knows no law at time = inf", place="times", mend="use fsp, or a late finite time"
            )

    @classmethod
    def of(
        cls,
        model: CompiledModel | ReactionNetwork,
        times: ArrayLike,
        *,
        parameters: Mapping[str, float] | None = None,
        initial: Mapping[str, float] | Distribution | None = None,
    ) -> Problem:
        """The problem with the model's own values, except those given by name.

        `initial` is counts by name (boundary species too) or a whole law over the counts.
        """
        for what, given in (("parameters", parameters), ("initial", initial)):
            if given is not None and not isinstance(given, Mapping | Distribution):
                raise SettingError(f"{given!r} is not given by name", place=what, mend="give a mapping name -> value")
        if not isinstance(model, CompiledModel | ReactionNetwork):
            mend = "read one with kinetix.load or kinetix.parse"
            raise SettingError(f"{model!r:.80} is no reaction network", place="network", mend=mend)
        compiled = model if isinstance(model, CompiledModel) else compile_network(model)
        network = compiled.network
        values = {name: _number(value, f"parameter {name!r}") for name, value in dict(parameters or {}).items()}
        law: Distribution = point_law(network, compiled.start)
        if isinstance(initial, Mapping):
            counts = {name: _number(value, f"initial {name!r}") for name, value in initial.items()}
            boundary = [c.name for c in network.constants if c.kind == "boundary"]
            values.update({name: counts.pop(name) for name in boundary if name in counts})
            law = point_law(network, _start(network, compiled.start, counts))
            if mended := {s.name: counts[s.name] for s in network.species if s.initial % 1 and s.name in counts}:
                compiled = compile_network(network.replace(initial=mended))  # solvers refuse a model of fractions
                network = compiled.network
        elif initial is not None:
            law = initial
        require_known(values, network.theta_names, "parameter")
        network.warn_of_stale({**values, **(initial if isinstance(initial, Mapping) else {})})
        theta = np.array([values.get(n, v) for n, v in zip(network.theta_names, compiled.theta, strict=True)], float)
        try:
            asked = np.atleast_1d(np.asarray(times, dtype=np.float64))
        except (TypeError, ValueError) as problem:
            raise SettingError(f"{times!r:.80} are no numbers", place="times", mend="give a list of them") from problem
        return cls(compiled, asked, theta, law)


def _number(given: float, place: str) -> float:
    try:
        return float(given)
    except (TypeError, ValueError) as problem:
        raise SettingError(f"{given!r:.80} is no number", place=place, mend="give one number") from problem


def _start(network: ReactionNetwork, default: Array, counts: Mapping[str, float]) -> Array:
    require_known(counts, network.species_names, "species")
    result = default.copy()
    for name, value in counts.items():
        if not (np.isfinite(value) and value >= 0):
            raise SettingError(f"the initial count of {name!r} is {value}", mend="give a whole number >= 0")
        result[network.species_names.index(name)] = value
    return result


def point_law(network: ReactionNetwork, start: Array) -> Distribution:
    """All mass on the start; a start that is no state of counts is one for the mean field alone."""
    broken = np.nonzero((start != np.floor(start)) | (start > MOST))[0]
    if len(broken):
        return Fractional(start, f"{network.species_names[broken[0]]!r}, {float(start[broken[0]])!r},")
    return PointMass(start.astype(np.int64))
