"""Fifteen, nine and sixteen species: nets where no table of states fits, from nothing but exact trajectories.

A cascade with all its rates varied, whose law is known (a product of Poissons); three coupled genes, whose protein C
has two modes or three; a signalling cascade (MAPK) with all its rates varied, at counts of a few.

    python examples/05_high_dimension.py [--quick] [--seed 1] [--output out]       seven minutes of CPU
"""

import numpy as np
from plotting import BLACK, BLUE, MODELS, PATHS, heatmap, hellinger, histogram, options, plt, save, write_table
from scipy.stats import poisson

import kinetix as kx

ask = options(__doc__)
SECONDS, SEEN, DRAWN, VECTORS = (4, 5_000, 1_000, 2) if ask.quick else (80, 100_000, 20_000, 6)  # CPU s a net; ...
cascade, loop, mapk = (kx.load(MODELS / f"{name}.ant") for name in ("cascade15", "feed_forward_loop", "mapk16"))
twofold = [{p.name: kx.prior.log_uniform(p.value / 2, 2 * p.value) for p in m.parameters} for m in (cascade, mapk)]
folds = {"fold_bA": kx.prior.log_uniform(0.05, 5), "fold_cB": kx.prior.log_uniform(0.25, 5), "fold_cA": (2.5, 10)}
rng = np.random.default_rng(ask.seed)
anywhere = [{p.name: float(p.value * 2 ** rng.uniform(-1, 1)) for p in cascade.parameters} for _ in range(VECTORS)]
modes = [dict(zip(folds, values, strict=True)) for values in ((3.0, 0.5, 5.0), (0.1, 2.75, 5.0))]  # two, three of C

rows, found, how = [], [], kx.MET(teacher="trajectories", held_out=0)
problems = ("cascade", cascade, twofold[0], 10.0, anywhere, 1), ("three genes", loop, folds, 50.0, modes, 1)
for name, network, box, t, vectors, share in (*problems, ("MAPK", mapk, twofold[1], 100.0, [{}], 2)):
    net = how.train(network, times=(0, t), box=box, budget_cpu=share * SECONDS, seed=ask.seed)
    for k, rates in enumerate(vectors):
        stated = kx.solve(network, [t], solver=net, parameters=rates).sample(DRAWN, t, seed=ask.seed)  # [n, species]
        exact = [kx.solve(network, [t], solver="ssa", paths=n, parameters=rates, seed=n) for n in (DRAWN, SEEN)]
        few, many = (answer.trajectories[:, 0] for answer in exact)
        laws, averages = [histogram(x) for x in many.T], many.mean(axis=0)
        if network is cascade:
            averages = kx.solve(network, [t], solver="mean-field", parameters=rates).mean()[0]
            laws = [poisson.pmf(np.arange(99), m) for m in averages]
        h = [[hellinger(histogram(x), law) for x, law in zip(d.T, laws, strict=True)] for d in (stated, few)]
        rows.append([f"{name}, rate vector {k + 1}", *(float(f(d)) for d in h for f in (np.mean, np.max))])
        found.append((stated, many, averages))
head = ["problem", "H of marginals, MET, mean", "worst", "H of exact draws, mean", "worst"]
write_table(ask.output / "05_high_dimension.md", head, rows)

figure, ((means, net_pair, pair), (two, three, counts)) = plt.subplots(2, 3, figsize=(9, 5.2))
for stated, _, averages in found[:VECTORS]:
    means.loglog(averages, stated.mean(axis=0), "o", color=BLUE, ms=3, mfc="none")
means.plot([0.05, 10], [0.05, 10], color=BLACK, lw=0.8)
means.set(title="cascade: means of 15 species", xlabel="exact (copies)", ylabel="MET (copies)")
for panel, (stated, many, _), name in zip((two, three), found[-3:-1], ("two", "three"), strict=True):
    panel.plot(histogram(many[:, 5]), **PATHS, label=f"{SEEN:,} trajectories")
    panel.plot(histogram(stated[:, 5]), color=BLUE, label=f"{DRAWN:,} draws of MET")
    panel.set(title=f"three genes: protein C, {name} modes", xlabel="copies", ylabel="probability", ylim=(0, None))
for panel, draws, name in ((net_pair, found[-2][0], "MET"), (pair, found[-2][1][:DRAWN], "exact")):
    image = heatmap(panel, histogram(draws[:, 4:6]), 1 / DRAWN, 1e-2, 80)
    panel.set(title=f"three modes: {DRAWN:,} draws, {name}", xlabel="B (copies)", ylabel="C (copies)")
    panel.set(aspect="auto", xlim=(0, 40))
figure.colorbar(image, ax=pair, label="probability (white: none)")
counts.semilogy(found[-1][2], **PATHS, label="trajectories")
counts.semilogy(found[-1][0].mean(axis=0), "_", color=BLUE, ms=9, label="MET")
counts.set(title="MAPK: means at t = 100", xlabel="species S0 to S15", ylabel="copies")
save(figure, ask.output / "05_high_dimension.png", two, counts)
