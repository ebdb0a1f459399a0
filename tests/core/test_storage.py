"""Solutions and networks survive the disk bit for bit, and damage is refused."""

from pathlib import Path

import numpy as np
import pytest

from kinetix.distribution import Fractional, Moments, PointMass, Sampled, Tabulated
from kinetix.errors import CheckpointError, SettingError
from kinetix.expressions import TIME, symbol
from kinetix.listed import Listed
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action
from kinetix.problem import Problem
from kinetix.serial import network_from_json, network_to_json
from kinetix.solution import Solution
from kinetix.solution_reader import load_solution
from kinetix.solution_writer import save_solution
from kinetix.space import StateSpace

DIMER = ReactionNetwork(
    [Species("P", 10, "cell"), Species("lambda", 0)],
    [Parameter("k1", 0.1), Parameter("k2", 1 / 3)],
    [
        Reaction("bind", {"P": 2}, {"lambda": 1}, mass_action("k1", {"P": 2}), symbol("k1") * symbol("P") ** 2 / 2),
        Reaction("split", {"lambda": 1}, {"P": 2}, symbol("k2") * symbol("lambda") * (1 + 0.1 * TIME)),
    ],
    constants=[Parameter("cell", 2.0, "compartment")],
    variables={"total": symbol("P") + 2 * symbol("lambda")},
)


def table() -> Solution:
    space = StateSpace.conserved(DIMER.conservation_laws(), [10, 0], [10, 5])
    p = np.random.default_rng(1).dirichlet(np.ones(space.size)) * (1 - 1e-9)
    problem = Problem.of(DIMER, [0.0, 1.0])
    return Solution.of(problem, [problem.initial, Tabulated(space, p)], error=1e-9, meta={"seed": 7})


def test_a_network_survives_json() -> None:
    back = network_from_json(network_to_json(DIMER))
    assert back.fingerprint == DIMER.fingerprint
    assert back.reactions[0].law == DIMER.reactions[0].law
    assert back.constants == DIMER.constants


def test_a_damaged_network_is_refused() -> None:
    data = network_to_json(DIMER)
    data["reactions"][0][3] = ["__import__", ["name", "os"]]
    with pytest.raises(CheckpointError, match="unknown operation"):
        network_from_json(data)


def test_laws_survive_the_disk(tmp_path: Path) -> None:
    solution = table()
    solution.save(tmp_path / "run.nc")
    back = load_solution(tmp_path / "run.nc")
    assert isinstance(back.laws[1], Tabulated)
    assert isinstance(solution.laws[1], Tabulated)
    np.testing.assert_array_equal(back.laws[1].p, solution.laws[1].p)
    assert isinstance(solution.laws[0], PointMass)
    np.testing.assert_array_equal(back.mean(), solution.mean())
    assert (back.error, back.meta["seed"]) == (1e-9, 7)
    assert [p.name for p in tmp_path.iterdir()] == ["run.nc"]


def test_trajectories_survive_the_disk(tmp_path: Path) -> None:
    paths = np.random.default_rng(2).integers(0, 9, (50, 2, 2))
    problem = Problem.of(DIMER, [0.0, 1.0])
    solution = Solution.of(problem, [Sampled(paths[:, k]) for k in range(2)], trajectories=paths)
    save_solution(solution, tmp_path / "run.nc")
    back = load_solution(tmp_path / "run.nc")
    assert back.trajectories is not None
    np.testing.assert_array_equal(back.trajectories, paths)
    assert back.error is None


def test_a_changed_number_is_refused(tmp_path: Path) -> None:
    """Mutant: a reader that does not compare the digest returns the altered law in silence."""
    import h5py

    path = tmp_path / "run.nc"
    table().save(path)
    with h5py.File(path, "r+") as file:
        file["law1_p"][2] *= 1.0000001
    with pytest.raises(CheckpointError, match=r"run\.nc: the content does not match its digest"):
        load_solution(path)


@pytest.mark.parametrize("content", [b"", b"not netcdf at all", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_what_is_no_result_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.nc"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"run\.nc"):
        load_solution(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.nc"
    table().save(path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        table().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.nc"]


def test_another_ending_is_refused_before_anything_is_written(tmp_path):
    """Mutant: netCDF in run.csv, which `kinetix.open` then refuses to read."""
    with pytest.raises(SettingError, match=r"run\.csv: .*end it with \.nc"):
        table().save(tmp_path / "run.csv")
    assert not list(tmp_path.iterdir())


def test_moments_fractions_and_changing_parameters_survive_the_disk(tmp_path: Path) -> None:
    """Mutants: the spread dropped; thetas dropped; amounts rounded to counts."""
    rng = np.random.default_rng(4)
    problem = Problem.of(DIMER, [0.0, 1.0, 2.0], initial={"P": 2.5})
    assert isinstance(problem.initial, Fractional)
    laws = [problem.initial, Moments(rng.random(2)), Moments(rng.random(2), rng.random((2, 2)))]
    solution = Solution.of(problem, laws, thetas=rng.random((3, 3)))
    save_solution(solution, tmp_path / "run.nc")
    back = load_solution(tmp_path / "run.nc")
    first, second, third = back.laws
    assert isinstance(first, Fractional)
    assert isinstance(second, Moments)
    assert isinstance(third, Moments)
    np.testing.assert_array_equal(first.amounts, problem.initial.amounts)
    assert first.culprit == problem.initial.culprit
    np.testing.assert_array_equal(second.centre, laws[1].centre)
    assert second.spread is None
    np.testing.assert_array_equal(third.spread, laws[2].spread)
    np.testing.assert_array_equal(back.thetas, solution.thetas)
    assert load_solution_of(table(), tmp_path).thetas is None


def load_solution_of(solution: Solution, folder: Path) -> Solution:
    save_solution(solution, folder / "other.nc")
    return load_solution(folder / "other.nc")


def test_a_law_on_a_list_survives_the_disk(tmp_path: Path) -> None:
    law = Listed(np.array([[10, 0], [8, 1]]), np.array([0.25, 0.75]))
    solution = Solution.of(Problem.of(DIMER, [1.0]), [law], error=0.0, meta={})
    solution.save(tmp_path / "run.nc")
    back = load_solution(tmp_path / "run.nc")
    assert back.log_prob([[10, 0], [8, 1], [6, 2]], 1.0).tolist() == [np.log(0.25), np.log(0.75), -np.inf]
    assert back.marginal("lambda", 1.0).tolist() == [0.25, 0.75]
    np.testing.assert_array_equal(back.mean(), solution.mean())
