"""From what a user names to a solver, a seed or a trained net: one place that refuses with a near miss."""

from __future__ import annotations

import dataclasses
import inspect
import secrets
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kinetix.errors import SettingError, require_seed
from kinetix.solver import Solver

NETS = ("met", "van")
"""Kinds of solver that answer only after training."""


def solver_of(choice: Solver | type | str | Path, settings: Mapping[str, Any] | None = None) -> Solver:
    """The solver meant by an object, a class, a catalogue name or the folder of a trained net.

    `settings` go to the solver's dataclass; misspelt ones are refused with the nearest name. With settings
    (`paths`, `step`), a net in a folder answers by chaining its laws.
    """
    settings = dict(settings or {})
    if isinstance(choice, str | Path):
        return _named(choice, settings)
    if isinstance(choice, type):
        require_settings(choice, settings)
        made = choice(**settings)
    elif settings and hasattr(choice, "save"):
        mend = "leave them out; trajectories come from net.chained(...)"
        raise SettingError(f"a trained net takes no settings: {', '.join(settings)}", place="solver", mend=mend)
    else:
        require_settings(type(choice), settings)
        made = dataclasses.replace(choice, **settings) if settings else choice  # type: ignore[type-var]
    if not isinstance(made, Solver):
        mend = "train it first: MET(...).train(network, ...)" if hasattr(made, "train") else "give a solver or its name"
        raise SettingError(f"{type(made).__name__} cannot solve", place="solver", mend=mend)
    return made


def require_settings(kind: type, settings: Mapping[str, Any]) -> None:
    """Refuse names that are not settings of the dataclass `kind`."""
    known = [f.name for f in dataclasses.fields(kind) if f.init] if dataclasses.is_dataclass(kind) else []
    _require_known(settings, known, kind.__name__)


def require_arguments(verb: Callable[..., Any], settings: Mapping[str, Any], *, place: str) -> None:
    """Refuse names that are not keyword arguments of the function `verb`."""
    parameters = inspect.signature(verb).parameters.values()
    _require_known(settings, [p.name for p in parameters if p.kind is p.KEYWORD_ONLY], place)


def _require_known(settings: Mapping[str, Any], known: list[str], place: str) -> None:
    for name in settings:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise SettingError(f"unknown setting {name!r}", place=place, mend=mend)


def seed_of(seed: int | None) -> int:
    """The seed given, checked, or a fresh one, to be stored with the answer."""
    if seed is None:
        return secrets.randbits(48)
    return require_seed(seed)


def is_folder(choice: object) -> bool:
    """Whether a solver is named by the path of a folder, existing or clearly meant as one."""
    if isinstance(choice, Path):
        return True
    return isinstance(choice, str) and ("/" in choice or "\\" in choice or Path(choice).is_dir())


def _named(choice: str | Path, settings: dict[str, Any]) -> Solver:
    if is_folder(choice):
        if is_general(choice):
            return _general(choice, settings)
        from kinetix.solvers.nets.checkpoint import load_net

        net = load_net(choice)
        return _chained(net, settings, str(choice)) if settings else net
    if choice in NETS:
        raise SettingError(
            f"{choice!r} is a net, which must be trained before it can answer",
            place="solver",
            mend=f"train one with `kinetix train` or {str(choice).upper()}(...).train(...), then name its folder",
        )
    from kinetix.solvers import catalogue

    return catalogue.solver(str(choice), **settings)


def is_general(folder: str | Path) -> bool:
    """Whether a folder holds a general net, not one for a network of its own."""
    from kinetix.solvers.general.saved import FORMAT
    from kinetix.solvers.nets.sealed import kind_of

    return kind_of(Path(folder)) == FORMAT


def _general(folder: str | Path, settings: Mapping[str, Any]) -> Solver:
    from kinetix.solvers.general_model import General

    require_settings(General, settings)
    return General(**{"weights": str(folder), **settings})


def _chained(net: Solver, settings: dict[str, Any], place: str) -> Solver:
    """The net as a solver that chains its laws: the settings of a net in a folder are those of its chain."""
    chained = getattr(net, "chained", None)
    if chained is None:
        reason = f"a net that does not chain takes no settings: {', '.join(settings)}"
        raise SettingError(reason, place=place, mend="leave them out")
    require_arguments(chained, settings, place=place)
    solver: Solver = chained(**settings)
    return solver
