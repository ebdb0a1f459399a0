"""Make the example cells: 1,000 cells of the autoregulated gene, 100 at each of ten times, from exact trajectories.

Every cell is a trajectory of its own, seen once. The rates that made them stand in
autoregulation_truth.toml, so that an inference can be held against them.

    python examples/make_cells.py
"""

from pathlib import Path

import numpy as np

import kinetix as kx
from kinetix.solvers.ssa import simulate

SEED = 20260
CELLS = 100  # a time
TIMES = np.arange(1.0, 11.0)
TRUTH = {"sigma_u": 0.69, "sigma_b": 0.07, "rho_u": 7.2, "rho_b": 40.6}
DATA = Path(__file__).parent / "data"


def main() -> None:
    """Write the cells and the truth."""
    network = kx.load(Path(__file__).parent / "models" / "autoregulation.xml").replace(parameters=TRUTH)
    model = kx.compile_network(network)
    n = CELLS * len(TIMES)
    paths = simulate(
        model, TIMES, np.tile(model.theta, (n, 1)), np.tile(model.initial, (n, 1)), rng=np.random.default_rng(SEED)
    )
    seen = np.repeat(np.arange(len(TIMES)), CELLS)
    rows = [f"{TIMES[k]:g},{gu},{p}" for k, (gu, p) in zip(seen, paths[np.arange(n), seen].tolist(), strict=True)]
    DATA.mkdir(exist_ok=True)
    (DATA / "autoregulation_cells.csv").write_text("\n".join(["time,Gu,P", *rows]) + "\n")
    lines = [f"{name} = {value}" for name, value in TRUTH.items()]
    (DATA / "autoregulation_truth.toml").write_text("\n".join(["[truth]", *lines]) + "\n")


if __name__ == "__main__":
    main()
