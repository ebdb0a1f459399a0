"""Laws at the asked times, their moments and marginals, the error, and where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import distribution
from .compiler import CompiledModel
from .distribution import Distribution, Moments, Sampled
from .errors import SettingError, require_known
from .expressions import names_in
from .problem import Problem
from .quantities import gradient, quantity

Array = NDArray[np.float64]
Quantity = Callable[[int, NDArray[Any]], Array]


@dataclass(frozen=True, eq=False)
class Answer:
    """The fields of a `Solution`, which says what each of them is; its moments and laws."""

    model: CompiledModel
    times: Array
    theta: Array
    laws: tuple[Distribution, ...]
    error: float | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    trajectories: NDArray[np.int64] | None = None
    thetas: Array | None = None

    @classmethod
    def of(cls, problem: Problem, laws: Sequence[Distribution], **fields: Any) -> Self:
        """The answer to `problem`."""
        return cls(problem.model, problem.times, problem.theta, tuple(laws), **fields)

    def with_meta(self, **entries: Any) -> Self:
        """The same answer with more provenance."""
        return replace(self, meta={**self.meta, **entries})

    def __repr__(self) -> str:
        """One line: what was asked, who answered, how far off it can be."""
        bound = "no proven bound" if self.error is None else f"total variation error <= {self.error:.2g}"
        name, solver = self.model.network.name, self.meta.get("solver", "a solver")
        return f"<Solution: {name} by {solver}, {len(self.species)} species at {len(self.times)} times, {bound}>"

    @property
    def species(self) -> tuple[str, ...]:
        """The names of the counted species, in the order of every array: [S]."""
        return self.model.network.species_names

    # moments ---------------------------------------------------------------------------------

    def mean(self, name: str | None = None) -> Array:
        """Means: [T, S], or [T] of one species, rule, parameter, compartment or "[X]" (concentration).

        Where an answer states moments alone, a rule's mean is its value at the means of the species. NaN of what
        reads a parameter that events set to different values in different trajectories.
        """
        if name is None:
            return np.stack([distribution.mean(law) for law in self.laws])
        f = self._quantity(name)
        if self._is_still(name):
            return np.array([f(k, np.zeros((1, len(self.species)), dtype=np.int64))[0] for k in range(len(self.times))])
        return np.array([law.expect(partial(f, k)) for k, law in enumerate(self.laws)])

    def std(self, name: str | None = None) -> Array:
        """Standard deviations: [T, S] or [T]; of the stated law, or the sample sd of trajectories.

        NaN from the mean field, which does not state them, from a single trajectory, and where `mean` is.
        """
        if name is None:
            return np.sqrt(np.maximum(np.diagonal(self.covariance(), axis1=1, axis2=2), 0.0))
        return np.sqrt(np.maximum(self.covariance(name, name), 0.0))

    def covariance(self, first: str | None = None, second: str | None = None) -> Array:
        """Covariances: [T, S, S], or [T] between two named quantities; NaN where the answer states none.

        Where it states moments alone, those of rules are propagated to first order: exact for linear ones.
        """
        scale = 1.0
        if self.trajectories is not None and all(isinstance(law, Sampled) for law in self.laws):
            n = len(self.trajectories)
            scale = n / (n - 1) if n > 1 else np.nan
        if first is None:
            return scale * np.stack([distribution.covariance(law) for law in self.laws])
        f, g = self._quantity(first), self._quantity(second or first)
        result = np.zeros(len(self.times))
        if self._is_still(first) or self._is_still(second or first):
            return np.where(np.isnan(self.mean(first)) | np.isnan(self.mean(second or first)), np.nan, result)
        for k, law in enumerate(self.laws):
            if isinstance(law, Moments):
                result[k] = self._propagated(k, law, first, second or first)
                continue
            result[k] = law.expect(
                partial(_centred_product, f, law.expect(partial(f, k)), g, law.expect(partial(g, k)), k)
            )
        return scale * result

    # laws ------------------------------------------------------------------------------------

    def law(self, time: float) -> Distribution:
        """The joint law of all species at one of the times."""
        return self.laws[self._time(time)]

    def marginal(self, species: str, time: float) -> Array:
        """Probabilities of the counts 0, 1, ... of one species: [n + 1]."""
        return self.law(time).marginal([self._axis(species)]).table()

    def joint(self, species: tuple[str, str], time: float) -> Array:
        """Probabilities of the counts of two species, from 0: [n + 1, m + 1]."""
        if isinstance(species, str) or len(species) != 2:
            raise SettingError(f"{species!r} is not a pair of species", place="joint", mend='give ("A", "B")')
        return self.law(time).marginal([self._axis(s) for s in species]).table()

    def log_prob(self, counts: ArrayLike | Mapping[str, ArrayLike], time: float) -> Array:
        """Log-probability of counts [..., S], or of a mapping name -> counts with the others summed out."""
        law = self.law(time)
        if isinstance(counts, Mapping):
            if not counts:
                raise SettingError("no species is named", place="counts", mend="give a mapping species -> counts")
            axes = [self._axis(name) for name in counts]
            columns = np.broadcast_arrays(*(np.asarray(v) for v in counts.values()))
            return law.marginal(axes).log_prob(_whole(np.stack(columns, axis=-1)))
        x = _whole(np.asarray(counts))
        if x.shape[-1:] != (len(self.species),):
            raise SettingError(f"counts have {x.shape[-1:]} entries, not the {len(self.species)} species")
        return law.log_prob(x)

    def sample(self, n: int, time: float, *, seed: int | None = None) -> NDArray[np.int64]:
        """Draws of the joint law (renormalised): [n, S]."""
        for name, value in (("n", n), ("seed", 0 if seed is None else seed)):
            if not isinstance(value, int | np.integer) or value < 0:
                raise SettingError(f"{name} is {value!r}", place="sample", mend="give a whole number >= 0")
        return self.law(time).sample(int(n), rng=np.random.default_rng(seed))

    # names and times ---------------------------------------------------------------------------

    def _time(self, time: float) -> int:
        if np.isinf(time) and np.isinf(self.times[-1]):
            return len(self.times) - 1
        nearest = int(np.argmin(np.abs(self.times - time)))
        if abs(self.times[nearest] - time) > 1e-9 * max(abs(time), 1e-300):
            raise ValueError(f"no law at time {time}; there are {', '.join(f'{t:g}' for t in self.times)}")
        return nearest

    def _axis(self, species: str) -> int:
        require_known([species], self.species, "species")
        return self.species.index(species)

    def _quantity(self, name: str) -> Quantity:
        """The function (place of the time, counts [N, S]) -> [N] of a named quantity of the model."""
        evaluate = self.model.evaluator(quantity(self.model.network, name))
        return lambda k, x: evaluate(x, self._theta(k), float(self.times[k]))

    def _is_still(self, name: str) -> bool:
        """Whether a named quantity is the same in every state: a parameter, a volume, a boundary species."""
        return not names_in(quantity(self.model.network, name)) & set(self.species)

    def _theta(self, k: int) -> Array:
        """Parameters and constants at one of the times: [P]."""
        return self.theta if self.thetas is None else np.asarray(self.thetas[k])

    def _propagated(self, k: int, law: Moments, first: str, second: str) -> float:
        """The covariance of two named quantities to first order in the spread; NaN without one."""
        if law.spread is None:
            return float("nan")
        theta, time = self._theta(k), float(self.times[k])
        f, g = (gradient(self.model, name, law.centre, theta, time) for name in (first, second))
        return float(f @ law.spread @ g)


def _whole(counts: NDArray[Any]) -> NDArray[Any]:
    """The counts, refused where they are not whole: a law would round them without a word."""
    if counts.dtype.kind not in "biu" and (wrong := counts[~(counts == np.floor(counts)) | np.isinf(counts)]).size:
        raise SettingError(f"the count {wrong.flat[0]} is not a whole number", place="counts", mend="count molecules")
    return counts


def _centred_product(f: Quantity, a: Array, g: Quantity, b: Array, k: int, x: NDArray[np.int64]) -> Array:
    return (f(k, x) - a) * (g(k, x) - b)
