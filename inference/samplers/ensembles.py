"""Ensembles of walkers: independent ones from the prior, carried to the posterior, then left to walk.

emcee moves the walkers (half an ensemble a batch): D. Foreman-Mackey et al., PASP 125 (2013) 306;
stretch moves: J. Goodman, J. Weare, CAMCoS 5 (2010) 65; moves of differential evolution: C. ter Braak,
Stat. Comput. 16 (2006) 239. The start is a tempered population: P. Del Moral et al., J. R. Stat. Soc. B 68 (2006) 411.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import DataError, RunError

Array = NDArray[np.float64]
Density = Callable[[Array], Array]

CANDIDATES = 16
"""Prior draws a walker, from which the first population is chosen."""

KEPT = 0.5
"""The share of a population's weight (effective size over walkers) that one step of the power leaves."""

BETWEEN = 10
"""Moves between two steps of the power."""

LADDER = 200
"""Steps of the power after which a start is given up."""


class Step(NamedTuple):
    """Where one ensemble stands: positions `u` [W, P], log-densities [W], and the state of emcee's random numbers."""

    u: Array
    log_density: Array
    stream: tuple[Any, ...]


class Target(Protocol):
    """The density that walkers walk on, in parts; `parts` gives log-prior and log-likelihood of u [B, P]."""

    def parts(self, u: Array) -> tuple[Array, Array]: ...  # noqa: D102

    def draw_prior(self, n: int, *, rng: np.random.Generator) -> Array: ...  # noqa: D102


def start(target: Target, walkers: int, *, rng: np.random.Generator) -> Array:
    """Walkers spread over the posterior, from prior draws: [W, P].

    The likelihood's power grows from 0 to 1, each time so far that half of the population keeps its
    weight; then walkers are drawn again by weight and move. No walker is left behind in a far corner.
    DataError where the data are impossible at every prior draw.
    """
    u = target.draw_prior(CANDIDATES * walkers, rng=rng)
    fit = target.parts(u)[1]
    if not np.isfinite(fit).any():
        raise DataError(
            f"the data are impossible under all of {len(u)} draws of the prior",
            place="likelihood",
            mend="check the model, the observed columns and the prior",
        )
    power = 0.0
    for _ in range(LADDER):
        step = next_step(fit, 1.0 - power, KEPT * walkers)
        power = min(1.0, power + step)
        u = u[_drawn(step * fit, walkers, rng)]
        if power >= 1.0:
            return u
        u = _moved(target, u, power, rng)
        fit = target.parts(u)[1]
    raise RunError(
        f"the walkers did not reach the posterior: the likelihood's power stands at {power:.3g}",
        place="start",
        mend="narrow the prior",
    )


def next_step(fit: Array, most: float, least: float) -> float:
    """How far the likelihood's power can grow before fewer than `least` draws carry the weight: up to `most`."""

    def effective(step: float) -> float:
        w = np.exp(step * (fit - fit.max()))
        return float(w.sum() ** 2 / (w @ w))

    if effective(most) >= least:
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = (low + high) / 2 if low > 0 else high / 8
        low, high = (middle, high) if effective(middle) >= least else (low, middle)
        if low > 0 and high - low < 1e-3 * low:
            break
    return low if low > 0 else high


def steps(density: Density, u: Array, *, rng: np.random.Generator) -> Iterator[Step]:
    """The walk of one ensemble from u [W, P], for ever.

    What `density` raises is raised here, at the step that met it.
    """
    stream = np.random.RandomState(int(rng.integers(2**32))).get_state()
    return _walk(density, u, None, stream)


def further_steps(density: Density, last: Step) -> Iterator[Step]:
    """The steps after `last`, to the bit those of the walk that it comes from."""
    return _walk(density, last.u, last.log_density, last.stream)


def _walk(density: Density, u: Array, log_density: Array | None, stream: Any) -> Iterator[Step]:
    from emcee import EnsembleSampler, State
    from emcee.moves import DEMove, StretchMove

    guarded = _Guarded(density)
    moves: list[tuple[Any, float]] = [(DEMove(), 0.5), (StretchMove(), 0.5)]
    sampler = EnsembleSampler(len(u), u.shape[1], guarded, moves=moves, vectorize=True)
    begin = State(u, log_prob=log_density, random_state=stream)
    walk = sampler.sample(begin, iterations=None, store=False, skip_initial_state_check=True)
    while True:
        state = next(walk)
        guarded.tell()
        yield Step(np.array(state.coords), np.array(state.log_prob), state.random_state)


class _Guarded:
    """A density whose failures wait until the sampler is left: emcee prints a trace of what passes through it."""

    def __init__(self, density: Density) -> None:
        self.density = density
        self.failure: BaseException | None = None

    def __call__(self, u: Array) -> Array:
        if self.failure is None:
            try:
                return self.density(u)
            except BaseException as failure:  # noqa: BLE001 - Ctrl-C too; raised by `tell`
                self.failure = failure
        return np.full(len(u), -1e300)  # any finite number: the step is thrown away

    def tell(self) -> None:
        if self.failure is not None:
            raise self.failure


def _moved(target: Target, u: Array, power: float, rng: np.random.Generator) -> Array:
    """The population after some moves under the prior times the likelihood to the `power`."""

    def density(v: Array) -> Array:
        base, fit = target.parts(v)
        return np.where(np.isfinite(fit), base + power * fit, -np.inf)

    walk = steps(density, u, rng=rng)
    for _ in range(BETWEEN):
        u = next(walk).u
    return u


def _drawn(log_weights: Array, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions drawn by weight, as evenly as can be (systematic resampling): [N] -> [n]."""
    w = np.exp(log_weights - log_weights.max())
    at = (rng.random() + np.arange(n)) / n
    return np.minimum(np.searchsorted(np.cumsum(w) / w.sum(), at), len(w) - 1)
