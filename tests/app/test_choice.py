"""From what a user names to a solver, a seed or a net: everything else is refused with a near miss."""

from __future__ import annotations

from pathlib import Path

import pytest

import kinetix as kx
from kinetix.app.choice import is_folder, seed_of, solver_of
from kinetix.errors import CheckpointError, SettingError
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA


def test_a_solver_is_a_name_a_class_or_an_object() -> None:
    assert solver_of("ssa", {"paths": 5}) == SSA(paths=5)
    assert solver_of(SSA, {"paths": 5}) == SSA(paths=5)
    assert solver_of(SSA(paths=9), {"threads": 1}) == SSA(paths=9, threads=1)
    assert solver_of(FSP()) == FSP()


@pytest.mark.parametrize(
    ("choice", "settings", "words"),
    [
        ("sssa", {}, "did you mean 'ssa'"),
        ("ssa", {"pahts": 5}, "did you mean 'paths'"),
        (SSA, {"pahts": 5}, "did you mean 'paths'"),
        (SSA(), {"pahts": 5}, "did you mean 'paths'"),
        ("met", {}, "train one"),
        ("van", {}, "train one"),
        (3, {}, "int cannot solve"),
    ],
)
def test_misspelt_and_untrained_solvers_are_refused(choice: object, settings: dict[str, int], words: str) -> None:
    """Mutant: unknown settings dropped."""
    with pytest.raises(SettingError, match=words):
        solver_of(choice, settings)  # type: ignore[arg-type]


def test_untrained_nets_are_told_to_train() -> None:
    from kinetix.solvers.met import MET

    for choice in (MET, MET()):
        with pytest.raises(SettingError, match="train it first"):
            solver_of(choice)


def test_folders_are_told_from_names(tmp_path: Path) -> None:
    assert is_folder(tmp_path)
    assert is_folder("net/")
    assert not is_folder("fsp")
    with pytest.raises(CheckpointError, match="absent"):
        solver_of(f"{tmp_path}/absent/")


def test_seeds_are_whole_numbers_from_zero() -> None:
    assert seed_of(7) == 7
    assert seed_of(None) != seed_of(None)
    for bad in (-1, 1.5, "3", True):
        with pytest.raises(SettingError, match="seed"):
            seed_of(bad)  # type: ignore[arg-type]


def test_a_path_is_not_a_table_of_cells() -> None:
    network = kx.parse("species X = 0\nmade: -> X; k\nk = 1")
    with pytest.raises(SettingError, match=r"data: str is not Observations; .*read_csv"):
        kx.infer(network, "cells.csv", prior={"k": kx.prior.uniform(0, 1)})  # type: ignore[arg-type]
