"""The figures of reports and studies: plain matplotlib, a colour-blind safe palette, no mathtext in names."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

INK, SOFT, GRID = "#1d2733", "#5b6875", "#e6eaee"
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
EXACT_FILL = "#c9d0d6"

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
    """The look of every figure; figures must be both made and saved inside."""
    import matplotlib as mpl

    with mpl.rc_context(dict(RC)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        yield


@dataclass(frozen=True, eq=False)
class Panel:
    """One marginal law as several solvers state it: label -> probabilities from count 0."""

    title: str
    species: str
    exact: Array
    stated: Mapping[str, Array]
    sampled: Mapping[str, Array]


def label(name: str, longest: int = 28) -> str:
    """A name from a model as it may stand in a figure: printable, on one line, not too long."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in name)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def marginals(panels: Sequence[Panel], columns: int = 2) -> Figure:
    """Exact marginals as grey areas, stated ones as lines, histograms of trajectories as dots."""
    with style():
        columns = max(1, min(columns, len(panels)))
        rows = -(-len(panels) // columns)
        figure = _figure(9.2, 0.55 + 2.35 * rows)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            _marginal(axes, panel)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel("probability")
        _legend_above(figure, grid.flat[0])
        return figure


def _marginal(axes: Axes, panel: Panel) -> None:
    top = _last_count(panel.exact)
    counts = np.arange(top + 1)
    few = top <= 8
    exact = _padded(panel.exact, top)
    if few:
        axes.bar(counts, exact, width=0.7, color=EXACT_FILL, label="exact")
    else:
        axes.fill_between(counts, exact, step="mid", color=EXACT_FILL, lw=0, label="exact")
    for (name, p), colour in zip(panel.sampled.items(), (ORANGE, PURPLE), strict=False):
        size = 22 if few else 7
        axes.scatter(counts, _padded(p, top), s=size, color=colour, lw=0, zorder=3, label=label(name), alpha=0.85)
    for (name, p), colour in zip(panel.stated.items(), CYCLE, strict=False):
        if few:
            axes.hlines(
                _padded(p, top), counts - 0.35, counts + 0.35, color=colour, lw=2.2, label=label(name), zorder=4
            )
        else:
            axes.step(counts, _padded(p, top), where="mid", color=colour, lw=1.4, label=label(name), zorder=4)
    axes.set(xlim=(-0.6, top + 0.6), ylim=(0, None), xlabel=f"count of {label(panel.species)}", title=panel.title)
    if few:
        axes.set_xticks(counts)


def hellinger_by_time(curves: Mapping[str, tuple[Array, Array]], floors: Mapping[str, tuple[Array, Array]]) -> Figure:
    """Hellinger distance to the exact law over time, one solid line a problem, its sampling floor dashed."""
    with style():
        figure = _figure(9.2, 3.4)
        axes = figure.subplots()
        for (name, (times, values)), colour in zip(curves.items(), CYCLE, strict=False):
            axes.plot(times, values, color=colour, lw=1.7, marker="o", ms=3.5, label=label(name, 60))
            if name in floors:
                axes.plot(*floors[name], color=colour, lw=1.2, ls=(0, (4, 2)), alpha=0.75)
        axes.plot([], [], color=SOFT, lw=1.2, ls=(0, (4, 2)), label="floor: histogram of 10,000 exact trajectories")
        axes.set(xlabel="time", ylabel="Hellinger distance to exact")
        _log_axis(axes, "y", [v for _, values in (*curves.values(), *floors.values()) for v in values.tolist()])
        axes.grid(axis="y")
        _legend_above(figure, axes)
        return figure


def pairs(
    draws: Array,
    names: Sequence[str],
    *,
    label_of_draws: str,
    weighted: tuple[str, Array, Array] | None = None,
    truth: Mapping[str, float] | None = None,
    logarithmic: Sequence[bool] | None = None,
) -> Figure:
    """Posterior draws [n, P] in pairs: regions of 50 % and 90 %, marginals on the diagonal.

    `weighted` is (label, draws [m, P], weights [m]) of a second posterior, drawn as outlines.
    """
    with style():
        shown = list(range(min(len(names), 6)))
        scales = list(logarithmic or [False] * len(names))
        size = 1.9 * len(shown) + 0.7
        figure = _figure(min(9.2, size), min(9.2, size) * 0.92)
        grid = figure.subplots(len(shown), len(shown), squeeze=False)
        for i in shown:
            for j in shown:
                axes = grid[i, j]
                if j > i:
                    axes.set_axis_off()
                    continue
                _pair(axes, draws, i, j, scales, label_of_draws, weighted)
                _pair_frame(axes, i, j, len(shown), names, truth or {})
        _legend_above(figure, grid[0, 0])
        return figure


def _pair(
    axes: Axes,
    draws: Array,
    i: int,
    j: int,
    scales: Sequence[bool],
    name: str,
    weighted: tuple[str, Array, Array] | None,
) -> None:
    layers = [(name, draws, np.full(len(draws), 1 / len(draws)), BLUE)]
    if weighted is not None:
        layers.append((weighted[0], weighted[1], weighted[2] / weighted[2].sum(), VERMILION))
    for index, (text, x, w, colour) in enumerate(layers):
        edges = [_edges(draws[:, k], log=scales[k]) for k in (j, i)]
        if i == j:
            height, _ = np.histogram(x[:, i], edges[0], weights=w)
            density = _smooth(height) / np.diff(edges[0])
            middle = 0.5 * (edges[0][1:] + edges[0][:-1])
            if index == 0:
                axes.fill_between(middle, density, color=colour, alpha=0.25, lw=0)
            axes.plot(middle, density, color=colour, lw=1.5, ls="-" if index == 0 else "--", label=label(text, 60))
        else:
            mass, _, _ = np.histogram2d(x[:, j], x[:, i], bins=edges, weights=w)
            _regions(axes, _smooth(mass), edges, colour, filled=index == 0)


def _pair_frame(axes: Axes, i: int, j: int, count: int, names: Sequence[str], truth: Mapping[str, float]) -> None:
    if names[j] in truth:
        axes.axvline(truth[names[j]], color=INK, lw=1, ls=":", label="true value" if i == j == 0 else None)
    if i != j and names[i] in truth:
        axes.axhline(truth[names[i]], color=INK, lw=1, ls=":")
    axes.locator_params(nbins=4, min_n_ticks=2)
    axes.tick_params(labelsize=7.5)
    if i == count - 1:
        axes.set_xlabel(label(names[j]))
    else:
        axes.set_xticklabels([])
    if j == 0 and i != j:
        axes.set_ylabel(label(names[i]))
    elif i == j:
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    else:
        axes.set_yticklabels([])


def _regions(axes: Axes, mass: Array, edges: Sequence[Array], colour: str, *, filled: bool) -> None:
    """Outlines of the smallest regions that hold 50 % and 90 %."""
    sorted_mass = np.sort(mass.ravel())[::-1]
    held = np.cumsum(sorted_mass) / sorted_mass.sum()
    levels = sorted({float(sorted_mass[int(np.searchsorted(held, share))]) for share in (0.5, 0.9)})
    x, y = (0.5 * (e[1:] + e[:-1]) for e in edges)
    if filled:
        shades = [*levels, float(sorted_mass[0]) * 1.001]
        axes.contourf(x, y, mass.T, shades, colors=[_lighter(colour, 0.75), _lighter(colour, 0.5)][-len(levels) :])
    axes.contour(x, y, mass.T, levels, colors=colour, linewidths=1.1, linestyles="-" if filled else "--")


def predictive(panels: Sequence[tuple[str, str, Array, Array]], cells: Sequence[int]) -> Figure:
    """Observed shares of cells against the posterior predictive: (title, species, observed [n], predicted [d, n]).

    The band holds 90 % of what new data sets of as many `cells` would show.
    """
    with style():
        columns = min(2, len(panels))
        rows = -(-len(panels) // columns)
        figure = _figure(9.2, 0.55 + 2.5 * rows)
        grid = figure.subplots(rows, columns, squeeze=False)
        rng = np.random.default_rng(0)
        for axes, (title, species, observed, predicted), n in zip(grid.flat, panels, cells, strict=False):
            top = max(_last_count(observed), _last_count(predicted.mean(axis=0), 0.999))
            width = max(1, -(-(top + 1) // 45))
            edges = np.arange(0, top + 1 + width, width)
            shares = np.add.reduceat(_padded(observed, int(edges[-1]) - 1), edges[:-1])
            laws = np.stack([np.add.reduceat(_padded(p, int(edges[-1]) - 1), edges[:-1]) for p in predicted])
            low, high = _replicated(laws, n, rng)
            middle = edges[:-1] + 0.5 * (width - 1)
            few = top <= 8
            axes.bar(middle, shares, width=0.7 if few else 0.9 * width, color=EXACT_FILL, label="observed cells")
            mean, band, line = laws.mean(axis=0), "90 % of new data sets", "posterior predictive"
            if few:
                axes.bar(middle, high - low, 0.7, bottom=low, color=BLUE, alpha=0.22, label=band)
                axes.hlines(mean, middle - 0.35, middle + 0.35, color=BLUE, lw=2, label=line)
                axes.set_xticks(middle)
            else:
                axes.fill_between(middle, low, high, step="mid", color=BLUE, alpha=0.22, lw=0, label=band)
                axes.step(middle, mean, where="mid", color=BLUE, lw=1.5, label=line)
            axes.set(xlabel=f"count of {label(species)}", title=title, ylim=(0, None))
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel("share of cells")
        _legend_above(figure, grid.flat[0])
        return figure


def _replicated(laws: Array, cells: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """The 5 % and 95 % points of the shares in new data sets, one drawn a law."""
    whole = np.concatenate([laws, np.maximum(1 - laws.sum(axis=1, keepdims=True), 0)], axis=1)
    drawn = rng.multinomial(cells, whole / whole.sum(axis=1, keepdims=True))[:, :-1] / cells
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    return low, high


def shifts(names: Sequence[str], rows: Mapping[str, Array], allowed: float) -> Figure:
    """Differences of posterior means from the exact ones, in exact posterior sd, with the band that is allowed."""
    with style():
        figure = _figure(9.2, 1.1 + 0.42 * len(names))
        axes = figure.subplots()
        y = np.arange(len(names), dtype=float)[::-1]
        axes.axvspan(-allowed, allowed, color=GREEN, alpha=0.12, lw=0, label=f"within {allowed:g} sd")
        axes.axvline(0, color=SOFT, lw=1)
        offsets = np.linspace(0.13, -0.13, len(rows)) if len(rows) > 1 else [0.0]
        for (name, values), colour, marker, offset in zip(rows.items(), CYCLE, "osD^", offsets, strict=False):
            axes.plot(values, y + offset, marker, color=colour, ms=7, label=label(name, 60))
        reach = max(2 * allowed, 1.15 * max(float(np.abs(v).max()) for v in rows.values()))
        axes.set_yticks(y, [label(n) for n in names])
        axes.set(xlim=(-reach, reach), ylim=(-0.6, len(names) - 0.4), xlabel="mean minus exact mean, in posterior sd")
        axes.grid(axis="x")
        _legend_above(figure, axes)
        return figure


def distances(names: Sequence[str], times: Array, values: Mapping[str, Array], floors: Mapping[str, Array]) -> Figure:
    """A study: distance to the reference over time, one line a solver, floors of sampling solvers dashed."""
    with style():
        figure = _figure(9.2, 3.2)
        axes = figure.subplots()
        for name, colour in zip(names, CYCLE, strict=False):
            axes.plot(times, values[name], color=colour, lw=1.6, marker="o", ms=5, label=label(name))
            if name in floors:
                axes.plot(
                    times, floors[name], color=colour, lw=1.1, ls=(0, (4, 2)), label=f"{label(name)}: sampling floor"
                )
        axes.set(xlabel="time", ylabel="Hellinger distance")
        _log_axis(axes, "y", [float(x) for v in (*values.values(), *floors.values()) for x in v])
        axes.grid(axis="y")
        _legend_above(figure, axes)
        return figure


# inner -----------------------------------------------------------------------------------------


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(4, len(handles)), borderaxespad=0.2)


def _log_axis(axes: Axes, which: str, values: Sequence[float]) -> None:
    """A logarithmic axis with plain numbers, where the values span enough; matplotlib's own use mathtext."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    positive = [v for v in values if v > 0 and np.isfinite(v)]
    if not positive or max(positive) / min(positive) < 5:
        axes.set_ylim(0, None)
        return
    getattr(axes, f"set_{which}scale")("log", nonpositive="clip")
    axis = getattr(axes, f"{which}axis")
    subs = (1.0, 2.0, 5.0) if max(positive) / min(positive) < 1e3 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_locator(NullLocator())


def _last_count(p: Array, share: float = 0.9999) -> int:
    """The count below which `share` of the probability lies."""
    total = np.cumsum(p)
    return max(1, int(np.searchsorted(total, share * total[-1])))


def _padded(p: Array, top: int) -> Array:
    result = np.zeros(top + 1)
    kept = p[: top + 1]
    result[: len(kept)] = kept
    return result


def _edges(x: Array, *, log: bool) -> Array:
    low, high = np.quantile(x, [0.001, 0.999])
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    if log and low > 0:
        return np.asarray(np.geomspace(low / (high / low) ** 0.05, high * (high / low) ** 0.05, 41))
    pad = 0.05 * (high - low)
    return np.linspace(low - pad, high + pad, 41)


def _smooth(values: Array) -> Array:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, 1.2, mode="constant"))


def _lighter(colour: str, towards_white: float) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    r, g, b = (1 - (1 - c) * (1 - towards_white) for c in to_rgb(colour))
    return r, g, b
