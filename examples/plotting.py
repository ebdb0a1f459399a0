"""What the numbered examples share: their command line, the look of figures, tables, one distance."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

mpl.use("Agg")
import matplotlib.pyplot as plt

MODELS = Path(__file__).parent / "models"
BLACK, BLUE, VERMILION, GREEN, GREY = "#1d2733", "#0072B2", "#D55E00", "#009E73", "#8a949e"  # safe for the colour-blind
PATHS = {"color": GREY, "lw": 0, "marker": "o", "ms": 2.5}  # how trajectories are drawn everywhere
plt.rcParams.update(
    {
        "font.size": 8, "axes.titlesize": 8, "axes.titlelocation": "left", "axes.spines.top": False,
        "axes.spines.right": False, "legend.frameon": False, "legend.fontsize": 7, "lines.linewidth": 1.3,
        "figure.constrained_layout.use": True, "image.origin": "lower", "image.cmap": "viridis",
        "axes.prop_cycle": mpl.cycler(color=[BLUE, VERMILION, GREEN]),
    }
)  # fmt: skip


def options(text: str) -> argparse.Namespace:
    """The command line: `quick`, `seed`, `published`, and the folder `output`, which is made."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a sketch in seconds; its numbers mean little")
    parser.add_argument("--published", action="store_true", help="train as published, where the example says so")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("out"))
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    return given


def hellinger(p: np.ndarray, q: np.ndarray) -> float:
    """The distance sqrt(1 - sum sqrt(p q)) of two tables of probabilities from count 0: 0 equal, 1 disjoint."""
    p, q = (np.pad(t, [(0, n - m) for n, m in zip(np.maximum(p.shape, q.shape), t.shape, strict=True)]) for t in (p, q))
    overlap = np.sqrt(np.maximum(p * q, 0)).sum() / np.sqrt(p.sum() * q.sum())
    return float(np.sqrt(max(0.0, 1 - overlap)))


def histogram(counts: np.ndarray) -> np.ndarray:
    """The shares of the counts 0, 1, ... in draws [n]; of draws of two species [n, 2], a table."""
    table = np.zeros(counts.T.max(axis=-1) + 1)
    np.add.at(table, tuple(np.atleast_2d(counts.T)), 1 / len(counts))
    return table


def shares_from(counts: np.ndarray, edges: Sequence[int]) -> np.ndarray:
    """The share of the counts [..., n] from each edge up to the next, the last without end: [K, ...]."""
    bins = np.digitize(counts, edges) - 1
    return np.array([(bins == k).mean(axis=-1) for k in range(len(edges))])


def heatmap(axes: plt.Axes, table: np.ndarray, floor: float, top: float, size: int) -> mpl.image.AxesImage:
    """A joint law of two species, first one across, on a logarithmic colour scale; below `floor` it is white."""
    shown = np.full((size, size), np.nan)
    part = table[:size, :size]
    shown[: part.shape[0], : part.shape[1]] = np.where(part >= floor, part, np.nan)
    return axes.imshow(shown.T, norm=mpl.colors.LogNorm(floor, top), interpolation="nearest")


def save(figure: plt.Figure, path: Path, *legends: plt.Axes) -> None:
    """Write a figure in 256 colours (a small file), with legends in these panels."""
    for panel in legends:
        panel.legend()
    figure.savefig(path, dpi=130)
    Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path)


def write_table(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write rows as a markdown table, floats to four digits, and print it."""
    cells = [[f"{c:.4g}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in [list(head), ["---"] * len(head), *cells]]
    path.write_text("\n".join(lines) + "\n")
    print("\n".join(lines), path, sep="\n")
