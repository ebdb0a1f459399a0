"""PspF: messengers in single bacteria, a promoter that switches, an exact likelihood; what the cells fix, and what not.

The 416 cells are in a steady state: they fix kon and the ratio koff / ksyn, and leave a ridge between bursts of any
shortness. The predictive check finds what no point of the ridge explains: cells without a messenger.

    python examples/08_pspf.py [--quick] [--seed 1] [--output out]       three minutes of CPU
"""

from pathlib import Path

import numpy as np
from plotting import BLACK, BLUE, GREY, MODELS, VERMILION, options, plt, save, write_table

import kinetix as kx

ask = options(__doc__)
DATA = Path(__file__).parent / "data" / "pspf.csv"
PRIOR = {  # per lifetime of the messenger
    "kon": kx.prior.log_uniform(0.2, 5), "koff": kx.prior.log_uniform(2, 100), "ksyn": kx.prior.log_uniform(30, 3000),
}  # fmt: skip
LENGTH = {"steps": 30} if ask.quick else {}  # else until the chains agree

network = kx.load(MODELS / "telegraph.ant")
cells = kx.Observations.read_csv(DATA, header=False, columns={0: "M"}, time=np.inf)
found = kx.infer(network, cells, prior=PRIOR, likelihood=kx.FSP(leak=1e-6), walkers=16, seed=ask.seed, **LENGTH)
found = found.predict(kx.FSP(), rng=np.random.default_rng(ask.seed))
print(found.summary())
for finding in found.check():
    print(finding)

# What is fixed, and how well: the 5, 50 and 95 % points, and the spread in the logarithm.
kon, koff, ksyn = found.draws.reshape(-1, 3).T
columns = {"kon": kon, "koff": koff, "ksyn": ksyn, "koff / ksyn": koff / ksyn, "mean": ksyn * kon / (kon + koff)}
rows = [[name, *map(float, np.quantile(v, (0.05, 0.5, 0.95))), float(np.log(v).std())] for name, v in columns.items()]
write_table(ask.output / "08_pspf.md", ["quantity", "5 %", "50 %", "95 %", "sd of the logarithm"], rows)
check, names = found.predictive, ("mean", "variance", "share of empty cells", "largest count", "Fano factor")
parts = (check.observed, check.low, check.high, check.z, check.p_value)
rows = [[name, *(float(part[0, 0, k]) for part in parts)] for k, name in enumerate(names)]
head = ["of the cells", "observed", "predicted, 5 %", "95 %", "z", "p"]
write_table(ask.output / "08_predictive.md", head, rows)

figure, (law, ridge, empty) = plt.subplots(1, 3, figsize=(9, 2.8))
shown = slice(0, 100)
middle, low, high = check.shares[:, 0, 0, shown]
law.bar(np.arange(100), check.shares_observed[0, 0, shown], color=GREY, width=1.0, label="416 cells")
law.fill_between(np.arange(100), low, high, color=BLUE, alpha=0.25, lw=0, step="mid", label="90 % of new data sets")
law.step(np.arange(100), middle, color=BLUE, where="mid", lw=1, label="their mean")
law.set(title="messengers in a cell", xlabel="copies", ylabel="share of the cells", xlim=(-1, 100), ylim=(0, 0.12))
ridge.loglog(koff, ksyn, ".", color=BLUE, ms=1, alpha=0.3, rasterized=True)
ridge.set(title="the ridge: a ratio is fixed", xlabel="koff (per lifetime)", ylabel="ksyn (per lifetime)")
ridge.set(xticks=[5, 10, 20, 50, 100], xticklabels=[5, 10, 20, 50, 100])
ridge.set(yticks=[200, 500, 1000, 2000], yticklabels=[200, 500, 1000, 2000])
ridge.minorticks_off()
expected = np.mean(check.replicated == 0, axis=1).ravel()
empty.hist(expected, bins=15, color=BLUE, alpha=0.6, label="new data sets")
empty.axvline(check.observed[0, 0, 2], ymax=0.8, color=VERMILION, label="observed")
empty.axvline(expected.mean(), ymax=0.8, color=BLACK, lw=0.8, ls=":", label="their mean")
empty.set(title="share of cells without a messenger", xlabel="share", ylabel="data sets", ylim=(0, 30))
empty.legend(loc="upper left", ncols=3, columnspacing=1.0, handlelength=1.2)
save(figure, ask.output / "08_pspf.png", law)
