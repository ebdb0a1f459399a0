"""MET taught by trained VANs (the published way) on the box of autoregulation, and the VANs themselves.

Prints markdown: Hellinger distances of the joint law to the exact one. First for both signals of
`MET(teacher="van")` over 100 held-out contexts, all the VANs' training included in the CPU seconds,
beside a set of VANs trained by the same recipe at those contexts' own rates; then for a VAN at each of
the three marked rate vectors. Run `python tests/benchmarks/figures_policy.py`; exits 1 where the mean
under policy gradient is above 0.06.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import kinetix as kx
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.budget import Budget
from kinetix.solvers.nets.certificate import judged
from kinetix.solvers.nets.held_out import Context, held_out
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.net_law import NetLaw
from kinetix.solvers.nets.path_teacher import Subjects
from kinetix.solvers.nets.policy import SetSettings, train_set
from kinetix.solvers.nets.teachers import Course

MODEL = Path(__file__).parents[2] / "examples" / "models" / "autoregulation.xml"
BOX = {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)}
MARKED = ((0.94, 0.01, 8.40, 28.1), (0.69, 0.07, 7.2, 40.6), (0.44, 0.08, 0.94, 53.1))
SECONDS, SECONDS_VAN, LIMIT = 200, 30, 0.06


def model_at(rates: tuple[float, ...]) -> kx.ReactionNetwork:
    return kx.load(MODEL).replace(parameters=dict(zip(BOX, rates, strict=True)))


def row(name: str, h: Mapping[str, float], seconds: float) -> None:
    figures = " | ".join(f"{h[k]:.4f}" for k in ("mean", "median", "p90", "max", "floor"))
    print(f"| {name} | {figures} | {seconds:.0f} |", flush=True)


def vans(layout: Layout, network: kx.ReactionNetwork, seed: int) -> None:
    """A VAN for every held-out context, with the CPU seconds a VAN that the teachers of MET had."""
    box, how = Box.of(network, BOX, (0, 10)), SetSettings()
    contexts = held_out(box, 100)
    thetas, starts = (np.stack([getattr(c, name) for c in contexts]) for name in ("theta", "start"))
    model = kx.compile_network(box.network)
    subjects = Subjects(model, thetas, starts, (0.0, 10.0))
    seconds = how.share * SECONDS * len(contexts) / how.members
    trained = train_set(Course(model, box, layout, seed), subjects, how, Budget(cpu=seconds), seed)

    def law(context: Context) -> NetLaw:
        member = trained.net.chosen([contexts.index(context)])
        return NetLaw(member, subjects.clock_features(np.array([context.time]))[0])

    figures = judged(box.network, contexts, law, layout)
    row(f"100 VANs at the contexts ({trained.record.steps} steps)", figures["joint"], trained.record.cpu_seconds)


def marked(seed: int) -> None:
    times = (0.5, 1.0, 4.0, 10.0)
    print("\n| VAN at | " + " | ".join(f"t = {t:g}" for t in times) + " | floor | CPU s |")
    print("|---|" + "---|" * (len(times) + 2))
    for point in MARKED:
        network = model_at(point)
        net = kx.VAN(checked=0).train(network, times=(0, 10), budget_cpu=SECONDS_VAN, seed=seed)
        model = kx.compile_network(network)
        laws = net.solve(kx.Problem.of(network, times), rng=np.random.default_rng(seed)).laws
        found = []
        for t, law in zip(times, laws, strict=True):
            context = Context(model.theta, model.initial, t)
            found.append(judged(network, [context], lambda _, law=law: law, net.net.layout)["joint"])
        floor = np.mean([f["floor"] for f in found])
        figures = " | ".join(f"{f['mean']:.4f}" for f in found)
        print(f"| {point} | {figures} | {floor:.4f} | {net.certificate['training']['cpu_seconds']:.0f} |", flush=True)


def main(seed: int = 1) -> int:
    network, missed = model_at(MARKED[0]), False
    print("| law | mean | median | p90 | max | floor of 10⁴ paths | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for signal in ("policy-gradient", "kl"):
        began = time.process_time()
        met = kx.MET(teacher="van", signal=signal, rate=2e-3)
        net = met.train(network, times=(0, 10), box=BOX, budget_cpu=SECONDS, seed=seed)
        certifying = net.certificate["certificate_cpu_seconds"]
        row(f"MET, {signal}", net.certificate["joint"], time.process_time() - began - certifying)
        missed |= signal == "policy-gradient" and net.certificate["joint"]["mean"] > LIMIT
    vans(net.net.layout, network, seed)
    marked(seed)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
