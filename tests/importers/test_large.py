"""Large files: the time that a network of thousands of species and reactions takes to be read."""

import random
import time

import pytest

import kinetix as kx
from tests.exact import ROOT
from tests.importers.small_sbml import load

MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">{}</math>'
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" '
    'version="2"><model id="large" substanceUnits="item">'
)


def random_sbml(size: int, *, seed: int = 1) -> str:
    """A model of so many species, parameters and reactions.

    A quarter each: first order, two that meet, a dimer at a power law, reversible at a net law.
    """
    rng = random.Random(seed)
    species = "".join(
        f'<species id="S{i}" compartment="c" initialAmount="{rng.randrange(100)}" boundaryCondition="false" '
        f'hasOnlySubstanceUnits="{"true" if i % 2 else "false"}" constant="false"/>'
        for i in range(size)
    )
    parameters = "".join(
        f'<parameter id="k{i}" value="{rng.uniform(0.01, 1):.5g}" constant="true"/>' for i in range(size)
    )
    reactions = "".join(_reaction(i, size, rng.sample(range(size), 3)) for i in range(size))
    lists = {
        "Compartments": '<compartment id="c" size="1" constant="true"/>',
        "Species": species,
        "Parameters": parameters,
        "Reactions": reactions,
    }
    return HEAD + "".join(f"<listOf{tag}>{inside}</listOf{tag}>" for tag, inside in lists.items()) + "</model></sbml>"


def _reaction(i: int, size: int, chosen: list[int]) -> str:
    a, b = (f"<ci>S{n}</ci>" for n in chosen[:2])
    k, back = f"<ci>k{i}</ci>", f"<ci>k{(i + 1) % size}</ci>"
    first = f"<apply><times/>{k}{a}</apply>"
    laws = (
        first,
        f"<apply><times/><ci>c</ci>{k}{a}{b}</apply>",
        f"<apply><times/>{k}<apply><power/>{a}<cn>2</cn></apply></apply>",
        f"<apply><minus/>{first}<apply><times/>{back}{b}</apply></apply>",
    )
    taken = [(chosen[0], 2 if i % 4 == 2 else 1)] + ([(chosen[1], 1)] if i % 4 == 1 else [])
    made = [(chosen[2] if i % 4 == 1 else chosen[1], 1)]
    sides = "".join(
        f"<listOf{tag}>"
        + "".join(f'<speciesReference species="S{n}" stoichiometry="{m}" constant="true"/>' for n, m in side)
        + f"</listOf{tag}>"
        for tag, side in (("Reactants", taken), ("Products", made))
    )
    reversible = "true" if i % 4 == 3 else "false"
    law = f"<kineticLaw>{MATH.format(laws[i % 4])}</kineticLaw>"
    return f'<reaction id="r{i}" reversible="{reversible}">{sides}{law}</reaction>'


def seconds_to_load(size: int) -> float:
    text = random_sbml(size)
    started = time.process_time()
    network = load(text)
    used = time.process_time() - started
    assert (len(network.species), len(network.reactions)) == (size, size + size // 4)
    assert len(network.import_report()) == len(network.reactions)
    return used


def test_the_time_grows_with_the_size() -> None:
    """Mutant seen to fail: all names copied for each law; all species sampled for the sign of each (CPU seconds)."""
    assert seconds_to_load(400) < 3


@pytest.mark.slow
def test_three_thousand_species_and_reactions(capsys: pytest.CaptureFixture[str]) -> None:
    used = seconds_to_load(3000)
    with capsys.disabled():
        print(f"\n3,000 species and 3,000 reactions read in {used:.1f} s of CPU")
    assert used < 10


def test_real_models_take_seconds() -> None:
    """The largest of those here; CPU seconds."""
    paths = sorted((ROOT / "tests" / "data" / "biomodels").glob("*.xml"), key=lambda p: p.stat().st_size)
    started = time.process_time()
    kx.load(paths[-1])
    assert time.process_time() - started < 10
