"""The picture of a calibration: ranks in bins, and how far their distribution function strays from the diagonal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kinetix.style import BLUE, GREY, SOFT, VERMILION, WIDTH, folded, legend_above, new_figure, style

from .uniformity import BAND, Uniformity, band, bins_of, ecdf

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Counts = NDArray[np.int64]


class Ranked(Protocol):
    """What the picture shows of a calibration."""

    @property
    def quantities(self) -> tuple[str, ...]:
        """Q names."""
        ...

    @property
    def ranks(self) -> Counts:
        """[n, Q]."""
        ...

    @property
    def runs(self) -> int:
        """How many there are."""
        ...

    @property
    def draws(self) -> int:
        """The posterior draws among which each truth has its rank."""
        ...

    @property
    def tests(self) -> Mapping[str, Uniformity]:
        """By quantity, whether its ranks are uniform."""
        ...

    @property
    def faults(self) -> tuple[str, ...]:
        """What was found wrong, each line beginning with the quantity."""
        ...


def rank_figure(found: Ranked) -> Figure:
    """A row a quantity: its ranks in bins, beside the share of ranks below minus what it should be."""
    with style():
        figure = new_figure(WIDTH, 0.6 + 1.45 * len(found.quantities))
        grid = figure.subplots(len(found.quantities), 2, squeeze=False)
        for i, (name, test) in enumerate(found.tests.items()):
            left, right = grid[i]
            colour = VERMILION if any(f.startswith(f"{name}: ranks") for f in found.faults) else BLUE
            _bins(left, found, i, colour)
            _difference(right, found, i, colour)
            left.set_ylabel(folded(name))
            right.text(0.98, 0.93, f"p = {test.p_value:.2g}", transform=right.transAxes, ha="right", va="top")
        for axes in grid[:-1].flat:
            axes.tick_params(labelbottom=False)
        grid[0, 0].set_title("runs with each rank")
        grid[0, 1].set_title("share of ranks below, minus what it should be")
        for axes in grid[-1]:
            axes.set_xlabel("rank of the truth among posterior draws")
        legend_above(figure, grid[0, 1])
        return figure


def _bins(axes: Axes, found: Ranked, i: int, colour: str) -> None:
    bins = max(2, bins_of(found.runs, found.draws))
    edges = np.linspace(0, 1, bins + 1)
    counts, _ = np.histogram((found.ranks[:, i] + 0.5) / (found.draws + 1), edges)
    low, high = stats.binom.interval(BAND, found.runs, 1 / bins)
    axes.axhspan(low, high, color=GREY, alpha=0.5, lw=0)
    axes.stairs(counts, edges, color=colour, fill=True, alpha=0.55)
    axes.axhline(found.runs / bins, color=SOFT, lw=1, ls=":")
    axes.set(xlim=(0, 1), xticks=[0, 0.5, 1], ylim=(0, None))


def _difference(axes: Axes, found: Ranked, i: int, colour: str) -> None:
    share = np.arange(1, found.draws + 1) / (found.draws + 1)
    low, high = band(found.runs, found.draws)
    label = f"where {100 * BAND:.0f} % of right posteriors stay"
    axes.fill_between(
        share, low / found.runs - share, high / found.runs - share, color=GREY, alpha=0.5, lw=0, label=label
    )
    axes.plot(share, ecdf(found.ranks[:, i], found.draws) / found.runs - share, color=colour, lw=1.5, label="found")
    axes.axhline(0, color=SOFT, lw=1, ls=":")
    axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
