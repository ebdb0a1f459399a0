"""The main job, end to end: a model file, a trained net, its certificate, rates from cells, one report.

make demo            (or: python examples/demo.py; it writes the folder out/demo)
"""

import time
import tomllib
from pathlib import Path

import numpy as np

import kinetix as kx
from kinetix.app.assumptions import cells_section, unknowns_section
from kinetix.app.posterior_sections import facts, predictive_section, rates_section
from kinetix.app.posterior_trust import trust_section
from kinetix.app.report import Card, Page, Section
from kinetix.app.sections import FOOTER, Point, certificate_section, laws_section, model_section, reproduce_section

HERE, OUT, BEGAN = Path(__file__).parent, Path("out/demo"), time.monotonic()
BOX = {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)}
POINTS = ((0.94, 0.01, 8.40, 28.1), (0.69, 0.07, 7.2, 40.6), (0.44, 0.08, 0.94, 53.1))  # marked in the MET paper
TELEGRAPH = {  # per lifetime of the messenger; cells in a steady state fix ksyn / koff only, so koff is set
    "kon": kx.prior.log_uniform(0.2, 5), "koff": kx.prior.fixed(10), "ksyn": kx.prior.log_uniform(30, 600),
}  # fmt: skip
PARTS = (unknowns_section, cells_section, rates_section, trust_section, predictive_section)


def say(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:3.0f} s] {text}", flush=True)


def main() -> None:
    """Train, check, infer twice, write the report."""
    say("autoregulation.xml: training a net over its box, 60 s of CPU, then 100 exact laws to judge it by")
    network = kx.load(HERE / "models/autoregulation.xml")
    net = kx.MET().train(network, times=(0, 10), box=BOX, budget_cpu=60, seed=1)
    net.save(OUT / "net")
    score = net.certificate["joint"]
    say(f"joint Hellinger distance {score['mean']:.4f}; a histogram of 10,000 trajectories has {score['floor']:.4f}")

    cells = kx.Observations.read_csv(HERE / "data/autoregulation_cells.csv")
    say(f"rates from {cells} (the net weighs them, the exact law checks and corrects it)")
    prior = {name: kx.prior.uniform(*bounds) for name, bounds in BOX.items()}
    found = kx.infer(network, cells, prior=prior, likelihood=net, exact_draws=2000, seed=1)
    found = found.predict(kx.FSP(), rng=np.random.default_rng(1))
    found.save(OUT / "posterior.nc")
    truth = tomllib.loads((HERE / "data/autoregulation_truth.toml").read_text())["truth"]

    found.plot_pairs(truth=truth).savefig(OUT / "posterior.png", dpi=90)

    gene = kx.load(HERE / "models/telegraph.xml")
    messengers = kx.Observations.read_csv(HERE / "data/pspf.csv", header=False, columns={0: "M"}, time=10)
    say(f"rates from {messengers} (real messengers in a steady state; exact likelihood)")
    real = kx.infer(gene, messengers, prior=TELEGRAPH, likelihood=kx.FSP(leak=1e-6), walkers=16, seed=1)
    real = real.predict(kx.FSP(), rng=np.random.default_rng(1))
    real.save(OUT / "pspf.nc")

    alone = found.uncorrected()
    points = [Point(f"point {i}", dict(zip(BOX, rates, strict=True))) for i, rates in enumerate(POINTS, 1)]
    sections = [
        model_section(network), certificate_section(net),
        laws_section(net, points, (0.2, 0.5, 1, 2, 4, 7, 10), kx.FSP(), seed=1),
        unknowns_section(found), cells_section(found), rates_section(found, truth=truth),
        trust_section(alone, exact=found), predictive_section(found),
        *(Section(f"PspF: {s.title}", s.blocks) for s in (part(real) for part in PARTS)),
        reproduce_section(["make demo"], facts(found)),
    ]  # fmt: skip
    shift = np.abs((alone.mean() - found.mean()) / found.sd())
    cards = (
        Card(f"{score['mean']:.4f}", "mean Hellinger distance of the net to exact laws", "good"),
        Card(f"{score['floor']:.4f}", "the same for a histogram of 10,000 trajectories"),
        Card(f"{shift.max():.2f} sd", "largest shift of a rate under the net alone"),
    )
    Page("From a model file to rates", "a demonstration", cards, tuple(sections), FOOTER).write(OUT / "report.html")
    for title, posterior in (("autoregulation, net", alone), ("autoregulation, exact", found), ("PspF, exact", real)):
        print(f"\n{title}\n{posterior.summary()}")
    say(f"done: {OUT / 'report.html'}")


if __name__ == "__main__":
    main()
