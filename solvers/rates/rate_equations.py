"""The rate equations of a network as array functions: slopes, their Jacobian, and who is to blame for a NaN.

The state is the amounts of all species, then the parameters and constants that have a rate rule: [n].
The slope is a sum of fluxes (laws as written, products of laws with amounts that vary, rate rules), each
weighed by fixed numbers: `weights.T @ fluxes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.sparse
import sympy
from numpy.typing import NDArray

from kinetix.compiler import CompiledModel
from kinetix.expressions import names_in, symbol
from kinetix.propensity import ArrayFunction, array_function

Array = NDArray[np.float64]

LARGEST = 40_000
"""Operations in all laws up to which their derivatives are worth making for a Jacobian."""

SPARSE = 20_000
"""Entries from which the matrix of changes is kept sparse."""

NEAR, NEAR_ZERO = 1e-7, 1e-3
"""Step of a difference as a share of an amount, and the share of the largest amount that stands for 0."""


@dataclass(frozen=True)
class Flux:
    """A rate and what it changes: `changes` per unit of the rate by name of the state's entry."""

    label: str
    rate: sympy.Expr
    changes: tuple[tuple[str, float], ...]


class Equations(Protocol):
    """What a course follows: a state [n] that begins with the amounts of the species, and its slope."""

    @property
    def model(self) -> CompiledModel: ...  # noqa: D102

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def fluxes(self) -> tuple[Flux, ...]: ...  # noqa: D102

    @property
    def derivatives(self) -> object | None: ...  # noqa: D102

    def pack(self, start: Array, theta: Array) -> Array: ...  # noqa: D102
    def amounts(self, state: Array) -> Array: ...  # noqa: D102
    def theta(self, state: Array, theta: Array) -> Array: ...  # noqa: D102
    def scales(self, state: Array, reach: Array) -> Array: ...  # noqa: D102
    def slope(self, state: Array, theta: Array, time: float) -> Array: ...  # noqa: D102
    def jacobian(self, state: Array, theta: Array, time: float) -> Array: ...  # noqa: D102
    def culprit(self, state: Array, theta: Array, time: float) -> tuple[str, str]: ...  # noqa: D102


@dataclass(frozen=True)
class RateEquations:
    """The slopes of amounts and of what has a rate rule, in the order of `names`."""

    model: CompiledModel

    @cached_property
    def rated(self) -> tuple[str, ...]:
        """The entries of theta that have a rate rule, in theta's order: K."""
        rules = self.model.network.rate_rules
        return tuple(name for name in self.model.network.theta_names if name in rules)

    @property
    def names(self) -> tuple[str, ...]:
        """The entries of the state: S species, K entries of theta."""
        return (*self.model.network.species_names, *self.rated)

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Where in theta the last entries of the state stand: [K]."""
        return np.array([self.model.network.theta_names.index(name) for name in self.rated], dtype=np.int64)

    # states ----------------------------------------------------------------------------------

    def pack(self, start: Array, theta: Array) -> Array:
        """The state of amounts [S] and theta [P]: [n]."""
        return np.concatenate([start, theta[self.places]])

    def amounts(self, state: Array) -> Array:
        """The amounts in states: [..., n] -> [..., S]."""
        return state[..., : len(self.model.network.species)]

    def theta(self, state: Array, theta: Array) -> Array:
        """Theta with what the states say of it: [..., n], [P] -> [..., P]."""
        if not self.rated and state.ndim == 1:
            return theta
        result = np.array(np.broadcast_to(theta, (*state.shape[:-1], len(theta))))
        result[..., self.places] = state[..., len(self.model.network.species) :]
        return result

    def scales(self, state: Array, reach: Array) -> Array:
        """The size of what is followed, for absolute errors: one of all amounts, one of each other entry: [n].

        `reach` [n] is how far the first slope would go, for what begins at 0.
        """
        sizes = np.where(state == 0, np.abs(reach), np.abs(state))
        amounts, others = np.abs(self.amounts(state)), sizes[len(self.amounts(state)) :]
        largest = amounts.max(initial=0.0) or self.amounts(sizes).max(initial=0.0)
        return np.concatenate([np.full(len(amounts), largest), others])

    # functions -------------------------------------------------------------------------------

    def rates(self, state: Array, theta: Array, time: float) -> Array:
        """The flux of each channel: [n], [P] -> [F]."""
        values = self._rates(*self.amounts(state), *self.theta(state, theta), time)
        return np.array([float(v) for v in values], dtype=np.float64)

    def slope(self, state: Array, theta: Array, time: float) -> Array:
        """The derivative of the state in time: [n]."""
        return np.asarray(self.gather @ self.rates(state, theta, time))

    def jacobian(self, state: Array, theta: Array, time: float) -> Array:
        """The derivative of the slope by the state, where `derivatives` are there: [n, n]."""
        assert self.derivatives is not None
        rows, columns, function = self.derivatives
        values = function(*self.amounts(state), *self.theta(state, theta), time)
        slopes = np.zeros((len(self.fluxes), len(self.names)))
        slopes[rows, columns] = [float(v) for v in values]
        for column in np.nonzero(~np.isfinite(slopes).all(axis=0))[0]:
            slopes[:, column] = self._difference(state, theta, time, int(column))
        return np.asarray(self.gather @ slopes)

    def _difference(self, state: Array, theta: Array, time: float, column: int) -> Array:
        """Fluxes' derivatives by one entry as a difference, where a formula has a gap, as n*x**n/x at 0: [F]."""
        step = NEAR * max(abs(state[column]), NEAR_ZERO * np.abs(state).max(), np.finfo(np.float64).tiny / NEAR)
        moved = state.copy()
        moved[column] += step
        return np.asarray((self.rates(moved, theta, time) - self.rates(state, theta, time)) / step)

    def culprit(self, state: Array, theta: Array, time: float) -> tuple[str, str]:
        """The first channel whose rate is not a finite number, by name, and the mend."""
        rates = self.rates(state, theta, time)
        wrong = np.nonzero(~np.isfinite(rates))[0]
        if len(wrong):
            return f"{self.fluxes[wrong[0]].label} is {rates[wrong[0]]:g}", "mend its law"
        return "the slope is no finite number", "check the laws"

    # what they are made of -------------------------------------------------------------------

    @cached_property
    def fluxes(self) -> tuple[Flux, ...]:
        """Every channel: reactions (numbers), parts of reactions with varying amounts, rate rules."""
        result = []
        for reaction in self.model.network.reactions:
            fixed: dict[str, float] = {}
            varying = []
            for sign, side in ((-1, reaction.reactants), (1, reaction.products)):
                for name, amount in side.items():
                    if isinstance(amount, sympy.Expr):
                        label = f"the rate of reaction {reaction.name!r} times its amount of {name!r}"
                        varying.append(Flux(label, amount * reaction.law, ((name, float(sign)),)))
                    else:
                        fixed[name] = fixed.get(name, 0.0) + sign * float(amount)
            changes = tuple((name, change) for name, change in fixed.items() if change)
            result += [Flux(f"the rate of reaction {reaction.name!r}", reaction.law, changes), *varying]
        for name in self.rated:
            result.append(Flux(f"the rate rule of {name!r}", self.model.network.rate_rules[name], ((name, 1.0),)))
        return tuple(result)

    @cached_property
    def gather(self) -> Any:
        """What a unit of each flux changes, sparse where it is large: [n, F]."""
        position = {name: i for i, name in enumerate(self.names)}
        found = [(position[name], f, change) for f, x in enumerate(self.fluxes) for name, change in x.changes]
        rows, columns, values = zip(*found, strict=True) if found else ((), (), ())
        shape = (len(self.names), len(self.fluxes))
        entries = (np.array(values, dtype=np.float64), (np.array(rows, np.int64), np.array(columns, np.int64)))
        matrix = scipy.sparse.csr_array(entries, shape=shape)
        return matrix.toarray() if shape[0] * shape[1] < SPARSE else matrix

    @cached_property
    def derivatives(self) -> tuple[NDArray[np.int64], NDArray[np.int64], ArrayFunction] | None:
        """Flux, state entry and the function of the derivatives that are not zero; None where there is none."""
        if sum(flux.rate.count_ops() for flux in self.fluxes) > LARGEST:
            return None
        position = {name: i for i, name in enumerate(self.names)}
        found = []
        for f, flux in enumerate(self.fluxes):
            for name in sorted(names_in(flux.rate) & position.keys()):
                slope = derivative(flux.rate, name)
                if slope is None:
                    return None
                if slope != 0:
                    found.append((f, position[name], slope))
        rows, columns = (np.array([entry[k] for entry in found], dtype=np.int64) for k in (0, 1))
        try:
            function = self._function([entry[2] for entry in found])
        except (TypeError, ValueError, NotImplementedError):  # a derivative that cannot be printed
            return None
        return rows, columns, function

    @cached_property
    def _rates(self) -> ArrayFunction:
        return self._function([flux.rate for flux in self.fluxes])

    def _function(self, expressions: list[sympy.Expr]) -> ArrayFunction:
        network = self.model.network
        return array_function(expressions, network.species_names, network.theta_names)


def derivative(expression: sympy.Expr, name: str) -> sympy.Expr | None:
    """The derivative by a model element, all of which are real; None where there is no closed form."""
    kinks = expression.has(sympy.Abs, sympy.sign, sympy.Min, sympy.Max)
    real = {s: sympy.Dummy(s.name, real=True) for s in expression.free_symbols} if kinks else {}
    slope = sympy.diff(expression.xreplace(real), real.get(symbol(name), symbol(name)))
    slope = slope.xreplace({dummy: s for s, dummy in real.items()})
    if slope.has(sympy.Derivative, sympy.Subs, sympy.DiracDelta):
        return None
    return slope
