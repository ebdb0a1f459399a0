"""Calibration by simulation on three models: birth and death, the telegraph gene, autoregulation by a net.

Cells by exact trajectories, posteriors by `infer` with the sizes of SETTINGS, ranks of the truth among 99 draws.
Prints each verdict with its table. Run `python tests/benchmarks/figures_calibration.py` (hours on one core; runs are
kept in the folder and taken up again); exits 1 where a model is not calibrated.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import kinetix as kx

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "examples" / "models"
BOX = {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)}
SETTINGS = {"ensembles": 2, "walkers": 16, "steps": 240}
"""Smaller than the defaults of `infer`: some hundred effective draws, as 99 are ranked."""

KINDS = {
    "birth_death_fast": {
        "prior": {"birth": kx.prior.log_uniform(1, 20), "death": kx.prior.log_uniform(0.1, 1)},
        "times": [1.0, 10.0],
        "cells": 50,
    },
    "telegraph": {
        "prior": {
            "kon": kx.prior.log_uniform(0.3, 5),
            "koff": kx.prior.log_uniform(0.3, 5),
            "ksyn": kx.prior.log_uniform(5, 50),
        },
        "times": [20.0],
        "cells": 100,
        "species": ["M"],
    },
    "autoregulation": {
        "prior": {name: kx.prior.uniform(*bounds) for name, bounds in BOX.items()},
        "times": [2.0, 10.0],
        "cells": 100,
    },
}


def likelihood_of(name: str, network: kx.ReactionNetwork, folder: Path) -> kx.Solver | str:
    """FSP, or the net of the folder for autoregulation, trained for 60 CPU seconds where it is not there."""
    if name != "autoregulation":
        return "fsp"
    if not (folder / "net").exists():
        kx.MET().train(network, times=(0, 10), box=BOX, budget_cpu=60, seed=1).save(folder / "net")
    return kx.open(folder / "net")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "calibration")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", choices=KINDS)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    missed = False
    for name in [chosen.only] if chosen.only else KINDS:
        network, began = kx.load(MODELS / f"{name}.xml"), time.monotonic()
        found = kx.calibrate(
            network,
            **KINDS[name],
            likelihood=likelihood_of(name, network, chosen.folder),
            runs=chosen.runs,
            jobs=chosen.jobs,
            seed=1,
            output=chosen.folder / name,
            resume=True,
            **SETTINGS,
        )
        print(f"{name} ({time.monotonic() - began:.0f} s)\n{found}\n", flush=True)
        missed |= not found.passes
    return 1 if missed else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
