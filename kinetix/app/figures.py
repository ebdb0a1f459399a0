"""The figures of reports and studies."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinetix.style import (
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SOFT,
    WIDTH,
    label,
    legend_above,
    log_axis,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

FEW = 8
"""Largest count up to which each count has a bar and a tick of its own."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One marginal law as several solvers state it: label -> probabilities from count 0."""

    title: str
    species: str
    exact: Array
    stated: Mapping[str, Array]
    sampled: Mapping[str, Array]


def marginals(panels: Sequence[Panel]) -> Figure:
    """Exact marginals as grey areas, stated ones as lines, histograms of trajectories as dots."""
    with style():
        figure, grid = _grid(len(panels), 2.35, "probability")
        for axes, panel in zip(grid, panels, strict=False):
            _marginal(axes, panel)
        legend_above(figure, grid[0])
        return figure


def _marginal(axes: Axes, panel: Panel) -> None:
    top = _last_count(panel.exact)
    counts = np.arange(top + 1)
    few = top <= FEW
    exact = _padded(panel.exact, top)
    if few:
        axes.bar(counts, exact, width=0.7, color=GREY, label="exact")
    else:
        axes.fill_between(counts, exact, step="mid", color=GREY, lw=0, label="exact")
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
        figure = new_figure(WIDTH, 3.4)
        axes = figure.subplots()
        for (name, (times, values)), colour in zip(curves.items(), CYCLE, strict=False):
            axes.plot(times, values, color=colour, lw=1.7, marker="o", ms=3.5, label=label(name, 60))
            if name in floors:
                axes.plot(*floors[name], color=colour, lw=1.2, ls=(0, (4, 2)), alpha=0.75)
        axes.plot([], [], color=SOFT, lw=1.2, ls=(0, (4, 2)), label="floor: histogram of 10,000 exact trajectories")
        axes.set(xlabel="time", ylabel="Hellinger distance to exact")
        log_axis(axes, "y", [v for _, values in (*curves.values(), *floors.values()) for v in values.tolist()])
        axes.grid(axis="y")
        legend_above(figure, axes)
        return figure


@dataclass(frozen=True, eq=False)
class Cells:
    """Observed counts [n] of a species beside those of new data sets [R, n]."""

    title: str
    species: str
    observed: Counts
    replicated: Counts


def predictive(panels: Sequence[Cells]) -> Figure:
    """Shares of cells by count: observed ones as dots, new data sets as their mean and a band of 90 %."""
    with style():
        figure, grid = _grid(len(panels), 2.5, "share of cells, per count")
        for axes, panel in zip(grid, panels, strict=False):
            _cells(axes, panel)
        legend_above(figure, grid[0])
        return figure


def _cells(axes: Axes, panel: Cells) -> None:
    from matplotlib.ticker import MaxNLocator

    top = int(max(panel.observed.max(), np.quantile(panel.replicated, 0.999)))
    bins = min(45, round(4 * len(panel.observed) ** (1 / 3)))  # twice the rule of Rice
    width = max(1, -(-(top + 1) // bins))
    edges = np.concatenate([[-0.5], np.arange(0.5, top + 0.5 + width, width)])  # empty cells have a bin of their own
    middle, widths = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    observed, *new = (np.histogram(x, edges)[0] / len(x) / widths for x in (panel.observed, *panel.replicated))
    low, high = np.quantile(new, [0.05, 0.95], axis=0)
    axes.bar(middle, high - low, widths, bottom=low, color=BLUE, alpha=0.22, label="90 % of new data sets")
    axes.stairs(np.mean(new, axis=0), edges, color=BLUE, lw=1.5, label="posterior predictive")
    axes.scatter(middle, observed, s=16, color=INK, lw=0, zorder=3, label="observed cells")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    wide = "" if width == 1 else f", {width} counts a bin"
    axes.set(xlabel=f"count of {label(panel.species)}{wide}", title=panel.title, ylim=(0, None))


def shifts(names: Sequence[str], rows: Mapping[str, Array], allowed: float) -> Figure:
    """Differences of posterior means from the exact ones, in exact posterior sd, with the band that is allowed."""
    with style():
        figure = new_figure(WIDTH, 1.1 + 0.42 * len(names))
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
        legend_above(figure, axes)
        return figure


def distances(names: Sequence[str], times: Array, values: Mapping[str, Array], floors: Mapping[str, Array]) -> Figure:
    """A study: distance to the reference over time, one line a solver, floors of sampling solvers dashed."""
    with style():
        figure = new_figure(WIDTH, 3.2)
        axes = figure.subplots()
        for name, colour in zip(names, CYCLE, strict=False):
            axes.plot(times, values[name], color=colour, lw=1.6, marker="o", ms=5, label=label(name))
            if name in floors:
                axes.plot(
                    times, floors[name], color=colour, lw=1.1, ls=(0, (4, 2)), label=f"{label(name)}: sampling floor"
                )
        axes.set(xlabel="time", ylabel="Hellinger distance")
        log_axis(axes, "y", [float(x) for v in (*values.values(), *floors.values()) for x in v])
        axes.grid(axis="y")
        legend_above(figure, axes)
        return figure


# inner -----------------------------------------------------------------------------------------


def _grid(panels: int, height: float, ylabel: str) -> tuple[Figure, list[Axes]]:
    """A figure of panels, two a row, and their axes in reading order."""
    columns = min(2, panels)
    rows = -(-panels // columns)
    figure = new_figure(WIDTH, 0.55 + height * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid[:, 0]:
        axes.set_ylabel(ylabel)
    for axes in grid.flat[panels:]:
        axes.set_axis_off()
    return figure, list(grid.flat)


def _last_count(p: Array, share: float = 0.9999) -> int:
    """The count below which `share` of the probability lies."""
    total = np.cumsum(p)
    return max(1, int(np.searchsorted(total, share * total[-1])))


def _padded(p: Array, top: int) -> Array:
    result = np.zeros(top + 1)
    kept = p[: top + 1]
    result[: len(kept)] = kept
    return result


def plot_scan(
    values: Mapping[str, Array], mean: Array, std: Array, shown: str, path: str | Path | None = None
) -> Figure:
    """Means [...] on the grid of `values`, with a band of one standard deviation, against the first name.

    Each combination of the other names is a line of its own; `shown` is what the means are of.
    """
    axis, *others = values
    x = values[axis]
    means, stds = mean.reshape(len(x), -1), std.reshape(len(x), -1)
    points = list(itertools.product(*(values[other] for other in others)))
    with style():
        figure = new_figure(WIDTH * 0.6, 2.6)
        axes = figure.add_subplot()
        for k, point in enumerate(points):
            colour = CYCLE[k % len(CYCLE)]
            fixed = ", ".join(f"{other} = {value:g}" for other, value in zip(others, point, strict=True))
            axes.plot(x, means[:, k], color=colour, label=label(fixed or "mean"))
            if np.isfinite(stds[:, k]).all():
                axes.fill_between(x, means[:, k] - stds[:, k], means[:, k] + stds[:, k], color=colour, alpha=0.15, lw=0)
        if (x > 0).all() and x.max() > 30 * x.min():
            axes.set_xscale("log")
        axes.set_xlabel(label(axis))
        axes.set_ylabel(label(shown))
        if len(points) > 1:
            axes.legend()
    if path is not None:
        figure.savefig(path)
    return figure
