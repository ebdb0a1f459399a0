"""Curated models of BioModels: read, or refused for a stated reason; their laws against reference runs of others.

Files and licence (CC0): tests/data/biomodels. The reference tables are deterministic runs and samples of trajectories
made with other simulators.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import kinetix as kx
from kinetix.compiler import compile_network
from tests.exact import ROOT

FOLDER = ROOT / "tests" / "data" / "biomodels"
NANOMOLES, MICROMOLES = 6.02214076e14, 6.02214076e17


def model(number: int) -> Path:
    return FOLDER / f"BIOMD{number:010d}.xml"


def reference(kind: str, number: int) -> dict[str, np.ndarray]:
    lines = (FOLDER / "reference" / f"{kind}_BIOMD{number:010d}.csv").read_text().split()
    rows = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    return dict(zip(lines[0].split(","), rows.T, strict=True))


@pytest.mark.parametrize(
    ("number", "species", "reactions", "told"),
    [
        (12, 6, 12, []),
        (35, 9, 16, [("KX107", "warning", "vilarOscillator")]),
        (485, 2, 4, [("KX107", "warning", "MODEL1308080005")]),
        (573, 2, 7, []),
        (957, 4, 3, []),
    ],
)
def test_read_as_molecules(number: int, species: int, reactions: int, told: list[tuple[str, str, str]]) -> None:
    network = kx.load(model(number))
    assert (len(network.species), len(network.reactions)) == (species, reactions)
    assert [(f.code, f.severity, f.element) for f in network.report] == told


@pytest.mark.parametrize(
    ("number", "species", "unit", "factor"),
    [
        (9, "E1", "1e-06", "6.02214076e+17"),
        (10, "MKKK", "1e-09", "6.02214076e+14"),
        (26, "M", "1e-09", "6.02214076e+14"),
    ],
)
def test_moles_are_refused_with_the_factor(number: int, species: str, unit: str, factor: str) -> None:
    with pytest.raises(kx.UnsupportedFeature) as caught:
        kx.load(model(number))
    assert str(caught.value) == (
        f"{model(number)}: species {species!r}: amounts are declared in units of {unit} mole, not in molecules "
        f"(KX107); load with scale={factor}, the molecules in one unit"
    )


def test_events_are_refused_by_name() -> None:
    with pytest.raises(kx.UnsupportedFeature) as caught:
        kx.load(model(188))
    assert str(caught.value) == f"{model(188)}: event 'stressCell': events are not supported; remove the event"


def test_moles_become_molecules_by_the_factor_that_the_refusal_names() -> None:
    network = kx.load(model(9), scale=MICROMOLES)
    starts = {s.name: s.initial for s in network.species}
    assert (starts["E1"], starts["KKK"], starts["KK"], starts["P_KK"]) == (72, 7227, 2_890_628, 0)
    rounded = [f.element for f in network.report if f.code == "KX106"]
    assert rounded == ["E1", "E2", "KKK", "KK", "K", "KPase", "KKPase"]
    split = [f.element for f in network.report if f.code == "KX103"]
    assert len(split) == 10
    assert len(network.reactions) == 30


@pytest.mark.parametrize(
    ("number", "scale"),
    [(10, NANOMOLES), (12, None), (26, NANOMOLES), (35, None), (485, None), (573, None), (957, None)],
)
def test_the_laws_drive_the_deterministic_run_of_the_reference(number: int, scale: float | None) -> None:
    """The change matrix and the laws as written, integrated here: no rounding of counts, no sampling.

    Mutants seen to fail: a local parameter's value taken from another reaction; the backward channel of a net law
    without its sign.
    """
    network = kx.load(model(number), scale=scale, law="verbatim")
    compiled, table = compile_network(network), reference("ODE", number)
    times, unit = table.pop("time"), scale or 1.0
    start = np.array([s.initial for s in network.species]) / unit

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        return compiled.change.T @ compiled.propensities(y * unit, compiled.theta, t) / unit

    run = solve_ivp(slope, (0, times[-1]), start, "LSODA", times, rtol=1e-9, atol=1e-9)
    for name, stated in table.items():
        here = run.y[network.species_names.index(name)]
        assert np.allclose(here, stated, rtol=2e-5, atol=1e-5 * np.abs(stated).max()), name


@pytest.mark.parametrize(("number", "until"), [(12, 2.0), (35, 0.5), (573, 100.0)])
def test_trajectories_agree_with_those_of_another_simulator(number: int, until: float) -> None:
    """Two samples: the difference of means over its standard error, below 4.5 for every species and time."""
    table = reference("SSA", number)
    times = table["time"][(table["time"] > 0) & (table["time"] <= until)]
    rows = np.isin(table["time"], times)
    solution = kx.solve(kx.load(model(number)), times, solver="ssa", paths=1000, seed=2)
    for name in solution.species:
        error = np.sqrt(solution.std(name) ** 2 / 1000 + table[f"{name}-sd"][rows] ** 2 / table["n"][rows])
        assert (np.abs(solution.mean(name) - table[f"{name}-mean"][rows]) <= 4.5 * error + 1e-12).all(), name
