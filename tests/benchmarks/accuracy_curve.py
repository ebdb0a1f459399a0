"""How the distance of a net falls with its budget: a picture of the records of nets.jsonl.

python tests/benchmarks/accuracy_curve.py
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from plotting import BLACK, BLUE, GREEN, GREY, VERMILION, plt, save

from tests.benchmarks.figures_nets import newest
from tests.benchmarks.train_nets import ROWS

LINES = {
    "autoregulation, fsp": ("autoregulation, taught by exact laws", BLUE),
    "autoregulation, trajectories": ("autoregulation, by trajectories", GREEN),
    "autoregulation, policy gradient": ("autoregulation, policy gradient", GREY),
    "toggle, trajectories": ("toggle switch, by trajectories", VERMILION),
}


def main() -> None:
    found, floors, smooth = defaultdict(list), {}, defaultdict(list)
    for (row, _), record in newest().items():
        line = row.rsplit(", ", 1)[0]
        if line in LINES and "joint" in record:
            found[line].append((ROWS[row].seconds, record["joint"]["mean"]))
            floors[ROWS[row].box] = record["joint"]["floor"]
            if "smoothed" in record:
                smooth[ROWS[row].box].append((ROWS[row].seconds, record["smoothed"]["mean"]))
    figure, panel = plt.subplots(figsize=(4.6, 3.8))
    for line, (label, colour) in LINES.items():
        seconds, h = np.array(sorted(found[line])).T
        each = np.unique(seconds)
        panel.plot(each, [h[seconds == s].mean() for s in each], color=colour, label=label)
        panel.plot(seconds, h, "o", color=colour, ms=3)
    for box, floor in floors.items():
        colour, name = (VERMILION, "toggle switch") if box == "toggle_switch" else (BLUE, "autoregulation")
        panel.axhline(floor, color=colour, lw=0.7, ls=":")
        panel.text(2100, floor, f"10,000 trajectories, {name}", color=colour, ha="right", va="bottom", fontsize=6)
        points = np.array(sorted(set(smooth[box]))).T
        if points.size:
            panel.plot(*points, "x", color=colour, ms=4, mew=0.8)
    panel.plot([], [], "x", color=BLACK, ms=4, mew=0.8, label="smoothed trajectories, same CPU")
    panel.set(
        xscale="log", yscale="log", xlabel="CPU time, all counted", title="mean Hellinger distance", ylim=(4e-4, 0.4),
        xticks=[30, 60, 180, 300, 900, 1800], xticklabels=["30 s", "1 min", "3 min", "5 min", "15 min", "30 min"],
    )  # fmt: skip
    panel.minorticks_off()
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save(figure, Path(__file__).parents[2] / "examples" / "figures" / "accuracy_by_budget.png")


if __name__ == "__main__":
    main()
