"""Cases of the SBML semantic suite: the laws as read, integrated as the suite's deterministic runs are.

What the reader cannot treat exactly for molecule counts is refused by name. The suite and its licence:
tests/data/semantic.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import kinetix as kx
from kinetix.compiler import compile_network
from tests.exact import ROOT

FOLDER = ROOT / "tests" / "data" / "semantic"
REFUSED = {
    "00321": "rate rule of 'S3': rate rules are not supported",
    "00988": "event 'E0': events are not supported",
    "00993": "algebraic rule: algebraic rules are not supported",
    "01142": "package: the model needs the SBML package 'comp'",
    "01419": "rate rule of 'S1_stoich': rate rules are not supported",
    "01423": "reaction 'J0': the backward part 1 of the net law -1 is not zero without 'A' (KX104)",
    "01462": "rate rule of 'S1': rate rules are not supported",
    "01555": "rule of 'S1': has no formula",
    "01628": "reaction 'R16': a flux-balance model (package 'fbc') has no rates",
    "01744": "rule of 'S1_stoich': a stoichiometry that varies is not supported",
    "01775": "model: conversion factors are not supported",
}
FILES = tuple(sorted(FOLDER.glob("*/*.xml")))
READ = tuple(p for p in FILES if p.parent.name not in REFUSED)


def settings(case: Path) -> dict[str, str]:
    lines = next(case.glob("*settings.txt")).read_text().splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines if line)}


def table(case: Path) -> dict[str, np.ndarray]:
    lines = next(case.glob("*results.csv")).read_text().split()
    rows = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    return dict(zip(lines[0].replace("Time", "time").split(","), rows.T, strict=True))


def read(path: Path) -> tuple[kx.ReactionNetwork, float]:
    """The network, and the molecules in its unit: a fine one where amounts are moles or broken."""
    try:
        return kx.load(path, law="verbatim"), 1.0
    except kx.UnsupportedFeature:
        return kx.load(path, law="verbatim", scale=1e12), 1e12


@pytest.mark.parametrize("path", READ, ids=lambda p: p.stem)
def test_the_deterministic_run_is_that_of_the_suite(path: Path) -> None:
    """Mutants seen to fail: stoichiometries of 2 read as 1; laws not multiplied by the scale."""
    network, unit = read(path)
    compiled, columns, wanted = compile_network(network), table(path.parent), settings(path.parent)
    times = columns.pop("time")
    start = np.array([s.initial for s in network.species]) / unit

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        return compiled.change.T @ compiled.propensities(y * unit, compiled.theta, t) / unit

    run = solve_ivp(slope, (0, times[-1]), start, "LSODA", times, rtol=1e-9, atol=1e-12)
    sizes = {c.name: c.value for c in network.constants if c.kind == "compartment"}
    fixed = {p.name: p.value / (unit if p.kind == "boundary" else 1) for p in (*network.parameters, *network.constants)}
    homes = {s.name: s.compartment for s in network.species}
    for name, stated in columns.items():
        here = run.y[network.species_names.index(name)] if name in homes else np.full(len(times), fixed[name])
        if name in wanted["concentration"].split(", ") and name in homes:
            here = here / sizes[homes[name]]
        assert (np.abs(here - stated) <= float(wanted["absolute"]) + float(wanted["relative"]) * np.abs(stated)).all()


@pytest.mark.parametrize("path", [p for p in FILES if p not in READ], ids=lambda p: p.stem)
def test_refused_by_name(path: Path) -> None:
    with pytest.raises(kx.KinetixError) as caught:
        kx.load(path)
    assert str(caught.value).startswith(f"{path}: {REFUSED[path.parent.name]}")


def test_the_licence_is_here() -> None:
    assert "GNU Lesser General Public License" in (FOLDER / "LICENSE.txt").read_text()
    assert len(READ) > 20
