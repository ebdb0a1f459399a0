"""Turnover of messenger RNA: seventeen species, where no table of states fits, for any time and rate of synthesis.

MET learns from histories of the gene, all other species being Poisson variables once that is known; with --published as
in the paper instead: for one rate of synthesis and any time, by policy gradient from the rewards of a trained VAN. The
exact means obey a linear equation; marginals are compared with 100,000 trajectories, beside what 10,000 others score.

    python examples/02_mrna_turnover.py [--quick] [--published] [--seed 1] [--output out]     two to five minutes of CPU
"""

from plotting import BLACK, BLUE, MODELS, PATHS, VERMILION, hellinger, options, plt, save, write_table

import kinetix as kx

ask = options(__doc__)
SECONDS, SEEN, FEWER = (8, 10_000, 1_000) if ask.quick else (90, 100_000, 10_000)  # CPU seconds; trajectories
TIMES = [0.8, 10.0] if ask.quick else [0.4, 0.8, 1.2, 1.6, 2.0, 3.2, 4.8, 6.4, 8.0, 10.0]
BOX, MET, FILE = {"k_syn": (10, 30)}, kx.MET(held_out=0), "02_mrna_turnover"
if ask.published:
    BOX, MET, FILE = {}, kx.MET(teacher="van", rate=2e-3, means=False, held_out=0), "02_mrna_turnover_published"

network = kx.load(MODELS / "mrna_turnover.ant")
net = MET.train(network, times=(0, 10), box=BOX, budget_cpu=SECONDS, seed=ask.seed)
linear = kx.solve(network, TIMES, solver="mean-field").mean()  # [times, species], exact for this network
stated = kx.solve(network, TIMES, solver=net, seed=ask.seed)
means = stated.mean()
paths, others = (kx.solve(network, TIMES, solver="ssa", paths=n, seed=ask.seed + n) for n in (SEEN, FEWER))

rows = []
for s, species in enumerate(network.species_names):
    exact, own, other = (answer.marginal(species, 10.0) for answer in (paths, stated, others))
    gap = 100 * float(means[-1, s] / linear[-1, s] - 1)
    rows.append(
        [species, float(linear[-1, s]), float(means[-1, s]), gap, hellinger(exact, own), hellinger(exact, other)]
    )
head = ["species", "mean at t = 10", "mean, MET", "difference (%)", "H, MET", f"H, {FEWER} trajectories"]
write_table(ask.output / f"{FILE}.md", head, rows)

figure, axes = plt.subplots(3, 6, figsize=(9, 5))
for panel, species in zip(axes.flat, network.species_names, strict=False):
    for t, colour in ((0.8, VERMILION), (10.0, BLUE)):
        panel.plot(paths.marginal(species, t), **PATHS | {"color": colour}, label=f"trajectories, t = {t:g}")
        panel.plot(stated.marginal(species, t), color=colour, label=f"MET, t = {t:g}")
    panel.set(title=species, yscale="log", ylim=(2e-4, 2), xlim=(-0.5, len(paths.marginal(species, 10.0)) - 0.5))
    panel.xaxis.get_major_locator().set_params(integer=True)
(last := axes[2, 5]).loglog(linear.ravel(), means.ravel(), "o", color=BLUE, ms=2)
last.plot([1e-3, 10], [1e-3, 10], color=BLACK, lw=0.8)
last.set(title="means, all times", xlabel="exact (copies)", ylabel="MET (copies)", xlim=(1e-3, 10), ylim=(1e-3, 10))
figure.supxlabel("copies at k_syn = 20", fontsize=8)
figure.supylabel("probability", fontsize=8)
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
save(figure, ask.output / f"{FILE}.png")
