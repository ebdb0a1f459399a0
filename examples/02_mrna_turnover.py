"""Turnover of messenger RNA: seventeen species, where no table of states fits, for any time and rate of synthesis.

MET learns from exact trajectories; with --published as in the paper instead, by policy gradient from the rewards of
trained VANs, which learns next to nothing in the same three minutes. The exact means obey a linear equation; marginals
are compared with 100,000 trajectories, beside what as many exact draws as were drawn from the net score.

    python examples/02_mrna_turnover.py [--quick] [--published] [--seed 1] [--output out]       four minutes of CPU
"""

import numpy as np
from plotting import BLACK, BLUE, MODELS, PATHS, VERMILION, hellinger, histogram, options, plt, save, write_table

import kinetix as kx

ask = options(__doc__)
SECONDS, SEEN, DRAWN = (8, 10_000, 2_000) if ask.quick else (180, 100_000, 20_000)  # CPU seconds; trajectories; draws
TIMES = [0.8, 10.0] if ask.quick else [0.4, 0.8, 1.2, 1.6, 2.0, 3.2, 4.8, 6.4, 8.0, 10.0]
TEACHER, FILE = ("van", "02_mrna_turnover_published") if ask.published else ("trajectories", "02_mrna_turnover")

network = kx.load(MODELS / "mrna_turnover.ant")
net = kx.MET(teacher=TEACHER, held_out=0).train(
    network, times=(0, 10), box={"k_syn": (10, 30)}, budget_cpu=SECONDS, seed=ask.seed
)
linear = kx.solve(network, TIMES, solver="mean-field").mean()  # [times, species], exact for this network
means = np.array([[net.moments({"k_syn": [20.0]}, t, s).mean[0] for s in network.species_names] for t in TIMES])

stated = kx.solve(network, TIMES, solver=net, seed=ask.seed)
paths, others = (kx.solve(network, TIMES, solver="ssa", paths=n, seed=ask.seed + n) for n in (SEEN, DRAWN))
laws = {t: [histogram(x) for x in stated.sample(DRAWN, t, seed=ask.seed).T] for t in (0.8, 10.0)}

rows = []
for s, species in enumerate(network.species_names):
    exact, other = (answer.marginal(species, 10.0) for answer in (paths, others))
    gap = 100 * float(means[-1, s] / linear[-1, s] - 1)
    distances = hellinger(exact, laws[10.0][s]), hellinger(exact, other)
    rows.append([species, float(linear[-1, s]), float(means[-1, s]), gap, *distances])
head = [
    "species",
    "mean at t = 10",
    "mean, MET",
    "difference (%)",
    f"H, {DRAWN} draws of MET",
    f"H, {DRAWN} exact draws",
]
write_table(ask.output / f"{FILE}.md", head, rows)

figure, axes = plt.subplots(3, 6, figsize=(9, 5))
for s, (panel, species) in enumerate(zip(axes.flat, network.species_names, strict=False)):
    for t, colour in ((0.8, VERMILION), (10.0, BLUE)):
        panel.plot(paths.marginal(species, t), **PATHS | {"color": colour}, label=f"trajectories, t = {t:g}")
        panel.plot(laws[t][s], color=colour, label=f"MET, t = {t:g}")
    panel.set(title=species, yscale="log", ylim=(2e-4, 2), xlim=(-0.5, len(paths.marginal(species, 10.0)) - 0.5))
    panel.xaxis.get_major_locator().set_params(integer=True)
(last := axes[2, 5]).loglog(linear.ravel(), means.ravel(), "o", color=BLUE, ms=2)
last.plot([1e-3, 10], [1e-3, 10], color=BLACK, lw=0.8)
last.set(title="means, all times", xlabel="exact (copies)", ylabel="MET (copies)", xlim=(1e-3, 10), ylim=(1e-3, 10))
figure.supxlabel("copies at k_syn = 20", fontsize=8)
figure.supylabel("probability", fontsize=8)
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
save(figure, ask.output / f"{FILE}.png")
