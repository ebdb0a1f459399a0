"""Rates where no exact law fits: a cascade of fifteen species, of which five were counted in 1,000 cells at one time.

FSP refuses the law of all fifteen; a net that is told their means and taught by Poisson laws weighs the cells, caught
while the wave still travels (in the steady state they would fix ratios of rates alone). This network happens to have a
known law, a product of Poissons, as the net may find out: on a fine grid it says how far the net's posterior is off.

    python examples/09_no_exact_law.py [--quick] [--seed 1] [--output out]       two minutes of CPU
"""

import numpy as np
from plotting import BLACK, BLUE, MODELS, VERMILION, histogram, options, plt, save, write_table
from scipy.stats import gamma

import kinetix as kx

ask = options(__doc__)
SECONDS, LENGTH = (3, {"steps": 16}) if ask.quick else (60, {})  # CPU seconds; else until the chains agree
T, CELLS, SEEN = 2.0, 1_000, (1, 5, 9, 12, 14)  # when, how many, which species
network, names = kx.load(MODELS / "cascade15.ant"), [f"X{k}" for k in SEEN]
truth = {p.name: p.value for p in network.parameters}
PRIOR = {name: kx.prior.log_uniform(value / 2, 2 * value) for name, value in truth.items()}  # the net's box as well
counts = kx.solve(network, [T], solver="ssa", paths=CELLS, seed=ask.seed).trajectories[:, 0, np.array(SEEN) - 1]
how = kx.MET(observed=names, width=64, layers=2, held_out=0)  # the hidden ones come last
net = how.train(network, times=(T, T), box=PRIOR, budget_cpu=SECONDS, seed=ask.seed)
cells = kx.Observations.from_counts(names, T, counts)
found = kx.infer(network, cells, prior=PRIOR, likelihood=net, exact=None, seed=ask.seed, **LENGTH)
print(found.summary(), "Not certified, as FSP refuses the law; this example's oracle says how far off it is:", sep="\n")

grid = np.array([[v] for v in truth.values()]) * 2 ** np.linspace(-1, 1, 161)  # even in the logarithm, as the prior is
production, conversion, decay = np.ix_(*grid)
out = conversion + decay
poisson = [production / conversion * (conversion / out) ** k * gamma.cdf(T * out, k) for k in SEEN]
level = sum(n * np.log(m) - CELLS * m for n, m in zip(counts.sum(axis=0), poisson, strict=True))
mass = np.exp(level - level.max())
shares = np.array([mass.sum(axis=tuple({0, 1, 2} - {i})) / mass.sum() for i in range(3)])
means = (shares * grid).sum(axis=1)
sds = np.sqrt((shares * grid**2).sum(axis=1) - means**2)
numbers = [[*truth.values()], found.mean(), found.sd(), means, sds, (found.mean() - means) / sds, found.sd() / sds]
numbers = np.transpose(numbers).tolist()
rows = [[name, *row, "yes" if abs(row[5]) <= 0.15 else "no"] for name, row in zip(truth, numbers, strict=True)]
head = ["rate", "truth", "net: mean", "sd", "exact: mean", "sd", "shift in sd", "sd over sd", "within 0.15 sd"]
write_table(ask.output / "09_no_exact_law.md", head, rows)
needs = kx.FSP().estimate(kx.Problem.of(network, [T]))
rows = [["one law by FSP: memory (GB)", needs.memory / 1e9, f"refused: {needs.refusal}"]]
rows += [["the same: CPU seconds", needs.seconds, "its own estimate, at the true rates"]]
rows += [["net: CPU seconds of training", SECONDS, "rates from half to twice the true ones"]]
rows += [["chains: CPU seconds", found.meta["cpu_seconds"], f"certified: {'yes' if found.certified else 'no'}"]]
write_table(ask.output / "09_what_it_takes.md", ["what", "number", "in words"], rows)
figure, (*panels, law) = plt.subplots(1, 4, figsize=(10, 2.7), width_ratios=(1, 1, 1, 1.3))
for panel, name, x, p, draws, m, sd in zip(panels, truth, grid, shares, found.flat.T, means, sds, strict=True):
    panel.hist(draws, bins=40, density=True, color=BLUE, alpha=0.45, label="net")
    panel.plot(x, p / (x * np.log(x[1] / x[0])), color=VERMILION, label="exact")
    panel.axvline(truth[name], color=BLACK, lw=0.9, ls=":", label="truth")
    panel.set(title=name, xlabel="per unit of time", yticks=[], xlim=(m - 4 * sd, m + 4.5 * sd))
fitted = kx.solve(network, [T], solver=net, parameters=dict(zip(truth, found.mean().tolist(), strict=True)))
for name, column, colour in zip(names, counts.T, plt.colormaps["viridis"](np.linspace(0, 0.9, 5)), strict=True):
    law.semilogy(fitted.marginal(name, T)[: column.max() + 3], color=colour, lw=1)
    law.semilogy(histogram(column), "o", color=colour, ms=3, label=name)
law.set(title="cells (dots), net at its mean (lines)", xlabel="copies", ylabel="share of the cells", ylim=(3e-4, 1.5))
save(figure, ask.output / "09_no_exact_law.png", panels[0], law)
