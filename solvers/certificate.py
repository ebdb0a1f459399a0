"""How good a trained net was found to be, on problems that it never saw: its certificate.

A statistical statement about problems drawn from the box, not a bound. H is the Hellinger
distance sqrt(1 - sum sqrt(p q)); beside each stands the floor, what a histogram of 10,000 exact
trajectories would score.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kinetix.compiler import compile_network
from kinetix.distribution import PointMass, Tabulated
from kinetix.errors import TruncationError
from kinetix.problem import Problem

from .autoregressive import Autoregressive
from .box import Box
from .fsp import FSP
from .net_law import TABLE, NetLaw
from .ssa import simulate
from .training import Record, threads

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

SEED = 20230704
"""Of the held-out contexts: the same for every net over a box, and never used in training."""

FLOOR_PATHS = 10_000


@dataclass(frozen=True, eq=False)
class Context:
    """A held-out problem: theta [P], initial counts [S], time."""

    theta: Array
    start: Counts
    time: float


def held_out(box: Box, number: int, seed: int = SEED) -> list[Context]:
    """Contexts over the box; half of the times uniform, half log-uniform on [t1/200, t1]."""
    rng = np.random.default_rng(seed)
    thetas, starts = box.at(rng.random((number, box.dimension)))
    t0, t1 = box.encoding.times
    low = max(t0, t1 / 200)
    even, logarithmic = t0 + (t1 - t0) * rng.random(number), low * (t1 / low) ** rng.random(number)
    times = np.where(np.arange(number) % 2 == 0, np.maximum(even, 1e-6 * t1), logarithmic)
    return [Context(*row) for row in zip(thetas, starts, times.tolist(), strict=True)]


def certify(
    net: Autoregressive, box: Box, number: int, *, teacher: str, record: Record, seed: int = SEED
) -> dict[str, Any]:
    """The certificate of a net, as plain JSON values; `number` 0 gives one without figures."""
    began = time.process_time()
    result: dict[str, Any] = {
        "teacher": teacher,
        "box": {name: list(bounds) for name, bounds in box.bounds.items()},
        "times": list(box.encoding.times),
        "training": {
            "steps": record.steps,
            "loss": record.loss,
            "cpu_seconds": record.cpu_seconds,
            "wall_seconds": record.wall_seconds,
            "notes": list(record.notes),
        },
        "contexts": number,
    }
    if number:
        contexts = held_out(box, number, seed)
        exact = None
        with threads(1):
            if net.layout.window.size <= TABLE:
                try:
                    exact = _against_exact(net, box, contexts)
                except TruncationError:
                    exact = None
            figures = exact if exact is not None else _against_paths(net, box, contexts)
        result |= figures
        result["statement"] = _statement(number, figures)
    result["certificate_cpu_seconds"] = time.process_time() - began
    return result


def hellinger(p: Array, q: Array) -> float:
    """sqrt(1 - sum sqrt(p q)) of two laws on the same states."""
    return float(np.sqrt(max(0.0, 1.0 - np.sqrt(p * q).sum())))


def _against_exact(net: Autoregressive, box: Box, contexts: Sequence[Context]) -> dict[str, Any]:
    """Distances to the exact laws."""
    model, names = compile_network(box.network), box.network.species_names
    rng = np.random.default_rng(0)
    joint, floor, kl = (np.zeros(len(contexts)) for _ in range(3))
    marginal = {names[s]: np.zeros(len(contexts)) for s in net.layout.species}
    marginal_floor = {name: np.zeros(len(contexts)) for name in marginal}
    tails = []
    for k, c in enumerate(contexts):
        problem = Problem(model, np.array([c.time]), c.theta, PointMass(c.start))
        law = FSP(leak=1e-9, threads=1).solve(problem, rng=rng).laws[0]
        assert isinstance(law, Tabulated)
        support = np.nonzero(law.p > 0)[0]
        p, states = law.p[support], law.space.states(support)
        context = box.encoding.encode(c.theta, c.start, c.time).astype(np.float32)
        log_q = NetLaw(net, torch.from_numpy(context).to(next(net.parameters()).device)).log_prob(states)
        q = np.exp(log_q)
        drawn = rng.multinomial(FLOOR_PATHS, p / p.sum()) / FLOOR_PATHS
        joint[k], floor[k] = hellinger(p, q), hellinger(p, drawn)
        kl[k] = float((p * (np.log(p) - np.maximum(log_q, -700.0))).sum())
        likely = p >= 1e-6
        tails.append(np.abs(np.log10(p[likely]) - np.maximum(log_q[likely], -700.0) / np.log(10)))
        for s in net.layout.species:
            sums = [np.bincount(states[:, s], w).astype(np.float64) for w in (p, q, drawn)]
            marginal[names[s]][k], marginal_floor[names[s]][k] = hellinger(*sums[:2]), hellinger(sums[0], sums[2])
    return {
        "against": "exact laws (fsp, leak 1e-9)",
        "joint": {**_summary(joint), "floor": float(floor.mean()), "below_floor": float((joint < floor).mean())},
        "species": {
            name: {
                **_summary(h),
                "floor": float(marginal_floor[name].mean()),
                "below_floor": float((h < marginal_floor[name]).mean()),
            }
            for name, h in marginal.items()
        },
        "kl_per_sample": {"mean": float(kl.mean()), "max": float(kl.max())},
        "tails_log10_95": float(np.quantile(np.concatenate(tails), 0.95)),
    }


def _against_paths(net: Autoregressive, box: Box, contexts: Sequence[Context]) -> dict[str, Any]:
    """Marginal distances of draws of the net to exact trajectories, beside those between two sets of trajectories."""
    model, names, n = compile_network(box.network), box.network.species_names, FLOOR_PATHS
    rng = np.random.default_rng(0)
    species = {names[s]: np.zeros((2, len(contexts))) for s in net.layout.species}
    gains = np.zeros(len(contexts))
    for k, c in enumerate(contexts):
        thetas, starts = np.tile(c.theta, (2 * n, 1)), np.tile(c.start, (2 * n, 1))
        paths = simulate(model, np.array([c.time]), thetas, starts, rng=rng, threads=1)[:, 0]
        context = box.encoding.encode(c.theta, c.start, c.time).astype(np.float32)
        law = NetLaw(net, torch.from_numpy(context).to(next(net.parameters()).device))
        drawn = law.sample(n, rng=rng)
        independent = np.zeros(n)
        for s in net.layout.species:
            top = int(max(paths[:, s].max(), drawn[:, s].max())) + 1
            first, second, own = (np.bincount(x[:, s], minlength=top) / n for x in (paths[:n], paths[n:], drawn))
            species[names[s]][:, k] = hellinger(first, own), hellinger(first, second)
            independent += np.log((n * second[paths[:n, s]] + 0.5) / (n + 0.5 * top))
        gains[k] = float((np.maximum(law.log_prob(paths[:n]), -50.0) - independent).mean())
    return {
        "against": f"{n} exact trajectories a context (no exact law fits in memory): noisy, compare with the floor",
        "species": {name: {**_summary(h), "floor": float(f.mean())} for name, (h, f) in species.items()},
        "log_likelihood_over_product_of_marginals": {"mean": float(gains.mean()), "min": float(gains.min())},
    }


def _summary(values: Array) -> dict[str, float]:
    points: Mapping[str, Callable[[Array], Any]] = {
        "mean": np.mean, "median": np.median, "p90": lambda v: np.quantile(v, 0.9), "max": np.max
    }  # fmt: skip
    return {name: float(f(values)) for name, f in points.items()}


def _statement(number: int, figures: Mapping[str, Any]) -> str:
    share = 0.05 ** (1 / number)
    claim = f"{100 * share:.1f} % of the problems drawn from the box"
    if "joint" in figures:
        return (
            f"With 95 % confidence the joint law of at least {claim} is within Hellinger distance "
            f"{figures['joint']['max']:.4f} of the exact one (the worst of {number} held-out problems); mean "
            f"{figures['joint']['mean']:.4f}, floor of {FLOOR_PATHS} trajectories {figures['joint']['floor']:.4f}. "
            "A statistical statement, not a bound; it says nothing about problems outside the box."
        )
    worst = max(h["max"] for h in figures["species"].values())
    return (
        f"With 95 % confidence the marginals of at least {claim} score below {worst:.4f} against {FLOOR_PATHS} "
        f"trajectories (the worst of {number} held-out problems), noise included. No figure for the joint law."
    )
