"""An epidemic with seasons: the infection swings with the time, and a net follows the law of the counts.

A variational autoregressive network learns the law at every time from exact trajectories. The exact law, on 40,000
states, can be had for this small town; for a larger one only the other two can.

    python examples/06_epidemic.py [--quick] [--seed 1] [--output out]       two minutes of CPU
"""

import numpy as np
from plotting import BLACK, BLUE, GREEN, GREY, MODELS, PATHS, VERMILION, hellinger, options, plt, save, write_table

import kinetix as kx

ask = options(__doc__)
SECONDS, EXACT_UNTIL, PEOPLE = (3, 2, 2000) if ask.quick else (60, 8, 10_000)  # CPU; time; trajectories
TIMES, CLOCK = np.arange(0.5, 20.1, 0.5), "time (the seasons return after 6)"
early = TIMES[TIMES <= EXACT_UNTIL]

network = kx.load(MODELS / "epidemic.ant")
print(network.propensities[0])  # of the infection: the time stands in it
net = kx.VAN(checked=0).train(network, times=(0, 20), budget_cpu=SECONDS, seed=ask.seed)
van = kx.solve(network, TIMES, solver=net, seed=ask.seed)
paths = kx.solve(network, TIMES, solver="ssa", paths=PEOPLE, seed=ask.seed)
exact = kx.solve(network, early, solver="fsp", leak=1e-6)
still = kx.solve(network, TIMES, solver="ssa", paths=PEOPLE, parameters={"swing": 0.0}, seed=ask.seed)

answers = {"exact": exact, "VAN": van, f"{PEOPLE:,} trajectories": paths}
distance = {name: [hellinger(exact.law(t).table(), s.law(t).table()) for t in early] for name, s in answers.items()}
rows = []
for k in (1, 3, 7, 15, 27, 39):  # places in TIMES
    for name, s in answers.items():
        if k < len(s.times):
            h = distance[name][k] if k < len(early) else "-"
            rows.append([TIMES[k], name, *np.ravel(np.transpose([s.mean()[k], s.std()[k]])).tolist(), h])
head = ["t", "law", *(f"{f} {s}" for s in network.species_names for f in ("mean", "sd")), "H, joint"]
write_table(ask.output / "06_epidemic.md", head, rows)

figure, ((means, law), (effect, far)) = plt.subplots(2, 2, figsize=(9, 5), width_ratios=[1.4, 1])
for species, colour in zip(network.species_names, (BLUE, VERMILION, GREEN), strict=True):
    mean, sd = van.mean(species), van.std(species)
    means.plot(TIMES[1::2], paths.mean(species)[1::2], **PATHS | {"color": colour})
    means.plot(TIMES, mean, color=colour, label=f"{species}, VAN")
    means.fill_between(TIMES, mean - sd, mean + sd, color=colour, alpha=0.15, lw=0)
means.set(title="means and sds (dots: trajectories); grey: infectious seasons", ylabel="people", xlabel=CLOCK)
effect.plot(TIMES, van.mean("I") - still.mean("I"), color=VERMILION, label="VAN")
effect.plot(TIMES, paths.mean("I") - still.mean("I"), **PATHS, label="trajectories")
effect.set(title="what the seasons change: mean of I, less that without them", ylabel="people", xlabel=CLOCK)
for panel in (means, effect):
    for begin in (0, 6, 12, 18):
        panel.axvspan(begin, min(begin + 3, 20), color=GREY, alpha=0.12, lw=0)
    panel.set(xticks=range(0, 21, 3))
t = float(early[-1])
law.plot(exact.marginal("I", t), color=BLACK, label="exact")
law.plot(van.marginal("I", t), color=VERMILION, ls="--", label="VAN")
law.plot(paths.marginal("I", t), **PATHS, label=f"{PEOPLE:,} trajectories")
law.set(title=f"infected at t = {t:g}", xlabel="people", ylabel="probability", xlim=(0, 40))
for name, colour in (("VAN", VERMILION), (f"{PEOPLE:,} trajectories", GREY)):
    far.semilogy(early, distance[name], "o-", ms=3, color=colour, label=name)
far.set(title="distance to the exact law of S, I, R", xlabel=CLOCK, ylabel="Hellinger")
save(figure, ask.output / "06_epidemic.png", means, effect, law, far)
