"""How good a trained net was found to be, on problems that it never saw: its certificate.

A statistical statement about problems drawn from the box, not a bound. H is the Hellinger
distance sqrt(1 - sum sqrt(p q)); beside each stands the floor, what a histogram of 10,000 exact
trajectories would score.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kinetix.compiler import compile_network
from kinetix.distribution import PointMass, Tabulated
from kinetix.errors import TruncationError
from kinetix.listed import Listed
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import simulate

from .against_histories import against_histories
from .autoregressive import Autoregressive
from .averaged import Averaged
from .box import Box
from .budget import Record
from .distance import FLOOR_PATHS, hellinger, summary
from .downstream import Downstream
from .held_out import SEED, Context, held_out
from .layout import Layout
from .net_law import TABLE, NetLaw
from .training import threads

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

BATCHED = 20_000_000
"""Probabilities of all held-out laws up to which they are also tabulated in one batch, for what that costs."""


def certify(
    net: Autoregressive, box: Box, number: int, *, teacher: str, record: Record, seed: int = SEED
) -> dict[str, Any]:
    """The certificate of a net, as plain JSON values; `number` 0 gives one without figures."""
    began = time.process_time()
    result: dict[str, Any] = {
        "teacher": teacher,
        "box": {name: list(bounds) for name, bounds in box.bounds.items()},
        "times": box.told_times,
        "told": "rates, starts, times" if box.encoding.moments is None else "rates, starts, times, exact means",
        "training": _training(record),
        "contexts": number,
    }
    if number:
        device = next(net.parameters()).device

        def law(c: Context) -> NetLaw:
            features = box.encoding.encode(c.theta, c.start, c.time).astype(np.float32)
            return NetLaw(net, torch.from_numpy(features).to(device))

        contexts = held_out(box, number, seed)
        figures = judged(box.network, contexts, law, net.layout)
        if "joint" in figures and number * net.layout.window.size <= BATCHED:
            prompts = torch.stack([law(c).context for c in contexts])
            figures["law_cpu_seconds"]["net_batch"] = _table_seconds(net, prompts)
        result |= figures
        result["statement"] = _statement(number, figures)
    result["certificate_cpu_seconds"] = time.process_time() - began
    return result


def certify_times(
    network: ReactionNetwork,
    layout: Layout,
    times: Sequence[float],
    law: Callable[[Context], NetLaw],
    *,
    teacher: str,
    record: Record,
) -> dict[str, Any]:
    """The certificate of a net for one problem, judged at some times, as plain JSON values."""
    began = time.process_time()
    model = compile_network(network)
    result: dict[str, Any] = {"teacher": teacher, "training": _training(record), "contexts": len(times)}
    if times:
        figures = judged(network, [Context(model.theta, model.initial, float(t)) for t in times], law, layout)
        at = ", ".join(f"{t:.4g}" for t in times)
        what = "Hellinger distances of the joint law to the exact one"
        if "joint" not in figures:
            what = f"distances of the marginals to {figures['against'].partition(' (')[0]}"
        statement = (
            f"The {what} are those at the times {at} of the one problem that the net knows; measured, not a bound."
        )
        result |= figures | {"checked_times": [float(t) for t in times], "statement": statement}
    result["certificate_cpu_seconds"] = time.process_time() - began
    return result


def judged(
    network: ReactionNetwork, contexts: Sequence[Context], law: Callable[[Context], NetLaw], layout: Layout
) -> dict[str, Any]:
    """The figures of the laws that a net states in contexts, against exact laws where they fit.

    Elsewhere against histories, if at least half of the species are downstream of others, else against trajectories.
    """
    with threads(1):
        if layout.window.size <= TABLE:
            try:
                return _against_exact(network, contexts, law, layout)
            except TruncationError:
                pass
        empty = np.all([c.start == 0 for c in contexts], axis=0)
        split = Downstream.of(compile_network(network), np.nonzero(empty)[0].tolist())
        if split.most_of(layout.species) and all(np.isfinite(c.time) for c in contexts):
            return against_histories(split, contexts, law, layout)
        return _against_paths(network, contexts, law, layout)


def _table_seconds(net: Autoregressive, prompts: torch.Tensor) -> float:
    """CPU seconds a law, where a net tabulates the laws at all prompts [B, C] together."""
    with threads(1):
        began = time.process_time()
        net.tables(prompts)
        return (time.process_time() - began) / len(prompts)


def _training(record: Record) -> dict[str, Any]:
    return {
        "steps": record.steps,
        "loss": record.loss,
        "cpu_seconds": record.cpu_seconds,
        "wall_seconds": record.wall_seconds,
        "notes": list(record.notes),
    }


def _against_exact(
    network: ReactionNetwork, contexts: Sequence[Context], law: Callable[[Context], NetLaw], layout: Layout
) -> dict[str, Any]:
    """Distances to the exact laws."""
    model, names = compile_network(network), network.species_names
    rng = np.random.default_rng(0)
    joint, floor, kl, exact_seconds, net_seconds = (np.zeros(len(contexts)) for _ in range(5))
    marginal = {names[s]: np.zeros(len(contexts)) for s in layout.species}
    marginal_floor = {name: np.zeros(len(contexts)) for name in marginal}
    tails = []
    for k, c in enumerate(contexts):
        problem = Problem(model, np.array([c.time]), c.theta, PointMass(c.start))
        began = time.process_time()
        exact = FSP(leak=1e-9, threads=1).solve(problem, rng=rng).laws[0]
        exact_seconds[k] = time.process_time() - began
        assert isinstance(exact, Tabulated | Listed)
        support = np.nonzero(exact.p > 0)[0]
        p = exact.p[support]
        states = exact.counts[support] if isinstance(exact, Listed) else exact.space.states(support)
        began = time.process_time()
        own = law(c)
        log_q = own.log_prob(states)
        net_seconds[k] = time.process_time() - began
        q = np.exp(log_q)
        drawn = rng.multinomial(FLOOR_PATHS, p / p.sum()) / FLOOR_PATHS
        joint[k], floor[k] = hellinger(p, q), hellinger(p, drawn)
        kl[k] = float((p * (np.log(p) - np.maximum(log_q, -700.0))).sum())
        likely = p >= 1e-6
        tails.append(np.abs(np.log10(p[likely]) - np.maximum(log_q[likely], -700.0) / np.log(10)))
        for s in layout.species:
            exact_p, floor_p = (np.bincount(states[:, s], w).astype(np.float64) for w in (p, drawn))
            stated = own.marginal([s]).table()[: len(exact_p)]  # all of it, also where others lie beyond the support
            stated = np.pad(stated, (0, len(exact_p) - len(stated)))
            marginal[names[s]][k], marginal_floor[names[s]][k] = hellinger(exact_p, stated), hellinger(exact_p, floor_p)
    return {
        "against": "exact laws (fsp, leak 1e-9)",
        "joint": {**summary(joint), "floor": float(floor.mean()), "below_floor": float((joint < floor).mean())},
        "species": {
            name: {
                **summary(h),
                "floor": float(marginal_floor[name].mean()),
                "below_floor": float((h < marginal_floor[name]).mean()),
            }
            for name, h in marginal.items()
        },
        "kl_per_sample": {"mean": float(kl.mean()), "max": float(kl.max())},
        "tails_log10_95": float(np.quantile(np.concatenate(tails), 0.95)),
        "law_cpu_seconds": {"exact": float(np.median(exact_seconds)), "net": float(np.median(net_seconds))},
    }


def _against_paths(
    network: ReactionNetwork, contexts: Sequence[Context], law: Callable[[Context], NetLaw], layout: Layout
) -> dict[str, Any]:
    """Marginal distances of the net to exact trajectories, beside those between two sets of trajectories."""
    model, names, n = compile_network(network), network.species_names, FLOOR_PATHS
    rng = np.random.default_rng(0)
    species = {names[s]: np.zeros((2, len(contexts))) for s in layout.species}
    gains = np.zeros(len(contexts))
    for k, c in enumerate(contexts):
        thetas, starts = np.tile(c.theta, (2 * n, 1)), np.tile(c.start, (2 * n, 1))
        paths = simulate(model, np.array([c.time]), thetas, starts, rng=rng, threads=1)[:, 0]
        own = law(c)
        stated = Averaged.of(own.net, own.context, n, int(rng.integers(2**62)))
        independent = np.zeros(n)
        for position, s in enumerate(layout.species):
            p = stated.marginal(position)
            top = max(int(paths[:, s].max()) + 1, len(p))
            first, second = (np.bincount(x[:, s], minlength=top) / n for x in (paths[:n], paths[n:]))
            species[names[s]][:, k] = hellinger(first, np.pad(p, (0, top - len(p)))), hellinger(first, second)
            independent += np.log((n * second[paths[:n, s]] + 0.5) / (n + 0.5 * top))
        gains[k] = float((np.maximum(own.log_prob(paths[:n]), -50.0) - independent).mean())
    return {
        "against": f"{n} exact trajectories a context (no exact law fits in memory): noisy, compare with the floor",
        "species": {name: {**summary(h), "floor": float(f.mean())} for name, (h, f) in species.items()},
        "log_likelihood_over_product_of_marginals": {"mean": float(gains.mean()), "min": float(gains.min())},
    }


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
    if any("noise" in h for h in figures["species"].values()):
        noise, kl = max(h["noise"] for h in figures["species"].values()), figures.get("kl_per_sample")
        joint = (
            "No figure for the joint law."
            if kl is None
            else (
                f"Of the joint law a draw tells {kl['mean']:.4f} nats against the net (standard error "
                f"{figures['kl_error']:.4f}), in the worst problem {kl['max']:.4f}."
            )
        )
        return (
            f"With 95 % confidence the marginals of at least {claim} are within Hellinger distance {worst:.4f} of the "
            f"exact ones (the worst of {number} held-out problems; known to {noise:.4f}). {joint} "
            "A statistical statement, not a bound; it says nothing about problems outside the box."
        )
    return (
        f"With 95 % confidence the marginals of at least {claim} score below {worst:.4f} against {FLOOR_PATHS} "
        f"trajectories (the worst of {number} held-out problems), noise included. No figure for the joint law."
    )
