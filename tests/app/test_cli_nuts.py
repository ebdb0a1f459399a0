"""`kinetix infer --sampler nuts`: the posterior of emcee by another way, and what it refuses."""

from pathlib import Path

import pytest

import kinetix as kx
from kinetix.inference.samplers import hamiltonian
from tests.app.conftest import Run
from tests.app.test_cli_infer import command, write

NUTS = ("--sampler", "nuts", "--ensembles", 2, "--steps", 40, "--seed", 1, "--json")


def test_rates_are_inferred_by_nuts(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option reaches the sampler."""
    pytest.importorskip("pyro")
    monkeypatch.setattr(hamiltonian, "WARMUP", 20)
    write(tmp_path)
    code, _, err = run(*command(tmp_path, *NUTS, "--output", tmp_path / "p.nc"))
    assert (code, err) == (3, "")  # 80 draws are too few to be trusted
    found = kx.open(tmp_path / "p.nc")
    assert found.meta["sampler"] == "nuts"
    assert found.draws.shape == (2, 40, len(found.names))
    assert found.meta["divergences"]["of"] == 80


def test_chains_of_nuts_are_not_kept_in_folders(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pyro")
    write(tmp_path)
    code, out, err = run(*command(tmp_path, *NUTS, "--output", tmp_path / "chains"))
    assert code == 2
    assert "not kept on disk" in out + err


def test_calibration_hands_the_name_of_a_sampler_on(run: Run, tmp_path: Path) -> None:
    """Mutant seen to fail: the name called as if it were a sampler."""
    write(tmp_path)
    options = ("--prior", tmp_path / "prior.toml", "--times", 1, "--cells", 20, "--runs", 20, "--seed", 1)
    code, out, err = run("calibrate", tmp_path / "bd.txt", *options, "--sampler", "hmc")
    assert code in (1, 2)
    assert "sampler is 'hmc'; use one of emcee, nuts" in (out + err).replace("infer: ", "")
