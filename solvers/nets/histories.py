"""Histories of the species upstream, and the Poisson means of those downstream that follow from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import RunError

from .downstream import Downstream

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def draw_histories(
    split: Downstream, thetas: Array, starts: Counts, times: Array, number: int, rng: np.random.Generator
) -> tuple[Counts, Array]:
    """`number` exact histories of each of N problems ([N, P], [N, S], [N]) up to its time.

    Returns the counts there [N, number, S], zeros for the species downstream, and these species' means given the
    history [N, number, D]. D. T. Gillespie, J. Phys. Chem. 81 (1977) 2340 (the direct method), all at once. A rate
    that is negative or no number raises RunError, and so does a count below zero.
    """
    problems = np.repeat(np.arange(len(times)), number)
    ages, upstream = split.ages(thetas, times), list(split.upstream)
    made, kinds = [r for r, _ in split.made], list(ages.sources)
    changes = split.model.change[upstream]
    counts, left = starts[problems].astype(np.int64), np.ones(len(problems))
    inflow = np.zeros((len(problems), ages.spent.shape[-1]))
    means = np.zeros((len(problems), len(split.species)))
    running = np.arange(len(problems))
    while len(running):
        own = problems[running]
        rates = split.model.propensities(counts[running], thetas[own])
        if not ((rates >= 0) & (rates < np.inf)).all():
            _refuse(split, rates, counts[running])
        before, inflow_now = inflow[running], np.zeros((len(running), inflow.shape[1]))
        for r, kind in zip(made, kinds, strict=True):
            inflow_now[:, kind] += rates[:, r]
        # an inflow that begins when `left` of the time is left brings this much by the end, and so does less of one
        means[running] += np.einsum("nq,ndq->nd", inflow_now - before, ages(own, left[running]))
        inflow[running] = inflow_now
        edges = np.cumsum(rates[:, upstream] * times[own, None], axis=1)
        total = edges[:, -1] if upstream else np.zeros(len(running))
        with np.errstate(divide="ignore"):
            left[running] -= rng.standard_exponential(len(running)) / total
        place = rng.random(len(running)) * total
        going = left[running] > 0
        fired = (edges[going] <= place[going, None]).sum(axis=1)
        running = running[going]
        chosen = np.minimum(fired, len(upstream) - 1)
        counts[running] += changes[chosen]
        if (below := (counts[running] < 0).any(axis=1)).any():
            name = split.model.network.reactions[upstream[int(chosen[below][0])]].name
            mend = "make its law zero where the reactants are too few (KX108)"
            raise RunError(f"reaction {name!r} would make a count negative", place="a history", mend=mend)
    shape = len(times), number
    return counts.reshape(*shape, -1), np.maximum(means, 0.0).reshape(*shape, -1)


def _refuse(split: Downstream, rates: Array, counts: Counts) -> None:
    """Name the first rate [n, R] that is none, and the state [n, S] upstream."""
    network, wrong = split.model.network, ~((rates >= 0) & (rates < np.inf))
    row, reaction = (int(v) for v in np.argwhere(wrong)[0])
    state = ", ".join(
        f"{name} = {counts[row, s]}" for s, name in enumerate(network.species_names) if s not in split.species
    )
    raise RunError(
        f"the propensity of reaction {network.reactions[reaction].name!r} is {rates[row, reaction]:g}",
        place=f"a history in state ({state})",
        mend="mend its law",
    )
