"""Figures of the general model's data: speed of paths and generator, what is drawn and left out, panels.

python -m tests.general.family_figures, from the root; CPU seconds of one process, so other load hardly matters.
"""

import time

import numpy as np

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.solvers.general.canonical import signature
from kinetix.solvers.general.family import SPECIES
from kinetix.solvers.general.generator import Tally, draw
from kinetix.solvers.general.panels import PANELS, examination
from kinetix.solvers.general.paths import simulate
from kinetix.solvers.general.structure import Structure
from tests import exact

QUANTILES = (0.1, 0.5, 0.9, 0.99)


def speed_of_paths():
    """Events a CPU second: autoregulation, and networks of the large panel."""
    model = compile_network(exact.autoregulation())
    same = Structure.of(model).at(np.tile(model.theta, (64, 1)), np.tile([1, 0], (64, 1)), np.full(64, 4.0))
    for name, batch in (("autoregulation", same), ("large", draw(np.random.default_rng(1), 500, PANELS["large"]))):
        shares = np.tile([0.25, 0.5, 1.0], (len(batch), 1))
        simulate(batch, shares, 2, (1, 2), most_events=10**6)
        started = time.process_time()
        found = simulate(batch, shares, 200, (1, 2), most_events=10**6)
        used = time.process_time() - started
        print(f"paths, {name}: {found.events.sum() / used / 1e6:.1f} million events a CPU second, {used:.2f} s")


def generator(name, number=2000):
    """Networks a CPU second, what was left out, events and counts."""
    tally, started = Tally(), time.process_time()
    batch = draw(np.random.default_rng(3), number, PANELS[name], tally=tally)
    print(f"\n{name}: {number / (time.process_time() - started):.0f} networks a CPU second; {tally}")
    print(f"  structures that differ: {len(set(signature(batch)))} of {number}")
    print("  own and partner species:", np.bincount(batch.species), " reactions:", np.bincount(batch.reactions))
    print("  events a path, at", QUANTILES, np.quantile(np.concatenate(tally.events), QUANTILES).round(1))
    counts = simulate(batch, np.ones((number, 1)), 100, (1, 2), most_events=10**6).counts[:, :, 0]
    real = np.arange(SPECIES) < batch.species[:, None]
    print("  means of species", np.quantile(counts.mean(axis=1)[real], QUANTILES).round(2))
    print("  largest mean", np.quantile(counts.mean(axis=1).max(axis=1), QUANTILES).round(1))
    print("  largest of 100 paths", np.quantile(counts.max(axis=(1, 2)), QUANTILES))
    print(f"  species that stand still {(counts.std(axis=1)[real] == 0).mean():.3f}")


def panel(name, number=40):
    """What is left out, and the exact laws of all questions: seconds, states, errors."""
    started = time.process_time()
    found = examination(name, number, 5)
    making = (time.process_time() - started) / found.refusals.drawn
    print(f"\npanel {name}: {making:.3f} s each; left out {found.refusals.share:.3f} of {found.refusals.drawn}: "
          f"{found.refusals}")  # fmt: skip
    seconds, states, failed = [], [], 0
    for question in found.questions:
        started = time.process_time()
        try:
            solved = question.exact()
        except kx.KinetixError as error:
            failed += 1
            print("  failed:", error)
            continue
        seconds.append(time.process_time() - started)
        states.append(solved.meta["states"])
    print(f"  exact laws: {failed} failed; seconds at", (0.5, 0.9, 1.0), np.quantile(seconds, (0.5, 0.9, 1)).round(3),
          "predicted", np.quantile([q.seconds for q in found.questions], (0.5, 0.9, 1)).round(3),
          "states", np.quantile(states, (0.5, 0.9, 1)).astype(int))  # fmt: skip


if __name__ == "__main__":
    speed_of_paths()
    for each in PANELS:
        generator(each)
    for each in PANELS:
        panel(each)
