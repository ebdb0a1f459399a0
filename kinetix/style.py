"""The look of every figure: a colour-blind safe palette, plain numbers, no mathtext in names."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GRID, GREY = "#1d2733", "#5b6875", "#e6eaee", "#c9d0d6"
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)

WIDTH = 9.2
"""Inches of a figure that fills a page."""

RC: Mapping[str, Any] = {
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "kinetix",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
}


@contextmanager
def style() -> Iterator[None]:
    """The look; figures are made inside it, and saved inside it where each byte of an SVG counts."""
    import matplotlib as mpl

    with mpl.rc_context(dict(RC)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that no window and no global list holds."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def label(name: str, longest: int = 28) -> str:
    """A name from a model as it may stand in a figure: printable, on one line; long ones lose their middle."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in name)
    if len(text) <= longest:
        return text
    tail = longest // 2 - 1
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"


def folded(name: str, width: int = 16) -> str:
    """A label on one or two lines of at most `width` signs, folded after a `_` or space where there is one."""
    text = label(name, 2 * width)
    if len(text) <= width:
        return text
    fits = range(len(text) - width, width + 1)
    breaks = [i for i in fits if text[i - 1] in "_ "]
    at = min(breaks or fits, key=lambda i: abs(2 * i - len(text)))
    return f"{text[:at]}\n{text[at:]}"


def legend_above(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """The legend of `axes` above the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        place = {"loc": "outside upper left", "ncols": min(columns, len(handles)), "borderaxespad": 0.2}
        figure.legend(handles, labels, **place)


def log_axis(axes: Axes, which: str, values: Sequence[float]) -> None:
    """A logarithmic x or y axis with plain numbers, where the values span enough; matplotlib's own use mathtext."""
    positive = [v for v in values if v > 0 and np.isfinite(v)]
    span = max(positive) / min(positive) if positive else 1.0
    if span < 5:
        axes.set(**{f"{which}lim": (0, None)})
        return
    getattr(axes, f"set_{which}scale")("log", nonpositive="clip")
    plain_log_ticks(axes, which, (1.0, 2.0, 5.0) if span < 1e3 else (1.0,))


def plain_log_ticks(axes: Axes, which: str, steps: Sequence[float], most: int | None = None) -> None:
    """Ticks at `steps` times powers of ten (at most so many) with plain numbers, and none between."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=steps, numticks=most))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_locator(NullLocator())
