"""Rates of a toggle switch from counts of its two proteins: the genes, which hold the switch, are not seen.

500 cells are counted at t = 3 and 500 at t = 40. A net that learnt the four rates from exact trajectories weighs them;
the exact stage then asks FSP, whose law of all four species fits, at some of the draws, and corrects by its answers.
Each of these is worth one effective draw at most: for 400 effective draws, 560 are asked for.

    python examples/11_toggle_switch_rates.py [--quick] [--seed 1] [--output out]       six minutes of CPU
"""

import numpy as np
from plotting import MODELS, options, save, write_table

import kinetix as kx

ask = options(__doc__)
SECONDS, HOW = (2, {"steps": 16, "exact": None}) if ask.quick else (180, {"exact_draws": 560})  # CPU s of training; ...
TIMES, CELLS, SEEN = (3.0, 40.0), 100 if ask.quick else 500, ("Px", "Py")
TRUTH = {"syn_x": 30.0, "syn_y": 25.0, "bind": 2e-4, "unbind": 0.15}
syntheses = kx.prior.uniform(10, 45)
PRIOR = {"syn_x": syntheses, "syn_y": syntheses}  # the box of the net as well
PRIOR |= {"bind": kx.prior.log_uniform(2e-5, 1e-3), "unbind": kx.prior.log_uniform(0.05, 0.5)}

network = kx.load(MODELS / "toggle_switch.ant")
paths = kx.solve(network, TIMES, solver="ssa", paths=2 * CELLS, parameters=TRUTH, seed=ask.seed).trajectories[..., 2:]
snapshots = [paths[:CELLS, 0], paths[CELLS:, 1]]  # the two proteins, of other cells at either time
cells = kx.Observations.from_counts(SEEN, np.repeat(TIMES, CELLS), np.concatenate(snapshots))
how = kx.MET(observed=SEEN, teacher="trajectories", held_out=0)
net = how.train(network, times=TIMES, box=PRIOR, budget_cpu=SECONDS, seed=ask.seed)
found = kx.infer(network, cells, prior=PRIOR, likelihood=net, seed=ask.seed, **HOW)
print(found.summary())
for finding in found.check():
    print(finding)

# The truth against what is known; what the exact stage changed; what the cells tell beyond the prior.
alone, rows = found.uncorrected(), []
moved = (alone.mean() - found.mean()) / found.sd()
for row, shift in zip(found.summary().rows, moved.tolist(), strict=True):
    z = (TRUTH[row.name] - row.mean) / row.sd
    rows.append([row.name, TRUTH[row.name], row.mean, row.q05, row.q95, z, shift, row.contraction, row.rhat])
head = ["rate", "truth", "mean", "5 %", "95 %", "z of the truth", "net alone, shift in sd"]
write_table(ask.output / "11_toggle_switch_rates.md", [*head, "share of prior variance gone", "R-hat"], rows)
logs = np.log(found.flat) - found.flat_weights @ np.log(found.flat)
covariance = logs.T @ (logs * found.flat_weights[:, None])
directions, k = [("bind", (0, 0, 1, 0)), ("unbind", (0, 0, 0, 1)), ("bind / unbind", (0, 0, 1, -1))], found.gate or {}
rows = [[name, float(np.sqrt(np.array(v) @ covariance @ v))] for name, v in directions]
rows.append(["syn_x / syn_y", float(np.sqrt(np.array((1, -1, 0, 0)) @ covariance @ (1, -1, 0, 0)))])
write_table(ask.output / "11_what_is_fixed.md", ["quantity", "sd of the logarithm"], rows)
keys = "certified", "corrected", "method", "pareto_k", "efficiency", "evaluations", "corrected_draws"
rows = [[name.replace("_", " "), k[name]] for name in keys if name in k]
write_table(ask.output / "11_exact_stage.md", ["of the exact stage", "value"], rows)
save(found.plot_pairs(truth=TRUTH), ask.output / "11_toggle_switch_rates.png")
