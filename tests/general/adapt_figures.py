"""What a start from the general net saves: held-out distances against CPU seconds, from nothing and adapted.

    python tests/general/adapt_figures.py                      # the net of the package
    python tests/general/adapt_figures.py --general run/ --budgets 5 10 20

The autoregulation box, judged as tests/benchmarks/train_nets.py judges it: the mean Hellinger distance of the joint law
at 100 held-out problems. Every line is a training of its own; its CPU seconds hold teacher and prompts. The first line,
without seconds, is the net before it learns. At the end, where each curve crosses the distance, by interpolation in the
logarithms.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import kinetix as kx
from kinetix.solvers.general.adapted import Adaptation, opened
from kinetix.solvers.general.net import Core, Size
from kinetix.solvers.general.pretrained import GeneralNetwork
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.budget import Record
from kinetix.solvers.nets.certificate import certify
from kinetix.solvers.nets.net_window import choose
from kinetix.solvers.nets.training import seeded
from tests.benchmarks.contexts import system

NARROW = {"sigma_u": (0.5, 2), "sigma_b": (0, 0.1), "rho_u": (1, 4)}
"""Box "narrow": the same network, few proteins (rho_b = 6) until time 5, where moment closure is nearly right."""

BUDGETS = (5.0, 10.0, 20.0, 40.0, 80.0)
ASKED = 0.010
HELD = 100


def asked_of(name: str) -> tuple[kx.ReactionNetwork, Any, tuple[float, float]]:
    """The network, box and times of a box of examples/boxes, or of "narrow"."""
    if name != "narrow":
        return system(name)
    network, _, _ = system("autoregulation")
    return network.replace(parameters={"rho_b": 6.0}), NARROW, (0.0, 5.0)


def general_of(name: str) -> GeneralNetwork:
    """The general net of a name or folder; "untaught" has random weights: what its moments and laws do alone."""
    if name != "untaught":
        return opened(name)
    with seeded(4):
        return GeneralNetwork(Core(Size()).eval(), {}, {})


def unlearnt(general: GeneralNetwork, name: str) -> float:
    """The mean distance before any training."""
    network, box, times = asked_of(name)
    begun = Adaptation.of(general, Box.of(network, box, times))
    window, teacher, _ = choose(kx.compile_network(network), begun.domain, "fsp", None, 1)
    found = certify(begun.net(window).eval(), begun.domain, HELD, teacher=teacher, record=Record(0, 0.0, 0.0, 0.0, ()))
    return float(found["joint"]["mean"])


def distance(start: GeneralNetwork | None, name: str, teacher: str, seconds: float, seed: int) -> tuple[float, float]:
    """The mean distance after so many CPU seconds, and the steps."""
    network, box, times = asked_of(name)
    met = kx.MET(teacher=teacher, held_out=HELD)
    net = met.train(network, times=times, box=box, budget_cpu=seconds, seed=seed, start=start)
    return float(net.certificate["joint"]["mean"]), float(net.certificate["training"]["steps"])


def crossing(seconds: list[float], distances: list[float], asked: float) -> float:
    """The CPU seconds at which a curve reaches the asked distance; nan where it does not."""
    x, y = np.log(seconds), np.log(distances)
    for k in range(len(x)):
        if y[k] <= np.log(asked):
            if k == 0:
                return seconds[0]
            part = (y[k - 1] - np.log(asked)) / (y[k - 1] - y[k])
            return float(np.exp(x[k - 1] + part * (x[k] - x[k - 1])))
    return float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--general", default="general", help="the folder of a general net, or untaught")
    parser.add_argument("--box", default="autoregulation", help="of examples/boxes, or narrow")
    parser.add_argument("--teachers", nargs="+", default=["fsp", "trajectories"])
    parser.add_argument("--budgets", nargs="+", type=float, default=list(BUDGETS), help="CPU seconds")
    parser.add_argument("--asked", type=float, default=ASKED)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    general = general_of(given.general)
    # what is compiled and read on first use belongs to no training
    for start in (None, general):
        for teacher in given.teachers:
            distance(start, given.box, teacher, 0.1, 0)
    print(f"before learning: {unlearnt(general, given.box):.4f}")
    print(f"{'teacher':14}{'start':10}{'CPU s':>7}{'steps':>8}{'mean H':>9}")
    for teacher in given.teachers:
        reached = []
        for label, start in (("nothing", None), ("general", general)):
            found = []
            for seconds in given.budgets:
                h, steps = distance(start, given.box, teacher, seconds, given.seed)
                print(f"{teacher:14}{label:10}{seconds:7.1f}{steps:8.0f}{h:9.4f}", flush=True)
                found.append(h)
            reached.append(crossing(given.budgets, found, given.asked))
        nothing, adapted = reached
        said = f"{nothing:.1f} s from nothing, {adapted:.1f} s adapted, {adapted / nothing:.2f} of it"
        print(f"{teacher}: {given.asked} after {said}", flush=True)


if __name__ == "__main__":
    main()
