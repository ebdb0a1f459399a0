"""The general net as its users have it: asked for laws, asked of many networks at once, adapted to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from kinetix.network import ReactionNetwork
from kinetix.problem import Problem
from kinetix.solution import Solution
from kinetix.solvers.general_model import General

from .packaged import packaged
from .saved import GeneralWeights

if TYPE_CHECKING:
    from kinetix.solvers.nets.trained_met import TrainedMET
    from kinetix.solvers.nets.training import Progress

    from .survey import Summary


class GeneralNetwork(GeneralWeights):
    """The net `core`, how it was made and how good it was found to be, as plain values."""

    @classmethod
    def packaged(cls) -> Self:
        """That of this version, which comes with kinetix."""
        found = packaged()
        return cls(found.core, found.settings, found.certificate)

    def adapt(  # noqa: PLR0913 - the face of `MET.train`
        self,
        network: ReactionNetwork,
        *,
        times: Sequence[float],
        box: Mapping[str, Any],
        budget: float | None = None,
        budget_cpu: float | None = None,
        budget_steps: int | None = None,
        teacher: str = "auto",
        seed: int | None = None,
        output: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> TrainedMET:
        """A net for one network over a box that begins as this one; see `MET.train`.

        UnsupportedFeature, by name, where the network is not of the family or its counts go beyond the net's.
        """
        from kinetix.solvers.met import MET

        return MET(teacher=teacher).train(
            network, times=times, box=box, budget=budget, budget_cpu=budget_cpu, budget_steps=budget_steps,
            start=self, seed=seed, output=output, resume=resume, progress=progress,
        )  # fmt: skip

    def solve(self, problem: Problem, *, rng: np.random.Generator) -> Solution:
        """The laws at the problem's times, and how far to trust each; see `answers.solved`."""
        from .answers import solved

        return solved(self, problem, rng=rng, solver=General(), trust=True)

    def survey(self, networks: Sequence[ReactionNetwork], time: float, *, points: int = 16) -> list[Summary]:
        """Means, deviations and marginals of many networks at a time > 0, unchecked; see `survey.survey`."""
        from .survey import survey

        return survey(self.core, networks, time, points)
