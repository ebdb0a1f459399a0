"""Posteriors on disk and for ArviZ: every bit comes back, and what is damaged or another's is refused."""

from dataclasses import fields, replace

import numpy as np
import pytest
import xarray

import kinetix as kx
from kinetix.errors import CheckpointError
from kinetix.inference.posterior import Posterior
from kinetix.inference.posteriors.misfits import PredictiveCheck
from tests.exact import birth_death

C, N = 4, 300
GATE = {"exact": "FSP", "certified": np.bool_(True), "corrected": True, "pareto_k": 0.2, "efficiency": np.float64(0.9)}
META = {"seed": 7, "settings": {"walkers": 8}, "versions": {"kinetix": "0"}, "cpu_seconds": 1.5}


def made(names=("birth", "death"), *, species="X", full=True):
    """A posterior in which no field is left at its default, or, not `full`, every one is."""
    rng = np.random.default_rng(0)
    draws = np.exp(rng.normal(size=(C, N, len(names))))
    data = kx.Observations.from_counts(species, np.repeat([0.5, 3.0], 10), rng.poisson(4, 20))
    prior = {n: kx.prior.log_uniform(0.01 / 3, 100) for n in names} | {"fixed": kx.prior.fixed(0.1)}
    plain = Posterior(names, draws, rng.normal(size=(C, N)), prior, data, birth_death(5.0, 1.0))
    if not full:
        return plain
    diagnostics = {n: {"rhat": 1 / 3, "ess_bulk": np.nan, "mcse": np.float64(0.1)} for n in names}
    weights = rng.random((C, N)) * (rng.random((C, N)) < 0.3)
    return replace(
        plain,
        data=replace(data, source="cells.csv", notes=("one column left out",)),
        likelihood={"solver": "MET", "box": {"birth": [1.0, 20.0]}},
        diagnostics=diagnostics,
        gate=GATE,
        weights=weights,
        converged=True,
        complete=False,
        predictive=predicted(rng),
        meta=META,
    )


def predicted(rng):
    shape = (2, 1, 5)
    arrays = {name: rng.normal(size=shape) for name in ("observed", "low", "high", "z", "p_value")}
    arrays["z"][0, 0, 0] = np.nan
    return PredictiveCheck(
        times=np.array([0.5, 3.0]),
        species=("X",),
        cells=np.array([10, 10]),
        **arrays,
        shares_observed=rng.random((2, 1, 6)),
        shares=rng.random((3, 2, 1, 6)),
        replicated=rng.poisson(4, (50, 20, 1)),
        replicates=2000,
        draws=50,
    )


@pytest.fixture
def stored(tmp_path):
    made().save(tmp_path / "p.nc")
    return tmp_path / "p.nc"


def same(a, b):
    """Equal to the last bit, NaN equal to NaN, types of arrays included."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


# on disk ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [True, False])
def test_every_bit_comes_back(full, tmp_path):
    """Every field of Posterior is compared. Mutants: weights normalised again; `complete` not stored; notes lost."""
    before = made(full=full)
    before.save(tmp_path / "p.nc")
    for after in (Posterior.load(tmp_path / "p.nc"), kx.open(tmp_path / "p.nc")):
        assert isinstance(after, Posterior)
        compared = set()
        for field in fields(Posterior):
            old, new = getattr(before, field.name), getattr(after, field.name)
            compared.add(field.name)
            if field.name == "data":
                assert (old.digest, old.source, old.notes) == (new.digest, new.source, new.notes)
                assert same(list(old.rows), list(new.rows))
            elif field.name == "network":
                assert old.fingerprint == new.fingerprint
                assert old.parameters == new.parameters
            elif field.name == "predictive":
                assert (old is None) == (new is None)
                for part in fields(PredictiveCheck) if full else ():
                    assert same(getattr(old, part.name), getattr(new, part.name)), part.name
            else:
                assert same(old, new), field.name
        assert compared == {f.name for f in fields(Posterior)}
        assert str(after.summary()) == str(before.summary())
        assert str(after.check()) == str(before.check())


def test_a_file_is_written_whole_or_not_at_all(stored, monkeypatch):
    """Mutant: the netCDF written in place: a full disk leaves half a file over a good one."""
    whole = stored.read_bytes()

    def full_disk(_, path, **__):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xarray.DataTree, "to_netcdf", full_disk)
    with pytest.raises(OSError, match="No space"):
        made().save(stored)
    assert stored.read_bytes() == whole
    assert [p.name for p in stored.parent.iterdir()] == ["p.nc"]


def test_any_flipped_byte_is_refused_or_harmless(stored):
    """24 places over the whole file. Mutant: the digest not compared, and other numbers come back silently."""
    whole = stored.read_bytes()
    before = Posterior.load(stored)
    refused = []
    for at in np.linspace(0, len(whole) - 1, 24).astype(int):
        stored.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            after = kx.open(stored)
        except CheckpointError as problem:
            refused.append(str(problem))
        else:
            assert same(after.draws, before.draws)
            assert same(after.weights, before.weights)
    assert len(refused) > 4
    assert all(line.startswith(f"{stored}: ") and "\n" not in line for line in refused)


def test_a_number_changed_inside_is_refused(stored):
    """Mutant: the digest not compared."""
    import h5py

    for name in ("draws", "repeats", "weights"):
        with h5py.File(stored, "r+") as file:
            place = file[f"kinetix/{name}"]
            kept = place[...]
            place[...] = kept[::-1] if name == "repeats" else kept * (1 + 1e-15)
        with pytest.raises(CheckpointError, match="does not match its digest"):
            kx.open(stored)
        with h5py.File(stored, "r+") as file:
            file[f"kinetix/{name}"][...] = kept
    assert kx.open(stored).meta["seed"] == 7


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.98])
def test_a_truncated_file_is_refused(stored, share):
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(share * len(whole))])
    for read in (Posterior.load, kx.open):
        with pytest.raises(CheckpointError) as problem:
            read(stored)
        assert str(stored) in str(problem.value)


def test_what_is_not_there_or_not_a_posterior_is_refused_by_name(tmp_path):
    """Mutant: the format not looked at: a KeyError of some group."""
    other = tmp_path / "other.nc"
    xarray.Dataset({"x": ("t", np.arange(3.0))}).to_netcdf(other, engine="h5netcdf")
    solution = tmp_path / "solution.nc"
    kx.solve(birth_death(3.0, 1.0), [1.0], seed=1).save(solution)
    text = tmp_path / "text.nc"
    text.write_text("time,X\n1,2\n")
    for path, words in (
        (tmp_path / "missing.nc", "no such file"),
        (other, "not a stored posterior"),
        (solution, "a stored solution, not a posterior"),
        (text, "cannot be read as a stored posterior"),
    ):
        with pytest.raises(CheckpointError, match=words) as problem:
            Posterior.load(path)
        assert problem.value.exit_code == 2
        assert path.name in str(problem.value)
    for path in (tmp_path / "missing.nc", other, text):
        with pytest.raises(CheckpointError, match=path.name):
            kx.open(path)
    assert isinstance(kx.open(solution), kx.Solution)


# ArviZ --------------------------------------------------------------------------------------------------

GROUPS = {"posterior", "sample_stats", "log_likelihood", "prior", "observed_data", "constant_data"}


def test_arviz_has_its_groups_and_dimensions():
    """Mutants: chains and draws exchanged; cells without their times."""
    found = made()
    tree = found.to_arviz()
    assert set(tree.children) == {*GROUPS, "posterior_predictive"}
    assert dict(tree["posterior"].sizes) == {"chain": C, "draw": N}
    np.testing.assert_array_equal(tree["posterior"]["death"].values, found.draws[:, :, 1])
    np.testing.assert_array_equal(tree["sample_stats"]["lp"].values, found.log_density)
    np.testing.assert_array_equal(tree["sample_stats"]["weight"].values, found.weights)
    np.testing.assert_array_equal(tree["log_likelihood"]["cells"].values, found.log_likelihood)
    assert dict(tree["observed_data"].sizes) == {"cell": 20}
    for k, t in enumerate(found.data.times):
        here = tree["constant_data"]["time"].values == t
        np.testing.assert_array_equal(np.sort(tree["observed_data"]["X"].values[here]), found.data.counts(k)[:, 0])
    assert tree["posterior_predictive"]["X"].dims == ("chain", "draw", "cell")
    assert tree["posterior_predictive"]["X"].shape == (1, 50, 20)
    assert tree["prior"]["birth"].shape == (1, 1000)
    assert set(made(full=False).to_arviz().children) == GROUPS


def test_arviz_takes_samples_from_it():
    from arviz_base import extract

    assert dict(extract(made().to_arviz(), var_names=["birth"], keep_dataset=True).sizes) == {"sample": C * N}


def test_the_file_itself_is_an_arviz_tree(stored):
    with xarray.open_datatree(stored, engine="h5netcdf") as tree:
        assert set(tree.children) >= GROUPS
        np.testing.assert_array_equal(tree["posterior"]["birth"].values, made().draws[:, :, 0])


@pytest.mark.parametrize("name", ["chain", "draw", "cell"])
def test_names_that_are_dimensions_are_set_apart(name, tmp_path):
    """Mutant: no trailing `_`: a parameter that is called chain takes the place of the chains."""
    found = made((name, "death"), species="X", full=False)
    tree = found.to_arviz()
    np.testing.assert_array_equal(tree["posterior"][f"{name}_"].values, found.draws[:, :, 0])
    assert f"{name}_" in made(species=name, full=False).to_arviz()["observed_data"]
    found.save(tmp_path / "p.nc")
    assert Posterior.load(tmp_path / "p.nc").names == (name, "death")


@pytest.mark.parametrize("name", ["time", "cells", "lp", "weight"])
def test_names_of_other_variables_are_free(name):
    """Mutant: the dimensions of the cells' times given to a parameter called time."""
    tree = made((name, "death"), species="cells", full=False).to_arviz()
    assert tree["posterior"][name].dims == ("chain", "draw")
    assert tree["observed_data"]["cells"].dims == ("cell",)


def test_a_name_and_the_same_with_an_underscore_stay_two():
    """Mutant: `chain` renamed to the name of the other."""
    for names in (("chain", "chain_"), ("chain_", "chain")):
        found = made(names, full=False)
        posterior = found.to_arviz()["posterior"]
        assert set(posterior.data_vars) == {"chain_", "chain__"}
        np.testing.assert_array_equal(posterior["chain_"].values, found.draws[:, :, names.index("chain_")])
