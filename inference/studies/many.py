"""One model, many tables of cells: the same question for each of a thousand genes, and one table of answers.

Every table is its own posterior, from its own stream of random numbers, so that the answers are the same in any
order and for any number of jobs. A table that cannot be answered is a row that says why; the others go on.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kinetix.errors import DataError, KinetixError, SettingError
from kinetix.inference.data.cell_table import read_table
from kinetix.inference.observations import Observations
from kinetix.inference.posterior import Posterior
from kinetix.inference.posteriors.checks import check_posterior
from kinetix.inference.posteriors.summary import warnings_of
from kinetix.inference.priors import from_table, to_table
from kinetix.inference.samplers.chains import Progress
from kinetix.inference.unknowns.prior_base import Prior
from kinetix.journal import Journal
from kinetix.network import ReactionNetwork
from kinetix.solver import Solver
from kinetix.storage import plain, replacing

from .fan_out import Told, fan_out

COLUMNS = ("mean", "sd", "q05", "q50", "q95", "contraction", "rhat", "ess")
"""What is told of every parameter."""


@dataclass(frozen=True)
class Row:
    """What one table of cells said. `verdict` is "trusted", why not, or why there is no answer (`failed`)."""

    name: str
    cells: int
    verdict: str
    trusted: bool
    failed: bool = False
    parameters: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Many:
    """A row for every table, in the order given; `parameters` are the P that were inferred."""

    rows: tuple[Row, ...]
    parameters: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trusted(self) -> int:
        """How many posteriors are to be trusted."""
        return sum(row.trusted for row in self.rows)

    @property
    def failed(self) -> int:
        """How many tables have no answer."""
        return sum(row.failed for row in self.rows)

    def __str__(self) -> str:
        head = f"{len(self.rows)} tables: {self.trusted} trusted, {len(self.rows) - self.trusted - self.failed} not, "
        lines = [f"{head}{self.failed} without answer"]
        lines.append(
            f"{'table':<16}{'cells':>7}" + "".join(f"{p + ' (5 to 95 %)':>28}" for p in self.parameters) + "  verdict"
        )
        for row in self.rows:
            told = "".join(f"{_interval(row.parameters.get(p)):>28}" for p in self.parameters)
            lines.append(f"{row.name:<16.16}{row.cells:>7}{told}  {row.verdict}")
        return "\n".join(lines)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows as flat dictionaries: name, cells, verdict, trusted, findings, then `parameter mean` and so on."""
        found = []
        for row in self.rows:
            flat: dict[str, Any] = {
                "name": row.name,
                "cells": row.cells,
                "trusted": row.trusted,
                "verdict": row.verdict,
            }
            flat["findings"] = " ".join(row.findings)
            for p in self.parameters:
                flat |= {f"{p} {column}": row.parameters.get(p, {}).get(column) for column in COLUMNS}
            found.append(flat)
        return found

    def save(self, path: str | Path) -> None:
        """Write the table as CSV."""
        text = io.StringIO()
        rows = self.as_dicts()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with replacing(Path(path)) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")


@dataclass(frozen=True, eq=False)
class Fit:
    """A task for `fan_out`: the posterior of one table, as a row of plain values."""

    network: ReactionNetwork
    name: str
    data: Observations
    prior: Mapping[str, Prior]
    likelihood: Solver
    exact: Solver | None
    settings: Mapping[str, Any]

    def __call__(self, i: int, rng: np.random.Generator) -> dict[str, Any]:
        """The row of table `i`."""
        from kinetix.inference.sampling import infer

        about = {"name": self.name, "cells": self.data.cells}
        solvers = {"likelihood": self.likelihood, "exact": self.exact}
        try:
            found = infer(self.network, self.data, prior=self.prior, rng=rng, **solvers, **self.settings)  # type: ignore[arg-type]
        except KinetixError as problem:
            return {
                **about,
                "verdict": str(problem),
                "trusted": False,
                "failed": True,
                "parameters": {},
                "findings": [],
            }
        return {**about, **_told(found), "failed": False}


def infer_many(  # noqa: PLR0913 - the face of api.md
    network: ReactionNetwork,
    tables: Mapping[str, Observations],
    *,
    prior: Mapping[str, Any],
    likelihood: Solver,
    exact: Solver | None = None,
    root: int,
    jobs: int | None = 1,
    output: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Many:
    """The posterior of the parameters in `prior` for each of the `tables`; `settings` go to `infer`.

    Table i draws from the stream of (`root`, i). With a folder `output` rows are kept as they end, and `resume`
    makes only those that are missing.
    """
    if not tables:
        raise SettingError("there are no tables", place="infer_many", mend="give name -> Observations")
    for data in tables.values():
        data.require_species(network)
    given = from_table(prior)
    ways = (likelihood, exact, dict(settings or {}))
    tasks = [Fit(network, name, data, given, *ways) for name, data in tables.items()]
    question = _question(tasks, root)
    notes: list[str] = []
    with ExitStack() as stack:
        journal = None
        if output is not None:
            journal = stack.enter_context(Journal(Path(output), question, resume, notes))
        found = {} if journal is None else {k: row for k, (row, _) in journal.whole().items() if k < len(tasks)}
        told = Told(progress, len(tasks), len(found))
        for i, row in fan_out(((i, t) for i, t in enumerate(tasks) if i not in found), root=root, jobs=jobs):
            if journal is not None:
                journal.write(i, row)
            found[i] = dict(row)
            told(len(found))
    rows = tuple(_row(found[i]) for i in range(len(tasks)))
    names = tuple(dict.fromkeys(name for row in rows for name in row.parameters))
    return Many(rows, names, {**question, "notes": notes})


def read_tables(path: str | Path, species: str, *, time: str | float | None = None) -> dict[str, Observations]:
    """A table with one column a data set (a gene), each of counts of `species`: name -> Observations.

    One row a cell, with a column of times or one `time` for all, as for `Observations.read_csv`.
    """
    place = Path(path)
    table = read_table(place, time=time, columns=None, header=True)
    found = {
        name: Observations.from_counts([species], table.times, table.counts[:, j]) for j, name in enumerate(table.names)
    }
    if not found:
        raise DataError("no column holds counts", file=str(place), mend="give one column a data set")
    return found


def _told(posterior: Posterior) -> dict[str, Any]:
    """A posterior as plain values."""
    verdicts = warnings_of(posterior)
    parameters = {
        row.name: {
            **{name: _finite(getattr(row, name)) for name in COLUMNS[:-1]},
            "ess": _finite(min(row.ess_bulk, row.ess_tail)),
        }
        for row in posterior.summary().rows
    }
    return {
        "verdict": "; ".join(verdicts) or "trusted",
        "trusted": posterior.trusted,
        "parameters": parameters,
        "findings": sorted({finding.code for finding in check_posterior(posterior)}),
    }


def _row(told: Mapping[str, Any]) -> Row:
    return Row(**{**told, "findings": tuple(told["findings"])})


def _question(tasks: list[Fit], root: int) -> dict[str, Any]:
    """What a folder of rows answers, in plain values."""
    from kinetix.inference.sampling import told

    first = tasks[0]
    digest = hashlib.sha256("\n".join(f"{task.name}\x1f{task.data.digest}" for task in tasks).encode()).hexdigest()
    return {
        "of": "many tables",
        "model": first.network.fingerprint,
        "tables": digest,
        "prior": to_table(first.prior),
        "likelihood": told(first.likelihood),
        "exact": None if first.exact is None else told(first.exact),
        "settings": json.loads(json.dumps(dict(first.settings), default=plain)),
        "seed": root,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _interval(told: Mapping[str, float | None] | None) -> str:
    if told is None:
        return ""
    return f"{told['q50']:.4g} ({told['q05']:.4g} to {told['q95']:.4g})"
