"""The model zoo: both forms of each model are one network, the one that the literature's numbers belong to."""

import re
from pathlib import Path

import libsbml
import numpy as np
import pytest

import kinetix as kx
from kinetix.compiler import compile_network
from tests import exact
from tests.core import zoo_built

MODELS = exact.ROOT / "examples" / "models"
NAMES = (
    *("birth_death", "telegraph", "gene_expression", "autoregulation"),
    *("toggle_switch", "schloegl", "cascade15", "mrna_turnover"),
    *("birth_death_fast", "bursting", "early_life", "epidemic", "cascade15_hill", "cascade15_feedback"),
    *("feed_forward_loop", "mapk16"),
)

BUILT = {
    "birth_death": exact.birth_death(),
    "telegraph": exact.telegraph(1.0, 3.0, 200.0),
    "gene_expression": exact.gene_expression(),
    "autoregulation": exact.autoregulation(),
    "toggle_switch": exact.toggle_switch(),
    "schloegl": exact.schloegl(),
    "cascade15": exact.cascade(),
    "birth_death_fast": exact.birth_death(10.0, 1.0),
    "mapk16": exact.mapk16(),
    "bursting": zoo_built.bursting(),
    "early_life": zoo_built.early_life(),
    "epidemic": zoo_built.epidemic(),
    "cascade15_hill": zoo_built.cascade15_hill(),
    "cascade15_feedback": zoo_built.cascade15_feedback(),
    "feed_forward_loop": zoo_built.feed_forward_loop(),
}
"""Models that the tests of the solvers build in Python, and check there against exact values."""

CASCADE = [1.667, 1.389, 1.157, 0.965, 0.804, 0.670, 0.558, 0.465, 0.388, 0.323, 0.269, 0.224, 0.187, 0.156, 0.778]
TURNOVER_SPECIES = (
    *("Gu", "A", "B", "BC1", "BC2", "BC3", "BC4", "BC5", "C"),
    *("E", "D", "G", "F", "L", "M", "I1", "I2"),
)
TURNOVER = [
    *(0.428, 0.856, 5.063, 2.992, 5.666, 1.380, 2.569, 1.856, 2.517),
    *(0.924, 0.214, 0.412, 0.071, 3.337, 0.025, 0.446, 1.353),
]
"""Exact means at t = 10."""


def zoo(name: str, ending: str = ".xml") -> kx.ReactionNetwork:
    return kx.load(MODELS / f"{name}{ending}")


# files -----------------------------------------------------------------------------------------


def test_the_zoo_is_complete() -> None:
    assert {p.name for p in MODELS.iterdir()} == {"README.md"} | {f"{n}{e}" for n in NAMES for e in (".ant", ".xml")}
    assert all(f"| `{name}` |" in (MODELS / "README.md").read_text() for name in NAMES)
    section = (exact.ROOT / "README.md").read_text().split("\n## The model zoo\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`(\w+)`(?=.*\| \d)", section)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_are_one_network(name: str, tmp_path: Path) -> None:
    """Mutants seen to fail: a value changed in one form; a reaction renamed; two species exchanged."""
    text, sbml = zoo(name, ".ant"), zoo(name)
    assert text.fingerprint == sbml.fingerprint
    assert text.name == sbml.name == name
    assert text.species == sbml.species
    assert text.parameters == sbml.parameters
    assert [str(r) for r in text.reactions] == [str(r) for r in sbml.reactions]
    assert not text.report
    assert not sbml.report
    text.to_sbml(tmp_path / "again.xml")
    assert (tmp_path / "again.xml").read_bytes() == (MODELS / f"{name}.xml").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_round_trips_and_findings(name: str, tmp_path: Path) -> None:
    network = zoo(name)
    expected = {("KX111", "note")}  # open systems have no bound
    expected |= {("KX112", "warning")} if name == "epidemic" else set()  # its infection contains the time
    assert {(f.code, f.severity) for f in network.check()} <= expected
    assert ("KX112" in [f.code for f in network.check()]) == (name == "epidemic")
    assert kx.parse(network.to_text()).fingerprint == network.fingerprint
    network.to_sbml(tmp_path / "model.xml")
    assert kx.load(tmp_path / "model.xml").fingerprint == network.fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_the_sbml_is_valid_and_in_molecules(name: str) -> None:
    document = libsbml.readSBML(str(MODELS / f"{name}.xml"))
    assert (document.getLevel(), document.getVersion()) == (3, 2)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)  # units of rates are left open
    document.checkConsistency()
    assert [document.getError(i).getMessage() for i in range(document.getNumErrors())] == []
    model = document.getModel()
    assert model.getSubstanceUnits() == model.getExtentUnits() == "item"
    assert all(s.getHasOnlySubstanceUnits() and s.isSetInitialAmount() for s in model.getListOfSpecies())
    assert not any(r.getReversible() for r in model.getListOfReactions())


# laws ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILT)
def test_the_law_is_that_of_the_network_built_in_python(name: str) -> None:
    """Same changes at the same rates in every state, so the exact values checked there hold here.

    Mutants seen to fail: Px*Px for Px*(Px - 1); 1 - Gx for 1 - Gy; 2 Px released as 1.
    """
    here, there = compile_network(zoo(name)), compile_network(BUILT[name])
    assert here.network.species_names == there.network.species_names
    assert np.array_equal(here.initial, there.initial)
    states = np.random.default_rng(5).integers(0, 7, (50, len(here.initial)))
    states[:, [n.startswith("G") for n in here.network.species_names]] %= 2

    def flows(model) -> list[dict[tuple[int, ...], np.ndarray]]:
        total: dict[tuple[int, ...], np.ndarray] = {}
        for change, rate in zip(model.change, model.propensities(states, model.theta, 1.7).T, strict=True):
            total[tuple(change)] = total.get(tuple(change), 0) + rate
        return total

    mine, other = flows(here), flows(there)
    assert mine.keys() == other.keys()
    for change, rate in mine.items():
        assert np.allclose(rate, other[change], rtol=1e-12, atol=0)


@pytest.mark.parametrize(("name", "parameters"), [("telegraph", 4), ("autoregulation", 5), ("toggle_switch", 5)])
def test_parameters_that_the_boxes_vary(name: str, parameters: int) -> None:
    names = {
        "telegraph": {"kon", "koff", "ksyn", "dm"},
        "autoregulation": {"sigma_u", "sigma_b", "rho_u", "rho_b", "delta"},
        "toggle_switch": {"syn_x", "syn_y", "decay", "bind", "unbind"},
    }
    assert {p.name for p in zoo(name).parameters} == names[name]
    assert len(zoo(name).parameters) == parameters


# exact values, on the files themselves -----------------------------------------------------------


def test_birth_death_is_poisson() -> None:
    solution = kx.solve(zoo("birth_death"), [5.0, 25.0, 49.0, 98.0], solver="fsp")
    for t in solution.times:
        pmf = solution.marginal("X", t)
        assert np.abs(pmf - exact.birth_death_pmf(0.1, 0.01, 0, t, len(pmf))).sum() < 1e-8


@pytest.mark.parametrize(
    ("name", "times", "species", "mean", "sd", "digit"),
    [
        ("gene_expression", [360.0], "p", [25.17], [7.85], 5e-3),
        ("autoregulation", [10.0], "P", [10.154], [5.197], 5e-4),
        ("toggle_switch", [1.0], "Px", [31.077], [6.199], 5e-4),
    ],
)
def test_moments_to_the_printed_digit(
    name: str, times: list[float], species: str, mean: list[float], sd: list[float], digit: float
) -> None:
    solution = kx.solve(zoo(name), times, solver="fsp")
    assert np.allclose(solution.mean(species), mean, atol=1.01 * digit)
    assert np.allclose(solution.std(species), sd, atol=1.01 * digit)


def test_telegraph_becomes_beta_poisson() -> None:
    solution = kx.solve(zoo("telegraph"), [20.0], solver="fsp")
    pmf = solution.marginal("M", 20.0)
    assert np.abs(pmf - exact.beta_poisson_pmf(1.0, 3.0, 200.0, len(pmf))).sum() < 1e-7


def test_schloegl_has_two_modes() -> None:
    """The stationary law of a birth-death process in one dimension, from detailed balance."""
    solution = kx.solve(zoo("schloegl"), [60.0], solver="fsp")
    pmf = solution.marginal("X", 60.0)
    x = np.arange(len(pmf) - 1.0)
    up = 2.676 * x * (x - 1) + 108.102
    down = 0.040 * (x + 1) * x * (x - 1) + 37.881 * (x + 1)
    law = np.exp(np.append(0.0, np.cumsum(np.log(up / down))))
    law /= law.sum()
    modes = [int(k) for k in range(1, len(law) - 1) if law[k - 1] < law[k] > law[k + 1]]
    assert len(modes) == 2
    mode_here = [int(k) for k in range(1, len(pmf) - 1) if pmf[k - 1] < pmf[k] > pmf[k + 1] and pmf[k] > 1e-6]
    assert mode_here == modes


@pytest.mark.parametrize(("name", "means"), [("cascade15", CASCADE), ("mrna_turnover", TURNOVER)])
def test_first_order_networks(name: str, means: list[float]) -> None:
    """The linear ODE gives the printed means, and trajectories those means within |z| < 5."""
    network = zoo(name)
    ode = exact.first_order_means(compile_network(network), 10.0)
    assert np.allclose(ode, means, atol=5.1e-4)
    draws = kx.solve(network, [10.0], solver="ssa", paths=2000, seed=11).trajectories[:, 0]
    assert exact.worst_z(draws, ode, draws.std(axis=0, ddof=1)) < 5
    if name == "cascade15":
        assert exact.worst_z(draws, ode, np.sqrt(ode)) < 5


def test_turnover_names() -> None:
    assert zoo("mrna_turnover").species_names == TURNOVER_SPECIES
