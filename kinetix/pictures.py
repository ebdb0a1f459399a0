"""The quick plot of a solution: means over time and the last marginals (matplotlib inside)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .answer import Answer
from .distribution import Moments
from .errors import require_known
from .style import CYCLE, label, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_solution(solution: Answer, species: str | None, path: str | Path | None) -> Figure:
    """Means with a band of one sd over time (when there are two times or more) and the last marginals.

    Of answers that state moments alone, the means, with the band where an sd is stated.
    """
    require_known([species] if species else [], solution.species, "species")
    names = [species] if species else list(solution.species)[:4]
    draws: list[Callable[[Axes, Answer, list[str]], None]] = [_over_time] if len(solution.times) > 1 else []
    if not any(isinstance(law, Moments) for law in solution.laws):
        draws.append(_last_marginals)
    with style():
        figure = new_figure(9 if len(draws) > 1 else 5, 3.4)
        for axes, draw_panel in zip(
            figure.subplots(1, max(1, len(draws)), squeeze=False)[0], draws or [_bars], strict=True
        ):
            draw_panel(axes, solution, names)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure


def _over_time(axes: Axes, solution: Answer, names: list[str]) -> None:
    """Means, with the band of one sd where it is stated; a band that begins at 0 or above stays there."""
    stated = bool(np.isfinite(solution.std()).all())
    for colour, name in zip(CYCLE, names, strict=False):
        mean = solution.mean(name)
        axes.plot(solution.times, mean, color=colour, label=label(name))
        if stated:
            sd = solution.std(name)
            low = np.maximum(mean - sd, np.minimum(mean, 0))
            axes.fill_between(solution.times, low, mean + sd, color=colour, alpha=0.18, lw=0)
    axes.set(xlabel="time", ylabel="count, mean ± sd" if stated else "mean count")
    axes.legend()


def _last_marginals(axes: Axes, solution: Answer, names: list[str]) -> None:
    last = float(solution.times[-1])
    for colour, name in zip(CYCLE, names, strict=False):
        pmf = solution.marginal(name, last)
        axes.step(np.arange(len(pmf)), pmf, where="mid", color=colour, label=label(name))
    axes.set(xlabel="count", ylabel="probability", title=f"t = {last:g}")
    axes.legend()


def _bars(axes: Axes, solution: Answer, names: list[str]) -> None:
    """Moments at one time: a bar a species, with its sd where it is stated."""
    means, sds = (np.array([values(name)[-1] for name in names]) for values in (solution.mean, solution.std))
    stated = bool(np.isfinite(sds).all())
    axes.bar([label(name) for name in names], means, yerr=sds if stated else None, color=CYCLE[: len(names)], width=0.6)
    axes.set(ylabel="count, mean ± sd" if stated else "mean count", title=f"t = {solution.times[-1]:g}")
