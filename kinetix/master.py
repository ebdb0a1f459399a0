"""The chemical master equation dP/dt = Q P on a window, in three forms of one operator.

Matrix-free (`MasterOperator.apply`: shift, multiply, add on flat positions), sparse
(`MasterOperator.sparse`), and local, for states drawn by a neural solver (`local_flow`). What
leaves the window goes to a sink that is not stored: the columns of Q sum to minus the leak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .compiler import CompiledModel
from .errors import RunError
from .space import StateSpace

if TYPE_CHECKING:
    import scipy.sparse
    from torch import Tensor

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Stencil:
    """Where every reaction leads from every position of a window; the same for all parameters."""

    model: CompiledModel
    space: StateSpace

    @cached_property
    def steps(self) -> Counts:
        """The flat distance that each reaction moves a state: [R]."""
        return np.array([self.space.step(row) for row in self.model.change], dtype=np.int64)

    @cached_property
    def states(self) -> Counts:
        """The counts at every position: [N, S]."""
        return self.space.states()

    @cached_property
    def admissible(self) -> Mask:
        """Whether each position is a state: [N]."""
        return np.asarray((self.states >= 0).all(axis=1))

    @cached_property
    def stays(self) -> Mask:
        """Whether each reaction leads from a state of the window to one of the window: [R, N]."""
        result = np.empty((len(self.model.change), self.space.size), dtype=np.bool_)
        for r, (change, step) in enumerate(zip(self.model.change, self.steps, strict=True)):
            held = self.admissible.copy()
            for axis in np.nonzero(change[list(self.space.free)])[0]:
                held &= ~(self.crosses(int(axis), change, upper=True) | self.crosses(int(axis), change, upper=False))
            source = np.nonzero(held)[0]
            held[source] = self.admissible[source + step]
            result[r] = held
        return result

    @cached_property
    def below(self) -> Mask:
        """Whether each reaction would make a count negative at each state of the window: [R, N]."""
        result = np.zeros((len(self.model.change), self.space.size), dtype=np.bool_)
        for r, change in enumerate(self.model.change):
            for s in np.nonzero(change < 0)[0]:
                result[r] |= self.states[:, s] < -change[s]
        result &= self.admissible
        return result

    def crosses(self, axis: int, change: Counts, *, upper: bool) -> Mask:
        """Whether a change [S] leaves the window through one face of a free axis: [N]."""
        space = self.space
        moved = self.states[:, space.free[axis]] + change[space.free[axis]]
        return np.asarray(moved > space.upper[axis] if upper else moved < space.lower[axis])

    def rates(self, theta: Array) -> Array:
        """Propensities at every position, 0 where there is no state: [..., P] -> [..., R, N]."""
        rates = self.model.propensities(self.states, np.asarray(theta)[..., None, :])
        rates[..., ~self.admissible, :] = 0.0
        return np.ascontiguousarray(np.moveaxis(rates, -1, -2))

    def forbidden(self, rates: Array) -> Mask:
        """States that no probability may reach: a propensity is negative or no number, or fires below zero.

        [R, N] -> [R, N], by reaction.
        """
        return ~((rates >= 0) & (rates < np.inf)) | (self.below & (rates > 0))

    def refuse(self, rates: Array, reached: Mask) -> None:
        """Raise RunError, naming reaction and state, when a forbidden state is among those reached [N]."""
        bad = self.forbidden(rates) & reached
        if not bad.any():
            return
        position = int(np.argmax(bad.any(axis=0)))
        r = int(np.argmax(bad[:, position]))
        name, value = self.model.network.reactions[r].name, float(rates[r, position])
        counts = zip(self.model.network.species_names, self.states[position], strict=True)
        place = f"state ({', '.join(f'{n} = {c}' for n, c in counts)})"
        if self.below[r, position] and value > 0:
            mend = "make its law zero where the reactants are too few (KX108)"
            raise RunError(f"reaction {name!r} would make a count negative", place=place, mend=mend)
        raise RunError(f"the propensity of reaction {name!r} is {value:g}", place=place, mend="mend its law")


@dataclass(frozen=True, eq=False)
class MasterOperator:
    """The generator Q of a model with the parameters `theta` [P] on the window of a stencil."""

    stencil: Stencil
    theta: Array

    @classmethod
    def of(cls, model: CompiledModel, theta: Array, space: StateSpace) -> MasterOperator:
        """The operator; its tables are made when first used."""
        return cls(Stencil(model, space), np.asarray(theta, dtype=np.float64))

    @cached_property
    def rates(self) -> Array:
        """Propensities at every position: [R, N]; forbidden ones (see `Stencil.forbidden`) are 0."""
        forbidden = self.stencil.forbidden(self._raw)
        return np.where(forbidden, 0.0, self._raw) if forbidden.any() else self._raw

    @cached_property
    def moves(self) -> Array:
        """The part of `rates` that stays in the window: [R, N]."""
        return np.where(self.stencil.stays, self.rates, 0.0)

    @cached_property
    def outflow(self) -> Array:
        """The rate of leaving every state: [N], minus the diagonal of Q."""
        return np.asarray(self.rates.sum(axis=0))

    @cached_property
    def leak(self) -> Array:
        """The rate of leaving the window from every state: [N]."""
        return np.asarray((self.rates - self.moves).sum(axis=0))

    def apply(self, p: Array) -> Array:
        """Q p, without a matrix: [N] -> [N]. RunError when p reaches a forbidden state."""
        self.refuse(p)
        result = -self.outflow * p
        size = len(p)
        for move, step in zip(self.moves, self.stencil.steps, strict=True):
            if step >= 0:
                result[step:] += (move * p)[: size - step]
            else:
                result[:step] += (move * p)[-step:]
        return result

    def sparse(self) -> scipy.sparse.csr_array:
        """Q as a sparse matrix [N, N]: column = from, row = to; columns sum to minus the leak."""
        from scipy.sparse import csr_array

        size = self.stencil.space.size
        rows, columns, values = [np.arange(size)], [np.arange(size)], [-self.outflow]
        for move, step in zip(self.moves, self.stencil.steps, strict=True):
            source = np.nonzero(move)[0]
            rows.append(source + step)
            columns.append(source)
            values.append(move[source])
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        return csr_array(entries, shape=(size, size))

    def refuse(self, p: Array) -> None:
        """Raise RunError when probability p [N] lies on a state where the law breaks down."""
        self.stencil.refuse(self._raw, p > 0)

    @cached_property
    def _raw(self) -> Array:
        return self.stencil.rates(self.theta)


def predecessors(model: CompiledModel, counts: Tensor) -> tuple[Tensor, Tensor]:
    """For every reaction the state that it leads from: [..., S] -> [..., R, S], and whether it is one [..., R].

    A state is one when no count is negative. Works on the device of `counts`.
    """
    import torch

    change = torch.as_tensor(model.change, device=counts.device, dtype=counts.dtype)
    before = counts.unsqueeze(-2) - change
    return before, (before >= 0).all(dim=-1)


def local_flow(
    model: CompiledModel, theta: Tensor, counts: Tensor, log_prob: Callable[[Tensor], Tensor], time: float = 0.0
) -> Tensor:
    """(d/dt log P)(n) by the master equation, at sampled states only: [B, P], [B, n, S] -> [B, n].

    e(n) = sum_r a_r(n - v_r) P(n - v_r) / P(n) - sum_r a_r(n), with `log_prob` of counts
    [B, m, S] -> [B, m] for the law at hand. Differentiable in theta and through `log_prob`.
    Raises RunError where a propensity is negative or not a number.
    """
    inflow, before, exists, outflow = flows(model, theta, counts, time)
    shape = before.shape
    weights = log_prob(before.clamp(min=0).reshape(shape[0], -1, shape[-1])).reshape(shape[:-1])
    ratio = (weights - log_prob(counts).unsqueeze(-1)).masked_fill(~exists, -float("inf")).exp()
    return (inflow * ratio).sum(dim=-1) - outflow


def flows(
    model: CompiledModel, theta: Tensor, counts: Tensor, time: float = 0.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What flows into and out of sampled states: [B, P], [B, n, S].

    Returns the propensities of the predecessors [B, n, R] (0 where there is none), the
    predecessors [B, n, R, S], whether they exist [B, n, R], and the total outflow [B, n].
    """
    import torch

    before, exists = predecessors(model, counts)
    each = before.clamp(min=0).to(theta.dtype)
    parameters = theta[:, None, None, :]
    inner = model.torch_propensities(each, parameters, time)  # [B, n, R, R]: reaction r at r's own predecessor
    inflow = torch.where(exists, inner.diagonal(dim1=-2, dim2=-1), 0.0)
    out = model.torch_propensities(counts.to(theta.dtype), theta[:, None, :], time)
    _refuse_bad(model, out, counts)
    return inflow, before, exists, out.sum(dim=-1)


def _refuse_bad(model: CompiledModel, rates: Any, counts: Any) -> None:
    bad = ~((rates >= 0) & rates.isfinite())
    if not bool(bad.any()):
        return
    where = bad.nonzero()[0].tolist()
    name, state = model.network.reactions[where[-1]].name, counts[tuple(where[:-1])].tolist()
    counted = ", ".join(f"{n} = {c}" for n, c in zip(model.network.species_names, state, strict=True))
    value = float(rates[tuple(where)])
    raise RunError(f"the propensity of reaction {name!r} is {value:g}", place=f"state ({counted})", mend="mend its law")
