"""NUTS: chains that follow the gradient of the log-posterior, driven by pyro (the extra `nuts`).

Choose it where the likelihood knows its derivatives (fsp, a trained net) and many parameters are sampled: moves go
along the posterior, where those of walkers diffuse. Where parameters are few, walkers cost less: they are weighed in
batches, trajectories one point after another. Each chain starts at a walker of a tempered population of its own
prior draws, and walks in coordinates in which that population has unit covariance; a warm-up then settles the length
of steps and the mass matrix. pyro draws from torch's global generator: it is lent to one chain at a time, in the
state that this chain left it in, and given back as it was, also while the chain waits for a density: solvers work for
all chains at once, and the draws are those of chains that take turns.

M. D. Hoffman, A. Gelman, J. Mach. Learn. Res. 15 (2014) 1593; M. Betancourt, arXiv:1701.02434; E. Bingham et al.,
J. Mach. Learn. Res. 20 (2019) 28 (pyro).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import SettingError
from kinetix.inference.log_posterior import LogPosterior

from . import ensembles
from .ensembles import Step

Array = NDArray[np.float64]
Sloped = Callable[[Array, float], tuple[Array, Array]]

WARMUP = 300
"""Steps of each chain that adapt, and are dropped."""

AIM = 0.9
"""The mean acceptance that the length of steps is adapted to."""

LONGEST = 1.0
"""The longest step, in standard deviations: half of what the integrator stands in a normal law. The first tries of the
adaptation are ten times as long, and would ask the solver about rates that are orders of magnitude off."""

HOPELESS = 1200.0
"""How far the log-density may fall along a trajectory: pyro ends one whose energy has grown by 1000, and in this the
momenta (chi-squared) are counted."""

DEEPEST = 8
"""Doublings of one trajectory at most."""

DENSE = 20
"""Parameters up to which the mass matrix is dense: the last window of the warm-up has 100 steps to settle it."""

SITE = "u"
"""The name of the parameters where pyro wants one."""

_GLOBALS = threading.Lock()
"""Held while torch's global generator and pyro's validation are a chain's own."""


class Target(ensembles.Target, Protocol):
    """A density on real numbers with its gradient: u [B, P] -> [B], [B, P]; below `least` it may be -inf."""

    def with_gradient(self, u: Array, least: float) -> tuple[Array, Array]: ...  # noqa: D102


class Hamiltonian:
    """The NUTS chains of one run over P `parameters`: `path` is what `chains.walk` walks."""

    def __init__(self, parameters: int) -> None:
        self.parameters, self.warmup = parameters, WARMUP
        self.diverged: list[list[int]] = []

    def path(self, target: Target, walkers: int, rng: np.random.Generator, made: Sequence[Step]) -> Iterator[Step]:
        """The steps of one chain, of one walker, from its own prior draws; the first `warmup` adapt."""
        del walkers, made
        crowd = max(16, 4 * self.parameters)
        population = ensembles.start(target, crowd, rng=rng)
        diverged: list[int] = []
        self.diverged.append(diverged)
        at = population[rng.integers(crowd)]
        yield from steps(target.with_gradient, at, _spread(population), warmup=self.warmup, diverged=diverged, rng=rng)

    def divergences(self, n: int) -> int:
        """How many of the first `n` steps after the warm-up of all chains left the energy that they should keep."""
        return sum(step < n for chain in self.diverged for step in chain)


def require_hamiltonian(target: LogPosterior, walkers: int | None, *, kept: bool) -> None:
    """SettingError or UnsupportedFeature where NUTS cannot run: pyro, derivatives, settings that are emcee's."""
    if find_spec("pyro") is None:
        mend = 'install it: pip install "kinetix-cme[nuts]"'
        raise SettingError('sampler "nuts" needs the package pyro-ppl', place="sampler", mend=mend)
    if walkers is not None:
        reason = f"walkers is {walkers}, but a chain of nuts is one walker"
        raise SettingError(reason, place="walkers", mend="leave it out; `ensembles` is the number of chains")
    if kept:
        reason = "chains of nuts are not kept on disk and cannot be resumed"
        raise SettingError(reason, place="output", mend='leave output and resume out, or use sampler="emcee"')
    target.likelihood.gradient(np.empty((0, len(target.names))))  # refuses by name what has no derivatives


def steps(
    sloped: Sloped,
    u: Array,
    spread: Array,
    *,
    warmup: int,
    diverged: list[int],
    rng: np.random.Generator,
    length: float = 1.0,
) -> Iterator[Step]:
    """The chain from u [P], for ever, in units of `spread` [P, P] (a root of the covariance).

    The first `warmup` steps adapt; without any the steps of the integrator have the `length` given. Numbers of later
    steps that diverge are added to `diverged`.
    """
    import torch

    stream = _Stream(int(rng.integers(2**62)))
    potential = _Potential(stream.away(sloped), u, spread)
    kernel = _kernel(potential, warmup, length, dense=len(u) <= DENSE)
    z = {SITE: torch.zeros(len(u), dtype=torch.float64)}
    with stream:
        kernel.initial_params = z
        potential(z)
        potential.stands(z)
        kernel.setup(warmup)
    potential.tell()
    for n in count(-warmup):
        with stream:
            z = kernel.sample(z)
        potential.tell()
        if n >= 0 and n in kernel.diagnostics()["divergences"][-1:]:
            diverged.append(n)
        yield potential.stands(z)


class _Potential:
    """Minus the log-density as pyro wants it, a function of {SITE: z [P]} at u = centre + spread z.

    A failure waits for `tell`: pyro takes some for numbers that are not. Impossible points have infinite energy.
    """

    def __init__(self, sloped: Sloped, centre: Array, spread: Array) -> None:
        self.sloped, self.centre, self.spread = sloped, centre, spread
        self.known: dict[bytes, float] = {}
        self.least = -np.inf
        self.failure: BaseException | None = None

    def __call__(self, z: Mapping[str, Any]) -> Any:
        import torch

        at = z[SITE]
        value, slope = self._asked(at.detach().numpy().copy())
        return _attached().apply(at, torch.tensor(-value, dtype=torch.float64), torch.from_numpy(-slope))

    def _asked(self, v: Array) -> tuple[float, Array]:
        self.tell()
        try:
            values, slopes = self.sloped((self.centre + self.spread @ v)[None], self.least)
        except BaseException as failure:
            self.failure = failure
            raise
        value, slope = float(values[0]), self.spread.T @ slopes[0]
        if not (np.isfinite(value) and np.isfinite(slope).all()):
            value, slope = -np.inf, np.zeros(len(v))
        self.known[v.tobytes()] = value
        return value, slope

    def stands(self, z: Mapping[str, Any]) -> Step:
        """The step to z; what was asked on the way is forgotten."""
        v = z[SITE].detach().numpy().copy()
        self.known = {v.tobytes(): self.known[v.tobytes()]}
        (value,) = self.known.values()
        self.least = value - HOPELESS
        return Step((self.centre + self.spread @ v)[None], np.array([value]), ())

    def tell(self) -> None:
        """Raise what went wrong."""
        if self.failure is not None:
            raise self.failure


class _Stream:
    """The random numbers of one chain, a state of torch's global generator: inside, the generator is this chain's."""

    def __init__(self, seed: int) -> None:
        import torch

        self.state = torch.Generator().manual_seed(seed).get_state()
        self.held = ExitStack()

    def __enter__(self) -> None:
        import pyro
        import torch

        for lent in (_GLOBALS, torch.random.fork_rng(devices=[]), pyro.validation_enabled(False)):
            self.held.enter_context(lent)
        torch.set_rng_state(self.state)

    def __exit__(self, *_: object) -> None:
        import torch

        self.state = torch.get_rng_state()
        self.held.close()

    def away(self, sloped: Sloped) -> Sloped:
        """The density asked while the generator is given back: other chains move meanwhile."""

        def asked(u: Array, least: float) -> tuple[Array, Array]:
            self.__exit__()
            try:
                return sloped(u, least)
            finally:
                self.__enter__()

        return asked


def _kernel(potential: _Potential, warmup: int, length: float, *, dense: bool) -> Any:
    from pyro.infer.mcmc import NUTS

    class Bounded(NUTS):  # type: ignore[misc]  # pyro has no types
        @property
        def step_size(self) -> float:
            return min(float(super().step_size), LONGEST)

    adapt = warmup > 0
    return Bounded(
        potential_fn=potential,
        step_size=length,
        adapt_step_size=adapt,
        adapt_mass_matrix=adapt,
        full_mass=dense,
        target_accept_prob=AIM,
        max_tree_depth=DEEPEST,
    )


@cache
def _attached() -> Any:
    """A function of torch that hands on a value and a slope that were found elsewhere."""
    import torch

    class Attached(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, _: torch.Tensor, value: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(slope)
            return value.clone()

        @staticmethod
        def backward(ctx: Any, *grown: torch.Tensor) -> tuple[torch.Tensor, None, None]:
            (slope,) = ctx.saved_tensors
            return grown[0] * slope, None, None

    return Attached


def _spread(population: Array) -> Array:
    """A root of the covariance of a population [W, P], drawn a little to its diagonal: [P, P]."""
    covariance = np.atleast_2d(np.cov(population.T))
    variances = np.diag(np.maximum(np.diag(covariance), 1e-12))
    return np.asarray(np.linalg.cholesky(0.9 * covariance + 0.1 * variances))
