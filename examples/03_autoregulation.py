"""Autoregulation: one net for four rates; where in the plane of two of them does the protein have two modes?

MET learns the published box of rates from exact laws; a map of 10,000 laws is then held against 10,000 exact ones.

    python examples/03_autoregulation.py [--quick] [--seed 1] [--output out]       three minutes of CPU
"""

from time import process_time

import numpy as np
from plotting import BLACK, BLUE, GREEN, MODELS, PATHS, VERMILION, hellinger, options, plt, save, write_table

import kinetix as kx

ask = options(__doc__)
T, (SECONDS, SIZE) = 10.0, (5, 10) if ask.quick else (120, 100)  # protein lifetimes; CPU seconds; points a side
BOX = {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)}
MARKED = [(0.94, 0.01, 8.40, 28.1), (0.69, 0.07, 7.2, 40.6), (0.44, 0.08, 0.94, 53.1)]  # in the paper
GRID = {"sigma_b": np.linspace(0, 0.1, SIZE), "rho_b": np.linspace(0, 100, SIZE)}  # with sigma_u = rho_u = 1

network = kx.load(MODELS / "autoregulation.ant").replace(parameters={"sigma_u": 1.0, "rho_u": 1.0})
net = kx.MET(held_out=0).train(network, times=(0, T), box=BOX, budget_cpu=SECONDS, seed=ask.seed)

# Fourteen rate vectors: the marked ones, and eleven drawn from the box.
rows, pairs, rng = [], [], np.random.default_rng(ask.seed)
for rates in [*MARKED, *(tuple(rng.uniform(*np.transpose(list(BOX.values()))).tolist()) for _ in range(11))]:
    p, q = (kx.solve(network, [T], solver=s, parameters=dict(zip(BOX, rates, strict=True))) for s in ("fsp", net))
    moments = [float(v[0]) for v in (p.mean("P"), q.mean("P"), p.std("P"), q.std("P"))]
    rows.append([", ".join(f"{r:.3g}" for r in rates), *moments, hellinger(p.law(T).table(), q.law(T).table())])
    pairs.append((p, q))

# The map of the bimodality coefficient of P, 1 / (kurtosis - skewness^2): 5/9 if flat, near 1 for two far peaks.
begun = process_time()
stated, exact = net.moments(GRID, T, "P").bimodality, np.zeros((SIZE, SIZE))
between = process_time()
for k, solution in enumerate(kx.scan(network, [T], GRID, solver="fsp").solutions):
    p = solution.marginal("P", T)
    z = (np.arange(len(p)) - solution.mean("P")[0]) / solution.std("P")[0]
    exact.flat[k] = 1 / (p @ z**4 - (p @ z**3) ** 2)
gap, spent = stated - exact, (process_time() - between, between - begun)
head = ["sigma_u, sigma_b, rho_u, rho_b", "mean, exact", "mean, MET", "sd, exact", "sd, MET", "H, joint"]
write_table(ask.output / "03_autoregulation.md", head, rows)
head = ["laws", "RMSE of the bimodality coefficient", "largest difference", "CPU s, exact", "CPU s, MET"]
write_table(ask.output / "03_bimodality.md", head, [[gap.size, (gap**2).mean() ** 0.5, abs(gap).max(), *spent]])

figure, ((laws, *scatter), maps) = plt.subplots(2, 3, figsize=(9, 5))
for (p, q), v, colour in zip(pairs, MARKED, (BLUE, VERMILION, GREEN), strict=False):
    laws.plot(p.marginal("P", T), **PATHS | {"color": colour})
    laws.plot(q.marginal("P", T), color=colour, label=f"{v}")
laws.set(title="P: MET (lines), exact (dots)", ylabel="probability", xlabel="copies", yscale="log")
laws.axis((0, 85, 1e-6, 9))
for panel, first, name in zip(scatter, (1, 3), ("mean", "sd"), strict=True):
    panel.plot(*np.array([row[first : first + 2] for row in rows]).T, "o", color=BLUE, ms=4, mfc="none")
    panel.axline((0, 0), slope=1, color=BLACK, lw=0.8)
    panel.set(title=f"{name} of P, 14 rate vectors", xlabel="exact (copies)", ylabel="MET (copies)")
for panel, values, name in zip(maps, (exact, stated, gap), ("exact", "MET", "MET - exact"), strict=True):
    look = {"vmin": -0.03, "vmax": 0.03, "cmap": "PuOr"} if values is gap else {"vmin": 0.2, "vmax": 1}
    figure.colorbar(panel.pcolormesh(GRID["rho_b"], GRID["sigma_b"], values, rasterized=True, **look), ax=panel)
    panel.set(title=f"bimodality of P: {name}", xlabel="$\\rho_b$ (per lifetime)", ylabel="$\\sigma_b$ (the same)")
save(figure, ask.output / "03_autoregulation.png", laws)
