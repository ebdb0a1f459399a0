"""From what a user names to a solver, a seed or a net: everything else is refused with a near miss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def test_a_net_in_a_folder_chains_its_laws_when_given_settings(run: Callable[..., Any], tmp_path: Path) -> None:
    """In Python and on the command line. Mutant: the settings of a net dropped."""
    model = tmp_path / "bd.txt"
    model.write_text("model bd\n  species X = 0\n  -> X; b\n  X -> ; d*X\n  b = 2; d = 1\nend\n")
    met = kx.MET(width=16, layers=1, contexts=16, held_out=0)
    box = {"b": (1.0, 3.0), "X": (0, 40)}
    met.train(kx.load(model), times=(0, 2), box=box, budget_steps=2, seed=1).save(tmp_path / "net")
    assert solver_of(tmp_path / "net", {"paths": 5}).paths == 5  # type: ignore[attr-defined]
    with pytest.raises(SettingError, match="did you mean 'paths'"):
        solver_of(tmp_path / "net", {"path": 5})
    command = ["solve", model, "--times", "1,5", "--solver", tmp_path / "net", "--seed", 1]
    code, _, _ = run(*command, "--paths", 40, "--outside", 1, "--output", tmp_path / "run.nc")
    assert code == 0
    assert kx.open(tmp_path / "run.nc").trajectories.shape == (40, 2, 1)
    code, _, error = run(*command, "--pahts", 40)
    assert code == 2
    assert "did you mean --paths?" in error
