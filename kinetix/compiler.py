"""Symbols become arrays: a ReactionNetwork compiled to its change matrix and propensity functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from .errors import UnsupportedFeature
from .expressions import names_in, symbol
from .network import ReactionNetwork
from .propensity import ArrayFunction, array_function

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CompiledModel:
    """A network as arrays: species, theta (parameters then constants) and reactions by position."""

    network: ReactionNetwork

    @cached_property
    def change(self) -> NDArray[np.int64]:
        """The net change of the counts by each reaction: [R, S]."""
        return self.network.stoichiometry

    @cached_property
    def theta(self) -> Array:
        """The values written in the model, in the order of `network.theta_names`: [P]."""
        values = [p.value for p in (*self.network.parameters, *self.network.constants)]
        return np.array(values, dtype=np.float64)

    @cached_property
    def start(self) -> Array:
        """The amounts at time 0, whole or not: [S]."""
        return np.array([s.initial for s in self.network.species], dtype=np.float64)

    @cached_property
    def initial(self) -> NDArray[np.int64]:
        """The counts at time 0: [S]; fractional ones are refused (KX106)."""
        for species in self.network.species:
            if species.initial != int(species.initial):
                raise UnsupportedFeature(
                    f"species {species.name!r} starts at {species.initial}, not a whole count (KX106)",
                    mend="load with scale=..., or set whole initial counts",
                )
        return np.array([int(s.initial) for s in self.network.species], dtype=np.int64)

    def propensities(self, counts: ArrayLike, theta: ArrayLike, time: ArrayLike = 0.0) -> Array:
        """Events per time of each reaction: counts [..., S], theta [..., P], time [...] -> [..., R].

        Leading axes broadcast. Values are what the law says: the caller refuses negative ones.
        """
        x, p = np.asarray(counts, dtype=np.float64), np.asarray(theta, dtype=np.float64)
        shape = np.broadcast_shapes(x.shape[:-1], p.shape[:-1])
        with np.errstate(all="ignore"):
            rates = self._numpy_laws(*np.moveaxis(x, -1, 0), *np.moveaxis(p, -1, 0), time)
        result = np.empty((*shape, len(self.network.reactions)))
        for r, rate in enumerate(rates):
            result[..., r] = rate
        return result

    def torch_propensities(self, counts: Any, theta: Any, time: Any = 0.0) -> Any:
        """The same on torch tensors, differentiable in theta: [..., S], [..., P] -> [..., R]."""
        import torch

        rates = self._torch_laws(*counts.unbind(-1), *theta.unbind(-1), torch.as_tensor(time))
        shape = np.broadcast_shapes(tuple(counts.shape[:-1]), tuple(theta.shape[:-1]))
        columns = [torch.as_tensor(r, dtype=theta.dtype, device=theta.device).expand(shape) for r in rates]
        return torch.stack(columns, dim=-1)

    def evaluate(self, expression: sympy.Expr, counts: ArrayLike, theta: ArrayLike, time: float = 0.0) -> Array:
        """Any expression in the model's names (rules inlined) at counts [..., S]: -> [...]."""
        return self.evaluator(expression)(counts, theta, time)

    def evaluator(self, expression: sympy.Expr) -> Callable[..., Array]:
        """The function (counts [..., S], theta [P], time) -> [...] of an expression, rules inlined."""
        network = self.network
        for _ in range(len(network.variables) + 1):
            inner = {symbol(n): network.variables[n] for n in names_in(expression) if n in network.variables}
            if not inner:
                break
            expression = expression.xreplace(inner)
        law = array_function([expression], network.species_names, network.theta_names)

        def evaluate(counts: ArrayLike, theta: ArrayLike, time: float = 0.0) -> Array:
            x, p = np.asarray(counts, dtype=np.float64), np.asarray(theta, dtype=np.float64)
            (value,) = law(*np.moveaxis(x, -1, 0), *np.moveaxis(p, -1, 0), time)
            return np.broadcast_to(np.asarray(value, dtype=np.float64), x.shape[:-1])

        return evaluate

    @cached_property
    def _numpy_laws(self) -> ArrayFunction:
        return array_function(self.network.propensities, self.network.species_names, self.network.theta_names)

    @cached_property
    def _torch_laws(self) -> ArrayFunction:
        names = self.network.species_names, self.network.theta_names
        return array_function(self.network.propensities, *names, backend="torch")


def compile_network(network: ReactionNetwork) -> CompiledModel:
    """The arrays of a network; the functions are made on first use and kept with the model."""
    return CompiledModel(network)
