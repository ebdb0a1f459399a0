"""STL1: a gene that salt switches on for a while; its messengers in 14,382 yeast cells at 16 times, exact likelihood.

The activation is a pulse with fitted times of beginning and end. Cells are not empty when the salt comes (three of
1,930 hold 49 to 109 copies): the model leaks and bursts now and then, and runs for an hour before the salt, so that no
cell is left out. The predictive check finds what one pulse misses; a second level of it explains more.

    python examples/10_stl1.py [--quick] [--seed 1] [--output out]       half an hour of CPU
"""

from pathlib import Path

import numpy as np
from plotting import BLUE, GREY, VERMILION, options, plt, save, shares_from, write_table

import kinetix as kx

ask = options(__doc__)
STARTS, LENGTH = (1, {"steps": 16}) if ask.quick else (4, {})  # else until the chains agree
DATA, fsp, law, flat = Path(__file__).parent / "data", kx.FSP(leak=1e-6), kx.prior.log_uniform, kx.prior.uniform
EDGES, SHOWN, NEW = (0, 1, 2, 4, 8, 16, 32, 64), (0, 6, 10, 20, 35, 55), "90 % of new data sets"
ONE = {"on": flat(1, 7), "off": flat(7, 25), "basal": law(1e-4, 0.1), "pulse": law(0.01, 3), "late": law(1e-3, 1)}
ONE |= {"koff": law(0.05, 20), "ksyn": law(5, 200), "leak": law(1e-3, 0.3), "dm": law(0.05, 0.2)}
TWO = ONE | {"rest": flat(15, 35), "second": law(0.01, 1)}

network = kx.load(DATA / "stl1.ant")
minutes, copies = np.loadtxt(DATA / "stl1.csv", delimiter=",", skiprows=1, dtype=int).T
cells = kx.Observations.from_counts("M", 60.0 + minutes, copies)
one, two = (kx.find_mode(network, cells, prior=p, likelihood=fsp, seed=ask.seed, starts=STARTS) for p in (ONE, TWO))
found = kx.infer(network, cells, prior=ONE, likelihood=fsp, start=one, walkers=20, seed=ask.seed, **LENGTH)
found = found.predict(fsp, rng=np.random.default_rng(ask.seed))
print(one, two, found.summary(), *found.check(), f"{found.meta['cpu_seconds']:.0f} CPU seconds of chains", sep="\n")
v = dict(zip(found.names, found.flat.T, strict=True))
named = v | {"ksyn / koff": v["ksyn"] / v["koff"], "late * ksyn / koff": v["late"] * v["ksyn"] / v["koff"]}
rows = [[n, *map(float, np.quantile(x, (0.05, 0.5, 0.95))), float(np.log(x).std())] for n, x in named.items()]
write_table(ask.output / "10_stl1.md", ["quantity", "5 %", "50 %", "95 %", "sd of the logarithm"], rows)
rows = [[n, len(m.names), f"{m.target.likelihood(m.theta)[0]:.1f}"] for n, m in ((1, one), (2, two))]
write_table(ask.output / "10_levels.md", ["levels of the pulse", "parameters", "log-likelihood at the mode"], rows)
check, clock = found.predictive, np.unique(minutes)
parts = np.stack([check.observed, check.low, check.high, check.z])[:, :, 0]  # [4, T, K]
rows = [[t, *map(float, row)] for t, row in zip(clock, np.concatenate([parts[..., 0], parts[..., 2]]).T, strict=True)]
head = [f"{what}{part}" for what in ("mean", "share empty") for part in ("", ": predicted 5 %", ": 95 %", ": z")]
write_table(ask.output / "10_predictive.md", ["minutes", *head], rows)
figure, axes = plt.subplots(2, 5, figsize=(13, 4.8))
new, x = np.split(check.replicated[..., 0], np.cumsum(check.cells)[:-1], axis=1), np.arange(len(EDGES))
for panel, t in zip(axes[:, :3].flat, SHOWN, strict=True):
    k = list(cells.times).index(60 + t)
    panel.bar(x, shares_from(cells.counts(k)[:, 0], EDGES), color=GREY, label="cells")
    panel.vlines(x, *np.quantile(shares_from(new[k], EDGES), (0.05, 0.95), axis=1), color=BLUE, lw=4, label=NEW)
    panel.set(title=f"{t} minutes: share of cells", xticks=x, xticklabels=EDGES, xlabel="copies, from")
axes[0, 3].fill_between(clock, *parts[1:3, :, 0], color=BLUE, alpha=0.4, lw=0, label=NEW)
axes[0, 3].plot(clock, parts[0, :, 0], "o", color=VERMILION, ms=3, label="cells")
axes[0, 3].set(title="mean number of copies", xlabel="minutes after salt")
t, (on, off, *levels) = np.linspace(-5, 60, 651), [v[n][:, None] for n in ("on", "off", "basal", "pulse", "late")]
height = np.select([t < on, t < off, t >= off], levels)
axes[1, 3].fill_between(t, *np.quantile(height, (0.05, 0.95), axis=0), color=BLUE, lw=0)
axes[1, 3].set(title="activation, per minute: 90 % of the posterior", xlabel="minutes after salt", yscale="log")
for panel, (a, b) in zip(axes[:, 4], (("koff", "ksyn"), ("dm", "late")), strict=True):
    panel.plot(v[a], v[b], ".", color=BLUE, ms=1, alpha=0.3, rasterized=True)
    panel.set(title=f"fixed together, per minute: r = {np.corrcoef(v[a], v[b])[0, 1]:.2f}", xlabel=a, ylabel=b)
save(figure, ask.output / "10_stl1.png", axes[0, 0], axes[0, 3])
