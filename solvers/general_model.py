"""The general model: one pretrained net that answers at once for networks it has never seen.

It reads the network itself, its starts and the time, and states the law of the counts; nothing is trained. Its answers
are approximate, and each says how far off it is expected to be. Choose it for a first look at many different networks
of four or five species; up to three species an exact law costs milliseconds, and fsp is the choice.

Y. Liu, J. Wang, PNAS 121 (2024) e2317422121, doi:10.1073/pnas.2317422121, end on the hope for such a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinetix.errors import SettingError
from kinetix.problem import Problem
from kinetix.solution import Solution

if TYPE_CHECKING:
    from .general.saved import GeneralWeights


@dataclass(frozen=True)
class General:
    """`weights`: the folder of a net of `kinetix pretrain`, or None for those that come with kinetix.

    `trust`: whether each answer is checked (see `general.trust`), which takes longer than the answer itself.
    """

    weights: str | None = None
    trust: bool = True

    def __post_init__(self) -> None:
        if not (self.weights is None or isinstance(self.weights, str | Path)):
            raise SettingError(f"weights is {self.weights!r}", place="general", mend="give a folder, or None")
        if not isinstance(self.trust, bool):
            raise SettingError(f"trust is {self.trust!r}", place="general", mend="use True or False")

    @cached_property
    def net(self) -> GeneralWeights:
        """The net itself. CheckpointError where its files are missing or damaged."""
        from .general.packaged import packaged
        from .general.saved import GeneralWeights

        return packaged() if self.weights is None else GeneralWeights.open(self.weights)

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """The laws at the problem's times, and how far to trust each; see `general.answers.solved`."""
        from .general.answers import solved

        return solved(self.net, problem, rng=rng, solver=self, trust=self.trust)
