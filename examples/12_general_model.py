"""One pretrained net for networks that it has never seen: ten systems, asked once each, beside their exact laws.

Nothing is trained here. Every answer says how far off it is expected to be; what it says stands beside what is true.

    python examples/12_general_model.py [--quick] [--seed 1] [--output out]       ten seconds of CPU
"""

import numpy as np
from plotting import BLACK, MODELS, PATHS, VERMILION, histogram, options, plt, save, write_table

import kinetix as kx

ask = options(__doc__)
PEOPLE = 500 if ask.quick else 10_000  # trajectories
WRITTEN = {
    "enzyme": """species S = 15, E = 3, C = 0, P = 0; b = 0.05; u = 0.3; c = 0.6; S + E -> C; mass_action(b, u)
        C -> E + P; mass_action(c)""",
    "outbreak": """species S = 30, I = 3, R = 0; b = 0.03; g = 0.4; I -> R; mass_action(g)
        S + I -> 2 I; mass_action(b)""",
    "dimers": "species M = 30, D = 0; b = 0.02; u = 0.1; 2 M -> D; mass_action(b, u)",
    "toggle": """species U = 2, V = 9; a = 20; K = 8; h = 2.5
        -> U; a*K^h/(K^h + V^h)
        -> V; a*K^h/(K^h + U^h)
        U -> ; mass_action(1)
        V -> ; mass_action(1)""",
    "cascade": """species A = 0, B = 0, C = 0, D = 0, E = 0; f = 2; k = 0.8
        -> A; f
        A -> B; mass_action(k)
        B -> C; mass_action(k)
        C -> D; mass_action(k)
        D -> E; mass_action(k)
        E -> ; mass_action(k)""",
}

SYSTEMS = {  # name -> time, species of the figure, values
    "birth_death": (49, "X", {}), "telegraph": (2, "M", {"kon": 0.5, "koff": 1, "ksyn": 20}),
    "gene_expression": (360, "p", {}), "bursting": (3, "M", {"ksyn": 100}),
    "autoregulation": (4, "P", {"sigma_u": 0.94, "sigma_b": 0.01, "rho_u": 8.4, "rho_b": 28.1}),
    "enzyme": (3, "P", {}), "outbreak": (2, "I", {}), "dimers": (2, "M", {}), "toggle": (1, "V", {}),
    "cascade": (2, "C", {}),
}  # fmt: skip
(figure, panels), rows = plt.subplots(2, 5, figsize=(10, 4)), []
for (name, (t, species, values)), panel in zip(SYSTEMS.items(), panels.flat, strict=True):
    network = kx.parse(WRITTEN[name], name=name) if name in WRITTEN else kx.load(MODELS / f"{name}.ant")
    network = network.replace(parameters=values)
    exact, paths, told = (kx.solve(network, [t], solver=s, seed=ask.seed) for s in ("fsp", kx.SSA(PEOPLE), "general"))
    x = exact.sample(20_000, t, seed=1)  # of the exact law p: H^2 = E (1 - sqrt(q / p))^2 / 2
    h = float(np.sqrt(np.mean((1 - np.exp((told.log_prob(x, t) - exact.log_prob(x, t)) / 2)) ** 2) / 2))
    trust = told.meta["trust"][0]
    means = [f"{s.mean(species)[0]:.2f} / {s.std(species)[0]:.2f}" for s in (exact, told)]
    rows.append([name, len(network.species), f"{t:g}", *means, h, trust["distance"], trust["flag"]])
    panel.plot(exact.marginal(species, t), color=BLACK, label="exact")
    panel.plot(told.marginal(species, t), color=VERMILION, ls="--", label="general model")
    drawn = paths.trajectories[:, 0, network.species_names.index(species)]
    panel.plot(histogram(drawn), **PATHS, label="trajectories")
    most = exact.mean(species)[0] + 4 * exact.std(species)[0]
    panel.set(title=f"{name}, t = {t:g}: {trust['flag']}", xlabel=species, xlim=(-0.5, most))
head = ["system", "species", "t", "mean / sd, exact", "general model", "H, joint", "H, expected", "flag"]
write_table(ask.output / "12_general_model.md", head, rows)
save(figure, ask.output / "12_general_model.png", panels[1, 4])
