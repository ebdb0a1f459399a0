"""How far a MET of autoregulation reaches: moments, tails, rates outside its box, times beyond, a gap in its training.

Prints markdown. Two nets of five CPU minutes (the box of four rates; the same with all starts) and two of one, all
counted; about a quarter of an hour. Exits 1 where a figure misses its limit.
"""

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.distribution import PointMass, Tabulated
from kinetix.problem import Problem
from kinetix.solvers.nets.decoder import Film, Shape
from kinetix.solvers.nets.distance import hellinger
from kinetix.solvers.nets.held_out import Context, held_out
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.net_law import NetLaw
from kinetix.solvers.nets.trained_met import TrainedMET
from kinetix.space import StateSpace
from tests.benchmarks.contexts import system
from tests.benchmarks.net_gap import OFF, inside_gap, train_with_gap

MARKED = ((0.94, 0.01, 8.40, 28.1), (0.69, 0.07, 7.2, 40.6), (0.44, 0.08, 0.94, 53.1))
LONG, SHORT, CONTEXTS = 300.0, 60.0, 100
ALL_STARTS = {"Gu": (0, 1), "P": (0, 160)}
"""Initial counts that hold where the paths of the box go."""
BEYOND = 0.15
"""The share of a bound by which a rate lies outside the box."""

Law = Callable[[Context], np.ndarray]


def exact(network: kx.ReactionNetwork, context: Context) -> Tabulated:
    """The exact law in a context."""
    problem = Problem(compile_network(network), np.array([context.time]), context.theta, PointMass(context.start))
    law = kx.FSP(leak=1e-9).solve(problem).laws[0]
    assert isinstance(law, Tabulated)
    return law


def stated(net: TrainedMET, context: Context, states: np.ndarray) -> np.ndarray:
    """The net's probabilities of states in a context, asked as a user does (symmetry included)."""
    problem = Problem(compile_network(net.network), np.array([context.time]), context.theta, PointMass(context.start))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # outside the box: that is the question
        return np.exp(net.solve(problem, rng=np.random.default_rng(0)).laws[0].log_prob(states))


def distances(net: TrainedMET, contexts: Sequence[Context]) -> np.ndarray:
    """Hellinger distances of the joint law."""
    found = []
    for context in contexts:
        law = exact(net.network, context)
        support = np.nonzero(law.p > 0)[0]
        found.append(hellinger(law.p[support], stated(net, context, law.space.states(support))))
    return np.array(found)


def row(name: str, h: np.ndarray, asked: str, seconds: float) -> None:
    figures = " | ".join(f"{v:.4f}" for v in (h.mean(), np.median(h), np.quantile(h, 0.9), h.max()))
    print(f"| {name} | {figures} | {asked} | {seconds:.0f} |", flush=True)


def moments(net: TrainedMET, seed: int) -> tuple[float, float]:
    """The worst relative errors of mean and sd of the protein at fourteen rate vectors, t = 10."""
    box = list(net.box.values())
    drawn = np.random.default_rng(seed).uniform(*np.transpose(box), (11, len(box)))
    worst = np.zeros(2)
    for rates in [*MARKED, *drawn.tolist()]:
        parameters = dict(zip(net.box, rates, strict=True))
        p, q = (kx.solve(net.network, [10.0], solver=s, parameters=parameters) for s in ("fsp", net))
        gaps = [abs(f(q)[0] / f(p)[0] - 1) for f in (lambda s: s.mean("P"), lambda s: s.std("P"))]
        worst = np.maximum(worst, gaps)
    return float(worst[0]), float(worst[1])


def outside(net: TrainedMET, number: int) -> list[Context]:
    """Problems with one rate, or several, up to `BEYOND` of its bound above it, and no twin inside."""
    rng, places = np.random.default_rng(15), net.domain.encoding.parameters
    high = np.array([net.box[n][1] for n in net.domain.names])
    found = []
    for context in held_out(net.domain, number):
        theta = context.theta.copy()
        out = rng.random(len(places)) < 0.5
        out[rng.integers(len(places))] = True
        theta[list(places)] = np.where(out, high * (1 + BEYOND * rng.random(len(high))), theta[list(places)])
        found.append(Context(theta, context.start, context.time))
    return found


def flagged(net: TrainedMET, contexts: Sequence[Context]) -> float:
    """The share of problems that the net's answer calls outside (KX301)."""
    found = []
    for context in contexts:
        problem = Problem(
            compile_network(net.network), np.array([context.time]), context.theta, PointMass(context.start)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = net.solve(problem, rng=np.random.default_rng(0))
        found.append(any(f["code"] == "KX301" for f in answer.meta["findings"]))
    return float(np.mean(found))


def chained(net: TrainedMET, number: int) -> np.ndarray:
    """Distances at twice the longest time, by chaining the net's laws in steps of that time."""
    contexts = [Context(c.theta, c.start, 2 * net.times[1]) for c in held_out(net.domain, number)]
    solver, found = net.chained(paths=2000), []
    for k, context in enumerate(contexts):
        law = exact(net.network, context)
        problem = Problem(
            compile_network(net.network), np.array([context.time]), context.theta, PointMass(context.start)
        )
        own = solver.solve(problem, rng=np.random.default_rng(k)).laws[-1]
        support = np.nonzero(law.p > 0)[0]
        found.append(hellinger(law.p[support], np.exp(own.log_prob(law.space.states(support)))))
    return np.array(found)


def speeds() -> None:
    """What an untrained net of the default shape does in a second of one core; 8 species of 64 values."""
    net = Film(Shape(), Layout.of(StateSpace.box([63] * 8)), [(0, 2), (2, 4), (4, 10)]).eval()
    prompt, generator = torch.randn(1, 10), torch.Generator().manual_seed(0)
    law = NetLaw(net, prompt[0])
    torch.set_num_threads(1)
    net.sample(prompt.expand(100, -1), generator=generator)
    began = time.process_time()
    states = law.sample(10_000, rng=np.random.default_rng(0))
    drawing, began = time.process_time() - began, time.process_time()
    law.log_prob(states)
    weighing = time.process_time() - began
    print(f"\n10,000 states of 8 species drawn in {drawing:.2f} s of CPU (asked: 0.8), weighed at ", end="")
    print(f"{states.size / weighing / 1e6:.2f} million counts a second (asked: 0.15); default shape, one core.")


def main(seed: int = 1) -> int:
    network, box, times = system("autoregulation")
    print("| question | mean H | median | p90 | max | asked | CPU s of the net |\n|---|---|---|---|---|---|---|")
    net = kx.MET().train(network, times=times, box=box, budget_cpu=LONG, seed=seed)
    inside = distances(net, held_out(net.domain, CONTEXTS))
    row("inside the box", inside, "", LONG)
    far = outside(net, CONTEXTS)
    beyond, share = distances(net, far), flagged(net, far)
    row(f"rates up to 15 % outside ({100 * share:.0f} % flagged)", beyond, "mean 0.06, flagged", LONG)
    wide = kx.MET(held_out=0).train(network, times=times, box={**box, **ALL_STARTS}, budget_cpu=LONG, seed=seed)
    late = chained(wide, CONTEXTS // 4)
    row("twice the time, chained in two steps", late, "mean 0.02", LONG)
    full = kx.MET(held_out=0).train(network, times=times, box=box, budget_cpu=SHORT, seed=seed)
    gapped = train_with_gap(network, box, times, SHORT, seed)
    within = inside_gap(gapped.domain, CONTEXTS)
    row("a sub-box never trained on", distances(gapped, within), "1.5 times the next but one", SHORT)
    row("the same problems, trained on", distances(full, within), "", SHORT)
    reference = distances(gapped, held_out(gapped.domain, CONTEXTS))
    row("the whole box, by the net with the gap", reference, "", SHORT)
    mean, sd = moments(net, seed)
    tails = net.certificate["tails_log10_95"]
    print(
        f"\nFourteen rate vectors at t = 10: means within {100 * mean:.2f} % (asked: 1), sds within {100 * sd:.2f} % ",
        end="",
    )
    print(f"(asked: 2). Tails: |Δ log₁₀ P| at most {tails:.3f} at 95 % of the states with P >= 1e-6 (asked: 0.15).")
    print(f"The sub-box: the middle {100 * OFF:.0f} % of every rate's range.")
    speeds()
    gap = distances(gapped, within).mean() / reference.mean()
    met = beyond.mean() <= 0.06 and share == 1 and late.mean() <= 0.02 and gap <= 1.5 and mean <= 0.01 and sd <= 0.02
    return 0 if met and tails <= 0.15 else 1


if __name__ == "__main__":
    sys.exit(main())
