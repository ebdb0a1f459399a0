"""Coverage at one truth: how many of 20 fresh data sets have the true rates in their intervals.

Cells of birth and death, of the telegraph gene (only the messenger is counted) and of the autoregulated gene (both
counts) by exact trajectories, posteriors by `infer` under the exact likelihood. For every rate, the central 50 % and
90 % intervals that hold the truth, beside the numbers between which 20 right ones lie with a probability of 99.9 %.
Prints markdown. Run `python tests/benchmarks/figures_coverage.py` (some twenty minutes on one core); exits 1 where
chance does not explain a number.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

import kinetix as kx
from kinetix.inference.studies.coverage import coverage

MODELS = Path(__file__).parents[2] / "examples" / "models"
SETS, STEPS = 20, 999
"""Data sets a model, and steps in which the share of draws below the truth is told."""

SETTINGS = {"ensembles": 2, "walkers": 16}

KINDS = {
    "birth_death_fast": {
        "truth": {"birth": 10.0, "death": 0.5},
        "prior": {"birth": kx.prior.log_uniform(1, 100), "death": kx.prior.log_uniform(0.05, 5)},
        "times": (1.0, 4.0),
        "cells": 100,
        "seen": ["X"],
        "steps": 240,
    },
    "telegraph": {
        "truth": {"kon": 1.0, "koff": 1.5, "ksyn": 20.0},
        "prior": {
            "kon": kx.prior.log_uniform(0.1, 10),
            "koff": kx.prior.log_uniform(0.1, 10),
            "ksyn": kx.prior.log_uniform(2, 200),
        },
        "times": (1.0, 4.0),
        "cells": 200,
        "seen": ["M"],
        "steps": 720,
    },
    "autoregulation": {
        "truth": {"sigma_u": 0.69, "sigma_b": 0.07, "rho_u": 7.2, "rho_b": 40.6},
        "prior": {
            "sigma_u": kx.prior.uniform(0, 2),
            "sigma_b": kx.prior.uniform(0, 0.1),
            "rho_u": kx.prior.uniform(0, 10),
            "rho_b": kx.prior.uniform(0, 100),
        },
        "times": (10.0,),
        "cells": 1000,
        "seen": ["Gu", "P"],
        "steps": 900,
    },
}


def data_of(network: kx.ReactionNetwork, kind: dict, seed: int) -> kx.Observations:
    """New cells, each seen once: `cells` at every time."""
    times, cells = kind["times"], kind["cells"]
    paths = kx.solve(network, times, solver="ssa", paths=cells * len(times), seed=seed).trajectories
    of = [network.species_names.index(name) for name in kind["seen"]]
    counts = [paths[k * cells : (k + 1) * cells, k, of] for k in range(len(times))]
    return kx.Observations.from_counts(kind["seen"], np.repeat(times, cells), np.concatenate(counts))


def ranks_of(name: str, seed: int) -> tuple[list[int], bool]:
    """Where the truths stand among the draws of one posterior, in STEPS: [P]; and whether it is to be trusted."""
    kind = KINDS[name]
    network = kx.load(MODELS / f"{name}.xml").replace(parameters=kind["truth"])
    data = data_of(network, kind, 1000 + seed)
    found = kx.infer(network, data, prior=kind["prior"], seed=seed, steps=kind["steps"], **SETTINGS)
    below = (found.flat < np.array(list(kind["truth"].values()))).mean(axis=0)
    return np.minimum((below * (STEPS + 1)).astype(np.int64), STEPS).tolist(), found.trusted


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=SETS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", choices=KINDS)
    chosen = parser.parse_args()
    missed = False
    print("| model | rate | true | in the 50 % interval (chance) | in the 90 % interval (chance) |", flush=True)
    print("|---|---|---|---|---|")
    told = []
    for name in [chosen.only] if chosen.only else KINDS:
        kind = KINDS[name]
        found = Parallel(n_jobs=chosen.jobs)(delayed(ranks_of)(name, seed) for seed in range(chosen.sets))
        ranks, doubts = np.array([r for r, _ in found]), sum(not trusted for _, trusted in found)
        for i, (rate, value) in enumerate(kind["truth"].items()):
            rows = {round(100 * row.nominal): row for row in coverage(ranks[:, i], STEPS)}
            cells = [f"{r.held} of {r.runs} ({r.low} to {r.high})" for r in (rows[50], rows[90])]
            print(f"| {name} | {rate} | {value:g} | {' | '.join(cells)} |", flush=True)
            missed |= not (rows[50].passes and rows[90].passes)
        told.append(f"{name}: {doubts} of {len(ranks)} posteriors missed R-hat 1.01 or 400 effective draws")
    print(f"\n{'; '.join(told)}.")
    return 1 if missed else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
