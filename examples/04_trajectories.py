"""Trajectories from a net, by chaining its law of one step: birth and death, and how long a toggle switch holds.

MET learns P(n', t | n) for starts n in a box; chained, it gives whole trajectories, far beyond its longest time.

    python examples/04_trajectories.py [--quick] [--seed 1] [--output out]       three minutes of CPU
"""

import numpy as np
from plotting import BLACK, BLUE, MODELS, PATHS, hellinger, options, plt, save, write_table
from scipy.stats import poisson

import kinetix as kx

ask = options(__doc__)
SECONDS, DRAWN, OUTSIDE = ((5, 8), 2000, 0.2) if ask.quick else ((40, 120), 10_000, 0.05)  # CPU; paths; share let out
TIMES, SHOWN = np.array(sorted({5.0, 25.0, *np.arange(7, 99, 7.0)})), [5, 25, 49, 98]

# Birth at 0.1, death at 0.01 from X = 0; trained to t = 7 only, chained to t = 98. The exact law is Poisson.
birth_death = kx.load(MODELS / "birth_death.ant")
net = kx.MET(held_out=0).train(birth_death, times=(0, 7), box={"X": (0, 25)}, budget_cpu=SECONDS[0], seed=ask.seed)
chain = kx.solve(birth_death, TIMES, solver=net.chained(paths=DRAWN, outside=OUTSIDE), seed=ask.seed)
x, means = chain.trajectories[:, :, 0], 10 * (1 - np.exp(-0.01 * TIMES))
exact = {t: poisson.pmf(np.arange(60), m) for t, m in zip(TIMES, means, strict=True)}
distance = [hellinger(p, chain.marginal("X", t)) for t, p in exact.items()]
remembered, correlation = np.sqrt(means / means[-1]) * np.exp(-0.01 * (98 - TIMES)), np.corrcoef(x.T)[-1]
columns = means, chain.mean("X"), np.sqrt(means), chain.std("X"), distance, remembered, correlation  # [times] each
rows = [[t, *(float(c[list(TIMES).index(t)]) for c in columns)] for t in SHOWN]
head = ["t", "mean, exact", "mean, MET", "sd, exact", "sd, MET", "H", "correlation with t = 98, exact", "MET"]
write_table(ask.output / "04_trajectories.md", head, rows)

# The toggle switch, held by X at the start: when does Y first outnumber X, looked at every 4 lifetimes of a protein?
toggle, held = kx.load(MODELS / "toggle_switch.ant"), {"Gx": 1, "Gy": 0, "Px": 50, "Py": 0}
starts, looks, waits = {"Gx": (0, 1), "Gy": (0, 1), "Px": (0, 90), "Py": (0, 90)}, np.arange(4, 201, 4.0), {}
met = kx.MET(teacher="trajectories", held_out=0)
switch = met.train(toggle, times=(0, 4), box=starts, budget_cpu=SECONDS[1], seed=ask.seed)
for name, solver in (("exact", kx.SSA(paths=DRAWN)), ("MET", switch.chained(paths=DRAWN, outside=OUTSIDE))):
    path = kx.solve(toggle, looks, solver=solver, initial=held, seed=ask.seed).trajectories
    waits[name] = np.logical_or.accumulate(path[:, :, 3] > path[:, :, 2], axis=1).mean(axis=0)  # switched by each look
switched = [[float(looks[k]), *(float(waits[name][k]) for name in ("exact", "MET"))] for k in (0, 4, 9, 19, 49)]
write_table(ask.output / "04_switching.md", ["t", "switched, exact trajectories", "switched, MET"], switched)

figure, ((paths, laws, memory), (far, examples, wait)) = plt.subplots(2, 3, figsize=(9, 5))
paths.plot([0, *TIMES], np.pad(x[:300], ((0, 0), (1, 0))).T, color=BLUE, alpha=0.12, lw=0.8)
paths.plot(TIMES, means, color=BLACK, label="exact mean")
paths.set(title="birth and death: 300 paths of MET", xlabel="t (X lives for 100)", ylabel="X (copies)")
for t, colour in zip(SHOWN, plt.cm.viridis([0.0, 0.3, 0.6, 0.85]), strict=True):
    laws.plot(exact[t][:25], **PATHS | {"color": colour})
    laws.plot(chain.marginal("X", t)[:25], color=colour, label=f"t = {t}")
laws.set(title="law of X: MET (lines), exact (dots)", xlabel="copies", ylabel="probability")
memory.plot(TIMES, correlation, "o", color=BLUE, ms=3, label="MET, chained")
memory.plot(TIMES, remembered, color=BLACK, label="exact")
memory.set(title="correlation of X(t) and X(98)", xlabel="t (X lives for 100)", ylabel="correlation")
far.plot(TIMES, distance, "o-", color=BLUE, ms=3)
far.set(title="distance to the exact law of X", xlabel="t (X lives for 100)", ylabel="Hellinger", ylim=(0, None))
examples.plot(looks, path[0, :, 2:], label=["Px", "Py"])
examples.set(title="toggle: one path of MET", xlabel="t (lifetimes of a protein)", ylabel="copies", ylim=(0, 90))
wait.plot(looks, waits["MET"], "o", color=BLUE, ms=3, label="MET, chained")
wait.plot(looks, waits["exact"], color=BLACK, label="exact trajectories")
wait.set(title="toggle: switching time", xlabel="t (lifetimes of a protein)", ylabel="share switched by t", ylim=(0, 1))
save(figure, ask.output / "04_trajectories.png", paths, laws, memory, examples, wait)
