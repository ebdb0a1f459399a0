"""VANs by default settings in a few CPU minutes, nothing enumerated, judged against exact laws; and ways of stepping.

Prints markdown: Hellinger distances of the joint law to the exact one at a few times, the floor of 10,000
exact trajectories beside them; for the cascade the divergence from independent Poissons by draws. CPU
seconds count everything: pilots, trajectories, training. Run `python tests/benchmarks/figures_van.py`
(about forty minutes), or with the names of some tables and, last, seeds: `... autoregulation toggle 1 2 3`.
Exits 1 where a figure misses its limit.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import expm
from scipy.stats import poisson

import kinetix as kx
from kinetix.solvers.nets.certificate import judged
from kinetix.solvers.nets.held_out import Context

MODELS = Path(__file__).parents[2] / "examples" / "models"
RATES = ("sigma_u", "sigma_b", "rho_u", "rho_b")
MARKED = ((0.94, 0.01, 8.40, 28.1), (0.69, 0.07, 7.2, 40.6), (0.44, 0.08, 0.94, 53.1))
DRAWS = 100_000
WAYS = {
    "as published": {"dt": 0.02, "grid": "even", "epochs_first": 300, "epochs": 20},
    "forward KL on pushed states": {"start": "forward-kl", "epochs_first": 1, "epochs": 1},
    "and natural gradient, Euler targets": {"start": "forward-kl", "optimiser": "natural", "epochs": 8},
    "and short-time targets": {"start": "forward-kl", "optimiser": "natural", "targets": "short-time", "epochs": 8},
}


def joint(net, network: kx.ReactionNetwork, times: tuple[float, ...]) -> tuple[list[float], float]:
    """H of the joint law at the times; the mean floor."""
    model = kx.compile_network(network)
    laws = net.solve(kx.Problem.of(network, times), rng=np.random.default_rng(0)).laws
    found = [
        judged(network, [Context(model.theta, model.initial, t)], lambda _, law=law: law, net.net.layout)["joint"]
        for t, law in zip(times, laws, strict=True)
    ]
    return [f["mean"] for f in found], float(np.mean([f["floor"] for f in found]))


def trained(network: kx.ReactionNetwork, until: float, seconds: float, seed: int, **settings):
    """A net, its certificate left out."""
    van = kx.VAN(checked=0, **settings)
    return van.train(network, times=(0, until), budget_cpu=seconds, seed=seed)


def header(first: str, times: tuple[float, ...]) -> None:
    print(f"\n| {first} | seed | " + " | ".join(f"t = {t:g}" for t in times) + " | floor | CPU s |")
    print("|---" * (len(times) + 4) + "|", flush=True)


def row(name: str, seed: int, distances: list[float], floor: float, net) -> None:
    figures = " | ".join(f"{h:.4f}" for h in distances)
    seconds = net.certificate["training"]["cpu_seconds"]
    print(f"| {name} | {seed} | {figures} | {floor:.4f} | {seconds:.0f} |", flush=True)


def autoregulation(seeds: list[int]) -> bool:
    """The three marked rate vectors, a minute each."""
    times, missed = (0.5, 1.0, 4.0, 10.0), False
    header("autoregulation at", times)
    for point in MARKED:
        network = kx.load(MODELS / "autoregulation.xml").replace(parameters=dict(zip(RATES, point, strict=True)))
        for seed in seeds:
            net = trained(network, 10.0, 60, seed)
            distances, floor = joint(net, network, times)
            row(str(point), seed, distances, floor, net)
            missed |= max(distances) > 0.012
    return missed


def toggle(seeds: list[int]) -> bool:
    """The toggle switch at the published rates, three and ten minutes."""
    times, missed = (1.0, 3.0, 40.0), False
    network = kx.load(MODELS / "toggle_switch.xml")
    header("toggle switch", times)
    for seconds, limit in ((180, 0.025), (600, 0.015)):
        for seed in seeds:
            net = trained(network, 40.0, seconds, seed)
            distances, floor = joint(net, network, times)
            row(f"{seconds // 60} min", seed, distances, floor, net)
            missed |= max(distances) > limit
    return missed


def epidemic(seeds: list[int]) -> bool:
    """A rate that swings with the time."""
    times, missed = (1.0, 3.0, 10.0, 20.0), False
    network = kx.load(MODELS / "epidemic.xml")
    header("epidemic", times)
    for seed in seeds:
        net = trained(network, 20.0, 60, seed)
        distances, floor = joint(net, network, times)
        row("time-dependent infection", seed, distances, floor, net)
        missed |= max(distances) > floor
    return missed


def cascade(seeds: list[int]) -> bool:
    """Fifteen species, two minutes; at t = 10 the exact law is a product of Poissons."""
    network, t, missed = kx.load(MODELS / "cascade15.xml"), 10.0, False
    means = cascade_means(t)
    print("\n| cascade15 | seed | worst marginal H | KL(net ‖ exact) | CPU s |")
    print("|---|---|---|---|---|")
    for seed in seeds:
        net = trained(network, t, 120, seed)
        law = net.solve(kx.Problem.of(network, [t]), rng=np.random.default_rng(0)).laws[0]
        rng = np.random.default_rng(1)
        drawn = law.sample(DRAWS, rng=rng)
        gap = law.log_prob(drawn) - poisson.logpmf(drawn, means).sum(axis=-1)
        inside = poisson.cdf([net.window.upper[net.window.free.index(s)] for s in range(15)], means).prod()
        terms = (
            gap + np.exp(-gap) - inside
        )  # exp(-gap) has the mean `inside`, the exact share of the window: less noise
        kl, error = float(terms.mean()), float(terms.std() / np.sqrt(DRAWS))
        worst = worst_marginal(law, drawn, means)
        seconds = net.certificate["training"]["cpu_seconds"]
        figures = f"{worst:.4f} | {kl:.5f} ± {error:.5f}"
        print(f"| 15 species | {seed} | {figures} | {seconds:.0f} |", flush=True)
        missed |= worst > 0.007 or kl > 0.002
    return missed


def cascade_means(t: float) -> np.ndarray:
    """The means of the 15 species at time t, from 0: a linear equation."""
    rates = np.diag([-6.0] * 14 + [-1.0]) + np.diag([5.0] * 14, -1)
    inflow = np.zeros((15, 1))
    inflow[0] = 10.0
    return expm(np.block([[rates, inflow], [np.zeros((1, 16))]]) * t)[:15, 15]


def worst_marginal(law, drawn: np.ndarray, means: np.ndarray) -> float:
    """The largest H of a marginal to its Poisson law: conditionals averaged over the draws [n, 15], little noise."""
    net, worst = law.net, 0.0
    sums = [np.zeros(cap) for cap in net.caps]
    for part in np.array_split(net.layout.values(drawn), 16):
        with torch.no_grad():
            conditionals = net.log_conditionals(law.context[None], torch.from_numpy(part)[None])
        sums = [
            a + c[0].double().exp().sum(dim=0).numpy() / len(drawn) for a, c in zip(sums, conditionals, strict=True)
        ]
    for s, q in zip(net.layout.species, sums, strict=True):
        p = poisson.pmf(np.arange(len(q)), means[s])
        worst = max(worst, float(np.sqrt(max(0.0, 1 - np.sqrt(p * q).sum()))))
    return worst


def stepping(seeds: list[int]) -> bool:
    """Ways to carry a VAN through time, on the transient of the toggle switch."""
    times = (1.0,)
    network = kx.load(MODELS / "toggle_switch.xml")
    header("toggle, stepped to t = 1", times)
    for name, way in WAYS.items():
        for seed in seeds:
            settings = {"mode": "stepped", "width": 64, "dt": 0.1, "grid": "geometric", **way}
            began = time.process_time()
            net = kx.VAN(checked=0, **settings).train(network, times=(0, 1.0), seed=seed)
            distances, floor = joint(net, network, times)
            row(f"{name} ({time.process_time() - began:.0f} s with judging)", seed, distances, floor, net)
    return False


TABLES = {f.__name__: f for f in (autoregulation, toggle, epidemic, cascade, stepping)}


def main(given: list[str]) -> int:
    names, seeds = [n for n in given if not n.isdigit()], [int(n) for n in given if n.isdigit()]
    if unknown := [n for n in names if n not in TABLES]:
        sys.exit(f"no table called {unknown[0]!r}; there are {', '.join(TABLES)}")
    missed = [TABLES[name](seeds or [1]) for name in names or TABLES]
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
