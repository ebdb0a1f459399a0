"""The published inference: four rates of autoregulation from joint counts at ten times; exactly, by a net, by a vote.

The net's posterior is shown alone and corrected by exact laws, beside the exact one. The released script accepts a
move where most cells vote for it: no Metropolis rule, and a posterior many times too wide, whatever the likelihood.

    python examples/07_rates.py [--quick] [--seed 1] [--output out]       eight minutes of CPU
"""

from time import perf_counter

import numpy as np
from plotting import BLACK, BLUE, GREEN, GREY, MODELS, VERMILION, options, plt, save, write_table

import kinetix as kx

ask = options(__doc__)
SECONDS, MOVES, LENGTH = (4, 200, {"steps": 16, "walkers": 10}) if ask.quick else (120, 10_000, {})  # moves by vote
BOX = {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)}
LOW, HIGH = np.transpose(list(BOX.values()))
TRUTH, TIMES = (0.69, 0.07, 7.2, 40.6), np.arange(1.0, 11.0)  # per protein lifetime; protein lifetimes
COLOURS = {"exact": BLACK, "MET": BLUE, "MET, corrected": GREEN, "vote over cells": VERMILION}
network, rng = kx.load(MODELS / "autoregulation.ant"), np.random.default_rng(ask.seed)
net = kx.MET(held_out=0).train(network, times=(0, 10), box=BOX, budget_cpu=SECONDS, seed=ask.seed)
truth = dict(zip(BOX, TRUTH, strict=True))
paths = kx.solve(network, TIMES, solver="ssa", paths=1000, parameters=truth, seed=ask.seed + 100).trajectories
seen = np.arange(1000) % 10  # every cell is caught once
cells = kx.Observations.from_counts(network.species_names, TIMES[seen], paths[np.arange(1000), seen])
prior = {name: kx.prior.uniform(*bounds) for name, bounds in BOX.items()}

draws, spent = {}, {}
for name, likelihood, exact in (("exact", "fsp", None), ("MET", net, None), ("MET, corrected", net, "fsp")):
    began = perf_counter()
    found = kx.infer(network, cells, prior=prior, likelihood=likelihood, exact=exact, seed=ask.seed, **LENGTH)
    draws[name], spent[name] = found.resample(4000, rng=rng), perf_counter() - began

# A vote: each cell accepts by its own ratio and its own die; the majority decides. The net weighs the cells.
began, theta, now, chain = perf_counter(), np.array(TRUTH), np.full(1000, -np.inf), []
for _ in range(MOVES):
    move = theta + 0.02 * (HIGH - LOW) * rng.normal(size=4)
    if ((move > LOW) & (move < HIGH)).all():
        problem = kx.Problem.of(network, TIMES, parameters=dict(zip(BOX, move, strict=True)))
        logs = net.log_prob_batch(problem, problem.theta[None], [c for c, _ in cells.rows], (0, 1), rng=rng)
        new = np.concatenate([np.repeat(log[0], n) for log, (_, n) in zip(logs, cells.rows, strict=True)])
        if np.mean(np.log(rng.random(1000)) < new - now) > 0.5:
            theta, now = move, new
    chain.append(theta)
draws["vote over cells"], spent["vote over cells"] = np.array(chain), perf_counter() - began
means, sds = {n: d.mean(axis=0) for n, d in draws.items()}, {n: d.std(axis=0) for n, d in draws.items()}
shifts = {n: float((abs(means[n] - means["exact"]) / sds["exact"]).max()) for n in draws}
rows = [[n, *means[n], shifts[n], *map(float, np.quantile(sds[n] / sds["exact"], (0, 1))), spent[n]] for n in draws]
head = ["posterior", *BOX, "largest shift (sd)", "least sd / exact sd", "largest", "seconds, two cores"]
write_table(ask.output / "07_rates.md", head, rows)
figure, axes = plt.subplots(1, 4, figsize=(9, 2.4))
for i, (panel, name) in enumerate(zip(axes, BOX, strict=True)):
    for way, d in draws.items():
        panel.hist(d[:, i], bins=60, range=BOX[name], density=True, histtype="step", color=COLOURS[way], label=way)
    panel.axvline(truth[name], color=GREY, lw=0.8, ls=":")
    panel.set(title=name, yticks=[], xlabel="per protein lifetime")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
save(figure, ask.output / "07_rates.png")
