"""Many independent runs through joblib: the same numbers whatever the number of jobs, and where they ran.

Run i draws from a stream of (root, i) alone. On a cluster, choose joblib's backend around the call, as
`with joblib.parallel_config(backend="dask"): ...`, and leave `jobs` None.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from kinetix.errors import SettingError
from kinetix.inference.samplers.chains import Progress

Result = Mapping[str, Any]
Task = Callable[[int, np.random.Generator], Result]


def stream_of(root: int, i: int) -> np.random.Generator:
    """The generator of run i."""
    return np.random.default_rng(np.random.SeedSequence(root, spawn_key=(i,)))


def fan_out(tasks: Iterable[tuple[int, Task]], *, root: int, jobs: int | None) -> Iterator[tuple[int, Result]]:
    """The numbers and results of numbered tasks, as they end; tasks must be able to travel (pickle)."""
    from joblib import Parallel, delayed

    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0):
        raise SettingError(f"jobs is {jobs!r}", place="jobs", mend="give 1 or more, or -1 for all cores")
    work = Parallel(n_jobs=jobs, return_as="generator_unordered")
    yield from work(delayed(_run)(task, root, i) for i, task in tasks)


def _run(task: Task, root: int, i: int) -> tuple[int, Result]:
    return i, task(i, stream_of(root, i))


class Told:
    """Says to `progress` how many of `runs` are done, and how long the others will take."""

    def __init__(self, progress: Progress | None, runs: int, done: int) -> None:
        self.progress, self.runs, self.first, self.began = progress, runs, done, time.monotonic()

    def __call__(self, done: int) -> None:
        """`done` runs are there."""
        if self.progress is not None:
            each = (time.monotonic() - self.began) / max(1, done - self.first)
            left = each * (self.runs - done)
            self.progress({"fraction": done / self.runs, "runs": float(done), "seconds_left": left})
