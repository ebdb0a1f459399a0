"""How the nets of the figures are judged where no exact joint law fits in memory.

A net's marginals and pair laws are averages of its conditionals over its own draws (less noise than
histograms of draws). They are compared with Poisson laws where those are exact, else with a million exact
trajectories; the distance between two halves of the trajectories, scaled to their whole, stands beside as the floor.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.stats import norm, poisson

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.problem import Problem
from kinetix.solvers.nets.averaged import Averaged
from kinetix.solvers.nets.distance import hellinger
from kinetix.solvers.nets.held_out import Context
from kinetix.solvers.nets.trained_met import TrainedMET
from kinetix.solvers.ssa import simulate

PATHS = 1_000_000
DRAWS = 20_000
LIKELIHOOD = 10_000
CHUNK = 100_000
CELL = 1.0 / 12
"""The variance of a cell of width 1."""


def stated(trained: TrainedMET, context: Context, seed: int, draws: int = DRAWS) -> Averaged:
    """What a net says in one context."""
    features = trained.domain.encoding.encode(context.theta, context.start, context.time)
    return Averaged.of(trained.net, torch.from_numpy(features.astype(np.float32)), draws, seed)


def distance(p: np.ndarray, q: np.ndarray) -> float:
    """The Hellinger distance of two laws over counts 0.., of any lengths."""
    size = max(len(p), len(q))
    return hellinger(np.pad(p, (0, size - len(p))), np.pad(q, (0, size - len(q))))


def at(network: kx.ReactionNetwork, context: Context) -> kx.ReactionNetwork:
    """The network with the rates and the start of a context."""
    return network.replace(
        parameters=dict(zip(network.theta_names, context.theta.tolist(), strict=True)),
        initial=dict(zip(network.species_names, context.start.tolist(), strict=True)),
    )


def moments_by_ode(network: kx.ReactionNetwork, context: Context) -> np.ndarray:
    """The exact means of a linear network: [S]."""
    return np.asarray(kx.solve(at(network, context), [context.time], solver="mean-field").mean())[0]


def poisson_laws(network: kx.ReactionNetwork, context: Context) -> list[np.ndarray]:
    """The exact marginals of a linear network without catalysis that starts empty: Poisson with the ODE's means."""
    means = moments_by_ode(network, context)
    return [poisson.pmf(np.arange(int(m + 12 * np.sqrt(m) + 20)), m) for m in means]


def trajectories(network: kx.ReactionNetwork, context: Context, number: int, seed: int) -> np.ndarray:
    """Exact states at the context's time: [number, S]."""
    model, rng = compile_network(network), np.random.default_rng([seed, 77])
    found = []
    for size in [CHUNK] * (number // CHUNK) + ([number % CHUNK] if number % CHUNK else []):
        thetas, starts = np.tile(context.theta, (size, 1)), np.tile(context.start, (size, 1))
        found.append(simulate(model, [context.time], thetas, starts, rng=rng, engine="lanes")[:, 0].astype(np.int32))
    return np.concatenate(found)


def against_paths(trained: TrainedMET, context: Context, seed: int, paths: np.ndarray) -> dict[str, Any]:
    """Marginal and pair distances to trajectories, their floors, log-likelihoods beside simpler laws."""
    layout, own = trained.net.layout, stated(trained, context, seed)
    inside = layout.window.contains(paths)
    values = layout.values(paths[inside])
    half, depth = len(values) // 2, len(layout.caps)
    marginals, pairs, floors = [], [], []
    for j in range(depth):
        exact = np.bincount(paths[:, layout.species[j]]) / len(paths)
        marginals.append(distance(exact, own.marginal(j)))
        for i in range(j):
            shape = (layout.caps[i], layout.caps[j])
            key = values[:, i] * shape[1] + values[:, j]
            first, second = (np.bincount(k, minlength=shape[0] * shape[1]) / half for k in (key[:half], key[half:]))
            pairs.append(hellinger((first + second) / 2, own.pair(i, j).ravel()))
            floors.append(hellinger(first, second) / 2)  # of the whole against the truth
    return {"marginals": marginals, "pairs": pairs, "pair_floors": floors, **likelihoods(trained, context, paths)}


def likelihoods(trained: TrainedMET, context: Context, paths: np.ndarray) -> dict[str, float]:
    """Mean log-likelihood of held-out trajectories over the product of marginals and the linear noise approximation."""
    some, rest = paths[:LIKELIHOOD].astype(np.int64), paths[LIKELIHOOD:]
    network = at(trained.network, context)
    own = trained.solve(Problem.of(network, [context.time]), rng=np.random.default_rng(0)).laws[0].log_prob(some)
    product = np.zeros(len(some))
    for s in trained.net.layout.species:
        top = int(paths[:, s].max()) + 1
        p = (np.bincount(rest[:, s], minlength=top) + 0.5) / (len(rest) + 0.5 * top)
        product += np.log(p[some[:, s]])
    found = {"over_product": float((np.maximum(own, -100) - product).mean())}
    lna = linear_noise(network, context.time, list(trained.net.layout.species), some)
    found["over_lna"] = float((np.maximum(own, -100) - np.maximum(lna, -100)).mean())
    return found


def linear_noise(network: kx.ReactionNetwork, time: float, species: list[int], counts: np.ndarray) -> np.ndarray:
    """Log-probabilities that the Gaussian law of the linear noise approximation gives to counts [n, S] of `species`.

    One after the other: the normal law of a species given those before it, a count standing for the cell of
    width 1 about it (0 for all below 1/2), so that the probabilities sum to 1; a cell's own spread is added.
    """
    solution = kx.solve(network, [time], solver="linear-noise")
    mean, whole = (
        np.asarray(solution.mean())[0][species],
        np.asarray(solution.covariance())[0][np.ix_(species, species)],
    )
    gap, total = counts[:, species] - mean, np.zeros(len(counts))
    for i in range(len(species)):
        known = np.linalg.pinv(whole[:i, :i], hermitian=True) @ whole[:i, i] if i else np.zeros(0)
        sd = np.sqrt(max(whole[i, i] - whole[i, :i] @ known, 0.0) + CELL)
        z = gap[:, i] - gap[:, :i] @ known
        upper, lower = (z + 0.5) / sd, np.where(counts[:, species[i]] == 0, -np.inf, (z - 0.5) / sd)
        flip = lower > 0  # the far tail, where both are near 1
        p = np.where(flip, norm.cdf(-lower) - norm.cdf(-upper), norm.cdf(upper) - norm.cdf(lower))
        with np.errstate(divide="ignore"):
            total += np.log(p)
    return total


def summary(values: Any) -> Mapping[str, float]:
    """Mean, median, p90 and max."""
    v = np.asarray(values, dtype=np.float64).ravel()
    return {
        "mean": float(v.mean()),
        "median": float(np.median(v)),
        "p90": float(np.quantile(v, 0.9)),
        "max": float(v.max()),
    }
