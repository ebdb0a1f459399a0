"""PspF: messengers of 416 cells under a telegraph model: the posterior against a grid, and how often checks cry wolf.

Prints markdown: quantiles of the posterior that `kx.infer` draws beside those of a grid over the three rates; the
statistics of the predictive check; the share of data sets, made by the model itself at rates of the posterior, that
the check flags. Exits 1 where a quantile is more than 0.25 sd off, P(0) is not flagged, or true data are flagged
more often than a binomial bound about 5 % allows.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).parents[2]))

import kinetix as kx
from kinetix.inference.posteriors.misfits import FALSE_ALARMS, STATISTICS
from kinetix.inference.posteriors.predictive import REPEATS, _placed, statistics
from kinetix.inference.priors import log_uniform

EXAMPLES = Path(__file__).parents[2] / "examples"
BOUNDS = {"kon": (0.2, 5.0), "koff": (2.0, 100.0), "ksyn": (30.0, 3000.0)}
POINTS, TOP = (24, 32, 18), 700
LEVELS = (0.05, 0.5, 0.95)
SETS, DRAWS, NEAR = 200, 100, 0.25


class Grid:
    """The laws of the messenger on a grid of kon, koff and the mean, in logarithms: [points, counts]."""

    def __init__(self, network: kx.ReactionNetwork) -> None:
        ranges = ((0.5, 1.3), BOUNDS["koff"], (15.0, 31.0))
        axes = [a * (b / a) ** ((np.arange(n) + 0.5) / n) for (a, b), n in zip(ranges, POINTS, strict=True)]  # cells
        kon, koff, mean = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
        self.rates = np.stack([kon, koff, mean * (kon + koff) / kon], axis=-1)
        low, high = np.transpose(list(BOUNDS.values()))
        self.allowed = ((self.rates >= low) & (self.rates <= high)).all(axis=-1)
        self.rates = self.rates[self.allowed]
        data = kx.Observations.from_counts("M", np.inf, np.arange(TOP))
        problem = kx.Problem.of(network, data.times)
        thetas = np.tile(problem.theta, (len(self.rates), 1))
        thetas[:, [network.theta_names.index(n) for n in BOUNDS]] = self.rates
        axis = [network.species_names.index("M")]
        (found,) = kx.FSP(leak=1e-8).log_prob_batch(problem, thetas, [np.arange(TOP)[:, None]], axis)
        self.log_p = np.maximum(found, -500.0)

    def posterior(self, counts: np.ndarray) -> np.ndarray:
        """The weights of the points given cells [n]; the priors are even in the logarithms, as the grid is."""
        log_weight = self.log_p[:, : counts.max() + 1] @ np.bincount(counts)
        weight = np.exp(log_weight - log_weight.max())
        return weight / weight.sum()

    def draw_cells(self, point: int, n: int, rng: np.random.Generator) -> np.ndarray:
        p = np.exp(self.log_p[point])
        return rng.choice(TOP, n, p=p / p.sum())

    def flags(self, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The p-values of the predictive check under the grid's own posterior: [K]."""
        drawn = rng.choice(len(self.rates), DRAWS, p=self.posterior(counts))
        made = [self.draw_cells(k, REPEATS * len(counts), rng).reshape(REPEATS, -1, 1) for k in drawn]
        _, _, _, p = _placed(statistics(counts[:, None]), np.stack([statistics(m) for m in made]))
        return p[0]


def quantiles(values: np.ndarray, weight: np.ndarray) -> list[float]:
    """Weighed quantiles at LEVELS."""
    order = np.argsort(values)
    edges = np.cumsum(weight[order]) - weight[order] / 2
    return np.interp(LEVELS, edges, values[order]).tolist()


def main() -> int:
    network = kx.load(EXAMPLES / "models" / "telegraph.ant")
    cells = kx.Observations.read_csv(EXAMPLES / "data" / "pspf.csv", header=False, columns={0: "M"}, time=np.inf)
    counts = cells.counts(0)[:, 0]
    prior = {name: log_uniform(*bounds) for name, bounds in BOUNDS.items()}
    found = kx.infer(network, cells, prior=prior, likelihood=kx.FSP(leak=1e-6), walkers=16, seed=1)
    found = found.predict(kx.FSP(), rng=np.random.default_rng(1))
    grid = Grid(network)
    weight = grid.posterior(counts)
    flat, missed = found.draws.reshape(-1, 3), False
    print("| rate | " + " | ".join(f"{100 * q:g} %, sampled | grid" for q in LEVELS) + " |\n|---" + "|---" * 6 + "|")
    columns = {n: (flat[:, i], grid.rates[:, i]) for i, n in enumerate(BOUNDS)}
    columns["koff / ksyn"] = flat[:, 1] / flat[:, 2], grid.rates[:, 1] / grid.rates[:, 2]
    for name, (own, points) in columns.items():
        a, b = np.log(np.quantile(own, LEVELS)), np.array(quantiles(np.log(points), weight))
        missed |= bool((np.abs(a - b) > NEAR * np.log(own).std()).any())
        print(
            f"| {name} | " + " | ".join(f"{np.exp(x):.4g} | {np.exp(y):.4g}" for x, y in zip(a, b, strict=True)) + " |"
        )
    check = found.predictive
    print("\n| statistic | observed | 90 % of new data sets | z | p |\n|---|---|---|---|---|")
    for s, name in enumerate(STATISTICS):
        row = [getattr(check, key)[0, 0, s] for key in ("observed", "low", "high", "z", "p_value")]
        print(f"| {name} | {row[0]:.4g} | {row[1]:.4g} to {row[2]:.4g} | {row[3]:+.1f} | {row[4]:.2g} |")
    flagged = {m.statistic for m in check.misfits()}
    rng, alarms = np.random.default_rng(7), 0
    for point in rng.choice(len(grid.rates), SETS, p=weight):
        p = grid.flags(grid.draw_cells(point, len(counts), rng), rng)
        alarms += bool((p <= FALSE_ALARMS / len(STATISTICS)).any())
    print(f"\nFlagged: {', '.join(sorted(flagged)) or 'nothing'}. Of {SETS} data sets of as many cells that the model ")
    print(
        f"made itself, at rates of the posterior, {alarms} are flagged ({100 * alarms / SETS:.1f} %; asked: at most 5)."
    )
    return int(missed or "P(0)" not in flagged or alarms > binom.ppf(0.999, SETS, FALSE_ALARMS))


if __name__ == "__main__":
    sys.exit(main())
