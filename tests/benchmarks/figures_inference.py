"""Posteriors by a net, corrected by few exact likelihoods, against exact chains of three marked rate vectors.

1,000 cells of the autoregulated gene at t = 10 (both counts), uniform priors over the published box, a net
trained for fifteen CPU minutes (--seconds). References are chains under FSP of their own. Shifts of the means are in
exact standard deviations; `evaluations` are all exact likelihoods that were asked for, `ESS` what the corrected
draws are worth, chain and weights together. Run `python tests/benchmarks/figures_inference.py`; exits 1 where
a corrected mean is off by more than 0.1 sd or 500 evaluations give fewer than 400 effective draws. Chains are
kept in the folder (--folder) and taken up again.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import kinetix as kx

ROOT = Path(__file__).parents[2]
BOX = {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)}
TRUTHS = ((0.94, 0.01, 8.40, 28.1), (0.69, 0.07, 7.2, 40.6), (0.44, 0.08, 0.94, 53.1))
CELLS, TIME, SECONDS, EXACT = 1000, 10.0, 900, 500
FAR, WORTH = 0.1, 400


def question(network: kx.ReactionNetwork, number: int) -> kx.Observations:
    """The cells of one truth, by exact trajectories."""
    truth = dict(zip(BOX, TRUTHS[number], strict=True))
    found = kx.solve(network, [TIME], solver="ssa", paths=CELLS, seed=100 + number, parameters=truth)
    return kx.Observations.from_counts(network.species_names, TIME, found.trajectories[:, 0])


def worth(posterior: kx.Posterior) -> tuple[float, float]:
    """The largest R-hat and the least effective sample size."""
    rows = posterior.summary().rows
    return max(r.rhat for r in rows), min(min(r.ess_bulk, r.ess_tail) for r in rows)


def the_net(network: kx.ReactionNetwork, folder: Path, seconds: float) -> kx.Solver:
    """The net of the folder, trained where it is not there."""
    if not (folder / "net").exists():
        kx.MET().train(network, times=(0, TIME), box=BOX, budget_cpu=seconds, seed=1).save(folder / "net")
    return kx.open(folder / "net")


def reference(network: kx.ReactionNetwork, number: int, prior: dict, folder: Path, steps: int) -> kx.Posterior:
    """The exact posterior of one truth, by chains that are kept in the folder."""
    place = folder / f"exact-{number + 1}"
    return kx.infer(network, question(network, number), prior=prior, seed=10, steps=steps, output=place, resume=True)


def compared(
    network: kx.ReactionNetwork, prior: dict, net: kx.Solver, exact: kx.Posterior, number: int, way: str
) -> tuple[str, bool]:
    """One row: the net's posterior against the exact one, and whether it misses its limits."""
    began = time.process_time()
    alone, cells = way == "net alone", question(network, number)
    settings = {"exact_draws": 0} if alone else {"exact_draws": EXACT, "correct_by": way}
    found = kx.infer(network, cells, prior=prior, likelihood=net, seed=number + 1, **settings)
    spent = time.process_time() - began
    shift, width = (found.mean() - exact.mean()) / exact.sd(), found.sd() / exact.sd() - 1
    rhat, ess = worth(found)
    asked = found.gate["evaluations"]
    missed = np.abs(shift).max() > (0.15 if alone else FAR) or rhat >= 1.01
    if way == "auto":
        missed |= ess < WORTH or asked > EXACT or not found.trusted
    method = found.gate.get("method", "")
    title = f"{way} ({method})" if way == "auto" else way
    row = f"| {number + 1}, {title} | {' | '.join(f'{s:+.3f}' for s in shift)} | {100 * np.abs(width).max():.1f} %"
    gate = f"{100 * found.gate['efficiency']:.0f} %"
    return f"{row} | {gate} | {asked} | {ess:.0f} | {rhat:.4f} | {spent:.0f} |", bool(missed)


def speeds(network: kx.ReactionNetwork, net: kx.Solver, seconds: float) -> str:
    """Likelihoods of 1,000 cells a second: exact and by the net, one thread, 64 rate vectors at once.

    And after how many likelihoods `seconds` of training have paid.
    """
    from kinetix.inference.likelihood import Likelihood

    cells, rng = question(network, 0), np.random.default_rng(0)
    thetas = np.array(TRUTHS[0]) * rng.uniform(0.8, 1.2, (256, 4))
    thetas = np.minimum(thetas, [high for _, high in BOX.values()])
    told = []
    for name, solver in (("exact", kx.FSP(threads=1)), ("net", net)):
        fit = Likelihood(solver, kx.Problem.of(network, [TIME]), cells, tuple(BOX))
        fit(thetas[:64])
        began = time.process_time()
        for part in np.split(thetas, 4):
            fit(part)
        told.append((name, len(thetas) / (time.process_time() - began)))
    (_, exact), (_, fast) = told
    pays = f"{seconds / (1 / exact - 1 / fast):,.0f} likelihoods" if fast > exact else "none"
    return ", ".join(f"{name} {rate:,.0f}" for name, rate in told) + f"; the training pays after {pays}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "inference")
    parser.add_argument("--steps", type=int, default=5400, help="of the exact chains")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of CPU, to train the net")
    parser.add_argument("--references", action="store_true", help="only walk the exact chains on")
    parser.add_argument("--only", type=int, help="one of the truths: 1, 2 or 3")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    network = kx.load(ROOT / "examples" / "models" / "autoregulation.xml")
    prior = {name: kx.prior.uniform(*bounds) for name, bounds in BOX.items()}
    net, missed = the_net(network, chosen.folder, chosen.seconds), False
    names = list(BOX)
    if not chosen.references:
        print(f"Likelihoods of {CELLS} cells a CPU second: {speeds(network, net, chosen.seconds)}.\n")
        print(f"| truth, likelihood | {' | '.join(names)} | worst sd | gate | evaluations | ESS | R-hat | CPU s |")
        print("|---|" + "---|" * (len(names) + 6))
    for number in range(len(TRUTHS)) if chosen.only is None else [chosen.only - 1]:
        exact = reference(network, number, prior, chosen.folder, chosen.steps)
        rhat, ess = worth(exact)
        told = " | ".join(f"{m:.4g} ± {s:.2g}" for m, s in zip(exact.mean(), exact.sd(), strict=True))
        print(f"| {number + 1}, exact chain (FSP) | {told} |  |  |  | {ess:.0f} | {rhat:.4f} |  |", flush=True)
        for way in () if chosen.references else ("net alone", "reweighting", "sub-chains", "auto"):
            row, bad = compared(network, prior, net, exact, number, way)
            print(row, flush=True)
            missed |= bad
    return 1 if missed else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
