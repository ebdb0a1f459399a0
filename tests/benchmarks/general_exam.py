"""Panels of the general model with their exact laws, made once and kept in a folder where one is given."""

from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinetix.distribution import Tabulated
from kinetix.errors import TruncationError
from kinetix.solvers.general.family import SPECIES, Batch
from kinetix.solvers.general.panels import panel
from kinetix.solvers.general.prompt import Prompted
from kinetix.solvers.general.score import Case


class Exam(NamedTuple):
    """N problems, and for each its states [n, S] (species padded, in the batch's order) and their probabilities."""

    batch: Batch
    states: list[np.ndarray]
    p: list[np.ndarray]

    @property
    def cases(self) -> list[Case]:
        """The same for the net, species in its order."""
        prompted = Prompted.of(self.batch)
        rows = zip(prompted.context, self.states, self.p, prompted.order, strict=True)
        return [Case(context, states[:, order], p) for context, states, p, order in rows]

    def joined(self, other: "Exam") -> "Exam":
        """Both."""
        return Exam(Batch.joined([self.batch, other.batch]), self.states + other.states, self.p + other.p)


def exam(name: str, number: int, seed: int, folder: Path | None = None) -> Exam:
    """So many problems of a panel, less those whose exact laws turn out too large."""
    place = folder / f"{name}-{number}-{seed}.npz" if folder else None
    if place and place.exists():
        return _read(place)
    batches, states, p = [], [], []
    for question in panel(name, number, seed):
        try:
            law = question.exact().laws[0]
        except TruncationError:
            continue
        assert isinstance(law, Tabulated)
        kept = np.nonzero(law.p > 1e-12)[0]
        counts = law.space.states(kept)
        padded = np.zeros((len(counts), SPECIES), dtype=np.int64)
        padded[:, : counts.shape[1]] = counts
        batches.append(question.batch)
        states.append(padded)
        p.append(law.p[kept])
    made = Exam(Batch.joined(batches), states, p)
    if place:
        _write(place, made)
    return made


def _write(place: Path, made: Exam) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    sizes = np.array([len(p) for p in made.p])
    parts = {f"part{k}": part for k, part in enumerate(made.batch.parts)}
    np.savez(place, sizes=sizes, states=np.concatenate(made.states).astype(np.int16), p=np.concatenate(made.p), **parts)


def _read(place: Path) -> Exam:
    with np.load(place) as file:
        batch = Batch(*(file[f"part{k}"] for k in range(len(fields(Batch)))))
        cuts = np.cumsum(file["sizes"])[:-1]
        states = np.split(file["states"].astype(np.int64), cuts)
        return Exam(batch, states, np.split(file["p"], cuts))
