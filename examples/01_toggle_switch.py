"""Genetic toggle switch: the joint law of its two proteins, from a net over a box, a net for one problem, and exactly.

Two genes shut each other off, so that at first both proteins rise (t = 1) and later one wins (t = 40). MET learns
the four rates and the time at once, VAN one rate vector; both see nothing but exact trajectories in training.

    python examples/01_toggle_switch.py [--quick] [--seed 1] [--output out]       five minutes of CPU
"""

from plotting import BLACK, BLUE, GREY, MODELS, VERMILION, heatmap, hellinger, options, plt, save, write_table

import kinetix as kx

ask = options(__doc__)
MET_SECONDS, VAN_SECONDS = (5, 3) if ask.quick else (180, 60)  # CPU
TIMES = [1, 3, 40] if ask.quick else [0.25, 0.5, 1, 2, 3, 5, 10, 20, 40]
syntheses, binding, release = (40, 60), kx.prior.log_uniform(5e-5, 2e-4), kx.prior.log_uniform(0.05, 0.2)
BOX = {"syn_x": syntheses, "syn_y": syntheses, "bind": binding, "unbind": release}
COLOURS = {"MET": BLUE, "VAN": VERMILION, "10,000 trajectories": GREY, "exact": BLACK}

# Four answers to one question. The published rates (syn = 50, bind = 1e-4, unbind = 0.1) lie inside the box.
network = kx.load(MODELS / "toggle_switch.ant")
how = kx.MET(teacher="trajectories", held_out=0)
met = how.train(network, times=(0, 40), box=BOX, budget_cpu=MET_SECONDS, seed=ask.seed)
van = kx.VAN(checked=0).train(network, times=(0, 40), budget_cpu=VAN_SECONDS, seed=ask.seed)
answers = {
    "exact": kx.solve(network, TIMES, solver="fsp", leak=1e-8),
    "MET": kx.solve(network, TIMES, solver=met, seed=ask.seed),
    "VAN": kx.solve(network, TIMES, solver=van, seed=ask.seed),
    "10,000 trajectories": kx.solve(network, TIMES, solver="ssa", paths=10_000, seed=ask.seed),
}
exact = answers["exact"]

# How far each is from the exact law: of the two proteins, and of all four species.
pairs = {name: [s.joint(("Px", "Py"), t) for t in TIMES] for name, s in answers.items()}
distance = {name: [hellinger(p, q) for p, q in zip(pairs["exact"], pair, strict=True)] for name, pair in pairs.items()}
rows = []
for t in (1, 3, 40):
    for name, s in answers.items():
        k, all_four = TIMES.index(t), hellinger(exact.law(t).table(), s.law(t).table())
        moments = [float(v[k]) for p in ("Px", "Py") for v in (s.mean(p), s.std(p))]
        rows.append([t, name, *moments, distance[name][k], all_four])
head = ["t", "law", "mean Px", "sd Px", "mean Py", "sd Py", "H of (Px, Py)", "H of all four"]
write_table(ask.output / "01_toggle_switch.md", head, rows)

figure = plt.figure(figsize=(9, 5.2))
left, right = figure.subfigures(1, 2, width_ratios=[2.6, 1])
panels, (far, law) = left.subplots(3, 4, sharex=True, sharey=True), right.subplots(2, 1)
for row, t in zip(panels, (1, 3, 40), strict=True):
    for panel, name in zip(row, answers, strict=True):
        image = heatmap(panel, pairs[name][TIMES.index(t)], 1e-7, 1e-2, 90)
        panel.set(title=name if t == 1 else "", xlabel="Px (copies)" if t == 40 else "", xticks=[0, 40, 80])
    row[0].set(ylabel=f"t = {t}\nPy (copies)", yticks=[0, 40, 80])
left.colorbar(image, ax=panels, label="probability (white: below 1e-7)", location="bottom", aspect=50, shrink=0.7)
for name, look in (("MET", "o-"), ("VAN", "s-"), ("10,000 trajectories", "^-")):
    far.loglog(TIMES, distance[name], look, color=COLOURS[name], ms=3, label=name)
for name, colour in COLOURS.items():
    law.semilogy(answers[name].marginal("Px", 40), "." if "10" in name else "-", color=colour, ms=2, label=name)
far.set(title="distance to the exact law", xlabel="t (lifetimes of a protein)", ylabel="Hellinger, (Px, Py)")
law.set(title="Px at t = 40", xlabel="copies", ylabel="probability", ylim=(1e-7, 1), xlim=(-1, 90))
save(figure, ask.output / "01_toggle_switch.png", far, law)
