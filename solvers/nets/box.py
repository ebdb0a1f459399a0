"""The box a net is trained over: which rates and initial counts vary, between what bounds, how drawn."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.compiler import compile_network
from kinetix.errors import SettingError, StaleValueWarning, require_known
from kinetix.network import ReactionNetwork
from kinetix.prompt import PromptEncoding
from kinetix.structure import dependent_species

from .early import first_of
from .first_order import FirstOrderMeans, MeanFeatures
from .interval import interval_of
from .symmetry import Scaling, scaling_parameters

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

CORNERS = 64
"""Most corners of the box that are visited."""

SCALES, TIMES = 256, 8
"""Points of the box, and times at each, by which features of the means are scaled."""


@runtime_checkable
class Prior(Protocol):
    """What a box reads of a prior."""

    @property
    def log_scale(self) -> bool:
        """Whether it is spread over orders of magnitude."""
        ...

    def bounds(self) -> tuple[float, float]:
        """Its support."""
        ...


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds by name, the values that are frozen, and how initial counts follow the conservation laws."""

    network: ReactionNetwork
    bounds: Mapping[str, tuple[float, float]]
    logarithmic: frozenset[str]
    encoding: PromptEncoding
    theta: Array
    start: Counts
    followers: Mapping[int, Counts]

    @classmethod
    def of(
        cls,
        network: ReactionNetwork,
        box: Mapping[str, Any],
        times: Sequence[float],
        *,
        means: bool = False,
        largest: ArrayLike | None = None,
    ) -> Box:
        """The box of name -> (low, high) or prior; a prior of one point freezes its parameter there.

        With `means` the prompts tell the exact means (see `first_order`), where a network has them. A net that
        was saved gives the `largest` [S] by which it has learnt to read them.
        """
        known = (*network.theta_names, *network.species_names)
        if not isinstance(box, Mapping):
            raise SettingError(f"the box is {box!r:.80}", place="box", mend="give name -> (low, high)")
        require_known(box, known, "parameter or species")
        bounds: dict[str, tuple[float, float]] = {}
        fixed: dict[str, float] = {}
        for name, value in box.items():
            low, high = _bounds(name, value)
            if low == high and isinstance(value, Prior):
                fixed[name] = low
            else:
                bounds[name] = (low, high)
        _validate(network, bounds)
        starts = {name: fixed.pop(name) for name in list(fixed) if name in network.species_names}
        network.warn_of_stale(box)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StaleValueWarning)  # all of the box are warned of above
            frozen = network.replace(parameters=fixed, initial=starts)
        interval = interval_of(times)
        if not bounds and interval[0] == interval[1]:
            raise SettingError("nothing varies, not even the time", place="box", mend="give a name -> (low, high)")
        model = compile_network(frozen)
        logarithmic = frozenset(n for n in bounds if isinstance(box[n], Prior) and box[n].log_scale)
        encoding = PromptEncoding.of(frozen, bounds, interval)
        followers = _followers(frozen, [network.species_names.index(n) for n in bounds if n in network.species_names])
        result = cls(frozen, bounds, logarithmic, encoding, model.theta, model.initial, followers)
        result._refuse_negative_starts()
        return result._told_means(largest) if means else result

    def _told_means(self, largest: ArrayLike | None) -> Box:
        """The same with the exact means in its prompts, where all laws are first order and no start follows others.

        Means that grow beyond all numbers are not told.
        """
        means, last = FirstOrderMeans.of(compile_network(self.network)), self.encoding.times[1]
        if means is None or self.followers or self.encoding.stationary:
            return self
        if largest is None:
            largest = means.largest(*self.at(self.sobol(SCALES)), np.geomspace(last / 200, last, TIMES))
        largest = np.asarray(largest, dtype=np.float64)
        if largest.shape != self.start.shape:
            raise SettingError(f"{largest.size} largest means for {self.start.size} species", place="box")
        if not np.isfinite(largest).all():
            return self
        told = MeanFeatures(means, self.encoding.parameters, self.encoding.species, largest)
        return replace(self, encoding=replace(self.encoding, moments=told))

    @property
    def dimension(self) -> int:
        """The number of varied quantities."""
        return len(self.bounds)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The varied parameters, then the varied species, in the network's order."""
        theta = [self.network.theta_names[i] for i in self.encoding.parameters]
        return (*theta, *(self.network.species_names[i] for i in self.encoding.species))

    @cached_property
    def scaling(self) -> Scaling:
        """The varied parameters that scale with the clock (see `symmetry`)."""
        names = scaling_parameters(self.network, [n for n in self.bounds if n in self.network.theta_names])
        low, high = np.array([self.bounds[n] for n in names], dtype=np.float64).reshape(-1, 2).T
        logarithmic = np.array([n in self.logarithmic and self.bounds[n][0] > 0 for n in names], dtype=bool)
        places = tuple(self.network.theta_names.index(n) for n in names)
        return Scaling(places, low, high, logarithmic, self.encoding.times)

    def at(self, cube: ArrayLike) -> tuple[Array, Counts]:
        """Points of the unit cube [B, dimension] as theta [B, P] and initial counts [B, S].

        Rates are spread evenly (or in the logarithm, where the prior says so), counts over the integers.
        """
        u = np.asarray(cube, dtype=np.float64)
        thetas = np.tile(self.theta, (len(u), 1))
        starts = np.tile(self.start, (len(u), 1))
        rates = len(self.encoding.parameters)
        for k, name in enumerate(self.names):
            low, high = self.bounds[name]
            if k >= rates:
                count = np.minimum(np.floor(low + u[:, k] * (high - low + 1)), high)
                starts[:, self.encoding.species[k - rates]] = count.astype(np.int64)
            elif name in self.logarithmic and low > 0:
                thetas[:, self.encoding.parameters[k]] = low * (high / low) ** u[:, k]
            else:
                thetas[:, self.encoding.parameters[k]] = low + u[:, k] * (high - low)
        return thetas, self.completed(starts)

    def completed(self, starts: Counts) -> Counts:
        """Initial counts [B, S] with the species that follow by conservation filled in."""
        result = starts.copy()
        for s, law in self.followers.items():
            others = law.copy()
            others[s] = 0
            result[:, s] = law @ self.start - result @ others
        return result

    def _refuse_negative_starts(self) -> None:
        for s, law in self.followers.items():
            least = int(law @ self.start)
            for i, name in enumerate(self.network.species_names):
                if i != s:
                    low, high = self.bounds.get(name, (self.start[i], self.start[i]))
                    least -= int(max(law[i] * low, law[i] * high))
            if least < 0:
                raise SettingError(
                    f"{self.network.species_names[s]!r} follows by conservation and would start below zero ({least})",
                    place="box",
                    mend="narrow the initial counts in the box",
                )

    def corners(self) -> Array:
        """Corners of the unit cube, all or `CORNERS` of them spread evenly: [B, dimension]."""
        if 2**self.dimension <= CORNERS:
            return np.array(list(itertools.product((0.0, 1.0), repeat=self.dimension)))
        rng = np.random.default_rng(0)
        some = rng.integers(0, 2, (CORNERS, self.dimension)).astype(np.float64)
        some[0], some[1] = 0.0, 1.0
        return some

    def sobol(self, number: int, seed: int = 0) -> Array:
        """`number` (a power of 2) scrambled Sobol points of the unit cube: [number, dimension]."""
        from scipy.stats import qmc

        if not self.dimension:  # the time alone varies
            return np.zeros((number, 0))
        return np.asarray(qmc.Sobol(self.dimension, rng=np.random.default_rng(seed)).random(number))

    def draw_times(self, number: int, rng: np.random.Generator) -> Array:
        """Times, half uniform in the interval, half log-uniform on [t1/200, t1]: [number], sorted, distinct."""
        t0, t1 = self.encoding.times
        if t0 == t1:
            return np.array([t1])
        even = t1 - (t1 - t0) * rng.random(number - number // 2)  # in (t0, t1]
        low = first_of(self.encoding.times)
        return np.unique(np.concatenate([even, low * (t1 / low) ** rng.random(number // 2)]))

    @property
    def told_times(self) -> list[float | str]:
        """The interval of times as JSON can keep it, with "inf" in words."""
        return [t if np.isfinite(t) else "inf" for t in self.encoding.times]

    def require_known_times(self, times: ArrayLike) -> None:
        """Refuse the stationary law of a net over finite times, and finite times of a net of stationary laws."""
        wrong = [t for t in np.ravel(times).tolist() if t > 0 and np.isinf(t) != self.encoding.stationary]
        if wrong:
            known = "the stationary law (time inf) alone" if self.encoding.stationary else "finite times alone"
            mend = "train over times=(0, ...)" if self.encoding.stationary else "train with times=(inf, inf)"
            raise SettingError(f"time {wrong[0]:g} was asked of a net that knows {known}", place="times", mend=mend)

    def require_inside(self, thetas: ArrayLike, starts: ArrayLike, times: ArrayLike) -> None:
        """Refuse problems outside, naming the first quantity that is."""
        if reason := self.outside(thetas, starts, times):
            raise SettingError(reason, place="box", mend="train over a wider box")

    def outside(self, thetas: ArrayLike, starts: ArrayLike, times: ArrayLike) -> str | None:
        """Why problems (theta [..., P], initial counts [..., S], time [...]) are not all inside, or None."""
        if bool(self.encoding.inside(thetas, starts, times).all()):
            return None
        theta, start = np.asarray(thetas), np.asarray(starts)
        columns = [theta[..., i] for i in self.encoding.parameters] + [start[..., i] for i in self.encoding.species]
        for name, column in zip(self.names, columns, strict=True):
            low, high = self.bounds[name]
            slack = 1e-9 * (high - low)
            if wrong := [float(v) for v in np.ravel(column) if not low - slack <= v <= high + slack]:
                return f"{name} = {wrong[0]:g} lies outside the training box [{low:g}, {high:g}]"
        t0, t1 = self.encoding.times
        wrong = [float(t) for t in np.ravel(times) if not t0 <= t <= t1]
        return f"time {wrong[0] if wrong else np.max(times):g} lies outside the training interval [{t0:g}, {t1:g}]"

    def frozen_differences(self, theta: Array, start: Counts) -> str | None:
        """Which frozen parameter of theta [..., P] or initial count of [..., S] differs from the net's own, or None."""
        frozen = np.array([i for i, name in enumerate(self.network.theta_names) if name not in self.bounds], dtype=int)
        values = np.asarray(theta).reshape(-1, len(self.theta))[:, frozen]
        for b, i in np.argwhere(~np.isclose(values, self.theta[frozen], rtol=1e-12, atol=0)):
            name, own = self.network.theta_names[frozen[i]], self.theta[frozen[i]]
            return f"parameter {name!r} is {values[b, i]:g}, but the net was trained with {own:g} frozen"
        starts = np.asarray(start).reshape(-1, len(self.start))
        expected = starts.copy()
        for i, name in enumerate(self.network.species_names):
            if name not in self.bounds:
                expected[:, i] = self.start[i]
        expected = self.completed(expected)
        for k, i in np.argwhere(starts != expected):
            name = self.network.species_names[i]
            return f"species {name!r} starts at {starts[k, i]}, but the net was trained for {expected[k, i]}"
        return None


def _bounds(name: str, value: Any) -> tuple[float, float]:
    if isinstance(value, Prior):
        low, high = (float(v) for v in value.bounds())
        if not np.isfinite([low, high]).all():
            raise SettingError(
                f"the prior of {name!r} has unbounded support", place="box", mend="give explicit bounds (low, high)"
            )
        return low, high
    try:
        low, high = (float(v) for v in value)
    except (TypeError, ValueError) as problem:
        raise SettingError(f"{name!r} has {value!r}, not (low, high) or a prior", place="box") from problem
    if not low < high:
        raise SettingError(
            f"{name!r} has low {low:g} not below high {high:g}", place="box", mend="swap or leave it out"
        )
    return low, high


def _validate(network: ReactionNetwork, bounds: Mapping[str, tuple[float, float]]) -> None:
    for name, (low, high) in bounds.items():
        if not np.isfinite([low, high]).all() or low < 0 or not low < high:
            raise SettingError(f"{name!r} has the bounds [{low:g}, {high:g}]", place="box", mend="use 0 <= low < high")
        if name in network.species_names and (low != int(low) or high != int(high)):
            raise SettingError(f"the initial count {name!r} has the bounds [{low:g}, {high:g}]; use whole numbers")


def _followers(network: ReactionNetwork, varied: Sequence[int]) -> dict[int, Counts]:
    """Species that are not varied but follow a varied one by a conservation law: index -> its law [S]."""
    laws = network.conservation_laws()
    order = [*varied, *(s for s in range(laws.shape[1]) if s not in varied)]  # those not varied are taken first
    found = dependent_species(laws[:, order])
    result: dict[int, Counts] = {}
    for position, law in found.items():
        full = np.zeros_like(law)
        full[order] = law
        if not full[list(varied)].any():
            continue
        if order[position] in varied:
            names = [network.species_names[s] for s in np.nonzero(full)[0]]
            raise SettingError(
                f"the box varies all of {names}, whose weighted sum no reaction changes",
                place="box",
                mend="leave one of them out: it follows from the others",
            )
        result[order[position]] = full
    return result
