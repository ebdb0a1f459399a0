"""Pictures of a posterior: parameters in pairs, and the chains that its draws come from.

Ranks of chains: A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, Bayesian Anal. 16 (2021) 667.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import require_known
from kinetix.style import (
    BLUE,
    CYCLE,
    INK,
    SOFT,
    VERMILION,
    WIDTH,
    folded,
    legend_above,
    new_figure,
    plain_log_ticks,
    style,
)

from .draws import PosteriorDraws

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kinetix.inference.unknowns.prior_base import Prior

Array = NDArray[np.float64]

SHOWN = 6
"""Parameters that a picture shows where none are named."""

BINS = 40
REGIONS = (0.5, 0.9)
DECADE = 10.0
"""The spread of draws (largest over smallest) from which a log-scale prior gets a logarithmic axis."""

TRUE: dict[str, Any] = {"color": INK, "lw": 1.1, "ls": ":"}

BLOCKS, RANKS = 60, 20
"""Pieces that a trace is cut into, and bins of ranks."""


def pairs(
    posterior: PosteriorDraws,
    *,
    names: Sequence[str] | None = None,
    truth: Mapping[str, float] | None = None,
    beside: tuple[str, PosteriorDraws] | None = None,
) -> Figure:
    """Parameters in pairs: regions that hold 50 % and 90 % of the posterior, marginals and priors on the diagonal.

    `names` chooses parameters and their order (the first six by default); `truth` marks known values.
    `beside`, a label and another posterior of the same parameters, is outlined in dashes; where it is
    None and the draws carry weights, that is the posterior before them.
    """
    shown, known = _chosen(posterior, names), dict(truth or {})
    require_known(known, [*posterior.names, *posterior.network.theta_names], "parameter")
    layers = [_Layer.of("posterior" + _of_how_many(posterior, shown), posterior, shown, BLUE, filled=True)]
    if beside is None and posterior.weights is not None:
        beside = ("before the exact stage", posterior.uncorrected())
    if beside is not None:
        layers.append(_Layer.of(*beside, shown, VERMILION, filled=False))
    rows = [_Axis.of(n, _reach(n, posterior, beside), posterior.prior[n], known.get(n)) for n in shown]
    with style():
        size = min(WIDTH, 1.9 * len(rows) + 0.9)
        figure = new_figure(max(size, 4.6), 0.92 * size)
        grid = figure.subplots(len(rows), len(rows), squeeze=False)
        for i, j in np.ndindex(grid.shape):
            axes: Axes = grid.item(i, j)
            if j > i:
                axes.set_axis_off()
                continue
            if i == j:
                _marginal(axes, rows[i], layers, i)
            else:
                _regions(axes, rows[j], rows[i], layers, (j, i))
            _frame(axes, rows, i, j)
        if any(axis.truth is not None for axis in rows):
            grid[0, 0].plot([], [], **TRUE, label="true value")
        legend_above(figure, grid[0, 0], columns=2 if len(rows) < 3 else 4)
        return figure


def trace(posterior: PosteriorDraws, *, names: Sequence[str] | None = None) -> Figure:
    """The chains of each parameter: their medians and middle 90 % as they ran, and the ranks of their draws.

    Chains that agree lie on one another, and each has as many draws of every rank. Weights play no part, and
    chains are those of the sampler, before sub-chains corrected them.
    """
    posterior = posterior if posterior.before is None else posterior.uncorrected()
    shown = _chosen(posterior, names)
    with style():
        figure = new_figure(WIDTH, 0.5 + 1.55 * len(shown))
        grid = figure.subplots(len(shown), 2, squeeze=False, width_ratios=(2, 1))
        for (left, right), name in zip(grid, shown, strict=True):
            draws = posterior.draws[:, :, posterior.names.index(name)]
            _traces(left, draws)
            _ranks(right, draws)
            ends = np.quantile(draws, [0.0005, 0.9995])
            if _is_log(posterior.prior[name], *ends):
                left.set_yscale("log")
                plain_log_ticks(left, "y", _log_steps(*ends), 4)
            left.set_ylabel(folded(name))
        for axes in grid[:-1].flat:
            axes.tick_params(labelbottom=False)
        grid[0, 0].set_title("the chains as they ran")
        grid[0, 1].set_title("share of each rank")
        grid[-1, 0].set_xlabel("draw")
        grid[-1, 1].set_xlabel("rank among all chains")
        legend_above(figure, grid[0, 0], columns=6)
        return figure


# layers and axes -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Layer:
    """Draws [n, P] of the shown parameters with weights [n], worth so many `effective` ones, and their look."""

    label: str
    draws: Array
    weights: Array
    effective: float
    colour: str
    filled: bool

    @classmethod
    def of(cls, label: str, posterior: PosteriorDraws, shown: Sequence[str], colour: str, *, filled: bool) -> _Layer:
        held = posterior.flat_weights > 0
        columns = [posterior.names.index(name) for name in shown]
        w = posterior.flat_weights[held]
        chains = [float(posterior.diagnostics.get(name, {}).get("ess_bulk", np.inf)) for name in shown]
        effective = min([float(1 / (w @ w)), *(ess for ess in chains if ess > 1)])
        return cls(label, posterior.flat[held][:, columns], w, effective, colour, filled)

    def smoothing(self, values: Array, axes: int) -> float:
        """The width in bins over which a histogram of so many axes is smoothed (Scott's rule, within reason)."""
        sd = np.sqrt(self.weights @ (values - self.weights @ values) ** 2)
        return float(np.clip(sd * self.effective ** (-1 / (axes + 4)), 1.0, 3.0))


@dataclass(frozen=True, eq=False)
class _Axis:
    """One parameter: the edges [BINS + 1] of its bins, on a logarithmic axis or not, and its prior."""

    name: str
    edges: Array
    log: bool
    prior: Prior
    truth: float | None

    @classmethod
    def of(cls, name: str, reach: tuple[float, float], prior: Prior, truth: float | None) -> _Axis:
        log = _is_log(prior, *reach)
        low, high = np.log(reach) if log else reach
        pad = 0.05 * (high - low) or 0.5
        edges = np.linspace(low - pad, high + pad, BINS + 1)
        return cls(name, np.exp(edges) if log else edges, log, prior, truth)

    @property
    def middle(self) -> Array:
        """The middles of the bins: [BINS]."""
        first, last = self.edges[:-1], self.edges[1:]
        return np.asarray(np.sqrt(first * last) if self.log else 0.5 * (first + last))

    @property
    def limits(self) -> tuple[float, float]:
        """Where the axis ends: with the true value inside."""
        known = [] if self.truth is None or (self.log and self.truth <= 0) else [self.truth]
        return min(float(self.edges[0]), *known, np.inf), max(float(self.edges[-1]), *known, -np.inf)

    def bins(self, draws: Array) -> Array:
        """Draws [n] in units of bins, from 0 at the first edge."""
        first, second = np.log(self.edges[:2]) if self.log else self.edges[:2]
        return np.asarray(((np.log(draws) if self.log else draws) - first) / (second - first))

    def possible(self) -> NDArray[np.bool_]:
        """Whether the prior reaches into a bin: smoothing may not carry draws beyond its ends. [BINS]."""
        low, high = self.prior.bounds()
        return np.asarray((self.edges[1:] >= low) & (self.edges[:-1] <= high))

    def believed(self) -> Array:
        """The prior's probability in each bin: [BINS]."""
        return np.array([self.prior.mass(a, b) for a, b in zip(self.edges[:-1], self.edges[1:], strict=True)])


def _chosen(posterior: PosteriorDraws, names: Sequence[str] | None) -> tuple[str, ...]:
    require_known(names or (), posterior.names, "parameter")
    return tuple(names) if names else posterior.names[:SHOWN]


def _of_how_many(posterior: PosteriorDraws, shown: Sequence[str]) -> str:
    return "" if len(shown) == len(posterior.names) else f" ({len(shown)} of {len(posterior.names)} parameters)"


def _reach(name: str, posterior: PosteriorDraws, beside: tuple[str, PosteriorDraws] | None) -> tuple[float, float]:
    """From where to where the draws of all layers lie, but for some hundredths of a per cent."""
    layers = [posterior, beside[1]] if beside is not None else [posterior]
    ends = np.array([p.quantile([0.0005, 0.9995])[:, p.names.index(name)] for p in layers])
    return float(ends[:, 0].min()), float(ends[:, 1].max())


def _is_log(prior: Prior, low: float, high: float) -> bool:
    return prior.log_scale and 0 < DECADE * low < high


def _log_steps(low: float, high: float) -> tuple[float, ...]:
    return (1.0,) if high > 30 * low else (1.0, 3.0)


# panels --------------------------------------------------------------------------------------------


def _marginal(axes: Axes, axis: _Axis, layers: Sequence[_Layer], i: int) -> None:
    from scipy.ndimage import gaussian_filter1d

    for layer in layers:
        bins = axis.bins(layer.draws[:, i])
        raw, _ = np.histogram(bins, np.arange(BINS + 1), weights=layer.weights)
        mass = gaussian_filter1d(raw, layer.smoothing(bins, 1), mode="constant") * (axis.possible() | (raw > 0))
        if layer.filled:
            axes.fill_between(axis.middle, mass, color=layer.colour, alpha=0.25, lw=0)
        axes.plot(axis.middle, mass, color=layer.colour, lw=1.5, ls="-" if layer.filled else "--", label=layer.label)
    axes.plot(axis.middle, axis.believed(), color=SOFT, lw=1, label="prior")
    axes.set_ylim(0, None)


def _regions(axes: Axes, x: _Axis, y: _Axis, layers: Sequence[_Layer], which: tuple[int, int]) -> None:
    """The smallest regions that hold 50 % and 90 %."""
    from scipy.ndimage import gaussian_filter

    for layer in layers:
        bins = [axis.bins(layer.draws[:, k]) for axis, k in zip((x, y), which, strict=True)]
        raw, _, _ = np.histogram2d(bins[0], bins[1], np.arange(BINS + 1), weights=layer.weights)
        mass = gaussian_filter(raw, [layer.smoothing(b, 2) for b in bins], mode="constant")
        mass *= np.outer(x.possible(), y.possible()) | (raw > 0)
        falling = np.sort(mass.ravel())[::-1]
        held = np.cumsum(falling) / falling.sum()
        levels = sorted({float(falling[int(np.searchsorted(held, share))]) for share in REGIONS})
        if layer.filled:
            shades = [_lighter(layer.colour, 0.75), _lighter(layer.colour, 0.5)][-len(levels) :]
            axes.contourf(x.middle, y.middle, mass.T, [*levels, float(falling[0]) * 1.001], colors=shades)
        line = "-" if layer.filled else "--"
        axes.contour(x.middle, y.middle, mass.T, levels, colors=layer.colour, linewidths=1.1, linestyles=line)


def _frame(axes: Axes, rows: Sequence[_Axis], i: int, j: int) -> None:
    """Limits, ticks, names and true values of one panel."""
    sides: list[tuple[Literal["x", "y"], _Axis, Any]] = [("x", rows[j], axes.axvline), ("y", rows[i], axes.axhline)]
    for which, axis, mark in sides:
        if which == "y" and i == j:
            continue
        if axis.truth is not None:
            mark(axis.truth, **TRUE)
        if axis.log:
            axes.set(**{f"{which}scale": "log"})
            plain_log_ticks(axes, which, _log_steps(*axis.limits), 4)
        else:
            axes.locator_params(which, nbins=3, min_n_ticks=2)
        axes.set(**{f"{which}lim": axis.limits})
    axes.tick_params(labelsize=7.5)
    if i == len(rows) - 1:
        axes.set_xlabel(folded(rows[j].name))
    else:
        axes.tick_params(labelbottom=False)
    if i == j:
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    elif j == 0:
        axes.set_ylabel(folded(rows[i].name))
    else:
        axes.tick_params(labelleft=False)


def _traces(axes: Axes, draws: Array) -> None:
    """Blocks of following draws of each chain [C, n]: the median as a line, the middle 90 % as a band."""
    edges = np.unique(np.linspace(0, draws.shape[1], BLOCKS + 1).astype(int))
    middle = 0.5 * (edges[1:] + edges[:-1])
    for c, chain in enumerate(draws):
        low, centre, high = np.array([np.quantile(b, [0.05, 0.5, 0.95]) for b in np.split(chain, edges[1:-1])]).T
        colour = CYCLE[c % len(CYCLE)]
        axes.fill_between(middle, low, high, color=colour, alpha=0.12, lw=0)
        axes.plot(middle, centre, color=colour, lw=1.1, label=f"chain {c + 1}" if c < len(CYCLE) else None)
    axes.set_xlim(0, draws.shape[1])


def _ranks(axes: Axes, draws: Array) -> None:
    """How many draws of each chain [C, n] have each rank: level lines where the chains agree."""
    from scipy.stats import rankdata

    rank = (rankdata(draws).reshape(draws.shape) - 0.5) / draws.size
    steps = np.linspace(0, 1, RANKS + 1)
    for c, chain in enumerate(rank):
        share = np.histogram(chain, steps)[0] * RANKS / draws.shape[1]
        axes.stairs(share, steps, color=CYCLE[c % len(CYCLE)], lw=1.2)
    axes.axhline(1, color=SOFT, lw=1, ls=":")
    axes.set(xlim=(0, 1), ylim=(0, max(2.0, axes.get_ylim()[1])), xticks=[0, 0.5, 1])


def _lighter(colour: str, towards_white: float) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    r, g, b = (1 - (1 - c) * (1 - towards_white) for c in to_rgb(colour))
    return r, g, b
