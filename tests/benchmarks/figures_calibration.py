"""Calibration by simulation: birth and death, the telegraph gene, autoregulation by a net; 17 species by a net.

Of autoregulation_start the count of P at time 0 is an unknown beside two rates, under the exact likelihood.
Cells by exact trajectories, posteriors by `infer` with the sizes of SETTINGS, ranks of the truth among 99 draws. Of
the turnover of mRNA, where no exact law fits, six rates are sought from five species that the net speaks of first.
Most posteriors miss the 400 effective draws that `infer` asks for and say so; 99 ranked draws need fewer.
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

RATES = {"k_off": 2.14, "k_on": 1.6, "k_syn": 20.0, "k_A_B": 10.0, "k_C_D": 2.1, "k_L_I2": 1.5}
SEEN = ["A", "BC2", "C", "L", "I2"]

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
    "autoregulation_start": {
        "prior": {
            "sigma_b": kx.prior.uniform(*BOX["sigma_b"]),
            "rho_u": kx.prior.uniform(*BOX["rho_u"]),
            "P": kx.prior.integers(0, 20),
        },
        "times": [0.5, 1.0],
        "cells": 50,
        "species": ["P"],
    },
    "mrna_turnover": {
        "prior": {name: kx.prior.log_uniform(value / 2, 2 * value) for name, value in RATES.items()},
        "times": [3.0],
        "cells": 100,
        "species": SEEN,
        "exact": None,
    },
}

FILES = {"autoregulation_start": "autoregulation"}
"""Models of kinds that are not called as their model is."""

NETS = {
    "autoregulation": (kx.MET(), (0.0, 10.0), 60),
    "mrna_turnover": (kx.MET(observed=SEEN, width=64, layers=2, teacher="trajectories", held_out=0), (3.0, 3.0), 900),
}
"""Settings, times and CPU seconds of the nets, each over the box of its priors."""


def likelihood_of(name: str, network: kx.ReactionNetwork, folder: Path, seconds: float | None) -> kx.Solver | str:
    """FSP, or the net of the folder, trained where it is not there."""
    if name not in NETS:
        return "fsp"
    place = folder / f"net-{name}"
    if not place.exists():
        how, times, usual = NETS[name]
        how.train(network, times=times, box=KINDS[name]["prior"], budget_cpu=seconds or usual, seed=1).save(place)
    return kx.open(place)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "calibration")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seconds", type=float, help="CPU seconds of a net, instead of those of NETS")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", choices=KINDS)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    missed = False
    for name in [chosen.only] if chosen.only else KINDS:
        network, began = kx.load(MODELS / f"{FILES.get(name, name)}.xml"), time.monotonic()
        found = kx.calibrate(
            network,
            **KINDS[name],
            likelihood=likelihood_of(name, network, chosen.folder, chosen.seconds),
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
