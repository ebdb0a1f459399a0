"""Posteriors under trained nets against the posterior under the exact likelihood, on the example cells.

1,000 cells of the autoregulated gene (examples/data), uniform priors over the published box. The exact
posterior comes from chains of its own under FSP; each net is trained for 60 CPU seconds. Prints markdown:
shifts of the posterior means in exact standard deviations, before and after the exact weights, with the
gate. Run `python tests/benchmarks/figures_posterior.py`; exits 1 where a corrected mean is off by more
than 0.2 sd or chains have not converged.
"""

import sys
import time
from pathlib import Path

import numpy as np

import kinetix as kx

EXAMPLES = Path(__file__).parents[2] / "examples"
BOX = {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)}
SECONDS, SEEDS, ALLOWED = 60, (1, 2, 3), 0.2


def worst(posterior: kx.Posterior) -> tuple[float, float]:
    """The largest R-hat and the least effective sample size."""
    rows = posterior.summary().rows
    return max(r.rhat for r in rows), min(min(r.ess_bulk, r.ess_tail) for r in rows)


def main() -> int:
    network = kx.load(EXAMPLES / "models" / "autoregulation.xml")
    cells = kx.Observations.read_csv(EXAMPLES / "data" / "autoregulation_cells.csv")
    prior = {name: kx.prior.uniform(*bounds) for name, bounds in BOX.items()}
    began = time.process_time()
    exact = kx.infer(network, cells, prior=prior, seed=10)
    names = list(exact.names)
    print(f"| likelihood | {' | '.join(names)} | R-hat | ESS | efficiency at 50 draws | Pareto k | CPU s |")
    print("|---|" + "---|" * (len(names) + 5))
    moments = (f"{m:.4g} ± {s:.2g}" for m, s in zip(exact.mean(), exact.sd(), strict=True))
    rhat, ess = worst(exact)
    print(f"| exact (FSP): mean ± sd | {' | '.join(moments)} | {rhat:.4f} | {ess:.0f} |  |  |", end="")
    print(f" {time.process_time() - began:.0f} |", flush=True)
    missed = not exact.trusted
    for seed in SEEDS:
        net = kx.MET().train(network, times=(0, 10), box=BOX, budget_cpu=SECONDS, seed=seed)
        began = time.process_time()
        found = kx.infer(network, cells, prior=prior, likelihood=net, seed=seed)
        spent, gate = time.process_time() - began, found.gate
        for title, posterior in (("alone", found.uncorrected()), ("corrected", found)):
            shift = (posterior.mean() - exact.mean()) / exact.sd()
            rhat, ess = worst(posterior)
            row = f"{' | '.join(f'{s:+.2f}' for s in shift)} | {rhat:.4f} | {ess:.0f}"
            row += f" | {100 * gate['efficiency']:.0f} % | {gate['pareto_k']:.2f} | {spent:.0f} |"
            print(f"| net of seed {seed}, {title}: shift in sd | {row}", flush=True)
        missed |= bool(np.abs(shift).max() > ALLOWED) or rhat >= 1.01 or not found.trusted
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
