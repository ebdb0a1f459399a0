"""Simulation-based calibration: whether posteriors are right on average over the prior, in hundreds of experiments.

Parameters from the prior make cells, inference gets the cells, and the rank of the true value among
posterior draws must be uniform. So must that of the log-likelihood, which notices when data are ignored.
S. Talts et al., arXiv:1804.06788 (2018); M. Modrák et al., Bayesian Anal. 20 (2025) 461.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinetix.errors import SettingError
from kinetix.journal import Journal
from kinetix.provenance import versions
from kinetix.solver import Solver
from kinetix.storage import plain, replacing

from .priors import from_table, to_table
from .samplers.chains import Progress
from .studies.coverage import Coverage, coverage
from .studies.experiments import ByInfer, Design, Experiment, Sampler, on_scale
from .studies.fan_out import Told, fan_out
from .studies.uniformity import Uniformity, uniformity

if TYPE_CHECKING:
    import matplotlib.figure

Array = NDArray[np.float64]
Ranks = NDArray[np.int64]

LOG_LIKELIHOOD = "log-likelihood"
"""The quantity that is ranked beside the parameters."""

ALARM = 1e-3
"""The p-value of a quantity below which its ranks are not uniform."""

LEARNT = 0.05
"""The mean share of a prior's variance that the data take away, from which they say anything at all."""

FEWEST = 20
"""Runs from which ranks are judged."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """R runs: `ranks` [R, P + 1] of the truth among `draws` posterior draws (parameters, then log-likelihood).

    `truths` [R, P]; `contraction` [R, P] is the share of the prior's variance that the data took away and
    `z` [R, P] the truth's distance from the posterior mean in posterior standard deviations, both on the
    prior's scale; `doubts` [R] says why a run's posterior was not to be trusted ("" where it was): such
    runs count, as leaving them out would flatter. `names` are the P parameters.
    """

    names: tuple[str, ...]
    ranks: Ranks
    draws: int
    truths: Array
    contraction: Array
    z: Array
    doubts: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """R."""
        return len(self.ranks)

    @property
    def quantities(self) -> tuple[str, ...]:
        """What is ranked."""
        return (*self.names, LOG_LIKELIHOOD)

    @cached_property
    def tests(self) -> Mapping[str, Uniformity]:
        """The tests of every quantity's ranks."""
        return {q: uniformity(self.ranks[:, i], self.draws) for i, q in enumerate(self.quantities)}

    @cached_property
    def coverage(self) -> Mapping[str, tuple[Coverage, ...]]:
        """How often central intervals hold the true value of every parameter."""
        return {name: coverage(self.ranks[:, i], self.draws) for i, name in enumerate(self.names)}

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, one line each; none where the posteriors are calibrated as far as so many runs can tell."""
        found = []
        for name, test in self.tests.items():
            if test.p_value < ALARM:
                found.append(f"{name}: ranks are not uniform (p = {test.p_value:.1g}){_seen(name, test)}")
        for name, rows in self.coverage.items():
            found += [f"{name}: {row}" for row in rows if not row.passes]
        if (self.contraction.mean(axis=0) < LEARNT).all():
            told = ", ".join(f"{100 * c:.1f} %" for c in self.contraction.mean(axis=0))
            found.append(f"the posteriors are as wide as the prior (variance taken away by the data: {told})")
        return tuple(found)

    @property
    def passes(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.faults

    def __str__(self) -> str:
        """The verdict, and a table with one row a quantity."""
        verdict = "CALIBRATED" if self.passes else "NOT CALIBRATED"
        untrusted = sum(map(bool, self.doubts))
        about = f"{self.runs} runs, ranks among {self.draws} draws"
        about += f"; {untrusted} posteriors not to be trusted" if untrusted else ""
        head = f"{'quantity':<18}{'bins':>8}{'band':>8}{'bias':>8}{'width':>8}{'p':>9}{'contraction':>13}  coverage"
        lines = [f"{verdict}: {about}", *(f"  {fault}" for fault in self.faults), head]
        for i, (name, t) in enumerate(self.tests.items()):
            row = f"{name:<18}{t.chi_squared:>8.2g}{t.ecdf:>8.2g}{t.location:>8.2g}{t.spread:>8.2g}{t.p_value:>9.2g}"
            if name in self.coverage:
                row += f"{100 * self.contraction[:, i].mean():>11.1f} %  "
                row += ", ".join(f"{100 * c.share:.0f}/{100 * c.nominal:.0f} %" for c in self.coverage[name])
            lines.append(row)
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            "passes": self.passes,
            "faults": list(self.faults),
            "runs": self.runs,
            "draws": self.draws,
            "tests": {name: {**asdict(t), "p_value": t.p_value} for name, t in self.tests.items()},
            "coverage": {name: [asdict(row) for row in rows] for name, rows in self.coverage.items()},
            "contraction": dict(zip(self.names, self.contraction.mean(axis=0).tolist(), strict=True)),
            "doubts": list(self.doubts),
            "ranks": {name: self.ranks[:, i].tolist() for i, name in enumerate(self.quantities)},
            "truths": {name: self.truths[:, i].tolist() for i, name in enumerate(self.names)},
            "z": {name: self.z[:, i].tolist() for i, name in enumerate(self.names)},
            "meta": dict(self.meta),
        }

    def save(self, path: str | Path) -> None:
        """Write everything as JSON."""
        with replacing(Path(path)) as temporary:
            temporary.write_text(json.dumps(self.as_dict(), default=plain), encoding="utf-8")

    def plot(self) -> matplotlib.figure.Figure:
        """Histograms of ranks and their distribution functions with the 95 % band: a matplotlib Figure."""
        from .studies.rank_plots import rank_figure

        return rank_figure(self)


def calibrate(  # noqa: PLR0913 - one argument a part of the experiment
    design: Design,
    *,
    likelihood: Solver,
    simulator: Solver,
    root: int,
    sampler: Sampler | None = None,
    exact: Solver | None = None,
    runs: int = 300,
    draws: int = 99,
    jobs: int | None = 1,
    output: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Calibration:
    """Repeat an experiment `runs` times with truths from the prior, and judge the ranks of the truths.

    Cells are drawn by `simulator`, which should be exact and share no code with `likelihood`; `sampler` is
    `infer` with `likelihood`, `exact` and `settings` where it is None. The truth is ranked among `draws` draws
    of each posterior. Run i depends on (`root`, i) alone, so that the numbers are the same for any
    `jobs` (-1: all cores); with a folder `output` runs are kept as they end, and `resume` goes on to `runs`
    in all. RunError where a run fails: leaving it out would flatter.
    """
    for name, value, low in (("runs", runs, FEWEST), ("draws", draws, 9)):
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise SettingError(f"{name} is {value!r}", place="calibrate", mend=f"give {low} or more")
    began = time.process_time()
    way = ByInfer(likelihood, exact, dict(settings or {})) if sampler is None else sampler
    task = Experiment(design, simulator, likelihood, way, draws)
    question = _question(task, root)
    notes: list[str] = []
    if output is None:
        found = _collected(task, {}, runs, root, jobs, None, progress)
    else:
        with Journal(Path(output), question, resume) as journal:
            known = {k: content for k, (content, _) in journal.whole().items() if k < runs}
            found, notes = _collected(task, known, runs, root, jobs, journal, progress), journal.notes
    spent = {"cpu_seconds": time.process_time() - began, "versions": versions(), "notes": notes}
    return _judged(design, [found[i] for i in range(runs)], draws, {**question, **spent})


def _collected(
    task: Experiment,
    known: Mapping[int, Mapping[str, Any]],
    runs: int,
    root: int,
    jobs: int | None,
    journal: Journal | None,
    progress: Progress | None,
) -> dict[int, Mapping[str, Any]]:
    """The results of all runs: those known, and the others as they end, written down at once."""
    found, told = dict(known), Told(progress, runs, len(known))
    for i, result in fan_out(((i, task) for i in range(runs) if i not in known), root=root, jobs=jobs):
        if journal is not None:
            journal.write(i, result)
        found[i] = result
        told(len(found))
    return found


def _question(task: Experiment, root: int) -> dict[str, Any]:
    """What a folder of runs answers, in plain values."""
    from .sampling import told

    design, way = task.design, task.sampler
    return {
        "of": "calibration",
        "model": design.network.fingerprint,
        "prior": to_table(from_table(design.prior)),
        "times": [str(t) for t in design.times.tolist()],
        "cells": design.cells.tolist(),
        "species": list(design.species),
        "simulator": told(task.simulator),
        "likelihood": told(task.likelihood),
        "sampler": type(way).__name__,
        "exact": told(way.exact) if isinstance(way, ByInfer) and way.exact is not None else None,
        "settings": dict(way.settings) if isinstance(way, ByInfer) else {},
        "draws": task.draws,
        "seed": root,
    }


def _judged(design: Design, found: Sequence[Mapping[str, Any]], draws: int, meta: Mapping[str, Any]) -> Calibration:
    truths, means, sds = (np.array([run[key] for run in found], dtype=np.float64) for key in ("truth", "mean", "sd"))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (on_scale(truths, design.free) - means) / sds
    return Calibration(
        tuple(design.free),
        np.array([run["ranks"] for run in found], dtype=np.int64),
        draws,
        truths,
        1 - sds**2 / prior_variance(design),
        z,
        tuple(str(run["why"]) for run in found),
        meta,
    )


def prior_variance(design: Design) -> Array:
    """The variance of every prior on its own scale: [P]."""
    grid = np.stack([p.quantile((np.arange(4000) + 0.5) / 4000) for p in design.free.values()], axis=-1)
    return np.asarray(on_scale(grid, design.free).var(axis=0))


def _seen(name: str, test: Uniformity) -> str:
    """What the ranks look like, where it is a shift or a width."""
    if name == LOG_LIKELIHOOD:
        return ": the posterior weighs the data wrongly" if test.p_value < ALARM else ""
    told = []
    if 4 * test.location < ALARM:
        told.append(f"posteriors lie {abs(test.bias):.2f} sd {'below' if test.bias > 0 else 'above'} the truth")
    if 4 * test.spread < ALARM:
        told.append(f"posterior sds are {1 / test.width:.2f} times what they should be")
    return f": {', '.join(told)}" if told else ""
