"""When a condition on the counts is first met, asked of a network by the names of its species."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetix.errors import SettingError
from kinetix.network import ReactionNetwork
from kinetix.problem import Problem

if TYPE_CHECKING:
    from kinetix.solvers.first_passage import FirstPassage
    from kinetix.solvers.fsp import FSP

Counts = NDArray[np.int64]


class _ByName(dict[str, Counts]):
    """Counts by the names of species; an unknown name is refused with those that there are."""

    def __missing__(self, name: str) -> Counts:
        raise SettingError(
            f"the condition asks for {name!r}", place="first_passage", mend=f"there are: {', '.join(self)}"
        )


def first_passage(
    network: ReactionNetwork,
    times: ArrayLike,
    condition: Callable[[Mapping[str, Counts]], NDArray[np.bool_]],
    *,
    parameters: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
    solver: FSP | None = None,
) -> FirstPassage:
    """The law of the time at which `condition` first holds, at `times` [T], with a bound on its error.

    `condition` takes counts by name, each [N], and says for each state whether it is met: as
    `lambda x: x["P"] >= 50`. By finite state projection: see `kinetix.solvers.first_passage`.
    """
    from kinetix.solvers import first_passage as passages

    names = network.species_names

    def met(counts: Counts) -> NDArray[np.bool_]:
        return np.asarray(condition(_ByName(zip(names, counts.T, strict=True))), dtype=np.bool_)

    problem = Problem.of(network, times, parameters=parameters, initial=initial)
    return passages.first_passage(problem, met, solver=solver)
