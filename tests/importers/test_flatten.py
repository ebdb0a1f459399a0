"""Models made of models (comp): written out where that is bounded, otherwise refused by name."""

import time

import pytest

import kinetix as kx
from tests.exact import ROOT
from tests.importers.small_sbml import (
    NAMESPACES,
    compartment,
    element,
    listed,
    load,
    parameter,
    reaction,
    refusal,
    rule,
    species,
)

COMP = ' xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true"'
PARTS = (
    listed("Compartments", compartment()),
    listed("Species", species("X")),
    listed("Parameters", parameter("k", 2)),
    listed("Reactions", reaction("X ->", "k*X", fast=False)),
)
BODY = "".join(PARTS)


def submodels(*references: tuple[str, str]) -> str:
    return listed_in_comp("Submodels", *(f'<comp:submodel comp:id="{i}" comp:modelRef="{r}"/>' for i, r in references))


def listed_in_comp(tag: str, *members: str) -> str:
    return f"<comp:listOf{tag}>{''.join(members)}</comp:listOf{tag}>" if members else ""


def definition(name: str, *references: tuple[str, str], body: str = BODY) -> str:
    return f'<comp:modelDefinition id="{name}">{body}{submodels(*references)}</comp:modelDefinition>'


def document(main: str, *definitions: str, external: str = "") -> str:
    lists = listed_in_comp("ModelDefinitions", *definitions) + listed_in_comp("ExternalModelDefinitions", external)
    head = f'<sbml xmlns="{NAMESPACES[3, 1]}" level="3" version="1"{COMP}>'
    text = f'<?xml version="1.0" encoding="UTF-8"?>{head}{element("model", main, id="m")}{lists}</sbml>'
    return (
        text
        if external
        else text.replace("<comp:listOfExternalModelDefinitions></comp:listOfExternalModelDefinitions>", "")
    )


TWO = submodels(("A", "d"), ("B", "d"))


def test_submodels_are_written_out() -> None:
    network = load(document(TWO, definition("d")))
    assert network.species_names == ("A__X", "B__X")
    assert [str(r) for r in network.reactions] == ["A__r: A__X -> ; A__X*A__k", "B__r: B__X -> ; B__X*B__k"]


def test_replaced_species_are_one() -> None:
    replaced = "".join(f'<comp:replacedElement comp:idRef="X" comp:submodelRef="{s}"/>' for s in "AB")
    shared = species("X", 7).replace("</species>", listed_in_comp("ReplacedElements", replaced) + "</species>")
    network = load(document(PARTS[0] + listed("Species", shared) + TWO, definition("d")))
    assert [(s.name, s.initial) for s in network.species] == [("X", 7)]
    assert len(network.reactions) == 2


DOUBLING = [definition(f"d{i}", ("P", f"d{i + 1}"), ("Q", f"d{i + 1}"), body="") for i in range(25)]
REFUSED = {
    "external": (
        document(TWO, external='<comp:externalModelDefinition comp:id="d" comp:source="/etc/passwd"/>'),
        "external model definition 'd': models in other files are not read",
    ),
    "circle": (
        document(TWO, definition("d", ("C", "e")), definition("e", ("D", "d"))),
        "model 'd': the model contains itself: d -> e -> d",
    ),
    "unknown": (document(submodels(("A", "z")), definition("d")), "submodel 'A': refers to the model 'z'"),
    "doubling": (
        document(submodels(("A", "d0")), *DOUBLING, definition("d25")),
        "package 'comp': there are more than 30000 tags once its submodels are written out",
    ),
    "chain": (
        document(
            submodels(("A", "d0")), *(definition(f"d{i}", ("P", f"d{i + 1}")) for i in range(99)), definition("d99")
        ),
        "model 'd29': models are nested more than 30 deep",
    ),
    "fast inside": (
        document(TWO, definition("d", body=BODY.replace('fast="false"', 'fast="true"'))),
        "reaction 'A__r': fast reactions are not supported",
    ),
    "broken replacement": (
        document(
            PARTS[0]
            + listed(
                "Species",
                species("X").replace(
                    "</species>",
                    listed_in_comp("ReplacedElements", '<comp:replacedElement comp:idRef="Q" comp:submodelRef="A"/>')
                    + "</species>",
                ),
            )
            + TWO,
            definition("d"),
        ),
        "package 'comp': the submodels cannot be put together: ",
    ),
    "rate of inside": (
        document(
            TWO,
            definition(
                "d",
                body=PARTS[0]
                + PARTS[1]
                + listed("Parameters", parameter("k", 2, constant=False))
                + listed("Rules", rule("k", "delay(X, 2)"))
                + PARTS[3],
            ),
        ),
        "rule of 'k': 'delay' is not a function",
    ),
}


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name_before_it_grows(text: str, line: str) -> None:
    """Mutants seen to fail: sizes not bounded (the process takes gigabytes); the flat text not audited."""
    started = time.process_time()
    assert refusal(text).startswith(line)
    assert time.process_time() - started < 2


def test_what_was_flattened_runs() -> None:
    network = load(document(TWO, definition("d")))
    assert abs(kx.solve(network, [1.0], solver="fsp").mean("A__X")[0] - 10 * 2.718281828459045**-2) < 1e-6


def test_what_crashes_libsbml_is_one_line() -> None:
    """Found by fuzzing: an element of the mathematics that is none ended the process."""
    text = (ROOT / "tests" / "data" / "semantic" / "01142" / "01142-sbml-l3v2.xml").read_text()
    broken = text.replace("<math ", "<initialAssignment ").replace("</math>", "</initialAssignment>")
    assert "libsbml cannot put the submodels together" in refusal(broken)
