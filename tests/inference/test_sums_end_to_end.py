"""From a table with columns to add and to split, through the chains and the predictive check, to disk and back."""

import numpy as np
import pytest

import kinetix as kx
from tests.inference.readings.test_observables import export, means


def test_a_total_of_two_species_fixes_the_rate_and_survives_storage(tmp_path):
    """The posterior's mean is that of the Poisson total. Mutant: the predictive check shown one part alone."""
    rng = np.random.default_rng(3)
    total = sum(means(1.0, 0.7, 1.0, 2.0))  # a unit rate: the total is Poisson(make * total)
    drawn = rng.poisson(4.0 * total, 300)
    nuclear = rng.binomial(drawn, 0.5)
    lines = [f"2,{n},{d - n}" for n, d in zip(nuclear, drawn, strict=True)]
    (tmp_path / "cells.csv").write_text("\n".join(["time,a,b", *lines]) + "\n")
    data = kx.Observations.read_csv(tmp_path / "cells.csv", columns={("a", "b"): ("N", "C")})
    prior = {"make": kx.prior.uniform(0, 20)}
    posterior = kx.infer(export(), data, prior=prior, seed=1, walkers=8, steps=100)
    shape = drawn.sum() + 1  # a flat prior: the posterior is a gamma law
    assert posterior.mean()[0] == pytest.approx(shape / total / 300, abs=0.2 * np.sqrt(shape) / total / 300)
    checked = posterior.predict(kx.FSP(), rng=np.random.default_rng(0), draws=20)
    assert not checked.predictive.misfits()
    checked.save(tmp_path / "posterior.nc")
    back = kx.open(tmp_path / "posterior.nc")
    assert back.data.sums == {"a+b": ("N", "C")}
    assert back.data.digest == data.digest
