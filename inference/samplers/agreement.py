"""Where no exact law answers: how far nets that were trained apart agree about the draws of one of them.

Their log-likelihoods are compared at some draws, each less its mean over these: an offset moves no posterior. What one
net's posterior would be under another's likelihood follows by weights. Nets of one family may share an error, so
that agreement is less than an exact law: B. Lakshminarayanan, A. Pritzel, C. Blundell, NeurIPS 30 (2017) 6402.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import KinetixError, RunError, SettingError
from kinetix.solver import Solver

from .reweighting import EFFICIENCY, PARETO, judged

Array = NDArray[np.float64]

DRAWS = 200
"""Draws at which nets are compared: four times those of an exact law, as nets answer quickly."""

SPREAD = 0.5
"""The largest standard deviation over nets of a log-likelihood: two as far apart leave about half of the weights."""

SHIFT = 0.3
"""The largest shift of a posterior mean from one net to another, in its standard deviations."""


def require_members(first: Solver, members: Sequence[Solver]) -> None:
    """SettingError for members that are exact, or the same net twice, whose agreement would say nothing."""
    for k, net in enumerate([first, *members] if members else []):
        if not hasattr(net, "box"):
            reason = f"{type(net).__name__} is no trained net"
            raise SettingError(reason, place="members", mend="give exact solvers as exact=, nets as members")
        others = [first, *members][:k]
        if any(net is other or _digest(net) == _digest(other) for other in others):
            mend = "train each with a seed of its own"
            raise SettingError("a net is given twice, and agrees with itself", place="members", mend=mend)


def _digest(net: Solver) -> object:
    return getattr(net, "digest", None) or id(net)


def agreement(names: Sequence[str], draws: Array, values: Array, *, reason: str = "") -> dict[str, Any]:
    """The record for `Posterior.gate` of M nets, the log-likelihoods `values` [M, N] of which are known at `draws`.

    `draws` [N, P] are of the posterior of the first one; `reason` says why no exact law judged. `spread` is the root
    mean square, over draws, of the standard deviation over nets; `shift` the largest shift of each mean (in sd) from
    any net to any other; `efficiency` and `pareto_k` are the worst of these weights.
    """
    count = len(values)
    if np.isnan(values).any():
        raise RunError("a net's log-likelihood is not a number", place="members")
    finite = np.isfinite(values).all(axis=0)
    told: dict[str, Any] = {"nets": count, "draws": len(draws)}
    if not finite.all():
        told["impossible"] = float(1 - finite.mean())
        return _verdict(told, reason, f"a net calls {(~finite).sum()} of {len(draws)} draws impossible")
    centred = values - values.mean(axis=1, keepdims=True)
    told["spread"] = float(np.sqrt(centred.var(axis=0, ddof=1).mean()))
    shifts, shares, tails = [], [], []
    for one, other in permutations(range(count), 2):
        base = _weights(values[one] - values[0])
        moved = _weights(values[other] - values[0])
        k, share = judged(values[other] - values[one])
        mean = base @ draws
        sd = np.sqrt(base @ (draws - mean) ** 2)
        shifts.append(np.divide(moved @ draws - mean, sd, out=np.zeros_like(sd), where=sd > 0))
        shares.append(share)
        tails.append(k)
    worst = np.abs(shifts).max(axis=0)
    told |= {"shift": dict(zip(names, worst.tolist(), strict=True)), "largest_shift": float(worst.max())}
    told |= {"efficiency": min(shares), "pareto_k": max(tails)}
    return _verdict(told, reason, _doubt(told))


def _weights(log_ratio: Array) -> Array:
    w = np.exp(log_ratio - log_ratio.max())
    return np.asarray(w / w.sum())


def _doubt(told: dict[str, Any]) -> str:
    """What speaks against the nets, or ""."""
    doubts = []
    if not told["spread"] <= SPREAD:
        doubts.append(f"their log-likelihoods differ by {told['spread']:.2g} ({SPREAD} is allowed)")
    if not told["largest_shift"] <= SHIFT:
        name = max(told["shift"], key=told["shift"].__getitem__)
        doubts.append(f"the mean of {name!r} moves by {told['largest_shift']:.2g} sd ({SHIFT} is allowed)")
    if not (told["efficiency"] >= EFFICIENCY and told["pareto_k"] < PARETO):
        doubts.append(f"weights keep {100 * told['efficiency']:.0f} % of the draws, Pareto k {told['pareto_k']:.2f}")
    return ", ".join(doubts)


def _verdict(told: dict[str, Any], reason: str, doubt: str) -> dict[str, Any]:
    record: dict[str, Any] = {"certified": not doubt, "corrected": False, "ensemble": told}
    why = f"{reason}; " if reason else ""
    words = (
        f"{told['nets']} nets disagree at the draws: {doubt}" if doubt else f"{told['nets']} nets agree at the draws"
    )
    return record | {"reason": why + words}


def judged_by_members(
    names: Sequence[str],
    first: Array,
    draws: Array,
    members: Sequence[Any],
    *,
    reason: str,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """`agreement` of the net whose log-likelihoods at `draws` [N, P] are `first` [N] with the likelihoods `members`."""
    chosen = rng.permutation(len(draws))[:DRAWS]
    try:
        values = np.stack([first[chosen], *(member(draws[chosen]) for member in members)])
    except KinetixError as problem:
        told = {"nets": 1 + len(members), "draws": len(chosen)}
        return _verdict(told, reason, f"one of them could not answer ({problem.reason})")
    return agreement(names, draws[chosen], values, reason=reason)
