"""The general model as it comes with kinetix, on networks that it has never seen: Hellinger distances to exact laws.

Prints markdown: five panels of held-out structures beside what else one could state at once; how often its flags are
right; how the scores fell by CPU hours; the reference systems; and what an answer costs.

    python tests/benchmarks/figures_general.py [--weights RUN] [--laws FOLDER] [--number 300]

`--laws` keeps the exact laws of the panels there, for another time. Exits 1 where a figure misses its limit.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

import kinetix as kx
from kinetix.solvers.general.moments import linear_noise, moments
from kinetix.solvers.general.packaged import FOLDER
from kinetix.solvers.general.pretrained import GeneralNetwork
from kinetix.solvers.general.pretraining import PANEL_SEED
from kinetix.solvers.general.score import hellinger
from kinetix.solvers.general.trust import Scale, signs_of

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.general_baselines import distances, histograms  # noqa: E402
from tests.benchmarks.general_exam import Exam, exam  # noqa: E402
from tests.benchmarks.general_zoo import ZOO, asked  # noqa: E402

NAMES = {
    "small": "1-3 species, <= 6 reactions, counts < 64",
    "large": "4-5 species, <= 10 reactions, counts < 64",
    "hard": "held-out templates: enzyme, repression by dimers",
    "counts127": "1-5 species, <= 10 reactions, counts < 128",
    "regulated": "1-5 species, <= 10 reactions, one or more with a Hill law or an enzyme's, counts < 64",
}
MEDIANS = {"small": 0.022, "large": 0.06, "hard": 0.05, "counts127": 0.06}
MEAN, P90 = {"small": 0.045}, {"small": 0.10}
BETTER = {"small": 0.97, "large": 0.90}
RIGHT, MILLISECONDS, SECONDS = 0.95, 10.0, 2.0


class Judge:
    """Figures, and whether all of them keep their limits."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def hold(self, what: str, good: bool) -> None:
        if not good:
            self.missed.append(what)


def panels(net: GeneralNetwork, exams: dict[str, Exam], judge: Judge) -> dict[str, np.ndarray]:
    """The distances by panel, printed beside those of the baselines."""
    print("| panel | law | median | mean | 90 % below | worst | the net is nearer |\n|---|---|---|---|---|---|---|")
    found = {}
    for name, one in exams.items():
        h = found[name] = hellinger(net.core, one.cases)
        others = {
            f"histogram of {10_000:,} trajectories": histograms(one.p, seed=1),
            "second-order moment closure": distances(moments(one.batch), one.batch, one.states, one.p),
            "linear noise": distances(linear_noise(one.batch), one.batch, one.states, one.p),
        }
        _row(f"{NAMES[name]} ({len(h)} problems)", "general model", h, "")
        for law, other in others.items():
            share = float((h < other).mean())
            _row("", law, other, f"{share:.0%}")
            if law.startswith(("second", "linear")) and name in BETTER:
                judge.hold(f"{name}: nearer than {law} in {share:.0%}", share >= BETTER[name])
        judge.hold(f"{name}: median {np.median(h):.4f}", np.median(h) <= MEDIANS.get(name, np.inf))
        judge.hold(f"{name}: mean {h.mean():.4f}", h.mean() <= MEAN.get(name, np.inf))
        judge.hold(f"{name}: 90 % {np.quantile(h, 0.9):.4f}", np.quantile(h, 0.9) <= P90.get(name, np.inf))
    return found


def _row(first: str, law: str, h: np.ndarray, share: str) -> None:
    numbers = " | ".join(f"{v:.4f}" for v in (np.median(h), h.mean(), np.quantile(h, 0.9), h.max()))
    print(f"| {first} | {law} | {numbers} | {share} |", flush=True)


def flags(net: GeneralNetwork, exams: dict[str, Exam], found: dict[str, np.ndarray], judge: Judge) -> None:
    """How often the flags are right, on problems that they were not made with."""
    print("\n| panel | flagged good | of these H <= 0.05 | flagged fair | of these H <= 0.10 | flagged poor |")
    print("|---|---|---|---|---|---|")
    scale = Scale.of(net.certificate)
    if scale is None:
        judge.hold("the net was not calibrated", good=False)
        return
    for name, one in exams.items():
        h, told = found[name], np.array([scale.flag(e) for e in scale(signs_of(net.core, one.batch))])
        good, fair = told == "good", told == "fair"
        right = float((h[good] <= 0.05).mean()) if good.any() else float("nan")
        fine = float((h[fair] <= 0.10).mean()) if fair.any() else float("nan")
        shares = f"{good.mean():.0%} | {right:.1%} | {fair.mean():.0%} | {fine:.1%} | {(told == 'poor').mean():.0%}"
        print(f"| {NAMES[name]} | {shares} |", flush=True)
        if good.any():  # a share of n right ones within the sampling error of what is promised
            slack = 2 * np.sqrt(RIGHT * (1 - RIGHT) / good.sum())
            judge.hold(f"{name}: good is right in {right:.1%}", right >= RIGHT - slack)


def curve() -> None:
    """How the scores fell while the weights were trained, by CPU hours: a few looks, the last one after annealing."""
    entries = [json.loads(line) for line in (FOLDER / "log.jsonl").read_text().splitlines()]
    print("\nWhile it was trained (60 small, 40 large, 40 regulated problems; the rate falls to 0 as a leg ends):\n")
    print("| CPU hours | small, median | mean | large, median | mean | regulated, median | mean |")
    print("|---|---|---|---|---|---|---|")
    keys = [f"{name} {what}" for name in ("small", "large", "regulated") for what in ("median", "mean")]
    for k, entry in enumerate(entries):
        last = k + 1 == len(entries) or entries[k + 1]["fraction"] < entry["fraction"]
        if last or k % 3 == 1:
            told = " | ".join(f"{entry[key]:.4f}" if key in entry else "" for key in keys)
            print(f"| {entry['cpu'] / 3600:.2f}{', end of a leg' if last else ''} | {told} |")


def zoo(net: GeneralNetwork) -> None:
    """The reference systems that belong to the family, from their own starts."""
    print("\n| system | problems | median | mean | worst | 10,000 trajectories, mean | flagged good |")
    print("|---|---|---|---|---|---|---|")
    for name, (what, problems) in ZOO.items():
        h, floor, told = asked(net, problems())
        numbers = (
            f"{np.median(h):.4f} | {h.mean():.4f} | {h.max():.4f} | {floor.mean():.4f} | {(told == 'good').mean():.0%}"
        )
        print(f"| {name}, {what} | {len(h)} | {numbers} |", flush=True)


def costs(net: GeneralNetwork, one: Exam, judge: Judge) -> None:
    """One answer for a network of five species, with and without its check; and a thousand at once."""
    from kinetix.solvers.general.generator import LARGE, draw
    from kinetix.solvers.general.panels import network_of

    five = [n for n in range(len(one.batch)) if one.batch.species[n] == 5]
    networks = [network_of(one.batch, n) for n in five[:20]]
    solver, many = kx.General(trust=False), []
    for network in networks:
        model, taken = kx.compile_network(network), []
        for _ in range(2):  # the second time its laws have been read
            started = time.process_time()
            solution = kx.solve(network, [1.0], solver=solver, seed=1)
            law = solution.law(1.0)
            solution.mean(), solution.std(), [law.marginal([s]) for s in range(len(model.initial))]
            taken.append(1e3 * (time.process_time() - started))
        many.append(taken)
    first, alone = np.median(many[3:], axis=0).tolist()
    drawn = draw(np.random.default_rng(5), 1000, LARGE, held_out=True)
    asked_of = [network_of(drawn, n) for n in range(1000)]
    started = time.process_time()
    net.survey(asked_of, 1.0)
    batch = time.process_time() - started
    started = time.process_time()
    for network in networks[:10]:
        kx.solve(network, [1.0], solver="general", seed=1)
    checked = (time.process_time() - started) / 10
    print(f"\nFive species, means, sds, all marginals: {alone:.1f} ms of CPU ({first:.1f} ms where it is new);")
    print(f"with its check {1e3 * checked:.0f} ms. `survey` of 1,000 new networks of 4-5 species: {batch:.2f} s.")
    judge.hold(f"{alone:.1f} ms a law", alone <= MILLISECONDS)
    judge.hold(f"{batch:.2f} s for 1,000", batch <= SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--laws", type=Path)
    parser.add_argument("--number", type=int, default=300)
    options = parser.parse_args()
    torch.set_num_threads(1)
    net, judge = kx.general(options.weights), Judge()
    exams = {name: exam(name, options.number, PANEL_SEED, options.laws) for name in NAMES}
    found = panels(net, exams, judge)
    flags(net, exams, found, judge)
    if options.weights is None:
        curve()
    zoo(net)
    costs(net, exams["large"], judge)
    for missed in judge.missed:
        print(f"\nmissed: {missed}")
    return 1 if judge.missed else 0


if __name__ == "__main__":
    sys.exit(main())
